#include "common/sqlite/database_content.h"

#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/scope.h"

enum { BUFFER_SIZE = 256 << 10 };

/*
 * What differs between two files with the same content: versions (18, 19), change counter (24..27), schema cookie (40..43),
 * and who wrote last (92..99), which the Online Backup API and every commit write anew.
 */
static void blank_header(char *bytes, size_t length)
{
	static const struct {
		size_t start, length;
	} parts[] = { { 18, 2 }, { 24, 4 }, { 40, 4 }, { 92, 8 } };

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (parts[i].start + parts[i].length <= length)
			memset(bytes + parts[i].start, 0, parts[i].length);
}

bool database_same_content(int a, int b)
{
	auto_free char *first = memory_allocate(BUFFER_SIZE, 1);
	auto_free char *second = memory_allocate(BUFFER_SIZE, 1);
	off_t at = 0;

	for (;;) {
		const ssize_t one = io_read_at(a, first, BUFFER_SIZE, (uint64_t)at),
			      two = io_read_at(b, second, BUFFER_SIZE, (uint64_t)at);

		if (one < 0 || one != two)
			return false;
		if (one == 0)
			return true;
		if (at == 0) {
			blank_header(first, (size_t)one);
			blank_header(second, (size_t)two);
		}
		if (memcmp(first, second, (size_t)one) != 0)
			return false;
		at += one;
	}
}

bool database_stamp_read(int fd, struct database_stamp *stamp)
{
	enum { VERSIONS = 18 };
	struct stat stat = { 0 };

	*stamp = (struct database_stamp){ 0 };
	if (fstat(fd, &stat) != 0 || io_read_at(fd, stamp->bytes, sizeof stamp->bytes, 0) < 0)
		return false;
	stamp->size = (uint64_t)stat.st_size;
	stamp->bytes[VERSIONS] = stamp->bytes[VERSIONS + 1] = 0;
	return true;
}

uint16_t database_stamp_page_size(const struct database_stamp *stamp)
{
	return (uint16_t)(stamp->bytes[16] << 8 | stamp->bytes[17]);
}

bool database_stamp_same(const struct database_stamp *a, const struct database_stamp *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
