/*
 * Which pages of a database are newer in its WAL, read from the -wal file itself. For a raw copy made under a read
 * transaction; why it is right is told in common/snapshot.h.
 *
 * Layout (walformat.html): a header of 32 bytes (magic, version, page size, sequence, salts, checksum), then frames:
 * page number, pages in the database after a commit or 0, salts, checksum (24 bytes), and the page.
 */
#ifndef SQLITE_WAL_FRAMES_H
#define SQLITE_WAL_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/sqlite/database_files.h"
#include "common/sqlite/wal_index.h"

/* The newest frame of one page. */
struct wal_page {
	uint32_t page;	/* from 1 on */
	uint32_t frame; /* from 1 on */
};

struct wal_frames {
	struct wal_page *items; /* by page */
	size_t count, capacity;
	uint8_t header[WAL_HEADER_SIZE]; /* of the WAL that they are in */
};

/*
 * Reads the frames 1 to index->frames of the -wal open at `fd`. False with *reset set when the file is of another
 * generation by now, which a reader that needs its frames prevents; false with *err set when it cannot be read.
 */
bool wal_frames_read(int fd, const struct wal_index *index, struct wal_frames *frames, bool *reset,
		     struct error *err);
void wal_frames_release(struct wal_frames *frames);

/* Whether the WAL has been reset since: what was read from it after that may be anything. */
bool wal_frames_still_there(const struct wal_frames *frames, int fd);

/* Where a frame's page is in the file. */
uint64_t wal_frame_offset(uint32_t frame, uint32_t page_size);

#endif
