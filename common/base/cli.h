/*
 * Command lines: one table a tool feeds both the parser and --help, so that they cannot drift apart.
 *
 * The options that every tool has (--json, --quiet, --verbose, --color, --help, --version) are
 * understood here. Nothing here exits: --help and --version come back as CLI_SHOWN.
 */
#ifndef BASE_CLI_H
#define BASE_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

struct cli_option {
	int key;	      /* the short option's letter, or a number from CLI_LONG_ONLY on */
	const char *name;     /* long name without "--"; NULL ends the table */
	const char *argument; /* "SECONDS"; "[=SECONDS]" when optional; NULL when there is none */
	const char *help;     /* one line, at most 50 columns */
};

/* Keys of options without a letter start here. */
enum { CLI_LONG_ONLY = 256 };

struct cli {
	const char *tool;		  /* "dblockcheck" */
	const char *usage;		  /* "[OPTION]... DATABASE..." */
	const char *summary;		  /* what the tool answers; may have several lines */
	const char *notes;		  /* printed last by --help: exit status, an example */
	const struct cli_option *options; /* ends with a NULL name */
};

enum cli_color { CLI_COLOR_AUTO, CLI_COLOR_ALWAYS, CLI_COLOR_NEVER };

struct cli_settings {
	bool json;	      /* --json */
	bool quiet;	      /* --quiet */
	bool verbose;	      /* --verbose */
	enum cli_color color; /* --color; NO_COLOR in the environment means never unless asked */
};

enum cli_result {
	CLI_END = -1,	/* no more options: operands start at optind */
	CLI_SHOWN = -2, /* --help or --version was printed: finish with STATUS_OK */
	CLI_BAD = -3,	/* bad command line: the error says what */
};

/*
 * Reads the next option: its key (argument in optarg), or an enum cli_result. The standard options are
 * taken into *settings and not returned. Uses getopt_long(3) and with it its globals.
 */
int cli_next(const struct cli *cli, struct cli_settings *settings, int argc, char **argv,
	     struct error *err);

/*
 * Takers, for the key that cli_next() just gave: a flag; seconds; a number from `least` to `most`. `option` is for
 * the error. False with a usage error.
 */
bool cli_flag(bool *flag);
bool cli_seconds(double *seconds, const char *option, struct error *err);
bool cli_number(uint64_t *number, uint64_t least, uint64_t most, const char *option,
		struct error *err);

/* "bad value 'x' for --wait" as a usage error; returns false. */
bool cli_bad_value(struct error *err, const char *option, const char *value);

#endif
