#include "common/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/fdinfo.h"
#include "common/linux/path_in_root.h"

enum { MOST_FDINFO = 1 << 20, NAME_SIZE = 64 };

/* How long to go on when somebody else's lease makes the kernel say "would block". */
static const double patience_seconds = 2.0, pause_seconds = 0.001;

void target_release(struct target *target)
{
	for (enum database_file file = 0; file < FILE_COUNT; file++)
		scope_close(&target->files[file].path_fd);
	scope_close(&target->folder_fd);
	free(target->given);
	free(target->absolute);
	free(target->resolved);
	free(target->name);
	free(target->filesystem);
	free(target->filesystem_options);
	*target = (struct target)TARGET_NONE;
}

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a folder";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	case S_IFCHR:
	case S_IFBLK:
		return "a device";
	default:
		return "no regular file";
	}
}

/* What the kernel calls this open file: its mount, and the inode number within the superblock. */
static bool read_own_fdinfo(const struct proc_root *root, int fd, struct fdinfo *info)
{
	char path[NAME_SIZE];

	(void)snprintf(path, sizeof path, "self/fdinfo/%d", fd);

	auto_free char *text = proc_read(root->fd, path, MOST_FDINFO, NULL);

	return text && fdinfo_read(text, info);
}

static bool note_identity(struct target_file *file, const struct proc_root *root,
			  const struct mounts *mounts, const struct mount **mount)
{
	struct fdinfo info = { 0 };

	if (fstat(file->path_fd, &file->stat) != 0)
		return false;
	file->major = major(file->stat.st_dev);
	file->minor = minor(file->stat.st_dev);
	file->key = (struct lock_key){ file->major, file->minor, file->stat.st_ino };
	if (!read_own_fdinfo(root, file->path_fd, &info))
		return true;

	/* stat(2) and the superblock disagree on btrfs (device) and sometimes on overlay (inode). */
	*mount = mounts_find(mounts, info.mount);
	if (info.inode)
		file->key.inode = info.inode;
	if (*mount) {
		file->key.major = (*mount)->major;
		file->key.minor = (*mount)->minor;
	}
	return true;
}

char *target_absolute(const char *path)
{
	if (*path == '/')
		return memory_copy_text(path);

	auto_free char *here = getcwd(NULL, 0);

	return here ? memory_format("%s/%s", strcmp(here, "/") == 0 ? "" : here, path)
		    : memory_copy_text(path);
}

static bool note_filesystem(struct target *target, const struct mount *mount)
{
	struct statfs filesystem = { 0 };

	if (!mount && fstatfs(target->files[FILE_MAIN].path_fd, &filesystem) != 0)
		return false;
	target->filesystem =
		memory_copy_text(mount ? mount->type : filesystem_type_of(filesystem.f_type));
	target->filesystem_options = memory_copy_text(mount ? mount->options : "");
	target->trust = filesystem_trust(target->filesystem);
	return true;
}

static bool find_main_file(struct target *target, const struct proc_root *root,
			   const struct mounts *mounts, const char *shown, struct error *err)
{
	struct target_file *file = &target->files[FILE_MAIN];
	const struct mount *mount = NULL;
	char link[NAME_SIZE];

	file->path_fd = path_open(target->given, O_PATH | O_CLOEXEC);
	if (file->path_fd < 0)
		return fail_errno(err, STATUS_TROUBLE, "%s", shown);
	if (!note_identity(file, root, mounts, &mount))
		return fail_errno(err, STATUS_TROUBLE, "%s", shown);
	if (!S_ISREG(file->stat.st_mode))
		return fail(err, STATUS_TROUBLE, "%s: is %s, not a database", shown,
			    kind_of(file->stat.st_mode));
	if (!note_filesystem(target, mount))
		return fail_errno(err, STATUS_TROUBLE, "%s", shown);

	(void)snprintf(link, sizeof link, "self/fd/%d", file->path_fd);
	target->resolved = proc_read_link(root->fd, link);
	return target->resolved ||
	       fail_errno(err, STATUS_TROUBLE, "%s: cannot find out where it is", shown);
}

