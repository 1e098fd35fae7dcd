#include "tests/unit/test.h"

#include <math.h>

#include "common/durations.h"

static void nothing_took_no_time(void **state)
{
	const struct durations none = { 0 };

	(void)state;
	assert_true(durations_percentile(&none, 0.5) == 0);
}

static void percentiles_are_right_to_six_percent_over_nine_decades(void **state)
{
	(void)state;
	for (double unit = 1e-7; unit < 1e3; unit *= 7) {
		struct durations some = { 0 };

		for (int i = 1; i <= 1000; i++)
			durations_add(&some, i * unit);
		assert_int_equal(some.count, 1000);
		assert_true(fabs(some.total - 500500 * unit) < unit);
		assert_true(some.longest == 1000 * unit);
		assert_in_range((uint64_t)(durations_percentile(&some, 0.5) / unit), 499, 533);
		assert_in_range((uint64_t)(durations_percentile(&some, 0.99) / unit), 989, 1000);
		assert_true(durations_percentile(&some, 1) == 1000 * unit);
		durations_release(&some);
	}
}

static void strange_times_find_a_place(void **state)
{
	static const double strange[] = { 0, -1, 1e-12, 1e18, INFINITY };
	struct durations some = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
		durations_add(&some, strange[i]);
	assert_int_equal(some.count, 5);
	assert_true(durations_percentile(&some, 0.5) < 1e-8);
	durations_release(&some);
}

static void merging_is_adding(void **state)
{
	struct durations one = { 0 }, other = { 0 }, none = { 0 };

	(void)state;
	durations_add(&one, 0.001);
	durations_add(&other, 0.5);
	durations_add(&other, 0.7);
	durations_merge(&one, &other);
	durations_merge(&one, &none);
	durations_merge(&none, &one);
	assert_int_equal(none.count, 3);
	assert_true(none.longest == 0.7);
	assert_true(fabs(durations_percentile(&none, 0.5) - 0.5) < 0.04);
	durations_release(&one);
	durations_release(&other);
	durations_release(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_took_no_time),
		cmocka_unit_test(percentiles_are_right_to_six_percent_over_nine_decades),
		cmocka_unit_test(strange_times_find_a_place),
		cmocka_unit_test(merging_is_adding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
