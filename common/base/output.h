/*
 * The answer: what goes to standard output. Written through here only, so that a write that failed
 * (a full disk, a reader that went away) is noticed and becomes the exit status.
 */
#ifndef BASE_OUTPUT_H
#define BASE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cli.h"
#include "common/base/error.h"

struct json_t;

/* Text as it is: whatever is foreign in it must have been made printable. */
void output_write(const char *text);

/* One JSON document on one line; takes over `document`. */
void output_json(struct json_t *document);

/*
 * Everything from where `fd` stands, as it is. False with *err set when it cannot be read; without a text when it cannot be
 * written, since output_finish() speaks of that.
 */
bool output_file(int fd, struct error *err);

/* Hands on what was written so far, so that a reader of a pipe sees it now. */
void output_flush(void);

/* Writes and hands on; false when a write has failed and nobody reads the rest. */
bool output_now(const char *text);

/* The terminal's width where it is wider than a page of mail, else that of the page: 100 columns. */
size_t output_width(void);

/* Whether standard output should be coloured. */
bool output_wants_color(const struct cli_settings *settings);

/*
 * Says that the tool failed: on standard error and, with --json, as {"schema":1,"tool":…,"error":…}.
 * `database` may be NULL. Returns the error's status.
 */
enum status output_failure(const struct cli *cli, const struct cli_settings *settings,
			   const char *database, const struct error *err);

/*
 * The last call of every main: flushes, and turns a lost write into STATUS_TROUBLE (with a message,
 * except when the reader simply went away).
 */
enum status output_finish(enum status status);

#endif