/* Opens the folder of `path` if the file in it, under its last name, is ours. */
static bool try_folder(struct target *target, const char *path)
{
	const char *slash = strrchr(path, '/');
	auto_free char *folder =
		slash ? memory_copy(path, (size_t)(slash - path) + 1) : memory_copy_text(".");
	auto_close int fd = path_open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct stat *here = &target->files[FILE_MAIN].stat;
	struct stat there = { 0 };

	if (fd < 0 || fstatat(fd, slash ? slash + 1 : path, &there, AT_SYMLINK_NOFOLLOW) != 0 ||
	    there.st_dev != here->st_dev || there.st_ino != here->st_ino)
		return false;
	target->folder_fd = take_descriptor(&fd);
	target->name = memory_copy_text(slash ? slash + 1 : path);
	return true;
}

/*
 * The folder where SQLite has the other files: that of the path as it was given, or when it ends in a link, that
 * of the resolved one. (A path through /proc/PID/root resolves to what it is called in there.)
 */
static bool find_folder(struct target *target, const char *shown, struct error *err)
{
	auto_free char *resolved = memory_format("%.*s%s", (int)path_root_length(target->given),
						 target->given, target->resolved);

	if (try_folder(target, target->given) || try_folder(target, resolved))
		return true;
	target->moved = true;
	return fail(err, STATUS_TROUBLE, "%s: was renamed or removed while it was being opened",
		    shown);
}

