/* What can be asked of dbmigrate, and what not; and new migrations. */

#include <string.h>

#include "common/base/parse.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/engine_alembic.h"
#include "common/engine_sql.h"
#include "common/migration.h"

static const char *const commands[] = {
	[MIGRATION_STATUS] = "status", [MIGRATION_HISTORY] = "history",
	[MIGRATION_CHECK] = "check",   [MIGRATION_UP] = "up",
	[MIGRATION_DOWN] = "down",     [MIGRATION_REHEARSE] = "rehearse",
	[MIGRATION_NEW] = "new",
};

const char *migration_command_name(enum migration_command command)
{
	return commands[command];
}

bool migration_command_parse(const char *word, enum migration_command *command)
{
	for (enum migration_command i = MIGRATION_STATUS; i <= MIGRATION_NEW; i++) {
		if (strcmp(word, commands[i]) == 0) {
			*command = i;
			return true;
		}
	}
	return false;
}

bool migration_changes(enum migration_command command)
{
	return command == MIGRATION_UP || command == MIGRATION_DOWN ||
	       command == MIGRATION_REHEARSE;
}

bool migration_target_check(const char *target, bool down, struct error *err)
{
	auto_free char *shown = text_printable(target);
	uint64_t steps = 0;

	if (*target == '+' || *target == '-') {
		if (!parse_whole(target + 1, 1000000, &steps) || steps == 0)
			return fail(err, STATUS_USAGE, "bad target '%s': +N or -N, please", shown);
		if ((*target == '-') != down)
			return fail(err, STATUS_USAGE, "target '%s' goes %s: use %s", shown,
				    down ? "up" : "down", down ? "up" : "down");
	}
	if (*target == '\0' || strcmp(target, down ? "head" : "base") == 0)
		return fail(err, STATUS_USAGE, "bad target '%s' for %s", shown,
			    down ? "down" : "up");
	return true;
}

bool migration_request_check(const struct migration *migration, struct error *err)
{
	const struct migration_options *options = &migration->options;
	const struct project_options *project = &options->project;
	const enum migration_command command = migration->command;
	const bool by_command = project->engine == ENGINE_COMMAND ||
				(project->engine == ENGINE_AUTO && project->program != NULL);

	if (migration->wanted && !migration_changes(command))
		return fail(err, STATUS_USAGE, "%s takes no target",
			    migration_command_name(command));
	if (options->backup && options->no_backup)
		return fail(err, STATUS_USAGE, "--backup and --no-backup exclude each other");
	if (options->in_place && options->no_backup)
		return fail(err, STATUS_USAGE,
			    "--in-place needs its backup: that is what is put back");
	if (options->in_place && command != MIGRATION_UP && command != MIGRATION_DOWN)
		return fail(err, STATUS_USAGE, "--in-place is for up and down");
	if (project->program && !by_command)
		return fail(err, STATUS_USAGE, "a program is for --engine=command");
	if (by_command &&
	    (command == MIGRATION_DOWN || command == MIGRATION_HISTORY || command == MIGRATION_NEW))
		return fail(err, STATUS_USAGE, "the command engine has no %s",
			    migration_command_name(command));
	if (by_command && (command == MIGRATION_UP || command == MIGRATION_REHEARSE) &&
	    (!project->program || !project->program[0]))
		return fail(err, STATUS_USAGE, "the command engine needs a program behind --");
	if (by_command && migration->wanted)
		return fail(err, STATUS_USAGE, "the command engine takes no target");
	return !migration->wanted ||
	       migration_target_check(migration->wanted, command == MIGRATION_DOWN, err);
}

bool migration_new(struct migration *migration, const char *name, char **path, struct error *err)
{
	return project_find(&migration->project, &migration->options.project, NULL, err) &&
	       (migration->project.engine == ENGINE_ALEMBIC
			? engine_alembic_new(migration, name, path, err)
			: engine_sql_new(&migration->project, name, path, err));
}
