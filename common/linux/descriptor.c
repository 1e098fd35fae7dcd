#include "common/linux/descriptor.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/scope.h"

enum { NAME_SIZE = 64 };

bool descriptor_is_shared(pid_t a, int a_fd, pid_t b, int b_fd)
{
	return syscall(SYS_kcmp, a, b, KCMP_FILE, (unsigned long)a_fd, (unsigned long)b_fd) == 0;
}

bool descriptor_of_path(const struct proc_root *root, pid_t pid, const char *path,
			struct descriptor_file *file)
{
	char table[NAME_SIZE];
	struct number_walk walk;
	const char *name = NULL;
	int fd = -1;

	(void)snprintf(table, sizeof table, "%d/fd", pid);

	auto_close int folder = openat(root->fd, table, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return false;
	number_walk_start(&walk, folder);
	while (number_walk_next(&walk, &fd, &name)) {
		auto_free char *link = proc_read_link(folder, name);
		struct statx found = { 0 };

		/* The text first: reading a link asks no file system, which may hang. */
		if (!link || strcmp(link, path) != 0 ||
		    statx(folder, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
			  STATX_INO | STATX_NLINK, &found) != 0 ||
		    found.stx_nlink ==
			    0) /* a file may be named so; a deleted one is no file at a path */
			continue;
		*file = (struct descriptor_file){ found.stx_dev_major, found.stx_dev_minor,
						  found.stx_ino };
		return true;
	}
	return false;
}
