/* dbmigrate - bring an SQLite database's schema to a version, all or nothing, whichever tool writes the migration. */

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/cli.h"
#include "common/base/json.h"
#include "common/base/memory.h"
#include "common/base/message.h"
#include "common/base/output.h"
#include "common/base/program.h"
#include "common/base/scope.h"
#include "common/base/signals.h"
#include "common/checklist.h"
#include "common/engine_alembic.h"
#include "common/engine_sql.h"
#include "common/linux/privileges.h"
#include "common/migration.h"
#include "common/migration_report.h"

enum {
	KEY_ENGINE = CLI_LONG_ONLY,
	KEY_MIGRATIONS,
	KEY_ALEMBIC,
	KEY_ALEMBIC_COMMAND,
	KEY_BACKUP,
	KEY_NO_BACKUP,
	KEY_IN_PLACE,
	KEY_ALLOW_ROW_LOSS,
	KEY_TIMEOUT,
	KEY_WAIT,
};

static const struct cli cli = {
	.tool = "dbmigrate",
	.usage = "[OPTION]... COMMAND DATABASE [TARGET] [-- PROGRAM ARG...]\n"
		 "       dbmigrate [OPTION]... new NAME",
	.summary =
		"Bring a database's schema to a version, all or nothing: the migration runs on a\n"
		"copy, or in one transaction, and only what was verified becomes true.\n\n"
		"  status    where the database is, and what is pending\n"
		"  history   all migrations, oldest first\n"
		"  check     the checklist before a migration, each point with its evidence\n"
		"  up        to TARGET: head (the usual one), +N steps, or a version\n"
		"  down      to TARGET: -N steps (-1), a version, or base\n"
		"  rehearse  up, on a copy only, beside whoever works in the database\n"
		"  new       make the file of a new migration",
	.options =
		(const struct cli_option[]){
			{ KEY_ENGINE, "engine", "NAME", "auto, sql, alembic or command" },
			{ KEY_MIGRATIONS, "migrations", "FOLDER", "where the SQL files are" },
			{ KEY_ALEMBIC, "alembic", "FILE", "the project's alembic.ini" },
			{ KEY_ALEMBIC_COMMAND, "alembic-command", "PROGRAM", "the Alembic to use" },
			{ KEY_BACKUP, "backup", "FOLDER", "where it goes (backups/), or is" },
			{ KEY_NO_BACKUP, "no-backup", NULL, "make none" },
			{ KEY_IN_PLACE, "in-place", NULL, "run on the file itself; weaker" },
			{ KEY_ALLOW_ROW_LOSS, "allow-row-loss", "TABLE",
			  "may lose rows; * for all; repeatable" },
			{ KEY_TIMEOUT, "timeout", "SECONDS", "how long the migration may take" },
			{ KEY_WAIT, "wait", "SECONDS", "how long to wait for locks (10)" },
			{ 0 },
		},
	.notes = "Exit status: 0 done, 1 pending, not ready, or refused, 2 bad command line,\n"
		 "3 trouble (nothing was changed), 4 cannot tell, 5 the database is held,\n"
		 "6 failed and put back, 7 do not start the bot.\n"
		 "Example: dbmigrate up data/bot.db",
};

struct request {
	struct cli_settings settings;
	struct migration migration;
	const char *name; /* of a new migration */
};

static bool take_text(const char **where, const char *option, struct error *err)
{
	*where = optarg;
	return *optarg || cli_bad_value(err, option, optarg);
}

static bool take_option(struct migration_options *options, int key, struct error *err)
{
	switch (key) {
	case KEY_ENGINE:
		return migration_engine_parse(optarg, &options->project.engine) ||
		       cli_bad_value(err, "--engine", optarg);
	case KEY_MIGRATIONS:
		return take_text(&options->project.migrations, "--migrations", err);
	case KEY_ALEMBIC:
		return take_text(&options->project.alembic, "--alembic", err);
	case KEY_ALEMBIC_COMMAND:
		return take_text(&options->project.alembic_command, "--alembic-command", err);
	case KEY_BACKUP:
		return take_text(&options->backup, "--backup", err);
	case KEY_NO_BACKUP:
		return cli_flag(&options->no_backup);
	case KEY_IN_PLACE:
		return cli_flag(&options->in_place);
	case KEY_ALLOW_ROW_LOSS:
		names_add(&options->allowed, optarg);
		return *optarg || cli_bad_value(err, "--allow-row-loss", optarg);
	case KEY_TIMEOUT:
		return cli_seconds(&options->timeout, "--timeout", err);
	default:
		return cli_seconds(&options->wait, "--wait", err);
	}
}

