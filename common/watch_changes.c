/* The part of watch.h that says what is new. */

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/watch.h"

void watch_changes_release(struct watch_changes *changes)
{
	free(changes->items);
	*changes = (struct watch_changes){ 0 };
}

static void add_change(struct watch_changes *changes, struct watch_change change)
{
	*memory_append(changes) = change;
}

/* What is new about one lock of one process; from then on it is old. */
static void tell(struct watch_lock *lock, size_t process, enum watch_kind kind, double now,
		 struct watch_changes *changes)
{
	const struct watch_news *news = &lock->news;
	struct watch_change change = { .process = process, .kind = kind };

	if (news->released) {
		change.what = WATCH_RELEASED;
		change.time = news->released_at;
		change.total = change.longest = news->released_after;
		add_change(changes, change);
	}
	if (news->holds.count) {
		change.what = WATCH_HELD;
		change.time = news->holds.first;
		change.count = news->holds.count;
		change.total = news->holds.total;
		change.longest = news->holds.longest;
		add_change(changes, change);
	}
	if (lock->held && !lock->told) {
		change.what = WATCH_TOOK;
		change.time = lock->since;
		change.total = change.longest = now - lock->since;
		add_change(changes, change);
		lock->told = true;
	}
	if (news->refused) {
		change.what = WATCH_REFUSED;
		change.time = news->refused_first;
		change.count = news->refused;
		change.total = lock->wait.last - lock->wait.first;
		add_change(changes, change);
	}
	lock->news = (struct watch_news){ 0 };
}

static int by_time(const void *left, const void *right)
{
	const struct watch_change *a = left, *b = right;

	if (a->time != b->time)
		return (a->time > b->time) - (a->time < b->time);
	if (a->process != b->process)
		return (a->process > b->process) - (a->process < b->process);
	return (a->kind > b->kind) - (a->kind < b->kind);
}

void watch_changes(struct watch *watch, double now, struct watch_changes *changes)
{
	for (size_t i = 0; i < watch->count; i++)
		for (enum watch_kind kind = 0; kind < WATCH_KINDS; kind++)
			tell(&watch->items[i].by_kind[kind], i, kind, now, changes);
	if (changes->count > 1)
		qsort(changes->items, changes->count, sizeof *changes->items, by_time);
}
