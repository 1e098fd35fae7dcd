#include "tests/unit/test.h"

#include <fcntl.h>
#include <string.h>

#include "common/linux/fdinfo.h"

static void flags_mount_and_inode_are_read(void **state)
{
	struct fdinfo info = { 0 };

	(void)state;
	assert_true(fdinfo_read("pos:\t0\nflags:\t02100002\nmnt_id:\t30\nino:\t131\n", &info));
	assert_int_equal(info.flags, 02100002);
	assert_int_equal(info.mount, 30);
	assert_int_equal(info.inode, 131);
}

static void kernels_before_5_14_tell_no_inode(void **state)
{
	struct fdinfo info = { .inode = 9, .mount = 9 };

	(void)state;
	assert_true(fdinfo_read("pos:\t0\nflags:\t0100000\nmnt_id:\t30\n", &info));
	assert_int_equal(info.inode, 0);
	assert_true(fdinfo_read("flags:\t0\n", &info));
	assert_int_equal(info.mount, 0);
}

static void a_text_without_flags_is_refused(void **state)
{
	struct fdinfo info = { 0 };

	(void)state;
	assert_false(fdinfo_read("", &info));
	assert_false(fdinfo_read("pos:\t0\nmnt_id:\t30\n", &info));
	assert_false(fdinfo_read("flags:\t\n", &info));
	assert_false(fdinfo_read("flags: 02\n", &info));
	assert_false(fdinfo_read("flags:\t8\n", &info));
	assert_false(fdinfo_read("flags:\t777777777777777777777777\n", &info));
	assert_false(fdinfo_read(" flags:\t02\n", &info));
}

static void words_count_only_at_the_start_of_a_line(void **state)
{
	struct fdinfo info = { 0 };

	(void)state;
	assert_true(fdinfo_read("flags:\t01\npos:\tino:\t7\nxmnt_id:\t8\n", &info));
	assert_int_equal(info.inode, 0);
	assert_int_equal(info.mount, 0);
}

static void only_real_write_access_can_write(void **state)
{
	(void)state;
	assert_false(fdinfo_can_write(O_RDONLY));
	assert_false(fdinfo_can_write(O_RDONLY | O_CLOEXEC | O_APPEND));
	assert_true(fdinfo_can_write(O_WRONLY));
	assert_true(fdinfo_can_write(O_RDWR | O_CLOEXEC));
	assert_false(fdinfo_can_write(O_PATH));
	assert_false(fdinfo_can_write(O_PATH | O_RDWR));
}

static void lock_lines_are_walked_one_by_one(void **state)
{
	static const char text[] = "pos:\t0\nflags:\t02\n"
				   "lock:\t1: POSIX  ADVISORY  READ 7 fe:00:131 0 0\n"
				   "other:\tlock:\tno\n"
				   "lock:\t2: OFDLCK ADVISORY  WRITE -1 fe:00:131 1 EOF";
	const char *cursor = text;
	const char *first = fdinfo_next_lock(&cursor);

	(void)state;
	assert_non_null(first);
	assert_memory_equal(first, "lock:\t1: POSIX", 14);

	const char *second = fdinfo_next_lock(&cursor);

	assert_non_null(second);
	assert_memory_equal(second, "lock:\t2: OFDLCK", 15);
	assert_null(fdinfo_next_lock(&cursor));
	assert_null(fdinfo_next_lock(&cursor));
}

static void a_text_without_locks_has_none(void **state)
{
	const char *cursor = "pos:\t0\nflags:\t02\n", *empty = "";

	(void)state;
	assert_null(fdinfo_next_lock(&cursor));
	assert_null(fdinfo_next_lock(&empty));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_mount_and_inode_are_read),
		cmocka_unit_test(kernels_before_5_14_tell_no_inode),
		cmocka_unit_test(a_text_without_flags_is_refused),
		cmocka_unit_test(words_count_only_at_the_start_of_a_line),
		cmocka_unit_test(only_real_write_access_can_write),
		cmocka_unit_test(lock_lines_are_walked_one_by_one),
		cmocka_unit_test(a_text_without_locks_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
