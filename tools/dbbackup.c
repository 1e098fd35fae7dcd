/* dbbackup - take a consistent, verified copy of a live SQLite database without stopping anybody. */

#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "common/backup_check.h"
#include "common/backup_job.h"
#include "common/backup_report.h"
#include "common/base/cli.h"
#include "common/base/compress.h"
#include "common/base/json.h"
#include "common/base/message.h"
#include "common/base/output.h"
#include "common/base/program.h"
#include "common/base/signals.h"
#include "common/linux/privileges.h"

enum {
	KEY_VERIFY = CLI_LONG_ONLY,
	KEY_COMPRESS,
	KEY_KEEP_LAST,
	KEY_KEEP_DAILY,
	KEY_KEEP_WEEKLY,
	KEY_KEEP_MONTHLY,
	KEY_WAIT,
	KEY_API,
	KEY_DRY_RUN,
	KEY_LIST,
	KEY_CHECK,
};

static const struct cli cli = {
	.tool = "dbbackup",
	.usage = "[OPTION]... DATABASE [FOLDER|FILE|-]\n"
		 "       dbbackup --list FOLDER\n"
		 "       dbbackup --check FILE|FOLDER",
	.summary = "Take a consistent, verified copy of a live SQLite database, without stopping\n"
		   "or starving anybody. It goes to a new file in FOLDER (backups/ beside the\n"
		   "database), to FILE, which must not exist, or to standard output.",
	.options =
		(const struct cli_option[]){
			{ KEY_VERIFY, "verify", "quick|full|none",
			  "how the copy is checked (quick)" },
			{ KEY_COMPRESS, "compress", "[=LEVEL]", "pack it with zstd, 1 to 19 (3)" },
			{ KEY_KEEP_LAST, "keep-last", "N", "then keep only the newest N" },
			{ KEY_KEEP_DAILY, "keep-daily", "N", "and the newest of each of N days" },
			{ KEY_KEEP_WEEKLY, "keep-weekly", "N", "and of each of N weeks" },
			{ KEY_KEEP_MONTHLY, "keep-monthly", "N", "and of each of N months" },
			{ KEY_WAIT, "wait", "SECONDS", "how long to wait for locks (10)" },
			{ KEY_API, "api", NULL, "copy with SQLite's Online Backup API" },
			{ KEY_DRY_RUN, "dry-run", NULL, "say what would be made and deleted" },
			{ KEY_LIST, "list", NULL, "list the backups in a folder" },
			{ KEY_CHECK, "check", NULL, "verify a backup, or all in a folder" },
			{ 0 },
		},
	.notes = "Exit status: 0 done, 1 damaged (no backup was made), 2 bad command line,\n"
		 "3 trouble, 5 the database is locked, or another dbbackup is at work.\n"
		 "Example: dbbackup --keep-daily=7 data/bot.db /var/backups/bot/",
};

struct request {
	struct cli_settings settings;
	struct backup_job job;
	bool list, check;
};

static bool take_keep(uint64_t *number, const char *option, struct error *err)
{
	return cli_number(number, 1, UINT32_MAX, option, err);
}

static bool take_level(struct backup_options *options, struct error *err)
{
	uint64_t level = COMPRESS_USUAL_LEVEL;
	const bool good = !optarg || cli_number(&level, COMPRESS_LEAST_LEVEL, COMPRESS_MOST_LEVEL,
						"--compress", err);

	options->pack = true;
	options->level = (int)level;
	return good;
}

static bool take_option(struct request *request, int key, struct error *err)
{
	switch (key) {
	case KEY_VERIFY:
		return integrity_parse(optarg, &request->job.options.verify) ||
		       cli_bad_value(err, "--verify", optarg);
	case KEY_COMPRESS:
		return take_level(&request->job.options, err);
	case KEY_KEEP_LAST:
		return take_keep(&request->job.rules.last, "--keep-last", err);
	case KEY_KEEP_DAILY:
		return take_keep(&request->job.rules.daily, "--keep-daily", err);
	case KEY_KEEP_WEEKLY:
		return take_keep(&request->job.rules.weekly, "--keep-weekly", err);
	case KEY_KEEP_MONTHLY:
		return take_keep(&request->job.rules.monthly, "--keep-monthly", err);
	case KEY_WAIT:
		return cli_seconds(&request->job.options.wait, "--wait", err);
	case KEY_API:
		return cli_flag(&request->job.options.api);
	case KEY_DRY_RUN:
		return cli_flag(&request->job.dry_run);
	case KEY_LIST:
		return cli_flag(&request->list);
	default:
		return cli_flag(&request->check);
	}
}

