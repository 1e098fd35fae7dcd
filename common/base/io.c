#include "common/base/io.h"

#include <errno.h>
#include <unistd.h>

/* Whether to go on after a write; one that wrote nothing and names no error would never end. */
static bool wrote_some(ssize_t wrote)
{
	if (wrote == 0)
		errno = EIO;
	return wrote > 0 || (wrote < 0 && errno == EINTR);
}

bool io_write(int fd, const void *bytes, size_t length)
{
	for (size_t done = 0; done < length;) {
		const ssize_t wrote = write(fd, (const char *)bytes + done, length - done);

		if (!wrote_some(wrote))
			return false;
		done += wrote > 0 ? (size_t)wrote : 0;
	}
	return true;
}

bool io_write_at(int fd, const void *bytes, size_t length, uint64_t offset)
{
	for (size_t done = 0; done < length;) {
		const ssize_t wrote = pwrite(fd, (const char *)bytes + done, length - done,
					     (off_t)(offset + done));

		if (!wrote_some(wrote))
			return false;
		done += wrote > 0 ? (size_t)wrote : 0;
	}
	return true;
}

ssize_t io_read(int fd, void *bytes, size_t length)
{
	ssize_t got = 0;

	do
		got = read(fd, bytes, length);
	while (got < 0 && errno == EINTR);
	return got;
}

ssize_t io_read_at(int fd, void *bytes, size_t length, uint64_t offset)
{
	size_t filled = 0;

	while (filled < length) {
		const ssize_t got = pread(fd, (char *)bytes + filled, length - filled,
					  (off_t)(offset + filled));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		filled += (size_t)got;
	}
	return (ssize_t)filled;
}
