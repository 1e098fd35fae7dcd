#include "common/watch_identify.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/linux/activity.h"

void watch_identify(struct watch *watch, const struct proc_root *root)
{
	auto_free struct process *read = memory_allocate(watch->count + 1, sizeof *read);
	auto_free size_t *rows = memory_allocate(watch->count + 1, sizeof *rows);
	struct error ignored = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < watch->count; i++) {
		if (watch->items[i].process || watch->items[i].pid <= 0)
			continue;
		read[count].pid = watch->items[i].pid;
		rows[count++] = i;
	}
	if (count == 0)
		return;
	(void)processes_read(root, read, count, &ignored);
	for (size_t i = 0; i < count; i++) {
		watch->items[rows[i]].process = memory_allocate(1, sizeof *read);
		*watch->items[rows[i]].process = read[i];
	}
}

/* A process may be hidden from us (hidepid of /proc): what cannot be looked at is not gone by that. */
static bool is_gone(const struct proc_root *root, const struct watch_process *row)
{
	const struct activity activity = activity_look(root, row->pid);

	if (!activity.seen)
		return kill(row->pid, 0) != 0 && errno == ESRCH;
	return row->process->known && activity.start_ticks != row->process->start_ticks;
}

void watch_bury(struct watch *watch, const struct proc_root *root, double now)
{
	for (size_t i = 0; i < watch->count; i++) {
		const struct watch_process *row = &watch->items[i];

		if (row->gone || row->pid <= 0 || !row->process)
			continue;

		if (is_gone(root, row))
			watch_forget(watch, row->pid, now);
	}
}
