/*
 * crowd - a machine full of processes, for the benchmark.
 *
 * crowd PROCESSES DESCRIPTORS [FOLDER]
 *
 * Starts PROCESSES children, each with exactly DESCRIPTORS open descriptors in the mix of a small
 * server: files of its own, files that many have open, sockets, pipes, eventfds. Prints "ready"
 * when all are up, then waits for the end of standard input or SIGTERM and ends its own children.
 * The files are in a new folder below FOLDER (default: /tmp), which goes with them.
 *
 * A child is a fork without an exec that sleeps in one read(2), so it costs next to no memory.
 * What it reads is the "life" pipe, whose other end only the parent has: whatever ends the parent
 * ends the children.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	SHARED_FILES = 16,	 /* files that many processes have open */
	OWN_FILES = 3000,	 /* the pool that the other files come from */
	FEWEST_DESCRIPTORS = 16, /* the parent's own numbers are all below this */
	MOST_DESCRIPTORS = 10000,
	MOST_PROCESSES = 100000,
	LIFE = 3, /* a child's number of the life pipe */
};

struct crowd {
	int processes;
	int descriptors;
	int folder;   /* where the files are */
	int life[2];  /* ends when the parent ends */
	int tally[2]; /* a byte from each child that is up */
};

static void die(const char *what)
{
	fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int number(const char *text, int low, int high)
{
	char *end = NULL;

	errno = 0;
	long value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < low || value > high) {
		fprintf(stderr, "crowd: not a number from %d to %d: %s\n", low, high, text);
		exit(2);
	}
	return (int)value;
}

/* The openers below return how many descriptors they added, at most `room`, or -1. */

static int one(int fd)
{
	return fd < 0 ? -1 : 1;
}

