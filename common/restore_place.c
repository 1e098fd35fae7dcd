/* The database that is to be restored, or the place where it is to be; and the state folder beside it. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
	if (!target_open(&restore->target, restore->root, restore->database, err))
		return false;
	restore->folder = folder_of(&restore->target);
	return true;
}

/* Lets go of the names in one folder aside that are still names of what is in place. */
static void clear_aside(const struct restore *restore, const char *name)
{
	auto_close int fd =
		openat(restore->state_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	for (enum database_file file = FILE_MAIN; fd >= 0 && file < FILE_COUNT; file++) {
		auto_free char *own =
			memory_format("%s%s", restore->target.name, database_file_suffix(file));
		struct stat aside = { 0 }, there = { 0 };

		if (fstatat(fd, own, &aside, AT_SYMLINK_NOFOLLOW) == 0 &&
		    fstatat(restore->target.folder_fd, own, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		    aside.st_ino == there.st_ino && aside.st_dev == there.st_dev)
			(void)unlinkat(fd, own, 0);
	}
	(void)unlinkat(restore->state_fd, name, AT_REMOVEDIR); /* only when nothing is left in it */
}

/* A restore by rename that was cut off has given what is in place a second name aside, and has not taken the first. */
static void undo_interrupted(struct restore *restore)
{
	struct target_file *main = &restore->target.files[FILE_MAIN];
	const int fd = openat(restore->state_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_dir DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry = NULL;

	while (entries && (entry = readdir(entries)))
		if (strncmp(entry->d_name, RESTORE_ASIDE_PREFIX, strlen(RESTORE_ASIDE_PREFIX)) == 0)
			clear_aside(restore, entry->d_name);
	if (main->path_fd >= 0)
		(void)fstat(main->path_fd,
			    &main->stat); /* its number of names; cannot fail on an open file */
}

/* Opens the state folder, makes it if need be, and keeps others out of it for as long as we work. */
static bool open_state(struct restore *restore, struct error *err)
{
	if (!state_folder_open(&restore->target, restore->shown, &restore->state_fd, err))
		return false;
	(void)work_folder_sweep(restore->state_fd, RESTORE_WORK_PREFIX);
	(void)work_folder_sweep(restore->state_fd, BACKUP_WORK_PREFIX);
	backup_sweep(restore->state_fd);
	undo_interrupted(restore);
	return publish_sync_folder(restore->target.folder_fd, restore->shown, err);
}

/* The path that backups of it know it by: no links in it, and one spelling. */
static char *real_path(const struct restore *restore)
{
	const struct target *target = &restore->target;
	char link[64];

	if (target->resolved)
		return memory_copy_text(target->resolved);
	(void)snprintf(link, sizeof link, "self/fd/%d", target->folder_fd);

	auto_free char *folder = proc_read_link(restore->root->fd, link);

	return folder ? memory_format("%s/%s", strcmp(folder, "/") == 0 ? "" : folder, target->name)
		      : memory_copy_text(target->absolute);
}

bool restore_place(struct restore *restore, struct error *err)
{
	auto_destination temporary = DESTINATION_NONE;
	struct stat state = { 0 };

	restore->shown = text_printable(restore->database);
	if (!find_database(restore, err))
		return false;
	restore->absolute = real_path(restore);
	/* Second names may be an interrupted restore's, which opening the state folder undoes. */
	if (restore->target.files[FILE_MAIN].path_fd >= 0 &&
	    fstatat(restore->target.folder_fd, STATE_FOLDER, &state, AT_SYMLINK_NOFOLLOW) != 0 &&
	    !target_has_one_name(&restore->target, err))
		return false;
	if (!restore->options.dry_run)
		return open_state(restore, err) && (restore->target.files[FILE_MAIN].path_fd < 0 ||
						    target_has_one_name(&restore->target, err));
	if (!destination_open(&temporary, "-", NULL, false, err))
		return false;
	restore->state_fd = take_descriptor(&temporary.folder_fd);
	(void)work_folder_sweep(restore->state_fd, RESTORE_WORK_PREFIX);
	return true;
}
