#include "tests/unit/child.h"
#include "tests/unit/folder.h"

#include "common/linux/activity.h"

static const char *const state_words[] = { "unknown", "running", "sleeping", "disk-wait",
					   "stopped", "traced",	 "zombie",   "dead" };

static void states_have_names(void **state)
{
	(void)state;
	for (enum process_state one = PROCESS_UNKNOWN; one <= PROCESS_DEAD; one++)
		assert_string_equal(process_state_name(one), state_words[one]);
}

/* Writes "ID (x) STATE …" with these CPU ticks, start 777. */
static void write_stat(const char *folder, const char *name, char letter, unsigned ticks)
{
	char line[256];

	(void)snprintf(line, sizeof line,
		       "7 (x) %c 1 7 7 0 -1 0 1 2 3 4 %u 0 7 8 20 0 1 0 777 0 0\n", letter, ticks);
	folder_write_text(folder, name, line);
}

static struct activity look(const char *folder, pid_t pid)
{
	auto_proc_root root = PROC_ROOT_CLOSED;
	struct error err = { 0 };

	assert_true(proc_root_open(&root, folder, &err));
	return activity_look(&root, pid);
}

static void a_look_takes_ticks_start_and_bytes(void **state)
{
	write_stat(*state, "7/stat", 'S', 42);
	write_stat(*state, "7/task/7/stat", 'S', 42);
	folder_write_text(*state, "7/io",
			  "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\n"
			  "write_bytes: 8192\ncancelled_write_bytes: 9\n");

	const struct activity activity = look(*state, 7);

	assert_true(activity.seen);
	assert_int_equal(activity.state, PROCESS_SLEEPING);
	assert_int_equal(activity.start_ticks, 777);
	assert_int_equal(activity.cpu_ticks, 42);
	assert_int_equal(activity.written_bytes, 8192);
}

static void what_is_written_may_be_unknown(void **state)
{
	write_stat(*state, "7/stat", 'S', 0);
	assert_int_equal(look(*state, 7).written_bytes, 0);
	folder_write_text(*state, "7/io", "cancelled_write_bytes: 9\n");
	assert_int_equal(look(*state, 7).written_bytes, 0);
}

static void each_state_letter_is_understood(void **state)
{
	static const struct {
		char letter;
		enum process_state state;
	} cases[] = {
		{ 'R', PROCESS_RUNNING },   { 'S', PROCESS_SLEEPING }, { 'I', PROCESS_SLEEPING },
		{ 'D', PROCESS_DISK_WAIT }, { 'T', PROCESS_STOPPED },  { 't', PROCESS_TRACED },
		{ 'Z', PROCESS_ZOMBIE },    { 'X', PROCESS_DEAD },     { '?', PROCESS_UNKNOWN },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		write_stat(*state, "7/stat", cases[i].letter, 0);
		assert_int_equal(look(*state, 7).state, cases[i].state);
	}
}

static void the_thread_that_is_most_at_work_speaks_for_all(void **state)
{
	static const struct {
		char leader, thread;
		enum process_state state;
	} cases[] = {
		{ 'S', 'R', PROCESS_RUNNING },	 { 'R', 'S', PROCESS_RUNNING },
		{ 'S', 'D', PROCESS_DISK_WAIT }, { 'Z', 'S', PROCESS_SLEEPING },
		{ 'Z', 'R', PROCESS_RUNNING },	 { 'S', 'S', PROCESS_SLEEPING },
		{ 'T', 'T', PROCESS_STOPPED },	 { 'S', 'T', PROCESS_STOPPED },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		write_stat(*state, "7/stat", cases[i].leader, 0);
		write_stat(*state, "7/task/7/stat", cases[i].leader, 0);
		write_stat(*state, "7/task/8/stat", cases[i].thread, 0);
		assert_int_equal(look(*state, 7).state, cases[i].state);
	}
}

static void a_process_that_is_gone_was_not_seen(void **state)
{
	assert_false(look(*state, 7).seen);
	folder_write_text(*state, "7/stat", "7 (x) S");
	assert_false(look(*state, 7).seen);
}

