#include "common/linux/guest_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/parse.h"
#include "common/base/scope.h"

/* The exit status of a child whose program could not be run, as shells have it. */
enum { NOT_RUN = 127, MOST_CHILDREN_TEXT = 64 << 10, FIRST_FD = 3 };

/* --- the program itself ------------------------------------------------------------------------------------------- */

static bool set_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL); /* fails where that is not allowed */
	return sigemptyset(&none) == 0 && sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

static bool set_descriptors(int output)
{
	const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	return nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 &&
	       dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0 &&
	       close_range(FIRST_FD, ~0U, 0) == 0;
}

static bool set_user(const struct guest_launch *launch)
{
	const uid_t uid = launch->guest->uid;
	const gid_t gid = launch->guest->gid;
	uid_t users[3];
	gid_t groups[3];

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (!launch->change_user)
		return true;
	if (setgroups((size_t)launch->group_count, launch->groups) != 0 ||
	    setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0 ||
	    getresuid(&users[0], &users[1], &users[2]) != 0 ||
	    getresgid(&groups[0], &groups[1], &groups[2]) != 0)
		return false;
	errno = EPERM;
	for (int i = 0; i < 3; i++)
		if (users[i] != uid || groups[i] != gid)
			return false;
	/* There must be no way back, by a program with the set-user-ID bit neither. */
	return uid == 0 || (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
			    setresuid((uid_t)-1, 0, (uid_t)-1) != 0);
}

/* Runs the first of the paths that can be run; returns with errno when there is none. */
static void execute(const struct guest_launch *launch)
{
	int error = ENOENT;

	for (char **path = launch->paths; *path; path++) {
		(void)execve(*path, (char *const *)(uintptr_t)launch->guest->arguments,
			     launch->guest->environment);
		if (errno == EACCES || error == ENOENT)
			error = errno;
		if (errno != EACCES && errno != ENOENT && errno != ENOTDIR)
			break;
	}
	errno = error;
}

/* Why nothing could be run, in words. */
static void explain(const struct guest_launch *launch, struct error *err)
{
	const char *name = launch->shown;
	const int error = errno;
	bool there = false;

	for (char **path = launch->paths; *path; path++)
		there = there || access(*path, F_OK) == 0;
	errno = error;
	if (error == ENOENT && there)
		(void)fail(err, STATUS_TROUBLE,
			   "%s: cannot be run: what its first line names is not there", name);
	else if (!there && !strchr(launch->guest->arguments[0], '/'))
		(void)fail(err, STATUS_TROUBLE, "%s: not found in PATH", name);
	else if (error == ENOEXEC)
		(void)fail(err, STATUS_TROUBLE, "%s: not a program (a script needs a #! line)",
			   name);
	else
		(void)fail_errno(err, STATUS_TROUBLE, "%s: cannot be run", name);
}

/* In the child: nothing here may allocate or return. */
__attribute__((noreturn)) static void become(const struct guest_launch *launch,
					     struct guest_fate *fate)
{
	const struct guest *guest = launch->guest;
	const char *name = launch->shown;

	(void)setsid();
	(void)umask(022);
	/* Not the keys of who started us; without that call in the kernel there are none. */
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	if (!set_descriptors(launch->output))
		(void)fail_errno(&fate->err, STATUS_TROUBLE, "%s: cannot be started", name);
	else if (!set_user(launch))
		(void)fail_errno(&fate->err, STATUS_TROUBLE, "%s: cannot be run as user %u", name,
				 guest->uid);
	else if (chdir(guest->folder) != 0)
		(void)fail_errno(&fate->err, STATUS_TROUBLE, "%s: cannot be started in %s", name,
				 launch->shown_folder);
	else if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || !set_signals())
		(void)fail_errno(&fate->err, STATUS_TROUBLE, "%s: cannot be started", name);
	else {
		execute(launch);
		explain(launch, &fate->err);
	}
	fate->failed = true;
	_exit(NOT_RUN);
}

/* --- who looks after it ------------------------------------------------------------------------------------------- */

static int to_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* What we are woken by; all signals are blocked. */
static int next_signal(void)
{
	sigset_t awaited;

	(void)sigemptyset(&awaited);
	(void)sigaddset(&awaited, SIGCHLD);
	(void)sigaddset(&awaited, GUEST_ASK);
	(void)sigaddset(&awaited, GUEST_END);
	return sigwaitinfo(&awaited, NULL);
}

/* Collects all that have ended. */
static void reap(pid_t program, struct guest_fate *fate)
{
	int status = 0;

	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		if (pid != program)
			continue;
		fate->status = to_status(status);
		fate->over = true;
	}
}

