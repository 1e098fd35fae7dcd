/*
 * Strict reading of numbers: the whole word, decimal digits only, in range, or false. No blanks, no
 * signs, no octal or hex surprises (strtol's) and no silent wrapping (sscanf's).
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The whole of `word` as a number not above `most`. */
bool parse_whole(const char *word, uint64_t most, uint64_t *value);

/* A process ID as /proc names it: 1 to INT_MAX, no leading zero. */
bool parse_pid(const char *word, pid_t *pid);

/* Seconds as users write them: "5", "0.25"; not negative, at most ten years. */
bool parse_seconds(const char *word, double *seconds);

/*
 * A number at *cursor in base 8, 10 or 16, not above `most`; moves *cursor behind its digits. For
 * parsers of kernel text: nothing is skipped, and at least one digit must be there.
 */
bool parse_number_at(const char **cursor, int base, uint64_t most, uint64_t *value);

/* Moves *cursor behind `expected` if it stands there. */
bool parse_word_at(const char **cursor, const char *expected);

#endif
