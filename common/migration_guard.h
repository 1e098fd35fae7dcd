/*
 * The guard: a worker that holds the real database from before the first look at it until the result is in it, or until it is
 * let go as it was. A child process, because SQLite's locks go with the process that has the file open.
 *
 * With it held, the parent backs the database up, copies it, and lets the migration run on the copy; meanwhile the
 * worker notes the state of the database as it was. Then the worker pours the copy in, as one transaction on the
 * connection that holds the lock, or closes it.
 */
#ifndef COMMON_MIGRATION_GUARD_H
#define COMMON_MIGRATION_GUARD_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/linux/worker.h"
#include "common/migration.h"
#include "common/sqlite/connection.h"
#include "common/sqlite/pour.h"

/* What the worker tells while it works; in shared memory. */
struct guard_news {
	double locked_at; /* on clock_now(); 0: not yet */
	struct pour_watch watch;
};

struct guard {
	const struct migration *migration; /* not owned */
	int copy_fd;   /* folder of the copy, which has the database's name; not owned */
	int before_fd; /* struct schema_state, as handover.h hands it */
	struct worker worker;
	struct guard_news *news;
};

#define GUARD_NONE                                                     \
	{                                                              \
		.copy_fd = -1, .before_fd = -1, .worker = WORKER_NONE, \
	}

#define auto_guard __attribute__((cleanup(guard_release))) struct guard

/* Takes the lock. STATUS_BUSY with the holders' names, or when the database is not at the revision any more that was seen. */
bool guard_take(struct guard *guard, struct error *err);

/* Lets the worker look at the database, beside whatever the caller does; the second waits for what it saw. */
void guard_begin_look(struct guard *guard);
bool guard_end_look(struct guard *guard, struct schema_state *before, struct error *err);

/* Publishes the copy. *unclear: after this failure it has to be found out what the database is. */
bool guard_publish(struct guard *guard, bool *unclear, struct error *err);

/* Lets the database go as it was, if it was not published. */
void guard_release(struct guard *guard);

/* In a worker: the lock, with the versions compared; what all that run under it begin with. */
bool guard_lock(const struct migration *migration, struct connection *connection,
		struct error *err);

/* In a worker, after the commit: leaves nothing beside the database that was not there before, and closes. */
bool guard_close(const struct migration *migration, struct connection *connection,
		 struct error *err);

/* Says who holds it, when that is what failed. */
void guard_add_holders(const struct migration *migration, struct error *err);

#endif
