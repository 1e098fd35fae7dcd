#include "tests/unit/folder.h"

#include <sqlite3.h>

#include "common/sqlite/database_files.h"

static void sidecars_have_sqlites_names(void **state)
{
	(void)state;
	assert_string_equal(database_file_suffix(FILE_MAIN), "");
	assert_string_equal(database_file_suffix(FILE_WAL), "-wal");
	assert_string_equal(database_file_suffix(FILE_SHM), "-shm");
	assert_string_equal(database_file_suffix(FILE_JOURNAL), "-journal");
	assert_string_equal(journal_mode_name(JOURNAL_ROLLBACK), "rollback");
	assert_string_equal(journal_mode_name(JOURNAL_WAL), "wal");
	assert_string_equal(journal_mode_name(JOURNAL_UNKNOWN), "unknown");
}

/* A header as fileformat2.html 1.3 has it; the rest is zero. */
static void make_header(uint8_t bytes[DATABASE_HEADER_SIZE], unsigned page_size, uint8_t write,
			uint8_t read)
{
	memset(bytes, 0, DATABASE_HEADER_SIZE);
	memcpy(bytes, "SQLite format 3", 16);
	bytes[16] = (uint8_t)(page_size >> 8);
	bytes[17] = (uint8_t)page_size;
	bytes[18] = write;
	bytes[19] = read;
}

static struct database_header read_header(const uint8_t *bytes, size_t length)
{
	struct database_header header = { .page_size = 77 };

	database_header_read(bytes, length, &header);
	return header;
}

static void an_empty_file_is_a_database_in_rollback_mode(void **state)
{
	const struct database_header header = read_header(NULL, 0);

	(void)state;
	assert_true(header.is_database);
	assert_int_equal(header.mode, JOURNAL_ROLLBACK);
	assert_int_equal(header.page_size, 0);
}

static void the_header_tells_mode_and_page_size(void **state)
{
	uint8_t bytes[DATABASE_HEADER_SIZE];

	(void)state;
	for (unsigned size = 512; size <= 65536; size *= 2) {
		make_header(bytes, size == 65536 ? 1 : size, 1, 1);

		const struct database_header rollback = read_header(bytes, sizeof bytes);

		assert_true(rollback.is_database);
		assert_int_equal(rollback.page_size, size);
		assert_int_equal(rollback.mode, JOURNAL_ROLLBACK);
		bytes[18] = bytes[19] = 2;
		assert_int_equal(read_header(bytes, sizeof bytes).mode, JOURNAL_WAL);
	}
}

static void versions_that_nobody_writes_leave_the_mode_unknown(void **state)
{
	static const uint8_t versions[][2] = { { 1, 2 }, { 2, 1 }, { 0, 0 }, { 3, 3 }, { 2, 3 } };
	uint8_t bytes[DATABASE_HEADER_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
		make_header(bytes, 4096, versions[i][0], versions[i][1]);
		assert_int_equal(read_header(bytes, sizeof bytes).mode, JOURNAL_UNKNOWN);
	}
}

static void what_does_not_start_right_is_no_database(void **state)
{
	uint8_t bytes[DATABASE_HEADER_SIZE];
	static const unsigned bad_sizes[] = { 0, 256, 4095, 513, 3 };

	(void)state;
	for (size_t at = 0; at < 16; at++) {
		make_header(bytes, 4096, 2, 2);
		bytes[at] ^= 1;

		const struct database_header header = read_header(bytes, sizeof bytes);

		assert_false(header.is_database);
		assert_int_equal(header.mode, JOURNAL_UNKNOWN);
		assert_int_equal(header.page_size, 0);
	}
	for (size_t i = 0; i < sizeof bad_sizes / sizeof *bad_sizes; i++) {
		make_header(bytes, bad_sizes[i], 1, 1);
		assert_false(read_header(bytes, sizeof bytes).is_database);
	}
}

static void a_header_cut_short_is_no_database(void **state)
{
	uint8_t bytes[DATABASE_HEADER_SIZE];

	(void)state;
	make_header(bytes, 4096, 1, 1);
	for (size_t length = 1; length < sizeof bytes; length++)
		assert_false(read_header(bytes, length).is_database);
}

static void a_wal_names_its_page_size(void **state)
{
	/* walformat.html 1.1: magic, version, page size, all big-endian */
	uint8_t bytes[WAL_HEADER_SIZE] = { 0x37, 0x7f, 0x06, 0x82, 0,	 0x2d,
					   0xe2, 0x18, 0,    0,	   0x10, 0 };

	(void)state;
	assert_int_equal(wal_header_page_size(bytes, sizeof bytes), 4096);
	bytes[3] = 0x83; /* the same with big-endian checksums */
	assert_int_equal(wal_header_page_size(bytes, sizeof bytes), 4096);
	assert_int_equal(wal_header_page_size(bytes, sizeof bytes - 1), 0);
	bytes[3] = 0x84;
	assert_int_equal(wal_header_page_size(bytes, sizeof bytes), 0);
	bytes[3] = 0x82;
	bytes[7] = 0x19;
	assert_int_equal(wal_header_page_size(bytes, sizeof bytes), 0);
	bytes[7] = 0x18;
	bytes[10] = 0x11;
	assert_int_equal(wal_header_page_size(bytes, sizeof bytes), 0);
}

