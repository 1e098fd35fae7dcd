#include "common/linux/activity.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/parse.h"
#include "common/base/scope.h"
#include "common/linux/stat_line.h"

enum { NAME_SIZE = 64, MOST_BYTES = 4096 };

const char *process_state_name(enum process_state state)
{
	static const char *const names[] = {
		[PROCESS_UNKNOWN] = "unknown",	 [PROCESS_RUNNING] = "running",
		[PROCESS_SLEEPING] = "sleeping", [PROCESS_DISK_WAIT] = "disk-wait",
		[PROCESS_STOPPED] = "stopped",	 [PROCESS_TRACED] = "traced",
		[PROCESS_ZOMBIE] = "zombie",	 [PROCESS_DEAD] = "dead",
	};

	return names[state];
}

static enum process_state state_of(char letter)
{
	switch (letter) {
	case 'R':
		return PROCESS_RUNNING;
	case 'S':
	case 'I':
		return PROCESS_SLEEPING;
	case 'D':
		return PROCESS_DISK_WAIT;
	case 'T':
		return PROCESS_STOPPED;
	case 't':
		return PROCESS_TRACED;
	case 'Z':
		return PROCESS_ZOMBIE;
	case 'X':
		return PROCESS_DEAD;
	default:
		return PROCESS_UNKNOWN;
	}
}

/* Of two threads of one process, the state that says more about the whole. */
static enum process_state busier(enum process_state a, enum process_state b)
{
	static const unsigned char weight[] = {
		[PROCESS_UNKNOWN] = 0, [PROCESS_DEAD] = 1,	[PROCESS_ZOMBIE] = 2,
		[PROCESS_STOPPED] = 4, [PROCESS_TRACED] = 5,	[PROCESS_SLEEPING] = 3,
		[PROCESS_RUNNING] = 7, [PROCESS_DISK_WAIT] = 6,
	};

	return weight[a] >= weight[b] ? a : b;
}

static bool read_stat(const struct proc_root *root, const char *path, struct stat_line *line)
{
	size_t length = 0;
	auto_free char *text = proc_read(root->fd, path, MOST_BYTES, &length);

	return text && stat_line_read(text, length, line);
}

static enum process_state state_of_threads(const struct proc_root *root, pid_t pid)
{
	char path[NAME_SIZE];
	enum process_state state = PROCESS_UNKNOWN;
	struct number_walk walk;
	const char *name = NULL;
	int thread = 0;

	(void)snprintf(path, sizeof path, "%d/task", pid);

	auto_close int folder = openat(root->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return state;
	number_walk_start(&walk, folder);
	while (number_walk_next(&walk, &thread, &name)) {
		struct stat_line line = { 0 };

		(void)snprintf(path, sizeof path, "%d/task/%d/stat", pid, thread);
		if (read_stat(root, path, &line))
			state = busier(state, state_of(line.state));
	}
	return state;
}

static uint64_t bytes_written(const struct proc_root *root, pid_t pid)
{
	static const char key[] = "\nwrite_bytes: ";
	char path[NAME_SIZE];
	uint64_t bytes = 0;

	(void)snprintf(path, sizeof path, "%d/io", pid);

	auto_free char *text = proc_read(root->fd, path, MOST_BYTES, NULL);
	const char *found = text ? strstr(text, key) : NULL;

	if (found) {
		found += sizeof key - 1;
		(void)parse_number_at(&found, 10, UINT64_MAX, &bytes);
	}
	return bytes;
}

struct activity activity_look(const struct proc_root *root, pid_t pid)
{
	char path[NAME_SIZE];
	struct stat_line line = { 0 };
	struct activity activity = { 0 };

	(void)snprintf(path, sizeof path, "%d/stat", pid);
	if (!read_stat(root, path, &line))
		return activity;
	activity.seen = true;
	activity.start_ticks = line.start_ticks;
	activity.cpu_ticks = line.cpu_ticks;
	activity.state = busier(state_of(line.state), state_of_threads(root, pid));
	activity.written_bytes = bytes_written(root, pid);
	return activity;
}

bool activity_was_idle(const struct activity *before, const struct activity *after, double seconds)
{
	const double ticks = seconds * (double)sysconf(_SC_CLK_TCK) * 0.05;
	const uint64_t allowed = ticks < 1 ? 1 : (uint64_t)ticks;

	return before->seen && after->seen && before->start_ticks == after->start_ticks &&
	       before->state == PROCESS_SLEEPING && after->state == PROCESS_SLEEPING &&
	       after->cpu_ticks - before->cpu_ticks <= allowed &&
	       before->written_bytes == after->written_bytes;
}