/* SQLite opens these without following links, and only regular files are worth asking about. */
static bool find_other_file(struct target *target, enum database_file which,
			    const struct proc_root *root, const struct mounts *mounts,
			    const char *shown, struct error *err)
{
	auto_free char *name = memory_format("%s%s", target->name, database_file_suffix(which));
	struct target_file *file = &target->files[which];
	const struct mount *mount = NULL;

	file->path_fd = openat(target->folder_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (file->path_fd < 0 && (errno == ENOENT || errno == ENAMETOOLONG))
		return true;
	if (file->path_fd < 0 || !note_identity(file, root, mounts, &mount))
		return fail_errno(err, STATUS_TROUBLE, "%s%s", shown, database_file_suffix(which));
	if (!S_ISREG(file->stat.st_mode))
		return fail(err, STATUS_TROUBLE, "%s%s: is %s, not a file of a database", shown,
			    database_file_suffix(which),
			    S_ISLNK(file->stat.st_mode) ? "a symbolic link"
							: kind_of(file->stat.st_mode));
	return true;
}

static void find_dotfile(struct target *target)
{
	auto_free char *name = memory_format("%s.lock", target->name);
	struct stat there = { 0 };

	target->has_dotfile = fstatat(target->folder_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
			      S_ISDIR(there.st_mode);
	target->dotfile_changed = there.st_mtim;
}

static bool refuse_upper_folder(const struct target *target, const struct mounts *mounts,
				const char *shown, struct error *err)
{
	const char *rest = NULL;
	const char *merged = mounts_overlay_over(mounts, target->resolved, &rest);

	if (!merged)
		return true;
	if (*merged == '\0')
		return fail(
			err, STATUS_TROUBLE,
			"%s: lies in a container's layer, where its locks cannot be seen; use the "
			"path inside the container",
			shown);

	auto_free char *use = memory_format("%s%s", merged, rest);
	auto_free char *use_shown = text_printable(use);
	auto_free char *inside = text_printable(rest);

	return fail(
		err, STATUS_TROUBLE,
		"%s: lies in the upper folder of an overlay, where its locks cannot be seen; use %s "
		"(in its container it is %s)",
		shown, use_shown, inside);
}

static bool open_once(struct target *target, const struct proc_root *root, const char *path,
		      struct error *err)
{
	auto_free char *shown = text_printable(path);
	auto_mounts mounts = { 0 };

	*target = (struct target)TARGET_NONE;
	target->given = memory_copy_text(path);
	target->absolute = target_absolute(path);
	if (!mounts_read(root, &mounts, err))
		return false;
	mounts_read_along(root, path, &mounts);
	if (!find_main_file(target, root, &mounts, shown, err) ||
	    !refuse_upper_folder(target, &mounts, shown, err) || !find_folder(target, shown, err))
		return false;
	for (enum database_file file = FILE_MAIN + 1; file < FILE_COUNT; file++)
		if (!find_other_file(target, file, root, &mounts, shown, err))
			return false;
	find_dotfile(target);
	return true;
}

bool target_open(struct target *target, const struct proc_root *root, const char *path,
		 struct error *err)
{
	/* One that is replaced again and again, by rename, is there all the time. */
	enum { MOST_TRIES = 10 };
	bool done = open_once(target, root, path, err);

	for (int i = 1; i < MOST_TRIES && !done && target->moved; i++) {
		target_release(target);
		done = open_once(target, root, path, err);
	}
	return done;
}

static int reopen_once(int path_fd)
{
	/* No access time is touched; no FIFO or lease makes us wait. */
	const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	char link[NAME_SIZE];

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", path_fd);

	int fd = open(link, flags | O_NOATIME);

	if (fd < 0 && errno == EPERM) /* not ours: then the time is touched only where mounted so */
		fd = open(link, flags);
	return fd;
}

int target_reopen(const struct target *target, enum database_file file, struct error *err)
{
	const double until = clock_now() + patience_seconds;
	int fd = reopen_once(target->files[file].path_fd);

	while (fd < 0 && errno == EWOULDBLOCK && clock_now() < until) {
		clock_sleep_until(clock_now() + pause_seconds);
		fd = reopen_once(target->files[file].path_fd);
	}
	if (fd < 0) {
		const int error = errno;
		auto_free char *shown = text_printable(target->given);

		(void)fail_errno(err, STATUS_TROUBLE, "%s%s: cannot open for reading", shown,
				 database_file_suffix(file));
		errno = error;
	}
	return fd;
}

bool target_header(const struct target *target, struct database_header *header)
{
	struct error ignored = { 0 };
	auto_close int fd = target_reopen(target, FILE_MAIN, &ignored);
	uint8_t bytes[DATABASE_HEADER_SIZE];
	const ssize_t got = fd >= 0 ? pread(fd, bytes, sizeof bytes, 0) : -1;

	if (got >= 0)
		database_header_read(bytes, (size_t)got, header);
	return got >= 0;
}

bool target_may_read(const struct target *target, struct error *err)
{
	auto_close int fd = target_reopen(target, FILE_MAIN, err);

	return fd >= 0;
}

bool target_is_frozen(const struct target *target)
{
	const char *options = target->filesystem_options;

	/* An overlay's parts may still change. */
	return target->trust == FILESYSTEM_LOCAL && strcmp(target->filesystem, "overlay") != 0 &&
	       strncmp(options, "ro", 2) == 0 && (options[2] == ',' || options[2] == '\0');
}

bool target_has_one_name(const struct target *target, struct error *err)
{
	const unsigned long names = (unsigned long)target->files[FILE_MAIN].stat.st_nlink;
	auto_free char *shown = text_printable(target->given);

	return names == 1 ||
	       fail(err, STATUS_TROUBLE,
		    "%s: has %lu names (hard links), and its -wal is beside one of them only: remove the "
		    "others",
		    shown, names);
}

bool target_same(const struct target *a, const struct target *b)
{
	return a->files[FILE_MAIN].stat.st_dev == b->files[FILE_MAIN].stat.st_dev &&
	       a->files[FILE_MAIN].stat.st_ino == b->files[FILE_MAIN].stat.st_ino;
}
