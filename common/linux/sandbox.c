#include "common/linux/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/file_traits.h"
#include "common/linux/proc_root.h"
#include "common/linux/tree.h"

enum { OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC, DIGITS = 16 };

/* What a sandbox is to be, and what stood in its way so far. */
struct wish {
	int folder_fd;
	const char *folder_path;
	struct stat folder;
	uid_t uid;
	gid_t gid;
	uint64_t bytes;
	const char *shown;
	char *place; /* of those without enough room, the one with the most; NULL: there was none */
	uint64_t free; /* there */
};

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether `fd` is the database's folder or lies below it: an overlay cannot contain its own upper folder. */
static bool lies_in_folder(int fd, const struct stat *folder)
{
	struct stat here = { 0 }, above = { 0 };
	auto_close int current = openat(fd, ".", OPEN_FOLDER);

	while (current >= 0 && fstat(current, &here) == 0) {
		if (is_same(&here, folder))
			return true;

		auto_close int up = openat(current, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (up < 0 || fstat(up, &above) != 0)
			return true; /* not to be told */
		if (is_same(&here, &above))
			return false;
		scope_close(&current);
		current = take_descriptor(&up);
	}
	return true;
}

/* Whether nobody else could move our folder away or put another in its place. */
static bool is_trusted(const struct wish *wish, const struct stat *stat)
{
	return (stat->st_uid == 0 || stat->st_uid == geteuid() || stat->st_uid == wish->uid) &&
	       ((stat->st_mode & 022) == 0 || (stat->st_mode & S_ISVTX));
}

/* File systems that overlayfs does not take for an upper folder. */
static bool suits_overlay(int fd)
{
	static const unsigned refused[] = { OVERLAYFS_SUPER_MAGIC, FUSE_SUPER_MAGIC,
					    NFS_SUPER_MAGIC,	   V9FS_MAGIC,
					    CIFS_SUPER_MAGIC,	   SMB2_SUPER_MAGIC,
					    MSDOS_SUPER_MAGIC,	   EXFAT_SUPER_MAGIC,
					    RAMFS_MAGIC,	   ECRYPTFS_SUPER_MAGIC };
	struct statfs about;

	if (fstatfs(fd, &about) != 0)
		return false;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if ((unsigned)about.f_type == refused[i])
			return false;
	return true;
}

enum { BESIDE, TEMPORARY, VARIABLE, CANDIDATES };

/* Opens one of the places where a sandbox may be; -1 when it is none. */
static int open_candidate(const struct wish *wish, int which)
{
	const char *temporary = getenv("TMPDIR");
	auto_close int fd = which == BESIDE	? openat(wish->folder_fd, "..", OPEN_FOLDER)
			    : which == VARIABLE ? open("/var/tmp", OPEN_FOLDER)
			    : temporary && *temporary == '/' ? open(temporary, OPEN_FOLDER)
							     : -1;
	struct stat stat = { 0 };

	if (fd < 0 || fstat(fd, &stat) != 0 || !is_trusted(wish, &stat) ||
	    faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0 ||
	    (which == BESIDE && stat.st_dev != wish->folder.st_dev) ||
	    lies_in_folder(fd, &wish->folder))
		return -1;
	return take_descriptor(&fd);
}

/* The path of an open folder, absolute; NULL when it has none. */
static char *path_of(int fd)
{
	char link[32];
	struct stat opened = { 0 }, named = { 0 };

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);

	auto_free char *path = proc_read_link(AT_FDCWD, link);

	if (!path || *path != '/' || fstat(fd, &opened) != 0 || stat(path, &named) != 0 ||
	    !is_same(&opened, &named))
		return NULL;
	return take_pointer(&path);
}

static bool has_room(struct wish *wish, int fd, const char *path)
{
	struct statvfs about;

	if (fstatvfs(fd, &about) != 0)
		return false;

	const uint64_t left = (uint64_t)about.f_bavail * about.f_frsize;

	if (left >= wish->bytes)
		return true;
	if (!wish->place || left > wish->free) {
		free(wish->place);
		wish->place = memory_copy_text(path);
		wish->free = left;
	}
	return false;
}

