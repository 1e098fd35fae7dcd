/*
 * All of a database that a migration is judged by: the objects of its schema, the rows of its tables, and where foreign keys
 * are violated. Read before and after, and compared by those who know what the migration was (migration_compare.h).
 */
#ifndef SQLITE_SCHEMA_STATE_H
#define SQLITE_SCHEMA_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/base/names.h"
#include "common/sqlite/connection.h"
#include "common/sqlite/schema.h"

struct json_t;

/* A row of sqlite_schema that somebody wrote: no internal index or table. */
struct schema_object {
	char *type, *name, *table, *sql;
};

struct schema_objects {
	struct schema_object *items; /* by type and name */
	size_t count, capacity;
};

struct schema_state {
	struct schema_objects objects;
	struct schema_tables tables; /* by name, counted */
	struct names violations;     /* "TABLE row N: no such row in PARENT", sorted */
};

#define auto_schema_state __attribute__((cleanup(schema_state_release))) struct schema_state

bool schema_state_read(struct connection *connection, struct schema_state *state,
		       struct error *err);
void schema_state_release(struct schema_state *state);

/* As a document, and back. */
struct json_t *schema_state_write(const struct schema_state *state)
	__attribute__((returns_nonnull, warn_unused_result));
void schema_state_take(const struct json_t *document, struct schema_state *state);

#endif
