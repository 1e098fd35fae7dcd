/*
 * Removing a folder with whatever a foreign program has left in it. Everything is done by descriptor: links are not
 * followed, nothing outside is touched however names are moved about, and what is mounted below stays as it is.
 */
#ifndef LINUX_TREE_H
#define LINUX_TREE_H

#include <stdbool.h>

/*
 * Removes `name` in `parent_fd`: a file, a link, or a folder with all that is in it, of any depth. Folders in it that may
 * not be read or changed are made so first, if they are ours. Goes on after what cannot be removed; then it is false,
 * with errno of the first failure. What is not there is true.
 */
bool tree_remove(int parent_fd, const char *name);

/* The same for what is in the folder `fd` (not O_PATH). */
bool tree_empty(int fd);

#endif
