/* A whole backup run, from a database to a folder in order. */
#ifndef COMMON_BACKUP_JOB_H
#define COMMON_BACKUP_JOB_H

#include <stdbool.h>

#include "common/backup.h"
#include "common/backup_destination.h"
#include "common/backup_folder.h"
#include "common/base/error.h"
#include "common/linux/proc_root.h"
#include "common/target.h"

struct backup_job {
	/* Given. Not owned. */
	const struct proc_root *root;
	const char *database;	 /* as the user wrote it */
	const char *destination; /* likewise; NULL for the usual one, see backup_destination.h */
	struct backup_options options;
	struct backup_rules rules;
	bool dry_run;
	/*
	 * A destination that is a backup already will do, if it has just this state of the database. Else another one is made, in
	 * the same folder. STATUS_TROUBLE when that file is no verified backup of this database.
	 */
	bool may_be_made;
	struct progress *progress;
	/* Takes a backup that goes to standard output: everything from where `fd` stands. */
	bool (*hand_out)(int fd, struct error *err);

	/* Found and done. */
	struct target target;
	struct destination place;
	struct backup backup;
	struct backup_names deleted; /* with dry_run: would be */
	bool delivered;		     /* the backup is there, also when what came after it failed */
	bool was_made;		     /* it was there before */
	char *path;		     /* of the backup that is there, as the user would write it */
};

#define BACKUP_JOB_NONE                                                                  \
	{                                                                                \
		.target = TARGET_NONE, .place = DESTINATION_NONE, .backup = BACKUP_NONE, \
	}

#define auto_backup_job __attribute__((cleanup(backup_job_release))) struct backup_job

/*
 * STATUS_NO: the database is damaged, and no backup was made. STATUS_BUSY: it is locked (the error says by whom), or another
 * run is at work in the folder.
 */
bool backup_job_run(struct backup_job *job, struct error *err);
void backup_job_release(struct backup_job *job);

#endif
