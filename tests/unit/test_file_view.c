#include "tests/unit/test.h"

#include "common/file_view.h"

static enum journal_mode mode_of(enum journal_mode header, bool has_wal, uint64_t wal_size)
{
	const struct file_view view = {
		.header = { .is_database = true, .mode = header },
		.exists = { [FILE_MAIN] = true, [FILE_WAL] = has_wal },
		.size = { [FILE_MAIN] = 4096, [FILE_WAL] = wal_size },
	};

	return file_view_mode(&view);
}

static void the_header_tells_the_mode_where_no_wal_does(void **state)
{
	(void)state;
	for (int mode = JOURNAL_UNKNOWN; mode <= JOURNAL_WAL; mode++) {
		assert_int_equal(mode_of((enum journal_mode)mode, false, 0), mode);
		assert_int_equal(mode_of((enum journal_mode)mode, true, 0), mode);
	}
}

static void a_wal_with_content_makes_it_wal_mode_whatever_the_header_says(void **state)
{
	(void)state;
	assert_int_equal(mode_of(JOURNAL_ROLLBACK, true, 4152), JOURNAL_WAL);
	assert_int_equal(mode_of(JOURNAL_WAL, true, 4152), JOURNAL_WAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header_tells_the_mode_where_no_wal_does),
		cmocka_unit_test(a_wal_with_content_makes_it_wal_mode_whatever_the_header_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
