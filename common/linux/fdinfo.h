/*
 * What /proc/PID/fdinfo/FD tells of an open file. Pure text. Reading it never asks the file system, so
 * it cannot hang on a dead server. Source: Linux fs/proc/fd.c, seq_show(); proc(5).
 */
#ifndef LINUX_FDINFO_H
#define LINUX_FDINFO_H

#include <stdbool.h>
#include <stdint.h>

struct fdinfo {
	unsigned flags; /* as of open(2): O_RDWR, O_PATH … */
	uint64_t mount; /* mount ID: the first column of that process's mountinfo */
	uint64_t
		inode; /* as the superblock calls it, which /proc/locks does too; 0 before Linux 5.14 */
};

bool fdinfo_read(const char *text, struct fdinfo *info);

/* Whether a file opened with these flags can be written to. */
bool fdinfo_can_write(unsigned flags);

/* The next "lock:" line at or behind *cursor, which moves behind it; NULL when there is none. */
const char *fdinfo_next_lock(const char **cursor);

#endif