static bool no_room(const struct wish *wish, struct error *err)
{
	auto_free char *place = text_printable(wish->place);
	auto_text sizes = { 0 };

	text_append_size(&sizes, wish->bytes);
	text_append(&sizes, " needed, ");
	text_append_size(&sizes, wish->free);
	return fail(err, STATUS_TROUBLE, "%s: no room for the copy: %s free in %s", wish->shown,
		    text_string(&sizes), place);
}

/* A folder in the private one, empty. */
static int make_inner(const struct sandbox *sandbox, const char *name)
{
	return mkdirat(sandbox->fd, name, 0700) == 0
		       ? openat(sandbox->fd, name, OPEN_FOLDER | O_NOFOLLOW)
		       : -1;
}

/* The merged folder looks as `upper` does: owner, permissions and access control list of the real one. */
static bool dress_upper(const struct sandbox *sandbox, const struct wish *wish, struct error *err)
{
	struct error ignored = { 0 };

	/* Somebody who works in a folder of another owner cannot give his own away. */
	if (!file_traits_copy(sandbox->folder_fd, sandbox->upper_fd, wish->shown, &ignored) &&
	    !file_traits_set(sandbox->upper_fd, wish->folder.st_mode, (uid_t)-1,
			     wish->folder.st_gid, false, wish->shown, err))
		return false;
	/* The mark of a folder that hides what is below it, in case the real one is a layer of some overlay. */
	(void)fremovexattr(sandbox->upper_fd, "trusted.overlay.opaque");
	(void)fremovexattr(sandbox->upper_fd, "user.overlay.opaque");
	return true;
}

