#include "common/migration_report.h"

#include <string.h>
#include <strings.h>

#include "common/base/memory.h"
#include "common/base/scope.h"

static void append_revision(struct text *text, const char *revision)
{
	if (revision)
		text_append_printable(text, revision);
	else
		text_append(text, "the base");
}

static void append_steps(struct text *text, const struct migration *migration)
{
	for (size_t i = 0; i < migration->plan.steps.count; i++) {
		const char *version = migration->plan.steps.items[i];
		const struct revision *revision = revisions_find(&migration->revisions, version);

		text_append(text, "  %s ", migration->plan.down ? "took back" : "applied  ");
		text_append_printable(text, version);
		if (revision && *revision->name) {
			text_append(text, "  ");
			text_append_printable(text, revision->name);
		}
		text_append(text, "\n");
	}
}

static void append_changes(struct text *text, const struct migration *migration)
{
	for (size_t i = 0; i < migration->changes.count; i++) {
		const struct schema_change *change = &migration->changes.items[i];

		text_append(text, "  %-9s %s ", schema_change_name(change->kind),
			    change->object->type);
		text_append_printable(text, change->object->name);
		if (strcmp(change->object->name, change->object->table) != 0) {
			text_append(text, " of ");
			text_append_printable(text, change->object->table);
		}
		text_append(text, "\n");
	}
}

/* Only tables whose rows changed. */
static void append_rows(struct text *text, const struct migration *migration)
{
	for (size_t i = 0; i < migration->before.tables.count; i++) {
		const struct schema_table *table = &migration->before.tables.items[i];
		const int64_t now = schema_state_rows(&migration->after, table->name);

		if (now < 0 || now == table->rows || version_tables_own(table->name))
			continue;
		text_append(text, "  rows      ");
		text_append_printable(text, table->name);
		text_append(text, " %lld -> %lld\n", (long long)table->rows, (long long)now);
	}
}

static void append_undo(struct text *text, const struct migration *migration)
{
	if (!migration->backup)
		return;
	text_append(text, "  to undo   dbrestore %s",
		    *migration->backup == '-' || *migration->database == '-' ? "-- " : "");
	text_append_shell_word(text, migration->backup);
	text_append(text, " ");
	text_append_shell_word(text, migration->database);
	text_append(text, "\n");
}

static void append_summary(struct text *text, const struct migration *migration)
{
	const struct migration_seconds *seconds = &migration->seconds;

	text_append(text, "%s: %s ", migration->shown,
		    migration->command == MIGRATION_REHEARSE ? "rehearsed"
		    : migration->published		     ? "migrated"
							     : "not changed");
	if (migration->project.engine == ENGINE_COMMAND) {
		text_append(text, "by the command");
	} else {
		text_append(text, "from ");
		append_revision(text, migration->from);
		text_append(text, " to ");
		append_revision(text, migration->to);
	}
	text_append(text, " in %.2f s",
		    seconds->copy + seconds->run + seconds->verify + seconds->publish);
	if (migration->command == MIGRATION_REHEARSE)
		text_append(text, "; the database was not touched\n");
	else
		text_append(text, migration->locked_seconds > 0 ? ", locked for %.2f s\n" : "\n",
			    migration->locked_seconds);
}

static void append_report(struct text *text, const struct migration *migration)
{
	if (migration->nothing_to_do) {
		text_append(text, "%s: nothing to do, it is at ", migration->shown);
		append_revision(text, migration->to);
		text_append(text, "\n");
		return;
	}
	append_summary(text, migration);
	append_steps(text, migration);
	append_changes(text, migration);
	append_rows(text, migration);
	if (migration->command == MIGRATION_REHEARSE)
		text_append(text, "  the real run would hold the database for about %.1f s\n",
			    migration->would_lock_seconds);
	append_undo(text, migration);
}

static size_t count_pending(const struct migration *migration)
{
	size_t count = 0;

	for (size_t i = 0; i < migration->revisions.count; i++)
		count += !migration->revisions.items[i].applied;
	return count;
}

static void append_pending(struct text *text, const struct migration *migration)
{
	for (size_t i = 0; i < migration->revisions.count; i++) {
		const struct revision *revision = &migration->revisions.items[i];

		if (revision->applied)
			continue;
		text_append(text, "  pending   ");
		text_append_printable(text, revision->version);
		text_append(text, "  ");
		text_append_printable(text, revision->name);
		text_append(text, "\n");
	}
}

static void append_status(struct text *text, const struct migration *migration)
{
	const struct revisions *revisions = &migration->revisions;
	const size_t pending = count_pending(migration);

	text_append(text, "%s: at ", migration->shown);
	append_revision(text, migration->from);
	if (migration->project.engine == ENGINE_COMMAND)
		text_append(text, " (user_version %lld)\n",
			    (long long)migration->versions.user_version);
	else
		text_append(text, ", %zu pending (%s)\n", pending,
			    migration_engine_name(migration->project.engine));
	append_pending(text, migration);
	if (revisions->heads.count > 0) {
		text_append(text, "  head      ");
		names_append_printable(text, &revisions->heads, ", ");
		text_append(text, "\n");
	}
	for (size_t i = 0; i < revisions->problems.count; i++)
		text_append(text, "  %s: %s\n", revisions->problems.items[i].kind,
			    revisions->problems.items[i].message);
	if (migration->versions.leftovers.count > 0) {
		text_append(text, "  left by an interrupted migration: ");
		names_append_printable(text, &migration->versions.leftovers, ", ");
		text_append(text, "\n");
	}
}

static void append_history(struct text *text, const struct migration *migration)
{
	for (size_t i = 0; i < migration->revisions.count; i++) {
		const struct revision *revision = &migration->revisions.items[i];

		text_append(text, "%s ", revision->applied ? "[x]" : "[ ]");
		text_append_printable(text, revision->version);
		text_append(text, "  ");
		text_append_printable(text, revision->name);
		text_append(text, "\n");
	}
}

static void append_check(struct text *text, const struct migration *migration,
			 const struct checklist *checklist)
{
	text_append(text, "%s: %s\n", migration->shown,
		    checklist->all ? "ready to be migrated" : "not ready to be migrated");
	for (size_t i = 0; i < CHECKLIST_POINTS; i++) {
		const struct checklist_point *point = &checklist->points[i];

		text_append(text, "  %-3s  %s  ", point->answer ? "yes" : "NO", "");
		text_append_cell(text, point->question, 52);
		text_append(text, "  %s\n", point->evidence);
	}
}

void migration_report(struct text *text, const struct migration *migration,
		      const struct checklist *checklist, const char *made)
{
	switch (migration->command) {
	case MIGRATION_NEW:
		text_append_printable(text, made ? made : "");
		text_append(text, "\n");
		break;
	case MIGRATION_STATUS:
		append_status(text, migration);
		break;
	case MIGRATION_HISTORY:
		append_history(text, migration);
		break;
	case MIGRATION_CHECK:
		append_check(text, migration, checklist);
		break;
	default:
		append_report(text, migration);
	}
}

bool migration_is_unsound_status(const struct migration *migration)
{
	return migration->command == MIGRATION_STATUS && migration->revisions.problems.count > 0;
}

enum status migration_exit_status(const struct migration *migration,
				  const struct checklist *checklist)
{
	if (migration->command == MIGRATION_CHECK)
		return checklist->all ? STATUS_OK : STATUS_NO;
	if (migration->command != MIGRATION_STATUS)
		return STATUS_OK;
	return count_pending(migration) > 0 ? STATUS_NO : STATUS_OK;
}
