#include "tests/unit/child.h"

#include <poll.h>
#include <string.h>

#include "common/base/signals.h"

static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

enum { ENDING = sizeof ending / sizeof *ending };

/* In a child, which may be changed for good: whether all was as it should be. */
static void assert_good(int (*work)(void *argument), void *argument)
{
	const int status = child_run(work, argument);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the child ended with status %#x", (unsigned)status);
}

#define WANT(condition)                            \
	do {                                       \
		if (!(condition))                  \
			return __LINE__ % 200 + 1; \
	} while (0)

/* As a program starts: whatever this test program was started with. */
static void start(void)
{
	for (size_t i = 0; i < ENDING; i++)
		(void)signal(ending[i], SIG_DFL);
}

static bool is_readable(int fd)
{
	struct pollfd event = { .fd = fd, .events = POLLIN };

	return poll(&event, 1, 0) == 1 && event.revents == POLLIN;
}

static int stay_alive(void *argument)
{
	const int signal = *(const int *)argument;
	struct error err = { 0 };

	start();
	signals_hold();
	WANT(signals_pending() == 0);
	WANT(signals_check(&err));
	WANT(!is_readable(signals_descriptor()));
	signals_obey();
	WANT(raise(signal) == 0);
	WANT(signals_pending() == signal);
	WANT(signals_pending() == signal);
	WANT(is_readable(signals_descriptor()));
	WANT(!signals_check(&err) && err.status == STATUS_TROUBLE);
	WANT(strncmp(err.text, "interrupted by SIG", 18) == 0);
	WANT(strcmp(err.text + 18, sigabbrev_np(signal)) == 0);
	return 0;
}

static void a_signal_that_is_held_is_told_and_does_not_end_us(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENDING; i++) {
		int signal = ending[i];

		assert_good(stay_alive, &signal);
	}
}

static int end_by_it(void *argument)
{
	start();
	signals_hold();
	WANT(raise(*(const int *)argument) == 0);
	signals_obey();
	return 0;
}

static void obeying_ends_us_by_the_signal_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENDING; i++) {
		int signal = ending[i];
		const int status = child_run(end_by_it, &signal);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), signal);
	}
}

static int ignore_it(void *nothing)
{
	(void)nothing;
	start();
	(void)signal(SIGHUP, SIG_IGN);
	signals_hold();
	WANT(raise(SIGHUP) == 0);
	WANT(signals_pending() == 0);
	WANT(!is_readable(signals_descriptor()));
	signals_obey();
	return 0;
}

static void one_that_the_caller_ignores_stays_ignored(void **state)
{
	(void)state;
	assert_good(ignore_it, NULL);
}

static int finish_it(void *nothing)
{
	struct error err = { 0 };

	(void)nothing;
	start();
	signals_hold();
	signals_finish_first();
	WANT(raise(SIGTERM) == 0);
	WANT(signals_pending() == 0);
	WANT(signals_check(&err));
	WANT(signals_descriptor() == -1);
	signals_obey();
	return 0;
}

static void what_has_to_be_finished_first_is_not_interrupted_but_obeyed_later(void **state)
{
	const int status = child_run(finish_it, NULL);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
}

static int hold_nothing(void *nothing)
{
	(void)nothing;
	WANT(signals_pending() == 0);
	WANT(signals_descriptor() == -1);
	signals_obey();
	return 0;
}

static void without_holding_there_is_nothing_to_tell(void **state)
{
	(void)state;
	assert_good(hold_nothing, NULL);
}

static int let_go(void *nothing)
{
	sigset_t blocked;

	(void)nothing;
	start();
	signals_hold();
	signals_let_go();
	WANT(sigprocmask(SIG_BLOCK, NULL, &blocked) == 0);
	for (size_t i = 0; i < ENDING; i++)
		WANT(sigismember(&blocked, ending[i]) == 0);
	return 0;
}

static void a_foreign_program_is_started_with_none_blocked(void **state)
{
	(void)state;
	assert_good(let_go, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_that_is_held_is_told_and_does_not_end_us),
		cmocka_unit_test(obeying_ends_us_by_the_signal_itself),
		cmocka_unit_test(one_that_the_caller_ignores_stays_ignored),
		cmocka_unit_test(what_has_to_be_finished_first_is_not_interrupted_but_obeyed_later),
		cmocka_unit_test(without_holding_there_is_nothing_to_tell),
		cmocka_unit_test(a_foreign_program_is_started_with_none_blocked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
