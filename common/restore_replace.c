/* The restore by rename; see restore.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/signals.h"
#include "common/linux/file_traits.h"
#include "common/linux/publish.h"
#include "common/linux/worker.h"
#include "common/restore.h"
#include "common/sqlite/lock_bytes.h"

/* The files that lie at the database's names. */
struct old_files {
	char *names[FILE_COUNT]; /* NULL: none of that name */
	int aside_fd; /* the folder that they are linked into; -1: there is nothing to keep */
	char *aside;  /* its path */
};

static void release_old_files(struct old_files *old)
{
	for (size_t i = 0; i < FILE_COUNT; i++)
		free(old->names[i]);
	scope_close(&old->aside_fd);
	free(old->aside);
}

static bool failed(const struct restore *restore, const char *doing, struct error *err)
{
	return fail_errno(err, STATUS_TROUBLE, "%s: %s", restore->shown, doing);
}

/* Gives the new file the traits of the one whose place it takes, or those of the database when it was backed up. */
static bool dress(const struct restore *restore, struct error *err)
{
	const struct backup_manifest *manifest = &restore->source.manifest;
	const int old = restore->target.files[FILE_MAIN].path_fd;
	auto_close int new = openat(restore->work.fd, WORK_COPY, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	struct stat folder = { 0 };
	bool good = false;

	if (new < 0 || fstat(restore->target.folder_fd, &folder) != 0)
		return failed(restore, "the new file cannot be opened", err);
	if (old >= 0)
		good = file_traits_copy(old, new, restore->shown, err);
	else if (restore->source.has_manifest)
		good = file_traits_set(new, manifest->mode, manifest->uid, manifest->gid, false,
				       restore->shown, err);
	else
		good = file_traits_set(new, 0600, folder.st_uid, folder.st_gid, false,
				       restore->shown, err);
	return good && publish_sync(new, restore->shown, err);
}

static bool find_old_files(const struct restore *restore, struct old_files *old, bool *any,
			   struct error *err)
{
	*any = false;
	for (enum database_file file = FILE_MAIN; file < FILE_COUNT; file++) {
		auto_free char *name =
			memory_format("%s%s", restore->target.name, database_file_suffix(file));
		struct stat stat = { 0 };

		if (fstatat(restore->target.folder_fd, name, &stat, AT_SYMLINK_NOFOLLOW) != 0) {
			if (errno != ENOENT)
				return failed(restore, "cannot look at what is there", err);
			continue;
		}
		if (!S_ISREG(stat.st_mode))
			return fail(err, STATUS_TROUBLE, "%s%s: is no regular file", restore->shown,
				    database_file_suffix(file));
		old->names[file] = take_pointer(&name);
		*any = true;
	}
	return true;
}

static bool make_aside(struct restore *restore, struct old_files *old, struct error *err)
{
	char stamp[CLOCK_STAMP_SIZE];

	clock_compact_stamp(clock_wall(), stamp);

	auto_free char *name = memory_format(RESTORE_ASIDE_PREFIX "%s", stamp);

	if (mkdirat(restore->state_fd, name, 0700) != 0)
		return failed(restore, "cannot make a folder for what is there", err);
	old->aside_fd =
		openat(restore->state_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (old->aside_fd < 0)
		return failed(restore, "cannot open the folder for what is there", err);
	old->aside = memory_format("%s" STATE_FOLDER "/%s", restore->folder, name);
	return true;
}

/* All that is there gets a second name aside, for good, before anything loses its first. */
static bool keep_aside(struct restore *restore, struct old_files *old, struct error *err)
{
	bool any = false;

	if (!find_old_files(restore, old, &any, err))
		return false;
	if (!any)
		return true;
	if (!make_aside(restore, old, err))
		return false;
	for (size_t i = 0; i < FILE_COUNT; i++) {
		if (!old->names[i])
			continue;
		if (linkat(restore->target.folder_fd, old->names[i], old->aside_fd, old->names[i],
			   0) != 0)
			return failed(restore, "what is there cannot be kept aside", err);
		*memory_append(&restore->aside) = memory_format("%s/%s", old->aside, old->names[i]);
	}
	return publish_sync_folder(old->aside_fd, restore->shown, err) &&
	       publish_sync_folder(restore->state_fd, restore->shown, err);
}

static bool remove_sidecars(const struct restore *restore, const struct old_files *old,
			    struct error *err)
{
	for (enum database_file file = FILE_MAIN + 1; file < FILE_COUNT; file++)
		if (old->names[file] &&
		    unlinkat(restore->target.folder_fd, old->names[file], 0) != 0)
			return failed(restore, "a sidecar of what was there cannot be removed",
				      err);
	return publish_sync_folder(restore->target.folder_fd, restore->shown, err);
}

/* Whether the database's name still means what it did: the old file, or nothing. */
static bool is_as_it_was(const struct restore *restore)
{
	const struct target_file *main = &restore->target.files[FILE_MAIN];
	struct stat there = { 0 };

	if (fstatat(restore->target.folder_fd, restore->target.name, &there, AT_SYMLINK_NOFOLLOW) !=
	    0)
		return errno == ENOENT && main->path_fd < 0;
	return main->path_fd >= 0 && there.st_ino == main->stat.st_ino &&
	       there.st_dev == main->stat.st_dev;
}

/* Gives a sidecar its name back, where it has lost it. Another file of that name is somebody's by now. */
static bool name_again(const struct restore *restore, const struct old_files *old, const char *name)
{
	struct stat ours = { 0 }, there = { 0 };

	if (linkat(old->aside_fd, name, restore->target.folder_fd, name, 0) == 0)
		return true;
	return errno == EEXIST && fstatat(old->aside_fd, name, &ours, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(restore->target.folder_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

/*
 * The sidecars get their names back: the main file never lost its own. Not when somebody has made a new database meanwhile,
 * which would take them for its own. Then nothing has to be kept aside.
 */
static bool put_back(struct restore *restore, const struct old_files *old)
{
	struct error ignored = { 0 };
	bool good = is_as_it_was(restore);

	for (enum database_file file = FILE_MAIN + 1; good && file < FILE_COUNT; file++)
		good = !old->names[file] || name_again(restore, old, old->names[file]);
	if (!good || !publish_sync_folder(restore->target.folder_fd, restore->shown, &ignored))
		return false;
	for (size_t i = 0; i < FILE_COUNT && old->aside_fd >= 0; i++)
		if (old->names[i])
			(void)unlinkat(old->aside_fd, old->names[i], 0);
	if (old->aside)
		(void)unlinkat(restore->state_fd, strrchr(old->aside, '/') + 1, AT_REMOVEDIR);
	backup_names_release(&restore->aside);
	return true;
}

static bool give_name(const struct restore *restore, const struct old_files *old, struct error *err)
{
	const int to = restore->target.folder_fd;

	return (old->names[FILE_MAIN] ? publish_over(restore->work.fd, WORK_COPY, to,
						     restore->target.name, restore->shown, err)
				      : publish_new(restore->work.fd, WORK_COPY, to,
						    restore->target.name, restore->shown, err)) &&
	       publish_sync_folder(to, restore->shown, err);
}

/* Whether the name means the new file, which decides how a failure after the rename is told. */
static bool has_new_file(const struct restore *restore, const struct stat *new)
{
	struct stat there = { 0 };

	return fstatat(restore->target.folder_fd, restore->target.name, &there,
		       AT_SYMLINK_NOFOLLOW) == 0 &&
	       there.st_ino == new->st_ino &&there.st_dev == new->st_dev;
}

static bool swap(struct restore *restore, const struct old_files *old, struct error *err)
{
	struct stat new = { 0 };

	if (fstatat(restore->work.fd, WORK_COPY, &new, AT_SYMLINK_NOFOLLOW) != 0)
		return failed(restore, "the new file is gone", err);
	signals_finish_first();
	if (remove_sidecars(restore, old, err) && give_name(restore, old, err)) {
		restore->committed = true;
		return true;
	}

	const struct error failure = *err;

	if (has_new_file(restore, &new)) {
		restore->committed = true;
		return fail(
			err, STATUS_TROUBLE,
			"%s; the new database is in place, but may be gone after a power failure: check "
			"the disk and run this again",
			failure.text);
	}
	if (!is_as_it_was(restore))
		return fail(
			err, STATUS_TROUBLE,
			"%s; somebody has made another file of that name meanwhile, which is left as it is; "
			"what was there is in %s",
			failure.text, old->aside ? old->aside : "its place");
	if (put_back(restore, old))
		return fail(err, STATUS_PUT_BACK, "%s; what was there is in place again",
			    failure.text);
	return fail(err, STATUS_DAMAGED, "%s; do not start the bot; all that was there is in %s",
		    failure.text, old->aside ? old->aside : "its place");
}

/*
 * Locks the old file as a connection in EXCLUSIVE mode does: who opens it from here on is told that it is locked, and does not
 * begin to work in a file that is about to lose its name. An open file description lock, since closing any other
 * descriptor takes a POSIX lock away. -1 when there is no old file.
 */
static bool lock_old_file(const struct restore *restore, int *lock_fd, struct error *err)
{
	const struct lock_range first = lock_slot_range(SLOT_PENDING);
	const struct lock_range last = lock_slot_range(SLOT_SHARED);
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)first.start,
		.l_len = (off_t)(last.start + last.length - first.start),
	};
	char path[64];

	if (restore->target.files[FILE_MAIN].path_fd < 0)
		return true;
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d",
		       restore->target.files[FILE_MAIN].path_fd);
	*lock_fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (*lock_fd < 0)
		return failed(restore, "the broken file cannot be opened", err);
	if (fcntl(*lock_fd, F_OFD_SETLK, &lock) == 0)
		return true;
	return errno == EAGAIN || errno == EACCES
		       ? fail(err, STATUS_BUSY, "%s: is locked by somebody", restore->shown)
		       : failed(restore, "the broken file cannot be locked", err);
}

/* Whoever got hold of the old file in spite of all goes on in it, and nobody will ever see what they write. */
static bool nobody_was_left_behind(const struct restore *restore, struct error *err)
{
	struct error found = { 0 };

	if (restore_nobody_has_open(restore, &found) || found.status != STATUS_BUSY)
		return true;
	return fail(err, STATUS_DAMAGED,
		    "%s; the new database is in place: stop that process before you start the bot",
		    found.text);
}

bool restore_replace(struct restore *restore, struct error *err)
{
	__attribute__((cleanup(release_old_files))) struct old_files old = { .aside_fd = -1 };
	auto_close int lock_fd = -1;

	return lock_old_file(restore, &lock_fd, err) && restore_nobody_has_open(restore, err) &&
	       dress(restore, err) && keep_aside(restore, &old, err) && swap(restore, &old, err) &&
	       nobody_was_left_behind(restore, err);
}
