/*
 * A private folder for files that are not finished yet: PREFIX and 16 hex digits, mode 0700, on the file system of
 * where the result will be. It is locked (flock(2)) for as long as its maker lives, so that a later run can tell what
 * a killed one left behind from what somebody works in, and sweep it. Everything is done by descriptor: nobody can
 * make these functions touch another folder by renaming.
 */
#ifndef LINUX_WORK_FOLDER_H
#define LINUX_WORK_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"

/*
 * The names that may be used in one, the files that SQLite makes beside them apart. A folder with any other name in it
 * is not ours, and is left as it is.
 */
#define WORK_COPY "copy"	 /* a database */
#define WORK_PACKED "packed"	 /* the same, compressed */
#define WORK_MANIFEST "manifest" /* what goes beside it */
#define WORK_SUM "sum"

enum { WORK_NAME_SIZE = 64 };

struct work_folder {
	int parent_fd; /* owned by the caller; -1: there is none */
	int fd;
	char name[WORK_NAME_SIZE];
};

#define WORK_FOLDER_NONE                  \
	{                                 \
		.parent_fd = -1, .fd = -1 \
	}

#define auto_work_folder __attribute__((cleanup(work_folder_remove))) struct work_folder

/* Makes one in `parent_fd`, which must stay open. `shown` names the parent in messages. */
bool work_folder_make(struct work_folder *folder, int parent_fd, const char *prefix,
		      const char *shown, struct error *err);

/* Removes it with what is in it. What cannot be removed is left for the next sweep. */
void work_folder_remove(struct work_folder *folder);

/* Removes what killed runs left in `parent_fd`; returns how many folders. */
size_t work_folder_sweep(int parent_fd, const char *prefix);

#endif
