/* Migrations that work on a copy, which is published when it is good; see migration.h. */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/engine_sql.h"
#include "common/linux/worker.h"
#include "common/migration.h"
#include "common/migration_copy.h"
#include "common/migration_guard.h"
#include "common/migration_program.h"
#include "common/snapshot.h"
#include "common/sqlite/database_content.h"
#include "common/target_connection.h"

/* --- running ------------------------------------------------------------------------------------------------------ */

/* A worker_function: SQL files of which one cannot be in a transaction. */
static bool run_sql_alone(void *argument, struct error *err)
{
	const struct migration_copy *copy = argument;
	auto_connection connection = { 0 };

	return migration_copy_open(copy, &connection, err) &&
	       connection_run(&connection, "PRAGMA foreign_keys=OFF", "the copy cannot be read",
			      err) &&
	       migration_run_sql(copy->migration, &connection, true, err) &&
	       connection_close(&connection, err);
}

static bool run_on_copy(struct migration *migration, struct migration_copy *copy, struct error *err)
{
	const double began = clock_now();
	bool good = false;

	if (migration->project.engine == ENGINE_SQL)
		good = worker_run("migrating the copy", run_sql_alone, copy, NULL, err);
	else
		good = migration_program_run(migration, &copy->sandbox,
					     program_cover_find(migration, &copy->sandbox), err);
	migration->seconds.run = clock_now() - began;
	return good;
}

/* The Online Backup API cannot write pages of another size into a WAL (backup.c, sqlite3_backup_step). */
static bool has_fitting_pages(const struct migration *migration, const struct migration_copy *copy,
			      struct error *err)
{
	struct database_header header = { 0 };
	struct database_stamp now = { 0 };
	auto_close int fd = migration_copy_fd(copy, err);

	if (fd < 0)
		return false;
	if (!database_stamp_read(fd, &now))
		return fail_errno(err, STATUS_TROUBLE, "the copy cannot be read");
	return !target_header(&migration->target, &header) || header.mode != JOURNAL_WAL ||
	       database_stamp_page_size(&now) == database_stamp_page_size(&copy->stamp) ||
	       fail(err, STATUS_TROUBLE,
		    "the migration changes the page size, and the database is in WAL mode, where that cannot "
		    "be published; nothing was changed");
}

/* What came out: whether it is sound, where it is, and whether it kept the data. `before` must be known by now. */
static bool verify(struct migration *migration, const struct migration_copy *copy,
		   const double began, struct error *err)
{
	auto_version_tables versions = { 0 };

	if (!migration_copy_verify(copy, &migration->after, &versions, err)) {
		const struct error failure = *err;

		return fail(err, failure.status == STATUS_BUSY ? STATUS_TROUBLE : failure.status,
			    "what the migration made is refused: %s; nothing was changed",
			    failure.text);
	}
	migration->seconds.verify = clock_now() - began;
	if (!migration_is_reached(migration, &versions, err) || !migration_judge(migration, err) ||
	    !has_fitting_pages(migration, copy, err))
		return false;
	migration->to = migration->project.engine == ENGINE_COMMAND
				? revisions_text(versions.alembic.count > 0 ? &versions.alembic
									    : &versions.migrations)
				: revisions_text(&migration->plan.after);
	return true;
}

/* --- a rehearsal -------------------------------------------------------------------------------------------------- */

static bool same_versions(const struct names *a, const struct names *b)
{
	auto_free char *first = revisions_text(a), *second = revisions_text(b);

	return strcmp(first ? first : "", second ? second : "") == 0;
}

/* There is no guard: a program that found the way to the real file all the same has changed it. */
static bool left_real_one_alone(struct migration *migration, struct error *err)
{
	auto_version_tables versions = { 0 };
	auto_schema_state state = { 0 };
	struct schema_changes changes = { 0 };
	size_t changed = 0;

	if (migration->project.engine == ENGINE_SQL)
		return true;
	if (!migration_read_versions(migration, &versions, err) ||
	    !migration_read_state(migration, false, &state, err))
		return false;
	schema_changes_find(&migration->before, &state, &changes);
	changed = changes.count;
	schema_changes_release(&changes);
	return (changed == 0 && same_versions(&versions.alembic, &migration->versions.alembic) &&
		same_versions(&versions.migrations, &migration->versions.migrations) &&
		versions.user_version == migration->versions.user_version) ||
	       fail(err, STATUS_DAMAGED,
		    "%s: the program has changed the real database, and not the copy that it was given: "
		    "do not start the bot before you have looked at it",
		    migration->shown);
}

static bool run_rehearsal(struct migration *migration, struct migration_copy *copy,
			  struct error *err)
{
	struct error damage = { 0 };
	const bool good = run_on_copy(migration, copy, err);

