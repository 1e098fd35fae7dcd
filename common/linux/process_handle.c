#include "common/linux/process_handle.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/scope.h"
#include "common/linux/stat_line.h"

/* glibc has wrappers from 2.36 on; the numbers are the same on all architectures. */
static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static bool read_start(const struct proc_root *root, pid_t pid, uint64_t *start_ticks)
{
	char path[32];
	size_t length = 0;
	struct stat_line line = { 0 };

	(void)snprintf(path, sizeof path, "%d/stat", pid);

	auto_free char *text = proc_read(root->fd, path, 4096, &length);

	if (!text || !stat_line_read(text, length, &line))
		return false;
	*start_ticks = line.start_ticks;
	return true;
}

enum handle_result process_handle_open(const struct proc_root *root, pid_t pid,
				       uint64_t start_ticks, struct process_handle *handle,
				       struct error *err)
{
	uint64_t now = 0;

	*handle = (struct process_handle){ .pid = pid, .pidfd = open_pidfd(pid) };
	if (handle->pidfd < 0 && errno == ESRCH)
		return HANDLE_GONE;
	if (handle->pidfd < 0) {
		(void)fail_errno(err, STATUS_TROUBLE, "process %d: cannot take hold of it", pid);
		return HANDLE_TROUBLE;
	}

	/*
	 * The PID is not pinned by the pidfd, so what was just read may be of a later process of the same
	 * number. If the one that we hold is still alive after the reading, it was its own.
	 */
	const bool was_read = read_start(root, pid, &now);

	if (!was_read || !process_handle_alive(handle)) {
		process_handle_close(handle);
		return HANDLE_GONE;
	}
	if (now != start_ticks) {
		process_handle_close(handle);
		return HANDLE_REUSED;
	}
	return HANDLE_OPEN;
}

void process_handle_close(struct process_handle *handle)
{
	scope_close(&handle->pidfd);
	handle->pidfd = -1;
}

bool process_handle_alive(const struct process_handle *handle)
{
	struct pollfd ended = { .fd = handle->pidfd, .events = POLLIN };

	return handle->pidfd >= 0 && poll(&ended, 1, 0) == 0;
}

enum signal_result process_handle_signal(const struct process_handle *handle, int signal)
{
	if (syscall(SYS_pidfd_send_signal, handle->pidfd, signal, NULL, 0) == 0)
		return SIGNAL_SENT;
	return errno == ESRCH ? SIGNAL_GONE : SIGNAL_NOT_ALLOWED;
}
