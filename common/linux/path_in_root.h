/*
 * Paths below another process's root, as that process sees them. What lies there is somebody else's: a link is followed as it
 * means in there, and none leads out, nor through a link of /proc's.
 */
#ifndef LINUX_PATH_IN_ROOT_H
#define LINUX_PATH_IN_ROOT_H

#include <stddef.h>

/* As open(2), with that folder as the root of `path` and of every link; -1 with errno. */
int path_open_in(int root_fd, const char *path, int flags);

/* How much of a path is "/proc/PID/root", before the slash; 0 when it does not lead through one. */
size_t path_root_length(const char *path);

/* As open(2), but with path_open_in() behind /proc/PID/root. */
int path_open(const char *path, int flags);

#endif
