#include "common/sqlite/version_tables.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/json.h"
#include "common/base/memory.h"
#include "common/base/scope.h"

#define ALEMBIC "alembic_version"
#define MIGRATIONS "schema_migrations"

static const char cannot_read[] = "its table of versions cannot be read";

bool version_tables_own(const char *table)
{
	return strcasecmp(table, ALEMBIC) == 0 || strcasecmp(table, MIGRATIONS) == 0;
}

void version_tables_release(struct version_tables *tables)
{
	names_release(&tables->alembic);
	names_release(&tables->migrations);
	names_release(&tables->leftovers);
	*tables = (struct version_tables){ 0 };
}

static void add_name(void *context, int count, char **columns)
{
	struct names *names = context;

	(void)count;
	names_add(names, columns[0] ? columns[0] : "");
}

/* Whether there is such a table, and nothing but a plain table. */
static bool find_table(struct connection *connection, const char *name, bool *there,
		       struct error *err)
{
	auto_free char *plain = memory_format(
		"SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND rootpage > 0 "
		"AND name = '%s' COLLATE NOCASE",
		name);
	auto_free char *others = memory_format(
		"SELECT count(*) FROM main.sqlite_schema WHERE (type = 'trigger' AND tbl_name = '%s' COLLATE NOCASE) "
		"OR (type IN ('view', 'table') AND coalesce(rootpage, 0) = 0 AND name = '%s' COLLATE NOCASE)",
		name, name);
	int64_t count = 0, strange = 0;

	if (!connection_number(connection, plain, &count, err) ||
	    !connection_number(connection, others, &strange, err))
		return false;
	*there = count > 0;
	return strange == 0 ||
	       fail(err, STATUS_TROUBLE,
		    "%s: %s is no plain table, or has triggers: what it says cannot be believed",
		    connection->shown, name);
}

static bool refuse_nothing(const struct connection *connection, const struct names *names,
			   const char *table, struct error *err)
{
	return !names_has(names, "") ||
	       fail(err, STATUS_TROUBLE,
		    "%s: %s has a row without a version: it cannot be believed", connection->shown,
		    table);
}

static bool read_pairs(struct connection *connection, struct version_tables *tables,
		       struct error *err)
{
	int64_t dirty = 0, unknown = 0;

	tables->is_pairs = true;
	if (!connection_number(connection,
			       "SELECT count(*) FROM main." MIGRATIONS " WHERE dirty IS NULL",
			       &unknown, err))
		return false;
	if (unknown > 0)
		return fail(err, STATUS_TROUBLE,
			    "%s: " MIGRATIONS
			    " does not say whether it is dirty: it cannot be believed",
			    connection->shown);
	if (!connection_number(connection,
			       "SELECT count(*) FROM main." MIGRATIONS
			       " WHERE dirty NOT IN (0, '0', 'false')",
			       &dirty, err))
		return false;
	tables->dirty = dirty != 0;
	return tables->migrations.count <= 1 ||
	       fail(err, STATUS_TROUBLE,
		    "%s: " MIGRATIONS " has more than the one row of golang-migrate's",
		    connection->shown);
}

static bool read_migrations(struct connection *connection, struct version_tables *tables,
			    struct error *err)
{
	int64_t has_dirty = 0;

	return connection_each(connection, "SELECT version FROM main." MIGRATIONS " ORDER BY 1",
			       add_name, &tables->migrations, cannot_read, err) &&
	       refuse_nothing(connection, &tables->migrations, MIGRATIONS, err) &&
	       connection_number(connection,
				 "SELECT count(*) FROM pragma_table_info('" MIGRATIONS "') "
				 "WHERE name = 'dirty'",
				 &has_dirty, err) &&
	       (!has_dirty || read_pairs(connection, tables, err));
}

bool version_tables_read(struct connection *connection, struct version_tables *tables,
			 struct error *err)
{
	bool alembic = false, migrations = false;

