#include "common/linux/open_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/parse.h"
#include "common/base/scope.h"

enum { MOST_FDINFO = 1 << 20, MOST_MAPS = 16 << 20, NAME_SIZE = 64 };

/* What is being looked at, so that functions need not pass seven things on. */
struct search {
	const struct proc_root *root;
	const struct open_query *query;
	struct open_files *found;
	pid_t pid;
};

void open_files_release(struct open_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->items[i].path);
		free(files->items[i].locks);
	}
	free(files->items);
	*files = (struct open_files){ 0 };
}

static bool is_target(const struct open_target *target, const struct statx *file)
{
	return target->wanted && file->stx_ino == target->inode &&
	       file->stx_dev_major == target->major && file->stx_dev_minor == target->minor;
}

/* The last part of a path. */
static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/*
 * Whether `link`, the text of a descriptor whose file has no name any more, says that it was at `path`.
 * A process in a container sees the folder under another path: then the folder itself is compared.
 */
static bool was_at(const struct search *search, const char *link, const char *path)
{
	static const char deleted[] = " (deleted)";
	const size_t length = strlen(link), mark = sizeof deleted - 1;
	struct stat theirs = { 0 }, ours = { 0 };

	if (length <= mark || strcmp(link + length - mark, deleted) != 0)
		return false;

	auto_free char *there = memory_copy(link, length - mark);

	if (strcmp(there, path) == 0)
		return true;
	if (strcmp(base_of(there), base_of(path)) != 0)
		return false;

	auto_free char *folder = memory_copy(path, (size_t)(base_of(path) - path));
	auto_free char *inside =
		memory_format("%d/root%.*s", search->pid, (int)(base_of(there) - there), there);

	return stat(folder, &ours) == 0 && fstatat(search->root->fd, inside, &theirs, 0) == 0 &&
	       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* The target whose unlinked predecessor this descriptor is on, or -1. */
static int replaced_target(const struct search *search, int folder, const char *name)
{
	auto_free char *link = proc_read_link(folder, name);

	for (size_t i = 0; link && i < search->query->count; i++)
		if (was_at(search, link, search->query->targets[i].path))
			return (int)i;
	return -1;
}

/* Whether an unlinked file is worth a look at its name. */
static bool may_be_replaced(const struct open_query *query, const struct statx *file)
{
	return file->stx_nlink == 0 && S_ISREG(file->stx_mode) && query->count > 0 &&
	       file->stx_dev_major == query->targets[0].major &&
	       file->stx_dev_minor == query->targets[0].minor;
}

static void add_locks(struct open_file *file, const char *fdinfo)
{
	struct {
		struct lock_line *items;
		size_t count, capacity;
	} locks = { 0 };
	struct lock_line lock = { 0 };

	for (const char *line = NULL; (line = fdinfo_next_lock(&fdinfo));)
		if (lock_line_read(line, &lock))
			*memory_append(&locks) = lock;
	file->locks = locks.items;
	file->lock_count = locks.count;
}

/* Threads usually share one table: the same descriptor is seen through each of them. */
static bool is_listed(const struct search *search, size_t target, int fd, bool replaced)
{
	for (size_t i = search->found->count; i > 0; i--) {
		const struct open_file *file = &search->found->items[i - 1];

		if (file->pid != search->pid)
			return false;
		if (file->target == target && file->fd == fd && file->replaced == replaced)
			return true;
	}
	return false;
}

/* Adds a descriptor in the folder `table` ("PID/fd" or "PID/task/TID/fd") that is on a target. */
static void add_descriptor(const struct search *search, const char *table, int fd, size_t target,
			   bool replaced)
{
	if (is_listed(search, target, fd, replaced))
		return;

	auto_free char *info_path = memory_format("%sinfo/%d", table, fd);
	auto_free char *text = proc_read(search->root->fd, info_path, MOST_FDINFO, NULL);
	struct fdinfo info = { 0 };

	/* An O_PATH descriptor only names the file: it can neither read, write nor lock. */
	if (text && fdinfo_read(text, &info) && (info.flags & O_PATH))
		return;

	auto_free char *link_path = memory_format("%s/%d", table, fd);
	struct open_file *file = memory_append(search->found);

	file->pid = search->pid;
	file->target = target;
	file->fd = fd;
	file->replaced = replaced;
	file->writable = text && fdinfo_can_write(info.flags);
	file->path = proc_read_link(search->root->fd, link_path);
	if (text)
		add_locks(file, text);
}

static void look_at_descriptor(const struct search *search, const char *table, int folder, int fd,
			       const char *name, const struct statx *file)
{
	for (size_t i = 0; i < search->query->count; i++)
		if (is_target(&search->query->targets[i], file)) {
			add_descriptor(search, table, fd, i, false);
			return;
		}
	if (!may_be_replaced(search->query, file))
		return;

	const int target = replaced_target(search, folder, name);

	if (target >= 0)
		add_descriptor(search, table, fd, (size_t)target, true);
}

enum table_view { TABLE_SEEN, TABLE_EMPTY, TABLE_HIDDEN, TABLE_GONE };

/* Only a process that has ended may be passed over in silence; whatever else stopped us hides something. */
static enum table_view why_not(int error)
{
	return error == ENOENT || error == ESRCH || error == ENOTDIR ? TABLE_GONE : TABLE_HIDDEN;
}

/* Told by its text: reading a link asks no file system. */
static bool is_avoided(const struct open_query *query, int folder, const char *name)
{
	if (query->avoid_count == 0)
		return false;

	auto_free char *link = proc_read_link(folder, name);

	for (size_t i = 0; link && i < query->avoid_count; i++) {
		const size_t length = strlen(query->avoid[i]);

		if (strncmp(link, query->avoid[i], length) == 0 && link[length] == '/')
			return true;
	}
	return false;
}

/*
 * Whether a descriptor that could not be looked at may still be ours. Other errors are those of somebody else's
 * broken file system (ESTALE, EIO, ENOTCONN), or of a descriptor that was closed meanwhile.
 */
static bool is_refusal(int error)
{
	return error == EACCES || error == EPERM || error == ENOMEM || error == ENFILE ||
	       error == EMFILE;
}

/*
 * After a refusal: a file system of a user's own (FUSE) refuses even root, while its device may be known. A
 * descriptor on another device than our files' is none of them.
 */
static bool lies_elsewhere(const struct search *search, int folder, const char *name)
{
	struct statx file = { 0 };

	if (statx(folder, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &file) != 0)
		return false;
	for (size_t i = 0; i < search->query->count; i++)
		if (file.stx_dev_major == search->query->targets[i].major &&
		    file.stx_dev_minor == search->query->targets[i].minor)
			return false;
	return true;
}

/* Looks at every descriptor in one table. */
static enum table_view look_at_table(const struct search *search, const char *table)
{
	auto_close int folder = openat(search->root->fd, table, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum table_view view = TABLE_EMPTY;
	struct number_walk walk;
	const char *name = NULL;
	int fd = -1;

	if (folder < 0)
		return why_not(errno);
	number_walk_start(&walk, folder);
	while (number_walk_next(&walk, &fd, &name)) {
		struct statx file = { 0 };

		if (is_avoided(search->query, folder, name))
			continue;
		if (statx(folder, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
			  STATX_TYPE | STATX_INO | STATX_NLINK, &file) == 0) {
			view = TABLE_SEEN;
			look_at_descriptor(search, table, folder, fd, name, &file);
		} else if (is_refusal(errno) && !lies_elsewhere(search, folder, name)) {
			/* May list the numbers, may not look behind them: one refusal is all. */
			return TABLE_HIDDEN;
		}
	}
	return walk.error ? why_not(walk.error) : view;
}

/* Looks at the tables of the threads other than the leader; hidden if one of them is. */
static enum table_view look_at_threads(const struct search *search)
{
	char tasks[NAME_SIZE], table[NAME_SIZE];
	enum table_view view = TABLE_EMPTY;
	struct number_walk walk;
	const char *name = NULL;
	int thread = 0;

	(void)snprintf(tasks, sizeof tasks, "%d/task", search->pid);

	auto_close int folder = openat(search->root->fd, tasks, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return why_not(errno);
	number_walk_start(&walk, folder);
	while (number_walk_next(&walk, &thread, &name)) {
		if (thread == search->pid)
			continue;
		(void)snprintf(table, sizeof table, "%d/task/%d/fd", search->pid, thread);

		const enum table_view one = look_at_table(search, table);

		if (one == TABLE_HIDDEN)
			return TABLE_HIDDEN;
		if (one == TABLE_SEEN)
			view = TABLE_SEEN;
	}
	return view;
}

static bool was_found(const struct search *search, size_t target)
{
	for (size_t i = 0; i < search->found->count; i++)
		if (search->found->items[i].pid == search->pid &&
		    search->found->items[i].target == target)
			return true;
	return false;
}

/*
 *   7f2b4c000000-7f2b4c001000 rw-s 00001000 fe:00 1048602    /srv/bot.db-shm       (proc(5))
 */
static bool maps_line_names(const char *line, const struct lock_key *key, bool *writable)
{
	uint64_t ignored = 0, major = 0, minor = 0, inode = 0;
	const char *at = line;

	if (!parse_number_at(&at, 16, UINT64_MAX, &ignored) || !parse_word_at(&at, "-") ||
	    !parse_number_at(&at, 16, UINT64_MAX, &ignored) || !parse_word_at(&at, " ") ||
	    strnlen(at, 5) < 5)
		return false;
	*writable = at[1] == 'w' && at[3] == 's';
	at += 5;
	return parse_number_at(&at, 16, UINT64_MAX, &ignored) && parse_word_at(&at, " ") &&
	       parse_number_at(&at, 16, UINT64_MAX, &major) && parse_word_at(&at, ":") &&
	       parse_number_at(&at, 16, UINT64_MAX, &minor) && parse_word_at(&at, " ") &&
	       parse_number_at(&at, 10, UINT64_MAX, &inode) && inode == key->inode &&
	       major == key->major && minor == key->minor;
}

/* Finds targets that are mapped although their descriptor is closed. */
static enum table_view look_at_mappings(const struct search *search)
{
	char path[NAME_SIZE];

	(void)snprintf(path, sizeof path, "%d/maps", search->pid);

	auto_free char *maps = proc_read(search->root->fd, path, MOST_MAPS, NULL);

	if (!maps)
		return why_not(errno);
	for (const char *line = maps; *line;) {
		for (size_t i = 0; i < search->query->count; i++) {
			const struct open_target *target = &search->query->targets[i];

			bool writable = false;

			if (!target->wanted || !maps_line_names(line, &target->key, &writable) ||
			    was_found(search, i))
				continue;

			struct open_file *file = memory_append(search->found);

			file->pid = search->pid;
			file->target = i;
			file->fd = -1;
			file->writable = writable;
			file->path = memory_copy_text(target->path);
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return TABLE_SEEN;
}

static void look_at_process(const struct search *search, bool deep)
{
	char table[NAME_SIZE];

	(void)snprintf(table, sizeof table, "%d/fd", search->pid);

	enum table_view view = look_at_table(search, table);

	/* When the leader has exited its table is empty, and refused to ordinary users. */
	if (view == TABLE_EMPTY || (deep && view == TABLE_SEEN))
		view = look_at_threads(search);
	else if (view == TABLE_HIDDEN && look_at_threads(search) == TABLE_SEEN)
		view = TABLE_SEEN;
	if (deep && view != TABLE_HIDDEN && view != TABLE_GONE)
		view = look_at_mappings(search);
	search->found->hidden += view == TABLE_HIDDEN;
}

void open_files_of(const struct proc_root *root, const struct open_query *query, pid_t pid,
		   bool deep, struct open_files *found)
{
	const struct search search = {
		.root = root,
		.query = query,
		.found = found,
		.pid = pid,
	};

	look_at_process(&search, deep);
}
