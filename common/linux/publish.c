#include "common/linux/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/scope.h"
#include "common/base/text.h"

bool publish_sync(int fd, const char *shown, struct error *err)
{
	return fsync(fd) == 0 ||
	       fail_errno(err, STATUS_TROUBLE, "%s: cannot be made durable", shown);
}

bool publish_sync_folder(int fd, const char *shown, struct error *err)
{
	auto_close int folder = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot open the folder", shown);
	return fsync(folder) == 0 || errno == EINVAL ||
	       fail_errno(err, STATUS_TROUBLE, "%s: the folder cannot be made durable", shown);
}

static bool write_synced(int *fd, const void *bytes, size_t length, const char *shown,
			 struct error *err)
{
	if (!io_write(*fd, bytes, length))
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot write", shown);
	if (!publish_sync(*fd, shown, err))
		return false;
	return close(take_descriptor(fd)) == 0 ||
	       fail_errno(err, STATUS_TROUBLE, "%s: cannot write", shown);
}

bool publish_write(int folder_fd, const char *name, const void *bytes, size_t length,
		   const char *shown, struct error *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	auto_close int fd = openat(folder_fd, name, flags, 0600);

	if (fd < 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot write", shown);
	if (write_synced(&fd, bytes, length, shown, err))
		return true;
	(void)unlinkat(folder_fd, name, 0);
	return false;
}

/* Network file systems often have no RENAME_NOREPLACE; a link never replaces either. */
static int rename_new(int from_fd, const char *from, int to_fd, const char *to)
{
	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
		return -1;
	return linkat(from_fd, from, to_fd, to, 0) == 0 ? unlinkat(from_fd, from, 0) : -1;
}

static bool rename_checked(int from_fd, const char *from, int to_fd, const char *to, bool over,
			   const char *shown, struct error *err)
{
	struct stat before = { 0 }, after = { 0 };

	if (fstatat(from_fd, from, &before, AT_SYMLINK_NOFOLLOW) != 0 ||
	    (over ? renameat(from_fd, from, to_fd, to) : rename_new(from_fd, from, to_fd, to)) !=
		    0) {
		const int error = errno;

		(void)fail_errno(err, STATUS_TROUBLE, "%s: cannot be given its name", shown);
		errno = error;
		return false;
	}
	if (fstatat(to_fd, to, &after, AT_SYMLINK_NOFOLLOW) != 0 || after.st_ino != before.st_ino ||
	    after.st_dev != before.st_dev)
		return fail(err, STATUS_TROUBLE, "%s: is not there though it was renamed", shown);
	return true;
}

bool publish_new(int from_fd, const char *from, int to_fd, const char *to, const char *shown,
		 struct error *err)
{
	return rename_checked(from_fd, from, to_fd, to, false, shown, err);
}

bool publish_over(int from_fd, const char *from, int to_fd, const char *to, const char *shown,
		  struct error *err)
{
	return rename_checked(from_fd, from, to_fd, to, true, shown, err);
}

bool publish_has_room(int fd, unsigned long long bytes, const char *shown, struct error *err)
{
	struct statvfs room = { 0 };

	if (fstatvfs(fd, &room) != 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot find out how much room there is",
				  shown);

	const unsigned long long have = (unsigned long long)room.f_bavail * room.f_frsize;

	if (have >= bytes)
		return true;

	auto_text needed = { 0 };

	text_append_size(&needed, bytes);
	text_append(&needed, " needed, ");
	text_append_size(&needed, have);
	return fail(err, STATUS_TROUBLE, "%s: not enough room: %s free", shown,
		    text_string(&needed));
}
