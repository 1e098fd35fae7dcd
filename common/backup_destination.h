/* Where a backup goes: a folder, one file, or standard output. Opened once, and used by descriptor from then on. */
#ifndef COMMON_BACKUP_DESTINATION_H
#define COMMON_BACKUP_DESTINATION_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/target.h"

enum destination_kind { DESTINATION_FOLDER, DESTINATION_FILE, DESTINATION_OUTPUT };

struct destination {
	enum destination_kind kind;
	char *folder; /* as the user would write it; "" for the current one */
	char *file;   /* name in there, for DESTINATION_FILE */
	int folder_fd; /* for output: a folder for temporary files. Else it may be locked (flock(2)) */
};

#define DESTINATION_NONE        \
	{                       \
		.folder_fd = -1 \
	}

#define auto_destination __attribute__((cleanup(destination_release))) struct destination

/*
 * Finds out what `given` is: "-", a folder that exists, a folder to be made ("x/"; only its last part, mode 0700), else a
 * file, see destination_is_free(). NULL: the folder "backups" beside the database, made if missing. `make` false (a dry run)
 * makes no folder: folder_fd stays -1 where there is none.
 */
bool destination_open(struct destination *destination, const char *given,
		      const struct target *target, bool make, struct error *err);

/* Refuses a file that exists, which is not overwritten, and a name that SQLite uses beside the database. */
bool destination_is_free(const struct destination *destination, const struct target *target,
			 struct error *err);

/* Opens an existing folder of backups. */
bool destination_open_folder(struct destination *destination, const char *given, struct error *err);

/* Nobody else makes or deletes backups in the folder from here on. STATUS_BUSY when that takes longer than `wait` seconds. */
bool destination_lock(struct destination *destination, double wait, struct error *err);

void destination_release(struct destination *destination);

#endif
