#include "tests/unit/test.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/cli.h"
#include "common/base/output.h"

enum { KEY_FOR = CLI_LONG_ONLY, KEY_WAIT, KEY_VERY_LONG };

static const struct cli cli = {
	.tool = "sometool",
	.usage = "[OPTION]... DATABASE...",
	.summary = "Say something.",
	.options =
		(const struct cli_option[]){
			{ KEY_FOR, "for", "WHAT", "what the exit status answers" },
			{ KEY_WAIT, "wait", "[=SECONDS]", "wait until the answer is yes" },
			{ 's', "signal", "NAME", "the signal to send" },
			{ KEY_VERY_LONG, "a-name-that-is-rather-long", "ARGUMENT",
			  "a help text of fifty columns, the most that there " },
			{ 0 },
		},
	.notes = "Exit status: 0 yes, 1 no.",
};

/* A command line to be read from its start. */
struct line {
	int count;
	char *words[16];
	struct cli_settings settings;
	struct error err;
};

static void line_start(struct line *line, const char *const *words)
{
	*line = (struct line){ .count = 0 };
	for (; *words; words++) {
		line->words[line->count] = strdup(*words);
		assert_non_null(line->words[line->count]);
		line->count++;
	}
	optind = 0; /* glibc: forget everything */
}

#define LINE(line, ...) line_start(line, (const char *const[]){ "sometool", __VA_ARGS__, NULL })

static int line_next(struct line *line)
{
	return cli_next(&cli, &line->settings, line->count, line->words, &line->err);
}

static void line_release(struct line *line)
{
	for (int i = 0; i < line->count; i++)
		free(line->words[i]);
}

static void the_standard_options_are_taken_in(void **state)
{
	struct line line;

	(void)state;
	LINE(&line, "--json", "-q", "--verbose", "--color=never", "bot.db");
	assert_int_equal(line_next(&line), CLI_END);
	assert_true(line.settings.json && line.settings.quiet && line.settings.verbose);
	assert_int_equal(line.settings.color, CLI_COLOR_NEVER);
	assert_int_equal(optind, 5);
	line_release(&line);
}

static void options_may_come_behind_operands(void **state)
{
	struct line line;

	(void)state;
	LINE(&line, "bot.db", "-j");
	assert_int_equal(line_next(&line), CLI_END);
	assert_true(line.settings.json);
	assert_string_equal(line.words[optind], "bot.db");
	line_release(&line);
}

static void two_dashes_end_the_options(void **state)
{
	struct line line;

	(void)state;
	LINE(&line, "--", "--json");
	assert_int_equal(line_next(&line), CLI_END);
	assert_false(line.settings.json);
	assert_string_equal(line.words[optind], "--json");
	line_release(&line);
}

static void the_tools_own_options_come_back_with_their_arguments(void **state)
{
	struct line line;

	(void)state;
	LINE(&line, "--for", "write", "-sTERM", "--signal=INT");
	assert_int_equal(line_next(&line), KEY_FOR);
	assert_string_equal(optarg, "write");
	assert_int_equal(line_next(&line), 's');
	assert_string_equal(optarg, "TERM");
	assert_int_equal(line_next(&line), 's');
	assert_string_equal(optarg, "INT");
	assert_int_equal(line_next(&line), CLI_END);
	line_release(&line);
}

static void an_optional_argument_needs_its_equals_sign(void **state)
{
	struct line line;

	(void)state;
	LINE(&line, "--wait", "5", "--wait=6");
	assert_int_equal(line_next(&line), KEY_WAIT);
	assert_null(optarg);
	assert_int_equal(line_next(&line), KEY_WAIT);
	assert_string_equal(optarg, "6");
	assert_int_equal(line_next(&line), CLI_END);
	assert_string_equal(line.words[optind], "5");
	line_release(&line);
}

