/*
 * The files of one database, found once and then spoken of through descriptors, so that no later rename can
 * make a survey look at something else.
 *
 * They are held as O_PATH: such a descriptor is not an open file to the kernel, so two surveys side by side do
 * not take each other for users of the database. Whoever wants to read or to ask for locks opens for that
 * moment with target_reopen().
 *
 * POSIX locks of a process on a file go away when it closes any descriptor on that file. So a process that
 * has the database open through SQLite must not call target_reopen(); it forks first (reference F10).
 */
#ifndef COMMON_TARGET_H
#define COMMON_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "common/linux/lock_table.h"
#include "common/linux/mounts.h"
#include "common/linux/proc_root.h"
#include "common/sqlite/database_files.h"

struct target_file {
	int path_fd; /* O_PATH; -1 when there is no such file */
	struct stat stat;
	unsigned major, minor; /* of stat's device */
	struct lock_key key;   /* how /proc/locks names it */
};

struct target {
	char *given;	/* the path as the user wrote it */
	char *absolute; /* the same from the root on; symbolic links kept */
	char *resolved; /* where the file really is; SQLite puts the other files beside this one */
	int folder_fd;	/* its folder, O_PATH */
	char *name;	/* its name in there */
	struct target_file files[FILE_COUNT];
	char *filesystem; /* type, "ext4" */
	char *filesystem_options;
	enum filesystem_trust trust;
	bool moved; /* opening failed because it was renamed or replaced at that moment */
	bool has_dotfile; /* a folder DATABASE.lock lies beside it: the lock of SQLite's unix-dotfile VFS */
	struct timespec dotfile_changed; /* when that lock was last raised */
};

/* A target before target_open(): nothing to release. */
#define TARGET_NONE                                                                       \
	{                                                                                 \
		.folder_fd = -1, .files = { [0 ... FILE_COUNT - 1] = { .path_fd = -1 } }, \
	}

#define auto_target __attribute__((cleanup(target_release))) struct target

/*
 * Finds the database at `path` and its other files. Refuses what is no regular file (without opening it: a FIFO
 * would hang us) and what lies in the upper folder of an overlay, where locks do not reach the container.
 */
bool target_open(struct target *target, const struct proc_root *root, const char *path,
		 struct error *err);
/* A path from the root on, links kept; free() it. */
char *target_absolute(const char *path) __attribute__((returns_nonnull));
void target_release(struct target *target);

/*
 * Opens one of the files for reading; it must exist. The caller closes it, soon. Returns -1 on failure, with
 * errno set too.
 */
int target_reopen(const struct target *target, enum database_file file, struct error *err);

/* What the main file's header says now; false when it cannot be read. Opens and closes it, see above. */
bool target_header(const struct target *target, struct database_header *header);

/* Whether the user may read the main file by their own rights; a file capability must not lend them ours. */
bool target_may_read(const struct target *target, struct error *err);

/* Whether nobody on this machine can write to its file system: mounted read-only, the whole of it. */
bool target_is_frozen(const struct target *target);

/*
 * Refuses one with several hard links: SQLite keeps its -wal and -journal beside the name that the application uses,
 * and they belong to it (howtocorrupt.html 2.5).
 */
bool target_has_one_name(const struct target *target, struct error *err);

/* Whether two targets found the same main file. */
bool target_same(const struct target *a, const struct target *b);

#endif
