/*
 * The line in /proc/PID/stat and /proc/PID/task/TID/stat, as far as it is needed. Pure text.
 * Source: proc(5). The name in it is hostile: it may hold ") R 1 1" and newlines, so the fields are
 * counted from the last ')'.
 */
#ifndef LINUX_STAT_LINE_H
#define LINUX_STAT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stat_line {
	char state; /* R S D T t Z X I */
	pid_t ppid;
	uint64_t cpu_ticks; /* user and system time together, in clock ticks */
	uint64_t
		start_ticks; /* when it started, in clock ticks since boot: with the PID, its identity */
};

bool stat_line_read(const char *text, size_t length, struct stat_line *line);

#endif