/* The command line is bad, and the error names `named` and nothing that a terminal obeys. */
static void assert_bad(struct line *line, const char *named)
{
	assert_int_equal(line_next(line), CLI_BAD);
	assert_int_equal(line->err.status, STATUS_USAGE);
	if (!strstr(line->err.text, named))
		fail_msg("\"%s\" does not name %s", line->err.text, named);
	for (const char *at = line->err.text; *at; at++)
		assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
	line_release(line);
}

static void an_unknown_option_is_named(void **state)
{
	struct line line;

	(void)state;
	LINE(&line, "--frobnicate", "bot.db");
	assert_bad(&line, "'--frobnicate'");
	LINE(&line, "-x");
	assert_bad(&line, "'-x'");
}

static void an_unknown_letter_in_a_cluster_is_named(void **state)
{
	struct line line;

	(void)state;
	LINE(&line, "--quiet", "-jx", "bot.db");
	assert_bad(&line, "'-x'");
	LINE(&line, "--quiet", "-xj", "bot.db");
	assert_bad(&line, "'-x'");
}

static void an_option_that_is_a_hostile_file_name_cannot_reach_the_terminal(void **state)
{
	struct line line;

	(void)state;
	LINE(&line, "-\x1b[2J.db");
	assert_bad(&line, "x1b");
	LINE(&line, "--\x1b[2J.db\n");
	assert_bad(&line, "x1b");
	LINE(&line, "-\xff\xfe");
	assert_bad(&line, "xff");
}

static void a_missing_argument_is_told_apart(void **state)
{
	struct line line;

	(void)state;
	LINE(&line, "--for");
	assert_bad(&line, "'--for' needs an argument");
	LINE(&line, "-s");
	assert_bad(&line, "'-s' needs an argument");
}

static void an_argument_too_many_is_bad(void **state)
{
	struct line line;

	(void)state;
	LINE(&line, "--json=yes");
	assert_bad(&line, "--json=yes");
}

static void a_bad_color_is_bad(void **state)
{
	struct line line;

	(void)state;
	LINE(&line, "--color=\x1b[31m");
	assert_bad(&line, "--color");
}

static void a_bad_value_is_shown_printable(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_false(cli_bad_value(&err, "--wait", "a\nb"));
	assert_int_equal(err.status, STATUS_USAGE);
	assert_string_equal(err.text, "bad value 'a\\nb' for --wait");
}

/* What cli_next() prints to standard output. */
static int captured(struct line *line, char *bytes, size_t size)
{
	const int file = memfd_create("output", MFD_CLOEXEC), saved = dup(STDOUT_FILENO);

	assert_true(file >= 0 && saved >= 0);
	(void)fflush(stdout);
	assert_true(dup2(file, STDOUT_FILENO) >= 0);

	const int result = line_next(line);

	output_flush();
	assert_true(dup2(saved, STDOUT_FILENO) >= 0);
	(void)close(saved);

	const ssize_t length = pread(file, bytes, size - 1, 0);

	assert_true(length >= 0);
	bytes[length] = '\0';
	(void)close(file);
	line_release(line);
	return result;
}

static void help_lists_every_option_within_80_columns(void **state)
{
	static const char *const wanted[] = { "Usage: sometool [OPTION]... DATABASE...\n",
					      "\nSay something.\n",
					      "\n      --for=WHAT             what the exit",
					      "\n      --wait[=SECONDS]       wait until",
					      "\n  -s, --signal=NAME          the signal",
					      "\n  -j, --json ",
					      "\n  -q, --quiet ",
					      "\n  -v, --verbose ",
					      "\n      --color=WHEN ",
					      "\n  -h, --help ",
					      "\n  -V, --version ",
					      "\nExit status: 0 yes, 1 no.\n" };
	char help[4096];
	struct line line;

	(void)state;
	LINE(&line, "--help");
	assert_int_equal(captured(&line, help, sizeof help), CLI_SHOWN);
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		if (!strstr(help, wanted[i]))
			fail_msg("help has no \"%s\"", wanted[i]);
	for (const char *at = help; *at; at += strcspn(at, "\n") + 1)
		assert_in_range(strcspn(at, "\n"), 0, 80);
}

