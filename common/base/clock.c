#include "common/base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

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
