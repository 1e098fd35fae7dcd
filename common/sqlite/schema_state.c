#include "common/sqlite/schema_state.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/memory.h"
#include "common/base/scope.h"

void schema_state_release(struct schema_state *state)
{
	for (size_t i = 0; i < state->objects.count; i++) {
		free(state->objects.items[i].type);
		free(state->objects.items[i].name);
		free(state->objects.items[i].table);
		free(state->objects.items[i].sql);
	}
	free(state->objects.items);
	schema_tables_release(&state->tables);
	names_release(&state->violations);
	*state = (struct schema_state){ 0 };
}

static char *copy(const char *text)
{
	return memory_copy_text(text ? text : "");
}

static void add_object(void *context, int count, char **columns)
{
	struct schema_state *state = context;

	(void)count;
	*memory_append(&state->objects) = (struct schema_object){
		.type = copy(columns[0]),
		.name = copy(columns[1]),
		.table = copy(columns[2]),
		.sql = copy(columns[3]),
	};
}

static void add_violation(void *context, int count, char **columns)
{
	struct schema_state *state = context;
	auto_free char *line = memory_format("%s row %s: no such row in %s", columns[0],
					     columns[1] ? columns[1] : "?", columns[2]);

	(void)count;
	names_add(&state->violations, line);
}

/* Table by table: a key that fits no column of its parent ends SQLite's check, and is a violation too, maybe an old one. */
static bool read_violations(struct connection *connection, struct schema_state *state,
			    struct error *err)
{
	for (size_t i = 0; i < state->tables.count; i++) {
		char *sql = sqlite3_mprintf(
			"SELECT \"table\", rowid, parent FROM pragma_foreign_key_check(%Q, 'main')",
			state->tables.items[i].name);
		struct error mismatch = { 0 };
		bool good = false;

		if (!sql)
			memory_give_up();
		good = connection_each(connection, sql, add_violation, state,
				       "its foreign keys cannot be checked", &mismatch);
		sqlite3_free(sql);
		if (good)
			continue;
		if (mismatch.status != STATUS_TROUBLE || connection_was_stopped()) {
			*err = mismatch;
			return false;
		}
		names_add(&state->violations, mismatch.text);
	}
	names_sort(&state->violations);
	return true;
}

bool schema_state_read(struct connection *connection, struct schema_state *state, struct error *err)
{
	static const char objects[] = "SELECT type, name, tbl_name, sql FROM main.sqlite_schema "
				      "WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1, 2";

	return connection_each(connection, objects, add_object, state, "its schema cannot be read",
			       err) &&
	       schema_tables_read(connection, true, &state->tables, err) &&
	       read_violations(connection, state, err);
}

/* --- as a document --------------------------------------------------------------------------------------------- */

struct json_t *schema_state_write(const struct schema_state *state)
{
	struct json_t *document = json_new_object();
	struct json_t *objects = json_put_array(document, "objects");
	struct json_t *tables = json_put_array(document, "tables");
	struct json_t *violations = json_put_array(document, "violations");

	for (size_t i = 0; i < state->objects.count; i++) {
		const struct schema_object *object = &state->objects.items[i];
		struct json_t *entry = json_new_object();

		json_put_text(entry, "type", object->type);
		json_put_text(entry, "name", object->name);
		json_put_text(entry, "table", object->table);
		json_put_text(entry, "sql", object->sql);
		json_add(objects, entry);
	}
	for (size_t i = 0; i < state->tables.count; i++) {
		struct json_t *entry = json_new_object();

		json_put_text(entry, "name", state->tables.items[i].name);
		json_put_number(entry, "rows", state->tables.items[i].rows);
		json_add(tables, entry);
	}
	for (size_t i = 0; i < state->violations.count; i++) {
		struct json_t *entry = json_new_object();

		json_put_text(entry, "line", state->violations.items[i]);
		json_add(violations, entry);
	}
	return document;
}

static char *text_of(const struct json_t *entry, const char *key)
{
	char *text = json_get_exact_text(entry, key);

	return text ? text : memory_copy_text("");
}

void schema_state_take(const struct json_t *document, struct schema_state *state)
{
	const struct json_t *objects = json_get(document, "objects");
	const struct json_t *tables = json_get(document, "tables");
	const struct json_t *violations = json_get(document, "violations");

	for (size_t i = 0; i < json_count(objects); i++) {
		const struct json_t *entry = json_at(objects, i);

		*memory_append(&state->objects) = (struct schema_object){
			.type = text_of(entry, "type"),
			.name = text_of(entry, "name"),
			.table = text_of(entry, "table"),
			.sql = text_of(entry, "sql"),
		};
	}
	for (size_t i = 0; i < json_count(tables); i++) {
		struct schema_table *table = memory_append(&state->tables);

		table->name = text_of(json_at(tables, i), "name");
		(void)json_get_number(json_at(tables, i), "rows", &table->rows);
	}
	for (size_t i = 0; i < json_count(violations); i++) {
		auto_free char *line = text_of(json_at(violations, i), "line");

		names_add(&state->violations, line);
	}
}
