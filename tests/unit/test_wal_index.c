#include "tests/unit/folder.h"

#include <sqlite3.h>

#include "common/sqlite/wal_index.h"

/* The -shm header as walformat.html 2.1 draws it, filled in by hand. */
struct copy {
	uint32_t version, unused, change;
	uint8_t is_init, big_endian_checksum;
	uint16_t page_size;
	uint32_t frames, pages, frame_checksum[2], salts[2], checksum[2];
};

struct header {
	struct copy copies[2];
	uint32_t backfilled, marks[5];
	uint8_t locks[8];
	uint32_t attempted, unused;
};

_Static_assert(sizeof(struct header) == WAL_INDEX_HEADER_SIZE, "the layout has no holes");

/* walformat.html 4.4: s0 += x[0] + s1; s1 += x[1] + s0. */
static void seal(struct header *header)
{
	uint32_t words[10], s0 = 0, s1 = 0;

	memcpy(words, &header->copies[0], sizeof words);
	for (int i = 0; i < 10; i += 2) {
		s0 += words[i] + s1;
		s1 += words[i + 1] + s0;
	}
	header->copies[0].checksum[0] = s0;
	header->copies[0].checksum[1] = s1;
	header->copies[1] = header->copies[0];
}

static struct header good_header(void)
{
	struct header header = {
		.copies[0] = {
			.version = 3007000,
			.change = 42,
			.is_init = 1,
			.page_size = 4096,
			.frames = 312,
			.pages = 1049,
			.frame_checksum = { 0xdeadbeef, 0x12345678 },
			.salts = { 1, 2 },
		},
		.backfilled = 31,
		.marks = { 0, 312, 31, UINT32_MAX, UINT32_MAX },
		.attempted = 31,
	};

	seal(&header);
	return header;
}

static bool read_header(const struct header *header, struct wal_index *index)
{
	return wal_index_read((const uint8_t *)header, sizeof *header, index);
}

static void a_good_header_is_read_in_full(void **state)
{
	const struct header header = good_header();
	struct wal_index index = { 0 };

	(void)state;
	assert_true(read_header(&header, &index));
	assert_int_equal(index.page_size, 4096);
	assert_int_equal(index.change_counter, 42);
	assert_int_equal(index.frames, 312);
	assert_int_equal(index.pages, 1049);
	assert_memory_equal(index.salts, header.copies[0].salts, sizeof index.salts);
	assert_int_equal(index.checkpointed, 31);
	assert_int_equal(index.marks[0], 0);
	assert_int_equal(index.marks[1], 312);
	assert_int_equal(index.marks[2], 31);
	assert_true(index.marks[3] == WAL_MARK_UNUSED && index.marks[4] == WAL_MARK_UNUSED);
}

static void every_page_size_of_sqlite_is_known(void **state)
{
	(void)state;
	for (uint32_t size = 512; size <= 65536; size *= 2) {
		struct header header = good_header();
		struct wal_index index = { 0 };

		header.copies[0].page_size = (uint16_t)(size == 65536 ? 1 : size);
		seal(&header);
		assert_true(read_header(&header, &index));
		assert_int_equal(index.page_size, size);
	}
}

static void an_impossible_page_size_is_refused(void **state)
{
	static const uint16_t sizes[] = { 0, 256, 2, 0x0600, 0x3000, 0xfe01 };

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct header header = good_header();
		struct wal_index index = { 0 };

		header.copies[0].page_size = sizes[i];
		seal(&header);
		assert_false(read_header(&header, &index));
	}
}

static void each_byte_short_is_too_short(void **state)
{
	const struct header header = good_header();
	struct wal_index index = { 0 };

	(void)state;
	for (size_t length = 0; length < sizeof header; length++) {
		/* A buffer of its own size, so that a sanitizer sees a read beyond it. */
		uint8_t *bytes = malloc(length ? length : 1);

		assert_non_null(bytes);
		memcpy(bytes, &header, length);
		assert_false(wal_index_read(bytes, length, &index));
		free(bytes);
	}
}

static void any_changed_byte_of_either_copy_is_noticed(void **state)
{
	const struct header header = good_header();
	uint8_t bytes[sizeof header];

	(void)state;
	for (size_t at = 0; at < 2 * sizeof(struct copy); at++) {
		struct wal_index index = { 0 };

		memcpy(bytes, &header, sizeof bytes);
		bytes[at] ^= 0x10;
		assert_false(wal_index_read(bytes, sizeof bytes, &index));
	}
}

