#include "common/durations.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/memory.h"

/* Sixteen buckets for each doubling of nanoseconds; up to 16 ns one for each. */
enum { STEP_BITS = 4, STEPS = 1 << STEP_BITS, DOUBLINGS = 60, BUCKETS = DOUBLINGS * STEPS };

static const double nanosecond = 1e-9;

static unsigned bucket_of(double seconds)
{
	const double most = (double)(UINT64_C(1) << (DOUBLINGS - 1));
	const double wide = seconds / nanosecond;
	const uint64_t value = wide <= 0 ? 0 : (uint64_t)(wide < most ? wide : most);
	unsigned shift = 0;

	while (value >> shift >= 2 * STEPS)
		shift++;
	return shift * STEPS + (unsigned)(value >> shift);
}

/* The largest that falls into a bucket, in seconds. */
static double upper_end(unsigned bucket)
{
	if (bucket < 2 * STEPS)
		return bucket * nanosecond;

	const unsigned shift = bucket / STEPS - 1;
	const uint64_t step = bucket - shift * STEPS;

	return (double)(((step + 1) << shift) - 1) * nanosecond;
}

void durations_add(struct durations *durations, double seconds)
{
	if (!durations->buckets)
		durations->buckets = memory_allocate(BUCKETS, sizeof *durations->buckets);
	durations->buckets[bucket_of(seconds)]++;
	durations->count++;
	durations->total += seconds;
	durations->longest = fmax(durations->longest, seconds);
}

void durations_merge(struct durations *durations, const struct durations *from)
{
	if (!from->buckets)
		return;
	if (!durations->buckets)
		durations->buckets = memory_allocate(BUCKETS, sizeof *durations->buckets);
	for (unsigned i = 0; i < BUCKETS; i++)
		durations->buckets[i] += from->buckets[i];
	durations->count += from->count;
	durations->total += from->total;
	durations->longest = fmax(durations->longest, from->longest);
}

double durations_percentile(const struct durations *durations, double share)
{
	const double wanted = share * (double)durations->count;
	uint64_t seen = 0;

	if (durations->count == 0)
		return 0;
	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += durations->buckets[i];
		if (seen > 0 && (double)seen >= wanted)
			return fmin(upper_end(i), durations->longest);
	}
	return durations->longest;
}

void durations_release(struct durations *durations)
{
	free(durations->buckets);
	*durations = (struct durations){ 0 };
}
