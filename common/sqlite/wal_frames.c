#include "common/sqlite/wal_frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/memory.h"

/* Salts are at these places of the file's header and of each frame's. */
enum { HEADER_SALTS = 16, FRAME_SALTS = 8, SALTS_SIZE = 8 };

uint64_t wal_frame_offset(uint32_t frame, uint32_t page_size)
{
	return WAL_HEADER_SIZE + (uint64_t)(frame - 1) * (WAL_FRAME_HEADER_SIZE + page_size) +
	       WAL_FRAME_HEADER_SIZE;
}

static int by_page_then_frame(const void *a, const void *b)
{
	const struct wal_page *first = a, *second = b;

	if (first->page != second->page)
		return first->page < second->page ? -1 : 1;
	return first->frame < second->frame ? -1 : first->frame > second->frame;
}

/* Leaves the newest frame of each page. */
static void keep_newest(struct wal_frames *frames)
{
	size_t kept = 0;

	if (frames->count == 0)
		return;
	qsort(frames->items, frames->count, sizeof *frames->items, by_page_then_frame);
	for (size_t i = 1; i < frames->count; i++) {
		if (frames->items[i].page != frames->items[kept].page)
			kept++;
		frames->items[kept] = frames->items[i];
	}
	frames->count = kept + 1;
}

static uint32_t big_endian(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

bool wal_frames_read(int fd, const struct wal_index *index, struct wal_frames *frames, bool *reset,
		     struct error *err)
{
	ssize_t got = io_read_at(fd, frames->header, sizeof frames->header, 0);

	*reset = false;
	if (got < 0)
		return fail_errno(err, STATUS_TROUBLE, "the -wal cannot be read");
	*reset = got < (ssize_t)sizeof frames->header ||
		 memcmp(frames->header + HEADER_SALTS, index->salts, SALTS_SIZE) != 0;
	for (uint32_t frame = 1; frame <= index->frames && !*reset; frame++) {
		uint8_t header[WAL_FRAME_HEADER_SIZE];
		const uint64_t page_at = wal_frame_offset(frame, index->page_size);

		got = io_read_at(fd, header, sizeof header, page_at - sizeof header);
		if (got < 0)
			return fail_errno(err, STATUS_TROUBLE, "the -wal cannot be read");
		*reset = got < (ssize_t)sizeof header ||
			 memcmp(header + FRAME_SALTS, index->salts, SALTS_SIZE) != 0;
		if (!*reset)
			*memory_append(frames) = (struct wal_page){ big_endian(header), frame };
	}
	keep_newest(frames);
	return !*reset;
}

void wal_frames_release(struct wal_frames *frames)
{
	free(frames->items);
	*frames = (struct wal_frames){ 0 };
}

bool wal_frames_still_there(const struct wal_frames *frames, int fd)
{
	uint8_t header[WAL_HEADER_SIZE];

	return io_read_at(fd, header, sizeof header, 0) == (ssize_t)sizeof header &&
	       memcmp(header, frames->header, sizeof header) == 0;
}
