/* Migrations of the sql engine that fit in one transaction: straight on the file, under the guard; see migration.h. */

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/handover.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/engine_sql.h"
#include "common/linux/worker.h"
#include "common/migration.h"
#include "common/migration_copy.h"
#include "common/migration_guard.h"
#include "common/sqlite/integrity.h"
#include "common/target_connection.h"

/* What the worker tells; in shared memory. */
struct direct_news {
	double locked_at, run_seconds, verify_seconds, publish_seconds;
	bool committing; /* the COMMIT has begun: it may be either */
};

struct direct {
	const struct migration *migration;
	const struct migration_copy *copy; /* of a rehearsal; NULL: the real file */
	int before_fd, after_fd;	   /* struct schema_state, as handover.h hands it */
	struct direct_news *news;
};

/* --- the worker ---------------------------------------------------------------------------------------------------- */

static bool hand_state(struct connection *connection, int fd, struct error *err)
{
	auto_schema_state state = { 0 };

	return schema_state_read(connection, &state, err) &&
	       handover_put(fd, schema_state_write(&state), err);
}

static bool is_noted(const struct migration *migration, struct connection *connection,
		     struct error *err)
{
	auto_version_tables versions = { 0 };

	return version_tables_read(connection, &versions, err) &&
	       migration_is_reached(migration, &versions, err);
}

/* The migration, and what it did; the transaction stays open. */
static bool run_and_look(const struct direct *direct, struct connection *connection,
			 struct error *err)
{
	const double began = clock_now();
	enum integrity verify = INTEGRITY_QUICK;

	/* SQLite's own procedure for a changed table: foreign keys off, outside of the transaction (lang_altertable.html 7). */
	if (!connection_run(connection, "PRAGMA foreign_keys=OFF; BEGIN IMMEDIATE",
			    "a transaction cannot be begun", err) ||
	    !hand_state(connection, direct->before_fd, err) ||
	    !migration_run_sql(direct->migration, connection, false, err))
		return false;
	direct->news->run_seconds = clock_now() - began;
	/* What the files may have set is not to hide what they did. */
	if (!connection_run(connection, "PRAGMA ignore_check_constraints=OFF",
			    "the migration cannot be verified", err) ||
	    !is_noted(direct->migration, connection, err) ||
	    !integrity_check(connection, &verify, err) ||
	    !hand_state(connection, direct->after_fd, err))
		return false;
	direct->news->verify_seconds = clock_now() - began - direct->news->run_seconds;
	return true;
}

static bool commit(const struct direct *direct, struct connection *connection, struct error *err)
{
	const double began = clock_now();

	if (!target_is_same_file(&direct->migration->target))
		return fail(err, STATUS_TROUBLE,
			    "%s: was replaced meanwhile; what is there now was not changed",
			    direct->migration->shown);
	direct->news->committing = true;
	if (!connection_run(connection, "COMMIT", "the migration cannot be committed", err) ||
	    !guard_close(direct->migration, connection, err))
		return false;
	direct->news->publish_seconds = clock_now() - began;
	return true;
}

static bool open_either(const struct direct *direct, struct connection *connection,
			struct error *err)
{
	if (direct->copy)
		return migration_copy_open(direct->copy, connection, err);
	if (!guard_lock(direct->migration, connection, err))
		return false;
	direct->news->locked_at = clock_now();
	return worker_pause() || fail(err, STATUS_TROUBLE, "given up");
}

/* A worker_function. */
static bool work(void *argument, struct error *err)
{
	const struct direct *direct = argument;
	auto_connection connection = { 0 };
	struct error ignored = { 0 };

	if (open_either(direct, &connection, err) && run_and_look(direct, &connection, err)) {
		if (worker_pause() && !direct->copy)
			return commit(direct, &connection, err);
		if (direct->copy)
			return true;
		(void)fail(err, STATUS_TROUBLE, "given up");
	}
	if (connection.db && !direct->copy) {
		(void)connection_run(&connection, "ROLLBACK", "cannot be rolled back", &ignored);
		(void)target_unguard(&direct->migration->target, &connection, &ignored);
	}
	return false;
}

/* --- the parent ---------------------------------------------------------------------------------------------------- */

