/*
 * Talk: what a person at the terminal (or in the mail from cron) reads on standard error, a line each,
 * as "tool: text". The answer itself goes through output.h.
 */
#ifndef BASE_MESSAGE_H
#define BASE_MESSAGE_H

#include "common/base/error.h"

/* Names the tool that speaks; `tool` must live as long as the program. */
void message_start(const char *tool);

/* Something went wrong. Always printed. */
void message_error(const struct error *err);

/* One line that is not an error. `line` must already be printable. */
void message_line(const char *line);

/* Text as it is, for a question. */
void message_write(const char *text);

#endif
