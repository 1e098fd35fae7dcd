/* dbrestore - put a verified backup of an SQLite database back, all or nothing, keeping what was there. */

#include <getopt.h>
#include <string.h>

#include "common/base/cli.h"
#include "common/base/clock.h"
#include "common/base/message.h"
#include "common/base/output.h"
#include "common/base/program.h"
#include "common/base/signals.h"
#include "common/linux/privileges.h"
#include "common/restore.h"
#include "common/restore_report.h"

enum {
	KEY_AT = CLI_LONG_ONLY,
	KEY_DRY_RUN,
	KEY_LIVE,
	KEY_FORCE,
	KEY_SAFETY,
	KEY_NO_SAFETY,
	KEY_WAIT,
};

static const struct cli cli = {
	.tool = "dbrestore",
	.usage = "[OPTION]... BACKUP|FOLDER DATABASE",
	.summary =
		"Put a backup back, all or nothing. It is verified before anything is touched,\n"
		"what is there now is backed up first, and then it is written as one transaction\n"
		"into the database, or in place of one that is missing or broken. Of a FOLDER\n"
		"the newest backup is taken.",
	.options =
		(const struct cli_option[]){
			{ KEY_AT, "at", "TIME", "the newest not after this (2026-11-22T12:15Z)" },
			{ KEY_DRY_RUN, "dry-run", NULL,
			  "say what would change, and change nothing" },
			{ KEY_LIVE, "live", NULL, "also while others have the database open" },
			{ KEY_FORCE, "force", NULL, "also a backup of another application" },
			{ KEY_SAFETY, "safety", "FOLDER", "where what is there is backed up" },
			{ KEY_NO_SAFETY, "no-safety-copy", NULL, "do not back it up" },
			{ KEY_WAIT, "wait", "SECONDS", "how long to wait for users and locks" },
			{ 0 },
		},
	.notes = "Exit status: 0 restored, 1 another application's backup, 2 bad command line,\n"
		 "3 trouble or a damaged backup, 4 cannot tell who has it open, 5 somebody has it\n"
		 "open, 6 failed and put back, 7 do not start the bot.\n"
		 "Example: dbrestore data/backups/ data/bot.db",
};

static bool take_time(struct restore_options *options, struct error *err)
{
	int64_t first = 0;

	return clock_parse(optarg, &first, &options->at) || cli_bad_value(err, "--at", optarg);
}

static bool take_option(struct restore_options *options, int key, struct error *err)
{
	switch (key) {
	case KEY_AT:
		return take_time(options, err);
	case KEY_DRY_RUN:
		return cli_flag(&options->dry_run);
	case KEY_LIVE:
		return cli_flag(&options->live);
	case KEY_FORCE:
		return cli_flag(&options->force);
	case KEY_SAFETY:
		options->safety = optarg;
		return *optarg || cli_bad_value(err, "--safety", optarg);
	case KEY_NO_SAFETY:
		return cli_flag(&options->no_safety);
	default:
		return cli_seconds(&options->wait, "--wait", err);
	}
}

static int read_command_line(struct cli_settings *settings, struct restore_options *options,
			     int argc, char **argv, struct error *err)
{
	int key = 0;

	while ((key = cli_next(&cli, settings, argc, argv, err)) >= 0)
		if (!take_option(options, key, err))
			return CLI_BAD;
	if (key != CLI_END)
		return key;
	if (argc - optind != 2)
		(void)fail(err, STATUS_USAGE,
			   "a backup and a database, please (see dbrestore --help)");
	else if (options->safety && options->no_safety)
		(void)fail(err, STATUS_USAGE, "--safety and --no-safety-copy exclude each other");
	return err->status == STATUS_OK ? CLI_END : CLI_BAD;
}

static void show(const struct cli_settings *settings, const struct restore *restore)
{
	auto_text text = { 0 };

	if (settings->json) {
		output_json(restore_report_json(cli.tool, restore, NULL));
	} else if (!settings->quiet) {
		restore_report_text(&text, restore);
		output_write(text_string(&text));
	}
}

static enum status restore_database(const struct cli_settings *settings,
				    const struct restore_options *options,
				    const struct proc_root *root, char **operands)
{
	struct error err = { 0 };
	struct progress progress = progress_start(settings->quiet, settings->verbose);
	auto_restore restore = RESTORE_NONE;

	restore.root = root;
	restore.backup = operands[0];
	restore.database = operands[1];
	restore.options = *options;
	restore.progress = &progress;

	const bool good = restore_run(&restore, &err);

	progress_clear(&progress);
	if (good) {
		show(settings, &restore);
		return STATUS_OK;
	}
	message_error(&err);
	if (settings->json)
		output_json(restore_report_json(cli.tool, &restore, &err));
	return err.status;
}

int main(int argc, char **argv)
{
	struct cli_settings settings = { 0 };
	struct restore_options options = { .at = -1, .wait = -1 };
	struct error err = { 0 };
	auto_proc_root root = PROC_ROOT_CLOSED;

	if (!program_start())
		return STATUS_TROUBLE;
	message_start(cli.tool);
	signals_hold();

	const int parsed = read_command_line(&settings, &options, argc, argv, &err);

	if (parsed == CLI_SHOWN)
		return (int)output_finish(STATUS_OK);
	if (parsed == CLI_BAD || !privileges_keep_copying(&err) ||
	    !proc_root_open(&root, NULL, &err))
		return (int)output_finish(output_failure(&cli, &settings, NULL, &err));
	return program_end(restore_database(&settings, &options, &root, argv + optind));
}
