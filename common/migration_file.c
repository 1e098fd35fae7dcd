#include "common/migration_file.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/parse.h"
#include "common/base/text.h"

#define DIGITS "0123456789"

void migration_file_release(struct migration_file *file)
{
	free(file->version);
	free(file->name);
	free(file->label);
	free(file->down_name);
	free(file->bytes);
	free(file->down_bytes);
	free(file->problem);
	*file = (struct migration_file){ 0 };
}

/* --- names -------------------------------------------------------------------------------------------------------- */

/* Takes `suffix` off the end of the `length` bytes of a name. */
static bool take_suffix(const char *name, size_t *length, const char *suffix)
{
	const size_t size = strlen(suffix);

	if (*length < size || memcmp(name + *length - size, suffix, size) != 0)
		return false;
	*length -= size;
	return true;
}

/* dbmate: ^(\d+).*\.sql$, where the dot is any character but a line end. golang-migrate: ^(\d+)_(.*)\.(up|down)\.sql$ */
bool migration_name_parse(const char *name, enum migration_style style, char **version,
			  char **label, bool *down)
{
	const bool pairs = style == MIGRATION_PAIRS;
	size_t digits = strspn(name, DIGITS), length = strlen(name);

	*down = false;
	if (digits == 0 || strchr(name, '\n') || !take_suffix(name, &length, ".sql"))
		return false;
	if (pairs && !take_suffix(name, &length, ".up")) {
		if (!take_suffix(name, &length, ".down"))
			return false;
		*down = true;
	}
	if (pairs && (length <= digits || name[digits] != '_'))
		return false;
	*version = memory_copy(name, digits);
	digits += length > digits && (name[digits] == '_' || name[digits] == '-');
	*label = memory_copy(name + digits, length - digits);
	return true;
}

int migration_version_compare(const char *a, const char *b, enum migration_style style)
{
	if (style == MIGRATION_PAIRS) {
		a += strspn(a, "0");
		b += strspn(b, "0");
		if (strlen(a) != strlen(b))
			return strlen(a) < strlen(b) ? -1 : 1;
	}
	return strcmp(a, b);
}

/* --- directives --------------------------------------------------------------------------------------------------- */

/* What \s means to Go's regular expressions. */
static bool is_blank(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r' && byte != '\v');
}

static const char *behind_blanks(const char *at, const char *end)
{
	while (at < end && is_blank(*at))
		at++;
	return at;
}

static const char *behind_word(const char *at, const char *end, const char *word)
{
	const size_t length = strlen(word);

	return at && (size_t)(end - at) >= length && memcmp(at, word, length) == 0 ? at + length
										   : NULL;
}

/* Behind ^--\s*migrate:(up|down), or NULL. */
static const char *behind_directive(const char *at, const char *end, const char *kind)
{
	at = behind_word(at, end, "--");
	at = at ? behind_word(behind_blanks(at, end), end, "migrate:") : NULL;
	return behind_word(at, end, kind);
}

/* (\s*$|\s+\S+) behind it comes to this: the word ends there. */
static bool is_directive(const char *at, const char *end, const char *kind)
{
	const char *behind = behind_directive(at, end, kind);

	return behind && (behind == end || is_blank(*behind));
}

static const char *next_line(const char *at, const char *end)
{
	const char *line_end = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;

	return line_end ? line_end + 1 : end;
}

/* The first line that is one, from the line that begins at `at`; NULL: none is. */
static const char *find_directive(const char *at, const char *end, const char *kind)
{
	for (; at < end; at = next_line(at, end))
		if (is_directive(at, end, kind))
			return at;
	return NULL;
}

static size_t line_number(const struct migration_file *file, const char *at)
{
	size_t number = 1;

	for (const char *line = file->bytes; (line = next_line(line, at)) < at;)
		number++;
	return number + (at > file->bytes && at[-1] == '\n');
}

/* --- options ------------------------------------------------------------------------------------------------------ */

/* What Go's strings.TrimSpace() takes away, in UTF-8. */
static const char *const spaces[] = {
	"\t",		"\n",		"\v",
	"\f",		"\r",		" ",
	"\xc2\x85",	"\xc2\xa0",	"\xe1\x9a\x80",
	"\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82",
	"\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85",
	"\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88",
	"\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
	"\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f",
	"\xe3\x80\x80",
};

/* Takes one away at the start or the end. */
static bool trim_one(const char **at, const char **end)
{
	for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
		const size_t size = strlen(spaces[i]), left = (size_t)(*end - *at);

		if (left < size)
			continue;
		if (memcmp(*at, spaces[i], size) == 0) {
			*at += size;
			return true;
		}
		if (memcmp(*end - size, spaces[i], size) == 0) {
			*end -= size;
			return true;
		}
	}
	return false;
}