static struct activity asleep(uint64_t ticks)
{
	return (struct activity){ .seen = true,
				  .state = PROCESS_SLEEPING,
				  .start_ticks = 5,
				  .cpu_ticks = ticks,
				  .written_bytes = 4096 };
}

static void asleep_twice_with_hardly_any_work_is_idle(void **state)
{
	const uint64_t hertz = (uint64_t)sysconf(_SC_CLK_TCK);
	const struct activity before = asleep(10), same = asleep(10), one_tick = asleep(11),
			      two_ticks = asleep(12), five_percent = asleep(10 + hertz / 2),
			      more = asleep(11 + hertz / 2);

	(void)state;
	assert_true(activity_was_idle(&before, &same, 0.2));
	assert_true(activity_was_idle(&before, &one_tick, 0.01));
	assert_false(activity_was_idle(&before, &two_ticks, 0.01));
	assert_true(activity_was_idle(&before, &five_percent, 10));
	assert_false(activity_was_idle(&before, &more, 10));
}

static void any_sign_of_life_is_not_idle(void **state)
{
	const struct activity before = asleep(10);
	struct activity after = asleep(10);

	(void)state;
	for (enum process_state one = PROCESS_UNKNOWN; one <= PROCESS_DEAD; one++) {
		after.state = one;
		assert_int_equal(activity_was_idle(&before, &after, 1), one == PROCESS_SLEEPING);
		assert_int_equal(activity_was_idle(&after, &before, 1), one == PROCESS_SLEEPING);
	}
	after = asleep(10);
	after.written_bytes++;
	assert_false(activity_was_idle(&before, &after, 1));
	after = asleep(10);
	after.start_ticks++; /* another process of the same PID */
	assert_false(activity_was_idle(&before, &after, 1));
	after = asleep(10);
	after.seen = false;
	assert_false(activity_was_idle(&before, &after, 1));
	assert_false(activity_was_idle(&after, &before, 1));
	after = asleep(9); /* a counter that ran backwards */
	assert_false(activity_was_idle(&before, &after, 1));
}

static void wait_idly(const struct child_side *side, void *argument)
{
	(void)argument;
	child_say_ready(side);
	child_stay(side);
}

static void a_real_stopped_child_is_seen_stopped(void **state)
{
	struct child child = child_start(wait_idly, NULL);
	auto_proc_root root = PROC_ROOT_CLOSED;
	struct error err = { 0 };
	int status = 0;

	(void)state;
	assert_true(proc_root_open(&root, NULL, &err));
	assert_int_equal(kill(child.pid, SIGSTOP), 0);
	assert_int_equal(waitpid(child.pid, &status, WUNTRACED), child.pid);
	assert_true(WIFSTOPPED(status));

	const struct activity activity = activity_look(&root, child.pid);

	assert_true(activity.seen);
	assert_int_equal(activity.state, PROCESS_STOPPED);
	assert_true(activity.start_ticks > 0);
	child_finish(&child);
	assert_false(activity_look(&root, child.pid).seen);
}

static void a_real_zombie_is_seen_dead(void **state)
{
	auto_proc_root root = PROC_ROOT_CLOSED;
	struct error err = { 0 };
	siginfo_t info = { 0 };
	const pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_true(proc_root_open(&root, NULL, &err));
	assert_int_equal(activity_look(&root, child).state, PROCESS_ZOMBIE);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

int main(void)
{
#define WITH_FOLDER(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_have_names),
		WITH_FOLDER(a_look_takes_ticks_start_and_bytes),
		WITH_FOLDER(what_is_written_may_be_unknown),
		WITH_FOLDER(each_state_letter_is_understood),
		WITH_FOLDER(the_thread_that_is_most_at_work_speaks_for_all),
		WITH_FOLDER(a_process_that_is_gone_was_not_seen),
		cmocka_unit_test(asleep_twice_with_hardly_any_work_is_idle),
		cmocka_unit_test(any_sign_of_life_is_not_idle),
		cmocka_unit_test(a_real_stopped_child_is_seen_stopped),
		cmocka_unit_test(a_real_zombie_is_seen_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
