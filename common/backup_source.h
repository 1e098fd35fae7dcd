/* A backup to be looked at or restored: found once, and used by descriptor from then on. */
#ifndef COMMON_BACKUP_SOURCE_H
#define COMMON_BACKUP_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/backup_manifest.h"
#include "common/base/error.h"
#include "common/base/progress.h"

struct backup_source {
	char *path;  /* as the user would write it */
	char *shown; /* the same, printable */
	int folder_fd;
	char *name;		 /* in there */
	int fd;			 /* the file */
	uint64_t size;		 /* its bytes */
	struct timespec changed; /* its last modification */
	bool packed;		 /* with zstd, as its first bytes say */
	bool has_manifest;	 /* one that can be believed; else there is no such file */
	struct backup_manifest manifest;
};

#define BACKUP_SOURCE_NONE                \
	{                                 \
		.folder_fd = -1, .fd = -1 \
	}

#define auto_backup_source __attribute__((cleanup(backup_source_release))) struct backup_source

/*
 * Opens the file `name` in a folder, which is duplicated. A link, a FIFO and the like are refused. STATUS_NO when there is a
 * manifest that is not this file's.
 */
bool backup_source_open(struct backup_source *source, int folder_fd, const char *folder,
			const char *name, struct error *err);

/* The same by its path. */
bool backup_source_open_path(struct backup_source *source, const char *path, struct error *err);
void backup_source_release(struct backup_source *source);

/*
 * Checks it: its digest against its manifest, then the database in it as `verify` asks; without a manifest with a full check.
 * STATUS_NO when it is damaged. A packed one is unpacked to a private folder in `work_fd`.
 */
bool backup_source_check(struct backup_source *source, enum integrity verify, int work_fd,
			 struct progress *progress, struct error *err);

/*
 * The same into a private copy: WORK_COPY in `copy_fd`, which is what was checked. *facts tells about it, and *digest of
 * what it is.
 */
bool backup_source_fetch(struct backup_source *source, enum integrity verify, int copy_fd,
			 struct schema_facts *facts, struct progress *progress, struct error *err);

#endif
