#include "common/base/handover.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/scope.h"

int handover_make(struct error *err)
{
	const int fd = memfd_create("handover", MFD_CLOEXEC);

	if (fd < 0)
		(void)fail_errno(err, STATUS_TROUBLE, "no room for what a worker finds");
	return fd;
}

bool handover_put(int fd, struct json_t *document, struct error *err)
{
	auto_free char *line = json_take_line(document);

	return (ftruncate(fd, 0) == 0 && io_write_at(fd, line, strlen(line), 0)) ||
	       fail_errno(err, STATUS_TROUBLE, "what was found cannot be handed over");
}

struct json_t *handover_take(int fd, struct error *err)
{
	struct stat stat = { 0 };

	if (fstat(fd, &stat) != 0) {
		(void)fail_errno(err, STATUS_TROUBLE, "what was found is gone");
		return NULL;
	}

	auto_free char *bytes = memory_allocate((size_t)stat.st_size + 1, 1);

	if (io_read_at(fd, bytes, (size_t)stat.st_size, 0) != (ssize_t)stat.st_size) {
		(void)fail_errno(err, STATUS_TROUBLE, "what was found is gone");
		return NULL;
	}
	return json_parse(bytes, (size_t)stat.st_size, err);
}
