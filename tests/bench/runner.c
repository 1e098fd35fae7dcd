/*
 * runner - run a command once and measure it, for the benchmark.
 *
 * runner COMMAND [ARGUMENT...]
 *
 * The command has /dev/null as its standard input, output and error. Prints one line: the
 * milliseconds from before it was started until it has ended, its peak memory in KiB (never less
 * than that of this program, which the kernel counts in) and its exit status, 128+N after a signal.
 *
 * It waits for a moment before, because reading /proc/locks costs a grace period of RCU (10 ms and
 * more), but next to nothing for some 20 ms after somebody else has read it: no command shall live
 * on what the one before it has paid.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct timespec pause_before = { .tv_nsec = 100 * 1000 * 1000 };

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int silence(posix_spawn_file_actions_t *actions)
{
	int error = posix_spawn_file_actions_init(actions);

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && error == 0; fd++)
		error = posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
	if (error == 0)
		error = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
	return error;
}

int main(int argc, char **argv)
{
	posix_spawn_file_actions_t actions;
	struct rusage usage;
	pid_t child = 0;
	int ended = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: runner COMMAND [ARGUMENT...]\n");
		return 2;
	}
	int error = silence(&actions);
	nanosleep(&pause_before, NULL);
	const double start = now_ms();
	if (error == 0)
		error = posix_spawnp(&child, argv[1], &actions, NULL, argv + 1, environ);
	if (error != 0) {
		fprintf(stderr, "runner: %s: %s\n", argv[1], strerror(error));
		return 127;
	}
	while (wait4(child, &ended, 0, &usage) < 0)
		if (errno != EINTR) {
			perror("runner: wait4");
			return 127;
		}
	printf("%.3f %ld %d\n", now_ms() - start, usage.ru_maxrss,
	       WIFSIGNALED(ended) ? 128 + WTERMSIG(ended) : WEXITSTATUS(ended));
	return 0;
}
