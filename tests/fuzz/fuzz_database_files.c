#include "tests/fuzz/fuzz.h"

#include "common/sqlite/database_files.h"

static bool is_page_size(uint32_t size)
{
	return size >= 512 && size <= 65536 && (size & (size - 1)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size ? size : 1);
	struct database_header header;

	CHECK(bytes);
	if (size)
		memcpy(bytes, data, size);
	database_header_read(bytes, size, &header);
	if (header.is_database && size > 0) {
		CHECK(is_page_size(header.page_size));
		CHECK(memcmp(bytes, "SQLite format 3", 16) == 0);
	}
	if (!header.is_database)
		CHECK(header.page_size == 0);
	CHECK(strcmp(journal_mode_name(header.mode), "") != 0);

	const uint32_t wal = wal_header_page_size(bytes, size);

	CHECK(wal == 0 || is_page_size(wal));
	CHECK(!journal_is_hot(bytes, size, 0, false) && !journal_is_hot(bytes, size, 1, true));
	CHECK(journal_is_hot(bytes, size, 1, false) == (size > 0 && bytes[0] != 0));
	free(bytes);
	return 0;
}
