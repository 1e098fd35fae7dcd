/*
 * The mounts that this process sees (/proc/self/mountinfo): which file system a file lies on, what the kernel
 * calls that in /proc/locks, and whether locks on it can be believed.
 */
#ifndef LINUX_MOUNTS_H
#define LINUX_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/linux/proc_root.h"

struct mount {
	uint64_t id;	       /* as in fdinfo's mnt_id */
	unsigned major, minor; /* device of the superblock, as in /proc/locks */
	char *point;	       /* where it is mounted */
	char *type;	       /* "ext4", "fuse.bindfs" */
	char *options;	       /* the superblock's options, escaped as the kernel shows them */
};

struct mounts {
	struct mount *items;
	size_t count, capacity;
};

#define auto_mounts __attribute__((cleanup(mounts_release))) struct mounts

bool mounts_read(const struct proc_root *root, struct mounts *mounts, struct error *err);

/*
 * Adds what another process sees, for a path through its root, /proc/PID/root/...: such files lie on mounts that are not
 * ours. Nothing is added for other paths, or when it may not be looked at.
 */
void mounts_read_along(const struct proc_root *root, const char *path, struct mounts *mounts);
void mounts_release(struct mounts *mounts);

/* Reads one line of mountinfo; false when it is not of the kernel's form. Fill *mount from zero. */
bool mount_line_read(const char *line, struct mount *mount);
void mount_release(struct mount *mount);

/* NULL when the mount is not among them. */
const struct mount *mounts_find(const struct mounts *mounts, uint64_t id);

/* The mount that an open descriptor of ours lies on; NULL when that cannot be told. */
const struct mount *mounts_of_descriptor(const struct mounts *mounts, const struct proc_root *root,
					 int fd);

enum filesystem_trust {
	FILESYSTEM_LOCAL,   /* this kernel sees every open and every lock of its files */
	FILESYSTEM_UNKNOWN, /* not on either list: no certificate, no alarm */
	FILESYSTEM_SHARED,  /* a network, FUSE, or a folder of the virtual machine's host */
};

enum filesystem_trust filesystem_trust(const char *type);

/*
 * The type by statfs(2)'s number, for a file whose mount cannot be seen (in a chroot); "unknown" for one that is on
 * neither list.
 */
const char *filesystem_type_of(long magic) __attribute__((returns_nonnull));

/*
 * If `path` (absolute, resolved) lies in the upper folder of an overlay, where container engines keep what
 * containers write: the folder of the path under which the container uses the file (the merged mount), or
 * "" when that is not known. NULL when it does not. *rest, a part of `path`, is where it is below that folder. Locks do not reach from one to the other.
 */
const char *mounts_overlay_over(const struct mounts *mounts, const char *path, const char **rest);

#endif
