#include "tests/unit/database.h"

#include "common/base/memory.h"
#include "common/snapshot_raw.h"

/* In place of the worker's own: it is asked before each piece is copied, and cuts the WAL at that moment. */
bool __wrap_worker_should_stop(void);

static int wal_to_cut = -1;

bool __wrap_worker_should_stop(void)
{
	if (wal_to_cut >= 0)
		assert_int_equal(ftruncate(wal_to_cut, 0), 0);
	return false;
}

static int open_in(const char *folder, const char *name, int flags)
{
	char path[PATH_MAX];
	const int fd = open(folder_path(folder, name, path), flags | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static struct wal_index read_index(const char *folder)
{
	uint8_t bytes[WAL_INDEX_HEADER_SIZE];
	struct wal_index index = { 0 };
	const int fd = open_in(folder, "a.db-shm", O_RDONLY);

	assert_int_equal(pread(fd, bytes, sizeof bytes, 0), sizeof bytes);
	assert_int_equal(close(fd), 0);
	assert_true(wal_index_read(bytes, sizeof bytes, &index));
	assert_true(index.frames > 0);
	return index;
}

static void a_wal_that_is_cut_off_after_its_reset_is_forgotten(void **state)
{
	sqlite3 *database = database_open(*state, "a.db");

	database_run(database,
		     "PRAGMA journal_mode=WAL; CREATE TABLE t(n); INSERT INTO t VALUES(7);"
		     "PRAGMA wal_checkpoint(PASSIVE)");

	struct snapshot snapshot = { .shown = "a.db" };
	struct error err = { 0 };
	__attribute__((cleanup(raw_release))) struct raw raw = {
		.snapshot = &snapshot,
		.main_fd = open_in(*state, "a.db", O_RDONLY),
		.wal_fd = open_in(*state, "a.db-wal", O_RDWR),
		.shm_fd = -1,
		.copy_fd = open_in(*state, "copy.db", O_RDWR | O_CREAT),
		.index = read_index(*state),
	};

	wal_to_cut = raw.wal_fd;
	assert_true(raw_copy(&raw, &err));
	wal_to_cut = -1;
	assert_string_equal(err.text, "");
	assert_true(raw_finish(&raw, &err));

	sqlite3 *copy = database_open(*state, "copy.db");

	assert_int_equal(database_number(copy, "SELECT n FROM t"), 7);
	database_close(copy);
	(void)sqlite3_close(database);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_wal_that_is_cut_off_after_its_reset_is_forgotten,
						folder_make, folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
