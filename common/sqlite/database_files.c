#include "common/sqlite/database_files.h"

#include <string.h>

const char *database_file_suffix(enum database_file file)
{
	static const char *const suffixes[FILE_COUNT] = {
		[FILE_MAIN] = "",
		[FILE_WAL] = "-wal",
		[FILE_SHM] = "-shm",
		[FILE_JOURNAL] = "-journal",
	};

	return suffixes[file];
}

const char *journal_mode_name(enum journal_mode mode)
{
	static const char *const names[] = {
		[JOURNAL_UNKNOWN] = "unknown",
		[JOURNAL_ROLLBACK] = "rollback",
		[JOURNAL_WAL] = "wal",
	};

	return names[mode];
}

static uint32_t big_endian(const uint8_t *bytes, size_t count)
{
	uint32_t value = 0;

	for (size_t i = 0; i < count; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* Page sizes are powers of two from 512 to 65536. */
static uint32_t valid_page_size(uint32_t size)
{
	return size >= 512 && size <= 65536 && (size & (size - 1)) == 0 ? size : 0;
}

void database_header_read(const uint8_t *bytes, size_t length, struct database_header *header)
{
	static const char magic[16] = "SQLite format 3"; /* the NUL belongs to it */

	*header = (struct database_header){ .mode = JOURNAL_UNKNOWN };
	if (length == 0) {
		header->is_database = true;
		header->mode = JOURNAL_ROLLBACK;
		return;
	}
	if (length < DATABASE_HEADER_SIZE || memcmp(bytes, magic, sizeof magic) != 0)
		return;

	const uint32_t size = big_endian(bytes + 16, 2);

	/* Bytes 18 and 19 are the versions needed to write and to read: 2 is WAL (fileformat2 1.3.3). */
	header->page_size = size == 1 ? 65536 : valid_page_size(size);
	header->is_database = header->page_size != 0;
	if (bytes[18] == 2 && bytes[19] == 2)
		header->mode = JOURNAL_WAL;
	else if (bytes[18] == 1 && bytes[19] == 1)
		header->mode = JOURNAL_ROLLBACK;
}

uint32_t wal_header_page_size(const uint8_t *bytes, size_t length)
{
	if (length < WAL_HEADER_SIZE || (big_endian(bytes, 4) & ~1U) != 0x377f0682 ||
	    big_endian(bytes + 4, 4) != 3007000)
		return 0;
	return valid_page_size(big_endian(bytes + 8, 4));
}

bool journal_is_hot(const uint8_t *first, size_t length, uint64_t database_size, bool reserved_held)
{
	return length > 0 && first[0] != 0 && database_size > 0 && !reserved_held;
}

bool journal_has_content(const uint8_t *start, size_t length)
{
	for (size_t i = 0; i < length && i < JOURNAL_START_SIZE; i++)
		if (start[i] != 0)
			return true;
	return false;
}