static int open_file(int folder, const char *kind, int index)
{
	char name[32];

	snprintf(name, sizeof name, "%s-%d", kind, index);
	return one(openat(folder, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

static int open_pair(int (*make)(int pair[2]), int room)
{
	int pair[2];

	if (make(pair) < 0)
		return -1;
	if (room >= 2)
		return 2;
	close(pair[1]);
	return 1;
}

static int make_sockets(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static int make_pipe(int pair[2])
{
	return pipe2(pair, O_CLOEXEC);
}

/* Half of what it opens are files, a quarter sockets, the rest the kernel's own objects. */
static int open_next(const struct crowd *crowd, int process, int step, int room)
{
	switch (step % 20) {
	case 0:
	case 7:
		return open_pair(make_sockets, room);
	case 3:
	case 14:
		return open_pair(make_pipe, room);
	case 5:
		return one(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	case 9:
		return one(eventfd(0, EFD_CLOEXEC));
	case 11:
		return one(epoll_create1(EPOLL_CLOEXEC));
	case 2:
	case 8:
	case 13:
	case 17:
		return open_file(crowd->folder, "shared", (process + step) % SHARED_FILES);
	default:
		return open_file(crowd->folder, "own", (process * 7 + step) % OWN_FILES);
	}
}

/* Moves what a child needs above its own numbers, then leaves only 0, 1, 2 and LIFE below them. */
static bool settle(struct crowd *crowd)
{
	int above = crowd->descriptors;
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd <= 2; fd++)
		if (dup2(null, fd) < 0)
			return false;
	int life = fcntl(crowd->life[0], F_DUPFD, above);
	crowd->folder = fcntl(crowd->folder, F_DUPFD, above);
	crowd->tally[1] = fcntl(crowd->tally[1], F_DUPFD, above);
	if (life < 0 || crowd->folder < 0 || crowd->tally[1] < 0)
		return false;
	for (int fd = 3; fd < above; fd++)
		close(fd);
	return dup2(life, LIFE) == LIFE && close(life) == 0;
}

static bool fill(const struct crowd *crowd, int process)
{
	int have = LIFE + 1;

	for (int step = 0; have < crowd->descriptors; step++) {
		int added = open_next(crowd, process, step, crowd->descriptors - have);
		if (added < 0)
			return false;
		have += added;
	}
	return true;
}

static _Noreturn void be_a_process(struct crowd *crowd, int process)
{
	char byte = 'u';

	if (!settle(crowd) || !fill(crowd, process)) {
		byte = 'f';
		(void)!write(crowd->tally[1], &byte, 1);
		_exit(1);
	}
	close(crowd->folder);
	(void)!write(crowd->tally[1], &byte, 1);
	close(crowd->tally[1]);
	while (read(LIFE, &byte, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

static bool stop_asked(int signals, int timeout_ms)
{
	struct pollfd asked[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};
	char heard[512];

	if (poll(asked, 2, timeout_ms) <= 0)
		return false;
	if (asked[0].revents)
		return true;
	return asked[1].revents && read(STDIN_FILENO, heard, sizeof heard) <= 0;
}

static bool start(struct crowd *crowd)
{
	for (int process = 0; process < crowd->processes; process++) {
		pid_t child = fork();
		if (child < 0) {
			perror("crowd: fork");
			return false;
		}
		if (child == 0)
			be_a_process(crowd, process);
	}
	return true;
}

/* Waits until each has said that it is up. False when one could not, or when it shall stop. */
static bool all_up(const struct crowd *crowd, int signals)
{
	for (int up = 0; up < crowd->processes;) {
		struct pollfd tally = { .fd = crowd->tally[0], .events = POLLIN };
		char byte = 'f';
		if (poll(&tally, 1, 100) > 0) {
			if (read(crowd->tally[0], &byte, 1) != 1 || byte != 'u') {
				fprintf(stderr, "crowd: a process could not open its files\n");
				return false;
			}
			up++;
		} else if (stop_asked(signals, 0)) {
			return false;
		}
	}
	return true;
}

static void end_children(const struct crowd *crowd)
{
	close(crowd->life[1]);
	while (wait(NULL) > 0 || errno == EINTR)
		;
}

static void remove_folder(const struct crowd *crowd, const char *path)
{
	char name[32];

	for (int index = 0; index < SHARED_FILES; index++) {
		snprintf(name, sizeof name, "shared-%d", index);
		unlinkat(crowd->folder, name, 0);
	}
	for (int index = 0; index < OWN_FILES; index++) {
		snprintf(name, sizeof name, "own-%d", index);
		unlinkat(crowd->folder, name, 0);
	}
	rmdir(path);
}

static int watch_signals(void)
{
	sigset_t stops;

	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGHUP);
	sigprocmask(SIG_BLOCK, &stops, NULL);
	return signalfd(-1, &stops, SFD_CLOEXEC);
}

int main(int argc, char **argv)
{
	if (argc != 3 && argc != 4) {
		fprintf(stderr, "usage: crowd PROCESSES DESCRIPTORS [FOLDER]\n");
		return 2;
	}
	struct crowd crowd = {
		.processes = number(argv[1], 1, MOST_PROCESSES),
		.descriptors = number(argv[2], FEWEST_DESCRIPTORS, MOST_DESCRIPTORS),
	};
	if (close_range(3, ~0U, 0) < 0)
		die("cannot close what was inherited");
	char path[4096];
	snprintf(path, sizeof path, "%s/crowd-XXXXXX", argc == 4 ? argv[3] : "/tmp");
	if (!mkdtemp(path))
		die(path);
	crowd.folder = open(path, O_PATH | O_DIRECTORY);
	int signals = watch_signals();
	if (crowd.folder < 0 || signals < 0 || pipe(crowd.life) < 0 || pipe(crowd.tally) < 0)
		die("cannot start");

	const bool up = start(&crowd) && all_up(&crowd, signals);
	if (up && puts("ready") >= 0 && fflush(stdout) == 0)
		while (!stop_asked(signals, -1))
			;
	end_children(&crowd);
	remove_folder(&crowd, path);
	return up ? 0 : 1;
}
