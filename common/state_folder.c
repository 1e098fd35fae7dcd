#include "common/state_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/scope.h"

static bool is_trusted(const struct stat *stat)
{
	return (stat->st_uid == geteuid() || stat->st_uid == 0) && (stat->st_mode & 022) == 0;
}

static int open_folder(const struct target *target)
{
	return openat(target->folder_fd, STATE_FOLDER,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

bool state_folder_open(const struct target *target, const char *shown, int *fd, struct error *err)
{
	struct stat stat = { 0 };

	if (mkdirat(target->folder_fd, STATE_FOLDER, 0700) != 0 && errno != EEXIST)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot make " STATE_FOLDER " beside it",
				  shown);
	*fd = open_folder(target);
	if (*fd < 0 || fstat(*fd, &stat) != 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot open " STATE_FOLDER " beside it",
				  shown);
	if (!is_trusted(&stat))
		return fail(err, STATUS_TROUBLE,
			    "%s: " STATE_FOLDER
			    " beside it belongs to somebody else, or others may write to it",
			    shown);
	return flock(*fd, LOCK_EX | LOCK_NB) == 0 ||
	       fail(err, STATUS_BUSY, "%s: another dbrestore or dbmigrate is at work on it", shown);
}

int state_folder_look(const struct target *target)
{
	auto_close int fd = open_folder(target);
	struct stat stat = { 0 };

	if (fd < 0 || fstat(fd, &stat) != 0)
		return -1;
	if (is_trusted(&stat))
		return take_descriptor(&fd);
	errno = EPERM;
	return -1;
}
