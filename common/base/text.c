#include "common/base/text.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "common/base/memory.h"

void text_release(struct text *text)
{
	free(text->bytes);
	*text = (struct text){ 0 };
}

const char *text_string(const struct text *text)
{
	return text->bytes ? text->bytes : "";
}

char *text_take(struct text *text)
{
	char *bytes = text->bytes ? text->bytes : memory_copy("", 0);

	*text = (struct text){ 0 };
	return bytes;
}

void text_append_bytes(struct text *text, const char *bytes, size_t length)
{
	text->bytes = memory_grow(text->bytes, &text->capacity, text->length + length + 1, 1);
	if (length)
		memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
}

void text_append(struct text *text, const char *format, ...)
{
	va_list arguments, again;

	va_start(arguments, format);
	va_copy(again, arguments);
	const int length = vsnprintf(NULL, 0, format, arguments);

	va_end(arguments);
	if (length > 0) {
		const size_t needed = text->length + (size_t)length + 1;

		text->bytes = memory_grow(text->bytes, &text->capacity, needed, 1);
		(void)vsnprintf(text->bytes + text->length, (size_t)length + 1, format, again);
		text->length += (size_t)length;
	}
	va_end(again);
}

size_t text_decode(const char *bytes, size_t length, uint32_t *character)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char first = length ? (unsigned char)bytes[0] : 0xff;
	const size_t size = first < 0x80	     ? 1
			    : (first & 0xe0) == 0xc0 ? 2
			    : (first & 0xf0) == 0xe0 ? 3
			    : (first & 0xf8) == 0xf0 ? 4
						     : 0;

	if (size == 0 || size > length)
		return 0;

	uint32_t value = size == 1 ? first : first & (0x7fU >> size);

	for (size_t i = 1; i < size; i++) {
		const unsigned char next = (unsigned char)bytes[i];

		if ((next & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (next & 0x3f);
	}
	if (value < smallest[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*character = value;
	return size;
}

bool text_is_utf8(const char *bytes, size_t length)
{
	uint32_t character = 0;

	for (size_t at = 0; at < length;) {
		const size_t size = text_decode(bytes + at, length - at, &character);

		if (size == 0)
			return false;
		at += size;
	}
	return true;
}

/*
 * Unicode's format characters (general category Cf) and line separators: invisible, or able to
 * reorder what stands around them. iswprint() counts many of them as printable.
 */
static bool is_format_character(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x00ad, 0x00ad },   { 0x0600, 0x0605 },   { 0x061c, 0x061c },
		{ 0x06dd, 0x06dd },   { 0x070f, 0x070f },   { 0x08e2, 0x08e2 },
		{ 0x180b, 0x180f },   { 0x200b, 0x200f },   { 0x2028, 0x202e },
		{ 0x2060, 0x206f },   { 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },
		{ 0xfff0, 0xfffb },   { 0x110bd, 0x110bd }, { 0x1d173, 0x1d17a },
		{ 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

static bool is_plain(uint32_t c)
{
	if (c < 0x80)
		return c >= 0x20 && c != 0x7f && c != '\\';
	return !is_format_character(c) && iswprint((wint_t)c) && wcwidth((wchar_t)c) > 0;
}

static void append_escaped(struct text *text, uint32_t c)
{
	if (c == '\\')
		text_append(text, "\\\\");
	else if (c == '\n')
		text_append(text, "\\n");
	else if (c == '\t')
		text_append(text, "\\t");
	else if (c < 0x80)
		text_append(text, "\\x%02x", c);
	else
		text_append(text, "\\u{%x}", c);
}

void text_append_printable(struct text *text, const char *name)
{
	const size_t length = strlen(name);
	uint32_t character = 0;

	for (size_t at = 0; at < length;) {
		const size_t size = text_decode(name + at, length - at, &character);

		if (size == 0)
			text_append(text, "\\x%02x", (unsigned char)name[at]);
		else if (is_plain(character))
			text_append_bytes(text, name + at, size);
		else
			append_escaped(text, character);
		at += size ? size : 1;
	}
}

char *text_printable(const char *name)
{
	struct text text = { 0 };

	text_append_printable(&text, name ? name : "?");
	return text_take(&text);
}

/* Characters that mean nothing to a shell wherever they stand in a word. */
static bool is_bare_word(const char *path)
{
	static const char bare[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "_-./:@%+,";
	static const char bare_option[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,=";

	/* "=" makes an assignment of a first word, but not of an option. */
	return *path != '\0' && path[strspn(path, *path == '-' ? bare_option : bare)] == '\0';
}

static bool is_all_plain(const char *path)
{
	const size_t length = strlen(path);
	uint32_t character = 0;

	for (size_t at = 0; at < length;) {
		const size_t size = text_decode(path + at, length - at, &character);

		if (size == 0 || (!is_plain(character) && character != '\\'))
			return false;
		at += size;
	}
	return true;
}

void text_append_shell_word(struct text *text, const char *path)
{
	if (is_bare_word(path)) {
		text_append(text, "%s", path);
		return;
	}
	if (is_all_plain(path)) {
		text_append(text, "'");
		for (; *path; path++)
			if (*path == '\'')
				text_append(text, "'\\''");
			else
				text_append_bytes(text, path, 1);
		text_append(text, "'");
		return;
	}
	text_append(text, "$'");
	for (; *path; path++) {
		const unsigned char byte = (unsigned char)*path;

		if (byte == '\'' || byte == '\\')
			text_append(text, "\\%c", byte);
		else if (byte >= 0x20 && byte < 0x7f)
			text_append_bytes(text, path, 1);
		else /* three octal digits: a following digit cannot be drawn in, as with \x */
			text_append(text, "\\%03o", byte);
	}
	text_append(text, "'");
}

void text_append_size(struct text *text, uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double size = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		text_append(text, "%u bytes", (unsigned int)bytes);
		return;
	}
	for (; size >= 1023.95 && unit + 1 < sizeof units / sizeof *units; unit++)
		size /= 1024;
	text_append(text, "%.1f %s", size, units[unit]);
}

size_t text_columns(const char *printable)
{
	const size_t length = strlen(printable);
	size_t columns = 0;
	uint32_t character = 0;

	for (size_t at = 0; at < length;) {
		const size_t size = text_decode(printable + at, length - at, &character);
		const int width = size ? wcwidth((wchar_t)character) : 1;

		columns += width > 0 ? (size_t)width : 0;
		at += size ? size : 1;
	}
	return columns;
}

/* How many bytes of `printable` fit into `columns`. */
static size_t bytes_that_fit(const char *printable, size_t columns)
{
	const size_t length = strlen(printable);
	size_t at = 0, used = 0;
	uint32_t character = 0;

	while (at < length) {
		const size_t size = text_decode(printable + at, length - at, &character);
		const int width = size ? wcwidth((wchar_t)character) : 1;

		used += width > 0 ? (size_t)width : 0;
		if (used > columns)
			break;
		at += size ? size : 1;
	}
	return at;
}

void text_append_cell(struct text *text, const char *printable, size_t columns)
{
	const size_t wanted = text_columns(printable);

	if (columns == 0 || wanted == columns) {
		text_append(text, "%s", printable);
	} else if (wanted < columns) {
		text_append(text, "%s", printable);
		for (size_t i = wanted; i < columns; i++)
			text_append_bytes(text, " ", 1);
	} else {
		const size_t fits = bytes_that_fit(printable, columns - 1);
		auto_text head = { 0 };

		text_append_bytes(&head, printable, fits);
		text_append(text, "%s…", text_string(&head));
		for (size_t i = text_columns(text_string(&head)) + 1; i < columns; i++)
			text_append_bytes(text, " ", 1);
	}
}
