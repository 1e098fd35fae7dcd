#include "common/linux/lock_probe.h"

#include <fcntl.h>
#include <unistd.h>

static bool ask(int fd, short type, uint64_t start, uint64_t length, struct flock *answer)
{
	*answer = (struct flock){
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)start,
		.l_len = (off_t)length,
	};
	return fcntl(fd, F_GETLK, answer) == 0;
}

bool lock_probe(int fd, uint64_t start, uint64_t length, const char *name, struct lock_probe *probe,
		struct error *err)
{
	struct flock any = { 0 }, writer = { 0 };

	*probe = (struct lock_probe){ 0 };
	if (!ask(fd, F_WRLCK, start, length, &any))
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot ask for its locks", name);
	if (any.l_type == F_UNLCK)
		return true;
	probe->conflict = CONFLICT_READ;
	probe->pid = any.l_pid;

	/* The kernel names one lock in the way of a writer; a reader's question finds the write locks. */
	if (!ask(fd, F_RDLCK, start, length, &writer))
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot ask for its locks", name);
	if (writer.l_type == F_WRLCK) {
		probe->conflict = CONFLICT_WRITE;
		probe->pid = writer.l_pid;
	}
	return true;
}
