/* A folder of backups kept in order: leftovers swept, old ones deleted. */
#ifndef COMMON_BACKUP_FOLDER_H
#define COMMON_BACKUP_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/backup.h"
#include "common/backup_catalog.h"
#include "common/backup_destination.h"
#include "common/base/error.h"

/* Backups that were deleted, or would be. */
struct backup_names {
	char **items; /* paths as the user would write them */
	size_t count, capacity;
};

void backup_names_release(struct backup_names *names);

struct json_t;

/* Puts them as an array of absolute paths under `key`. */
void backup_names_put(struct json_t *object, const char *key, const struct backup_names *names);

/* Removes what killed runs left, and only that. The manifests only where the folder is ours alone (it is locked). */
void backup_folder_tidy(const struct destination *destination);

/* Reads the folder at a path. */
bool backup_folder_list(const char *path, struct backup_catalog *catalog, struct error *err);

/* After a backup was published: deletes what `rules` drop, and names it. */
bool backup_folder_prune(const struct backup *backup, const struct destination *destination,
			 const struct backup_rules *rules, struct backup_names *deleted,
			 struct error *err);

/* A dry run: the path that the backup would get now, and what would be deleted then. */
bool backup_folder_plan(struct backup *backup, const struct destination *destination,
			const struct backup_rules *rules, struct backup_names *deleted,
			struct error *err);

#endif
