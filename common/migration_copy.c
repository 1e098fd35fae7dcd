#include "common/migration_copy.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/handover.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/engine_sql.h"
#include "common/linux/lease.h"
#include "common/linux/publish.h"
#include "common/linux/worker.h"
#include "common/snapshot.h"
#include "common/sqlite/integrity.h"
#include "common/target_connection.h"

/* --- making -------------------------------------------------------------------------------------------------------- */

/* What the copy may grow to: its pages, those of a WAL, and as much again for the migration. */
static uint64_t room_for(const struct target *target)
{
	const struct target_file *wal = &target->files[FILE_WAL];

	return 2 * ((uint64_t)target->files[FILE_MAIN].stat.st_size +
		    (wal->path_fd >= 0 ? (uint64_t)wal->stat.st_size : 0));
}

bool migration_copy_prepare(struct migration_copy *copy, struct error *err)
{
	const struct target *target = &copy->migration->target;
	const struct stat *owner = &target->files[FILE_MAIN].stat;
	const char *slash = strrchr(target->resolved, '/');
	auto_free char *folder =
		memory_copy(target->resolved,
			    slash > target->resolved ? (size_t)(slash - target->resolved) : 1);

	/* The journal of the transaction that publishes it, or its WAL, lies beside the database. */
	return publish_has_room(target->folder_fd, room_for(target) / 2, folder, err) &&
	       sandbox_make(&copy->sandbox, target->folder_fd, folder, owner->st_uid, owner->st_gid,
			    room_for(target), copy->migration->shown, err);
}

