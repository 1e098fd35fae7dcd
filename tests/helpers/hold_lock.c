/*
 * hold_lock - open files and hold locks on them until standard input ends.
 *
 *	hold_lock [OPTION]... FILE [LOCK]... [FILE [LOCK]...]...
 *
 * For the tests: what real programs do not do, or cannot hold still. Each FILE is opened and the
 * LOCKs that follow it are placed on it. A LOCK is CLASS:TYPE[:RANGE]:
 *
 *	CLASS	posix, ofd, flock; wait: a POSIX lock that is waited for in the kernel, after "ready"
 *	TYPE	r, w
 *	RANGE	SQLite's name for it (RESERVED, READ2, ...) or START+LENGTH (a length of 0: to the end)
 *
 * "ready PID" says that everything is in place; PID is the process that holds it. With --inherited
 * the PID of the child follows.
 */

#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* How the files are held; set from the command line. */
static struct {
	bool read_only;	  /* open for reading, not for reading and writing */
	bool as_stdin;	  /* the last file becomes descriptor 0 */
	bool grandchild;  /* a process whose parents have exited holds it all */
	bool inherited;	  /* a forked child that only inherited it all stays as well */
	bool thread_only; /* the first thread exits, another one lives on */
	bool mapped;	  /* map the files and close their descriptors */
	bool in_flight;	  /* put the descriptors into a socket and close them */
} how;

/* Where the test's handshake comes from: standard input, moved out of the way. */
static int handshake_fd;

struct range {
	const char *name;
	off_t start;
	off_t length;
};

/* os_unix.c of SQLite: PENDING_BYTE and what follows it; UNIX_SHM_BASE and the WAL locks. */
static const struct range sqlite_ranges[] = {
	{ "PENDING", 0x40000000, 1 },
	{ "RESERVED", 0x40000001, 1 },
	{ "SHARED", 0x40000002, 510 },
	{ "WRITE", 120, 1 },
	{ "CKPT", 121, 1 },
	{ "RECOVER", 122, 1 },
	{ "READ0", 123, 1 },
	{ "READ1", 124, 1 },
	{ "READ2", 125, 1 },
	{ "READ3", 126, 1 },
	{ "READ4", 127, 1 },
	{ "DMS", 128, 1 },
};

static struct range parse_range(const char *text)
{
	struct range range = { .name = text };

	for (size_t i = 0; i < sizeof(sqlite_ranges) / sizeof(sqlite_ranges[0]); i++)
		if (!strcmp(text, sqlite_ranges[i].name))
			return sqlite_ranges[i];
	if (sscanf(text, "%ld+%ld", &range.start, &range.length) != 2)
		errx(2, "%s: not a range", text);
	return range;
}

/* What is waited for once all is in place; fd is -1 when nothing is. */
static struct {
	int fd;
	bool write;
	const char *range;
} awaited = { .fd = -1 };

static void place_record_lock(int fd, int command, bool write, const char *range_text)
{
	struct range range = parse_range(range_text);
	struct flock lock = {
		.l_type = write ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
		.l_start = range.start,
		.l_len = range.length,
	};

	if (fcntl(fd, command, &lock))
		err(1, "cannot lock %s", range_text);
}

/* True if TEXT is a lock and not the name of a file; it is then placed on FD. */
static bool place_lock(int fd, const char *text)
{
	char class[6], type, range[64] = "0+0";

	if (sscanf(text, "%5[a-z]:%c:%63s", class, &type, range) < 2 || !strchr("rw", type))
		return false;

	if (!strcmp(class, "posix"))
		place_record_lock(fd, F_SETLK, type == 'w', range);
	else if (!strcmp(class, "wait")) {
		awaited.fd = fd;
		awaited.write = type == 'w';
		awaited.range = strrchr(text, ':') + 1;
	} else if (!strcmp(class, "ofd"))
		place_record_lock(fd, F_OFD_SETLK, type == 'w', range);
	else if (strcmp(class, "flock"))
		return false;
	else if (flock(fd, (type == 'w' ? LOCK_EX : LOCK_SH) | LOCK_NB))
		err(1, "cannot flock");
	return true;
}

static void map_and_close(int fd)
{
	if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		err(1, "cannot map");
	close(fd);
}

