#include "common/linux/work_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/scope.h"

enum { DIGITS = 16 };

static const char *const used_names[] = { WORK_COPY, WORK_PACKED, WORK_MANIFEST, WORK_SUM };
static const char *const sqlite_suffixes[] = { "", "-journal", "-wal", "-shm" };

static bool is_used_name(const char *name)
{
	for (size_t i = 0; i < sizeof used_names / sizeof *used_names; i++) {
		const size_t length = strlen(used_names[i]);

		if (strncmp(name, used_names[i], length) != 0)
			continue;
		for (size_t j = 0; j < sizeof sqlite_suffixes / sizeof *sqlite_suffixes; j++)
			if (strcmp(name + length, sqlite_suffixes[j]) == 0)
				return true;
	}
	return false;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Opens the folder for reading anew, so that the position is our own. */
static DIR *list(int fd)
{
	const int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = again >= 0 ? fdopendir(again) : NULL;

	if (!entries && again >= 0)
		(void)close(again);
	return entries;
}

static bool only_ours(int fd)
{
	auto_dir DIR *entries = list(fd);
	const struct dirent *entry = NULL;

	if (!entries)
		return false;
	while ((entry = readdir(entries)))
		if (!is_dots(entry->d_name) && !is_used_name(entry->d_name))
			return false;
	return true;
}

static void empty(int fd)
{
	auto_dir DIR *entries = list(fd);
	const struct dirent *entry = NULL;

	while (entries && (entry = readdir(entries)))
		if (is_used_name(entry->d_name))
			(void)unlinkat(fd, entry->d_name, 0);
}

/* Opens a folder of ours and locks it; -1 when it is none, or somebody works in it. */
static int open_locked(int parent_fd, const char *name)
{
	auto_close int fd =
		openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat stat = { 0 };

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &stat) != 0 ||
	    stat.st_uid != geteuid() || (stat.st_mode & 07777 & ~S_ISGID) != 0700)
		return -1;
	/* Between our opening and our locking its owner may have ended, and somebody may have swept it. */
	return stat.st_nlink > 0 ? take_descriptor(&fd) : -1;
}

bool work_folder_make(struct work_folder *folder, int parent_fd, const char *prefix,
		      const char *shown, struct error *err)
{
	enum { MOST_TRIES = 20 };

	*folder = (struct work_folder)WORK_FOLDER_NONE;
	for (int i = 0; i < MOST_TRIES; i++) {
		uint64_t random = 0;

		if (getrandom(&random, sizeof random, 0) != sizeof random)
			return fail_errno(err, STATUS_TROUBLE, "%s: no random name", shown);
		(void)snprintf(folder->name, sizeof folder->name, "%s%016llx", prefix,
			       (unsigned long long)random);
		if (mkdirat(parent_fd, folder->name, 0700) != 0) {
			if (errno == EEXIST)
				continue;
			return fail_errno(err, STATUS_TROUBLE, "%s: cannot make a folder in it",
					  shown);
		}
		folder->fd = open_locked(parent_fd, folder->name);
		if (folder->fd >= 0) {
			folder->parent_fd = parent_fd;
			return true;
		}
		(void)unlinkat(parent_fd, folder->name, AT_REMOVEDIR);
	}
	return fail(err, STATUS_TROUBLE, "%s: cannot keep a private folder in it", shown);
}

void work_folder_remove(struct work_folder *folder)
{
	struct stat ours = { 0 }, there = { 0 };

	if (folder->parent_fd < 0)
		return;
	empty(folder->fd);
	/* Only while the name still means the folder that we made. */
	if (fstat(folder->fd, &ours) == 0 &&
	    fstatat(folder->parent_fd, folder->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    ours.st_ino == there.st_ino && ours.st_dev == there.st_dev)
		(void)unlinkat(folder->parent_fd, folder->name, AT_REMOVEDIR);
	scope_close(&folder->fd);
	*folder = (struct work_folder)WORK_FOLDER_NONE;
}

static bool is_work_name(const char *name, const char *prefix)
{
	const size_t length = strlen(prefix);

	return length + DIGITS < WORK_NAME_SIZE && strncmp(name, prefix, length) == 0 &&
	       strlen(name) == length + DIGITS &&
	       strspn(name + length, "0123456789abcdef") == DIGITS;
}

size_t work_folder_sweep(int parent_fd, const char *prefix)
{
	auto_dir DIR *entries = list(parent_fd);
	const struct dirent *entry = NULL;
	size_t swept = 0;

	while (entries && (entry = readdir(entries))) {
		if (!is_work_name(entry->d_name, prefix))
			continue;

		struct work_folder left = { .parent_fd = parent_fd };

		memcpy(left.name, entry->d_name, strlen(entry->d_name) + 1); /* of known length */
		left.fd = open_locked(parent_fd, left.name);
		if (left.fd < 0 || !only_ours(left.fd)) {
			scope_close(&left.fd);
			continue;
		}
		work_folder_remove(&left);
		swept++;
	}
	return swept;
}
