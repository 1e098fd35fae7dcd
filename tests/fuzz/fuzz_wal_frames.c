#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "common/sqlite/wal_frames.h"

/* The pages are in order, each once, with a frame that the file has whole and that no later frame replaces. */
static void check_frames(const uint8_t *wal, size_t size, const struct wal_index *index,
			 const struct wal_frames *frames)
{
	uint32_t last = 0;

	CHECK(frames->count <= index->frames);
	for (size_t i = 0; i < frames->count; i++) {
		const struct wal_page *page = &frames->items[i];

		CHECK(i == 0 || page->page > frames->items[i - 1].page);
		CHECK(page->frame >= 1 && page->frame <= index->frames);
		CHECK(wal_frame_offset(page->frame, index->page_size) <= size);
		last = page->frame > last ? page->frame : last;
		for (uint32_t frame = page->frame; frame <= index->frames; frame++) {
			const uint64_t at =
				wal_frame_offset(frame, index->page_size) - WAL_FRAME_HEADER_SIZE;
			const uint32_t number = (uint32_t)wal[at] << 24 |
						(uint32_t)wal[at + 1] << 16 |
						(uint32_t)wal[at + 2] << 8 | wal[at + 3];

			CHECK((number == page->page) == (frame == page->frame) ||
			      number != page->page);
		}
	}
	/* The last frame is the newest of its page. */
	CHECK(last == index->frames);
}

static void read_wal(const uint8_t *wal, size_t size, const struct wal_index *index)
{
	static int fd = -1;
	struct wal_frames frames = { 0 };
	struct error err = { 0 };
	bool reset = false;

	if (fd < 0)
		fd = memfd_create("wal", MFD_CLOEXEC);
	CHECK(fd >= 0 && ftruncate(fd, 0) == 0);
	CHECK(size == 0 || pwrite(fd, wal, size, 0) == (ssize_t)size);
	if (wal_frames_read(fd, index, &frames, &reset, &err)) {
		CHECK(!reset && err.text[0] == '\0');
		check_frames(wal, size, index, &frames);
		CHECK(wal_frames_still_there(&frames, fd));
		CHECK(ftruncate(fd, 0) == 0 && !wal_frames_still_there(&frames, fd));
	} else {
		CHECK(reset);
	}
	wal_frames_release(&frames);
}

/* The first three bytes make the index: how many frames, and which page size. The rest is the -wal. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wal_index index = { 0 };

	if (size < 3)
		return 0;
	index.frames = data[0];
	index.page_size = 512U << (data[1] % 8);

	/* As it is, and with salts that fit everywhere. */
	uint8_t *wal = malloc(size);

	CHECK(wal);
	size -= 3;
	if (size > 0)
		memcpy(wal, data + 3, size);
	if (size >= 24)
		memcpy(index.salts, wal + 16, sizeof index.salts);
	read_wal(wal, size, &index);
	for (uint32_t frame = 1; frame <= index.frames; frame++) {
		const uint64_t at = wal_frame_offset(frame, index.page_size);

		if (at <= size)
			memcpy(wal + at - 16, index.salts, sizeof index.salts);
	}
	read_wal(wal, size, &index);
	index.frames = UINT32_MAX;
	read_wal(wal, size, &index);
	free(wal);
	return 0;
}