static bool take_state(int fd, struct schema_state *state, struct error *err)
{
	struct json_t *document = handover_take(fd, err);

	if (!document)
		return false;
	schema_state_take(document, state);
	json_release(document);
	return true;
}

static void watch(void *context)
{
	const struct migration *migration = context;

	if (migration->progress)
		progress_show(migration->progress, "migrating", 0, 0);
}

/* Everything was judged well: what the database says now, in a fresh process, after a COMMIT that failed (F22). */
static bool tell_the_truth(struct migration *migration, struct error *err)
{
	const struct error failure = *err;
	auto_version_tables now = { 0 };
	auto_free char *old = revisions_text(&migration->versions.migrations);
	auto_free char *there = NULL;
	struct error ignored = { 0 };

	if (!migration_read_versions(migration, &now, &ignored))
		return fail(
			err, STATUS_DAMAGED,
			"%s; what the database has now cannot be read (%s): do not start the bot; "
			"the backup is %s",
			failure.text, ignored.text, migration->backup ? migration->backup : "none");
	there = revisions_text(&now.migrations);
	if (strcmp(old ? old : "", there ? there : "") == 0)
		return fail(err, STATUS_TROUBLE, "%s; nothing was changed", failure.text);
	migration->published = true;
	return fail(err, STATUS_TROUBLE,
		    "%s; all the same the migration is in the database now: check the disk",
		    failure.text);
}

/* After the worker's second pause. */
static bool judge_and_commit(struct migration *migration, struct direct *direct,
			     struct worker *worker, struct error *err)
{
	const struct worker_watch look = { watch, migration };
	struct error ignored = { 0 };
	const bool good =
		take_state(direct->before_fd, &migration->before, err) &&
		take_state(direct->after_fd, &migration->after, err) &&
		migration_judge(migration, err) &&
		/* Before it is true: a hash too many does no harm, one that is missing would. */
		(direct->copy || migration->plan.down || migration_remember(migration, err));

	worker_continue(worker, good);
	if (!good) {
		(void)worker_finish(worker, &look, &ignored);
		return false;
	}
	if (worker_finish(worker, &look, err)) {
		migration->published = direct->copy == NULL;
		return true;
	}
	return direct->news->committing && tell_the_truth(migration, err);
}

static bool with_worker(struct migration *migration, struct direct *direct, struct error *err)
{
	const struct worker_watch look = { watch, migration };
	struct worker worker = WORKER_NONE;
	struct error ignored = { 0 };

	if (!worker_start(&worker, "migrating the database", work, direct, err))
		return false;
	if (!direct->copy) {
		if (!worker_await_pause(&worker, &look)) {
			(void)worker_finish(&worker, &look, err);
			guard_add_holders(migration, err);
			return false;
		}
		if (!migration_back_up(migration, true, err)) {
			worker_continue(&worker, false);
			(void)worker_finish(&worker, &look, &ignored);
			return false;
		}
		worker_continue(&worker, true);
	}
	if (!worker_await_pause(&worker, &look))
		return worker_finish(&worker, &look, err);
	return judge_and_commit(migration, direct, &worker, err);
}

bool migration_direct_on(struct migration *migration, const struct migration_copy *copy,
			 struct error *err)
{
	auto_close int before_fd = handover_make(err);
	auto_close int after_fd = handover_make(err);
	struct direct direct = {
		.migration = migration,
		.copy = copy,
		.before_fd = before_fd,
		.after_fd = after_fd,
		.news = worker_share(sizeof *direct.news),
	};
	const bool good = before_fd >= 0 && after_fd >= 0 && with_worker(migration, &direct, err);

	migration->seconds.run = direct.news->run_seconds;
	migration->seconds.verify = direct.news->verify_seconds;
	migration->seconds.publish = direct.news->publish_seconds;
	if (direct.news->locked_at > 0)
		migration->locked_seconds = clock_now() - direct.news->locked_at;
	worker_unshare(direct.news, sizeof *direct.news);
	if (good)
		migration->to = revisions_text(&migration->plan.after);
	return good;
}

bool migration_direct(struct migration *migration, struct error *err)
{
	return migration->command == MIGRATION_REHEARSE ? migration_through_copy(migration, err)
							: migration_direct_on(migration, NULL, err);
}