static void the_same_damage_in_both_copies_is_noticed_by_the_checksum(void **state)
{
	const struct header header = good_header();
	uint8_t bytes[sizeof header];

	(void)state;
	for (size_t at = 0; at < sizeof(struct copy); at++) {
		struct wal_index index = { 0 };

		memcpy(bytes, &header, sizeof bytes);
		bytes[at] ^= 0x01;
		bytes[at + sizeof(struct copy)] ^= 0x01;
		assert_false(wal_index_read(bytes, sizeof bytes, &index));
	}
}

static void a_header_of_another_version_is_refused(void **state)
{
	struct header header = good_header();
	struct wal_index index = { 0 };

	(void)state;
	header.copies[0].version = 3007001;
	seal(&header);
	assert_false(read_header(&header, &index));
}

static void a_header_that_is_not_initialised_is_refused(void **state)
{
	struct header header = good_header(), zero = { 0 };
	struct wal_index index = { 0 };

	(void)state;
	header.copies[0].is_init = 0;
	seal(&header);
	assert_false(read_header(&header, &index));
	assert_false(read_header(&zero, &index)); /* whose checksum is right */
}

static void more_checkpointed_than_written_is_not_believed(void **state)
{
	struct header header = good_header();
	struct wal_index index = { 0 };

	(void)state;
	header.backfilled = 313;
	assert_false(read_header(&header, &index));
	header.backfilled = 312;
	assert_true(read_header(&header, &index));
	assert_int_equal(index.checkpointed, 312);
}

static void run(sqlite3 *database, const char *sql)
{
	assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
}

static sqlite3 *open_wal(const char *path, const char *page_size)
{
	sqlite3 *database = NULL;

	assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
	run(database, page_size);
	run(database, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"
		      "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
	return database;
}

static struct wal_index read_real(const char *folder)
{
	uint8_t bytes[WAL_INDEX_HEADER_SIZE];
	char path[PATH_MAX];
	struct wal_index index = { 0 };
	const int fd = open(folder_path(folder, "bot.db-shm", path), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, bytes, sizeof bytes, 0), sizeof bytes);
	/* Only now: closing it drops this process's locks, and nothing here needs them any more. */
	(void)close(fd);
	assert_true(wal_index_read(bytes, sizeof bytes, &index));
	return index;
}

static void a_real_index_says_what_sqlite_says(void **state)
{
	char path[PATH_MAX];
	sqlite3 *database = open_wal(folder_path(*state, "bot.db", path), "PRAGMA page_size=8192");
	int in_wal = 0, checkpointed = 0;

	run(database, "INSERT INTO t VALUES(zeroblob(30000))");
	assert_int_equal(sqlite3_wal_checkpoint_v2(database, NULL, SQLITE_CHECKPOINT_PASSIVE,
						   &in_wal, &checkpointed),
			 SQLITE_OK);

	const struct wal_index index = read_real(*state);

	assert_true(in_wal > 4);
	assert_int_equal(index.page_size, 8192);
	assert_int_equal(index.frames, in_wal);
	assert_int_equal(index.checkpointed, checkpointed);
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void a_real_reader_leaves_its_mark(void **state)
{
	char path[PATH_MAX];
	sqlite3 *writer = open_wal(folder_path(*state, "bot.db", path), "PRAGMA page_size=512");
	sqlite3 *reader = NULL;

	assert_int_equal(sqlite3_open(path, &reader), SQLITE_OK);
	run(reader, "BEGIN; SELECT * FROM t");
	run(writer, "INSERT INTO t VALUES(2)");

	const struct wal_index index = read_real(*state);
	bool marked = false;

	for (size_t slot = 1; slot < READ_SLOTS; slot++)
		marked = marked || (index.marks[slot] > 0 && index.marks[slot] < index.frames);
	assert_true(marked);
	assert_int_equal(index.page_size, 512);
	assert_int_equal(index.checkpointed, 0);
	assert_int_equal(sqlite3_close(reader), SQLITE_OK);
	assert_int_equal(sqlite3_close(writer), SQLITE_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_header_is_read_in_full),
		cmocka_unit_test(every_page_size_of_sqlite_is_known),
		cmocka_unit_test(an_impossible_page_size_is_refused),
		cmocka_unit_test(each_byte_short_is_too_short),
		cmocka_unit_test(any_changed_byte_of_either_copy_is_noticed),
		cmocka_unit_test(the_same_damage_in_both_copies_is_noticed_by_the_checksum),
		cmocka_unit_test(a_header_of_another_version_is_refused),
		cmocka_unit_test(a_header_that_is_not_initialised_is_refused),
		cmocka_unit_test(more_checkpointed_than_written_is_not_believed),
		cmocka_unit_test_setup_teardown(a_real_index_says_what_sqlite_says, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(a_real_reader_leaves_its_mark, folder_make,
						folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
