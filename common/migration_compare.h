/* What a migration did to a database, from its state before and after; pure. */
#ifndef COMMON_MIGRATION_COMPARE_H
#define COMMON_MIGRATION_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/base/names.h"
#include "common/sqlite/schema_state.h"

enum schema_change_kind { SCHEMA_ADDED, SCHEMA_REMOVED, SCHEMA_CHANGED };

/* "added", "removed", "changed". */
const char *schema_change_name(enum schema_change_kind kind) __attribute__((returns_nonnull));

/* An object of either state. Its texts belong to the state. */
struct schema_change {
	enum schema_change_kind kind;
	const struct schema_object *object;
};

struct schema_changes {
	struct schema_change *items;
	size_t count, capacity;
};

void schema_changes_find(const struct schema_state *before, const struct schema_state *after,
			 struct schema_changes *changes);
void schema_changes_release(struct schema_changes *changes);

/* How many rows a table of that name has; -1: there is no such table. */
int64_t schema_state_rows(const struct schema_state *state, const char *table);

/*
 * Whether the data survived: STATUS_NO when a table that is in both states has lost rows, unless `allowed` names it or has "*"
 * in it, or when there are foreign key violations that were not there before. Tables of versions do not count.
 */
bool migration_kept_data(const struct schema_state *before, const struct schema_state *after,
			 const struct names *allowed, struct error *err);

#endif
