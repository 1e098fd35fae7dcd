/* The time line of watch.h: for each process, column by column, what it held in that time. */

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/watch.h"

/* How wide a column is in the beginning; each time there are too many, two become one. */
static const double first_width = 0.05;

static uint16_t take_fresh(struct watch_process *process)
{
	unsigned fresh = process->kinds;

	for (enum watch_kind kind = 0; kind < WATCH_KINDS; kind++)
		if (process->by_kind[kind].fresh)
			fresh |= 1U << kind;
	for (enum watch_kind kind = 0; kind < WATCH_KINDS; kind++) {
		if (process->by_kind[kind].fresh_refused)
			fresh |= WATCH_REFUSED_BIT;
		process->by_kind[kind].fresh = process->by_kind[kind].fresh_refused = false;
	}
	return (uint16_t)fresh;
}

static void fold(uint16_t *columns)
{
	for (size_t i = 0; i < WATCH_COLUMNS / 2; i++)
		columns[i] = columns[2 * i] | columns[2 * i + 1];
	memset(columns + WATCH_COLUMNS / 2, 0, WATCH_COLUMNS / 2 * sizeof *columns);
}

/* The column that belongs to `now`; older ones are made narrower until there is room for it. */
static size_t column_at(struct watch *watch, double now)
{
	if (watch->column_width <= 0)
		watch->column_width = first_width;
	while ((now - watch->began) / watch->column_width >= WATCH_COLUMNS) {
		for (size_t i = 0; i < watch->count; i++)
			if (watch->items[i].columns)
				fold(watch->items[i].columns);
		watch->column_width *= 2;
		watch->columns = (watch->columns + 1) / 2;
	}
	return now > watch->began ? (size_t)((now - watch->began) / watch->column_width) : 0;
}

/* The ring of the last minute: tenths of a second. */
static void draw_recent(const struct watch *watch, struct watch_process *process, size_t newest,
			uint16_t fresh)
{
	const size_t late = newest - watch->recent_column;

	if (!process->recent)
		process->recent = memory_allocate(WATCH_RECENT, sizeof *process->recent);
	for (size_t i = 0; i < late && i < WATCH_RECENT; i++)
		process->recent[(newest - i) % WATCH_RECENT] = fresh & (uint16_t)process->kinds;
	process->recent[newest % WATCH_RECENT] |= fresh;
}

void watch_draw(struct watch *watch, double now)
{
	const size_t column = column_at(watch, now);
	const size_t newest = now > watch->began ? (size_t)((now - watch->began) * 10) : 0;

	for (size_t i = 0; i < watch->count; i++) {
		struct watch_process *process = &watch->items[i];
		const uint16_t fresh = take_fresh(process);

		if (!process->columns)
			process->columns = memory_allocate(WATCH_COLUMNS, sizeof *process->columns);
		/* After a pause of ours, what is still held was held all the while. */
		for (size_t late = watch->columns; late < column; late++)
			process->columns[late] |= fresh & (uint16_t)process->kinds;
		process->columns[column] |= fresh;
		draw_recent(watch, process, newest, fresh);
	}
	watch->recent_column = newest;
	watch->columns = column + 1;
}
