/*
 * How long many things took: count, sum, longest, and percentiles to about 6 %, in memory that does not grow. Pure.
 */
#ifndef COMMON_DURATIONS_H
#define COMMON_DURATIONS_H

#include <stdint.h>

struct durations {
	uint64_t count;
	double total, longest; /* seconds */
	uint32_t *buckets;     /* NULL while there are none */
};

void durations_add(struct durations *durations, double seconds);

/* Adds all of `from`, which stays. */
void durations_merge(struct durations *durations, const struct durations *from);

/* At least this share (0.5, 0.99) took no longer than the result; 0 when there are none. */
double durations_percentile(const struct durations *durations, double share);

void durations_release(struct durations *durations);

#endif
