#include "tests/unit/folder.h"

#include <sqlite3.h>
#include <sys/mman.h>

#include "common/sqlite/wal_frames.h"

static const uint8_t salts[8] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };

enum { PAGE = 512 };

/* A -wal as walformat.html 4.1 draws it: as many frames as `pages` has numbers, none behind a 0. */
static int made_wal(const uint32_t *pages)
{
	uint8_t header[WAL_HEADER_SIZE] = { 0x37, 0x7f, 0x06, 0x82 };
	const int fd = memfd_create("wal", MFD_CLOEXEC);

	assert_true(fd >= 0);
	memcpy(header + 16, salts, sizeof salts);
	assert_int_equal(write(fd, header, sizeof header), sizeof header);
	for (; *pages; pages++) {
		uint8_t frame[WAL_FRAME_HEADER_SIZE + PAGE] = {
			(uint8_t)(*pages >> 24),
			(uint8_t)(*pages >> 16),
			(uint8_t)(*pages >> 8),
			(uint8_t)*pages,
		};

		memcpy(frame + 8, salts, sizeof salts);
		memset(frame + WAL_FRAME_HEADER_SIZE, (int)*pages, PAGE);
		assert_int_equal(write(fd, frame, sizeof frame), sizeof frame);
	}
	return fd;
}

#define MADE_WAL(...) made_wal((const uint32_t[]){ __VA_ARGS__, 0 })

static struct wal_index made_index(uint32_t frames)
{
	struct wal_index index = { .page_size = PAGE, .frames = frames };

	memcpy(index.salts, salts, sizeof salts);
	return index;
}

/* Which frame has the newest of a page; 0 for none. */
static uint32_t newest(const struct wal_frames *frames, uint32_t page)
{
	uint32_t found = 0;

	for (size_t i = 0; i < frames->count; i++) {
		if (frames->items[i].page != page)
			continue;
		assert_int_equal(found, 0);
		found = frames->items[i].frame;
	}
	return found;
}

static void read_frames(int fd, uint32_t count, struct wal_frames *frames)
{
	const struct wal_index index = made_index(count);
	struct error err = { 0 };
	bool reset = true;

	if (!wal_frames_read(fd, &index, frames, &reset, &err))
		fail_msg("reset %d, error \"%s\"", reset, err.text);
	assert_false(reset);
}

static void assert_reset(int fd, const struct wal_index *index)
{
	struct wal_frames frames = { 0 };
	struct error err = { 0 };
	bool reset = false;

	assert_false(wal_frames_read(fd, index, &frames, &reset, &err));
	assert_true(reset);
	assert_string_equal(err.text, "");
	wal_frames_release(&frames);
}

static void the_newest_frame_of_each_page_is_found(void **state)
{
	const int fd = MADE_WAL(3, 1, 3, 2, 1, 3);
	struct wal_frames frames = { 0 };

	(void)state;
	read_frames(fd, 6, &frames);
	assert_int_equal(frames.count, 3);
	assert_int_equal(newest(&frames, 1), 5);
	assert_int_equal(newest(&frames, 2), 4);
	assert_int_equal(newest(&frames, 3), 6);
	wal_frames_release(&frames);
	(void)close(fd);
}

static void pages_come_in_their_order(void **state)
{
	const int fd = MADE_WAL(0x01020304, 7, 0xffffffff, 0x100, 0xff, 7);
	static const uint32_t order[] = { 7, 0xff, 0x100, 0x01020304, 0xffffffff };
	struct wal_frames frames = { 0 };

	(void)state;
	read_frames(fd, 6, &frames);
	assert_int_equal(frames.count, 5);
	for (size_t i = 0; i < frames.count; i++)
		assert_int_equal(frames.items[i].page, order[i]);
	wal_frames_release(&frames);
	(void)close(fd);
}

static void frames_behind_the_committed_end_do_not_count(void **state)
{
	const int fd = MADE_WAL(1, 2, 1, 9);
	struct wal_frames frames = { 0 };

	(void)state;
	read_frames(fd, 2, &frames);
	assert_int_equal(frames.count, 2);
	assert_int_equal(newest(&frames, 1), 1);
	assert_int_equal(newest(&frames, 9), 0);
	wal_frames_release(&frames);
	(void)close(fd);
}

static void a_wal_without_frames_has_none(void **state)
{
	const int fd = made_wal((const uint32_t[]){ 0 });
	struct wal_frames frames = { 0 };

	(void)state;
	read_frames(fd, 0, &frames);
	assert_int_equal(frames.count, 0);
	wal_frames_release(&frames);
	(void)close(fd);
}

