#include "common/linux/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/mounts.h"
#include "common/linux/namespace.h"
#include "common/linux/worker.h"

static const char *const sidecars[] = { "-wal", "-shm", "-journal" };

enum { SIDECARS = sizeof sidecars / sizeof *sidecars, LINK_SIZE = 32, MOST_INNER_MOUNTS = 100 };

/* The view while it is made: all folders as this process's own mount namespace has them. */
struct view {
	const struct sandbox *sandbox;
	const char *name; /* of the database; NULL while it is only tried */
	bool in_user_namespace;
	int folder_fd, upper_fd, work_fd, hidden_fd;
	int merged_fd; /* what is seen at the folder's path in the end */
};

#define auto_view __attribute__((cleanup(close_view))) struct view

static void close_view(struct view *view)
{
	scope_close(&view->folder_fd);
	scope_close(&view->upper_fd);
	scope_close(&view->work_fd);
	scope_close(&view->hidden_fd);
	scope_close(&view->merged_fd);
}

/* A name for an open file that no odd character in its path can break. */
static const char *link_to(int fd, char link[LINK_SIZE])
{
	(void)snprintf(link, LINK_SIZE, "/proc/self/fd/%d", fd);
	return link;
}

static bool is_same(int a, int b)
{
	struct stat first = { 0 }, second = { 0 };

	return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
	       first.st_ino == second.st_ino;
}

/* The folder that `like` is, in our mount namespace: mounts of another one cannot be worked with. */
static int reopen(int base, const char *path, int like)
{
	auto_close int fd = openat(base, path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && !is_same(fd, like)) {
		errno = ESTALE;
		return -1;
	}
	return take_descriptor(&fd);
}

static bool reopen_all(struct view *view, struct error *err)
{
	const struct sandbox *sandbox = view->sandbox;

	view->folder_fd = reopen(AT_FDCWD, sandbox->folder_path, sandbox->folder_fd);
	view->upper_fd =
		view->folder_fd < 0 ? -1 : reopen(AT_FDCWD, sandbox->path, sandbox->upper_fd);
	view->work_fd =
		view->upper_fd < 0 ? -1 : reopen(view->upper_fd, "../work", sandbox->work_fd);
	view->hidden_fd =
		view->work_fd < 0 ? -1 : reopen(view->upper_fd, "../hidden", sandbox->hidden_fd);
	return view->hidden_fd >= 0 ||
	       fail_errno(err, STATUS_TROUBLE, "no private view: the folders cannot be reached");
}

/* --- mounts below the folder, which an overlay does not show ------------------------------------------------------ */

struct inner_mounts {
	struct {
		int fd;	    /* what is mounted */
		char *path; /* where, from the folder on */
	} items[MOST_INNER_MOUNTS];
	size_t count;
};

static void release_inner(struct inner_mounts *inner)
{
	for (size_t i = 0; i < inner->count; i++) {
		scope_close(&inner->items[i].fd);
		free(inner->items[i].path);
	}
}

static bool is_sidecar(const char *entry, const char *name)
{
	const size_t length = strlen(name);

	if (strncmp(entry, name, length) != 0)
		return false;
	for (size_t i = 0; i < SIDECARS; i++)
		if (strcmp(entry + length, sidecars[i]) == 0)
			return true;
	return false;
}

/* The database and what SQLite keeps beside it: in the view these come from `upper` or not at all. */
static bool is_of_database(const struct view *view, const char *entry)
{
	return view->name && (strcmp(entry, view->name) == 0 || is_sidecar(entry, view->name));
}

static bool lies_below(const char *path, const char *folder)
{
	const size_t length = strlen(folder);

	return strncmp(path, folder, length) == 0 && path[length] == '/' && path[length + 1];
}

static void add_inner(const struct view *view, struct inner_mounts *inner, const char *path)
{
	if (is_of_database(view, path))
		return;
	for (size_t i = 0; i < inner->count; i++) /* comes along with the one above it */
		if (strcmp(path, inner->items[i].path) == 0 ||
		    lies_below(path, inner->items[i].path))
			return;

	const int fd = openat(view->folder_fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || inner->count == MOST_INNER_MOUNTS) {
		scope_close(&fd);
		return;
	}
	inner->items[inner->count].fd = fd;
	inner->items[inner->count++].path = memory_copy_text(path);
}

