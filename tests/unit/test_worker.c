#include "tests/unit/child.h"

#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "common/base/signals.h"
#include "common/linux/worker.h"

/* Valgrind does not know pidfd_open(2) yet, and without it there is no worker. */
static void need_pidfd(void)
{
	const int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0)
		skip();
	(void)close(fd);
}

static const char doing[] = "copying the database";

/* --- what comes back -------------------------------------------------------------------------------------------- */

static bool add_one(void *argument, struct error *err)
{
	int *shared = argument;

	(void)err;
	++*shared;
	return true;
}

static void what_it_writes_to_shared_memory_comes_back(void **state)
{
	int *shared = worker_share(sizeof *shared);
	struct error err = { 0 };

	(void)state;
	need_pidfd();
	assert_int_equal(*shared, 0);
	assert_true(worker_run(doing, add_one, shared, NULL, &err));
	assert_true(worker_run(doing, add_one, shared, NULL, &err));
	assert_int_equal(*shared, 2);
	worker_unshare(shared, sizeof *shared);
	worker_unshare(NULL, sizeof *shared);
}

static void what_it_writes_to_other_memory_does_not(void **state)
{
	int own = 0;
	struct error err = { 0 };

	(void)state;
	need_pidfd();
	assert_true(worker_run(doing, add_one, &own, NULL, &err));
	assert_int_equal(own, 0);
}

static bool be_busy(void *argument, struct error *err)
{
	return fail(err, STATUS_BUSY, "%s: is locked", (const char *)argument);
}

static void its_error_comes_back_with_its_status(void **state)
{
	char name[] = "bot.db";
	struct error err = { 0 };

	(void)state;
	need_pidfd();
	assert_false(worker_run(doing, be_busy, name, NULL, &err));
	assert_int_equal(err.status, STATUS_BUSY);
	assert_string_equal(err.text, "bot.db: is locked");
}

static bool tell_pid(void *argument, struct error *err)
{
	(void)err;
	*(pid_t *)argument = getpid();
	return true;
}

static void it_is_another_process_and_gone_when_it_is_finished(void **state)
{
	pid_t *shared = worker_share(sizeof *shared);
	struct worker worker = WORKER_NONE;
	struct error err = { 0 };

	(void)state;
	need_pidfd();
	assert_true(worker_start(&worker, doing, tell_pid, shared, &err));

	const pid_t pid = worker.pid;

	assert_true(worker_finish(&worker, NULL, &err));
	assert_int_equal(*shared, pid);
	assert_int_not_equal(pid, getpid());
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
	assert_int_equal(worker.pid, 0);
	assert_int_equal(worker.pidfd, -1);
	assert_int_equal(worker.channel, -1);
	worker_unshare(shared, sizeof *shared);
}

static void what_was_not_started_cannot_be_finished(void **state)
{
	struct worker worker = WORKER_NONE;
	struct error err = { 0 };

	(void)state;
	assert_false(worker_finish(&worker, NULL, &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
}

static size_t count_descriptors(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void no_descriptor_is_left_behind(void **state)
{
	const size_t before = count_descriptors();
	int own = 0;
	struct error err = { 0 };

	(void)state;
	need_pidfd();
	for (int i = 0; i < 3; i++)
		assert_true(worker_run(doing, add_one, &own, NULL, &err));
	assert_int_equal(count_descriptors(), before);
}

/* --- how it may die ------------------------------------------------------------------------------------------- */

/* Without a core file, and without a sanitizer that takes the signal for itself. */
static void die_plainly(int signal_number)
{
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	(void)signal(signal_number, SIG_DFL);
}

static bool be_killed_by(void *argument, struct error *err)
{
	const int signal_number = *(const int *)argument;

	(void)fail(err, STATUS_NO, "never told");
	die_plainly(signal_number);
	(void)raise(signal_number);
	return true;
}

static void a_signal_that_ends_it_is_an_error_that_names_it(void **state)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGKILL };

	(void)state;
	need_pidfd();
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		int signal_number = signals[i];
		char expected[64];
		struct error err = { 0 };

		(void)snprintf(expected, sizeof expected, "copying the database: ended by SIG%s",
			       sigabbrev_np(signal_number));
		assert_false(worker_run(doing, be_killed_by, &signal_number, NULL, &err));
		assert_int_equal(err.status, STATUS_TROUBLE);
		assert_string_equal(err.text, expected);
	}
}

