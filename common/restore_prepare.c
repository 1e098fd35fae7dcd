/* Before anything is touched: what is there, what would come, and the copy made as the target wants it. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/linux/publish.h"
#include "common/linux/worker.h"
#include "common/restore.h"
#include "common/target_connection.h"

/* What SQLite refuses in a header (fileformat2.html 1.3): versions, payload fractions, schema format. */
static bool has_sane_header(const uint8_t *bytes)
{
	return bytes[18] >= 1 && bytes[18] <= 2 && bytes[19] >= 1 && bytes[19] <= 2 &&
	       bytes[21] == 64 && bytes[22] == 32 && bytes[23] == 32 && bytes[44] == 0 &&
	       bytes[45] == 0 && bytes[46] == 0 && bytes[47] <= 4;
}

/*
 * Whether it starts as a database does. One that does not is not shown to SQLite at all, which would replay or remove a
 * -journal or -wal that lies beside it; nor is an empty one that has them, since then SQLite removes what may be all
 * that is left of somebody's data.
 */
static bool starts_as_database(const struct restore *restore)
{
	const struct target_file *files = restore->target.files;
	struct error ignored = { 0 };
	auto_close int fd = target_reopen(&restore->target, FILE_MAIN, &ignored);
	uint8_t bytes[DATABASE_HEADER_SIZE];
	struct database_header header = { 0 };
	const ssize_t got = fd >= 0 ? pread(fd, bytes, sizeof bytes, 0) : -1;

	if (got < 0)
		return true;
	database_header_read(bytes, (size_t)got, &header);
	for (enum database_file file = FILE_MAIN + 1; got == 0 && file < FILE_COUNT; file++)
		if (files[file].path_fd >= 0 && files[file].stat.st_size > 0)
			return false;
	return header.is_database && (got == 0 || has_sane_header(bytes));
}

/* Sets the method; a database that is there and can be read is summarised. */
static bool look_at_target(struct restore *restore, struct error *err)
{
	if (restore->target.files[FILE_MAIN].path_fd < 0) {
		restore->method = RESTORE_RENAME;
		return true;
	}
	restore->method = starts_as_database(restore) ? RESTORE_TRANSACTION : RESTORE_RENAME;
	if (restore->method == RESTORE_RENAME)
		return true;
	if (database_summary_of_target(&restore->target, restore_lock_wait(restore),
				       restore->options.dry_run, &restore->before, err))
		return true;
	if (err->status != STATUS_NO) /* damaged so that it cannot be opened */
		return false;
	restore->method = RESTORE_RENAME;
	*err = (struct error){ 0 };
	return true;
}

/* What the worker is to make of the copy. */
struct shaping {
	const struct restore *restore;
	int64_t page_size; /* 0: as it is */
	bool wal;	   /* in WAL mode; else in rollback mode */
};

/* An empty file is a database, but SQLite could only pour it in a way that commits at once (pour.h). */
static bool give_it_a_page(struct connection *connection, struct error *err)
{
	int64_t pages = 0;

	return connection_number(connection, "PRAGMA page_count", &pages, err) &&
	       (pages > 0 ||
		connection_run(connection, "PRAGMA user_version=1; PRAGMA user_version=0",
			       "its copy cannot be written", err));
}

/*
 * A copy in WAL mode would turn the target into one. The page size of a database in WAL mode cannot change, so the
 * copy's has to (reference/copy_migrate.md 3.2).
 */
static bool shape(void *argument, struct error *err)
{
	const struct shaping *shaping = argument;
	const struct restore *restore = shaping->restore;
	auto_free char *path = connection_path(restore->work.fd, WORK_COPY);
	auto_free char *resize =
		memory_format("PRAGMA page_size=%lld; VACUUM", (long long)shaping->page_size);
	auto_connection connection = { 0 };

	connection_stop_when(worker_should_stop);
	if (!connection_open(&connection, path, CONNECTION_WRITE, 0, restore->source.shown, err))
		return false;
	connection_allow_checkpoint(&connection);
	if (!connection_make_durable(&connection, err) || !give_it_a_page(&connection, err) ||
	    !connection_run(&connection, "PRAGMA journal_mode=DELETE",
			    "its copy cannot be put into rollback mode", err) ||
	    (shaping->page_size &&
	     !connection_run(&connection, resize, "its page size cannot be changed", err)) ||
	    (shaping->wal && !connection_run(&connection, "PRAGMA journal_mode=WAL",
					     "its copy cannot be put into WAL mode", err)))
		return false;
	if (shaping->page_size && connection.stand_in)
		return fail(
			err, STATUS_TROUBLE,
			"%s: has another page size, and indexes ordered by a collation of the application's, "
			"so that it cannot be changed here",
			restore->source.shown);
	return connection_close(&connection, err);
}

static bool shape_copy(struct restore *restore, struct error *err)
{
	const int64_t theirs = restore->before.facts.page_size,
		      ours = restore->after.facts.page_size;
	struct shaping *shaping = worker_share(sizeof *shaping);

	*shaping = (struct shaping){
		.restore = restore,
		.wal = restore->method == RESTORE_RENAME && restore->source.has_manifest &&
		       restore->source.manifest.was_wal,
	};
	if (restore->method == RESTORE_TRANSACTION && restore->before.facts.pages > 0 &&
	    theirs != ours)
		shaping->page_size = theirs;

	const bool good = worker_run("preparing the copy", shape, shaping, NULL, err);

	worker_unshare(shaping, sizeof *shaping);
	return good;
}

static bool is_same_application(const struct restore *restore, struct error *err)
{
	const struct database_summary *before = &restore->before, *after = &restore->after;

	if (!before->known || before->tables.count == 0 || restore->options.force)
		return true;
	if (before->facts.application_id != after->facts.application_id)
		return fail(
			err, STATUS_NO,
			"%s: is a backup of another application (application_id %lld, the database has "
			"%lld); --force restores it all the same",
			restore->source.shown, (long long)after->facts.application_id,
			(long long)before->facts.application_id);
	if (after->tables.count == 0)
		return fail(
			err, STATUS_NO,
			"%s: has no table at all, and the database has; --force restores it all the same",
			restore->source.shown);
	return !database_summary_is_strange(before, after) ||
	       fail(err, STATUS_NO,
		    "%s: has no table in common with the database; --force restores it all the same",
		    restore->source.shown);
}

/* Room for the copy, the safety copy, and what SQLite writes beside the database meanwhile. */
static bool has_room(const struct restore *restore, struct error *err)
{
	const uint64_t now = restore->before.size, new = restore->after.size;
	const uint64_t change = restore->method == RESTORE_RENAME ? 0 : new > now ? new : now;

	return publish_has_room(restore->state_fd, change + (restore->options.no_safety ? 0 : now),
				restore->shown, err);
}

bool restore_prepare(struct restore *restore, struct error *err)
{
	if (!look_at_target(restore, err) ||
	    !database_summary_of_file(restore->work.fd, WORK_COPY, restore->source.shown,
				      restore->options.dry_run, &restore->after, err))
		return false;
	if (restore->options.dry_run)
		return is_same_application(restore, err);
	return is_same_application(restore, err) && has_room(restore, err) &&
	       shape_copy(restore, err);
}
