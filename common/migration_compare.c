#include "common/migration_compare.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/sqlite/version_tables.h"

/* How many are named in an error; the rest is counted. */
enum { MOST_NAMED = 3 };

const char *schema_change_name(enum schema_change_kind kind)
{
	static const char *const names[] = {
		[SCHEMA_ADDED] = "added",
		[SCHEMA_REMOVED] = "removed",
		[SCHEMA_CHANGED] = "changed",
	};

	return names[kind];
}

/* Objects are in order of type and name, so both lists are walked side by side. */
static int compare(const struct schema_object *a, const struct schema_object *b)
{
	const int type = strcmp(a->type, b->type);

	return type != 0 ? type : strcmp(a->name, b->name);
}

static void add(struct schema_changes *changes, enum schema_change_kind kind,
		const struct schema_object *object)
{
	/* What the migration tool notes for itself. */
	if (version_tables_own(object->table))
		return;
	*memory_append(changes) = (struct schema_change){ kind, object };
}

void schema_changes_find(const struct schema_state *before, const struct schema_state *after,
			 struct schema_changes *changes)
{
	const struct schema_objects *old = &before->objects, *new = &after->objects;
	size_t i = 0, j = 0;

	while (i < old->count || j < new->count) {
		const int order = i == old->count   ? 1
				  : j == new->count ? -1
						    : compare(&old->items[i], &new->items[j]);

		if (order < 0) {
			add(changes, SCHEMA_REMOVED, &old->items[i++]);
		} else if (order > 0) {
			add(changes, SCHEMA_ADDED, &new->items[j++]);
		} else {
			if (strcmp(old->items[i].sql, new->items[j].sql) != 0)
				add(changes, SCHEMA_CHANGED, &new->items[j]);
			i++;
			j++;
		}
	}
}

void schema_changes_release(struct schema_changes *changes)
{
	free(changes->items);
	*changes = (struct schema_changes){ 0 };
}

int64_t schema_state_rows(const struct schema_state *state, const char *table)
{
	for (size_t i = 0; i < state->tables.count; i++)
		if (strcasecmp(state->tables.items[i].name, table) == 0)
			return state->tables.items[i].rows;
	return -1;
}

static bool is_allowed(const struct names *allowed, const char *table)
{
	for (size_t i = 0; i < allowed->count; i++)
		if (strcmp(allowed->items[i], "*") == 0 ||
		    strcasecmp(allowed->items[i], table) == 0)
			return true;
	return false;
}

static bool kept_rows(const struct schema_state *before, const struct schema_state *after,
		      const struct names *allowed, struct error *err)
{
	auto_text lost = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < before->tables.count; i++) {
		const struct schema_table *table = &before->tables.items[i];
		const int64_t now = schema_state_rows(after, table->name);

		if (now < 0 || now >= table->rows || version_tables_own(table->name) ||
		    is_allowed(allowed, table->name))
			continue;
		if (count++ >= MOST_NAMED)
			continue;
		text_append(&lost, "%s", count > 1 ? ", " : "");
		text_append_printable(&lost, table->name);
		text_append(&lost, " (%lld of %lld rows are left)", (long long)now,
			    (long long)table->rows);
	}
	if (count > MOST_NAMED)
		text_append(&lost, " and %zu more", count - MOST_NAMED);
	return count == 0 ||
	       fail(err, STATUS_NO,
		    "tables would lose rows: %s (if that is meant, say --allow-row-loss=TABLE)",
		    text_string(&lost));
}

/* Both lists are sorted. */
static bool no_new_violations(const struct names *before, const struct names *after,
			      struct error *err)
{
	auto_text found = { 0 };
	size_t count = 0, i = 0;

	for (size_t j = 0; j < after->count; j++) {
		while (i < before->count && strcmp(before->items[i], after->items[j]) < 0)
			i++;
		if (i < before->count && strcmp(before->items[i], after->items[j]) == 0) {
			i++;
			continue;
		}
		if (count++ >= MOST_NAMED)
			continue;
		text_append(&found, "%s", count > 1 ? "; " : "");
		text_append_printable(&found, after->items[j]);
	}
	if (count > MOST_NAMED)
		text_append(&found, "; and %zu more", count - MOST_NAMED);
	return count == 0 ||
	       fail(err, STATUS_NO, "foreign keys would be violated: %s", text_string(&found));
}

bool migration_kept_data(const struct schema_state *before, const struct schema_state *after,
			 const struct names *allowed, struct error *err)
{
	return kept_rows(before, after, allowed, err) &&
	       no_new_violations(&before->violations, &after->violations, err);
}