/* mountinfo names a mount after those that it lies on. */
static void find_inner(const struct view *view, struct inner_mounts *inner)
{
	char link[LINK_SIZE];
	auto_proc_root root = PROC_ROOT_CLOSED;
	auto_mounts mounts = { 0 };
	auto_free char *folder = proc_read_link(AT_FDCWD, link_to(view->folder_fd, link));
	struct error ignored = { 0 };

	/* What cannot be told is not shown: the program finds an empty folder there. */
	if (!folder || !proc_root_open(&root, NULL, &ignored) ||
	    !mounts_read(&root, &mounts, &ignored))
		return;
	for (size_t i = 0; i < mounts.count; i++)
		if (lies_below(mounts.items[i].point, folder))
			add_inner(view, inner, mounts.items[i].point + strlen(folder) + 1);
}

static bool bind(int from, int to)
{
	char source[LINK_SIZE], target[LINK_SIZE];

	return mount(link_to(from, source), link_to(to, target), NULL, MS_BIND | MS_REC, NULL) == 0;
}

static bool show_inner(const struct view *view, const struct inner_mounts *inner)
{
	for (size_t i = 0; i < inner->count; i++) {
		auto_close int target = openat(view->merged_fd, inner->items[i].path,
					       O_PATH | O_NOFOLLOW | O_CLOEXEC);

		if (target < 0 || !bind(inner->items[i].fd, target))
			return false;
	}
	return true;
}

/* --- the two ways ------------------------------------------------------------------------------------------------- */

