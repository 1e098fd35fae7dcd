#include "common/stop_input.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/json.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"

void stop_requests_release(struct stop_requests *requests)
{
	for (size_t i = 0; i < requests->count; i++) {
		struct stop_request *request = &requests->items[i];

		for (size_t e = 0; e < request->entries.count; e++)
			free(request->entries.items[e].command);
		free(request->entries.items);
		free(request->database);
	}
	free(requests->items);
	*requests = (struct stop_requests){ 0 };
}

/* The arguments joined by blanks, printable. */
static char *command_of(const struct json_t *holder)
{
	const struct json_t *arguments = json_get(holder, "command");
	struct text text = { 0 };

	for (size_t i = 0; i < json_count(arguments); i++) {
		const char *word = json_text(json_at(arguments, i));

		text_append(&text, "%s", i ? " " : "");
		text_append_printable(&text, word ? word : "?");
	}
	return text_take(&text);
}

static bool read_holder(const struct json_t *holder, struct stop_request *request,
			struct error *err)
{
	int64_t pid = 0, start = 0;

	if (!json_get_number(holder, "pid", &pid) || pid < 1 || pid > INT_MAX)
		return fail(err, STATUS_TROUBLE, "a holder without a PID that can be one");
	/* Known only by its lock: it cannot be told from a later process with the same PID. */
	if (!json_get_number(holder, "start_ticks", &start) || start < 0)
		return fail(err, STATUS_TROUBLE, "holder %d has no start time", (int)pid);

	struct stop_entry *entry = memory_append(&request->entries);

	entry->pid = (pid_t)pid;
	entry->start_ticks = (uint64_t)start;
	entry->command = command_of(holder);
	return true;
}

/* The path exactly: from database_hex where the text had to be made readable. */
static char *database_of(const struct json_t *document)
{
	const char *hex = json_get_text(document, "database_hex");
	struct text path = { 0 };

	if (!hex)
		return memory_copy_text(json_get_text(document, "database"));
	for (; hex[0] && hex[1]; hex += 2) {
		const char digits[3] = { hex[0], hex[1], '\0' };
		char *end = NULL;
		const char byte = (char)strtol(digits, &end, 16);

		if (*end != '\0' || byte == '\0')
			break;
		text_append_bytes(&path, &byte, 1);
	}
	return text_take(&path);
}

static bool read_document(const struct json_t *document, struct stop_request *request,
			  struct error *err)
{
	const char *tool = json_get_text(document, "tool");
	const struct json_t *holders = json_get(document, "holders");
	int64_t schema = 0;

	if (!tool || strcmp(tool, "dblockcheck") != 0 ||
	    !json_get_number(document, "schema", &schema) || schema != 1)
		return fail(err, STATUS_TROUBLE, "not from dblockcheck --json");
	if (json_get(document, "error"))
		return fail(err, STATUS_TROUBLE, "dblockcheck had failed");

	request->database = database_of(document);
	if (!request->database || *request->database == '\0' || !json_is_list(holders))
		return fail(err, STATUS_TROUBLE, "not from dblockcheck --json");
	for (size_t i = 0; i < json_count(holders); i++)
		if (!read_holder(json_at(holders, i), request, err))
			return false;
	return true;
}

static bool read_line(const char *line, size_t length, struct stop_requests *requests,
		      struct error *err)
{
	struct json_t *document = json_parse(line, length, err);

	if (!document)
		return false;

	const bool good = read_document(document, memory_append(requests), err);

	json_release(document);
	return good;
}

bool stop_requests_read(const char *text, size_t length, struct stop_requests *requests,
			struct error *err)
{
	const char *end = text + length;
	size_t number = 1;

	for (const char *line = text; line < end; number++) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const size_t size = newline ? (size_t)(newline - line) : (size_t)(end - line);

		if (size > 0 && !read_line(line, size, requests, err)) {
			char reason[sizeof err->text];

			memcpy(reason, err->text, sizeof reason);
			return fail(err, STATUS_TROUBLE, "standard input, line %zu: %.900s", number,
				    reason);
		}
		line += size + 1;
	}
	if (requests->count == 0)
		return fail(err, STATUS_TROUBLE,
			    "standard input: empty; it should come from "
			    "dblockcheck --json");
	return true;
}

bool stop_requests_read_from(int fd, struct stop_requests *requests, struct error *err)
{
	enum { MOST_INPUT = 64 << 20, PIECE = 65536 };
	auto_text text = { 0 };
	auto_free char *piece = memory_allocate(PIECE, 1);
	ssize_t got = 0;

	while ((got = read(fd, piece, PIECE)) > 0 || (got < 0 && errno == EINTR)) {
		if (got > 0)
			text_append_bytes(&text, piece, (size_t)got);
		if (text.length > MOST_INPUT)
			return fail(err, STATUS_TROUBLE, "standard input: more than 64 MiB");
	}
	if (got < 0)
		return fail_errno(err, STATUS_TROUBLE, "standard input");
	return stop_requests_read(text_string(&text), text.length, requests, err);
}
