/* dblockcheck - say who has an SQLite database open or locked, why, and what to do. */

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cli.h"
#include "common/base/clock.h"
#include "common/base/message.h"
#include "common/base/output.h"
#include "common/base/parse.h"
#include "common/base/program.h"
#include "common/base/scope.h"
#include "common/base/signals.h"
#include "common/base/text.h"
#include "common/diagnosis.h"
#include "common/linux/lock_trace.h"
#include "common/linux/privileges.h"
#include "common/report.h"
#include "common/survey.h"
#include "common/verdict.h"
#include "common/wait.h"
#include "common/waiters.h"
#include "common/watch_run.h"

enum { KEY_FOR = CLI_LONG_ONLY, KEY_WAIT, KEY_NO_SCAN, KEY_SAMPLE, KEY_VISIBLE_ONLY, KEY_PIDS };
enum { KEY_TRACE = KEY_PIDS + 1, KEY_WATCH, KEY_FOR_SECONDS, KEY_SVG };

static const struct cli cli = {
	.tool = "dblockcheck",
	.usage = "[OPTION]... DATABASE...",
	.summary = "Say which processes have an SQLite database open, which of SQLite's locks\n"
		   "they hold, what those locks stop, why, and what to do now. Never opens the\n"
		   "database through SQLite, never writes, never keeps a lock.",
	.options =
		(const struct cli_option[]){
			{ KEY_FOR, "for", "migrate|write|read",
			  "what the exit status answers (migrate)" },
			{ KEY_WAIT, "wait", "[=SECONDS]", "wait until the answer is yes" },
			{ KEY_NO_SCAN, "no-scan", NULL,
			  "ask the kernel only; do not walk over /proc" },
			{ KEY_SAMPLE, "sample", "SECONDS",
			  "between two looks at what they do (0.2)" },
			{ KEY_TRACE, "trace", "[=SECONDS]",
			  "listen that long (1) for who is refused a lock" },
			{ KEY_WATCH, "watch", "[=SECONDS]",
			  "say what changes, each so many seconds (1)" },
			{ KEY_FOR_SECONDS, "for-seconds", "SECONDS",
			  "end --watch after so long, with its figures" },
			{ KEY_SVG, "svg", "FILE", "draw what --watch has seen as a picture" },
			{ KEY_VISIBLE_ONLY, "visible-only", NULL,
			  "answer for what can be seen from here" },
			{ KEY_PIDS, "pids", NULL,
			  "print the PIDs that stand in the way, one a line" },
			{ 0 },
		},
	.notes = "Exit status: 0 yes, 1 no, 2 bad command line, 3 trouble, 4 cannot tell.\n"
		 "Example: dblockcheck --for=write data/bot.db",
};

struct request {
	struct cli_settings settings;
	struct survey_options options;
	enum question question;
	bool wait, visible_only, pids, trace, watching;
	double wait_seconds; /* negative: for ever */
	struct waiters_request waiters;
	struct watch_request watch;
};

static bool take_option(struct request *request, int key, struct error *err)
{
	switch (key) {
	case KEY_FOR:
		return question_parse(optarg, &request->question) ||
		       cli_bad_value(err, "--for", optarg);
	case KEY_WAIT:
		request->wait = true;
		return !optarg || parse_seconds(optarg, &request->wait_seconds) ||
		       cli_bad_value(err, "--wait", optarg);
	case KEY_NO_SCAN:
		request->options.scan = false;
		return true;
	case KEY_SAMPLE:
		return cli_seconds(&request->options.sample_seconds, "--sample", err);
	case KEY_TRACE:
		request->trace = true;
		return !optarg || cli_seconds(&request->waiters.seconds, "--trace", err);
	case KEY_WATCH:
		request->watching = true;
		return !optarg || cli_seconds(&request->watch.interval, "--watch", err);
	case KEY_FOR_SECONDS:
		return cli_seconds(&request->watch.seconds, "--for-seconds", err);
	case KEY_SVG:
		request->watch.svg = optarg;
		return *optarg || cli_bad_value(err, "--svg", optarg);
	case KEY_VISIBLE_ONLY:
		return cli_flag(&request->visible_only);
	default:
		return cli_flag(&request->pids);
	}
}

