/*
 * One line of /proc/locks, or of the "lock:" lines in /proc/PID/fdinfo/FD. Pure text.
 *
 *     1: POSIX  ADVISORY  WRITE 4123 fe:00:131 1073741824 1073742335
 *     2: -> FLOCK  ADVISORY  READ 77 00:2b:9 0 EOF          ("->": still waiting for it)
 *
 * Source: Linux fs/locks.c, lock_get_status(). The device is the superblock's (what mountinfo shows), not
 * always what stat(2) says: they differ on btrfs.
 */
#ifndef LINUX_LOCK_LINE_H
#define LINUX_LOCK_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum lock_class { LOCK_POSIX, LOCK_OFD, LOCK_FLOCK, LOCK_LEASE, LOCK_OTHER };

struct lock_line {
	enum lock_class class;
	bool waiting; /* not held: its owner waits for it in the kernel */
	bool write;   /* else a READ lock */
	pid_t pid;    /* the owner; -1 for OFD locks, 0 when it is in another PID namespace */
	unsigned major, minor; /* device of the superblock */
	uint64_t inode;
	uint64_t first, last; /* bytes, inclusive; last is UINT64_MAX for "EOF" */
};

/*
 * Reads one line (up to its newline or NUL), with or without "lock:\t" before it. False when it is not of
 * the kernel's form.
 */
bool lock_line_read(const char *line, struct lock_line *lock);

/* Whether two lines speak of the same lock. */
bool lock_line_equal(const struct lock_line *a, const struct lock_line *b);

#endif
