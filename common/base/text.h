/*
 * Growing text, and what is needed to show names that strangers chose.
 *
 * Names of processes, files and tables are hostile: a terminal must never see an escape sequence, a
 * newline or a direction override that came from one of them. Everything foreign goes through
 * text_append_printable() (for people) or json_put_text() (for programs).
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *bytes;	 /* NUL-terminated once something was appended; NULL before */
	size_t length;	 /* without the NUL */
	size_t capacity; /* bytes allocated */
};

#define auto_text __attribute__((cleanup(text_release))) struct text

/* Frees the bytes and leaves an empty text. */
void text_release(struct text *text);

/* The text so far; "" when nothing was appended. Owned by the text. */
const char *text_string(const struct text *text) __attribute__((returns_nonnull));

/* Hands the bytes to the caller (free() them) and leaves the text empty. Never NULL. */
char *text_take(struct text *text) __attribute__((returns_nonnull));

void text_append(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_append_bytes(struct text *text, const char *bytes, size_t length);

/*
 * Appends a foreign name so that it can do nothing to a terminal and cannot pretend to be something
 * else: control characters, invalid UTF-8, format and direction characters, and the backslash are
 * shown escaped (\n, \x1b, \u{202e}, \\); other UTF-8 stays as it is.
 */
void text_append_printable(struct text *text, const char *name);

/*
 * Appends `path` as one word that a POSIX shell or bash reads back as exactly these bytes; bare where
 * it needs no quotes, $'...' where something in it must be escaped.
 */
void text_append_shell_word(struct text *text, const char *path);

/* Appends a size for people: "512 bytes", "4.1 MiB". */
void text_append_size(struct text *text, uint64_t bytes);

/* text_append_printable() into a new string; free() it. NULL gives "?". */
char *text_printable(const char *name) __attribute__((returns_nonnull));

/* Terminal columns that a printable UTF-8 string takes. */
size_t text_columns(const char *printable);

/*
 * Appends a printable string cut (with "…") or padded with blanks to exactly `columns`; when
 * `columns` is 0 it is appended whole.
 */
void text_append_cell(struct text *text, const char *printable, size_t columns);

/*
 * Decodes one UTF-8 character of at most `length` bytes (RFC 3629: no overlong forms, no surrogates).
 * Returns its length in bytes, or 0 when it is not valid.
 */
size_t text_decode(const char *bytes, size_t length, uint32_t *character);

bool text_is_utf8(const char *bytes, size_t length);

#endif