	if (!find_table(connection, ALEMBIC, &alembic, err) ||
	    !find_table(connection, MIGRATIONS, &migrations, err) ||
	    !connection_number(connection, "PRAGMA user_version", &tables->user_version, err) ||
	    !connection_each(connection,
			     "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND "
			     "name LIKE '\\_alembic\\_tmp\\_%' ESCAPE '\\' ORDER BY 1",
			     add_name, &tables->leftovers, "its tables cannot be listed", err))
		return false;
	if (alembic &&
	    (!connection_each(connection, "SELECT version_num FROM main." ALEMBIC " ORDER BY 1",
			      add_name, &tables->alembic, cannot_read, err) ||
	     !refuse_nothing(connection, &tables->alembic, ALEMBIC, err)))
		return false;
	return !migrations || read_migrations(connection, tables, err);
}

/* --- as a document --------------------------------------------------------------------------------------------- */

static void put_names(struct json_t *document, const char *key, const struct names *names)
{
	struct json_t *list = json_put_array(document, key);

	for (size_t i = 0; i < names->count; i++) {
		struct json_t *entry = json_new_object();

		json_put_text(entry, "name", names->items[i]);
		json_add(list, entry);
	}
}

static void take_names(const struct json_t *document, const char *key, struct names *names)
{
	const struct json_t *list = json_get(document, key);

	for (size_t i = 0; i < json_count(list); i++) {
		auto_free char *name = json_get_exact_text(json_at(list, i), "name");

		names_add(names, name ? name : "");
	}
}

struct json_t *version_tables_write(const struct version_tables *tables)
{
	struct json_t *document = json_new_object();

	put_names(document, "alembic", &tables->alembic);
	put_names(document, "migrations", &tables->migrations);
	put_names(document, "leftovers", &tables->leftovers);
	json_put_bool(document, "is_pairs", tables->is_pairs);
	json_put_bool(document, "dirty", tables->dirty);
	json_put_number(document, "user_version", tables->user_version);
	return document;
}

void version_tables_take(const struct json_t *document, struct version_tables *tables)
{
	take_names(document, "alembic", &tables->alembic);
	take_names(document, "migrations", &tables->migrations);
	take_names(document, "leftovers", &tables->leftovers);
	tables->is_pairs = json_get_bool(document, "is_pairs");
	tables->dirty = json_get_bool(document, "dirty");
	(void)json_get_number(document, "user_version", &tables->user_version);
}

/* --- writing --------------------------------------------------------------------------------------------------- */

/* Runs a statement that has at most one place for a text. */
static bool run_with(struct connection *connection, const char *sql, const char *value,
		     struct error *err)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL);

	if (code == SQLITE_OK && value)
		code = sqlite3_bind_text(statement, 1, value, -1, SQLITE_STATIC);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	(void)sqlite3_finalize(statement); /* gives the error again that was seen */
	return code == SQLITE_DONE ||
	       connection_fail(connection, code, "its table of versions cannot be written", err);
}

bool version_tables_make(struct connection *connection, bool pairs, struct error *err)
{
	/* To the letter what dbmate and golang-migrate write: a dump must not tell who made it. */
	return connection_run(
		connection,
		pairs ? "CREATE TABLE IF NOT EXISTS main.schema_migrations (version uint64,dirty bool);"
			"CREATE UNIQUE INDEX IF NOT EXISTS main.version_unique ON schema_migrations (version);"
		      : "CREATE TABLE IF NOT EXISTS main.\"schema_migrations\" "
			"(version varchar(128) primary key)",
		"its table of versions cannot be made", err);
}

bool version_tables_add(struct connection *connection, const char *version, struct error *err)
{
	return run_with(connection, "INSERT INTO main.\"schema_migrations\" (version) VALUES (?)",
			version, err);
}

bool version_tables_remove(struct connection *connection, const char *version, struct error *err)
{
	return run_with(connection, "DELETE FROM main.\"schema_migrations\" WHERE version = ?",
			version, err);
}

bool version_tables_set(struct connection *connection, const char *version, struct error *err)
{
	return run_with(connection, "DELETE FROM main.schema_migrations", NULL, err) &&
	       (!version ||
		run_with(
			connection,
			"INSERT INTO main.schema_migrations (version, dirty) VALUES (CAST(? AS INTEGER), 0)",
			version, err));
}
