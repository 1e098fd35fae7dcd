/*
 * pause_at - run a command and pause it right before one of its system calls.
 *
 *	pause_at [--output=FILE] NAME COUNT COMMAND [ARGUMENT...]
 *
 * The command stands still before the COUNTth system call after the first one called NAME (0: before
 * that one), which is pidfd_open or pidfd_send_signal. Then "paused PID SIGNALS" is said: SIGNALS is how many times it has
 * sent one through a pidfd. It goes on, no longer watched, when standard input has a line or ends.
 * "ended" is said if it ends before. Its exit status is ours.
 *
 * The command's standard input is /dev/null, and its standard output is FILE (/dev/null).
 */

#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *name;
	uint64_t number;
} known[] = {
	{ "pidfd_open", SYS_pidfd_open },
	{ "pidfd_send_signal", SYS_pidfd_send_signal },
};

static uint64_t number_of(const char *name)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(name, known[i].name))
			return known[i].number;
	errx(2, "%s: not a system call that is known here", name);
}

__attribute__((noreturn)) static void become(const char *output, char **command)
{
	int in = open("/dev/null", O_RDONLY);
	int out = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (in < 0 || out < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		err(127, "%s", output);
	close(in);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		err(127, "ptrace");
	raise(SIGSTOP);
	execvp(command[0], command);
	err(127, "%s", command[0]);
}

static int exit_status(int ended)
{
	return WIFSIGNALED(ended) ? 128 + WTERMSIG(ended) : WEXITSTATUS(ended);
}

/* Lets it go on to the next entry into a system call, whose number is returned. */
static uint64_t next_call(pid_t child)
{
	struct __ptrace_syscall_info info = { 0 };
	int status = 0, signal = 0;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, child, NULL, signal) ||
		    waitpid(child, &status, 0) != child)
			err(1, "cannot watch it");
		if (!WIFSTOPPED(status)) {
			puts("ended");
			exit(exit_status(status));
		}
		signal = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
		if (signal == SIGTRAP)
			signal = 0;
		if (ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info) > 0 &&
		    info.op == PTRACE_SYSCALL_INFO_ENTRY)
			return info.entry.nr;
	}
}

/* Returns how many signals were sent on the way. */
static int go_to(pid_t child, uint64_t wanted, long count)
{
	int sent = 0;
	bool found = false;

	for (;;) {
		const uint64_t call = next_call(child);

		found = found || call == wanted;
		if (found && count-- == 0)
			return sent;
		sent += call == SYS_pidfd_send_signal;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "output", required_argument, NULL, 'o' },
						 { 0 } };
	const char *output = "/dev/null";
	int ended = 0;

	for (int key; (key = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
		if (key != 'o')
			return 2;
		output = optarg;
	}
	if (argc - optind < 3)
		errx(2, "usage: pause_at [--output=FILE] NAME COUNT COMMAND [ARGUMENT...]");

	const uint64_t wanted = number_of(argv[optind]);
	pid_t child = fork();

	if (child < 0)
		err(1, "cannot fork");
	if (child == 0)
		become(output, argv + optind + 2);
	if (waitpid(child, &ended, 0) != child || !WIFSTOPPED(ended) ||
	    ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL))
		err(1, "cannot watch it");

	int sent = go_to(child, wanted, strtol(argv[optind + 1], NULL, 10));

	printf("paused %d %d\n", child, sent);
	fflush(stdout);
	(void)getchar();
	if (ptrace(PTRACE_DETACH, child, NULL, NULL) || waitpid(child, &ended, 0) != child)
		err(1, "cannot let it go on");
	return exit_status(ended);
}
