#include "common/migration_guard.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/handover.h"
#include "common/base/scope.h"
#include "common/holders_text.h"
#include "common/target_connection.h"

/* --- the worker -------------------------------------------------------------------------------------------------- */

static bool same_names(const struct names *a, const struct names *b)
{
	bool same = a->count == b->count;

	for (size_t i = 0; same && i < a->count; i++)
		same = strcmp(a->items[i], b->items[i]) == 0;
	return same;
}

/* What was planned was planned for what was seen without a lock. */
static bool is_as_planned(const struct migration *migration, struct connection *connection,
			  struct error *err)
{
	auto_version_tables now = { 0 };

	if (!version_tables_read(connection, &now, err))
		return false;
	return (same_names(&now.alembic, &migration->versions.alembic) &&
		same_names(&now.migrations, &migration->versions.migrations)) ||
	       fail(err, STATUS_BUSY, "%s: somebody else has migrated it meanwhile; run this again",
		    migration->shown);
}

bool guard_lock(const struct migration *migration, struct connection *connection, struct error *err)
{
	return target_guard(&migration->target, migration->options.wait,
			    migration->project.engine == ENGINE_SQL, migration->shown, connection,
			    err) &&
	       is_as_planned(migration, connection, err);
}

bool guard_close(const struct migration *migration, struct connection *connection,
		 struct error *err)
{
	struct error ignored = { 0 };
	bool wal = true;

	/* A journal that was made under an exclusive lock is emptied, and not deleted, unless it is told like this. */
	if (migration->target.files[FILE_JOURNAL].path_fd < 0 &&
	    connection_is_wal(connection, &wal, &ignored) && !wal)
		(void)connection_run(
			connection,
			"PRAGMA locking_mode=NORMAL; PRAGMA journal_mode=TRUNCATE; PRAGMA journal_mode=DELETE",
			"the journal cannot be deleted", &ignored);
	connection_allow_checkpoint(connection);
	return connection_close(connection, err);
}

static bool look(const struct guard *guard, struct connection *connection, struct error *err)
{
	auto_schema_state before = { 0 };

	return schema_state_read(connection, &before, err) &&
	       handover_put(guard->before_fd, schema_state_write(&before), err);
}

static bool publish(const struct guard *guard, struct connection *to, struct error *err)
{
	const struct migration *migration = guard->migration;
	auto_free char *path = connection_path(guard->copy_fd, migration->target.name);
	auto_connection from = { 0 };
	__attribute__((cleanup(pour_drop))) struct pour pour = { 0 };

	if (!target_is_same_file(&migration->target))
		return fail(err, STATUS_TROUBLE,
			    "%s: was replaced meanwhile; what is there now was not changed",
			    migration->shown);
	/* With the usual cache of 2 MiB the journal is synced each time that it is full. */
	return connection_run(to, "PRAGMA cache_size=-65536", "cannot be set up", err) &&
	       connection_open(&from, path, CONNECTION_READ, 0, migration->shown, err) &&
	       /* Nobody else has the copy any more; and if its pages went away all the same, only this process would end. */
	       connection_run(&from, "PRAGMA mmap_size=1099511627776", "cannot be set up", err) &&
	       connection_pin(&from, err) && pour_begin(&pour, &from, to, 0, err) &&
	       pour_all(&pour, &guard->news->watch, err);
}

/* A worker_function. */
static bool hold(void *argument, struct error *err)
{
	struct guard *guard = argument;
	const struct migration *migration = guard->migration;
	auto_connection connection = { 0 };
	bool go_on = false;

	if (!guard_lock(migration, &connection, err))
		return false;
	guard->news->locked_at = clock_now();
	go_on = worker_pause() && look(guard, &connection, err) && worker_pause();
	if (!go_on) {
		struct error ignored = { 0 };

		if (err->status == STATUS_OK)
			(void)fail(err, STATUS_TROUBLE, "given up");
		(void)target_unguard(&migration->target, &connection, &ignored);
		return false;
	}
	return publish(guard, &connection, err) && guard_close(migration, &connection, err);
}

/* --- the parent -------------------------------------------------------------------------------------------------- */

void guard_add_holders(const struct migration *migration, struct error *err)
{
	if (err->status == STATUS_BUSY)
		holders_add(migration->root, migration->database, CAN_MIGRATE, err);
}

bool guard_take(struct guard *guard, struct error *err)
{
	guard->before_fd = handover_make(err);
	if (guard->before_fd < 0)
		return false;
	guard->news = worker_share(sizeof *guard->news);
	if (!worker_start(&guard->worker, "holding the database", hold, guard, err))
		return false;
	if (worker_await_pause(&guard->worker, NULL))
		return true;
	(void)worker_finish(&guard->worker, NULL, err);
	guard_add_holders(guard->migration, err);
	return false;
}

void guard_begin_look(struct guard *guard)
{
	worker_continue(&guard->worker, true);
}

bool guard_end_look(struct guard *guard, struct schema_state *before, struct error *err)
{
	struct json_t *document = NULL;

	if (!worker_await_pause(&guard->worker, NULL))
		return worker_finish(&guard->worker, NULL, err);
	document = handover_take(guard->before_fd, err);
	if (!document)
		return false;
	schema_state_take(document, before);
	json_release(document);
	return true;
}

static void watch_publishing(void *context)
{
	const struct guard *guard = context;

	if (guard->migration->progress)
		progress_show(guard->migration->progress, "publishing",
			      atomic_load(&guard->news->watch.done),
			      atomic_load(&guard->news->watch.total));
}

bool guard_publish(struct guard *guard, bool *unclear, struct error *err)
{
	const struct worker_watch watch = { watch_publishing, guard };
	bool good = false;

	worker_continue(&guard->worker, true);
	good = worker_finish(&guard->worker, &watch, err);
	/* Before the step that commits there is only one truth: a rollback, by us or by the next opener. */
	*unclear = !good && guard->news->watch.committing;
	return good;
}

void guard_release(struct guard *guard)
{
	struct error ignored = { 0 };

	if (guard->worker.pid != 0) {
		worker_continue(&guard->worker, false);
		(void)worker_finish(&guard->worker, NULL, &ignored);
	}
	scope_close(&guard->before_fd);
	worker_unshare(guard->news, sizeof *guard->news);
	*guard = (struct guard)GUARD_NONE;
}