/* Signals our children, and by and by, as they become ours, theirs. False when there is none. */
static bool kill_children(void)
{
	char text[MOST_CHILDREN_TEXT];
	auto_close int fd =
		open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC); /* single-threaded */
	const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	const char *at = text;
	uint64_t pid = 0;
	bool any = false;

	text[got > 0 ? got : 0] = '\0';
	for (; parse_number_at(&at, 10, INT32_MAX, &pid); (void)parse_word_at(&at, " "))
		any = kill((pid_t)pid, SIGKILL) == 0 || any; /* not yet collected: it is ours */
	return any;
}

/* Ends what is left when the program is over, and counts it. */
static void end_all(bool in_namespace, pid_t program, struct guest_fate *fate)
{
	int status = 0;
	pid_t pid = 0;

	reap(program, fate);
	while (in_namespace ? kill(-1, SIGKILL) == 0 : kill_children()) {
		while ((pid = waitpid(-1, &status, 0)) < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			break;
		if (pid != program) {
			fate->ended += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		} else {
			fate->status = to_status(status);
			fate->over = true;
		}
	}
}

/* Starts the program, and stays until neither it nor anything that it has started is left. */
__attribute__((noreturn)) static void serve(const struct guest_launch *launch,
					    struct guest_fate *fate, bool in_namespace)
{
	const pid_t program = fork();

	if (program == 0)
		become(launch, fate);
	if (program < 0) {
		(void)fail_errno(&fate->err, STATUS_TROUBLE, "%s: cannot be started",
				 launch->shown);
		fate->failed = true;
		_exit(NOT_RUN);
	}
	(void)close(launch->output);
	while (!fate->over) {
		const int number = next_signal();

		if (number == GUEST_END)
			break;
		if (number == GUEST_ASK && kill(-program, SIGTERM) != 0)
			(void)kill(program, SIGTERM); /* it has no group of its own yet */
		reap(program, fate);
	}
	end_all(in_namespace, program, fate);
	_exit(0);
}

/* PID 1 of a namespace. `alive` is at its end when the keeper is gone. */
__attribute__((noreturn)) static void be_init(const struct guest_launch *launch,
					      struct guest_fate *fate, int alive)
{
	struct pollfd keeper = { .fd = alive };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || poll(&keeper, 1, 0) != 0)
		_exit(NOT_RUN);
	/* So that the program finds itself there. Where it may not be, it sees processes that it cannot reach. */
	if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", "none", MS_REC | MS_SLAVE, NULL) == 0)
		(void)mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	serve(launch, fate, true);
}

__attribute__((noreturn)) static void keep_init(const struct guest_launch *launch,
						struct guest_fate *fate)
{
	int alive[2];
	const bool good = pipe2(alive, O_CLOEXEC) == 0;
	const pid_t init = good ? fork() : -1;

	if (init == 0) {
		(void)close(alive[1]);
		be_init(launch, fate, alive[0]);
	}
	if (init < 0) {
		(void)fail_errno(&fate->err, STATUS_TROUBLE, "%s: cannot be started",
				 launch->shown);
		fate->failed = true;
		_exit(NOT_RUN);
	}
	(void)close(launch->output);
	for (;;) {
		const int number = next_signal();

		if (number > 0 && number != SIGCHLD)
			(void)kill(init, number); /* not yet collected */
		if (waitpid(init, NULL, WNOHANG) != 0)
			_exit(0);
	}
}

/* To end with our parent; whose end before this is found by who our parent is then. */
static bool end_with(pid_t parent, int by_signal)
{
	return prctl(PR_SET_PDEATHSIG, by_signal) == 0 && getppid() == parent;
}

void guest_keep(const struct guest_launch *launch, struct guest_fate *fate, pid_t parent)
{
	const struct guest *guest = launch->guest;
	sigset_t all;

	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)setsid(); /* what a terminal sends to our parent, it passes on itself */
	if (!end_with(parent, SIGKILL))
		_exit(NOT_RUN);
	if (guest->sandbox && guest->database_name &&
	    !sandbox_enter(guest->sandbox, guest->database_name, &fate->err)) {
		fate->failed = true;
		_exit(NOT_RUN);
	}
	/* A user namespace for this alone would take more from the program than it gives: groups, other users. */
	if (unshare(CLONE_NEWPID) == 0) {
		if (end_with(parent, SIGKILL))
			keep_init(launch, fate);
	} else if (prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && end_with(parent, GUEST_END)) {
		serve(launch, fate, false);
	}
	_exit(NOT_RUN);
}
