/* What a database says of itself: numbers in its header, its schema's revision, its tables. */
#ifndef SQLITE_SCHEMA_H
#define SQLITE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/sqlite/connection.h"

enum { REVISION_SIZE = 256 };

/* No pointers: a worker fills it in shared memory. */
struct schema_facts {
	int64_t user_version, application_id;
	int64_t pages, page_size; /* page size in bytes; 0 pages for an empty file */
	bool has_revision;
	char revision[REVISION_SIZE]; /* of Alembic, or the last one of dbmate and golang-migrate */
};

bool schema_read(struct connection *connection, struct schema_facts *facts, struct error *err);

/* One table that holds rows of the user's: no virtual or internal one. */
struct schema_table {
	char *name;
	int64_t rows; /* -1: not counted, or cannot be */
};

struct schema_tables {
	struct schema_table *items;
	size_t count, capacity;
};

#define auto_schema_tables __attribute__((cleanup(schema_tables_release))) struct schema_tables

/* Lists the tables by name, with how many rows they have when `count`. */
bool schema_tables_read(struct connection *connection, bool count, struct schema_tables *tables,
			struct error *err);
void schema_tables_release(struct schema_tables *tables);

#endif
