#include "common/base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/parse.h"

double clock_now(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail: the clock exists since 2.6.39 */
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void clock_sleep_until(double moment)
{
	const double whole = floor(moment);
	const struct timespec until = {
		.tv_sec = (time_t)whole,
		.tv_nsec = (long)((moment - whole) * 1e9),
	};

	while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, NULL) == EINTR)
		continue;
}

void clock_stamp(struct timespec when, char stamp[CLOCK_STAMP_SIZE])
{
	struct tm utc = { 0 };
	char seconds[24] = "";

	if (!gmtime_r(&when.tv_sec, &utc) ||
	    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc) == 0)
		memcpy(seconds, "?", 2);
	(void)snprintf(stamp, CLOCK_STAMP_SIZE, "%s.%03dZ", seconds, (int)(when.tv_nsec / 1000000));
}

struct timespec clock_wall(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return now;
}

void clock_compact_stamp(struct timespec when, char stamp[CLOCK_STAMP_SIZE])
{
	size_t length = 0;

	clock_stamp(when, stamp);
	for (const char *at = stamp; *at; at++)
		if (*at != '-' && *at != ':')
			stamp[length++] = *at;
	stamp[length] = '\0';
}

/* A number of exactly `digits` digits. */
static bool parse_digits(const char **cursor, int digits, uint64_t least, uint64_t most, int *value)
{
	const char *start = *cursor;
	uint64_t number = 0;

	if (!parse_number_at(cursor, 10, most, &number) || *cursor - start != digits ||
	    number < least)
		return false;
	*value = (int)number;
	return true;
}

/* Of the year 9999; a later one has no four digits. */
static const int64_t LAST_MILLISECOND = INT64_C(253402300799999);

bool clock_parse(const char *text, int64_t *first, int64_t *last)
{
	struct tm utc = { 0 };
	const char *at = text;
	int year = 0, month = 0, milliseconds = 0;
	int64_t unit = 24 * 3600 * INT64_C(1000); /* what the last part counts */

	if (!parse_digits(&at, 4, 1970, 9999, &year) || !parse_word_at(&at, "-") ||
	    !parse_digits(&at, 2, 1, 12, &month) || !parse_word_at(&at, "-") ||
	    !parse_digits(&at, 2, 1, 31, &utc.tm_mday))
		return false;
	if (parse_word_at(&at, "T")) {
		unit = 60000;
		if (!parse_digits(&at, 2, 0, 23, &utc.tm_hour) || !parse_word_at(&at, ":") ||
		    !parse_digits(&at, 2, 0, 59, &utc.tm_min))
			return false;
		if (parse_word_at(&at, ":")) {
			unit = 1000;
			if (!parse_digits(&at, 2, 0, 60, &utc.tm_sec))
				return false;
			if (parse_word_at(&at, ".")) {
				unit = 1;
				if (!parse_digits(&at, 3, 0, 999, &milliseconds))
					return false;
			}
		}
		(void)parse_word_at(&at, "Z");
	}
	utc.tm_year = year - 1900;
	utc.tm_mon = month - 1;

	struct tm day = { .tm_year = utc.tm_year, .tm_mon = utc.tm_mon, .tm_mday = utc.tm_mday };

	*first =
		((int64_t)timegm(&day) + utc.tm_hour * 3600 + utc.tm_min * 60 + utc.tm_sec) * 1000 +
		milliseconds;
	*last = *first + unit - 1;
	/* timegm() turns February 30th into March, and a leap second may lead out of the last year. */
	return *at == '\0' && day.tm_mon == month - 1 && *first <= LAST_MILLISECOND;
}
