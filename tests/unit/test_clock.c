#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define DAY (24 * 60 * MINUTE)

/* 2026-11-22T00:00:00Z, as date(1) has it. */
#define SAMPLE_DAY (INT64_C(1795305600) * SECOND)

static void assert_means(const char *words, int64_t first, int64_t length)
{
	int64_t from = -1, to = -1;

	if (!clock_parse(words, &from, &to))
		fail_msg("\"%s\" was refused", words);
	if (from != first || to != first + length - 1)
		fail_msg("\"%s\" means %lld to %lld", words, (long long)from, (long long)to);
}

static void assert_bad(const char *words)
{
	int64_t first = 0, last = 0;

	if (clock_parse(words, &first, &last))
		fail_msg("\"%s\" was taken", words);
}

static void a_day_means_all_of_its_milliseconds(void **state)
{
	(void)state;
	assert_means("2026-11-22", SAMPLE_DAY, DAY);
	assert_means("1970-01-01", 0, DAY);
	assert_means("9999-12-31", INT64_C(253402214400) * SECOND, DAY);
}

static void a_minute_a_second_and_a_millisecond_mean_just_that(void **state)
{
	const int64_t noon = SAMPLE_DAY + 12 * 60 * MINUTE + 15 * MINUTE;

	(void)state;
	assert_means("2026-11-22T12:15", noon, MINUTE);
	assert_means("2026-11-22T12:15:07", noon + 7 * SECOND, SECOND);
	assert_means("2026-11-22T12:15:07.089", noon + 7 * SECOND + 89, 1);
	assert_means("2026-11-22T00:00", SAMPLE_DAY, MINUTE);
	assert_means("2026-11-22T23:59:59.999", SAMPLE_DAY + DAY - 1, 1);
}

static void a_z_says_nothing_new(void **state)
{
	const int64_t noon = SAMPLE_DAY + 12 * 60 * MINUTE + 15 * MINUTE;

	(void)state;
	assert_means("2026-11-22T12:15Z", noon, MINUTE);
	assert_means("2026-11-22T12:15:00Z", noon, SECOND);
	assert_means("2026-11-22T12:15:00.000Z", noon, 1);
}

static void the_zone_of_the_machine_has_no_say(void **state)
{
	(void)state;
	assert_int_equal(setenv("TZ", "America/St_Johns", 1), 0);
	assert_means("2026-07-01T00:00", INT64_C(1782864000) * SECOND, MINUTE);
	assert_int_equal(setenv("TZ", "XXX-14", 1), 0);
	assert_means("2026-11-22", SAMPLE_DAY, DAY);
	assert_int_equal(unsetenv("TZ"), 0);
}

static void february_has_29_days_in_leap_years_only(void **state)
{
	(void)state;
	assert_means("2024-02-29", INT64_C(1709164800) * SECOND, DAY);
	assert_means("2000-02-29", INT64_C(951782400) * SECOND, DAY);
	assert_means("2028-02-29T12:00", INT64_C(1835438400) * SECOND, MINUTE);
	assert_bad("2026-02-29");
	assert_bad("2100-02-29");
	assert_bad("2024-02-30");
}

static void a_month_has_no_day_too_many(void **state)
{
	static const char *const words[] = {
		"2026-04-31", "2026-06-31", "2026-09-31",	"2026-11-31",
		"2026-01-32", "2026-01-00", "2026-04-31T12:00", "2026-12-32",
	};

	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		assert_bad(words[i]);
	assert_means("2026-12-31", INT64_C(1798675200) * SECOND, DAY);
}

static void what_is_not_whole_or_has_more_is_refused(void **state)
{
	static const char *const words[] = {
		"",
		"2026",
		"2026-11",
		"2026-11-",
		"2026-11-2",
		"2026-1-22",
		"26-11-22",
		"02026-11-22",
		"2026-11-022",
		"20261122",
		"2026/11/22",
		"2026-11-22T",
		"2026-11-22T12",
		"2026-11-22T12:",
		"2026-11-22T12:1",
		"2026-11-22T12:15:",
		"2026-11-22T12:15:7",
		"2026-11-22T12:15:07.",
		"2026-11-22T12:15:07.1",
		"2026-11-22T12:15:07.12",
		"2026-11-22T12:15:07.1234",
		"2026-11-22T12:15:07,123",
		"2026-11-22 12:15",
		"2026-11-22t12:15",
		"2026-11-22T12:15z",
		"2026-11-22T12:15ZZ",
		"2026-11-22T12:15Z ",
		" 2026-11-22",
		"2026-11-22 ",
		"2026-11-22\n",
		"2026-11-22T12:15+01:00",
		"+2026-11-22",
		"-2026-11-22",
		"2026-11--2",
		"2026-11-22T-1:15",
		"2026-11-22T12:15:0x",
		"yesterday",
		"\xff",
	};

	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		assert_bad(words[i]);
}

