#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/linux/stat_line.h"

/* What stands behind the name: state, parent, utime 250, stime 13, start 8812345. */
#define REST                                                                            \
	"S 977 4123 977 34817 4123 4194304 1510 0 0 0 250 13 0 0 20 0 3 0 8812345 "     \
	"24117248 2489 18446744073709551615 1 1 0 0 0 0 0 16781312 134235650 0 0 0 17 " \
	"1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"

/* Reads from memory of exactly that size, so that a sanitizer sees a read beyond it. */
static bool read_line(const char *text, struct stat_line *line)
{
	char *copy = strdup(text);

	assert_non_null(copy);

	const bool good = stat_line_read(copy, strlen(copy), line);

	free(copy);
	return good;
}

static void assert_rest(const char *text)
{
	struct stat_line line = { 0 };

	assert_true(read_line(text, &line));
	assert_int_equal(line.state, 'S');
	assert_int_equal(line.ppid, 977);
	assert_int_equal(line.cpu_ticks, 263);
	assert_int_equal(line.start_ticks, 8812345);
}

static void the_fields_behind_a_plain_name_are_read(void **state)
{
	(void)state;
	assert_rest("4123 (python3) " REST);
	assert_rest("4123 () " REST);
}

static void a_hostile_name_forges_nothing(void **state)
{
	(void)state;
	assert_rest("4123 (a) R 1 1) " REST);
	assert_rest("4123 (x) R 1 1\n) " REST);
	assert_rest("4123 (\n4123 (x) R 1) " REST);
	assert_rest("4123 ()))))))))))))))) " REST);
	assert_rest("4123 (\xff\xfe \x1b[31m) " REST);
	assert_rest("4123 (a b c d) " REST);
}

static void every_state_letter_comes_through(void **state)
{
	(void)state;
	for (const char *letter = "RSDTtZXI"; *letter; letter++) {
		char text[] = "1 (x) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9 0 0\n";
		struct stat_line line = { 0 };

		text[6] = *letter;
		assert_true(read_line(text, &line));
		assert_int_equal(line.state, *letter);
		assert_int_equal(line.ppid, 0);
		assert_int_equal(line.cpu_ticks, 5 + 6);
		assert_int_equal(line.start_ticks, 9);
	}
}

static void a_line_that_ends_before_the_start_time_is_refused(void **state)
{
	static const char text[] = "1 (x) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9";
	char cut[sizeof text];
	struct stat_line line = { 0 };

	(void)state;
	for (size_t length = 0; length < sizeof text - 1; length++) {
		memcpy(cut, text, length);
		cut[length] = '\0';
		assert_false(read_line(cut, &line));
	}
	assert_true(read_line(text, &line));
}

static void what_is_no_number_is_refused(void **state)
{
	struct stat_line line = { 0 };

	(void)state;
	assert_false(read_line("", &line));
	assert_false(read_line("1 x S 0", &line));
	assert_false(read_line("1 (x)S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 9 0", &line));
	assert_false(read_line("1 (x) S x 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 9 0", &line));
	assert_false(read_line("1 (x) S 0  1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 9 0", &line));
	assert_false(
		read_line("1 (x) S 2147483648 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 9 0", &line));
	assert_false(read_line("1 (x) S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 "
			       "99999999999999999999 0",
			       &line));
}

static void the_line_of_this_very_process_is_right(void **state)
{
	char text[4096];
	struct stat_line line = { 0 };
	FILE *file = fopen("/proc/self/stat", "re");

	(void)state;
	assert_non_null(file);

	const size_t length = fread(text, 1, sizeof text - 1, file);

	(void)fclose(file);
	text[length] = '\0';
	assert_true(stat_line_read(text, length, &line));
	assert_int_equal(line.ppid, getppid());
	assert_int_equal(line.state, 'R');
	assert_true(line.start_ticks > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fields_behind_a_plain_name_are_read),
		cmocka_unit_test(a_hostile_name_forges_nothing),
		cmocka_unit_test(every_state_letter_comes_through),
		cmocka_unit_test(a_line_that_ends_before_the_start_time_is_refused),
		cmocka_unit_test(what_is_no_number_is_refused),
		cmocka_unit_test(the_line_of_this_very_process_is_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
