#include "tests/fuzz/fuzz.h"

/* Undoes text_append_printable(); what it was made from must come out. */
static void check_printable(const char *name)
{
	char *shown = text_printable(name), *again = malloc(strlen(name) + 8);
	size_t filled = 0;

	CHECK(again);
	fuzz_check_tame(shown, false);
	for (const char *at = shown; *at;) {
		unsigned value = 0;
		int used = 0;

		CHECK(filled <= strlen(name));
		if (*at != '\\') {
			again[filled++] = *at++;
		} else if (at[1] == 'x') {
			CHECK(sscanf(at, "\\x%2x%n", &value, &used) == 1 && used == 4);
			again[filled++] = (char)value;
			at += used;
		} else if (at[1] == 'u') {
			CHECK(sscanf(at, "\\u{%x}%n", &value, &used) == 1 && used > 4);
			if (value >= 0x10000)
				again[filled++] = (char)(0xf0 | value >> 18);
			if (value >= 0x800)
				again[filled++] =
					(char)(value >= 0x10000 ? 0x80 | (value >> 12 & 0x3f)
								: 0xe0 | value >> 12);
			again[filled++] = (char)(value >= 0x800 ? 0x80 | (value >> 6 & 0x3f)
								: 0xc0 | value >> 6);
			again[filled++] = (char)(0x80 | (value & 0x3f));
			at += used;
		} else {
			again[filled++] = at[1] == 'n' ? '\n' : at[1] == 't' ? '\t' : '\\';
			at += 2;
		}
	}
	CHECK(filled == strlen(name) && memcmp(again, name, filled) == 0);
	free(again);
	free(shown);
}

/* Reads '…', $'…' and bare words as a shell does, as far as our words use them. */
static void check_shell_word(const char *name)
{
	struct text word = { 0 }, read = { 0 };
	const char *at = NULL;

	text_append_shell_word(&word, name);
	fuzz_check_tame(text_string(&word), false);
	at = text_string(&word);
	CHECK(*at);
	if (strncmp(at, "$'", 2) == 0) {
		for (at += 2; *at != '\'';) {
			unsigned value = (unsigned char)*at;
			int used = 1;

			CHECK(*at);
			if (*at == '\\' && (at[1] == '\\' || at[1] == '\'')) {
				value = (unsigned char)at[1];
				used = 2;
			} else if (*at == '\\') {
				CHECK(sscanf(at, "\\%3o%n", &value, &used) == 1 && used == 4);
			}
			const char byte = (char)value;

			text_append_bytes(&read, &byte, 1);
			at += used;
		}
		CHECK(at[1] == '\0');
	} else {
		for (bool quoted = false; *at || quoted; at++) {
			CHECK(*at);
			if (*at == '\'')
				quoted = !quoted;
			else if (!quoted && *at == '\\')
				text_append_bytes(&read, ++at, 1);
			else if (quoted || !strchr(" \t\n$`\"*?[]{}()<>|&;~#!=", *at))
				text_append_bytes(&read, at, 1);
			else
				CHECK(false &&
				      "a character that a shell would take for something else");
		}
	}
	CHECK(strcmp(text_string(&read), name) == 0);
	text_release(&read);
	text_release(&word);
}

static void check_cells(const char *name)
{
	char *shown = text_printable(name);

	for (size_t columns = 1; columns < 12; columns++) {
		struct text cell = { 0 };

		text_append_cell(&cell, shown, columns);
		CHECK(text_columns(text_string(&cell)) == columns);
		fuzz_check_tame(text_string(&cell), false);
		text_release(&cell);
	}
	free(shown);
}

/* A valid text is made of characters that are decoded one by one, and nothing else. */
static void check_decoding(const char *bytes, size_t length)
{
	size_t at = 0;

	while (at < length) {
		uint32_t character = 0;
		const size_t size = text_decode(bytes + at, length - at, &character);

		CHECK(size <= 4 && size <= length - at);
		if (size == 0)
			break;
		CHECK(character <= 0x10ffff && (character < 0xd800 || character > 0xdfff));
		at += size;
	}
	CHECK(text_is_utf8(bytes, length) == (at == length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name = fuzz_string(data, size);

	fuzz_use_utf8();
	check_printable(name);
	check_shell_word(name);
	check_cells(name);
	check_decoding(name, strlen(name));
	free(name);
	return 0;
}
