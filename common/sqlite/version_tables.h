/*
 * The tables in which migration tools keep what was applied: Alembic's alembic_version, dbmate's schema_migrations, and
 * golang-migrate's, which has the same name, one row, and a column `dirty`.
 */
#ifndef SQLITE_VERSION_TABLES_H
#define SQLITE_VERSION_TABLES_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/names.h"
#include "common/sqlite/connection.h"

struct json_t;

struct version_tables {
	struct names alembic; /* heads that are applied; sorted */
	struct names
		migrations; /* versions that are applied, sorted by bytes; golang-migrate: the one it is at */
	bool is_pairs;		/* the table of migrations is golang-migrate's */
	bool dirty;		/* and says that a migration was interrupted */
	struct names leftovers; /* tables that an interrupted batch operation of Alembic left */
	int64_t user_version;	/* the application's own number */
};

#define auto_version_tables __attribute__((cleanup(version_tables_release))) struct version_tables

/* Names of the tables: their rows are no data of the application's. */
bool version_tables_own(const char *table);

/* An error when one of them is no plain table, has triggers, or has NULL in it: that cannot be believed. */
bool version_tables_read(struct connection *connection, struct version_tables *tables,
			 struct error *err);
void version_tables_release(struct version_tables *tables);

/* As a document, and back. */
struct json_t *version_tables_write(const struct version_tables *tables)
	__attribute__((returns_nonnull, warn_unused_result));
void version_tables_take(const struct json_t *document, struct version_tables *tables);

/*
 * Notes that a migration was applied, or taken back, in dbmate's table, made if need be; or in golang-migrate's that the
 * database is at `version` now (NULL: at none).
 */
bool version_tables_make(struct connection *connection, bool pairs, struct error *err);
bool version_tables_add(struct connection *connection, const char *version, struct error *err);
bool version_tables_remove(struct connection *connection, const char *version, struct error *err);
bool version_tables_set(struct connection *connection, const char *version, struct error *err);

#endif