static size_t read_start(const char *folder, const char *name, uint8_t *bytes, size_t size)
{
	char path[PATH_MAX];
	const int fd = open(folder_path(folder, name, path), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);

	const ssize_t length = pread(fd, bytes, size, 0);

	(void)close(fd);
	assert_true(length >= 0);
	return (size_t)length;
}

static void real_files_are_read_as_sqlite_wrote_them(void **state)
{
	uint8_t bytes[DATABASE_HEADER_SIZE];
	char path[PATH_MAX];
	sqlite3 *database = NULL;

	assert_int_equal(sqlite3_open(folder_path(*state, "bot.db", path), &database), SQLITE_OK);
	assert_int_equal(sqlite3_exec(database, "PRAGMA page_size=16384; CREATE TABLE t(x)", NULL,
				      NULL, NULL),
			 SQLITE_OK);

	struct database_header header =
		read_header(bytes, read_start(*state, "bot.db", bytes, sizeof bytes));

	assert_true(header.is_database);
	assert_int_equal(header.mode, JOURNAL_ROLLBACK);
	assert_int_equal(header.page_size, 16384);
	assert_int_equal(sqlite3_exec(database, "PRAGMA journal_mode=WAL; INSERT INTO t VALUES(1)",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	header = read_header(bytes, read_start(*state, "bot.db", bytes, sizeof bytes));
	assert_int_equal(header.mode, JOURNAL_WAL);
	assert_int_equal(wal_header_page_size(
				 bytes, read_start(*state, "bot.db-wal", bytes, WAL_HEADER_SIZE)),
			 16384);
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void a_journal_is_hot_only_when_nobody_writes_it(void **state)
{
	static const uint8_t magic[] = { 0xd9 }, zeroed[] = { 0 };

	(void)state;
	assert_true(journal_is_hot(magic, 1, 4096, false));
	assert_false(journal_is_hot(magic, 1, 4096, true));   /* its writer is at work */
	assert_false(journal_is_hot(zeroed, 1, 4096, false)); /* PRAGMA journal_mode=PERSIST */
	assert_false(journal_is_hot(magic, 0, 4096, false));  /* TRUNCATE, or just made */
	assert_false(journal_is_hot(magic, 1, 0, false));     /* the database is empty */
}

static void a_zeroed_journal_has_no_content_and_an_unsynced_one_has(void **state)
{
	uint8_t start[JOURNAL_START_SIZE + 4] = { 0 };

	(void)state;
	assert_false(journal_has_content(start, 0));
	assert_false(journal_has_content(start, sizeof start));
	start[JOURNAL_START_SIZE] = 1; /* the page size stays behind when a header is zeroed */
	assert_false(journal_has_content(start, sizeof start));
	start[JOURNAL_START_SIZE - 1] = 1;
	assert_true(journal_has_content(start, sizeof start));
	assert_true(journal_has_content(start, JOURNAL_START_SIZE));
	assert_false(journal_has_content(start, JOURNAL_START_SIZE - 1));
}

static void a_real_open_transaction_has_a_journal_with_content(void **state)
{
	uint8_t bytes[8] = { 0 };
	char path[PATH_MAX];
	sqlite3 *database = NULL;

	assert_int_equal(sqlite3_open(folder_path(*state, "bot.db", path), &database), SQLITE_OK);
	assert_int_equal(sqlite3_exec(database,
				      "PRAGMA cache_size=1; CREATE TABLE t(x);"
				      "INSERT INTO t VALUES(zeroblob(100000)); BEGIN;"
				      "UPDATE t SET x = zeroblob(100001)",
				      NULL, NULL, NULL),
			 SQLITE_OK);

	const size_t length = read_start(*state, "bot.db-journal", bytes, sizeof bytes);

	assert_true(journal_is_hot(bytes, length, 102400, false));
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sidecars_have_sqlites_names),
		cmocka_unit_test(an_empty_file_is_a_database_in_rollback_mode),
		cmocka_unit_test(the_header_tells_mode_and_page_size),
		cmocka_unit_test(versions_that_nobody_writes_leave_the_mode_unknown),
		cmocka_unit_test(what_does_not_start_right_is_no_database),
		cmocka_unit_test(a_header_cut_short_is_no_database),
		cmocka_unit_test(a_wal_names_its_page_size),
		cmocka_unit_test_setup_teardown(real_files_are_read_as_sqlite_wrote_them,
						folder_make, folder_remove),
		cmocka_unit_test(a_journal_is_hot_only_when_nobody_writes_it),
		cmocka_unit_test(a_zeroed_journal_has_no_content_and_an_unsynced_one_has),
		cmocka_unit_test_setup_teardown(a_real_open_transaction_has_a_journal_with_content,
						folder_make, folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
