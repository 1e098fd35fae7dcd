#include "common/sqlite/wal_index.h"

#include <string.h>

enum { COPY_SIZE = 48, SUMMED_SIZE = 40, VERSION = 3007000 };

static uint32_t word_at(const uint8_t *bytes, size_t offset)
{
	uint32_t word = 0;

	memcpy(&word, bytes + offset, sizeof word);
	return word;
}

/* wal.c, walChecksumBytes(): a Fibonacci-weighted sum over pairs of words, in the machine's order. */
static bool checksum_is_right(const uint8_t *bytes)
{
	uint32_t first = 0, second = 0;

	for (size_t at = 0; at < SUMMED_SIZE; at += 8) {
		first += word_at(bytes, at) + second;
		second += word_at(bytes, at + 4) + first;
	}
	return first == word_at(bytes, SUMMED_SIZE) && second == word_at(bytes, SUMMED_SIZE + 4);
}

static uint32_t page_size_of(const uint8_t *bytes)
{
	uint16_t stored = 0;

	memcpy(&stored, bytes + 14, sizeof stored);
	return stored == 1 ? 65536 : stored;
}

static bool is_page_size(uint32_t size)
{
	return size >= 512 && size <= 65536 && (size & (size - 1)) == 0;
}

bool wal_index_read(const uint8_t *bytes, size_t length, struct wal_index *index)
{
	if (length < WAL_INDEX_HEADER_SIZE || memcmp(bytes, bytes + COPY_SIZE, COPY_SIZE) != 0 ||
	    word_at(bytes, 0) != VERSION || bytes[12] == 0 || !checksum_is_right(bytes))
		return false;

	*index = (struct wal_index){
		.page_size = page_size_of(bytes),
		.change_counter = word_at(bytes, 8),
		.frames = word_at(bytes, 16),
		.pages = word_at(bytes, 20),
		.checkpointed = word_at(bytes, 96),
	};
	memcpy(index->salts, bytes + 32, sizeof index->salts);
	for (size_t slot = 0; slot < READ_SLOTS; slot++)
		index->marks[slot] = word_at(bytes, 100 + 4 * slot);

	/* A wal-index made for an empty WAL has no page size yet. nBackfill and the marks lie outside of the checksum: believe them only where they can be. */
	return (is_page_size(index->page_size) || (index->page_size == 0 && index->frames == 0)) &&
	       index->checkpointed <= index->frames;
}