/* What a mapped file that shrinks does. */
static bool read_beyond_the_end(void *argument, struct error *err)
{
	const int fd = *(const int *)argument;
	const volatile char *bytes = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);

	(void)err;
	die_plainly(SIGBUS);
	return bytes == MAP_FAILED || ftruncate(fd, 0) != 0 || bytes[4096] == 0;
}

static void a_file_that_shrinks_under_it_does_no_harm_here(void **state)
{
	int fd = memfd_create("shrinks", MFD_CLOEXEC);
	struct error err = { 0 };

	(void)state;
	need_pidfd();
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_false(worker_run(doing, read_beyond_the_end, &fd, NULL, &err));
	assert_string_equal(err.text, "copying the database: ended by SIGBUS");
	(void)close(fd);
}

static bool leave(void *argument, struct error *err)
{
	(void)err;
	_exit(*(const int *)argument);
}

static void one_that_leaves_early_is_an_error_with_its_status(void **state)
{
	int status = 7;
	struct error err = { 0 };

	(void)state;
	need_pidfd();
	assert_false(worker_run(doing, leave, &status, NULL, &err));
	assert_string_equal(err.text, "copying the database: ended early (status 7)");
	status = 0;
	assert_false(worker_run(doing, leave, &status, NULL, &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
}

/* --- meetings ------------------------------------------------------------------------------------------------- */

static bool pause_and_tell(void *argument, struct error *err)
{
	int *shared = argument;

	*shared = 1;
	if (!worker_pause())
		return fail(err, STATUS_NO, "given up");
	*shared = 2;
	return true;
}

static void it_pauses_and_goes_on(void **state)
{
	int *shared = worker_share(sizeof *shared);
	struct worker worker = WORKER_NONE;
	struct error err = { 0 };

	(void)state;
	need_pidfd();
	assert_true(worker_start(&worker, doing, pause_and_tell, shared, &err));
	assert_true(worker_await_pause(&worker, NULL));
	assert_int_equal(*shared, 1);
	worker_continue(&worker, true);
	assert_true(worker_finish(&worker, NULL, &err));
	assert_int_equal(*shared, 2);
	worker_unshare(shared, sizeof *shared);
}

static void it_pauses_and_is_told_to_give_up(void **state)
{
	int *shared = worker_share(sizeof *shared);
	struct worker worker = WORKER_NONE;
	struct error err = { 0 };

	(void)state;
	need_pidfd();
	assert_true(worker_start(&worker, doing, pause_and_tell, shared, &err));
	assert_true(worker_await_pause(&worker, NULL));
	worker_continue(&worker, false);
	assert_false(worker_finish(&worker, NULL, &err));
	assert_string_equal(err.text, "given up");
	assert_int_equal(*shared, 1);
	worker_unshare(shared, sizeof *shared);
}

static bool pause_twice(void *argument, struct error *err)
{
	int *shared = argument;

	for (int i = 0; i < 2; i++) {
		if (!worker_pause())
			return fail(err, STATUS_NO, "given up");
		++*shared;
	}
	return true;
}

static void it_may_pause_more_than_once(void **state)
{
	int *shared = worker_share(sizeof *shared);
	struct worker worker = WORKER_NONE;
	struct error err = { 0 };

	(void)state;
	need_pidfd();
	assert_true(worker_start(&worker, doing, pause_twice, shared, &err));
	for (int i = 0; i < 2; i++) {
		assert_true(worker_await_pause(&worker, NULL));
		assert_int_equal(*shared, i);
		worker_continue(&worker, true);
	}
	assert_true(worker_finish(&worker, NULL, &err));
	assert_int_equal(*shared, 2);
	worker_unshare(shared, sizeof *shared);
}

static void one_that_ends_instead_of_pausing_is_no_pause(void **state)
{
	char name[] = "bot.db";
	struct worker worker = WORKER_NONE;
	struct error err = { 0 };

	(void)state;
	need_pidfd();
	assert_true(worker_start(&worker, doing, be_busy, name, &err));
	assert_false(worker_await_pause(&worker, NULL));
	worker_continue(&worker, true);
	assert_false(worker_finish(&worker, NULL, &err));
	assert_string_equal(err.text, "bot.db: is locked");
}

static void one_that_dies_instead_of_pausing_is_no_pause(void **state)
{
	int signal_number = SIGSEGV;
	struct worker worker = WORKER_NONE;
	struct error err = { 0 };

	(void)state;
	need_pidfd();
	assert_true(worker_start(&worker, doing, be_killed_by, &signal_number, &err));
	assert_false(worker_await_pause(&worker, NULL));
	assert_false(worker_finish(&worker, NULL, &err));
	assert_non_null(strstr(err.text, "SIGSEGV"));
}

static void who_is_nobodys_worker_does_not_pause(void **state)
{
	(void)state;
	assert_true(worker_pause());
	assert_false(worker_should_stop());
}

/* --- its parent, and signals ---------------------------------------------------------------------------------- */

static bool stay_for_ever(void *argument, struct error *err)
{
	const int alive = *(const int *)argument;
	const pid_t pid = getpid();

	(void)err;
	if (write(alive, &pid, sizeof pid) != sizeof pid)
		return false;
	for (;;)
		(void)pause();
}

static int start_and_be_killed(void *argument)
{
	struct worker worker = WORKER_NONE;
	struct error err = { 0 };

	if (!worker_start(&worker, doing, stay_for_ever, argument, &err))
		return 1;
	(void)close(*(const int *)argument);
	(void)worker_finish(&worker, NULL, &err);
	return 1;
}

/* Whether something can be read, or the end, within half a minute. */
static bool is_told(int fd)
{
	struct pollfd event = { .fd = fd, .events = POLLIN };

	return poll(&event, 1, 30000) == 1;
}

static void it_ends_with_its_parent(void **state)
{
	int alive[2];
	pid_t worker = 0;

	(void)state;
	need_pidfd();
	assert_int_equal(pipe2(alive, O_CLOEXEC), 0);

	const pid_t parent = fork();

	assert_true(parent >= 0);
	if (parent == 0) {
		(void)close(alive[0]);
		_exit(start_and_be_killed(&alive[1]));
	}
	(void)close(alive[1]);
	assert_true(is_told(alive[0]));
	assert_int_equal(read(alive[0], &worker, sizeof worker), sizeof worker);
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	/* Only the worker has the other end open now. */
	if (!is_told(alive[0])) {
		(void)kill(worker, SIGKILL);
		fail_msg("it lives on");
	}
	assert_int_equal(read(alive[0], &worker, sizeof worker), 0);
	(void)close(alive[0]);
}

#define WANT(condition)                            \
	do {                                       \
		if (!(condition))                  \
			return __LINE__ % 200 + 1; \
	} while (0)

static void assert_good(int (*work)(void *argument), void *argument)
{
	const int status = child_run(work, argument);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the child ended with status %#x", (unsigned)status);
}

static int start_when_asked_to_end(void *argument)
{
	struct worker worker = WORKER_NONE;
	struct error err = { 0 };

	(void)signal(SIGTERM, SIG_DFL);
	signals_hold();
	WANT(raise(SIGTERM) == 0);
	WANT(!worker_start(&worker, doing, add_one, argument, &err));
	WANT(strcmp(err.text, "interrupted by SIGTERM") == 0);
	WANT(worker.pid == 0 && worker.pidfd == -1 && worker.channel == -1);
	return 0;
}

static void none_is_started_when_we_are_asked_to_end(void **state)
{
	int *shared = worker_share(sizeof *shared);

	(void)state;
	assert_good(start_when_asked_to_end, shared);
	assert_int_equal(*shared, 0);
	worker_unshare(shared, sizeof *shared);
}

/* Works until it is asked to stop, cleans up, and fails with words of its own. */
static bool work_until_stopped(void *argument, struct error *err)
{
	int *shared = argument;

	*shared = 1;
	while (!worker_should_stop())
		continue;
	*shared = 2;
	return fail(err, STATUS_NO, "stopped half-way");
}

/* A person presses Ctrl+C as soon as there is something to see. */
static void interrupt_once_it_works(void *context)
{
	const volatile int *shared = context;

	if (*shared == 1 && signals_pending() == 0)
		(void)raise(SIGINT);
}

static int interrupt(void *argument)
{
	const struct worker_watch watch = { interrupt_once_it_works, argument };
	struct error err = { 0 };

	(void)signal(SIGINT, SIG_DFL);
	signals_hold();
	WANT(!worker_run(doing, work_until_stopped, argument, &watch, &err));
	WANT(strcmp(err.text, "interrupted by SIGINT") == 0);
	WANT(err.status == STATUS_TROUBLE);
	return 0;
}

static void when_we_are_interrupted_it_cleans_up_and_that_is_the_error(void **state)
{
	int *shared = worker_share(sizeof *shared);

	(void)state;
	need_pidfd();
	assert_good(interrupt, shared);
	assert_int_equal(*shared, 2);
	worker_unshare(shared, sizeof *shared);
}

/* Waits for its parent, which will not come. */
static int interrupt_pause(void *argument)
{
	struct worker worker = WORKER_NONE;
	struct error err = { 0 };

	(void)signal(SIGTERM, SIG_DFL);
	signals_hold();
	WANT(worker_start(&worker, doing, pause_and_tell, argument, &err));
	WANT(worker_await_pause(&worker, NULL));
	WANT(raise(SIGTERM) == 0);
	worker_continue(&worker, false);
	WANT(!worker_finish(&worker, NULL, &err));
	WANT(strcmp(err.text, "interrupted by SIGTERM") == 0);
	return 0;
}

static void an_interruption_in_a_pause_ends_both(void **state)
{
	int *shared = worker_share(sizeof *shared);

	(void)state;
	need_pidfd();
	assert_good(interrupt_pause, shared);
	assert_int_equal(*shared, 1);
	worker_unshare(shared, sizeof *shared);
}

static bool finish_in_spite(void *argument, struct error *err)
{
	(void)work_until_stopped(argument, err);
	return true;
}

static int interrupt_too_late(void *argument)
{
	const struct worker_watch watch = { interrupt_once_it_works, argument };
	struct error err = { 0 };

	(void)signal(SIGINT, SIG_DFL);
	signals_hold();
	WANT(worker_run(doing, finish_in_spite, argument, &watch, &err));
	return 0;
}

static void what_was_done_in_spite_of_it_is_done(void **state)
{
	int *shared = worker_share(sizeof *shared);

	(void)state;
	need_pidfd();
	assert_good(interrupt_too_late, shared);
	worker_unshare(shared, sizeof *shared);
}

static void count_looks(void *context)
{
	++*(int *)context;
}

static bool wait_for_looks(void *argument, struct error *err)
{
	const volatile int *looks = argument;

	(void)err;
	while (*looks < 2)
		continue;
	return true;
}

static void somebody_may_watch_meanwhile(void **state)
{
	int *looks = worker_share(sizeof *looks);
	const struct worker_watch watch = { count_looks, looks };
	struct error err = { 0 };

	(void)state;
	need_pidfd();
	assert_true(worker_run(doing, wait_for_looks, looks, &watch, &err));
	assert_true(*looks >= 2);
	worker_unshare(looks, sizeof *looks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_writes_to_shared_memory_comes_back),
		cmocka_unit_test(what_it_writes_to_other_memory_does_not),
		cmocka_unit_test(its_error_comes_back_with_its_status),
		cmocka_unit_test(it_is_another_process_and_gone_when_it_is_finished),
		cmocka_unit_test(what_was_not_started_cannot_be_finished),
		cmocka_unit_test(no_descriptor_is_left_behind),
		cmocka_unit_test(a_signal_that_ends_it_is_an_error_that_names_it),
		cmocka_unit_test(a_file_that_shrinks_under_it_does_no_harm_here),
		cmocka_unit_test(one_that_leaves_early_is_an_error_with_its_status),
		cmocka_unit_test(it_pauses_and_goes_on),
		cmocka_unit_test(it_pauses_and_is_told_to_give_up),
		cmocka_unit_test(it_may_pause_more_than_once),
		cmocka_unit_test(one_that_ends_instead_of_pausing_is_no_pause),
		cmocka_unit_test(one_that_dies_instead_of_pausing_is_no_pause),
		cmocka_unit_test(who_is_nobodys_worker_does_not_pause),
		cmocka_unit_test(it_ends_with_its_parent),
		cmocka_unit_test(none_is_started_when_we_are_asked_to_end),
		cmocka_unit_test(when_we_are_interrupted_it_cleans_up_and_that_is_the_error),
		cmocka_unit_test(an_interruption_in_a_pause_ends_both),
		cmocka_unit_test(what_was_done_in_spite_of_it_is_done),
		cmocka_unit_test(somebody_may_watch_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
