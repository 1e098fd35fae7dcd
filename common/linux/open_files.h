/*
 * Who has one of a few files open: a walk over /proc.
 *
 * Files are told by device and inode as stat(2) gives them, never by their text in /proc (a file may be
 * named "x (deleted)"). The walk uses statx(2) with AT_STATX_DONT_SYNC, which asks no server.
 * Costs one system call a descriptor of the machine (tests/bench/STUDY.md has the alternatives).
 */
#ifndef LINUX_OPEN_FILES_H
#define LINUX_OPEN_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/linux/fdinfo.h"
#include "common/linux/lock_line.h"
#include "common/linux/lock_table.h"
#include "common/linux/proc_root.h"

/* One file to look for. */
struct open_target {
	bool wanted;	       /* false: there is no such file; it may still have been replaced */
	unsigned major, minor; /* device, as of stat(2) */
	uint64_t inode;
	const char
		*path; /* absolute and resolved: an unlinked file of this name is its predecessor */
	struct lock_key key; /* device and inode, as of /proc/PID/maps */
};

struct open_query {
	const struct open_target *targets;
	size_t count;
	pid_t self; /* not looked at: the caller's own descriptors */
	const char *const
		*avoid; /* mount points whose files are not looked at: a server may hang */
	size_t avoid_count;
};

/* One descriptor on one of the targets. */
struct open_file {
	pid_t pid;
	size_t target; /* index into the query's targets */
	int fd;	       /* -1: mapped, its descriptor is closed */
	bool replaced; /* an unlinked file that was at the target's path before */
	bool writable;
	char *path; /* as that process sees it */
	struct lock_line
		*locks; /* OFD and FLOCK locks taken through it, and its owner's POSIX locks */
	size_t lock_count;
};

struct open_files {
	struct open_file *items;
	size_t count, capacity;
	size_t hidden; /* processes whose descriptors we may not look at */
	bool unsettled; /* new processes kept coming: one may have got a file from one that was looked at before */
};

#define auto_open_files __attribute__((cleanup(open_files_release))) struct open_files

/*
 * Looks at every process; at its threads too if the leader has exited, since the descriptors are then only
 * seen there. `deep` looks at every thread of everybody (threads may have tables of their own) and at
 * mappings, and then at those that were started meanwhile, until there are none: slower, for when somebody must not
 * be missed.
 */
bool open_files_walk(const struct proc_root *root, const struct open_query *query, bool deep,
		     struct open_files *found, struct error *err);

/* Looks at one process; one that is gone has nothing open. Deep: with all its threads and mappings. */
void open_files_of(const struct proc_root *root, const struct open_query *query, pid_t pid,
		   bool deep, struct open_files *found);

void open_files_release(struct open_files *files);

#endif
