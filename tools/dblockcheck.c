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
#include "common/base/text.h"
#include "common/diagnosis.h"
#include "common/linux/container_path.h"
#include "common/linux/privileges.h"
#include "common/look.h"
#include "common/report.h"
#include "common/report_metrics.h"
#include "common/survey.h"
#include "common/verdict.h"
#include "common/watch_run.h"

enum {
	KEY_FOR = CLI_LONG_ONLY,
	KEY_WAIT,
	KEY_NO_SCAN,
	KEY_SAMPLE,
	KEY_VISIBLE_ONLY,
	KEY_PIDS,
	KEY_METRICS,
	KEY_CONTAINER,
	KEY_TRACE,
	KEY_WATCH,
	KEY_FOR_SECONDS,
	KEY_SVG
};

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
			{ KEY_CONTAINER, "container", "NAME",
			  "DATABASE is a path in this container" },
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
			{ KEY_METRICS, "metrics", NULL,
			  "print metrics for Prometheus' textfile collector" },
			{ 0 },
		},
	.notes = "Exit status: 0 yes, 1 no, 2 bad command line, 3 trouble, 4 cannot tell.\n"
		 "Example: dblockcheck --for=write data/bot.db",
};

struct request {
	struct cli_settings settings;
	struct look look;
};

static bool take_option(struct request *request, int key, struct error *err)
{
	switch (key) {
	case KEY_FOR:
		return question_parse(optarg, &request->look.question) ||
		       cli_bad_value(err, "--for", optarg);
	case KEY_WAIT:
		request->look.wait = true;
		return !optarg || parse_seconds(optarg, &request->look.wait_seconds) ||
		       cli_bad_value(err, "--wait", optarg);
	case KEY_NO_SCAN:
		request->look.options.scan = false;
		return true;
	case KEY_SAMPLE:
		return cli_seconds(&request->look.options.sample_seconds, "--sample", err);
	case KEY_CONTAINER:
		request->look.container = optarg;
		return container_name_is_good(optarg) || cli_bad_value(err, "--container", optarg);
	case KEY_TRACE:
		request->look.trace = true;
		return !optarg || cli_seconds(&request->look.waiters.seconds, "--trace", err);
	case KEY_WATCH:
		request->look.watching = true;
		return !optarg || cli_seconds(&request->look.watch.interval, "--watch", err);
	case KEY_FOR_SECONDS:
		return cli_seconds(&request->look.watch.seconds, "--for-seconds", err);
	case KEY_SVG:
		request->look.watch.svg = optarg;
		return *optarg || cli_bad_value(err, "--svg", optarg);
	case KEY_VISIBLE_ONLY:
		return cli_flag(&request->look.visible_only);
	case KEY_METRICS:
		return cli_flag(&request->look.metrics);
	default:
		return cli_flag(&request->look.pids);
	}
}

/* Returns CLI_END when there is work to do, else how it ended. */
static int read_command_line(struct request *request, int argc, char **argv, struct error *err)
{
	int key = 0;

	while ((key = cli_next(&cli, &request->settings, argc, argv, err)) >= 0)
		if (!take_option(request, key, err))
			return CLI_BAD;
	if (key == CLI_END &&
	    !look_is_possible(&request->look, argc - optind, request->settings.json, err))
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

	if (request->settings.quiet || request->look.metrics)
		return;
	if (request->look.pids) {
		auto_text text = { 0 };

		report_pids(&text, &verdict->blockers[request->look.question]);
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

static void show_metrics(const struct metrics *metrics)
{
	auto_text text = { 0 };

	metrics_text(metrics, &text);
	output_write(text_string(&text));
}

static enum status check_database(struct request *request, const struct proc_root *root,
				  const char *path, struct metrics *metrics)
{
	struct error err = { 0 };
	auto_survey survey = { 0 };
	auto_verdict verdict = { 0 };

	if (request->look.watching)
		return look_watch(&request->look, root, path, &err)
			       ? STATUS_OK
			       : output_failure(&cli, &request->settings, path, &err);
	if (!look_take(&request->look, &survey, &verdict, root, path, &err)) {
		metrics_add_failure(metrics, path);
		return output_failure(&cli, &request->settings, path, &err);
	}
	metrics_add(metrics, &survey, &verdict);

	auto_free char *doubt = waiters_doubt(&request->look.waiters);

	if (request->look.trace && doubt && !request->settings.quiet)
		message_line(doubt);
	show(request, &survey, &verdict);
	return verdict_exit_status(&verdict, request->look.question);
}

int main(int argc, char **argv)
{
	struct request request = { .look = LOOK_USUAL };
	struct error err = { 0 };
	auto_proc_root root = PROC_ROOT_CLOSED;
	auto_metrics metrics = { 0 };
	enum status status = STATUS_OK;

	if (!program_start())
		return STATUS_TROUBLE;
	message_start(cli.tool);
	request.look.watch.tool = cli.tool;
	request.look.watch.write = output_now;

	const int parsed = read_command_line(&request, argc, argv, &err);

	if (parsed == CLI_SHOWN)
		return (int)output_finish(STATUS_OK);
	metrics.container = request.look.container;
	if (parsed == CLI_END && (request.look.trace || request.look.watching))
		look_reach_events(&request.look, &request.settings);
	if (parsed == CLI_BAD || !privileges_keep_looking(&err) ||
	    !proc_root_open(&root, NULL, &err))
		return program_end(output_failure(&cli, &request.settings, NULL, &err));
	for (int i = optind; i < argc; i++) {
		if (i > optind && !request.settings.json && !request.settings.quiet &&
		    !request.look.pids && !request.look.metrics)
			output_write("\n");
		status = status_worse(status, check_database(&request, &root, argv[i], &metrics));
	}
	if (request.look.metrics && !request.settings.quiet)
		show_metrics(&metrics);
	return program_end(status);
}
