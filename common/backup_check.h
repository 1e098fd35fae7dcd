/* Verifying backups that are there: one file, or all of a folder. */
#ifndef COMMON_BACKUP_CHECK_H
#define COMMON_BACKUP_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/base/progress.h"
#include "common/sqlite/integrity.h"

struct backup_check {
	char *path; /* as the user would write it */
	bool good;
	char *reason; /* what was found right, or wrong; printable */
};

struct backup_checks {
	struct backup_check *items;
	size_t count, capacity;
	size_t damaged; /* how many are not good */
};

#define auto_backup_checks __attribute__((cleanup(backup_checks_release))) struct backup_checks

/*
 * Checks the backup `given`, or each in the folder of that name: its digest, then the database in it as `verify` asks;
 * a full check where there is no manifest. False when it could not be done; a damaged backup is a result.
 */
bool backup_check(const char *given, enum integrity verify, struct progress *progress,
		  struct backup_checks *checks, struct error *err);
void backup_checks_release(struct backup_checks *checks);

#endif
