#include "common/base/cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/output.h"
#include "common/base/parse.h"
#include "common/base/scope.h"
#include "common/base/text.h"

#ifndef DBLOCKTOOLS_VERSION
#define DBLOCKTOOLS_VERSION "unknown"
#endif

/* Where the help text of an option starts, as GNU's programs have it. */
enum { HELP_COLUMN = 29 };

enum { KEY_COLOR = 10000 };

static const struct cli_option standard_options[] = {
	{ 'j', "json", NULL, "print one JSON object a database, on one line" },
	{ 'q', "quiet", NULL, "print no answer; the exit status tells" },
	{ 'v', "verbose", NULL, "tell more" },
	{ KEY_COLOR, "color", "WHEN", "auto, always or never" },
	{ 'h', "help", NULL, "print this help" },
	{ 'V', "version", NULL, "print the version" },
	{ 0 },
};

static bool is_optional(const struct cli_option *option)
{
	return option->argument && option->argument[0] == '[';
}

/* What getopt_long wants: its two tables, from ours. */
struct getopt_tables {
	struct text letters;
	struct option *items; /* the long names; a zeroed one ends them */
	size_t count, capacity;
};

static void release_tables(struct getopt_tables *tables)
{
	text_release(&tables->letters);
	free(tables->items);
}

static void add_option(struct getopt_tables *tables, const struct cli_option *option)
{
	*memory_append(tables) = (struct option){
		.name = option->name,
		.has_arg = is_optional(option) ? optional_argument
			   : option->argument  ? required_argument
					       : no_argument,
		.val = option->key,
	};
	if (option->key < CLI_LONG_ONLY)
		text_append(&tables->letters, "%c%s", option->key,
			    is_optional(option) ? "::"
			    : option->argument	? ":"
						: "");
}

static void build_tables(struct getopt_tables *tables, const struct cli *cli)
{
	text_append(&tables->letters,
		    ":"); /* a missing argument is told apart from an unknown option */
	for (const struct cli_option *option = cli->options; option->name; option++)
		add_option(tables, option);
	for (const struct cli_option *option = standard_options; option->name; option++)
		add_option(tables, option);
	(void)memory_append(tables);
}

static void append_option_help(struct text *help, const struct cli_option *option)
{
	auto_text head = { 0 };

	if (option->key < CLI_LONG_ONLY)
		text_append(&head, "  -%c, --%s", option->key, option->name);
	else
		text_append(&head, "      --%s", option->name);
	if (option->argument)
		text_append(&head, is_optional(option) ? "%s" : "=%s", option->argument);

	if (text_columns(text_string(&head)) + 2 > HELP_COLUMN) {
		text_append(help, "%s\n", text_string(&head));
		text_release(&head);
	}
	text_append_cell(help, text_string(&head), HELP_COLUMN);
	text_append(help, "%s\n", option->help);
}

static void show_help(const struct cli *cli)
{
	auto_text help = { 0 };

	text_append(&help, "Usage: %s %s\n%s\n\n", cli->tool, cli->usage, cli->summary);
	for (const struct cli_option *option = cli->options; option->name; option++)
		append_option_help(&help, option);
	for (const struct cli_option *option = standard_options; option->name; option++)
		append_option_help(&help, option);
	if (cli->notes)
		text_append(&help, "\n%s\n", cli->notes);
	output_write(text_string(&help));
}

static bool read_color(struct cli_settings *settings, const char *when, struct error *err)
{
	if (strcmp(when, "auto") == 0)
		settings->color = CLI_COLOR_AUTO;
	else if (strcmp(when, "always") == 0)
		settings->color = CLI_COLOR_ALWAYS;
	else if (strcmp(when, "never") == 0)
		settings->color = CLI_COLOR_NEVER;
	else
		return cli_bad_value(err, "--color", when);
	return true;
}

/* Whether a letter is an option at all: then getopt complains about its argument, not about the letter. */
static bool is_known_letter(const struct getopt_tables *tables, int letter)
{
	return letter > 0 && letter < CLI_LONG_ONLY && letter != ':' &&
	       strchr(text_string(&tables->letters), letter);
}

static int bad_option(const struct cli *cli, const struct getopt_tables *tables, char **argv,
		      int key, struct error *err)
{
	const char letter[] = { '-', (char)optopt, '\0' };
	/* In a cluster of letters optind has not moved on yet; the letter itself is what is wrong then. */
	const bool unknown_letter = key == '?' && optopt != 0 && optopt < CLI_LONG_ONLY &&
				    !is_known_letter(tables, optopt);
	auto_free char *word = text_printable(unknown_letter ? letter : argv[optind - 1]);

	if (key == ':')
		(void)fail(err, STATUS_USAGE, "option '%s' needs an argument (see %s --help)", word,
			   cli->tool);
	else
		(void)fail(err, STATUS_USAGE, "unknown option '%s' (see %s --help)", word,
			   cli->tool);
	return CLI_BAD;
}

int cli_next(const struct cli *cli, struct cli_settings *settings, int argc, char **argv,
	     struct error *err)
{
	__attribute__((cleanup(release_tables))) struct getopt_tables tables = { 0 };

	build_tables(&tables, cli);
	opterr = 0;
	for (;;) {
		const int key =
			getopt_long(argc, argv, text_string(&tables.letters), tables.items, NULL);

		switch (key) {
		case -1:
			return CLI_END;
		case 'j':
			settings->json = true;
			break;
		case 'q':
			settings->quiet = true;
			break;
		case 'v':
			settings->verbose = true;
			break;
		case KEY_COLOR:
			if (!read_color(settings, optarg, err))
				return CLI_BAD;
			break;
		case 'h':
			show_help(cli);
			return CLI_SHOWN;
		case 'V':
			output_write(cli->tool);
			output_write(" (dblocktools) " DBLOCKTOOLS_VERSION "\n");
			return CLI_SHOWN;
		case '?':
		case ':':
			return bad_option(cli, &tables, argv, key, err);
		default:
			return key;
		}
	}
}

bool cli_bad_value(struct error *err, const char *option, const char *value)
{
	auto_free char *shown = text_printable(value);

	return fail(err, STATUS_USAGE, "bad value '%s' for %s", shown, option);
}

bool cli_flag(bool *flag)
{
	return *flag = true;
}

bool cli_seconds(double *seconds, const char *option, struct error *err)
{
	return parse_seconds(optarg, seconds) || cli_bad_value(err, option, optarg);
}

bool cli_number(uint64_t *number, uint64_t least, uint64_t most, const char *option,
		struct error *err)
{
	return (parse_whole(optarg, most, number) && *number >= least) ||
	       cli_bad_value(err, option, optarg);
}
