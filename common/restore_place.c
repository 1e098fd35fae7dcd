/* The database that is to be restored, or the place where it is to be; and the state folder beside it. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/backup_destination.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/publish.h"
#include "common/restore.h"

/* A path that means nothing yet: only its folder has to be there. */
static bool place_missing(struct restore *restore, struct error *err)
{
	struct target *target = &restore->target;
	const char *slash = strrchr(restore->database, '/');
	const char *name = slash ? slash + 1 : restore->database;
	auto_free char *folder =
		memory_copy(restore->database, slash ? (size_t)(slash - restore->database) + 1 : 0);

	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return fail(err, STATUS_TROUBLE, "%s: is no name for a database", restore->shown);
	target->folder_fd = open(*folder ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (target->folder_fd < 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot open its folder",
				  restore->shown);
	target->given = memory_copy_text(restore->database);
	target->absolute = target_absolute(restore->database);
	target->name = memory_copy_text(name);
	restore->folder = take_pointer(&folder);
	return true;
}

/* Where the database really is: SQLite keeps its other files there, and so do we. */
static char *folder_of(const struct target *target)
{
	const char *given = target->given, *slash = strrchr(given, '/');
	struct stat stat = { 0 };

	if (fstatat(AT_FDCWD, given, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(stat.st_mode)) {
		given = target->resolved;
		slash = strrchr(given, '/');
	}
	return memory_copy(given, slash ? (size_t)(slash - given) + 1 : 0);
}

static bool find_database(struct restore *restore, struct error *err)
{
	struct stat stat = { 0 };

	if (fstatat(AT_FDCWD, restore->database, &stat, AT_SYMLINK_NOFOLLOW) != 0 &&
	    errno == ENOENT)
		return place_missing(restore, err);
	if (!target_open(&restore->target, restore->root, restore->database, err) ||
	    !target_has_one_name(&restore->target, err))
		return false;
	restore->folder = folder_of(&restore->target);
	return true;
}

/* Opens the state folder, makes it if need be, and keeps others out of it for as long as we work. */
static bool open_state(struct restore *restore, struct error *err)
{
	const int folder_fd = restore->target.folder_fd;
	struct stat stat = { 0 };

	if (mkdirat(folder_fd, STATE_FOLDER, 0700) != 0 && errno != EEXIST)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot make " STATE_FOLDER " beside it",
				  restore->shown);
	restore->state_fd =
		openat(folder_fd, STATE_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (restore->state_fd < 0 || fstat(restore->state_fd, &stat) != 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot open " STATE_FOLDER " beside it",
				  restore->shown);
	if ((stat.st_uid != geteuid() && stat.st_uid != 0) || (stat.st_mode & 022))
		return fail(err, STATUS_TROUBLE,
			    "%s: " STATE_FOLDER
			    " beside it belongs to somebody else, or others may write to it",
			    restore->shown);
	if (flock(restore->state_fd, LOCK_EX | LOCK_NB) != 0)
		return fail(err, STATUS_BUSY, "%s: another dbrestore is at work on it",
			    restore->shown);
	(void)work_folder_sweep(restore->state_fd, RESTORE_WORK_PREFIX);
	(void)work_folder_sweep(restore->state_fd, BACKUP_WORK_PREFIX);
	backup_sweep(restore->state_fd);
	return publish_sync_folder(folder_fd, restore->shown, err);
}

bool restore_place(struct restore *restore, struct error *err)
{
	auto_destination temporary = DESTINATION_NONE;

	restore->shown = text_printable(restore->database);
	if (!find_database(restore, err))
		return false;
	restore->absolute = memory_copy_text(restore->target.absolute);
	if (!restore->options.dry_run)
		return open_state(restore, err);
	if (!destination_open(&temporary, "-", NULL, false, err))
		return false;
	restore->state_fd = take_descriptor(&temporary.folder_fd);
	return true;
}
