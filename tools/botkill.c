/* botkill - stop exactly the processes that hold an SQLite database, cleanly, and prove it. */

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "common/base/cli.h"
#include "common/base/memory.h"
#include "common/base/message.h"
#include "common/base/output.h"
#include "common/base/program.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/privileges.h"
#include "common/stop.h"
#include "common/stop_input.h"
#include "common/stop_report.h"

enum {
	KEY_ALL = CLI_LONG_ONLY,
	KEY_BLOCKERS,
	KEY_MATCH,
	KEY_PROTECT,
	KEY_SIGNAL,
	KEY_GRACE,
	KEY_FORCE,
	KEY_INTERACTIVE,
	KEY_DRY_RUN,
	KEY_NO_SUPERVISOR,
	KEY_SETTLE,
	KEY_SYSLOG,
};

static const struct cli cli = {
	.tool = "botkill",
	.usage = "[OPTION]... DATABASE|-",
	.summary = "Stop exactly the processes that use an SQLite database, cleanly and through\n"
		   "whoever supervises them, and prove that the database is released. With - the\n"
		   "processes come from standard input, as dblockcheck --json has them.",
	.options =
		(const struct cli_option[]){
			{ KEY_ALL, "all", NULL, "also those that only read the file (bystanders)" },
			{ KEY_BLOCKERS, "blockers", NULL, "only those in the way of a writer" },
			{ KEY_MATCH, "match", "REGEX", "only those whose command line matches" },
			{ KEY_PROTECT, "protect", "REGEX",
			  "never those whose command line matches" },
			{ KEY_SIGNAL, "signal", "NAME", "instead of the one that each handles" },
			{ KEY_GRACE, "grace", "SECONDS", "how long they may take to end (10)" },
			{ KEY_FORCE, "force", NULL, "then SIGKILL; also thaw what is frozen" },
			{ KEY_INTERACTIVE, "interactive", NULL, "show the plan and ask, once" },
			{ KEY_DRY_RUN, "dry-run", NULL, "show the plan and do nothing" },
			{ KEY_NO_SUPERVISOR, "no-supervisor", NULL,
			  "signal directly, whoever supervises" },
			{ KEY_SETTLE, "settle", "SECONDS", "how long nothing may come back (1)" },
			{ KEY_SYSLOG, "syslog", NULL, "log each action to syslog too" },
			{ 0 },
		},
	.notes = "Exit status: 0 released, 1 still held or came back, 2 bad command line,\n"
		 "3 trouble, 4 cannot tell, 5 another botkill is at work on it.\n"
		 "Example: botkill --dry-run data/bot.db",
};

struct request {
	struct cli_settings settings;
	struct stop_options options;
	regex_t match, protect;
	bool interactive, dry_run, syslog;
};

static struct request request = {
	.options = { .grace_seconds = 10, .settle_seconds = 1 },
};

static bool take_expression(regex_t *expression, const regex_t **used, const char *option,
			    struct error *err)
{
	if (*used)
		return fail(err, STATUS_USAGE, "%s was given twice", option);
	*used = expression;
	return stop_expression_read(expression, optarg, option, err);
}

static bool take_option(int key, struct error *err)
{
	switch (key) {
	case KEY_MATCH:
		return take_expression(&request.match, &request.options.match, "--match", err);
	case KEY_PROTECT:
		return take_expression(&request.protect, &request.options.protect, "--protect",
				       err);
	case KEY_SIGNAL:
		request.options.signal = stop_signal_parse(optarg);
		return request.options.signal > 0 || cli_bad_value(err, "--signal", optarg);
	case KEY_GRACE:
		return cli_seconds(&request.options.grace_seconds, "--grace", err);
	case KEY_SETTLE:
		return cli_seconds(&request.options.settle_seconds, "--settle", err);
	case KEY_ALL:
		return cli_flag(&request.options.all);
	case KEY_BLOCKERS:
		return cli_flag(&request.options.blockers);
	case KEY_FORCE:
		return cli_flag(&request.options.force);
	case KEY_INTERACTIVE:
		return cli_flag(&request.interactive);
	case KEY_DRY_RUN:
		return cli_flag(&request.dry_run);
	case KEY_NO_SUPERVISOR:
		return cli_flag(&request.options.no_supervisor);
	default:
		return cli_flag(&request.syslog);
	}
}

