#include "common/base/output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/json.h"
#include "common/base/message.h"
#include "common/base/program.h"
#include "common/base/scope.h"
#include "common/base/signals.h"

static int write_error; /* the first errno of a failed write; 0 while all is well */

static void note_failure(bool failed)
{
	if (failed && write_error == 0)
		write_error = errno ? errno : EIO;
}

void output_write(const char *text)
{
	errno = 0;
	note_failure(fputs(text, stdout) == EOF);
}

void output_json(struct json_t *document)
{
	auto_free char *line = json_take_line(document);

	output_write(line);
	output_write("\n");
}

bool output_file(int fd, struct error *err)
{
	enum { BUFFER_SIZE = 1 << 16 };
	static char buffer[BUFFER_SIZE];
	ssize_t got = 0;

	if (program_output_was_closed())
		return fail(err, STATUS_TROUBLE, "standard output is closed");
	output_flush();
	while ((got = io_read(fd, buffer, sizeof buffer)) != 0) {
		if (got < 0)
			return fail_errno(err, STATUS_TROUBLE, "cannot read what is to be written");
		if (!signals_check(err))
			return false;
		if (!io_write(STDOUT_FILENO, buffer, (size_t)got)) {
			note_failure(true); /* output_finish() speaks of it, or does not */
			return fail(err, STATUS_TROUBLE, "%s", "");
		}
	}
	return true;
}

void output_flush(void)
{
	errno = 0;
	note_failure(fflush(stdout) != 0);
}

size_t output_width(void)
{
	struct winsize size = { 0 };
	const size_t least = 100;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > least)
		return size.ws_col;
	return least;
}

bool output_now(const char *text)
{
	output_write(text);
	output_flush();
	return write_error == 0;
}

bool output_wants_color(const struct cli_settings *settings)
{
	const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");

	if (settings->color != CLI_COLOR_AUTO)
		return settings->color == CLI_COLOR_ALWAYS;
	if (no_color && *no_color)
		return false;
	return isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

enum status output_failure(const struct cli *cli, const struct cli_settings *settings,
			   const char *database, const struct error *err)
{
	if (*err->text)
		message_error(err);
	if (settings->json)
		output_json(json_failure(cli->tool, database, err));
	return err->status;
}

enum status output_finish(enum status status)
{
	struct error err = { 0 };

	output_flush();
	if (write_error == 0)
		return status;
	if (write_error != EPIPE) {
		errno = write_error;
		(void)fail_errno(&err, STATUS_TROUBLE, "cannot write the answer");
		message_error(&err);
	}
	return STATUS_TROUBLE;
}
