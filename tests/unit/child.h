/*
 * Child processes for tests: each prepares something, says that it is ready, and stays until it is told to end.
 */
#ifndef TESTS_UNIT_CHILD_H
#define TESTS_UNIT_CHILD_H

#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
	pid_t pid;
	int end; /* closing it ends the child */
};

/* What a child is given: where to say that it is ready, and where it finds the end of its time. */
struct child_side {
	int ready, end;
};

static inline void child_say_ready(const struct child_side *side)
{
	if (write(side->ready, "r", 1) != 1)
		_exit(70);
}

/* Blocks until the parent wants the child to end. */
static inline void child_stay(const struct child_side *side)
{
	char byte = 0;

	while (read(side->end, &byte, 1) < 0 && errno == EINTR)
		continue;
}

/* Forks; `work` runs in the child, calls child_say_ready() and child_stay(), and returns. */
static inline struct child child_start(void (*work)(const struct child_side *side, void *argument),
				       void *argument)
{
	int ready[2], end[2];
	char byte = 0;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);

	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		const struct child_side side = { ready[1], end[0] };

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(ready[0]);
		(void)close(end[1]);
		work(&side, argument);
		_exit(0);
	}
	(void)close(ready[1]);
	(void)close(end[0]);

	const ssize_t got = read(ready[0], &byte, 1);

	(void)close(ready[0]);
	if (got != 1)
		fail_msg("the child did not get ready");
	return (struct child){ pid, end[1] };
}

static inline void child_finish(struct child *child)
{
	int status = 0;

	(void)close(child->end);
	(void)kill(child->pid, SIGCONT);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
}

/*
 * Runs `work` in a child and gives how that ended, for waitpid(2)'s macros. For what would change this process
 * for good. What it returns is the exit status; it must not use cmocka.
 */
static inline int child_run(int (*work)(void *argument), void *argument)
{
	const pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(work(argument));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#endif
