#include "common/linux/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/scope.h"

static bool write_text(const char *path, const char *words)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && io_write(fd, words, strlen(words));
}

/* In a new user namespace: our user and group stay what they are, and there are no others (user_namespaces(7)). */
static bool map_ids(uid_t uid, gid_t gid)
{
	auto_free char *users = memory_format("%u %u 1\n", uid, uid);
	auto_free char *groups = memory_format("%u %u 1\n", gid, gid);

	return write_text("/proc/self/setgroups", "deny") &&
	       write_text("/proc/self/uid_map", users) && write_text("/proc/self/gid_map", groups);
}

static bool refuse(struct error *err)
{
	if (errno == ENOSPC)
		return fail(err, STATUS_TROUBLE,
			    "no private view: the limit of namespaces is reached (/proc/sys/user)");
	return fail_errno(err, STATUS_TROUBLE, "no private view: namespaces are refused here");
}

static bool unshare_with_user(uid_t owner, struct error *err)
{
	const uid_t uid = geteuid();
	const gid_t gid = getegid();

	/* There nobody could become the owner any more. */
	if (owner != uid)
		return fail(err, STATUS_TROUBLE,
			    "no private view: for another user's database it takes CAP_SYS_ADMIN");
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		return refuse(err);
	return map_ids(uid, gid) ||
	       fail_errno(err, STATUS_TROUBLE,
			  "no private view: user namespaces are restricted here");
}

bool namespace_own_mounts(uid_t owner, bool *in_user_namespace, struct error *err)
{
	*in_user_namespace = unshare(CLONE_NEWNS) != 0;
	if (*in_user_namespace && errno != EPERM)
		return refuse(err);
	if (*in_user_namespace && !unshare_with_user(owner, err))
		return false;
	/* What is mounted outside later (a stick, a network folder) is still seen here. */
	return mount("none", "/", "none", MS_REC | MS_SLAVE, NULL) == 0 ||
	       fail_errno(err, STATUS_TROUBLE, "no private view: mounts cannot be kept private");
}
