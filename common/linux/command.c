#include "common/linux/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"

/* The exit status of a child whose program could not be run, as shells have it. */
enum { NOT_RUN = 127, MOST_VARIABLES = 8 };

/* Finds a program as an absolute path, in the folders that root controls. free() it. */
static char *find_program(const char *name)
{
	static const char *const folders[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					       "/usr/bin",	  "/sbin",	    "/bin" };

	if (strchr(name, '/'))
		return memory_copy_text(name);
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		auto_free char *path = memory_format("%s/%s", folders[i], name);

		if (access(path, X_OK) == 0)
			return take_pointer(&path);
	}
	return NULL;
}

struct environment {
	char *items[MOST_VARIABLES + 1];
	size_t count;
};

static void pass_on(struct environment *environment, const char *name)
{
	const char *value = getenv(name);

	if (value)
		environment->items[environment->count++] = memory_format("%s=%s", name, value);
}

static void fill_environment(struct environment *environment)
{
	const char *docker = getenv("DOCKER_HOST");

	environment->items[environment->count++] = memory_copy_text(
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	environment->items[environment->count++] = memory_copy_text("LC_ALL=C.UTF-8");
	pass_on(environment, "HOME");
	pass_on(environment, "XDG_RUNTIME_DIR");
	pass_on(environment, "DBUS_SESSION_BUS_ADDRESS");
	if (docker && strncmp(docker, "unix://", 7) == 0)
		pass_on(environment, "DOCKER_HOST");
}

static void release_environment(struct environment *environment)
{
	for (size_t i = 0; i < environment->count; i++)
		free(environment->items[i]);
}

/* In the child: nothing here may allocate or return. */
__attribute__((noreturn)) static void become(const char *path, const char *const *arguments,
					     char *const *environment, int output, int errors)
{
	const struct rlimit most = { COMMAND_MOST_OUTPUT, COMMAND_MOST_OUTPUT };
	const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
	    dup2(errors, STDERR_FILENO) < 0 || setpgid(0, 0) != 0 || sigemptyset(&none) != 0 ||
	    sigprocmask(SIG_SETMASK, &none, NULL) != 0 || setrlimit(RLIMIT_FSIZE, &most) != 0)
		_exit(NOT_RUN);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	/* SIGXFSZ stays ignored: who prints too much gets an error, not a core dump. */
	(void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	(void)execve(path, (char *const *)(uintptr_t)arguments, environment);
	_exit(NOT_RUN);
}

bool command_start(struct command *command, const char *const *arguments, struct error *err)
{
	auto_free char *path = find_program(arguments[0]);
	__attribute__((cleanup(release_environment))) struct environment environment = { 0 };

	*command = (struct command)COMMAND_NONE;
	command->name = arguments[0];
	if (!path)
		return fail(err, STATUS_TROUBLE, "%s: not installed", arguments[0]);
	fill_environment(&environment);
	command->output = memfd_create("output", MFD_CLOEXEC);
	command->errors = memfd_create("errors", MFD_CLOEXEC);
	if (command->output < 0 || command->errors < 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: no room for its output", arguments[0]);
	command->pid = fork();
	if (command->pid == 0)
		become(path, arguments, environment.items, command->output, command->errors);
	if (command->pid < 0) {
		command->pid = 0;
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot start", arguments[0]);
	}
	command->pidfd = (int)syscall(SYS_pidfd_open, command->pid, 0);
	if (command->pidfd < 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot watch it", arguments[0]);
	return true;
}

static void collect(struct command *command)
{
	int status = 0;

	while (waitpid(command->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	command->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	command->pid = 0;
}

static bool ended_until(const struct command *command, double deadline)
{
	struct pollfd ended = { .fd = command->pidfd, .events = POLLIN };
	int ready = 0;

	do {
		const double left = deadline - clock_now();

		ready = poll(&ended, 1,
			     left <= 0	  ? 0
			     : left < 1e6 ? (int)(left * 1000) + 1
					  : 1000000000);
	} while ((ready < 0 && errno == EINTR) || (ready == 0 && clock_now() < deadline));
	return ready > 0;
}

bool command_finish(struct command *command, double deadline, struct error *err)
{
	if (command->pid == 0)
		return true;

	const bool in_time = ended_until(command, deadline);

	if (!in_time)
		(void)kill(-command->pid,
			   SIGKILL); /* our own child and its group, not yet collected */
	collect(command);
	return in_time || fail(err, STATUS_TROUBLE, "%s: did not answer in time", command->name);
}

static char *read_all(int fd, size_t *length)
{
	char *bytes = memory_allocate(COMMAND_MOST_OUTPUT + 1, 1);
	ssize_t got = 0;
	size_t filled = 0;

	while (filled < COMMAND_MOST_OUTPUT &&
	       (got = pread(fd, bytes + filled, COMMAND_MOST_OUTPUT - filled, (off_t)filled)) > 0)
		filled += (size_t)got;
	if (length)
		*length = filled;
	return bytes;
}

char *command_output(const struct command *command, size_t *length)
{
	return read_all(command->output, length);
}

bool command_ended(struct command *command)
{
	if (command->pid != 0 && ended_until(command, 0))
		collect(command);
	return command->pid == 0;
}

void command_release(struct command *command)
{
	struct error ignored = { 0 };

	(void)command_finish(command, 0, &ignored);
	scope_close(&command->pidfd);
	scope_close(&command->output);
	scope_close(&command->errors);
	*command = (struct command)COMMAND_NONE;
}

/* The last line that is not empty, printable, for an error message. */
static char *last_line(const char *output)
{
	const char *start = output, *end = output;

	for (const char *line = output; *line;) {
		const size_t length = strcspn(line, "\n");

		if (length > 0) {
			start = line;
			end = line + length;
		}
		line += length + (line[length] == '\n');
	}

	auto_free char *text =
		memory_copy(start, (size_t)(end - start) < 400 ? (size_t)(end - start) : 400);

	return text_printable(text);
}

char *command_last_line(const struct command *command)
{
	auto_free char *errors = read_all(command->errors, NULL);
	auto_free char *printed = read_all(command->output, NULL);

	return last_line(*errors ? errors : printed);
}

bool command_run(const char *const *arguments, double seconds, char **output, struct error *err)
{
	__attribute__((cleanup(command_release))) struct command command = COMMAND_NONE;

	if (!command_start(&command, arguments, err) ||
	    !command_finish(&command, clock_now() + seconds, err))
		return false;

	if (command.status != 0) {
		auto_free char *line = command_last_line(&command);

		return fail(err, STATUS_TROUBLE, "%s failed (status %d): %s", arguments[0],
			    command.status, line);
	}
	if (output)
		*output = command_output(&command, NULL);
	return true;
}
