/* The walk over all processes; see open_files.h. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/parse.h"
#include "common/base/scope.h"
#include "common/linux/open_files.h"

/* The processes that were looked at, by PID. */
struct pid_set {
	unsigned char *items;	/* a bit each */
	size_t count, capacity; /* bytes */
};

/* False when it was in it before. */
static bool pid_set_add(struct pid_set *set, pid_t pid)
{
	const size_t byte = (size_t)pid / 8;
	const unsigned char bit = (unsigned char)(1U << (pid % 8));

	while (set->count <= byte)
		*memory_append(set) = 0;

	const bool is_new = !(set->items[byte] & bit);

	set->items[byte] |= bit;
	return is_new;
}

/* Looks at every process that is not in the set yet. */
static bool look_at_new(const struct proc_root *root, const struct open_query *query,
			struct pid_set *seen, bool deep, struct open_files *found,
			struct error *err)
{
	auto_close int processes = openat(root->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct number_walk walk;
	const char *name = NULL;
	int pid = 0;

	if (processes < 0)
		return fail_errno(err, STATUS_TROUBLE, "/proc: cannot list the processes");
	number_walk_start(&walk, processes);
	while (number_walk_next(&walk, &pid, &name)) {
		if (pid != query->self && pid_set_add(seen, pid))
			open_files_of(root, query, pid, deep, found);
	}
	errno = walk.error;
	return walk.error == 0 ||
	       fail_errno(err, STATUS_TROUBLE, "/proc: cannot list the processes");
}

/* The PID that was given out last: the last word of "0.05 0.10 0.08 1/97 12345" (proc(5)). 0 if unknown. */
static uint64_t last_pid(const struct proc_root *root)
{
	auto_free char *text = proc_read(root->fd, "loadavg", 256, NULL);
	const char *word = text ? strrchr(text, ' ') : NULL;
	uint64_t pid = 0;

	if (word) {
		word++;
		(void)parse_number_at(&word, 10, INT_MAX, &pid);
	}
	return pid;
}

bool open_files_walk(const struct proc_root *root, const struct open_query *query, bool deep,
		     struct open_files *found, struct error *err)
{
	enum { MOST_PASSES = 50 };
	struct pid_set seen = { 0 };
	bool done = true;

	found->unsettled = true;
	for (int pass = 0; pass < MOST_PASSES && done && found->unsettled; pass++) {
		const uint64_t last = last_pid(root);

		done = look_at_new(root, query, &seen, deep, found, err);
		found->unsettled = deep && (last == 0 || last_pid(root) != last);
	}
	free(seen.items);
	return done;
}
