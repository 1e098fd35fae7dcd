#include "tests/unit/child.h"

#include "common/base/clock.h"
#include "common/linux/nap.h"

/* Naps of so many seconds; with 0 it waits for its end and takes none. */
static void take_naps(const struct child_side *side, void *argument)
{
	const double seconds = *(double *)argument;

	child_say_ready(side);
	while (seconds > 0)
		clock_sleep_until(clock_now() + seconds);
	child_stay(side);
}

/* Whether in that time two looks see a process that naps again and again. */
static bool naps_again(const struct proc_root *root, pid_t pid, double seconds)
{
	const double until = clock_now() + seconds;
	struct nap before = { 0 };

	while (clock_now() < until) {
		const struct nap after = nap_look(root, pid);

		if (nap_again(&before, &after))
			return true;
		if (!before.asleep)
			before = after;
	}
	return false;
}

static bool child_naps(double seconds, double patience)
{
	auto_proc_root root = PROC_ROOT_CLOSED;
	struct error err = { 0 };

	assert_true(proc_root_open(&root, NULL, &err));

	const struct child child = child_start(take_naps, &seconds);
	const bool naps = naps_again(&root, child.pid, patience);

	(void)close(child.end);
	(void)kill(child.pid, SIGKILL);
	assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
	return naps;
}

static void who_sleeps_for_short_times_is_seen(void **state)
{
	(void)state;
	assert_true(child_naps(0.001, 10));
}

static void who_waits_for_something_else_or_sleeps_once_is_not(void **state)
{
	(void)state;
	assert_false(child_naps(0, 0.2));
	assert_false(child_naps(1000, 0.2));
}

static void who_is_gone_is_not_asleep(void **state)
{
	auto_proc_root root = PROC_ROOT_CLOSED;
	struct error err = { 0 };

	(void)state;
	assert_true(proc_root_open(&root, NULL, &err));
	assert_false(nap_look(&root, 0x7fffffff).asleep);
}

static void another_thread_or_the_same_sleep_is_no_second_nap(void **state)
{
	const struct nap first = { true, 7, 100 }, same = { true, 7, 100 },
			 later = { true, 7, 101 }, other = { true, 8, 101 },
			 awake = { false, 0, 0 };

	(void)state;
	assert_true(nap_again(&first, &later));
	assert_false(nap_again(&first, &same));
	assert_false(nap_again(&first, &other));
	assert_false(nap_again(&first, &awake));
	assert_false(nap_again(&awake, &later));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_sleeps_for_short_times_is_seen),
		cmocka_unit_test(who_waits_for_something_else_or_sleeps_once_is_not),
		cmocka_unit_test(who_is_gone_is_not_asleep),
		cmocka_unit_test(another_thread_or_the_same_sleep_is_no_second_nap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
