#include "common/linux/file_copy.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/scope.h"

enum { BUFFER_SIZE = 1 << 20 };

const char *copy_method_name(enum copy_method method)
{
	static const char *const names[] = {
		[COPY_REFLINK] = "reflink",
		[COPY_RANGE] = "copy_file_range",
		[COPY_READ_WRITE] = "read_write",
	};

	return names[method];
}

bool file_clone(int from, int to)
{
	return ioctl(to, FICLONE, from) == 0;
}

static bool read_and_write(int from, int to, uint64_t offset, uint64_t end)
{
	auto_free char *buffer = memory_allocate(BUFFER_SIZE, 1);

	while (offset < end) {
		const uint64_t left = end - offset;
		const size_t wanted = left < BUFFER_SIZE ? (size_t)left : BUFFER_SIZE;
		const ssize_t got = io_read_at(from, buffer, wanted, offset);

		if (got <= 0)
			return got == 0;
		if (!io_write_at(to, buffer, (size_t)got, offset))
			return false;
		offset += (uint64_t)got;
	}
	return true;
}

/* Errors that say "not with these two files", not "this went wrong". */
static bool is_refusal(int error)
{
	return error == EXDEV || error == EINVAL || error == ENOSYS || error == EOPNOTSUPP ||
	       error == EBADF || error == EPERM || error == ETXTBSY;
}

/* Copies one stretch that has data. */
static bool copy_data(int from, int to, uint64_t offset, uint64_t end, enum copy_method *method)
{
	while (offset < end && *method == COPY_RANGE) {
		off_t in = (off_t)offset, out = (off_t)offset;
		const ssize_t got = copy_file_range(from, &in, to, &out, end - offset, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && !is_refusal(errno))
			return false;
		if (got <= 0) /* 0 may also mean that a file system pretends to be able to */
			*method = COPY_READ_WRITE;
		else
			offset += (uint64_t)got;
	}
	return offset >= end || read_and_write(from, to, offset, end);
}

bool file_copy_range(int from, int to, uint64_t offset, uint64_t length, enum copy_method *method)
{
	const uint64_t end = offset + length;

	while (offset < end) {
		const off_t data = lseek(from, (off_t)offset, SEEK_DATA);

		if (data < 0 && errno == ENXIO)
			return true; /* nothing but a hole from here on */
		if (data < 0)	     /* the file system does not tell */
			return copy_data(from, to, offset, end, method);
		if ((uint64_t)data >= end)
			return true;

		const off_t hole = lseek(from, data, SEEK_HOLE);
		const uint64_t stop = hole < 0 || (uint64_t)hole > end ? end : (uint64_t)hole;

		if (!copy_data(from, to, (uint64_t)data, stop, method))
			return false;
		offset = stop;
	}
	return true;
}
