#include "tests/unit/child.h"

#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/linux/process.h"

/* What the child runs instead of the test: a program that waits for the end of its standard input. */
static void run_program(const struct child_side *side, const char *program, char *const *words)
{
	if (chdir("/") != 0)
		_exit(71);
	(void)signal(SIGHUP, SIG_IGN);
	(void)dup2(side->end, STDIN_FILENO);
	/* It echoes its first line when it runs; the parent has written one for it. */
	(void)dup2(side->ready, STDOUT_FILENO);
	execv(program, words);
	_exit(127);
}

/* Starts a program; it runs for sure once it has echoed a byte. */
static struct child start_program(const char *program, char *const *words)
{
	int ready[2], end[2];
	char byte = 0;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	assert_int_equal(write(end[1], "r\n", 2), 2);

	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		const struct child_side side = { ready[1], end[0] };

		run_program(&side, program, words);
	}
	(void)close(ready[1]);
	(void)close(end[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	return (struct child){ pid, end[1] };
}

static struct process read_process(pid_t pid)
{
	auto_proc_root root = PROC_ROOT_CLOSED;
	struct error err = { 0 };
	struct process process = { .pid = pid };

	assert_true(proc_root_open(&root, NULL, &err));
	assert_true(processes_read(&root, &process, 1, &err));
	return process;
}

static void arguments_come_as_exact_bytes(void **state)
{
	char name[] = "bot\n\x1b[31m", dash[] = "--", odd[] = "-";
	char *const words[] = { name, dash, odd, NULL };
	struct child child = start_program("/bin/cat", words);
	struct process process = read_process(child.pid);

	(void)state;
	assert_true(process.known);
	assert_int_equal(process.command_count, 3);
	assert_string_equal(process.command[0], name);
	assert_string_equal(process.command[1], "--");
	assert_string_equal(process.command[2], "-");
	process_release(&process);
	assert_int_equal(process.pid, child.pid);
	child_finish(&child);
}

static void the_facts_of_a_child_are_right(void **state)
{
	char name[] = "cat";
	char *const words[] = { name, NULL };
	struct child child = start_program("/bin/cat", words);
	struct process process = read_process(child.pid), own = read_process(getpid());
	const struct passwd *user = getpwuid(geteuid());
	char *program = realpath("/bin/cat", NULL);

	(void)state;
	assert_true(process.known);
	assert_int_equal(process.ppid, getpid());
	assert_int_equal(process.uid, geteuid());
	assert_string_equal(process.name, "cat");
	assert_string_equal(process.exe, program);
	assert_string_equal(process.cwd, "/");
	if (user && strlen(user->pw_name) < 32)
		assert_string_equal(process.user, user->pw_name);
	assert_true(process.start_ticks >= own.start_ticks);
	assert_int_equal(process.container_pid, 0);
	assert_false(process.catches & 1ULL << (SIGHUP - 1)); /* ignored is not caught */
	free(program);
	process_release(&process);
	process_release(&own);
	child_finish(&child);
}

static void the_nearest_parent_comes_first(void **state)
{
	char name[] = "cat";
	char *const words[] = { name, NULL };
	struct child child = start_program("/bin/cat", words);
	struct process process = read_process(child.pid), own = read_process(getpid());

	(void)state;
	assert_true(process.ancestor_count >= 1);
	assert_int_equal(process.ancestors[0].pid, getpid());
	assert_string_equal(process.ancestors[0].name, own.name);
	if (process.ancestor_count > 1)
		assert_int_equal(process.ancestors[1].pid, getppid());
	assert_in_range(process.ancestor_count, 1, MOST_ANCESTORS);
	process_release(&process);
	process_release(&own);
	child_finish(&child);
}

static void take_name(const struct child_side *side, void *argument)
{
	(void)prctl(PR_SET_NAME, argument);
	child_say_ready(side);
	child_stay(side);
}

static void a_name_is_given_with_its_exact_bytes(void **state)
{
	char name[] = ") R 1 1\n\x1b\xff";
	struct child child = child_start(take_name, name);
	struct process process = read_process(child.pid);

	(void)state;
	assert_true(process.known);
	assert_string_equal(process.name, name);
	assert_int_equal(process.ppid, getpid());
	process_release(&process);
	child_finish(&child);
}

static void name_and_fork(const struct child_side *side, void *argument)
{
	pid_t pid;

	(void)prctl(PR_SET_NAME, "par\nent");
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		*(volatile pid_t *)argument = getpid();
		child_say_ready(side);
		child_stay(side);
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
}

static void a_parents_name_is_given_with_its_exact_bytes(void **state)
{
	pid_t *grandchild = mmap(NULL, sizeof *grandchild, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(grandchild != MAP_FAILED);

	struct child child = child_start(name_and_fork, grandchild);
	struct process process = read_process(*grandchild);

	assert_true(process.known);
	assert_int_equal(process.ancestors[0].pid, child.pid);
	assert_string_equal(process.ancestors[0].name, "par\nent");
	process_release(&process);
	child_finish(&child);
	(void)munmap(grandchild, sizeof *grandchild);
}

/* In a program of its own: a memory checker would catch signals on behalf of the test. */
static void caught_signals_are_told_from_ignored_ones(void **state)
{
	char name[] = "sh", option[] = "-c";
	char script[] = "trap : TERM; trap '' INT; read x; echo $x; read x";
	char *const words[] = { name, option, script, NULL };
	struct child child = start_program("/bin/sh", words);
	struct process process = read_process(child.pid);

	(void)state;
	assert_true(process.catches & 1ULL << (SIGTERM - 1));
	assert_false(process.catches & 1ULL << (SIGINT - 1));
	assert_false(process.catches & 1ULL << (SIGUSR1 - 1));
	process_release(&process);
	child_finish(&child);
}

static void a_zombie_has_no_command(void **state)
{
	siginfo_t info = { 0 };
	const pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);

	struct process process = read_process(child);

	assert_int_equal(process.command_count, 0);
	process_release(&process);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void a_process_that_is_gone_stays_unknown(void **state)
{
	const pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0)
		_exit(0);
	assert_int_equal(waitpid(child, NULL, 0), child);

	struct process process = read_process(child);

	assert_false(process.known);
	assert_int_equal(process.pid, child);
	assert_null(process.name);
	process_release(&process);
}

static void many_processes_are_read_at_once(void **state)
{
	enum { COUNT = 450 };
	auto_proc_root root = PROC_ROOT_CLOSED;
	struct error err = { 0 };
	struct process *processes = calloc(COUNT, sizeof *processes);

	(void)state;
	assert_non_null(processes);
	assert_true(proc_root_open(&root, NULL, &err));
	for (int i = 0; i < COUNT; i++)
		processes[i].pid = INT_MAX - i;
	processes[COUNT - 1].pid = getpid();
	processes[1].pid = getppid();
	assert_true(processes_read(&root, processes, COUNT, &err));
	assert_true(processes[1].known);
	assert_true(processes[COUNT - 1].known);
	assert_int_equal(processes[COUNT - 1].ppid, getppid());
	assert_false(processes[0].known);
	assert_false(processes[COUNT - 2].known);
	for (int i = 0; i < COUNT; i++)
		process_release(&processes[i]);
	free(processes);
}

static void none_is_none(void **state)
{
	auto_proc_root root = PROC_ROOT_CLOSED;
	struct error err = { 0 };

	(void)state;
	assert_true(proc_root_open(&root, NULL, &err));
	assert_true(processes_read(&root, NULL, 0, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_come_as_exact_bytes),
		cmocka_unit_test(the_facts_of_a_child_are_right),
		cmocka_unit_test(the_nearest_parent_comes_first),
		cmocka_unit_test(a_name_is_given_with_its_exact_bytes),
		cmocka_unit_test(a_parents_name_is_given_with_its_exact_bytes),
		cmocka_unit_test(caught_signals_are_told_from_ignored_ones),
		cmocka_unit_test(a_zombie_has_no_command),
		cmocka_unit_test(a_process_that_is_gone_stays_unknown),
		cmocka_unit_test(many_processes_are_read_at_once),
		cmocka_unit_test(none_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
