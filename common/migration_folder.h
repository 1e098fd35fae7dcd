/*
 * A folder of migrations, read once and by its descriptor: everything is in memory, so that what was hashed is what runs, even when
 * the folder or a file in it is replaced meanwhile.
 */
#ifndef COMMON_MIGRATION_FOLDER_H
#define COMMON_MIGRATION_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/migration_file.h"

/* Bytes of the largest file that is read. */
enum { MIGRATION_FILE_MOST = 64 << 20 };

struct migration_folder {
	int fd;	     /* of the folder; -1: not open */
	char *path;  /* as given */
	char *shown; /* the same, printable */
	enum migration_style style;
	struct migration_file
		*items; /* dbmate: ordered by the bytes of their names; pairs: by number */
	size_t count, capacity;
};

#define auto_migration_folder \
	__attribute__((cleanup(migration_folder_release))) struct migration_folder

/* What to declare one with. */
#define MIGRATION_FOLDER_NONE \
	{                     \
		.fd = -1      \
	}

/*
 * Reads and parses all migrations of the folder. They are golang-migrate's pairs when there is an up file of one, and no file that can
 * only be dbmate's. Other names are nobody's: editors' files, ".SQL".
 *
 * An error (STATUS_TROUBLE): a migration's name that is no regular file, or has control characters; a file that everybody may write to,
 * that is larger than MIGRATION_FILE_MOST, or that changes while it is read; and for root one whose owner is neither root nor
 * the folder's. No error here: what cannot be parsed (`problem` of it), versions that are there twice, and numbers that the order by
 * name does not follow.
 */
bool migration_folder_read(struct migration_folder *folder, const char *path, struct error *err);

/* The first one of that version (migration_version_compare()); NULL: none is. */
const struct migration_file *migration_folder_find(const struct migration_folder *folder,
						   const char *version);
void migration_folder_release(struct migration_folder *folder);

#endif
