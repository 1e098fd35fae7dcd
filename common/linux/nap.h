/* Whether a process sleeps for a set time, again and again: what SQLite's busy handler does between two attempts. */
#ifndef LINUX_NAP_H
#define LINUX_NAP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/linux/proc_root.h"

struct nap {
	bool asleep;	 /* a thread is in nanosleep(2) or clock_nanosleep(2) */
	pid_t thread;	 /* which one */
	uint64_t pauses; /* how often it has gone to sleep so far, for whatever reason */
};

/* One look. Not asleep where we may not know (/proc/PID/wchan takes the right to look at the process). */
struct nap nap_look(const struct proc_root *root, pid_t pid);

/* Between two looks the same thread woke up and went back to sleep: it tries something again and again. */
bool nap_again(const struct nap *before, const struct nap *after);

#endif
