/*
 * The kernel's list of file locks (/proc/locks), for a few inodes.
 *
 * One read(2) returns at most a page of it, and locks that come and go between two reads make the kernel
 * repeat or skip lines (reference/locks.md 0.9). So lines are deduplicated here, and the caller reads
 * again until two tables are equal. Processes of other PID namespaces are missing from it without a
 * trace: what decides is F_GETLK (lock_probe.h).
 */
#ifndef LINUX_LOCK_TABLE_H
#define LINUX_LOCK_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/linux/lock_line.h"
#include "common/linux/proc_root.h"

/* What /proc/locks calls a file: its superblock's device, and its inode there (see mounts.h). */
struct lock_key {
	unsigned major, minor;
	uint64_t inode;
};

struct lock_table {
	struct lock_line *items; /* held locks and waiting ones, sorted */
	size_t count, capacity;
	bool readable; /* false: there is no /proc/locks here (procfs mounted with subset=pid) */
};

#define auto_lock_table __attribute__((cleanup(lock_table_release))) struct lock_table

/* Reads the locks of the `count` files named by `keys`, in one pass, into an empty table. */
bool lock_table_read(const struct proc_root *root, const struct lock_key *keys, size_t count,
		     struct lock_table *table, struct error *err);
void lock_table_release(struct lock_table *table);

bool lock_table_equal(const struct lock_table *a, const struct lock_table *b);

/* Whether a line is about the file that `key` names. */
bool lock_key_matches(const struct lock_key *key, const struct lock_line *line);

#endif