static void other_salts_in_the_header_mean_that_it_was_reset(void **state)
{
	(void)state;
	for (off_t at = 16; at < 24; at++) {
		const int fd = MADE_WAL(1, 2);
		const struct wal_index index = made_index(2), none = made_index(0);

		assert_int_equal(pwrite(fd, "\x99", 1, at), 1);
		assert_reset(fd, &index);
		assert_reset(fd, &none);
		(void)close(fd);
	}
}

static void other_salts_in_any_frame_mean_that_it_was_reset(void **state)
{
	const struct wal_index index = made_index(3);

	(void)state;
	for (uint32_t frame = 1; frame <= 3; frame++) {
		for (off_t at = 8; at < 16; at++) {
			const int fd = MADE_WAL(1, 2, 3);
			const off_t page_at = (off_t)wal_frame_offset(frame, PAGE);

			assert_int_equal(pwrite(fd, "\x99", 1, page_at - 24 + at), 1);
			assert_reset(fd, &index);
			(void)close(fd);
		}
	}
}

static void a_file_that_ends_before_the_last_frame_was_reset(void **state)
{
	const struct wal_index index = made_index(2);
	const int fd = MADE_WAL(1, 2);
	const off_t last = (off_t)wal_frame_offset(2, PAGE);

	(void)state;
	assert_int_equal(ftruncate(fd, last - 1), 0);
	assert_reset(fd, &index);
	assert_int_equal(ftruncate(fd, last - 24), 0);
	assert_reset(fd, &index);
	assert_int_equal(ftruncate(fd, WAL_HEADER_SIZE), 0);
	assert_reset(fd, &index);
	assert_int_equal(ftruncate(fd, WAL_HEADER_SIZE - 1), 0);
	assert_reset(fd, &index);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_reset(fd, &index);
	(void)close(fd);
}

static void an_index_that_speaks_of_four_billion_frames_is_no_harm(void **state)
{
	const int fd = MADE_WAL(1, 2);
	const struct wal_index index = made_index(UINT32_MAX);

	(void)state;
	assert_reset(fd, &index);
	(void)close(fd);
}

static void what_cannot_be_read_is_an_error_and_no_reset(void **state)
{
	const int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct wal_index index = made_index(1);
	struct wal_frames frames = { 0 };
	struct error err = { 0 };
	bool reset = true;

	(void)state;
	assert_true(fd >= 0);
	assert_false(wal_frames_read(fd, &index, &frames, &reset, &err));
	assert_false(reset);
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_non_null(strstr(err.text, "-wal"));
	wal_frames_release(&frames);
	(void)close(fd);
}

static void what_was_read_is_still_there_until_the_header_changes(void **state)
{
	const int fd = MADE_WAL(1, 2);
	struct wal_frames frames = { 0 };

	(void)state;
	read_frames(fd, 2, &frames);
	assert_true(wal_frames_still_there(&frames, fd));
	/* More may be appended. */
	assert_int_equal(pwrite(fd, "more", 4, (off_t)wal_frame_offset(3, PAGE)), 4);
	assert_true(wal_frames_still_there(&frames, fd));
	for (off_t at = 0; at < WAL_HEADER_SIZE; at++) {
		uint8_t byte = 0, changed = 0;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		changed = byte ^ 0x80;
		assert_int_equal(pwrite(fd, &changed, 1, at), 1);
		assert_false(wal_frames_still_there(&frames, fd));
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_true(wal_frames_still_there(&frames, fd));
	assert_int_equal(ftruncate(fd, WAL_HEADER_SIZE - 1), 0);
	assert_false(wal_frames_still_there(&frames, fd));
	wal_frames_release(&frames);
	(void)close(fd);
}

static void the_place_of_a_frame_is_known_beyond_four_gigabytes(void **state)
{
	(void)state;
	assert_int_equal(wal_frame_offset(1, 4096), 32 + 24);
	assert_int_equal(wal_frame_offset(2, 4096), 32 + 24 + 4096 + 24);
	assert_int_equal(wal_frame_offset(1000001, 65536),
			 32 + UINT64_C(1000000) * (24 + 65536) + 24);
	assert_int_equal(wal_frame_offset(UINT32_MAX, 65536),
			 32 + UINT64_C(4294967294) * (24 + 65536) + 24);
}

/* --- a WAL of SQLite's ---------------------------------------------------------------------------------------- */

static void run(sqlite3 *database, const char *sql)
{
	assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
}

static struct wal_index real_index(const char *folder)
{
	uint8_t bytes[WAL_INDEX_HEADER_SIZE];
	char path[PATH_MAX];
	struct wal_index index = { 0 };
	const int fd = open(folder_path(folder, "bot.db-shm", path), O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, bytes, sizeof bytes, 0), sizeof bytes);
	(void)close(fd);
	assert_true(wal_index_read(bytes, sizeof bytes, &index));
	return index;
}

