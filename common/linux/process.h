/*
 * Who a process is, for people and for programs that act on it. The only module that uses libproc2.
 *
 * libproc2 makes names printable and cuts command lines at newlines, so what must be exact (name, arguments,
 * links) is read from /proc itself.
 */
#ifndef LINUX_PROCESS_H
#define LINUX_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/linux/proc_root.h"
#include "common/linux/supervisor.h"

/* One of the processes above it. */
struct ancestor {
	pid_t pid;
	char name[16]; /* comm, exact bytes */
};

enum { MOST_ANCESTORS = 64 };

struct process {
	pid_t pid;
	bool known;	      /* false: gone, or in another PID namespace; only the PID is known */
	uint64_t start_ticks; /* clock ticks since boot; with the PID, its identity */
	pid_t ppid;
	bool kernel_thread;
	bool forked; /* runs the program of the process that forked it: no execve(2) since */
	bool orphaned; /* forked, and its parent is not the process that forked it: that one has ended */
	bool daemon;	/* has a session of its own, as who wants to outlive its parent makes one */
	uid_t uid;	/* effective, as this user namespace sees it */
	char *user;	/* its name */
	char *name;	/* comm: exact bytes, at most 15 */
	char **command; /* the arguments, exact bytes; none for a kernel thread or a zombie */
	size_t command_count;
	char *exe;	     /* NULL when we may not know */
	char *cwd;	     /* NULL when we may not know */
	char *tty;	     /* "pts/2"; NULL without one */
	pid_t container_pid; /* its PID in its own PID namespace; 0 when that is ours */
	uint64_t blocks;     /* bit n-1: its main thread blocks signal n */
	uint64_t catches;    /* bit n-1: has a handler for signal n */
	struct supervisor supervisor;
	struct ancestor ancestors[MOST_ANCESTORS]; /* its parent first */
	size_t ancestor_count;
};

/* Fills in `count` processes of which only the pid is set. Those that are gone stay unknown. */
bool processes_read(const struct proc_root *root, struct process *processes, size_t count,
		    struct error *err);

void process_release(struct process *process);

#endif
