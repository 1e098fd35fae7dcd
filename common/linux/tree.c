#include "common/linux/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/scope.h"

/* Levels that are held open at once. What lies deeper is moved up first, or descriptors would run out. */
enum { DEEPEST = 16, NAME_SIZE = 48 };

struct removal {
	int top_fd;	   /* the folder that is emptied */
	uint64_t progress; /* entries removed or moved up, in this round */
	uint64_t moved;	   /* moved up, in all rounds */
	int error;	   /* errno of the first failure of this round, else 0 */
};

static void note_failure(struct removal *removal)
{
	if (removal->error == 0)
		removal->error = errno;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool make_usable(int fd)
{
	struct stat stat = { 0 };

	return fstat(fd, &stat) == 0 &&
	       ((stat.st_mode & 0700) == 0700 || fchmod(fd, stat.st_mode | 0700) == 0);
}

/* Opens a folder for emptying it, also one that its owner may not read (overlayfs makes such). */
static int open_folder(int parent_fd, const char *name)
{
	static const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	auto_close int fd = openat(parent_fd, name, flags);

	if (fd < 0 && errno == EACCES) {
		auto_close int path_fd =
			openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		char path[NAME_SIZE];

		/* Only so is it sure to be the folder that is there, and no link to another. */
		(void)snprintf(path, sizeof path, "/proc/self/fd/%d", path_fd);
		if (path_fd < 0 || chmod(path, 0700) != 0)
			return -1;
		fd = openat(path_fd, ".", flags);
	}
	if (fd >= 0 && !make_usable(fd) && errno != EPERM)
		return -1;
	return take_descriptor(&fd);
}

static bool move_up(struct removal *removal, int fd, const char *name)
{
	char upper_name[NAME_SIZE];

	(void)snprintf(upper_name, sizeof upper_name, ".deep.%llu",
		       (unsigned long long)++removal->moved);
	return renameat2(fd, name, removal->top_fd, upper_name, RENAME_NOREPLACE) == 0 ||
	       errno == EEXIST; /* a name of somebody else's choice: the next one is free */
}

static void empty(struct removal *removal, int fd, unsigned depth);

static bool remove_folder(struct removal *removal, int fd, const char *name, unsigned depth)
{
	/* What is mounted there is busy. */
	if (unlinkat(fd, name, AT_REMOVEDIR) == 0)
		return true;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return false;

	auto_close int inner = open_folder(fd, name);

	if (inner < 0)
		return false;
	if (depth >= DEEPEST)
		return move_up(removal, fd, name);
	empty(removal, inner, depth + 1);
	return unlinkat(fd, name, AT_REMOVEDIR) == 0;
}

static void empty(struct removal *removal, int fd, unsigned depth)
{
	/* Opened anew, so that the position is our own. */
	const int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_dir DIR *entries = again >= 0 ? fdopendir(again) : NULL;
	const struct dirent *entry = NULL;

	if (!entries) {
		note_failure(removal);
		if (again >= 0)
			(void)close(again);
		return;
	}
	while ((entry = readdir(entries))) {
		if (is_dots(entry->d_name))
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0 ||
		    (errno == EISDIR && remove_folder(removal, fd, entry->d_name, depth)))
			removal->progress++;
		else if (errno != ENOENT)
			note_failure(removal);
	}
}

static bool is_empty(int fd)
{
	const int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_dir DIR *entries = again >= 0 ? fdopendir(again) : NULL;
	const struct dirent *entry = NULL;

	if (!entries) {
		if (again >= 0)
			(void)close(again);
		return false;
	}
	while ((entry = readdir(entries)))
		if (!is_dots(entry->d_name))
			return false;
	return true;
}

bool tree_empty(int fd)
{
	struct removal removal = { .top_fd = fd };

	/* Rounds: readdir(3) may pass over names in a folder that changes, and what was moved up is to be emptied too. */
	do {
		removal.progress = 0;
		removal.error = 0;
		empty(&removal, fd, 0);
	} while (removal.progress > 0 && !is_empty(fd));
	if (is_empty(fd))
		return true;
	errno = removal.error ? removal.error : ENOTEMPTY;
	return false;
}

bool tree_remove(int parent_fd, const char *name)
{
	if (unlinkat(parent_fd, name, 0) == 0 || errno == ENOENT)
		return true;
	if (errno != EISDIR)
		return false;
	if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0)
		return true;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return false;

	auto_close int fd = open_folder(parent_fd, name);

	return fd >= 0 && tree_empty(fd) && unlinkat(parent_fd, name, AT_REMOVEDIR) == 0;
}