int migration_copy_fd(const struct migration_copy *copy, struct error *err)
{
	auto_close int fd = openat(copy->sandbox.upper_fd, copy->migration->target.name,
				   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat stat = { 0 };

	if (fd < 0 || fstat(fd, &stat) != 0)
		(void)fail_errno(err, STATUS_TROUBLE, "the copy cannot be opened");
	else if (!S_ISREG(stat.st_mode) || stat.st_nlink != 1)
		(void)fail(err, STATUS_TROUBLE, "the copy is no plain file any more");
	else
		return take_descriptor(&fd);
	return -1;
}

/* The copy gets the owner and the mode of the database, so that the program may do with it what it could do there. */
static bool give_to_owner(struct migration_copy *copy, struct error *err)
{
	const struct stat *owner = &copy->migration->target.files[FILE_MAIN].stat;
	auto_close int fd = migration_copy_fd(copy, err);

	return fd >= 0 &&
	       (((geteuid() != 0 || fchown(fd, owner->st_uid, owner->st_gid) == 0) &&
		 fchmod(fd, owner->st_mode & 0777) == 0 && database_stamp_read(fd, &copy->stamp)) ||
		fail_errno(err, STATUS_TROUBLE, "the copy cannot be given to its owner"));
}

static void watch_copying(void *context)
{
	const struct migration_copy *copy = ((void **)context)[0];
	struct snapshot *snapshot = ((void **)context)[1];

	if (copy->migration->progress)
		progress_show(copy->migration->progress, "copying", atomic_load(&snapshot->done),
			      atomic_load(&snapshot->total));
}

bool migration_copy_make(struct migration_copy *copy, bool held, struct error *err)
{
	const struct migration *migration = copy->migration;
	auto_target target = TARGET_NONE;
	struct snapshot *snapshot = NULL;
	bool good = false;

	/* Anew: what lies beside it may have changed until we had the lock. */
	if (!target_open(&target, migration->root, migration->database, err))
		return false;
	if (!target_same(&target, &migration->target))
		return fail(err, STATUS_TROUBLE, "%s: was replaced; nothing was changed",
			    migration->shown);
	snapshot = worker_share(sizeof *snapshot);
	*snapshot = (struct snapshot){
		.target = &target,
		.shown = migration->shown,
		.folder_fd = copy->sandbox.upper_fd,
		.name = target.name,
		.held = held,
		.fleeting = true,
		.wait = migration->options.wait,
	};

	void *const both[] = { copy, snapshot };
	const struct worker_watch watch = { watch_copying, (void *)(uintptr_t)both };

	good = worker_run("copying the database", snapshot_take, snapshot, &watch, err) &&
	       give_to_owner(copy, err);
	worker_unshare(snapshot, sizeof *snapshot);
	return good;
}

/* --- looking at it --------------------------------------------------------------------------------------------------- */

bool migration_copy_open(const struct migration_copy *copy, struct connection *connection,
			 struct error *err)
{
	auto_free char *path =
		connection_path(copy->sandbox.upper_fd, copy->migration->target.name);

	connection_stop_when(worker_should_stop);
	if (!connection_open(connection, path, CONNECTION_WRITE, 0, copy->migration->shown, err))
		return false;
	if (copy->migration->project.engine == ENGINE_SQL)
		connection_refuse_stand_ins(connection);
	/* Nobody else works in it; and were it cut off all the same, only this process would end (F12). */
	return connection_run(connection, "PRAGMA synchronous=OFF; PRAGMA mmap_size=1099511627776",
			      "the copy cannot be read", err);
}

struct looking {
	const struct migration_copy *copy;
	bool verify;
	int state_fd, versions_fd;
};

/*
 * Where the real folder has a -journal or a -wal that the program's view was without, overlayfs keeps a device in the copy's folder in its
 * place (overlayfs.rst, "whiteouts"), which SQLite would try to open.
 */
static bool clear_whiteouts(const struct migration_copy *copy, struct error *err)
{
	const int folder_fd = copy->sandbox.upper_fd;

	for (enum database_file file = FILE_MAIN + 1; file < FILE_COUNT; file++) {
		auto_free char *name = memory_format("%s%s", copy->migration->target.name,
						     database_file_suffix(file));
		struct stat stat = { 0 };

		if (fstatat(folder_fd, name, &stat, AT_SYMLINK_NOFOLLOW) != 0 ||
		    S_ISREG(stat.st_mode))
			continue;
		if (!S_ISCHR(stat.st_mode))
			return fail(err, STATUS_TROUBLE, "the copy's %s is no plain file any more",
				    database_file_suffix(file));
		if (unlinkat(folder_fd, name, 0) != 0)
			return fail_errno(err, STATUS_TROUBLE, "the copy cannot be tidied");
	}
	return true;
}

/*
 * What is verified is what is published: nobody else can open the copy any more (sandbox_take_back()), and by the
 * kernel's word nobody has it open still.
 */
static bool is_ours_alone(const struct migration_copy *copy, struct error *err)
{
	auto_close int fd = migration_copy_fd(copy, err);

	return fd >= 0 && (lease_ask(fd, LEASE_ANYBODY) != LEASE_SHARED ||
			   fail(err, STATUS_TROUBLE, "somebody still has the copy open"));
}

static bool note_state(const struct looking *looking, struct connection *connection,
		       struct error *err)
{
	auto_schema_state state = { 0 };
	auto_version_tables versions = { 0 };

	return schema_state_read(connection, &state, err) &&
	       handover_put(looking->state_fd, schema_state_write(&state), err) &&
	       version_tables_read(connection, &versions, err) &&
	       handover_put(looking->versions_fd, version_tables_write(&versions), err);
}

/* A worker_function. */
static bool look(void *argument, struct error *err)
{
	const struct looking *looking = argument;
	auto_connection connection = { 0 };
	enum integrity level = INTEGRITY_QUICK;

	if (!migration_copy_open(looking->copy, &connection, err))
		return false;
	if (looking->verify &&
	    (!integrity_check(&connection, &level, err) ||
	     /* What a program has left in a WAL comes into the file; and one that still works in it is noticed. */
	     !connection_run(&connection, "PRAGMA journal_mode=DELETE", "the copy is still in use",
			     err)))
		return false;
	return note_state(looking, &connection, err) && connection_close(&connection, err);
}

static bool take(int state_fd, int versions_fd, struct schema_state *state,
		 struct version_tables *versions, struct error *err)
{
	struct json_t *document = handover_take(state_fd, err);

	if (!document)
		return false;
	schema_state_take(document, state);
	json_release(document);
	if (!versions)
		return true;
	document = handover_take(versions_fd, err);
	if (!document)
		return false;
	version_tables_take(document, versions);
	json_release(document);
	return true;
}

static void watch_verifying(void *context)
{
	const struct migration_copy *copy = context;

	if (copy->migration->progress)
		progress_show(copy->migration->progress, "verifying", 0, 0);
}

static bool look_in_worker(const struct migration_copy *copy, bool verify,
			   struct schema_state *state, struct version_tables *versions,
			   struct error *err)
{
	const struct worker_watch watch = { watch_verifying, (void *)(uintptr_t)copy };
	auto_close int state_fd = handover_make(err);
	auto_close int versions_fd = handover_make(err);
	struct looking looking = { copy, verify, state_fd, versions_fd };

	return clear_whiteouts(copy, err) && state_fd >= 0 && versions_fd >= 0 &&
	       worker_run("looking at the copy", look, &looking, &watch, err) &&
	       take(state_fd, versions_fd, state, versions, err);
}

bool migration_copy_verify(const struct migration_copy *copy, struct schema_state *state,
			   struct version_tables *versions, struct error *err)
{
	return is_ours_alone(copy, err) && look_in_worker(copy, true, state, versions, err);
}

bool migration_copy_look(const struct migration_copy *copy, struct schema_state *state,
			 struct error *err)
{
	return look_in_worker(copy, false, state, NULL, err);
}

/* --- SQL with a time limit ------------------------------------------------------------------------------------------- */

/* In a worker: when the migration has taken too long, on clock_now(); 0: never. */
static double too_late;

static bool stop_or_too_late(void)
{
	return worker_should_stop() || (too_late > 0 && clock_now() > too_late);
}

bool migration_run_sql(const struct migration *migration, struct connection *connection, bool alone,
		       struct error *err)
{
	const double limit = migration->options.timeout;

	too_late = limit > 0 ? clock_now() + limit : 0;
	connection_stop_when(stop_or_too_late);
	/* It is the project's own SQL: triggers may feed its full-text tables. No function of a stranger's can be there. */
	connection_trust_schema(connection, true);

	const bool good = engine_sql_run(migration, connection, alone, err);
	const bool late = !good && too_late > 0 && clock_now() > too_late;
	const struct error failure = *err;

	connection_stop_when(worker_should_stop);
	connection_trust_schema(connection, false);
	if (late)
		return fail(err, STATUS_TROUBLE,
			    "the migration took longer than --timeout=%g; nothing was changed",
			    limit);
	return good || fail(err, failure.status == STATUS_NO ? STATUS_NO : STATUS_TROUBLE,
			    "%s; nothing was changed", failure.text);
}
