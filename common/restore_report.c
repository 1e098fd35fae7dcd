#include "common/restore_report.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/memory.h"
#include "common/base/scope.h"

static const char *method_name(const struct restore *restore)
{
	return restore->method == RESTORE_TRANSACTION ? "transaction" : "rename";
}

/* Rows of a table in one of the two; -1 when it has no such table. */
static int64_t rows_in(const struct database_summary *summary, const char *name)
{
	for (size_t i = 0; i < summary->tables.count; i++)
		if (strcmp(summary->tables.items[i].name, name) == 0)
			return summary->tables.items[i].rows;
	return -1;
}

/* --- text --------------------------------------------------------------------------------------------------- */

static void append_undo(struct text *text, const struct restore *restore)
{
	if (restore->safety_copy) {
		text_append(text, "  to undo: dbrestore%s%s%s ",
			    restore->options.live ? " --live" : "",
			    restore->options.force ? " --force" : "",
			    *restore->safety_copy == '-' || *restore->database == '-' ? " --" : "");
		text_append_shell_word(text, restore->safety_copy);
		text_append(text, " ");
		text_append_shell_word(text, restore->database);
		text_append(text, "\n");
		if (!restore->safety_verified)
			text_append(text,
				    "  (what was there is damaged, and so is this copy of it)\n");
	}
	for (size_t i = 0; i < restore->aside.count; i++) {
		auto_free char *path = text_printable(restore->aside.items[i]);

		text_append(text, "  kept aside: %s\n", path);
	}
}

static void append_rows(struct text *text, int64_t rows)
{
	if (rows < 0)
		text_append(text, "not there");
	else
		text_append(text, "%lld", (long long)rows);
}

static void append_table(struct text *text, const char *name, int64_t before, int64_t after)
{
	auto_free char *shown = text_printable(name);

	text_append(text, "  %s  ", shown);
	append_rows(text, before);
	text_append(text, " -> ");
	append_rows(text, after);
	text_append(text, after < 0 ? "\n" : after == 1 ? " row\n" : " rows\n");
}

static void append_tables(struct text *text, const struct restore *restore)
{
	const struct schema_tables *before = &restore->before.tables,
				   *after = &restore->after.tables;

	for (size_t i = 0; i < after->count; i++)
		append_table(text, after->items[i].name,
			     rows_in(&restore->before, after->items[i].name), after->items[i].rows);
	for (size_t i = 0; i < before->count; i++)
		if (rows_in(&restore->after, before->items[i].name) < 0)
			append_table(text, before->items[i].name, before->items[i].rows, -1);
}

static void append_side(struct text *text, const char *word, const struct database_summary *summary)
{
	auto_free char *revision = text_printable(summary->facts.revision);

	text_append(text, "  %s", word);
	if (!summary->known) {
		text_append(text, "nothing that can be read\n");
		return;
	}
	text_append_size(text, summary->size);
	text_append(text, ", %lld pages", (long long)summary->facts.pages);
	if (summary->facts.has_revision)
		text_append(text, ", revision %s", revision);
	text_append(text, "\n");
}

void restore_report_text(struct text *text, const struct restore *restore)
{
	if (restore->options.dry_run) {
		text_append(text, "%s: would be restored from %s, by %s\n", restore->shown,
			    restore->source.shown, method_name(restore));
		append_side(text, "now:   ", &restore->before);
		append_side(text, "after: ", &restore->after);
		append_tables(text, restore);
		return;
	}
	text_append(text, "%s: restored from %s, by %s in %.2f s\n", restore->shown,
		    restore->source.shown, method_name(restore), restore->seconds);
	if (!restore->source.has_manifest)
		text_append(text, "  the backup has no manifest; it passed a full check\n");
	append_undo(text, restore);
}

/* --- JSON --------------------------------------------------------------------------------------------------- */

static void put_number(struct json_t *object, const char *key, bool known, int64_t number)
{
	if (known)
		json_put_number(object, key, number);
	else
		json_put_null(object, key);
}

static void put_table(struct json_t *list, const char *name, int64_t before, int64_t after)
{
	struct json_t *table = json_new_object();

	json_put_text(table, "name", name);
	put_number(table, "rows_before", before >= 0, before);
	put_number(table, "rows_after", after >= 0, after);
	json_add(list, table);
}

static void put_changes(struct json_t *object, const struct restore *restore)
{
	const struct database_summary *before = &restore->before, *after = &restore->after;
	struct json_t *changes = json_put_object(object, "changes");
	struct json_t *size = json_put_object(changes, "size_bytes");
	struct json_t *pages = json_put_object(changes, "pages");
	struct json_t *revision = json_put_object(changes, "revision");
	struct json_t *tables = json_put_array(changes, "tables");

	put_number(size, "before", before->known, (int64_t)before->size);
	put_number(size, "after", after->known, (int64_t)after->size);
	put_number(pages, "before", before->known, before->facts.pages);
	put_number(pages, "after", after->known, after->facts.pages);
	json_put_text(revision, "before",
		      before->facts.has_revision ? before->facts.revision : NULL);
	json_put_text(revision, "after", after->facts.has_revision ? after->facts.revision : NULL);
	for (size_t i = 0; i < after->tables.count; i++)
		put_table(tables, after->tables.items[i].name,
			  rows_in(before, after->tables.items[i].name),
			  after->tables.items[i].rows);
	for (size_t i = 0; i < before->tables.count; i++)
		if (rows_in(after, before->tables.items[i].name) < 0)
			put_table(tables, before->tables.items[i].name,
				  before->tables.items[i].rows, -1);
}

static void put_path(struct json_t *object, const char *key, const char *path)
{
	auto_free char *absolute = path ? target_absolute(path) : NULL;

	json_put_text(object, key, absolute);
}

struct json_t *restore_report_json(const char *tool, const struct restore *restore,
				   const struct error *failure)
{
	struct json_t *object = json_new_object();
	char stamp[CLOCK_STAMP_SIZE];

	clock_stamp(clock_wall(), stamp);
	json_put_number(object, "schema", 1);
	json_put_text(object, "tool", tool);
	json_put_text(object, "time", stamp);
	put_path(object, "database", restore->database);
	put_path(object, "backup", restore->source.path);
	put_path(object, "safety_copy", restore->safety_copy);
	backup_names_put(object, "kept_aside", &restore->aside);
	json_put_text(object, "method", method_name(restore));
	json_put_bool(object, "dry_run", restore->options.dry_run);
	json_put_seconds(object, "seconds", restore->seconds);
	if (restore->options.dry_run && !failure)
		put_changes(object, restore);
	if (failure)
		json_put_error(object, failure);
	return object;
}