static void the_help_of_a_long_option_starts_on_its_own_line(void **state)
{
	char help[4096];
	struct line line;

	(void)state;
	LINE(&line, "-h");
	assert_int_equal(captured(&line, help, sizeof help), CLI_SHOWN);
	assert_non_null(strstr(help, "\n      --a-name-that-is-rather-long=ARGUMENT\n"
				     "                             a help text of fifty columns"));
}

static void version_names_tool_and_project(void **state)
{
	char text[256];
	struct line line;

	(void)state;
	LINE(&line, "-V");
	assert_int_equal(captured(&line, text, sizeof text), CLI_SHOWN);
	assert_memory_equal(text, "sometool (dblocktools) ", 23);
	assert_int_equal(text[strlen(text) - 1], '\n');
}

static void a_flag_is_raised(void **state)
{
	bool flag = false;

	(void)state;
	assert_true(cli_flag(&flag));
	assert_true(flag);
}

static void set_argument(const char *words)
{
	static char argument[64];

	(void)snprintf(argument, sizeof argument, "%s", words);
	optarg = argument;
}

static void a_number_is_taken_within_its_bounds_only(void **state)
{
	static const char *const bad[] = { "0",	 "8", "99999999999999999999", "", "x", "3x", " 3",
					   "-3", "+3" };
	uint64_t number = 0;
	struct error err = { 0 };

	(void)state;
	for (uint64_t wanted = 1; wanted <= 7; wanted += 3) {
		char words[8];

		(void)snprintf(words, sizeof words, "%d", (int)wanted);
		set_argument(words);
		assert_true(cli_number(&number, 1, 7, "--keep-last", &err));
		assert_int_equal(number, wanted);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		set_argument(bad[i]);
		err = (struct error){ 0 };
		if (cli_number(&number, 1, 7, "--keep-last", &err))
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(err.status, STATUS_USAGE);
		assert_non_null(strstr(err.text, "for --keep-last"));
	}
}

static void seconds_are_taken_with_fractions(void **state)
{
	static const char *const bad[] = { "", "-1", "nan", "inf", "1e3x", "1s" };
	double seconds = 0;
	struct error err = { 0 };

	(void)state;
	set_argument("0.25");
	assert_true(cli_seconds(&seconds, "--wait", &err));
	assert_true(seconds == 0.25);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		set_argument(bad[i]);
		err = (struct error){ 0 };
		if (cli_seconds(&seconds, "--wait", &err))
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(err.status, STATUS_USAGE);
		assert_non_null(strstr(err.text, "for --wait"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_standard_options_are_taken_in),
		cmocka_unit_test(options_may_come_behind_operands),
		cmocka_unit_test(two_dashes_end_the_options),
		cmocka_unit_test(the_tools_own_options_come_back_with_their_arguments),
		cmocka_unit_test(an_optional_argument_needs_its_equals_sign),
		cmocka_unit_test(an_unknown_option_is_named),
		cmocka_unit_test(an_unknown_letter_in_a_cluster_is_named),
		cmocka_unit_test(an_option_that_is_a_hostile_file_name_cannot_reach_the_terminal),
		cmocka_unit_test(a_missing_argument_is_told_apart),
		cmocka_unit_test(an_argument_too_many_is_bad),
		cmocka_unit_test(a_bad_color_is_bad),
		cmocka_unit_test(a_bad_value_is_shown_printable),
		cmocka_unit_test(help_lists_every_option_within_80_columns),
		cmocka_unit_test(the_help_of_a_long_option_starts_on_its_own_line),
		cmocka_unit_test(version_names_tool_and_project),
		cmocka_unit_test(a_flag_is_raised),
		cmocka_unit_test(a_number_is_taken_within_its_bounds_only),
		cmocka_unit_test(seconds_are_taken_with_fractions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
