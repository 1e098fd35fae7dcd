/*
 * A folder of backups: what is in it, and which of it to keep. Only a FILE with a manifest that names it is a backup
 * here; everything else in the folder is somebody else's.
 */
#ifndef COMMON_BACKUP_CATALOG_H
#define COMMON_BACKUP_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/backup_manifest.h"
#include "common/base/error.h"

struct backup_entry {
	struct backup_manifest manifest;
	bool keep; /* set by backup_retention() */
};

struct backup_catalog {
	struct backup_entry *items; /* oldest first */
	size_t count, capacity;
	size_t unreadable; /* manifests that could not be read, or that do not fit their file */
	struct {
		char **items;
		size_t count, capacity;
	} missing; /* files of which only the manifest is left */
};

#define auto_backup_catalog __attribute__((cleanup(backup_catalog_release))) struct backup_catalog

/* Suffixes of what is beside FILE. */
#define MANIFEST_SUFFIX ".json"
#define SUM_SUFFIX ".sha256"

/* Reads the folder; nothing is verified, but that the file has the size that its manifest says. */
bool backup_catalog_read(int folder_fd, const char *shown, struct backup_catalog *catalog,
			 struct error *err);
void backup_catalog_release(struct backup_catalog *catalog);

/*
 * The manifest of `file` in a folder. STATUS_NO when it has none that can be believed; *missing tells whether there is no
 * such file at all.
 */
bool backup_manifest_load(int folder_fd, const char *file, struct backup_manifest *manifest,
			  bool *missing, struct error *err);

/* How many to keep; 0: this rule keeps none. All 0: everything is kept. */
struct backup_rules {
	uint64_t last, daily, weekly, monthly;
};

/*
 * Decides which backups of the database that `own` is one of to keep, as restic's forget does: the newest `last`; and of the newest `daily` days (UTC)
 * that have a backup the newest of each, likewise weeks (ISO) and months; the union. Only verified ones count and can be
 * dropped; the newest of them is always kept, and the newest one with anything in it. All others are kept. Pure. Returns how many are
 * not kept.
 */
size_t backup_retention(struct backup_catalog *catalog, const struct backup_manifest *own,
			const struct backup_rules *rules);

/*
 * Deletes a backup: FILE first, then what is beside it, so that a FILE is never without. One that is gone is fine.
 */
bool backup_delete(int folder_fd, const struct backup_entry *entry, struct error *err);

/* Removes manifests and sums whose FILE is gone or never came: what killed runs left. */
void backup_sweep(int folder_fd);

#endif
