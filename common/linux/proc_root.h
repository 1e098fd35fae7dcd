/*
 * An open /proc: everything that is read from there goes through one descriptor, so that nobody can swap
 * the tree in between, and so that tests can pass a folder of their own.
 */
#ifndef LINUX_PROC_ROOT_H
#define LINUX_PROC_ROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/error.h"

struct proc_root {
	int fd;			     /* the folder */
	bool initial_pid_namespace;  /* processes of all PID namespaces are below it */
	bool initial_user_namespace; /* our capabilities count for processes of all users */
	pid_t self;		     /* our own PID, as this /proc numbers it */
};

#define PROC_ROOT_CLOSED \
	{                \
		.fd = -1 \
	}
#define auto_proc_root __attribute__((cleanup(proc_root_close))) struct proc_root

/*
 * Opens `path`; NULL means the machine's own /proc, which must then really be a procfs (a folder that
 * somebody mounted over it could tell anything).
 */
bool proc_root_open(struct proc_root *root, const char *path, struct error *err);
void proc_root_close(struct proc_root *root);

/*
 * Reads at most `most` bytes of a file below `fd` into a new NUL-terminated buffer (free() it). Returns
 * NULL with errno set when it cannot be read; *length may be NULL.
 */
char *proc_read(int fd, const char *path, size_t most, size_t *length);

/* The same for a symbolic link: its text, exact bytes. */
char *proc_read_link(int fd, const char *path);

/*
 * Whether two processes have one mount namespace (namespaces(7)): the same files by the same names. False also when that
 * cannot be looked at.
 */
bool proc_shares_mounts(const struct proc_root *root, pid_t a, pid_t b);

/* Walks the entries of a folder that are numbers: processes, threads, descriptors. */
struct number_walk {
	int fd;		     /* the folder; not owned */
	size_t filled, next; /* of `buffer`, bytes */
	int error;	     /* errno of a failed read, else 0 */
	char buffer[32768] __attribute__((aligned(8)));
};

void number_walk_start(struct number_walk *walk, int fd);

/* The next number and its name (valid until the next call); false at the end or on error. */
bool number_walk_next(struct number_walk *walk, int *number, const char **name);

#endif
