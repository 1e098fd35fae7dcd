/* The copy that a migration works on, in a private place. */
#ifndef COMMON_MIGRATION_COPY_H
#define COMMON_MIGRATION_COPY_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/linux/sandbox.h"
#include "common/migration.h"
#include "common/sqlite/connection.h"
#include "common/sqlite/database_content.h"

struct migration_copy {
	const struct migration *migration; /* not owned */
	struct sandbox sandbox;		   /* the copy has the database's name in it */
	struct database_stamp stamp;	   /* of the copy as it was made */
};

/* A place with room for it; nothing is copied yet. */
bool migration_copy_prepare(struct migration_copy *copy, struct error *err);

/* Copies the database; `held`: under a lock of ours, else as a snapshot beside whoever works in it. */
bool migration_copy_make(struct migration_copy *copy, bool held, struct error *err);

/* The copy's file, for reading; -1 when there is no plain file of its name. The caller closes it. */
int migration_copy_fd(const struct migration_copy *copy, struct error *err);

/* In a worker: opens it for writing. */
bool migration_copy_open(const struct migration_copy *copy, struct connection *connection,
			 struct error *err);

/*
 * After the migration: checks the copy, notes its state and versions, and makes it one file without anything beside
 * it. STATUS_NO: it is damaged.
 */
bool migration_copy_verify(const struct migration_copy *copy, struct schema_state *state,
			   struct version_tables *versions, struct error *err);

/* Reads the state of the copy, before anything is run on it. */
bool migration_copy_look(const struct migration_copy *copy, struct schema_state *state,
			 struct error *err);

/* Runs the plan's SQL files on a connection in a worker, within the time limit; see engine_sql_run(). */
bool migration_run_sql(const struct migration *migration, struct connection *connection, bool alone,
		       struct error *err);

/* The sql engine's transaction, on a copy and without a COMMIT; or with NULL on the real file. */
bool migration_direct_on(struct migration *migration, const struct migration_copy *copy,
			 struct error *err);

#endif
