/* A folder of a test's own, with files in it, that goes away with the test. */
#ifndef TESTS_UNIT_FOLDER_H
#define TESTS_UNIT_FOLDER_H

#include "tests/unit/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline int folder_remove_one(const char *path, const struct stat *about, int type,
				    struct FTW *where)
{
	(void)about;
	(void)type;
	(void)where;
	return remove(path);
}

/* For cmocka: leaves the folder's path in *state. */
static inline int folder_make(void **state)
{
	const char *parent = getenv("TMPDIR");
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/unit.XXXXXX", parent && *parent ? parent : "/tmp");

	/* The path must be the resolved one, since that is what is compared with. */
	*state = mkdtemp(path) ? realpath(path, NULL) : NULL;
	return *state ? 0 : -1;
}

static inline int folder_remove(void **state)
{
	const int result = nftw(*state, folder_remove_one, 8, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return result;
}

/* "FOLDER/NAME" in a buffer of at least PATH_MAX bytes. */
static inline const char *folder_path(const char *folder, const char *name, char *path)
{
	const int length = snprintf(path, PATH_MAX, "%s/%s", folder, name);

	assert_in_range(length, 1, PATH_MAX - 1);
	return path;
}

/* Writes a file; folders on the way to it are made. */
static inline void folder_write(const char *folder, const char *name, const void *bytes,
				size_t length)
{
	char path[PATH_MAX];

	(void)folder_path(folder, name, path);
	for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}

	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, length), length);
	assert_int_equal(close(fd), 0);
}

static inline void folder_write_text(const char *folder, const char *name, const char *words)
{
	folder_write(folder, name, words, strlen(words));
}

#endif