/* What cannot be asked for together. */
static bool check_request(const struct request *request, int operands, struct error *err)
{
	if (operands == 0)
		return fail(err, STATUS_USAGE, "which database? (see dblockcheck --help)");
	if (request->pids && request->settings.json)
		return fail(err, STATUS_USAGE, "--pids and --json exclude each other");
	if (request->visible_only && !request->options.scan)
		return fail(err, STATUS_USAGE, "--visible-only needs to look: not with --no-scan");
	if (request->trace + request->wait + request->watching > 1)
		return fail(err, STATUS_USAGE, "--trace, --wait and --watch exclude each other");
	if (request->watching && (operands > 1 || request->pids || !request->options.scan))
		return fail(err, STATUS_USAGE,
			    "--watch takes one database, and neither --pids nor --no-scan");
	if (!request->watching && (request->watch.seconds >= 0 || request->watch.svg))
		return fail(err, STATUS_USAGE, "--for-seconds and --svg are for --watch");
	return true;
}

/* Returns CLI_END when there is work to do, else how it ended. */
static int read_command_line(struct request *request, int argc, char **argv, struct error *err)
{
	int key = 0;

	while ((key = cli_next(&cli, &request->settings, argc, argv, err)) >= 0)
		if (!take_option(request, key, err))
			return CLI_BAD;
	if (key == CLI_END && !check_request(request, argc - optind, err))
		return CLI_BAD;
	return key;
}

static void show_text(const struct request *request, const struct survey *survey,
		      const struct verdict *verdict, const struct diagnosis *diagnosis)
{
	const struct report_style style = {
		.color = output_wants_color(&request->settings),
		.verbose = request->settings.verbose,
		.width = output_width(),
	};
	auto_text text = { 0 };

	report_text(&text, survey, verdict, diagnosis, &style);
	output_write(text_string(&text));
}

static void show(const struct request *request, const struct survey *survey,
		 const struct verdict *verdict)
{
	auto_diagnosis diagnosis = { 0 };

	if (request->settings.quiet)
		return;
	if (request->pids) {
		auto_text text = { 0 };

		report_pids(&text, &verdict->blockers[request->question]);
		output_write(text_string(&text));
		return;
	}
	diagnosis_make(survey, verdict, &diagnosis);
	if (request->settings.json)
		output_json(report_json(cli.tool, survey, verdict, &diagnosis));
	else
		show_text(request, survey, verdict, &diagnosis);
	output_flush();
}

static enum status check_database(struct request *request, const struct proc_root *root,
				  const char *path)
{
	struct error err = { 0 };
	auto_survey survey = { 0 };
	auto_verdict verdict = { 0 };
	const double patience = request->wait ? request->wait_seconds : 0;

	if (request->watching)
		return watch_run(&request->watch, root, path, &err)
			       ? STATUS_OK
			       : output_failure(&cli, &request->settings, path, &err);
	if (!(request->trace
		      ? waiters_survey(&survey, &verdict, root, path, &request->options,
				       request->visible_only, &request->waiters, &err)
		      : wait_until_yes(&survey, &verdict, root, path, &request->options,
				       request->question, request->visible_only, patience, &err)))
		return output_failure(&cli, &request->settings, path, &err);

	auto_free char *doubt = waiters_doubt(&request->waiters);

	if (request->trace && doubt && !request->settings.quiet)
		message_line(doubt);
	show(request, &survey, &verdict);
	return verdict_exit_status(&verdict, request->question);
}

int main(int argc, char **argv)
{
	struct request request = {
		.options = { .scan = true, .sample_seconds = 0.2 },
		.question = CAN_MIGRATE,
		.wait_seconds = -1,
		.waiters = { .seconds = 1, .tracefs = -1 },
		.watch = { .tool = cli.tool, .interval = 1, .seconds = -1, .write = output_now },
	};
	struct error err = { 0 };
	auto_proc_root root = PROC_ROOT_CLOSED;
	enum status status = STATUS_OK;

	if (!program_start())
		return STATUS_TROUBLE;
	message_start(cli.tool);

	const int parsed = read_command_line(&request, argc, argv, &err);

	if (parsed == CLI_SHOWN)
		return (int)output_finish(STATUS_OK);
	if (parsed == CLI_END && (request.trace || request.watching)) {
		signals_hold();
		request.waiters.tracefs = lock_trace_reach(&request.waiters.untraced);
		request.watch.settings = &request.settings;
		request.watch.tracefs = request.waiters.tracefs;
		request.watch.untraced = request.waiters.untraced;
	}
	if (parsed == CLI_BAD || !privileges_keep_looking(&err) ||
	    !proc_root_open(&root, NULL, &err))
		return program_end(output_failure(&cli, &request.settings, NULL, &err));
	for (int i = optind; i < argc; i++) {
		if (i > optind && !request.settings.json && !request.settings.quiet &&
		    !request.pids)
			output_write("\n");
		status = status_worse(status, check_database(&request, &root, argv[i]));
	}
	return program_end(status);
}
