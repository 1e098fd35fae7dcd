#include "tests/unit/test.h"

#include <string.h>

#include "common/linux/lock_line.h"

static struct lock_line read_good(const char *line)
{
	struct lock_line lock;

	memset(&lock, 0xff, sizeof lock);
	if (!lock_line_read(line, &lock))
		fail_msg("was refused: %s", line);
	return lock;
}

static void assert_refused(const char *line)
{
	struct lock_line lock = { 0 };

	if (lock_line_read(line, &lock))
		fail_msg("was taken: %s", line);
}

static void a_posix_lock_is_read_in_full(void **state)
{
	const struct lock_line lock =
		read_good("1: POSIX  ADVISORY  WRITE 4123 fe:00:131 1073741824 1073742335\n");

	(void)state;
	assert_int_equal(lock.class, LOCK_POSIX);
	assert_false(lock.waiting);
	assert_true(lock.write);
	assert_int_equal(lock.pid, 4123);
	assert_int_equal(lock.major, 0xfe);
	assert_int_equal(lock.minor, 0);
	assert_int_equal(lock.inode, 131);
	assert_int_equal(lock.first, 1073741824);
	assert_int_equal(lock.last, 1073742335);
}

static void every_class_of_the_kernel_is_known(void **state)
{
	static const struct {
		const char *line;
		enum lock_class class;
		bool write;
	} cases[] = {
		{ "2: POSIX  ADVISORY  READ  5 08:01:9 128 128", LOCK_POSIX, false },
		{ "3: POSIX  MANDATORY READ  5 08:01:9 0 EOF", LOCK_POSIX, false },
		{ "4: OFDLCK ADVISORY  WRITE -1 08:01:9 0 0", LOCK_OFD, true },
		{ "5: FLOCK  ADVISORY  WRITE 5 08:01:9 0 EOF", LOCK_FLOCK, true },
		{ "6: FLOCK  MSNFS     RW    5 08:01:9 0 EOF", LOCK_FLOCK, true },
		{ "7: FLOCK  MSNFS     NONE  5 08:01:9 0 EOF", LOCK_FLOCK, false },
		{ "8: LEASE  ACTIVE    WRITE 5 08:01:9 0 EOF", LOCK_LEASE, true },
		{ "9: LEASE  BREAKING  UNLCK 5 08:01:9 0 EOF", LOCK_LEASE, false },
		{ "10: LEASE  BREAKER   READ 5 08:01:9 0 EOF", LOCK_LEASE, false },
		{ "11: DELEG  ACTIVE    READ 5 08:01:9 0 EOF", LOCK_OTHER, false },
		{ "12: ACCESS ADVISORY  READ 5 08:01:9 0 EOF", LOCK_OTHER, false },
		{ "13: POSIX  *NOINODE* READ 5 <none>:0 0 EOF", LOCK_POSIX, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct lock_line lock = read_good(cases[i].line);

		assert_int_equal(lock.class, cases[i].class);
		assert_int_equal(lock.write, cases[i].write);
		assert_false(lock.waiting);
	}
}

static void an_ofd_lock_has_no_process(void **state)
{
	(void)state;
	assert_int_equal(read_good("1: OFDLCK ADVISORY  READ -1 fe:00:131 120 127").pid, -1);
	assert_int_equal(read_good("1: POSIX  ADVISORY  READ 0 fe:00:131 120 127").pid, 0);
}

static void a_remote_owner_is_negative(void **state)
{
	(void)state;
	assert_int_equal(read_good("1: POSIX  ADVISORY  READ -4123 fe:00:131 0 0").pid, -4123);
}

static void who_waits_does_not_hold(void **state)
{
	(void)state;
	assert_true(read_good("1: -> POSIX  ADVISORY  WRITE 77 fe:00:131 0 0").waiting);
	/* Since 5.4 the kernel indents those who wait for somebody that waits. */
	assert_true(read_good("1:    -> FLOCK  ADVISORY  READ 77 00:2b:9 0 EOF").waiting);
	assert_false(read_good("1: POSIX  ADVISORY  WRITE 77 fe:00:131 0 0").waiting);
}

static void the_end_of_the_file_is_the_last_byte_there_can_be(void **state)
{
	const struct lock_line lock = read_good("1: POSIX  ADVISORY  READ 77 00:2b:9 5 EOF\n");

	(void)state;
	assert_int_equal(lock.first, 5);
	assert_true(lock.last == UINT64_MAX);
}

static void device_numbers_are_hexadecimal_and_inodes_decimal(void **state)
{
	const struct lock_line lock =
		read_good("1: POSIX  ADVISORY  READ 77 103:fffff:18446744073709551615 0 0");

	(void)state;
	assert_int_equal(lock.major, 0x103);
	assert_int_equal(lock.minor, 0xfffff);
	assert_true(lock.inode == UINT64_MAX);
}

static void a_line_without_an_inode_is_on_no_file(void **state)
{
	const struct lock_line lock = read_good("1: POSIX  *NOINODE* READ 5 <none>:7 0 EOF");

	(void)state;
	assert_int_equal(lock.major, 0);
	assert_int_equal(lock.minor, 0);
	assert_int_equal(lock.inode, 7);
}

static void the_form_of_fdinfo_is_the_same(void **state)
{
	const struct lock_line lock =
		read_good("lock:\t1: OFDLCK ADVISORY  WRITE -1 fe:00:131 124 124\nlock:\t2: x");

	(void)state;
	assert_int_equal(lock.class, LOCK_OFD);
	assert_int_equal(lock.first, 124);
}

static void what_is_cut_short_anywhere_is_refused(void **state)
{
	static const char line[] = "1: POSIX  ADVISORY  WRITE 4123 fe:00:131 120 120";
	char cut[sizeof line];

	(void)state;
	/* "120 1" and "120 12" are shorter numbers; they lie before the start and are refused too. */
	for (size_t length = 0; length < sizeof line - 1; length++) {
		memcpy(cut, line, length);
		cut[length] = '\0';
		assert_refused(cut);
		cut[length] = '\n';
		cut[length + 1] = '\0';
		assert_refused(cut);
	}
}

static void numbers_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	assert_refused("1: POSIX  ADVISORY  READ 2147483648 fe:00:131 0 0");
	assert_refused("1: POSIX  ADVISORY  READ 18446744073709551617 fe:00:131 0 0");
	assert_refused("1: POSIX  ADVISORY  READ 1 100000000:00:131 0 0");
	assert_refused("1: POSIX  ADVISORY  READ 1 fe:100000000:131 0 0");
	assert_refused("1: POSIX  ADVISORY  READ 1 fe:00:18446744073709551616 0 0");
	assert_refused("1: POSIX  ADVISORY  READ 1 fe:00:131 18446744073709551616 EOF");
	assert_refused("1: POSIX  ADVISORY  READ 1 fe:00:131 0 99999999999999999999");
	assert_refused("99999999999999999999999: POSIX  ADVISORY  READ 1 fe:00:131 0 0");
}

