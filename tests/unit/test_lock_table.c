#include "tests/unit/folder.h"

#include "common/linux/lock_table.h"

static const struct lock_key keys[] = { { 0xfe, 0, 131 }, { 0xfe, 0, 133 } };

static void read_table(const char *folder, struct lock_table *table)
{
	auto_proc_root root = PROC_ROOT_CLOSED;
	struct error err = { 0 };

	assert_true(proc_root_open(&root, folder, &err));
	assert_true(lock_table_read(&root, keys, 2, table, &err));
}

static void only_locks_on_the_wanted_files_are_kept(void **state)
{
	auto_lock_table table = { 0 };

	folder_write_text(*state, "locks",
			  "1: POSIX  ADVISORY  WRITE 4123 fe:00:131 1073741825 1073741825\n"
			  "2: POSIX  ADVISORY  READ  4124 fe:00:132 0 EOF\n"
			  "3: POSIX  ADVISORY  READ  4125 fe:01:131 0 EOF\n"
			  "4: POSIX  ADVISORY  READ  4126 fd:00:131 0 EOF\n"
			  "5: OFDLCK ADVISORY  READ  -1 fe:00:133 124 124\n");
	read_table(*state, &table);
	assert_true(table.readable);
	assert_int_equal(table.count, 2);
	assert_int_equal(table.items[0].pid, 4123);
	assert_int_equal(table.items[0].inode, 131);
	assert_int_equal(table.items[1].pid, -1);
	assert_int_equal(table.items[1].class, LOCK_OFD);
}

static void lines_that_the_kernel_repeats_count_once(void **state)
{
	auto_lock_table table = { 0 };

	folder_write_text(*state, "locks",
			  "1: POSIX  ADVISORY  READ 4123 fe:00:131 1 1\n"
			  "2: POSIX  ADVISORY  READ 4123 fe:00:131 2 2\n"
			  "3: POSIX  ADVISORY  READ 4123 fe:00:131 1 1\n"
			  "4: POSIX  ADVISORY  READ 4123 fe:00:131 1 1\n"
			  "5: POSIX  ADVISORY  READ 4124 fe:00:131 1 1\n");
	read_table(*state, &table);
	assert_int_equal(table.count, 3);
}

static void waiting_and_held_locks_are_both_kept_and_told_apart(void **state)
{
	auto_lock_table table = { 0 };

	folder_write_text(*state, "locks",
			  "1: POSIX  ADVISORY  WRITE 4123 fe:00:131 1 1\n"
			  "1: -> POSIX  ADVISORY  WRITE 4124 fe:00:131 1 1\n");
	read_table(*state, &table);
	assert_int_equal(table.count, 2);
	assert_int_equal(table.items[0].waiting + table.items[1].waiting, 1);
}

static void damaged_lines_are_passed_over(void **state)
{
	auto_lock_table table = { 0 };

	folder_write_text(*state, "locks",
			  "\n"
			  "1: POSIX  ADVI\n"
			  "junk\n"
			  "2: POSIX  ADVISORY  READ 4123 fe:00:131 1 1\n"
			  "3: POSIX  ADVISORY  READ 4124 fe:00:131 1");
	read_table(*state, &table);
	assert_int_equal(table.count, 1);
	assert_int_equal(table.items[0].pid, 4123);
}

static void a_last_line_without_its_newline_counts(void **state)
{
	auto_lock_table table = { 0 };

	folder_write_text(*state, "locks", "2: POSIX  ADVISORY  READ 4123 fe:00:131 1 EOF");
	read_table(*state, &table);
	assert_int_equal(table.count, 1);
}

static void an_empty_list_is_readable(void **state)
{
	auto_lock_table table = { 0 };

	folder_write_text(*state, "locks", "");
	read_table(*state, &table);
	assert_true(table.readable);
	assert_int_equal(table.count, 0);
}

