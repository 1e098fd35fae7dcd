#include "common/sqlite/schema.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/scope.h"

/* Where migration tools keep what they did; the first that is there is asked. */
static const struct {
	const char *table, *sql;
} revisions[] = {
	{ "alembic_version",
	  "SELECT group_concat(version_num, ',') FROM (SELECT version_num FROM alembic_version ORDER BY 1)" },
	{ "schema_migrations",
	  "SELECT version FROM schema_migrations ORDER BY version DESC LIMIT 1" },
};

static bool has_table(struct connection *connection, const char *name, bool *has, struct error *err)
{
	auto_free char *sql = memory_format(
		"SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '%s'", name);
	int64_t count = 0;
	const bool good = connection_number(connection, sql, &count, err);

	*has = count > 0;
	return good;
}

static bool read_revision(struct connection *connection, struct schema_facts *facts,
			  struct error *err)
{
	for (size_t i = 0; i < sizeof revisions / sizeof *revisions; i++) {
		struct error ignored = { 0 };
		auto_free char *text = NULL;
		bool has = false;

		if (!has_table(connection, revisions[i].table, &has, err))
			return false;
		/* A table of that name may be somebody else's: what cannot be asked is no revision. */
		if (!has || !connection_text(connection, revisions[i].sql, &text, &ignored) ||
		    !text)
			continue;
		facts->has_revision = true;
		(void)snprintf(facts->revision, sizeof facts->revision, "%s", text);
		return true;
	}
	return true;
}

bool schema_read(struct connection *connection, struct schema_facts *facts, struct error *err)
{
	*facts = (struct schema_facts){ 0 };
	return connection_number(connection, "PRAGMA user_version", &facts->user_version, err) &&
	       connection_number(connection, "PRAGMA application_id", &facts->application_id,
				 err) &&
	       connection_number(connection, "PRAGMA page_count", &facts->pages, err) &&
	       connection_number(connection, "PRAGMA page_size", &facts->page_size, err) &&
	       read_revision(connection, facts, err);
}

static bool count_rows(struct connection *connection, struct schema_table *table, struct error *err)
{
	char *sql = sqlite3_mprintf("SELECT count(*) FROM main.\"%w\"", table->name);

	if (!sql)
		memory_give_up();

	const bool good = connection_number(connection, sql, &table->rows, err);

	sqlite3_free(sql);
	return good;
}

bool schema_tables_read(struct connection *connection, bool count, struct schema_tables *tables,
			struct error *err)
{
	static const char sql[] =
		"SELECT name FROM sqlite_schema WHERE type = 'table' AND "
		"rootpage > 0 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT IN "
		"(SELECT name FROM pragma_table_list WHERE type = 'shadow') ORDER BY name";
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL);

	while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(statement, 0);

		*memory_append(tables) = (struct schema_table){
			.name = memory_copy_text(name ? name : ""),
			.rows = -1,
		};
		code = SQLITE_OK;
	}
	(void)sqlite3_finalize(statement); /* gives the error again that was seen */
	if (code != SQLITE_DONE)
		return connection_fail(connection, code, "its tables cannot be listed", err);
	for (size_t i = 0; count && i < tables->count; i++)
		if (!count_rows(connection, &tables->items[i], err))
			return false;
	return true;
}

void schema_tables_release(struct schema_tables *tables)
{
	for (size_t i = 0; i < tables->count; i++)
		free(tables->items[i].name);
	free(tables->items);
	*tables = (struct schema_tables){ 0 };
}