/* The options are on the first line, "key:value" between blanks; of several with one key the last counts. */
static bool wants_transaction(const char *at, const char *end, const char *kind)
{
	const char *line_end = memchr(at, '\n', (size_t)(end - at));
	const char *word = at;
	bool wanted = true;

	end = line_end ? line_end : end;
	at = behind_directive(at, end, kind);
	if (!at)
		return true; /* "--" alone on its line, and the rest on the next */
	while (trim_one(&at, &end))
		;
	for (; at < end; at = behind_blanks(word, end)) {
		for (word = at; word < end && !is_blank(*word);)
			word++;

		const char *value = behind_word(at, word, "transaction:");

		if (value && !memchr(value, ':', (size_t)(word - value)))
			wanted = word - value != 5 || memcmp(value, "false", 5) != 0;
	}
	return wanted;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

/* A line that is neither empty nor a comment, before `end`; NULL: there is none. */
static const char *find_statement(const char *at, const char *end)
{
	while (at < end) {
		const char *next = next_line(at, end);
		const char *first = behind_blanks(at, next);

		if (first < next && !behind_word(first, next, "--"))
			return at;
		at = next;
	}
	return NULL;
}

static void take_section(const struct migration_file *file, struct migration_section *section,
			 const char *at, const char *end, const char *kind)
{
	*section = (struct migration_section){
		.text = at,
		.length = (size_t)(end - at),
		.first_line = line_number(file, at),
		.transaction = wants_transaction(at, end, kind),
	};
}

static char *why_nothing_begins(const struct migration_file *file, const char *up, const char *end)
{
	const char *statement = find_statement(file->bytes, up ? up : end);

	if (behind_word(file->bytes, end, "\xef\xbb\xbf"))
		return memory_format("begins with a byte order mark, which dbmate does not take");
	if (!up)
		return memory_format("has no line \"-- migrate:up\"");
	if (statement && find_directive(file->bytes, up, "down"))
		return memory_format("line %zu: \"-- migrate:up\" has to stand before "
				     "\"-- migrate:down\"",
				     line_number(file, up));
	return statement ? memory_format("line %zu: there may be only comments before "
					 "\"-- migrate:up\"",
					 line_number(file, statement))
			 : NULL;
}

static void parse_dbmate(struct migration_file *file)
{
	const char *end = file->bytes + file->length;
	const char *up = find_directive(file->bytes, end, "up");

	file->problem = why_nothing_begins(file, up, end);
	if (file->problem)
		return;

	const char *another = find_directive(next_line(up, end), end, "up");
	const char *down = find_directive(up, end, "down");
	const char *second = down ? find_directive(next_line(down, end), end, "down") : NULL;

	if (!down || (another && another < down))
		file->problem = memory_format("line %zu: there is no \"-- migrate:down\" to it",
					      line_number(file, up));
	else if (second && (!another || second < another))
		file->problem = memory_format(
			"line %zu: there is no \"-- migrate:up\" to this \"-- migrate:down\"",
			line_number(file, second));
	else if (another)
		file->problem = memory_format(
			"line %zu: a second \"-- migrate:up\": its version would be noted twice, "
			"which SQLite refuses; make two files of it",
			line_number(file, another));
	if (file->problem)
		return;
	take_section(file, &file->up, up, down, "up");
	take_section(file, &file->down, down, end, "down");
	file->has_down = true;
}

static void parse_pair(struct migration_file *file)
{
	uint64_t number = 0;

	if (!parse_whole(file->version, INT64_MAX, &number)) {
		file->problem = memory_format("its number is too large");
		return;
	}
	file->up = (struct migration_section){ file->bytes, file->length, 1, true };
	file->has_down = file->down_bytes;
	if (file->has_down)
		file->down =
			(struct migration_section){ file->down_bytes, file->down_length, 1, true };
}

void migration_file_parse(struct migration_file *file, enum migration_style style)
{
	const char *nul =
		file->bytes && file->length ? memchr(file->bytes, '\0', file->length) : NULL;
	auto_digest digest = { 0 };

	digest_start(&digest);
	digest_add(&digest, file->bytes ? file->bytes : "", file->length);
	digest_finish(&digest, file->digest);
	if (!file->bytes)
		file->problem = memory_format("there is no up file to it");
	else if (nul)
		file->problem = memory_format("line %zu: has a NUL byte", line_number(file, nul));
	else if (file->down_bytes && memchr(file->down_bytes, '\0', file->down_length))
		file->problem = memory_format("its down file has a NUL byte");
	else if (style == MIGRATION_PAIRS)
		parse_pair(file);
	else
		parse_dbmate(file);
}