static void a_proc_without_the_list_is_told_apart_from_an_empty_one(void **state)
{
	auto_lock_table table = { 0 }, empty = { .readable = true };

	read_table(*state, &table);
	assert_false(table.readable);
	assert_int_equal(table.count, 0);
	assert_false(lock_table_equal(&table, &empty));
}

static void a_list_that_cannot_be_read_is_an_error(void **state)
{
	auto_proc_root root = PROC_ROOT_CLOSED;
	auto_lock_table table = { 0 };
	struct error err = { 0 };
	char path[PATH_MAX];

	assert_int_equal(mkdir(folder_path(*state, "locks", path), 0700), 0);
	assert_true(proc_root_open(&root, *state, &err));
	assert_false(lock_table_read(&root, keys, 2, &table, &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
}

static void tables_are_equal_in_whatever_order_the_kernel_lists_them(void **state)
{
	auto_lock_table one = { 0 }, other = { 0 }, fewer = { 0 }, changed = { 0 };

	folder_write_text(*state, "locks",
			  "1: POSIX  ADVISORY  WRITE 4123 fe:00:131 1 1\n"
			  "2: FLOCK  ADVISORY  READ  4122 fe:00:131 0 EOF\n"
			  "3: POSIX  ADVISORY  READ  4123 fe:00:133 128 128\n");
	read_table(*state, &one);
	folder_write_text(*state, "locks",
			  "1: POSIX  ADVISORY  READ  4123 fe:00:133 128 128\n"
			  "2: POSIX  ADVISORY  WRITE 4123 fe:00:131 1 1\n"
			  "3: FLOCK  ADVISORY  READ  4122 fe:00:131 0 EOF\n");
	read_table(*state, &other);
	folder_write_text(*state, "locks", "2: POSIX  ADVISORY  WRITE 4123 fe:00:131 1 1\n");
	read_table(*state, &fewer);
	folder_write_text(*state, "locks",
			  "1: POSIX  ADVISORY  READ  4123 fe:00:133 128 128\n"
			  "2: POSIX  ADVISORY  READ  4123 fe:00:131 1 1\n"
			  "3: FLOCK  ADVISORY  READ  4122 fe:00:131 0 EOF\n");
	read_table(*state, &changed);
	assert_int_equal(one.count, 3);
	assert_true(lock_table_equal(&one, &other));
	assert_false(lock_table_equal(&one, &fewer));
	assert_false(lock_table_equal(&one, &changed));
}

static void a_long_list_is_read_to_its_end(void **state)
{
	/* AddressSanitizer's strict_string_checks looks at the rest of the text with each number. */
	const int lines = getenv("DBLOCKTOOLS_SANITIZED") ? 2000 : 20000;
	const size_t size = (size_t)lines * 64;
	auto_lock_table table = { 0 };
	char *text = malloc(size);
	size_t length = 0;

	assert_non_null(text);
	for (int i = 0; i < lines; i++)
		length += (size_t)snprintf(text + length, size - length,
					   "%d: POSIX  ADVISORY  READ %d fe:00:%d %d %d\n", i + 1,
					   i + 1, i % 2 ? 131 : 7, i, i);
	folder_write(*state, "locks", text, length);
	free(text);
	read_table(*state, &table);
	assert_int_equal(table.count, lines / 2);
	assert_int_equal(table.items[lines / 2 - 1].pid, lines);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		TEST(only_locks_on_the_wanted_files_are_kept),
		TEST(lines_that_the_kernel_repeats_count_once),
		TEST(waiting_and_held_locks_are_both_kept_and_told_apart),
		TEST(damaged_lines_are_passed_over),
		TEST(a_last_line_without_its_newline_counts),
		TEST(an_empty_list_is_readable),
		TEST(a_proc_without_the_list_is_told_apart_from_an_empty_one),
		TEST(a_list_that_cannot_be_read_is_an_error),
		TEST(tables_are_equal_in_whatever_order_the_kernel_lists_them),
		TEST(a_long_list_is_read_to_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
