#include "common/linux/path_in_root.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/parse.h"
#include "common/base/scope.h"

int path_open_in(int root_fd, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (uint64_t)flags,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, root_fd, path, &how, sizeof how);
}

size_t path_root_length(const char *path)
{
	const char *at = path;
	uint64_t pid = 0;

	if (!parse_word_at(&at, "/proc/") || !parse_number_at(&at, 10, INT32_MAX, &pid) ||
	    !parse_word_at(&at, "/root/"))
		return 0;
	return (size_t)(at - path) - 1;
}

int path_open(const char *path, int flags)
{
	const size_t length = path_root_length(path);

	if (length == 0)
		return open(path, flags);

	auto_free char *root = memory_copy(path, length);
	auto_close int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return root_fd < 0 ? -1 : path_open_in(root_fd, path + length, flags);
}
