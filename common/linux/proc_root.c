#include "common/linux/proc_root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/parse.h"
#include "common/base/scope.h"

/* include/linux/proc_ns.h, PROC_PID_INIT_INO and PROC_USER_INIT_INO: the first namespaces, since Linux 3.8. */
static const ino_t initial_pid_namespace = 0xEFFFFFFC, initial_user_namespace = 0xEFFFFFFD;

static bool is_namespace(int fd, const char *name, ino_t inode)
{
	struct stat namespace = { 0 };

	return fstatat(fd, name, &namespace, 0) == 0 && namespace.st_ino == inode;
}

bool proc_root_open(struct proc_root *root, const char *path, struct error *err)
{
	struct statfs filesystem = { 0 };

	root->fd = open(path ? path : "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root->fd < 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot open", path ? path : "/proc");
	if (path)
		return true;
	if (fstatfs(root->fd, &filesystem) != 0 || filesystem.f_type != PROC_SUPER_MAGIC) {
		proc_root_close(root);
		return fail(err, STATUS_TROUBLE, "/proc: not mounted: no process could be seen");
	}

	auto_free char *self = proc_read_link(root->fd, "self");

	root->initial_pid_namespace = is_namespace(root->fd, "self/ns/pid", initial_pid_namespace);
	root->initial_user_namespace =
		is_namespace(root->fd, "self/ns/user", initial_user_namespace);
	if (!self || !parse_pid(self, &root->self)) {
		proc_root_close(root);
		return fail(err, STATUS_TROUBLE, "/proc: belongs to another PID namespace");
	}
	return true;
}

void proc_root_close(struct proc_root *root)
{
	if (root->fd >= 0)
		(void)close(root->fd);
	root->fd = -1;
}

char *proc_read(int fd, const char *path, size_t most, size_t *length)
{
	const int file = openat(fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	auto_close int closing = file;
	auto_free char *bytes = NULL;
	size_t capacity = 0, filled = 0;

	if (file < 0)
		return NULL;
	while (filled < most) {
		/* Twice what came last: small files of /proc take one read and one that says "end". */
		bytes = memory_grow(bytes, &capacity, filled + 4096 + 1, 1);

		const size_t room = capacity - filled - 1;
		const ssize_t got =
			read(file, bytes + filled, room < most - filled ? room : most - filled);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return NULL;
		if (got == 0)
			break;
		filled += (size_t)got;
	}
	if (!bytes)
		bytes = memory_allocate(1, 1);
	bytes[filled] = '\0';
	if (length)
		*length = filled;
	return take_pointer(&bytes);
}

char *proc_read_link(int fd, const char *path)
{
	char target[PATH_MAX + 1];
	const ssize_t length = readlinkat(fd, path, target, sizeof target - 1);

	return length < 0 ? NULL : memory_copy(target, (size_t)length);
}

bool proc_shares_mounts(const struct proc_root *root, pid_t a, pid_t b)
{
	auto_free char *path_of_a = memory_format("%d/ns/mnt", a);
	auto_free char *path_of_b = memory_format("%d/ns/mnt", b);
	auto_free char *mounts_of_a = proc_read_link(root->fd, path_of_a);
	auto_free char *mounts_of_b = proc_read_link(root->fd, path_of_b);

	return mounts_of_a && mounts_of_b && strcmp(mounts_of_a, mounts_of_b) == 0;
}

void number_walk_start(struct number_walk *walk, int fd)
{
	walk->fd = fd;
	walk->filled = walk->next = 0;
	walk->error = 0;
}

static bool refill(struct number_walk *walk)
{
	const ssize_t got = getdents64(walk->fd, walk->buffer, sizeof walk->buffer);

	if (got < 0)
		walk->error = errno;
	walk->next = 0;
	walk->filled = got > 0 ? (size_t)got : 0;
	return got > 0;
}

bool number_walk_next(struct number_walk *walk, int *number, const char **name)
{
	uint64_t value = 0;

	while (walk->next < walk->filled || refill(walk)) {
		const struct dirent64 *entry = (const void *)(walk->buffer + walk->next);

		walk->next += entry->d_reclen;
		if (parse_whole(entry->d_name, INT_MAX, &value)) {
			*number = (int)value;
			*name = entry->d_name;
			return true;
		}
	}
	return false;
}
