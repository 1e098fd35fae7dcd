/* What dbmigrate answers, as JSON. */

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/scope.h"
#include "common/migration_report.h"

static void put_path(struct json_t *object, const char *key, const char *path)
{
	auto_free char *absolute = path ? target_absolute(path) : NULL;

	json_put_text(object, key, absolute);
}

/* Each in an object of its own would be clumsy: versions are plain texts. */
static void put_names(struct json_t *object, const char *key, const struct names *names)
{
	json_put_texts(object, key, names->items, names->count);
}

static void put_rows(struct json_t *list, const char *name, int64_t before, int64_t after)
{
	struct json_t *entry = json_new_object();

	json_put_text(entry, "name", name);
	if (before >= 0)
		json_put_number(entry, "rows_before", before);
	else
		json_put_null(entry, "rows_before");
	if (after >= 0)
		json_put_number(entry, "rows_after", after);
	else
		json_put_null(entry, "rows_after");
	json_add(list, entry);
}

static void put_tables(struct json_t *object, const struct migration *migration)
{
	const struct schema_state *before = &migration->before, *after = &migration->after;
	struct json_t *list = json_put_array(object, "tables");

	for (size_t i = 0; i < before->tables.count; i++)
		if (!version_tables_own(before->tables.items[i].name))
			put_rows(list, before->tables.items[i].name, before->tables.items[i].rows,
				 schema_state_rows(after, before->tables.items[i].name));
	for (size_t i = 0; i < after->tables.count; i++)
		if (schema_state_rows(before, after->tables.items[i].name) < 0 &&
		    !version_tables_own(after->tables.items[i].name))
			put_rows(list, after->tables.items[i].name, -1,
				 after->tables.items[i].rows);
}

static void put_changes(struct json_t *object, const struct migration *migration)
{
	struct json_t *list = json_put_array(object, "schema_changes");

	for (size_t i = 0; i < migration->changes.count; i++) {
		const struct schema_change *change = &migration->changes.items[i];
		struct json_t *entry = json_new_object();

		json_put_text(entry, "change", schema_change_name(change->kind));
		json_put_text(entry, "type", change->object->type);
		json_put_text(entry, "name", change->object->name);
		json_put_text(entry, "table", change->object->table);
		json_add(list, entry);
	}
}

static void put_run(struct json_t *object, const struct migration *migration)
{
	static const struct names nothing;
	const bool done =
		migration->published || (migration->command == MIGRATION_REHEARSE && migration->to);
	struct json_t *seconds = NULL;

	json_put_text(object, "from", migration->from);
	json_put_text(object, "to", migration->to);
	put_names(object, "applied", done ? &migration->plan.steps : &nothing);
	json_put_bool(object, "published", migration->published);
	put_path(object, "backup", migration->backup);
	put_path(object, "log", migration->log);
	json_put_text(object, "sandbox", migration->sandbox);
	put_changes(object, migration);
	put_tables(object, migration);
	seconds = json_put_object(object, "seconds");
	json_put_seconds(seconds, "copy", migration->seconds.copy);
	json_put_seconds(seconds, "run", migration->seconds.run);
	json_put_seconds(seconds, "verify", migration->seconds.verify);
	json_put_seconds(seconds, "publish", migration->seconds.publish);
	json_put_seconds(object, "locked_seconds", migration->locked_seconds);
	if (migration->command == MIGRATION_REHEARSE)
		json_put_seconds(object, "would_lock_seconds", migration->would_lock_seconds);
}

static void put_problems(struct json_t *object, const struct revisions *revisions)
{
	struct json_t *list = json_put_array(object, "problems");

	for (size_t i = 0; i < revisions->problems.count; i++) {
		const struct revision_problem *problem = &revisions->problems.items[i];
		struct json_t *entry = json_new_object();

		json_put_text(entry, "kind", problem->kind);
		json_put_text(entry, "version", *problem->version ? problem->version : NULL);
		json_put_text(entry, "message", problem->message);
		json_add(list, entry);
	}
}

static void put_status(struct json_t *object, const struct migration *migration)
{
	struct json_t *list = NULL;

	json_put_text(object, "current", migration->from);
	put_names(object, "heads", &migration->revisions.heads);
	list = json_put_array(object, "pending");
	for (size_t i = 0; i < migration->revisions.count; i++) {
		const struct revision *revision = &migration->revisions.items[i];
		struct json_t *entry = NULL;

		if (revision->applied)
			continue;
		entry = json_new_object();
		json_put_text(entry, "version", revision->version);
		json_put_text(entry, "name", revision->name);
		json_add(list, entry);
	}
	put_problems(object, &migration->revisions);
	put_names(object, "leftovers", &migration->versions.leftovers);
	json_put_number(object, "user_version", migration->versions.user_version);
}

static void put_history(struct json_t *object, const struct migration *migration)
{
	struct json_t *list = json_put_array(object, "migrations");

	for (size_t i = 0; i < migration->revisions.count; i++) {
		const struct revision *revision = &migration->revisions.items[i];
		struct json_t *entry = json_new_object();

		json_put_text(entry, "version", revision->version);
		json_put_text(entry, "name", revision->name);
		json_put_bool(entry, "applied", revision->applied);
		json_put_text(entry, "file", *revision->file ? revision->file : NULL);
		json_add(list, entry);
	}
}

static void put_checklist(struct json_t *object, const struct checklist *checklist)
{
	struct json_t *list = json_put_array(object, "checks");

	for (size_t i = 0; checklist && i < CHECKLIST_POINTS; i++) {
		const struct checklist_point *point = &checklist->points[i];
		struct json_t *entry = json_new_object();

		json_put_text(entry, "id", point->id);
		json_put_text(entry, "question", point->question);
		json_put_bool(entry, "answer", point->answer);
		json_put_text(entry, "evidence", point->evidence);
		json_add(list, entry);
	}
}

struct json_t *migration_report_json(const char *tool, const struct migration *migration,
				     const struct checklist *checklist, const char *made,
				     const struct error *failure)
{
	struct json_t *object = json_new_object();
	char stamp[CLOCK_STAMP_SIZE];

	clock_stamp(clock_wall(), stamp);
	json_put_number(object, "schema", 1);
	json_put_text(object, "tool", tool);
	json_put_text(object, "time", stamp);
	if (migration->database)
		put_path(object, "database", migration->database);
	json_put_text(object, "command", migration_command_name(migration->command));
	json_put_text(object, "engine",
		      migration->project.engine == ENGINE_AUTO
			      ? NULL
			      : migration_engine_name(migration->project.engine));
	switch (migration->command) {
	case MIGRATION_STATUS:
		put_status(object, migration);
		break;
	case MIGRATION_HISTORY:
		put_history(object, migration);
		break;
	case MIGRATION_CHECK:
		put_checklist(object, checklist);
		break;
	case MIGRATION_NEW:
		put_path(object, "file", made);
		break;
	default:
		put_run(object, migration);
	}
	if (failure)
		json_put_error(object, failure);
	return object;
}
