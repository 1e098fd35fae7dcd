#include "tests/fuzz/fuzz.h"

#include "common/sqlite/wal_index.h"

static uint32_t word(const uint8_t *bytes, size_t at)
{
	uint32_t value = 0;

	memcpy(&value, bytes + at, 4);
	return value;
}

static void check_index(const uint8_t *bytes, const struct wal_index *index)
{
	CHECK(memcmp(bytes, bytes + 48, 48) == 0);
	/* The index of an empty WAL has no page size yet. */
	CHECK(index->page_size >= 512 || index->frames == 0);
	CHECK(index->page_size <= 65536 || index->frames == 0);
	CHECK((index->page_size & (index->page_size - 1)) == 0 || index->frames == 0);
	CHECK(index->checkpointed <= index->frames);
	CHECK(index->frames == word(bytes, 16));
}

/* Makes both copies equal and their checksum right, so that what comes behind is reached. */
static void mend(uint8_t *bytes)
{
	uint32_t first = 0, second = 0;

	for (size_t at = 0; at < 40; at += 8) {
		first += word(bytes, at) + second;
		second += word(bytes, at + 4) + first;
	}
	memcpy(bytes + 40, &first, 4);
	memcpy(bytes + 44, &second, 4);
	memcpy(bytes + 48, bytes, 48);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size ? size : 1);
	struct wal_index index;

	CHECK(bytes);
	if (size)
		memcpy(bytes, data, size);
	if (wal_index_read(bytes, size, &index))
		check_index(bytes, &index);
	if (size >= WAL_INDEX_HEADER_SIZE) {
		mend(bytes);
		if (wal_index_read(bytes, size, &index))
			check_index(bytes, &index);
	}
	free(bytes);
	return 0;
}