static void the_newest_frames_over_the_main_file_are_the_database(void **state)
{
	char path[PATH_MAX], copy[PATH_MAX];
	sqlite3 *database = NULL;
	struct wal_frames frames = { 0 };
	struct error err = { 0 };
	bool reset = false;

	assert_int_equal(sqlite3_open(folder_path(*state, "bot.db", path), &database), SQLITE_OK);
	run(database, "PRAGMA page_size=1024; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"
		      "CREATE TABLE t(x, y)");
	for (int i = 0; i < 20; i++)
		run(database, "INSERT INTO t VALUES(random(), zeroblob(700)); UPDATE t SET x=x+1");

	const struct wal_index index = real_index(*state);
	const int wal = open(folder_path(*state, "bot.db-wal", path), O_RDONLY | O_CLOEXEC);

	assert_true(wal_frames_read(wal, &index, &frames, &reset, &err));
	assert_in_range(frames.count, 10, index.pages);

	/* The whole of it was never checkpointed: all pages are in the WAL. */
	const int to =
		open(folder_path(*state, "copy.db", copy), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	for (size_t i = 0; i < frames.count; i++) {
		uint8_t page[1024];

		assert_in_range(frames.items[i].page, 1, index.pages);
		assert_int_equal(pread(wal, page, sizeof page,
				       (off_t)wal_frame_offset(frames.items[i].frame, 1024)),
				 sizeof page);
		/* Back to rollback mode, as no -wal is beside it. */
		if (frames.items[i].page == 1)
			page[18] = page[19] = 1;
		assert_int_equal(
			pwrite(to, page, sizeof page, (off_t)(frames.items[i].page - 1) * 1024),
			sizeof page);
	}
	(void)close(to);

	char *sql = sqlite3_mprintf("ATTACH %Q AS copy", copy);
	sqlite3_stmt *statement = NULL;

	run(database, sql);
	sqlite3_free(sql);
	assert_int_equal(sqlite3_prepare_v2(database,
					    "SELECT (SELECT count(*) FROM copy.t), count(*) FROM "
					    "(SELECT * FROM main.t EXCEPT SELECT * FROM copy.t)",
					    -1, &statement, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(statement, 0), 20);
	assert_int_equal(sqlite3_column_int(statement, 1), 0);
	assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
	wal_frames_release(&frames);
	(void)close(wal);
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void a_real_reset_is_noticed(void **state)
{
	char path[PATH_MAX];
	sqlite3 *database = NULL;
	struct wal_frames frames = { 0 };
	struct error err = { 0 };
	bool reset = false;

	assert_int_equal(sqlite3_open(folder_path(*state, "bot.db", path), &database), SQLITE_OK);
	run(database, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(x)");

	const struct wal_index index = real_index(*state);
	const int wal = open(folder_path(*state, "bot.db-wal", path), O_RDONLY | O_CLOEXEC);

	assert_true(wal_frames_read(wal, &index, &frames, &reset, &err));
	assert_true(wal_frames_still_there(&frames, wal));
	run(database, "PRAGMA wal_checkpoint; INSERT INTO t VALUES(1)");
	assert_false(wal_frames_still_there(&frames, wal));
	wal_frames_release(&frames);
	assert_reset(wal, &index);
	(void)close(wal);
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_frame_of_each_page_is_found),
		cmocka_unit_test(pages_come_in_their_order),
		cmocka_unit_test(frames_behind_the_committed_end_do_not_count),
		cmocka_unit_test(a_wal_without_frames_has_none),
		cmocka_unit_test(other_salts_in_the_header_mean_that_it_was_reset),
		cmocka_unit_test(other_salts_in_any_frame_mean_that_it_was_reset),
		cmocka_unit_test(a_file_that_ends_before_the_last_frame_was_reset),
		cmocka_unit_test(an_index_that_speaks_of_four_billion_frames_is_no_harm),
		cmocka_unit_test(what_cannot_be_read_is_an_error_and_no_reset),
		cmocka_unit_test(what_was_read_is_still_there_until_the_header_changes),
		cmocka_unit_test(the_place_of_a_frame_is_known_beyond_four_gigabytes),
		cmocka_unit_test_setup_teardown(
			the_newest_frames_over_the_main_file_are_the_database, folder_make,
			folder_remove),
		cmocka_unit_test_setup_teardown(a_real_reset_is_noticed, folder_make,
						folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