/* What is seen at the folder's path now; it must not be the real folder any more (nothing covers "/"). */
static bool open_merged(struct view *view)
{
	view->merged_fd = open(view->sandbox->folder_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (view->merged_fd >= 0 && is_same(view->merged_fd, view->folder_fd)) {
		scope_close(&view->merged_fd);
		view->merged_fd = -1;
		errno = EBUSY;
	}
	return view->merged_fd >= 0;
}

static bool mount_overlay(const struct view *view, const char *more)
{
	char target[LINK_SIZE], options[200];
	struct statvfs about;
	const bool no_programs =
		fstatvfs(view->folder_fd, &about) == 0 && (about.f_flag & ST_NOEXEC);

	(void)snprintf(options, sizeof options,
		       "lowerdir=/proc/self/fd/%d:/proc/self/fd/%d,upperdir=/proc/self/fd/%d,"
		       "workdir=/proc/self/fd/%d,index=off%s",
		       view->hidden_fd, view->folder_fd, view->upper_fd, view->work_fd, more);
	return mount("overlay", link_to(view->folder_fd, target), "overlay",
		     MS_NOSUID | MS_NODEV | (no_programs ? MS_NOEXEC : 0), options) == 0;
}

/*
 * Marks in a layer of their own that the live sidecars are not there (overlayfs.rst, "whiteouts": a character device 0/0), also those
 * that come to be while the view lasts. Who may not make them (before Linux 5.8 only root) has hide_sidecars() alone.
 */
static void mark_sidecars(const struct view *view)
{
	for (size_t i = 0; view->name && i < SIDECARS; i++) {
		auto_free char *entry = memory_format("%s%s", view->name, sidecars[i]);

		(void)mknodat(view->hidden_fd, entry, S_IFCHR, 0);
	}
}

static bool cover_with_overlay(struct view *view)
{
	__attribute__((cleanup(release_inner))) struct inner_mounts inner = { .count = 0 };

	find_inner(view, &inner);
	mark_sidecars(view);
	/* In a user namespace only attributes of the user's can mark what is hidden (Linux 5.11). */
	return ((view->in_user_namespace && mount_overlay(view, ",userxattr")) ||
		mount_overlay(view, "")) &&
	       open_merged(view) && show_inner(view, &inner);
}

/* Something in `upper` to mount an entry of the same kind on. */
static bool make_place(int upper_fd, const char *entry, mode_t mode)
{
	if (S_ISDIR(mode))
		return mkdirat(upper_fd, entry, 0700) == 0 || errno == EEXIST;

	auto_close int fd = openat(upper_fd, entry, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd >= 0 || errno == EEXIST;
}

static bool show_entry(const struct view *view, const char *entry)
{
	struct stat stat = { 0 };
	auto_close int source = openat(view->folder_fd, entry, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (source < 0 || fstat(source, &stat) != 0)
		return errno == ENOENT; /* gone in the meantime */
	if (S_ISLNK(stat.st_mode)) {
		auto_free char *text = proc_read_link(source, "");

		return text && (symlinkat(text, view->upper_fd, entry) == 0 || errno == EEXIST);
	}
	if (!make_place(view->upper_fd, entry, stat.st_mode))
		return false;

	auto_close int target = openat(view->merged_fd, entry, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return target >= 0 && bind(source, target);
}

static bool show_entries(const struct view *view)
{
	const int again = openat(view->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_dir DIR *entries = again >= 0 ? fdopendir(again) : NULL;
	const struct dirent *entry = NULL;
	size_t count = 0;

	if (!entries)
		return false;
	while ((entry = readdir(entries))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    is_of_database(view, entry->d_name))
			continue;
		if (++count > SANDBOX_MOST_ENTRIES) {
			errno = E2BIG;
			return false;
		}
		if (!show_entry(view, entry->d_name))
			return false;
	}
	return true;
}

static bool cover_with_folder(struct view *view)
{
	/* A try leaves nothing in `upper`: the copy is to come. */
	return bind(view->upper_fd, view->folder_fd) && open_merged(view) &&
	       (!view->name || show_entries(view));
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static bool cover(struct view *view, struct error *err)
{
	auto_free char *shown = text_printable(view->sandbox->folder_path);

	if (cover_with_overlay(view))
		return true;

	const int refused = errno;

	if (view->merged_fd < 0 && cover_with_folder(view))
		return true;
	return fail(err, STATUS_TROUBLE,
		    "no private view of %s: an overlay is refused: %s; a folder over it: %s", shown,
		    strerrordesc_np(refused), strerrordesc_np(errno));
}

/* Takes away what belongs to the live database, or SQLite would bring its last transactions into the copy. */
static bool hide_sidecars(const struct view *view, struct error *err)
{
	for (size_t i = 0; i < SIDECARS; i++) {
		auto_free char *entry = memory_format("%s%s", view->name, sidecars[i]);

		if (faccessat(view->upper_fd, entry, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
		    unlinkat(view->merged_fd, entry, 0) != 0 && errno != ENOENT)
			return fail_errno(err, STATUS_TROUBLE,
					  "no private view: the live %s cannot be hidden",
					  sidecars[i]);
	}
	return true;
}

static bool enter(const struct sandbox *sandbox, struct view *view, struct error *err)
{
	struct stat home = { 0 }, copy = { 0 };

	if (view->name &&
	    (fstatat(sandbox->upper_fd, view->name, &copy, AT_SYMLINK_NOFOLLOW) != 0 ||
	     !S_ISREG(copy.st_mode)))
		return fail(err, STATUS_TROUBLE, "no private view: there is no copy in it");
	if (fstat(sandbox->fd, &home) != 0)
		return fail_errno(err, STATUS_TROUBLE, "no private view");
	return namespace_own_mounts(home.st_uid, &view->in_user_namespace, err) &&
	       reopen_all(view, err) && cover(view, err) &&
	       (!view->name || hide_sidecars(view, err));
}

#define VIEW_OF(its_sandbox, its_name)                                                         \
	{                                                                                      \
		.sandbox = (its_sandbox), .name = (its_name), .folder_fd = -1, .upper_fd = -1, \
		.work_fd = -1, .hidden_fd = -1, .merged_fd = -1                                \
	}

bool sandbox_enter(const struct sandbox *sandbox, const char *name, struct error *err)
{
	auto_view view = VIEW_OF(sandbox, name);

	return enter(sandbox, &view, err);
}

/* A view in which nothing can be made is none. */
static bool try_to_enter(void *argument, struct error *err)
{
	static const char probe[] = SANDBOX_PREFIX "probe";
	auto_view view = VIEW_OF(argument, NULL);

	if (!enter(argument, &view, err))
		return false;

	auto_close int fd =
		openat(view.merged_fd, probe, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return (fd >= 0 && unlinkat(view.merged_fd, probe, 0) == 0) ||
	       fail_errno(err, STATUS_TROUBLE, "no private view: nothing can be made in it");
}

bool sandbox_can_cover(const struct sandbox *sandbox, struct error *err)
{
	struct sandbox given = *sandbox;

	return worker_run("trying a private view", try_to_enter, &given, NULL, err);
}
