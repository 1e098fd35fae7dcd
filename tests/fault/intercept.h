/*
 * What inject.so and record.so share: the C library's calls that change files, each made into one
 * `struct operation`, and a log that survives whatever happens to the process.
 *
 * A tool is run with LD_PRELOAD=inject.so (or record.so) and
 *
 *	FAULT_ROOT	the folder to watch: only files and folders below it count
 *	FAULT_LOG	an existing file, as large as the log may become; FAULT_* of inject.c say the rest
 *
 * Only what goes through the dynamic linker is seen: not the writes that glibc's stdio makes by itself, and not
 * through a mapping (SQLite writes its -shm so, which no crash needs).
 */
#ifndef FAULT_INTERCEPT_H
#define FAULT_INTERCEPT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Below the root, in a path: the file is on another file system, which is mounted over what is really there, as in
 * the private view that dbmigrate gives to the program that it runs.
 */
#define COVERED "/.covered"

/* What can happen to an operation; the driver chooses the faults that fit. */
enum operation_traits {
	TAKES_SPACE = 1,      /* may fail with ENOSPC */
	IS_INTERRUPTIBLE = 2, /* may fail with EINTR */
	IS_DIVISIBLE = 4,     /* may be done for the first part of its length only */
	IS_SYNC = 8,	      /* makes something durable, changes nothing */
	MAKES_NAME = 16,      /* the file is not there before */
	HAS_CREATED = 32,     /* set by open when it is over: the file was not there before */
	WAS_HIT = 64,	      /* set by inject.c */
};

struct operation {
	const char *name; /* as the call, without what the call's variants add */
	unsigned traits;
	char path[PATH_MAX]; /* what it is done to; "" when that is not below FAULT_ROOT */
	char second
		[PATH_MAX]; /* the new name of a rename or link, the text of a symlink; else "" */
	uint64_t inode;	    /* of the file at `path` before; of what was made, after */
	int64_t offset;	    /* of a write, else 0 */
	uint64_t length;    /* bytes; the new size; or the flags of a rename */
	const void *data;   /* a write's bytes, else NULL */
	size_t data_length;
};

/*
 * Each shared object has these two, and is asked about what it watches. false: do not do it, errno says what
 * the caller is told. `length` of a divisible operation may be made smaller.
 */
bool before_operation(struct operation *operation);
/* `result` is what the call returned; -1 and errno when it failed. */
void after_operation(struct operation *operation, int64_t result);

/*
 * The log file, mapped by every process. It is a struct log, then struct log_entry after struct log_entry, each
 * with its name, path and second (NUL at the end of each), then its data, up to a multiple of 8.
 */
struct log {
	_Atomic uint64_t used;	/* bytes of entries */
	_Atomic uint64_t count; /* operations so far, of all processes */
	uint64_t unused[6];
};

struct log_entry {
	uint32_t size; /* of all of it; 0 when its process was killed while it wrote it */
	uint32_t traits;
	int32_t pid;
	int32_t error; /* errno, or 0 */
	uint64_t inode;
	int64_t offset;
	uint64_t length;
	uint64_t data_length;
};

/* NULL when there is nothing to watch. */
extern struct log *fault_log;

void log_operation(const struct operation *operation, int error);

#endif
