/* Time: a monotonic clock for waiting, the wall clock for telling. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Seconds on a clock that never jumps and counts while the machine sleeps (CLOCK_BOOTTIME). */
double clock_now(void);

/* Sleeps until clock_now() would return `moment`; returns at once when that has passed. */
void clock_sleep_until(double moment);

/* Size of a time stamp with its NUL. */
enum { CLOCK_STAMP_SIZE = 40 };

/* Wall clock time as "2026-11-22T12:15:00.123Z". */
void clock_stamp(struct timespec when, char stamp[CLOCK_STAMP_SIZE]);

struct timespec clock_wall(void);

/* "20261122T121500.123Z", for file names. */
void clock_compact_stamp(struct timespec when, char stamp[CLOCK_STAMP_SIZE]);

/*
 * Reads a UTC time, "2026-11-22T12:15:00.123Z" or a part of it from the left ("2026-11-22", "2026-11-22T12:15Z"), as
 * milliseconds since 1970: the first and the last that it may mean. False for anything else.
 */
bool clock_parse(const char *text, int64_t *first, int64_t *last);

#endif
