/*
 * Putting a backup back, all or nothing.
 *
 * The backup is copied to a private folder first, and that copy is what is verified and what is restored, whatever happens
 * to the file meanwhile. Then one of two ways:
 *
 * - Into a database that SQLite can open: as one transaction of it, into the same file (pour.h). A crash leaves the old
 *   content or the new one; connections that are open see the change; owner, mode and journal mode stay. Its write lock is
 *   taken first, and with that held the users are looked for again and the safety copy is made: nothing can be
 *   committed between the safety copy and the restore.
 * - Into the place of one that is missing or cannot be opened: the new file is prepared beside it; what is there is linked
 *   into a folder aside; then the old -wal, -journal and -shm lose their names, and only when that is durable the new
 *   file gets the database's name. So there is no moment of the new database beside old sidecars, and no moment without
 *   a file where there was one.
 */
#ifndef COMMON_RESTORE_H
#define COMMON_RESTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/backup.h"
#include "common/backup_folder.h"
#include "common/backup_source.h"
#include "common/base/error.h"
#include "common/base/progress.h"
#include "common/database_summary.h"
#include "common/linux/proc_root.h"
#include "common/linux/work_folder.h"
#include "common/state_folder.h"
#include "common/target.h"

#define RESTORE_WORK_PREFIX ".dbrestore."
#define RESTORE_ASIDE_PREFIX "aside-"

struct restore_options {
	int64_t at; /* the newest backup not after this; milliseconds since 1970; negative: the newest */
	bool live;	    /* also while others have the database open */
	bool force;	    /* also when it seems to be another application's */
	bool no_safety;	    /* make no copy of what is there */
	bool dry_run;	    /* find out, and change nothing */
	const char *safety; /* folder for that copy; NULL: the state folder */
	double wait; /* seconds for locks and, when given, for users to go; negative: not given */
};

enum restore_method { RESTORE_TRANSACTION, RESTORE_RENAME };

struct restore {
	/* Given. Not owned. */
	const struct proc_root *root;
	const char *backup, *database; /* as the user wrote them */
	struct restore_options options;
	struct progress *progress;

	/* Found. */
	struct backup_source source;
	struct target target; /* files[FILE_MAIN].path_fd -1: there is no such file */
	char *shown;	      /* the database, printable */
	char *folder;	/* of the database, as the user would write it, with its slash or "" */
	char *absolute; /* the database's path */
	enum restore_method method;
	int state_fd; /* the state folder, locked; with dry_run one for temporary files */
	struct work_folder work; /* WORK_COPY in it is what is restored */
	struct database_summary before, after;

	/* Done. */
	char *safety_copy;	   /* path; NULL: none was made */
	bool safety_verified;	   /* false: what was there is damaged, and so is its copy */
	struct backup_names aside; /* paths of what was replaced */
	bool committed;		   /* the new content is in place */
	double seconds;
};

#define RESTORE_NONE                                                                 \
	{                                                                            \
		.source = BACKUP_SOURCE_NONE, .target = TARGET_NONE, .state_fd = -1, \
		.work = WORK_FOLDER_NONE,                                            \
	}

#define auto_restore __attribute__((cleanup(restore_release))) struct restore

/*
 * All of it. STATUS_NO: seems to be another application's. STATUS_BUSY: somebody has the database open. STATUS_UNKNOWN: who
 * has it open could not be seen. STATUS_TROUBLE: nothing was changed unless it says so. STATUS_PUT_BACK, STATUS_DAMAGED:
 * as everywhere.
 */
bool restore_run(struct restore *restore, struct error *err);
void restore_release(struct restore *restore);

/*
 * Whether nobody but the process `ours` (0: nobody) uses the database; who only reads the file as a file does not count.
 * False with STATUS_BUSY and who it is, or STATUS_UNKNOWN.
 */
bool restore_is_unused(const struct restore *restore, pid_t ours, struct error *err);

/*
 * Whether no other process has one of the files open that were found, or that were at their names before. Says nothing of
 * locks. False with STATUS_BUSY and the PID.
 */
bool restore_nobody_has_open(const struct restore *restore, struct error *err);

/* Seconds to be patient about locks, unless it was said otherwise. */
enum { RESTORE_LOCK_WAIT = 10 };

double restore_lock_wait(const struct restore *restore);

/* Steps of it, in files of their own. */
bool restore_find(struct restore *restore, struct error *err); /* the backup */
bool restore_place(struct restore *restore,
		   struct error *err); /* the database, or where it is to be */
bool restore_prepare(struct restore *restore,
		     struct error *err); /* the copy: verified, as the target wants it */
bool restore_pour(struct restore *restore, struct error *err);	  /* by transaction */
bool restore_replace(struct restore *restore, struct error *err); /* by rename */

#endif
