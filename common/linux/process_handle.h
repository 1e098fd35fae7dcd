/*
 * A hold on one process that cannot become another: a pidfd, and its folder in /proc opened through it. A PID alone
 * may be given to a new process between the look and the signal.
 */
#ifndef LINUX_PROCESS_HANDLE_H
#define LINUX_PROCESS_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/linux/proc_root.h"

struct process_handle {
	pid_t pid;
	int pidfd; /* readable (poll) once the whole process has ended; -1 when not open */
};

#define PROCESS_HANDLE_NONE \
	{                   \
		.pidfd = -1 \
	}

enum handle_result { HANDLE_OPEN, HANDLE_GONE, HANDLE_REUSED, HANDLE_TROUBLE };

/*
 * Takes hold of the process with this PID and start time (clock ticks since boot). HANDLE_REUSED: the PID is
 * another process's now. HANDLE_TROUBLE: *err says why it could not be done.
 */
enum handle_result process_handle_open(const struct proc_root *root, pid_t pid,
				       uint64_t start_ticks, struct process_handle *handle,
				       struct error *err);
void process_handle_close(struct process_handle *handle);

bool process_handle_alive(const struct process_handle *handle);

enum signal_result { SIGNAL_SENT, SIGNAL_GONE, SIGNAL_NOT_ALLOWED };

enum signal_result process_handle_signal(const struct process_handle *handle, int signal);

#endif