static void junk_is_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"\n",
		"1:",
		"x: POSIX  ADVISORY  READ 1 fe:00:131 0 0",
		"POSIX  ADVISORY  READ 1 fe:00:131 0 0",
		"1 POSIX  ADVISORY  READ 1 fe:00:131 0 0",
		"1: POSIXX ADVISORY  READ 1 fe:00:131 0 0",
		"1: UNKNOWN UNKNOWN  READ 1 fe:00:131 0 0",
		"1: POSIX  ADVISORY  EXEC 1 fe:00:131 0 0",
		"1: POSIX  ADVISORY  READ one fe:00:131 0 0",
		"1: POSIX  ADVISORY  READ 1x fe:00:131 0 0",
		"1: POSIX  ADVISORY  READ 1 fg:00:131 0 0",
		"1: POSIX  ADVISORY  READ 1 fe:00:0x83 0 0",
		"1: POSIX  ADVISORY  READ 1 fe-00-131 0 0",
		"1: POSIX  ADVISORY  READ 1 <some>:131 0 0",
		"1: POSIX  ADVISORY  READ 1 fe:00:131 -1 0",
		"1: POSIX  ADVISORY  READ 1 fe:00:131 0 0 and more",
		"1: POSIX  ADVISORY  READ 1 fe:00:131 0 0x",
		"1: POSIX  ADVISORY  READ 1 fe:00:131 0 EOFX",
		"1: POSIX  ADVISORY  READ 1 fe:00:131 9 8",
		"1: -> -> POSIX ADVISORY  READ 1 fe:00:131 0 0",
		"lock:\tlock:\t1: POSIX  ADVISORY  READ 1 fe:00:131 0 0",
	};

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		assert_refused(lines[i]);
}

static void two_lines_are_equal_when_all_but_the_position_is(void **state)
{
	static const char *const others[] = {
		"1: OFDLCK ADVISORY  WRITE 4123 fe:00:131 120 121",
		"1: -> POSIX  ADVISORY  WRITE 4123 fe:00:131 120 121",
		"1: POSIX  ADVISORY  READ  4123 fe:00:131 120 121",
		"1: POSIX  ADVISORY  WRITE 4124 fe:00:131 120 121",
		"1: POSIX  ADVISORY  WRITE 4123 fd:00:131 120 121",
		"1: POSIX  ADVISORY  WRITE 4123 fe:01:131 120 121",
		"1: POSIX  ADVISORY  WRITE 4123 fe:00:132 120 121",
		"1: POSIX  ADVISORY  WRITE 4123 fe:00:131 119 121",
		"1: POSIX  ADVISORY  WRITE 4123 fe:00:131 120 122",
	};
	const struct lock_line one = read_good("1: POSIX  ADVISORY  WRITE 4123 fe:00:131 120 121");
	const struct lock_line same = read_good("9: POSIX  ADVISORY  WRITE 4123 fe:00:131 120 121");

	(void)state;
	assert_true(lock_line_equal(&one, &same));
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		const struct lock_line other = read_good(others[i]);

		assert_false(lock_line_equal(&one, &other));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_posix_lock_is_read_in_full),
		cmocka_unit_test(every_class_of_the_kernel_is_known),
		cmocka_unit_test(an_ofd_lock_has_no_process),
		cmocka_unit_test(a_remote_owner_is_negative),
		cmocka_unit_test(who_waits_does_not_hold),
		cmocka_unit_test(the_end_of_the_file_is_the_last_byte_there_can_be),
		cmocka_unit_test(device_numbers_are_hexadecimal_and_inodes_decimal),
		cmocka_unit_test(a_line_without_an_inode_is_on_no_file),
		cmocka_unit_test(the_form_of_fdinfo_is_the_same),
		cmocka_unit_test(what_is_cut_short_anywhere_is_refused),
		cmocka_unit_test(numbers_that_do_not_fit_are_refused),
		cmocka_unit_test(junk_is_refused),
		cmocka_unit_test(two_lines_are_equal_when_all_but_the_position_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
