/* One descriptor of another process: which file it is, and whether two processes share it. */
#ifndef LINUX_DESCRIPTOR_H
#define LINUX_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/linux/proc_root.h"

/*
 * Whether two descriptors are one open file: inherited over fork(2), or sent through a socket. False also where that may
 * not be asked (kcmp(2) wants what ptrace wants).
 */
bool descriptor_is_shared(pid_t a, int a_fd, pid_t b, int b_fd);

/* A file, told as stat(2) does. */
struct descriptor_file {
	unsigned major, minor;
	uint64_t inode;
};

/* Whether a process has `path`, exactly so as it sees it, open now; and which file that is. */
bool descriptor_of_path(const struct proc_root *root, pid_t pid, const char *path,
			struct descriptor_file *file);

#endif