static int read_command_line(int argc, char **argv, struct error *err)
{
	int key = 0;

	while ((key = cli_next(&cli, &request.settings, argc, argv, err)) >= 0)
		if (!take_option(key, err))
			return CLI_BAD;
	if (key != CLI_END)
		return key;
	if (argc - optind != 1)
		(void)fail(err, STATUS_USAGE, "one database, please (see botkill --help)");
	else if (request.interactive && (!isatty(STDIN_FILENO) || strcmp(argv[optind], "-") == 0))
		(void)fail(err, STATUS_USAGE, "--interactive needs a terminal to ask on");
	return err->status == STATUS_OK ? CLI_END : CLI_BAD;
}

static void audit(const char *line)
{
	if (!request.settings.quiet)
		message_line(line);
	if (request.syslog)
		syslog(LOG_NOTICE, "%s", line);
}

static void show(const struct stop *stop, bool is_plan)
{
	auto_text text = { 0 };

	if (request.settings.quiet)
		return;
	if (request.settings.json)
		output_json(stop_report_json(cli.tool, stop, is_plan));
	else if (is_plan)
		stop_plan_text(&text, stop);
	else
		stop_report_text(&text, stop);
	output_write(text_string(&text));
}

/* Asks on the terminal; anything but a yes is a no. */
static bool agreed(const struct stop *stop)
{
	auto_text text = { 0 };
	char answer[16] = "";

	stop_plan_text(&text, stop);
	text_append(&text, "Go on? [y/N] ");
	message_write(text_string(&text));
	return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static enum status stop_holders(const struct proc_root *root, const char *path,
				const struct stop_entries *entries)
{
	struct error err = { 0 };
	auto_stop stop = {
		.options = request.options,
		.path = memory_copy_text(path),
		.audit = audit,
	};
	auto_close int claim = -1;

	stop.options.entries = entries;
	if (!stop_plan(&stop, root, &err))
		return output_failure(&cli, &request.settings, path, &err);
	if (request.dry_run) {
		show(&stop, true);
		return STATUS_OK;
	}
	if (request.interactive && stop_chosen(&stop) > 0 && !agreed(&stop)) {
		if (request.settings.json)
			show(&stop, true);
		return STATUS_NO;
	}
	claim = stop_claim(&stop.survey, &err);
	if (claim < 0)
		return output_failure(&cli, &request.settings, path, &err);
	if (!stop_act(&stop, root, &err) || !stop_prove(&stop, root, &err))
		stop.trouble = err;
	if (stop.trouble.status != STATUS_OK)
		message_error(&stop.trouble);
	show(&stop, false);
	return stop_status(&stop);
}

static enum status stop_from_input(const struct proc_root *root)
{
	struct error err = { 0 };
	struct stop_requests requests = { 0 };
	enum status status = STATUS_OK;

	if (!stop_requests_read_from(STDIN_FILENO, &requests, &err))
		status = output_failure(&cli, &request.settings, NULL, &err);
	for (size_t i = 0; err.status == STATUS_OK && i < requests.count; i++)
		status = status_worse(status, stop_holders(root, requests.items[i].database,
							   &requests.items[i].entries));
	stop_requests_release(&requests);
	return status;
}

int main(int argc, char **argv)
{
	struct error err = { 0 };
	auto_proc_root root = PROC_ROOT_CLOSED;

	if (!program_start())
		return STATUS_TROUBLE;
	message_start(cli.tool);

	const int parsed = read_command_line(argc, argv, &err);

	if (parsed == CLI_SHOWN)
		return (int)output_finish(STATUS_OK);
	if (parsed == CLI_BAD || !privileges_keep_stopping(&err) ||
	    !proc_root_open(&root, NULL, &err))
		return (int)output_finish(output_failure(&cli, &request.settings, NULL, &err));
	if (request.syslog)
		openlog(cli.tool, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	if (strcmp(argv[optind], "-") == 0)
		return (int)output_finish(stop_from_input(&root));
	return (int)output_finish(stop_holders(&root, argv[optind], NULL));
}
