#include "common/linux/file_traits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/scope.h"

/* XATTR_LIST_MAX and XATTR_SIZE_MAX of the kernel. */
enum { MOST_ATTRIBUTES = 65536 };

bool file_traits_set(int fd, mode_t mode, uid_t uid, gid_t gid, bool strict, const char *shown,
		     struct error *err)
{
	/* The owner first: giving a file away takes the set-ID bits from it. */
	if (fchown(fd, uid, gid) != 0 && (strict || errno != EPERM))
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot be given its owner", shown);
	return fchmod(fd, mode & 07777) == 0 ||
	       fail_errno(err, STATUS_TROUBLE, "%s: cannot be given its permissions", shown);
}

/* An ACL is one of these: system.posix_acl_access. */
static void copy_attributes(const char *from, int to)
{
	auto_free char *names = memory_allocate(MOST_ATTRIBUTES, 1);
	auto_free char *value = memory_allocate(MOST_ATTRIBUTES, 1);
	const ssize_t length = listxattr(from, names, MOST_ATTRIBUTES);

	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
		const ssize_t size = getxattr(from, names + at, value, MOST_ATTRIBUTES);

		/* What may not be set (a label, say) the kernel has set by its own rules. */
		if (size >= 0)
			(void)fsetxattr(to, names + at, value, (size_t)size, 0);
	}
}

bool file_traits_copy(int from, int to, const char *shown, struct error *err)
{
	struct stat stat = { 0 };
	char path[64];

	if (fstat(from, &stat) != 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot be looked at", shown);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", from);
	copy_attributes(path, to);
	return file_traits_set(to, stat.st_mode, stat.st_uid, stat.st_gid, true, shown, err);
}
