/*
 * Making files durable and giving them their names: what is written is synced before it is named, and a name is synced
 * with its folder. After a failed fsync(2) the pages may count as clean (reference F2), so a file whose sync
 * failed is thrown away, never synced again. `shown` names the file or folder in messages, printable.
 */
#ifndef LINUX_PUBLISH_H
#define LINUX_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"

bool publish_sync(int fd, const char *shown, struct error *err);

/* Syncs a folder. File systems that cannot (EINVAL: some on a network) are taken as they are. */
bool publish_sync_folder(int fd, const char *shown, struct error *err);

/* Makes a new file of mode 0600 with these bytes, synced. It must not exist; after a failure on the way it does not either. */
bool publish_write(int folder_fd, const char *name, const void *bytes, size_t length,
		   const char *shown, struct error *err);

/*
 * Renames; never over something that is there. When somebody else has the name, the error is STATUS_TROUBLE and
 * errno EEXIST. The result is looked at again: it must be the file that was renamed.
 */
bool publish_new(int from_fd, const char *from, int to_fd, const char *to, const char *shown,
		 struct error *err);

/* The same over whatever has that name. */
bool publish_over(int from_fd, const char *from, int to_fd, const char *to, const char *shown,
		  struct error *err);

/* Room that an unprivileged user has on the file system of `fd`; false when there is less. */
bool publish_has_room(int fd, unsigned long long bytes, const char *shown, struct error *err);

#endif