	/* Also when it failed: that may be how far it came. */
	if (left_real_one_alone(migration, &damage))
		return good;
	if (good || damage.status == STATUS_DAMAGED)
		*err = damage;
	return false;
}

static bool rehearse(struct migration *migration, struct migration_copy *copy, struct error *err)
{
	const double began = clock_now();

	if (!migration_copy_make(copy, false, err))
		return false;
	migration->seconds.copy = clock_now() - began;
	if (migration->project.engine == ENGINE_SQL && engine_sql_fits(migration)) {
		if (!migration_direct_on(migration, copy, err))
			return false;
		migration->would_lock_seconds = migration->seconds.run + migration->seconds.verify;
		return true;
	}
	if (!migration_copy_look(copy, &migration->before, err) ||
	    !run_rehearsal(migration, copy, err) || !verify(migration, copy, clock_now(), err))
		return false;
	/* Publishing writes every page twice, to a journal or a WAL and to the file. */
	migration->would_lock_seconds =
		(migration->options.no_backup ? 3 : 4) * migration->seconds.copy +
		(migration->options.no_backup ? 1 : 2) * migration->seconds.verify +
		migration->seconds.run;
	return true;
}

/* --- the real thing ----------------------------------------------------------------------------------------------- */

/* Which of the two the database is, in the eyes of a fresh process, after publishing failed in the middle (F22). */
static bool tell_the_truth(struct migration *migration, const struct migration_copy *copy,
			   struct error *err)
{
	const struct error failure = *err;
	struct migration_copy now = { .migration = migration, .sandbox = SANDBOX_NONE };
	struct error ignored = { 0 };
	auto_close int new_fd = -1;
	auto_close int now_fd = -1;
	bool old = false;

	if (migration_copy_prepare(&now, &ignored) && migration_copy_make(&now, false, &ignored)) {
		old = database_stamp_same(&now.stamp, &copy->stamp);
		new_fd = migration_copy_fd(copy, &ignored);
		now_fd = migration_copy_fd(&now, &ignored);
		migration->published =
			!old && new_fd >= 0 && now_fd >= 0 && database_same_content(new_fd, now_fd);
	}
	sandbox_remove(&now.sandbox);
	if (old)
		return fail(err, failure.status == STATUS_BUSY ? STATUS_BUSY : STATUS_TROUBLE,
			    "%s; nothing was changed", failure.text);
	if (migration->published)
		return fail(err, STATUS_TROUBLE,
			    "%s; all the same the migration is in the database now: check the disk",
			    failure.text);
	return fail(
		err, STATUS_DAMAGED,
		"%s; what the database has now is not known: do not start the bot; the backup is %s",
		failure.text, migration->backup ? migration->backup : "none");
}

static bool publish(struct migration *migration, struct guard *guard,
		    const struct migration_copy *copy, struct error *err)
{
	const double began = clock_now();
	bool unclear = false;

	if (!guard_publish(guard, &unclear, err)) {
		const struct error failure = *err;

		return unclear ? tell_the_truth(migration, copy, err)
			       : fail(err, failure.status, "%s; nothing was changed", failure.text);
	}
	migration->seconds.publish = clock_now() - began;
	migration->published = true;
	return true;
}

/* With the guard held: everything up to the decision. */
static bool work(struct migration *migration, struct guard *guard, struct migration_copy *copy,
		 struct error *err)
{
	double began = 0;

	if (!migration_back_up(migration, true, err))
		return false;
	/* The worker looks at the real database while it is copied, and the migration runs on the copy. */
	guard_begin_look(guard);
	began = clock_now();
	if (!migration_copy_make(copy, true, err))
		return false;
	migration->seconds.copy = clock_now() - began;
	if (!run_on_copy(migration, copy, err))
		return false;
	began = clock_now();
	return guard_end_look(guard, &migration->before, err) &&
	       verify(migration, copy, began, err) &&
	       (migration->plan.down || migration_remember(migration, err)) &&
	       publish(migration, guard, copy, err);
}

static bool migrate(struct migration *migration, struct migration_copy *copy, struct error *err)
{
	auto_guard guard = GUARD_NONE;
	bool good = false;

	guard.migration = migration;
	guard.copy_fd = copy->sandbox.upper_fd;
	if (!guard_take(&guard, err))
		return false;
	good = work(migration, &guard, copy, err);
	migration->locked_seconds = clock_now() - guard.news->locked_at;
	return good;
}

bool migration_through_copy(struct migration *migration, struct error *err)
{
	struct migration_copy copy = { .migration = migration, .sandbox = SANDBOX_NONE };
	const bool good =
		migration_copy_prepare(&copy, err) &&
		(migration->command == MIGRATION_REHEARSE ? rehearse(migration, &copy, err)
							  : migrate(migration, &copy, err));

	sandbox_remove(&copy.sandbox);
	return good;
}