/* What cannot be asked for together. */
static bool check_request(const struct request *request, char **operands, int count,
			  struct error *err)
{
	const bool look = request->list || request->check;
	const bool to_output = count == 2 && strcmp(operands[1], "-") == 0;

	if (request->list && request->check)
		return fail(err, STATUS_USAGE, "--list and --check exclude each other");
	if (look ? count != 1 : count < 1 || count > 2)
		return fail(err, STATUS_USAGE, "%s (see dbbackup --help)",
			    look ? "one folder or file, please"
				 : "a database and one destination, please");
	if (to_output && request->settings.json)
		return fail(err, STATUS_USAGE,
			    "standard output is for the backup: not with --json");
	if (to_output && !request->job.dry_run && isatty(STDOUT_FILENO))
		return fail(err, STATUS_USAGE, "a backup is not written to a terminal");
	return true;
}

static int read_command_line(struct request *request, int argc, char **argv, struct error *err)
{
	int key = 0;

	while ((key = cli_next(&cli, &request->settings, argc, argv, err)) >= 0)
		if (!take_option(request, key, err))
			return CLI_BAD;
	if (key == CLI_END && !check_request(request, argv + optind, argc - optind, err))
		return CLI_BAD;
	return key;
}

/* Takes over the document; the text is for people. */
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

static enum status back_up(struct request *request, char **operands, int count)
{
	struct error err = { 0 };
	struct backup_job *job = &request->job;
	auto_text text = { 0 };

	job->database = operands[0];
	job->destination = count == 2 ? operands[1] : NULL;
	job->hand_out = output_file;

	const bool good = backup_job_run(job, &err);

	progress_clear(job->progress);
	if (!good && !job->delivered)
		return output_failure(&cli, &request->settings, job->database, &err);
	if (!job->dry_run && job->place.kind == DESTINATION_OUTPUT)
		return STATUS_OK;

	struct json_t *report =
		backup_report_json(cli.tool, &job->backup, &job->deleted, job->dry_run);

	backup_report_text(&text, &job->backup, &job->deleted, job->dry_run);
	if (!good) {
		message_error(&err);
		json_put_error(report, &err);
	}
	answer(request, report, &text);
	return good ? STATUS_OK : err.status;
}

/* --list and --check: what is there already. */
static enum status look(const struct request *request, const char *given)
{
	struct error err = { 0 };
	auto_text text = { 0 };
	auto_backup_catalog catalog = { 0 };
	auto_backup_checks checks = { 0 };
	const bool good = request->list ? backup_folder_list(given, &catalog, &err)
					: backup_check(given, request->job.options.verify,
						       request->job.progress, &checks, &err);

	progress_clear(request->job.progress);
	if (!good)
		return output_failure(&cli, &request->settings, NULL, &err);
	if (request->list) {
		backup_list_text(&text, &catalog);
		answer(request, backup_list_json(cli.tool, given, &catalog), &text);
		return catalog.count > 0 ? STATUS_OK : STATUS_NO;
	}
	for (size_t i = 0; request->settings.quiet && i < checks.count; i++)
		if (!checks.items[i].good)
			message_line(checks.items[i].reason);
	backup_checks_text(&text, &checks);
	answer(request, backup_checks_json(cli.tool, &checks), &text);
	return checks.count > 0 && checks.damaged == 0 ? STATUS_OK : STATUS_NO;
}

int main(int argc, char **argv)
{
	static struct request request = { .job = BACKUP_JOB_NONE };
	struct progress progress = { 0 };
	struct error err = { 0 };
	auto_proc_root root = PROC_ROOT_CLOSED;
	enum status status = STATUS_OK;

	if (!program_start())
		return STATUS_TROUBLE;
	message_start(cli.tool);
	signals_hold();
	request.job.options = (struct backup_options){ .verify = INTEGRITY_QUICK, .wait = 10 };
	request.job.root = &root;
	request.job.progress = &progress;

	const int parsed = read_command_line(&request, argc, argv, &err);

	if (parsed == CLI_SHOWN)
		return (int)output_finish(STATUS_OK);
	if (parsed == CLI_BAD || !privileges_keep_copying(&err) ||
	    !proc_root_open(&root, NULL, &err))
		return (int)output_finish(output_failure(&cli, &request.settings, NULL, &err));
	progress = progress_start(request.settings.quiet, request.settings.verbose);
	status = request.list || request.check ? look(&request, argv[optind])
					       : back_up(&request, argv + optind, argc - optind);
	backup_job_release(&request.job);
	return program_end(status);
}