static void what_no_clock_shows_is_refused(void **state)
{
	static const char *const words[] = {
		"1969-12-31",	    "0000-01-01",	"2026-00-22",	       "2026-13-22",
		"2026-11-22T24:00", "2026-11-22T12:60", "2026-11-22T12:15:61",
	};

	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		assert_bad(words[i]);
}

static void a_leap_second_is_read_where_there_are_some(void **state)
{
	(void)state;
	assert_means("2016-12-31T23:59:60Z", INT64_C(1483228800) * SECOND, SECOND);
	assert_means("2015-06-30T23:59:60.500Z", INT64_C(1435708800) * SECOND + 500, 1);
}

/* --at=2026-11-22 is to find a backup of 23:59:59.999 and none of the next day's. */
static void the_last_that_is_meant_is_one_before_the_next(void **state)
{
	static const char *const pairs[][2] = {
		{ "2026-11-22", "2026-11-23" },
		{ "2026-12-31", "2027-01-01" },
		{ "2024-02-28", "2024-02-29" },
		{ "2026-11-22T12:59", "2026-11-22T13:00" },
		{ "2026-11-22T23:59:59", "2026-11-23T00:00:00" },
		{ "2026-11-22T12:15:07.999", "2026-11-22T12:15:08.000" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		int64_t first = 0, last = 0, next = 0, end = 0;

		assert_true(clock_parse(pairs[i][0], &first, &last));
		assert_true(clock_parse(pairs[i][1], &next, &end));
		assert_true(last + 1 == next);
	}
}

static void a_leap_second_at_the_end_of_the_last_year_is_refused(void **state)
{
	int64_t first = 0, last = 0;

	(void)state;
	assert_true(clock_parse("9999-12-31T23:59:59.999Z", &first, &last));
	assert_false(clock_parse("9999-12-31T23:59:60Z", &first, &last));
}

static void a_stamp_is_read_as_the_time_that_it_was_made_of(void **state)
{
	static const struct timespec times[] = {
		{ .tv_sec = 0, .tv_nsec = 0 },
		{ .tv_sec = 1795349700, .tv_nsec = 123999999 },
		{ .tv_sec = 1709164799, .tv_nsec = 999000000 },
		{ .tv_sec = 253402300799, .tv_nsec = 1000000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		char stamp[CLOCK_STAMP_SIZE];

		clock_stamp(times[i], stamp);
		assert_means(stamp, (int64_t)times[i].tv_sec * SECOND + times[i].tv_nsec / 1000000,
			     1);
	}
}

static void a_compact_stamp_is_one_for_file_names(void **state)
{
	char stamp[CLOCK_STAMP_SIZE];

	(void)state;
	clock_compact_stamp((struct timespec){ .tv_sec = 1795349700, .tv_nsec = 123456789 }, stamp);
	assert_string_equal(stamp, "20261122T121500.123Z");
	clock_compact_stamp((struct timespec){ 0 }, stamp);
	assert_string_equal(stamp, "19700101T000000.000Z");
}

static void compact_stamps_sort_as_their_times(void **state)
{
	static const struct timespec times[] = {
		{ .tv_sec = 0 },
		{ .tv_sec = 0, .tv_nsec = 1000000 },
		{ .tv_sec = 999999999, .tv_nsec = 999999999 },
		{ .tv_sec = 1000000000 },
		{ .tv_sec = 1798761599, .tv_nsec = 999000000 },
		{ .tv_sec = 1798761600 },
	};
	char before[CLOCK_STAMP_SIZE] = "", stamp[CLOCK_STAMP_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		clock_compact_stamp(times[i], stamp);
		assert_true(strcmp(before, stamp) < 0);
		memcpy(before, stamp, sizeof before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_means_all_of_its_milliseconds),
		cmocka_unit_test(a_minute_a_second_and_a_millisecond_mean_just_that),
		cmocka_unit_test(a_z_says_nothing_new),
		cmocka_unit_test(the_zone_of_the_machine_has_no_say),
		cmocka_unit_test(february_has_29_days_in_leap_years_only),
		cmocka_unit_test(a_month_has_no_day_too_many),
		cmocka_unit_test(what_is_not_whole_or_has_more_is_refused),
		cmocka_unit_test(what_no_clock_shows_is_refused),
		cmocka_unit_test(a_leap_second_is_read_where_there_are_some),
		cmocka_unit_test(the_last_that_is_meant_is_one_before_the_next),
		cmocka_unit_test(a_leap_second_at_the_end_of_the_last_year_is_refused),
		cmocka_unit_test(a_stamp_is_read_as_the_time_that_it_was_made_of),
		cmocka_unit_test(a_compact_stamp_is_one_for_file_names),
		cmocka_unit_test(compact_stamps_sort_as_their_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