static bool fill(struct sandbox *sandbox, const struct wish *wish, struct error *err)
{
	sandbox->upper_fd = make_inner(sandbox, "upper");
	sandbox->work_fd = make_inner(sandbox, "work");
	sandbox->hidden_fd = make_inner(sandbox, "hidden");
	if (sandbox->upper_fd < 0 || sandbox->work_fd < 0 || sandbox->hidden_fd < 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: no private folder", wish->shown);
	sandbox->uid = wish->uid;
	sandbox->gid = wish->gid;
	return dress_upper(sandbox, wish, err);
}

bool sandbox_lend(const struct sandbox *sandbox, struct error *err)
{
	return sandbox->uid == geteuid() ||
	       file_traits_set(sandbox->fd, 0700, sandbox->uid, sandbox->gid, true,
			       "the private folder", err);
}

bool sandbox_take_back(const struct sandbox *sandbox, struct error *err)
{
	return sandbox->uid == geteuid() ||
	       (file_traits_set(sandbox->fd, 0700, geteuid(), getegid(), true, "the private folder",
				err) &&
		file_traits_set(sandbox->upper_fd, 0700, geteuid(), getegid(), true,
				"the copy's folder", err));
}

/* Makes the sandbox in `parent_fd`, which is its own from here on. */
static bool make_in(struct sandbox *sandbox, const struct wish *wish, int *parent_fd,
		    const char *parent_path, struct error *err)
{
	struct work_folder made = WORK_FOLDER_NONE;
	auto_free char *shown = text_printable(parent_path);

	if (!work_folder_make(&made, *parent_fd, SANDBOX_PREFIX, shown, err))
		return false;
	sandbox->folder_fd = wish->folder_fd;
	sandbox->folder_path = memory_copy_text(wish->folder_path);
	sandbox->parent_fd = take_descriptor(parent_fd);
	sandbox->fd = made.fd;
	memcpy(sandbox->name, made.name, sizeof sandbox->name);
	sandbox->path = memory_format("%s/%s/upper",
				      strcmp(parent_path, "/") == 0 ? "" : parent_path, made.name);
	if (fill(sandbox, wish, err))
		return true;
	sandbox_remove(sandbox);
	return false;
}

static bool try_candidate(struct sandbox *sandbox, struct wish *wish, int *fd, struct error *err)
{
	auto_free char *path = path_of(*fd);

	if (!path)
		return false;
	(void)sandbox_sweep(*fd);
	return has_room(wish, *fd, path) && make_in(sandbox, wish, fd, path, err);
}

bool sandbox_make(struct sandbox *sandbox, int folder_fd, const char *folder_path, uid_t uid,
		  gid_t gid, uint64_t bytes, const char *shown, struct error *err)
{
	struct wish wish = { .folder_fd = folder_fd,
			     .folder_path = folder_path,
			     .uid = uid,
			     .gid = gid,
			     .bytes = bytes,
			     .shown = shown };

	*sandbox = (struct sandbox)SANDBOX_NONE;
	if (fstat(folder_fd, &wish.folder) != 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: its folder cannot be looked at", shown);
	(void)fail(err, STATUS_TROUBLE, "%s: nowhere is a private folder to be had for the copy",
		   shown);
	/* First those where there can be an overlay. */
	for (int round = 0; round < 2; round++) {
		for (int which = 0; which < CANDIDATES; which++) {
			auto_close int fd = open_candidate(&wish, which);

			if (fd < 0 || suits_overlay(fd) != (round == 0) ||
			    !try_candidate(sandbox, &wish, &fd, err))
				continue;
			free(wish.place);
			return true;
		}
	}
	if (wish.place)
		(void)no_room(&wish, err);
	free(wish.place);
	return false;
}

void sandbox_remove(struct sandbox *sandbox)
{
	struct stat ours = { 0 }, there = { 0 };

	if (sandbox->parent_fd >= 0) {
		(void)tree_empty(sandbox->fd);
		/* Only while the name still means the folder that we made. */
		if (fstat(sandbox->fd, &ours) == 0 &&
		    fstatat(sandbox->parent_fd, sandbox->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		    is_same(&ours, &there))
			(void)unlinkat(sandbox->parent_fd, sandbox->name, AT_REMOVEDIR);
	}
	scope_close(&sandbox->hidden_fd);
	scope_close(&sandbox->work_fd);
	scope_close(&sandbox->upper_fd);
	scope_close(&sandbox->fd);
	scope_close(&sandbox->parent_fd);
	free(sandbox->path);
	free(sandbox->folder_path);
	*sandbox = (struct sandbox)SANDBOX_NONE;
}

static bool is_sandbox_name(const char *name)
{
	const size_t length = strlen(SANDBOX_PREFIX);

	return strncmp(name, SANDBOX_PREFIX, length) == 0 && strlen(name) == length + DIGITS &&
	       strspn(name + length, "0123456789abcdef") == DIGITS;
}

/* Whether there is nothing but what a sandbox has: somebody's folder that was given such a name is left alone. */
static bool holds_only_ours(int fd)
{
	const int again = openat(fd, ".", OPEN_FOLDER);
	auto_dir DIR *entries = again >= 0 ? fdopendir(again) : NULL;
	const struct dirent *entry = NULL;

	if (!entries) {
		if (again >= 0)
			(void)close(again);
		return false;
	}
	while ((entry = readdir(entries)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    strcmp(entry->d_name, "upper") != 0 && strcmp(entry->d_name, "work") != 0 &&
		    strcmp(entry->d_name, "hidden") != 0 &&
		    strcmp(entry->d_name, "alembic.ini") != 0)
			return false;
	return true;
}

/* Opens what a killed run left, and locks it; -1 when it is not ours or somebody works in it. */
static int open_left(int parent_fd, const char *name)
{
	auto_close int fd = openat(parent_fd, name, OPEN_FOLDER | O_NOFOLLOW);
	struct stat stat = { 0 };

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &stat) != 0 ||
	    stat.st_nlink == 0 || (stat.st_mode & 07777 & ~S_ISGID) != 0700 ||
	    (stat.st_uid != geteuid() && geteuid() != 0) || !holds_only_ours(fd))
		return -1;
	return take_descriptor(&fd);
}

size_t sandbox_sweep(int parent_fd)
{
	const int again = openat(parent_fd, ".", OPEN_FOLDER);
	auto_dir DIR *entries = again >= 0 ? fdopendir(again) : NULL;
	const struct dirent *entry = NULL;
	size_t swept = 0;

	if (!entries && again >= 0)
		(void)close(again);
	while (entries && (entry = readdir(entries))) {
		if (!is_sandbox_name(entry->d_name))
			continue;

		auto_close int fd = open_left(parent_fd, entry->d_name);

		if (fd >= 0 && tree_empty(fd) &&
		    unlinkat(parent_fd, entry->d_name, AT_REMOVEDIR) == 0)
			swept++;
	}
	return swept;
}
