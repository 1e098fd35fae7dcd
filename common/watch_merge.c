/* The part of watch.h that counts many processes as one. */

#include <math.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/watch.h"

static void add_holds(struct watch_news *into, uint64_t count, double first, double total,
		      double longest)
{
	if (count == 0)
		return;
	into->holds.first = into->holds.count ? fmin(into->holds.first, first) : first;
	into->holds.count += count;
	into->holds.total += total;
	into->holds.longest = fmax(into->holds.longest, longest);
}

/* Nobody is told that a row took or released something that is many processes': it has held it. */
static void merge_news(struct watch_news *into, const struct watch_news *from)
{
	add_holds(into, from->holds.count, from->holds.first, from->holds.total,
		  from->holds.longest);
	add_holds(into, from->released, from->released_at - from->released_after,
		  from->released_after, from->released_after);
	if (from->refused)
		into->refused_first = into->refused ? fmin(into->refused_first, from->refused_first)
						    : from->refused_first;
	into->refused += from->refused;
}

static void merge_columns(uint16_t **into, const uint16_t *from, size_t count)
{
	if (!from)
		return;
	if (!*into)
		*into = memory_allocate(count, sizeof **into);
	for (size_t i = 0; i < count; i++)
		(*into)[i] |= from[i];
}

void watch_merge(struct watch_process *into, const struct watch_process *from)
{
	for (enum watch_kind kind = 0; kind < WATCH_KINDS; kind++) {
		struct watch_lock *row = &into->by_kind[kind];
		const struct watch_lock *lock = &from->by_kind[kind];

		durations_merge(&row->durations, &lock->durations);
		row->refused += lock->refused;
		row->fresh |= lock->fresh;
		row->fresh_refused |= lock->fresh_refused;
		merge_news(&row->news, &lock->news);
	}
	merge_columns(&into->columns, from->columns, WATCH_COLUMNS);
	merge_columns(&into->recent, from->recent, WATCH_RECENT);
}