/* "--" and what follows is a program, and an operand "-1" is no option: both are taken out before getopt sees them. */
static int take_special(struct migration *migration, int argc, char **argv)
{
	int kept = 1;

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (strcmp(word, "--") == 0) {
			migration->options.project.program = argv + i + 1;
			break;
		}
		if (word[0] == '-' && word[1] >= '0' && word[1] <= '9' && !migration->wanted)
			migration->wanted = word;
		else
			argv[kept++] = argv[i];
	}
	return kept;
}

static bool take_operands(struct request *request, char **operands, int count, struct error *err)
{
	struct migration *migration = &request->migration;
	const bool is_new = count > 0 && strcmp(operands[0], "new") == 0;

	if (count == 0 || !migration_command_parse(operands[0], &migration->command))
		return fail(err, STATUS_USAGE,
			    "a command, please: status, history, check, up, down, rehearse or new "
			    "(see dbmigrate --help)");
	if (count < 2)
		return fail(err, STATUS_USAGE, "%s, please (see dbmigrate --help)",
			    is_new ? "a name" : "a database");
	if (is_new)
		request->name = operands[1];
	else
		migration->database = operands[1];
	if (count > 2 && migration->wanted)
		return fail(err, STATUS_USAGE, "one target, please (see dbmigrate --help)");
	if (count > 2)
		migration->wanted = operands[2];
	return count <= 3 || fail(err, STATUS_USAGE, "too many operands (see dbmigrate --help)");
}

static int read_command_line(struct request *request, int argc, char **argv, struct error *err)
{
	struct migration *migration = &request->migration;
	int key = 0;

	argc = take_special(migration, argc, argv);
	while ((key = cli_next(&cli, &request->settings, argc, argv, err)) >= 0)
		if (!take_option(&migration->options, key, err))
			return CLI_BAD;
	if (key == CLI_END && (!take_operands(request, argv + optind, argc - optind, err) ||
			       !migration_request_check(migration, err)))
		return CLI_BAD;
	return key;
}

static void answer(const struct request *request, struct json_t *document, const struct text *text)
{
	if (request->settings.json) {
		output_json(document);
		return;
	}
	json_release(document);
	if (!request->settings.quiet)
		output_write(text_string(text));
}

static enum status tell(const struct request *request, const struct checklist *checklist,
			const char *made, const struct error *err)
{
	const struct migration *migration = &request->migration;
	const bool failed = err->status != STATUS_OK;
	auto_text text = { 0 };

	if (failed)
		message_error(err);
	if (!failed || migration_is_unsound_status(migration))
		migration_report(&text, migration, checklist, made);
	answer(request,
	       migration_report_json(cli.tool, migration, checklist, made, failed ? err : NULL),
	       &text);
	return failed ? err->status : migration_exit_status(migration, checklist);
}

static enum status run(struct request *request)
{
	struct migration *migration = &request->migration;
	__attribute__((cleanup(checklist_release))) struct checklist checklist = { 0 };
	auto_free char *made = NULL;
	struct error err = { 0 };

	if (migration->command == MIGRATION_NEW)
		(void)migration_new(migration, request->name, &made, &err);
	else if (migration_look(migration, &err) && migration->command == MIGRATION_CHECK)
		checklist_fill(&checklist, migration);
	else if (err.status == STATUS_OK && migration_changes(migration->command))
		(void)migration_run(migration, &err);
	progress_clear(migration->progress);
	return tell(request, &checklist, made, &err);
}

static void show_line(struct progress *progress, const char *line)
{
	auto_free char *marked = memory_format("| %s", line);

	progress_clear(progress);
	message_line(marked);
}

int main(int argc, char **argv)
{
	static struct request request = { .migration = MIGRATION_NONE };
	struct progress progress = { 0 };
	struct error err = { 0 };
	auto_proc_root root = PROC_ROOT_CLOSED;
	enum status status = STATUS_OK;

	if (!program_start())
		return STATUS_TROUBLE;
	message_start(cli.tool);
	signals_hold();
	request.migration.options.wait = 10;

	const int parsed = read_command_line(&request, argc, argv, &err);

	if (parsed == CLI_SHOWN)
		return (int)output_finish(STATUS_OK);
	if (parsed == CLI_BAD || !privileges_keep_migrating(&err) ||
	    !proc_root_open(&root, NULL, &err))
		return (int)output_finish(output_failure(&cli, &request.settings, NULL, &err));
	progress = progress_start(request.settings.quiet, request.settings.verbose);
	request.migration.root = &root;
	request.migration.progress = &progress;
	request.migration.note = message_line;
	request.migration.talk = request.settings.quiet ? NULL : show_line;
	status = run(&request);
	migration_release(&request.migration);
	return program_end(status);
}
