#include "common/backup_destination.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/signals.h"
#include "common/base/text.h"

static const double pause_seconds = 0.05;

void destination_release(struct destination *destination)
{
	free(destination->folder);
	free(destination->file);
	scope_close(&destination->folder_fd);
	*destination = (struct destination)DESTINATION_NONE;
}

static bool failed(const char *path, const char *doing, struct error *err)
{
	const int error = errno;
	auto_free char *shown = text_printable(*path ? path : ".");

	errno = error;
	return fail_errno(err, STATUS_TROUBLE, "%s: %s", shown, doing);
}

/* The part before the last name, with its slash; "" when there is none. */
static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return memory_copy(path, slash ? (size_t)(slash - path) + 1 : 0);
}

static bool open_folder(struct destination *destination, struct error *err)
{
	destination->folder_fd = open(*destination->folder ? destination->folder : ".",
				      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return destination->folder_fd >= 0 ||
	       failed(destination->folder, "cannot open the folder", err);
}

/* Makes the last part of a folder's path, if it is not there, and its name durable. */
static bool make_folder(const char *path, struct error *err)
{
	auto_free char *bare = memory_copy_text(path);
	size_t length = strlen(bare);

	while (length > 1 && bare[length - 1] == '/')
		bare[--length] = '\0';

	auto_free char *parent = parent_of(bare);
	auto_close int parent_fd = open(*parent ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (parent_fd < 0)
		return failed(path, "cannot open the folder above", err);
	if (mkdirat(parent_fd, bare + strlen(parent), 0700) != 0)
		return errno == EEXIST || failed(path, "cannot make the folder", err);
	return fsync(parent_fd) == 0 || errno == EINVAL ||
	       failed(path, "the folder cannot be made durable", err);
}

static bool use_folder(struct destination *destination, const char *path, bool make,
		       struct error *err)
{
	struct stat stat = { 0 };

	destination->kind = DESTINATION_FOLDER;
	destination->folder = memory_copy_text(path);
	if (!make && fstatat(AT_FDCWD, path, &stat, 0) != 0 && errno == ENOENT)
		return true;
	return (!make || make_folder(path, err)) && open_folder(destination, err);
}

static bool use_file(struct destination *destination, const char *path, struct error *err)
{
	destination->kind = DESTINATION_FILE;
	destination->folder = parent_of(path);
	destination->file = memory_copy_text(path + strlen(destination->folder));
	return open_folder(destination, err);
}

/* A -wal, say, that a backup was given the name of would be taken for one by the next opener. */
static bool is_sidecar(const struct destination *destination, const struct target *target)
{
	struct stat ours = { 0 }, theirs = { 0 };

	if (fstat(destination->folder_fd, &ours) != 0 || fstat(target->folder_fd, &theirs) != 0 ||
	    ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev)
		return false;
	for (enum database_file file = FILE_MAIN + 1; file < FILE_COUNT; file++) {
		auto_free char *name =
			memory_format("%s%s", target->name, database_file_suffix(file));

		if (strcmp(name, destination->file) == 0)
			return true;
	}
	return false;
}

bool destination_is_free(const struct destination *destination, const struct target *target,
			 struct error *err)
{
	struct stat stat = { 0 };

	if (destination->kind != DESTINATION_FILE)
		return true;

	auto_free char *path = memory_format("%s%s", destination->folder, destination->file);

	if (is_sidecar(destination, target)) {
		errno = EINVAL;
		return failed(path, "is a name that SQLite uses beside the database", err);
	}
	if (fstatat(destination->folder_fd, destination->file, &stat, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return failed(path, "is not overwritten", err);
	}
	return errno == ENOENT || failed(path, "cannot be made", err);
}

/* Where temporary files of this size may be: as TMPDIR says, else on the disk rather than in memory. */
static bool use_output(struct destination *destination, struct error *err)
{
	const char *chosen = getenv("TMPDIR");

	destination->kind = DESTINATION_OUTPUT;
	destination->folder = memory_copy_text(chosen && *chosen == '/' ? chosen : "/var/tmp");
	return open_folder(destination, err);
}

/* Root would write where somebody else's link leads, who may not write there himself. */
static bool is_no_trap(const char *path, struct error *err)
{
	struct stat stat = { 0 };

	if (geteuid() != 0 || fstatat(AT_FDCWD, path, &stat, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISLNK(stat.st_mode) || stat.st_uid == 0)
		return true;
	errno = EPERM;
	return failed(path, "is a link of another user's: name the folder that is meant", err);
}

bool destination_open(struct destination *destination, const char *given,
		      const struct target *target, bool make, struct error *err)
{
	struct stat stat = { 0 };

	*destination = (struct destination)DESTINATION_NONE;
	if (!given) {
		auto_free char *beside = parent_of(target->given);
		auto_free char *path = memory_format("%sbackups", beside);

		return is_no_trap(path, err) && use_folder(destination, path, make, err);
	}
	if (strcmp(given, "-") == 0)
		return use_output(destination, err);
	if (*given == '\0')
		return fail(err, STATUS_USAGE, "the destination has no name");
	if (given[strlen(given) - 1] == '/' ||
	    (fstatat(AT_FDCWD, given, &stat, 0) == 0 && S_ISDIR(stat.st_mode)))
		return use_folder(destination, given, make, err);
	return use_file(destination, given, err);
}

bool destination_open_folder(struct destination *destination, const char *given, struct error *err)
{
	*destination = (struct destination)DESTINATION_NONE;
	destination->kind = DESTINATION_FOLDER;
	destination->folder = memory_copy_text(given);
	return open_folder(destination, err);
}

bool destination_lock(struct destination *destination, double wait, struct error *err)
{
	const double until = clock_now() + wait;

	while (flock(destination->folder_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EBADF || errno == EINVAL || errno == ENOLCK || errno == EOPNOTSUPP)
			return true; /* some network file systems lock no folders; unique names keep two runs apart */
		if (errno != EWOULDBLOCK && errno != EINTR)
			return failed(destination->folder, "cannot be locked", err);
		if (!signals_check(err))
			return false;
		if (clock_now() >= until) {
			auto_free char *shown = text_printable(destination->folder);

			return fail(err, STATUS_BUSY, "%s: another dbbackup is at work in it",
				    shown);
		}
		clock_sleep_until(clock_now() + pause_seconds);
	}
	return true;
}
