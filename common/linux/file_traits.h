/* Owner, permissions, access control list and other extended attributes of a file that takes the place of another. */
#ifndef LINUX_FILE_TRAITS_H
#define LINUX_FILE_TRAITS_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/error.h"

/*
 * Gives `to` what `from` (an O_PATH descriptor is enough) has of these. An attribute that the file system or our rights do
 * not allow is left out; owner and permissions are an error.
 */
bool file_traits_copy(int from, int to, const char *shown, struct error *err);

/* Owner and permissions by their numbers. Not `strict`: a user who cannot give files away keeps it. */
bool file_traits_set(int fd, mode_t mode, uid_t uid, gid_t gid, bool strict, const char *shown,
		     struct error *err);

#endif
