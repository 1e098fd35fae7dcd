/* dblockcheck - say who has an SQLite database open or locked, why, and what to do. */

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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
#include "common/report.h"
#include "common/report_metrics.h"
#include "common/survey.h"
#include "common/survey_container.h"
#include "common/verdict.h"
#include "common/wait.h"

enum {
	KEY_FOR = CLI_LONG_ONLY,
	KEY_WAIT,
	KEY_NO_SCAN,
	KEY_SAMPLE,
	KEY_VISIBLE_ONLY,
	KEY_PIDS,
	KEY_METRICS,
	KEY_CONTAINER
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
	struct survey_options options;
	enum question question;
	bool wait, visible_only, pids, metrics;
	const char *container; /* whose paths are meant; NULL: this machine's */
	double wait_seconds;   /* negative: for ever */
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
	case KEY_CONTAINER:
		request->container = optarg;
		return container_name_is_good(optarg) || cli_bad_value(err, "--container", optarg);
	case KEY_VISIBLE_ONLY:
		return cli_flag(&request->visible_only);
	case KEY_METRICS:
		return cli_flag(&request->metrics);
	default:
		return cli_flag(&request->pids);
	}
}

/* What cannot be asked for together. */
static bool check_request(const struct request *request, int operands, struct error *err)
{
	if (operands == 0)
		return fail(err, STATUS_USAGE, "which database? (see dblockcheck --help)");
	if (request->pids + request->metrics + request->settings.json > 1)
		return fail(err, STATUS_USAGE, "--pids, --metrics and --json exclude each other");
	if (request->visible_only && !request->options.scan)
		return fail(err, STATUS_USAGE, "--visible-only needs to look: not with --no-scan");
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

/* The terminal's width where it is wider than a page of mail. */
static size_t output_width(void)
{
	struct winsize size = { 0 };
	const size_t least = 100;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > least)
		return size.ws_col;
	return least;
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

static void show_pids(const struct pid_list *pids)
{
	auto_text text = { 0 };

	for (size_t i = 0; i < pids->count; i++)
		text_append(&text, "%d\n", pids->items[i]);
	output_write(text_string(&text));
}

static void show(const struct request *request, const struct survey *survey,
		 const struct verdict *verdict)
{
	auto_diagnosis diagnosis = { 0 };

	if (request->settings.quiet || request->metrics)
		return;
	if (request->pids) {
		show_pids(&verdict->blockers[request->question]);
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

static enum status check_database(const struct request *request, const struct proc_root *root,
				  const char *path, struct metrics *metrics)
{
	struct error err = { 0 };
	auto_survey survey = { 0 };
	auto_verdict verdict = { 0 };
	const double patience = request->wait ? request->wait_seconds : 0;

	if (!wait_in_container(&survey, &verdict, root, request->container, path, &request->options,
			       request->question, request->visible_only, patience, &err)) {
		metrics_add_failure(metrics, path);
		return output_failure(&cli, &request->settings, path, &err);
	}
	metrics_add(metrics, &survey, &verdict);
	show(request, &survey, &verdict);
	return verdict_exit_status(&verdict, request->question);
}

int main(int argc, char **argv)
{
	struct request request = {
		.options = { .scan = true, .sample_seconds = 0.2 },
		.question = CAN_MIGRATE,
		.wait_seconds = -1,
	};
	struct error err = { 0 };
	auto_proc_root root = PROC_ROOT_CLOSED;
	auto_metrics metrics = { 0 };
	enum status status = STATUS_OK;

	if (!program_start())
		return STATUS_TROUBLE;
	message_start(cli.tool);

	const int parsed = read_command_line(&request, argc, argv, &err);

	if (parsed == CLI_SHOWN)
		return (int)output_finish(STATUS_OK);
	metrics.container = request.container;
	if (parsed == CLI_BAD || !privileges_keep_looking(&err) ||
	    !proc_root_open(&root, NULL, &err))
		return (int)output_finish(output_failure(&cli, &request.settings, NULL, &err));
	for (int i = optind; i < argc; i++) {
		if (i > optind && !request.settings.json && !request.settings.quiet &&
		    !request.pids && !request.metrics)
			output_write("\n");
		status = status_worse(status, check_database(&request, &root, argv[i], &metrics));
	}
	if (request.metrics && !request.settings.quiet)
		show_metrics(&metrics);
	return (int)output_finish(status);
}