/* The file stays open in a message that nobody has received yet. */
static void send_and_close(int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	char letter = 'x';
	struct iovec byte = { .iov_base = &letter, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &byte,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int ends[2];

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) || sendmsg(ends[0], &message, 0) < 0)
		err(1, "cannot send a descriptor");
	close(fd);
}

static void open_and_lock(char **arguments)
{
	int fd = -1;

	for (; *arguments; arguments++) {
		if (fd >= 0 && place_lock(fd, *arguments))
			continue;
		fd = open(*arguments, how.read_only ? O_RDONLY : O_RDWR);
		if (fd < 0)
			err(1, "%s: cannot open", *arguments);
		if (how.mapped)
			map_and_close(fd);
		if (how.in_flight)
			send_and_close(fd);
		if (how.as_stdin && dup2(fd, STDIN_FILENO) == STDIN_FILENO) {
			close(fd);
			fd = STDIN_FILENO;
		}
	}
}

static void wait_for_end_of_input(void)
{
	char byte;

	if (awaited.fd >= 0)
		place_record_lock(awaited.fd, F_SETLKW, awaited.write, awaited.range);

	while (read(handshake_fd, &byte, 1) > 0)
		continue;
}

static pid_t fork_or_die(void)
{
	pid_t child = fork();

	if (child < 0)
		err(1, "cannot fork");
	return child;
}

/* Goes on when the parents are gone: the pipe ends when the last of them has closed it by exiting. */
static void become_grandchild(void)
{
	int ends[2];
	char byte;

	if (pipe(ends))
		err(1, "cannot make a pipe");
	if (fork_or_die() || fork_or_die())
		_exit(0);
	close(ends[1]);
	while (read(ends[0], &byte, 1) > 0)
		continue;
	close(ends[0]);
}

static pid_t leave_inheriting_child(void)
{
	pid_t child = fork_or_die();

	if (child)
		return child;
	wait_for_end_of_input();
	_exit(0);
}

/* The PID that holds everything, and that of a child that has inherited it. */
static void say_ready(pid_t child)
{
	printf("ready %d", getpid());
	if (child)
		printf(" %d", child);
	putchar('\n');
	fflush(stdout);
}

static void *live_on(void *first_thread)
{
	pthread_join(*(pthread_t *)first_thread, NULL);
	say_ready(0);
	wait_for_end_of_input();
	exit(0);
}

static void leave_only_a_thread(void)
{
	static pthread_t first_thread;
	pthread_t thread;

	first_thread = pthread_self();
	if (pthread_create(&thread, NULL, live_on, &first_thread))
		errx(1, "cannot make a thread");
	pthread_exit(NULL);
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "read-only", no_argument, NULL, 'r' },
		{ "as-stdin", no_argument, NULL, '0' },
		{ "grandchild", no_argument, NULL, 'g' },
		{ "thread-only", no_argument, NULL, 't' },
		{ "mapped", no_argument, NULL, 'm' },
		{ "in-flight", no_argument, NULL, 'f' },
		{ "inherited", no_argument, NULL, 'i' },
		{ "comm", required_argument, NULL, 'c' },     /* the name of the process */
		{ "argument", required_argument, NULL, 'a' }, /* only there to be seen */
		{ 0 },
	};

	for (int key; (key = getopt_long(argc, argv, "+", options, NULL)) != -1;)
		switch (key) {
		case 'r':
			how.read_only = true;
			break;
		case '0':
			how.as_stdin = true;
			break;
		case 'g':
			how.grandchild = true;
			break;
		case 't':
			how.thread_only = true;
			break;
		case 'm':
			how.mapped = true;
			break;
		case 'f':
			how.in_flight = true;
			break;
		case 'i':
			how.inherited = true;
			break;
		case 'c':
			prctl(PR_SET_NAME, optarg);
			break;
		case 'a':
			break;
		default:
			exit(2);
		}
}

int main(int argc, char **argv)
{
	pid_t child = 0;

	parse_options(argc, argv);
	handshake_fd = dup(STDIN_FILENO);
	if (how.grandchild)
		become_grandchild();
	open_and_lock(argv + optind);
	if (how.inherited)
		child = leave_inheriting_child();
	if (how.thread_only)
		leave_only_a_thread();
	say_ready(child);
	wait_for_end_of_input();
	return 0;
}
