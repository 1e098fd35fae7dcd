/*
 * What every fuzz target includes. A target checks what must be true of any input, with CHECK(), and not only that
 * nothing crashes.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                   \
	do {                                                                               \
		if (!(condition)) {                                                        \
			(void)fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, \
				      #condition);                                         \
			abort();                                                           \
		}                                                                          \
	} while (0)

/* Character classes as program_start() sets them. */
static inline void fuzz_use_utf8(void)
{
	static bool done;

	if (!done)
		CHECK(setlocale(LC_CTYPE, "C.UTF-8"));
	done = true;
}

/* The input as a string in memory of exactly its size, so that one byte too far is seen; free() it. */
static inline char *fuzz_string(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, 0, size) : NULL;
	const size_t length = end ? (size_t)(end - data) : size;
	char *text = malloc(length + 1);

	CHECK(text);
	if (length)
		memcpy(text, data, length);
	text[length] = '\0';
	return text;
}

/* Valid UTF-8, and nothing that a terminal obeys; newlines only where they are allowed. */
static inline void fuzz_check_tame(const char *text, bool newlines)
{
	const size_t length = strlen(text);
	uint32_t character = 0;

	for (size_t at = 0; at < length;) {
		const size_t size = text_decode(text + at, length - at, &character);

		CHECK(size > 0);
		CHECK(character >= 0x20 || (newlines && character == '\n'));
		CHECK(character < 0x7f || character > 0x9f);
		CHECK(character != 0x061c && character != 0x200e && character != 0x200f);
		CHECK(character < 0x202a || character > 0x202e);
		CHECK(character < 0x2066 || character > 0x2069);
		at += size;
	}
}

#endif
