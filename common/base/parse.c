#include "common/base/parse.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool parse_number_at(const char **cursor, int base, uint64_t most, uint64_t *value)
{
	uint64_t number = 0;
	const char *at = *cursor;

	for (;; at++) {
		const int digit = *at >= '0' && *at <= '9'   ? *at - '0'
				  : *at >= 'a' && *at <= 'f' ? *at - 'a' + 10
				  : *at >= 'A' && *at <= 'F' ? *at - 'A' + 10
							     : 99;

		if (digit >= base)
			break;
		if (__builtin_mul_overflow(number, (uint64_t)base, &number) ||
		    __builtin_add_overflow(number, (uint64_t)digit, &number) || number > most)
			return false;
	}
	if (at == *cursor)
		return false;
	*cursor = at;
	*value = number;
	return true;
}

bool parse_word_at(const char **cursor, const char *expected)
{
	const size_t length = strlen(expected);

	if (strncmp(*cursor, expected, length) != 0)
		return false;
	*cursor += length;
	return true;
}

bool parse_whole(const char *word, uint64_t most, uint64_t *value)
{
	return parse_number_at(&word, 10, most, value) && *word == '\0';
}

bool parse_pid(const char *word, pid_t *pid)
{
	uint64_t number = 0;

	if (*word == '0' || !parse_whole(word, INT_MAX, &number))
		return false;
	*pid = (pid_t)number;
	return true;
}

bool parse_seconds(const char *word, double *seconds)
{
	static const char allowed[] = "0123456789.";
	const double most = 10.0 * 365 * 86400;
	char *end = NULL;

	/* strtod also reads "inf", "nan", hex and exponents: none of them is what a user means. */
	if (*word == '\0' || word[strspn(word, allowed)] != '\0')
		return false;

	const double value = strtod(word, &end);

	if (*end != '\0' || end == word || !isfinite(value) || value > most)
		return false;
	*seconds = value;
	return true;
}
