/* What a process is doing: one look, and the difference between two of them. */
#ifndef LINUX_ACTIVITY_H
#define LINUX_ACTIVITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/linux/proc_root.h"

enum process_state {
	PROCESS_UNKNOWN,
	PROCESS_RUNNING,
	PROCESS_SLEEPING,
	PROCESS_DISK_WAIT,
	PROCESS_STOPPED,
	PROCESS_TRACED,
	PROCESS_ZOMBIE,
	PROCESS_DEAD,
};

/* "running", "sleeping", "disk-wait", "stopped", "traced", "zombie", "dead", "unknown". */
const char *process_state_name(enum process_state state);

struct activity {
	bool seen;		  /* false: the process is gone, and the rest says nothing */
	enum process_state state; /* of the thread that is most at work */
	uint64_t start_ticks;	  /* with the PID, the identity of the process */
	uint64_t cpu_ticks;	  /* used so far by all its threads */
	uint64_t written_bytes;	  /* sent to disks so far; 0 when we may not know */
};

struct activity activity_look(const struct proc_root *root, pid_t pid);

/*
 * Whether the process did nothing between two looks `seconds` apart: every thread asleep both times, hardly
 * any CPU time (5 %; one tick at least, the clock is no finer), nothing written to a disk.
 */
bool activity_was_idle(const struct activity *before, const struct activity *after, double seconds);

#endif
