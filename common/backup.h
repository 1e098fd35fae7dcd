/*
 * Making a backup: a snapshot of the live database, checked, with its manifest, under a name that exists only when all of
 * that is there for good.
 *
 * Everything is made in a private folder on the file system of the destination. Then FILE.json, FILE.sha256 and last
 * FILE get their names, each synced before the next: whoever sees FILE sees a verified backup with all that belongs to it.
 */
#ifndef COMMON_BACKUP_H
#define COMMON_BACKUP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/backup_catalog.h"
#include "common/backup_manifest.h"
#include "common/base/error.h"
#include "common/base/progress.h"
#include "common/linux/work_folder.h"
#include "common/snapshot.h"
#include "common/target.h"

/* What the private folders are called. */
#define BACKUP_WORK_PREFIX ".dbbackup."

struct backup_options {
	enum integrity verify;
	bool api;    /* use the Online Backup API */
	bool held;   /* see struct snapshot */
	bool pack;   /* with zstd */
	int level;   /* of zstd */
	double wait; /* seconds to be patient about locks */
};

struct backup {
	/* Given. Not owned. */
	const struct target *target;
	struct backup_options options;
	int folder_fd;	    /* where the backup goes */
	const char *folder; /* its path, for messages; "" for the current one */
	const char *file;   /* name in there; NULL: made of the database's name and the time */
	struct progress *progress;

	/* Made. */
	struct work_folder work;
	struct snapshot *snapshot; /* in shared memory */
	struct backup_manifest manifest;
	char *path;	/* of the backup, as the user would write it; once it is published */
	double seconds; /* that all of it took */
};

#define auto_backup __attribute__((cleanup(backup_release))) struct backup

/* A struct backup before it is used: nothing to release. */
#define BACKUP_NONE                                        \
	{                                                  \
		.folder_fd = -1, .work = WORK_FOLDER_NONE, \
	}

/*
 * Takes, checks and packs the copy; it is then WORK_COPY, or with `pack` WORK_PACKED, in `work`. STATUS_NO: the copy is
 * damaged, as the database itself must be. STATUS_BUSY: it is locked.
 */
bool backup_make(struct backup *backup, struct error *err);

/* Gives it its name. One that exists is an error, unless the name is ours to choose. */
bool backup_publish(struct backup *backup, struct error *err);

/* Opens what backup_make() made, for reading. */
int backup_open(const struct backup *backup, struct error *err);

/* Removes what was not published. */
void backup_release(struct backup *backup);

/* The name that a backup of this database gets: "bot-20261122T121500.123Z.db"; free() it. */
char *backup_name(const struct target *target, int64_t time, bool packed)
	__attribute__((returns_nonnull, warn_unused_result));

/* FOLDER/NAME as one would write it; free() it. */
char *backup_path(const char *folder, const char *name)
	__attribute__((returns_nonnull, warn_unused_result));

/*
 * Opens a database in a worker and checks it; fills in *facts (shared memory) when that is not NULL. With `verify` none,
 * facts that cannot be had are left zero.
 */
struct backup_inspection {
	int folder_fd;
	const char *name;      /* of the database, in that folder */
	const char *shown;     /* for messages, printable */
	enum integrity verify; /* in: what is wanted; out: what was done */
	bool frozen;	       /* see connection.h */
	struct schema_facts facts;
};

bool backup_inspect(void *inspection, struct error *err);

#endif
