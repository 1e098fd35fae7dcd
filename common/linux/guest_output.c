#include "common/linux/guest_output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/scope.h"
#include "common/base/text.h"

/* What one read takes, and how much of that is looked at when nobody is told of it any more. */
enum { CHUNK_SIZE = 64 << 10, TAIL_SIZE = 8 << 10 };

static void keep_raw(struct guest_output *output, const char *bytes, size_t length)
{
	static const char cut[] = "\n[dbmigrate: the output goes on; the rest was not kept]\n";
	struct guest *guest = output->guest;
	const size_t left = GUEST_MOST_LOG - output->logged;
	const size_t fits = length < left ? length : left;

	if (guest->log_fd < 0 || guest->log_cut || length == 0)
		return;
	if (!io_write(guest->log_fd, bytes, fits)) {
		guest->log_cut = true;
		return;
	}
	output->logged += fits;
	if (fits < length) {
		(void)io_write(guest->log_fd, cut, sizeof cut - 1);
		guest->log_cut = true;
	}
}

/* One line as people may see it: tabs as blanks, and anything else that is no text escaped. */
static void append_line(struct text *text, const char *bytes, size_t length)
{
	char line[GUEST_LINE_SIZE + 1];

	for (size_t i = 0; i < length; i++)
		line[i] = bytes[i] == '\t' ? ' ' : bytes[i] == '\0' ? '?' : bytes[i];
	line[length] = '\0';
	text_append_printable(text, line);
}

static void tell(struct guest_output *output)
{
	struct guest *guest = output->guest;
	auto_text line = { 0 }, cell = { 0 };

	if (!guest->talk || output->told_end)
		return;
	output->told += output->length + 1;
	if (output->told > GUEST_MOST_TALK) {
		output->told_end = true;
		guest->talk(guest->context, "[the output goes on; the rest is not shown]");
		return;
	}
	append_line(&line, output->line, output->length);
	if (text_columns(text_string(&line)) <= GUEST_MOST_COLUMNS) {
		guest->talk(guest->context, text_string(&line));
		return;
	}
	text_append_cell(&cell, text_string(&line), GUEST_MOST_COLUMNS);
	guest->talk(guest->context, text_string(&cell));
}

static void end_line(struct guest_output *output)
{
	tell(output);
	for (size_t i = 0; i < output->length; i++) {
		if (output->line[i] == ' ' || output->line[i] == '\t')
			continue;
		memcpy(output->last, output->line, output->length);
		output->last_length = output->length;
		break;
	}
	output->length = 0;
}

static void take_byte(struct guest_output *output, char byte)
{
	/* A lone carriage return starts the line anew, as a terminal does: progress bars. */
	if (output->returned && byte != '\n' && byte != '\r')
		output->length = 0;
	output->returned = byte == '\r';
	if (byte == '\n')
		end_line(output);
	else if (byte != '\r' && output->length < sizeof output->line)
		output->line[output->length++] = byte;
}

bool guest_output_read(struct guest_output *output, int fd)
{
	char bytes[CHUNK_SIZE];
	const ssize_t got = io_read(fd, bytes, sizeof bytes);
	size_t at = 0;

	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	keep_raw(output, bytes, (size_t)got);
	/* Only the last line matters any more, and a gigabyte is soon looked through. */
	if ((!output->guest->talk || output->told_end) && got > TAIL_SIZE) {
		output->length = 0;
		at = (size_t)got - TAIL_SIZE;
	}
	for (; at < (size_t)got; at++)
		take_byte(output, bytes[at]);
	return true;
}

void guest_output_end(struct guest_output *output)
{
	struct guest *guest = output->guest;
	auto_text line = { 0 };
	size_t length = 0;

	if (output->length > 0)
		end_line(output);
	append_line(&line, output->last, output->last_length);
	/* Whole characters only. */
	for (const char *text = text_string(&line); text[length];) {
		uint32_t character = 0;
		const size_t size = text_decode(text + length, strlen(text + length), &character);

		if (size == 0 || length + size >= sizeof guest->last_line)
			break;
		memcpy(guest->last_line + length, text + length, size);
		length += size;
	}
	guest->last_line[length] = '\0';
}
