#include "tests/unit/test.h"

#include <string.h>

#include "common/base/parse.h"

static void whole_numbers_are_read_to_their_last_digit(void **state)
{
	uint64_t value = 7;

	(void)state;
	assert_true(parse_whole("0", 10, &value));
	assert_int_equal(value, 0);
	assert_true(parse_whole("10", 10, &value));
	assert_int_equal(value, 10);
	assert_true(parse_whole("0000012", 100, &value));
	assert_int_equal(value, 12);
	assert_true(parse_whole("18446744073709551615", UINT64_MAX, &value));
	assert_true(value == UINT64_MAX);
}

static void what_is_no_whole_number_is_refused(void **state)
{
	static const char *const words[] = { "",    " 1", "1 ",	 "+1", "-1",  "0x10",
					     "1e3", "1.", "1,0", "１", "1\n", "a" };
	uint64_t value = 0;

	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		assert_false(parse_whole(words[i], UINT64_MAX, &value));
}

static void numbers_above_the_limit_are_refused_and_never_wrap(void **state)
{
	uint64_t value = 0;

	(void)state;
	assert_false(parse_whole("11", 10, &value));
	assert_false(parse_whole("18446744073709551616", UINT64_MAX, &value));
	assert_false(parse_whole("18446744073709551617", 10, &value));
	assert_false(parse_whole("99999999999999999999999999999999999", UINT64_MAX, &value));
}

static void process_ids_are_positive_and_without_leading_zero(void **state)
{
	pid_t pid = 0;

	(void)state;
	assert_true(parse_pid("4123", &pid));
	assert_int_equal(pid, 4123);
	assert_true(parse_pid("2147483647", &pid));
	assert_int_equal(pid, 2147483647);
	assert_false(parse_pid("0", &pid));
	assert_false(parse_pid("01", &pid));
	assert_false(parse_pid("2147483648", &pid));
	assert_false(parse_pid("-1", &pid));
	assert_false(parse_pid("", &pid));
	assert_false(parse_pid("12a", &pid));
}

static void seconds_may_have_fractions(void **state)
{
	double seconds = 0;

	(void)state;
	assert_true(parse_seconds("5", &seconds));
	assert_true(seconds == 5.0);
	assert_true(parse_seconds("0.25", &seconds));
	assert_true(seconds == 0.25);
	assert_true(parse_seconds("0", &seconds));
	assert_true(seconds == 0.0);
	assert_true(parse_seconds("315360000", &seconds)); /* ten years */
}

static void what_strtod_would_take_too_is_no_number_of_seconds(void **state)
{
	static const char *const words[] = { "",    ".",     "-1",	  "+1",	   "inf",
					     "nan", "0x1p3", "1e3",	  "1.2.3", " 1",
					     "1 ",  "1s",    "315360001", "1,5" };
	char long_word[512];
	double seconds = 7;

	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		assert_false(parse_seconds(words[i], &seconds));
	memset(long_word, '9', sizeof long_word - 1);
	long_word[sizeof long_word - 1] = '\0';
	assert_false(parse_seconds(long_word, &seconds));
	assert_true(seconds == 7.0);
}

static void numbers_in_a_text_stop_at_the_first_foreign_character(void **state)
{
	static const struct {
		const char *text;
		int base;
		uint64_t value;
		const char *rest;
	} cases[] = {
		{ "4123 x", 10, 4123, " x" }, { "fe:00", 16, 0xfe, ":00" },
		{ "FEg", 16, 0xfe, "g" },     { "02100009", 8, 0210000, "9" },
		{ "12a", 10, 12, "a" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *cursor = cases[i].text;
		uint64_t value = 0;

		assert_true(parse_number_at(&cursor, cases[i].base, UINT64_MAX, &value));
		assert_int_equal(value, cases[i].value);
		assert_string_equal(cursor, cases[i].rest);
	}
}

static void a_failed_read_moves_no_cursor(void **state)
{
	static const char *const texts[] = { "", "x", " 1", "-1", "256" };

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		const char *cursor = texts[i];
		uint64_t value = 9;

		assert_false(parse_number_at(&cursor, 10, 255, &value));
		assert_ptr_equal(cursor, texts[i]);
		assert_int_equal(value, 9);
	}
}

static void words_are_matched_whole(void **state)
{
	const char *cursor = "flags:\t0100002";

	(void)state;
	assert_false(parse_word_at(&cursor, "flags: "));
	assert_true(parse_word_at(&cursor, "flags:\t"));
	assert_string_equal(cursor, "0100002");
	assert_false(parse_word_at(&cursor, "01000020"));
	assert_true(parse_word_at(&cursor, "0100002"));
	assert_string_equal(cursor, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers_are_read_to_their_last_digit),
		cmocka_unit_test(what_is_no_whole_number_is_refused),
		cmocka_unit_test(numbers_above_the_limit_are_refused_and_never_wrap),
		cmocka_unit_test(process_ids_are_positive_and_without_leading_zero),
		cmocka_unit_test(seconds_may_have_fractions),
		cmocka_unit_test(what_strtod_would_take_too_is_no_number_of_seconds),
		cmocka_unit_test(numbers_in_a_text_stop_at_the_first_foreign_character),
		cmocka_unit_test(a_failed_read_moves_no_cursor),
		cmocka_unit_test(words_are_matched_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
