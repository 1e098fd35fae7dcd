/* The sql engine: migrations in SQL files, dbmate's or golang-migrate's. */
#ifndef COMMON_ENGINE_SQL_H
#define COMMON_ENGINE_SQL_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/ledger.h"
#include "common/migration.h"
#include "common/sqlite/connection.h"

/* Fills the revisions, and what is wrong with them, from the files, the versions in the database and the hashes. Pure. */
void engine_sql_look(const struct migration_folder *files, const struct version_tables *versions,
		     const struct ledger *ledger, struct revisions *revisions);

/* Whether all steps of the plan fit in one transaction. */
bool engine_sql_fits(const struct migration *migration);

/* Whether the table of versions says of each step what it has to. */
bool engine_sql_is_reached(const struct migration *migration,
			   const struct version_tables *versions);

/*
 * Runs the plan's steps on a connection and notes each in the table of versions: within the transaction that the caller
 * has begun; or with `alone`, each step in one of its own, or without any where the file asks for that.
 */
bool engine_sql_run(const struct migration *migration, struct connection *connection, bool alone,
		    struct error *err);

/* Makes the file of a new migration; *path is what it is called, free() it. */
bool engine_sql_new(const struct project *project, const char *name, char **path,
		    struct error *err);

#endif
