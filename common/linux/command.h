/*
 * Running other programs: an argv and an absolute path, never a shell; a clean environment; standard input from
 * /dev/null; what it prints is kept, up to a limit.
 */
#ifndef LINUX_COMMAND_H
#define LINUX_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/error.h"

/* Limits on what is kept of a program's output. A program that prints more gets an error when writing. */
enum { COMMAND_MOST_OUTPUT = 4 << 20, COMMAND_MOST_ARGUMENTS = 16 };

/* A program under way. */
struct command {
	const char *name; /* the first argument, for messages; owned by the caller */
	pid_t pid;	  /* 0: not running */
	int pidfd;	  /* readable (poll) when it has ended */
	int output;	  /* a file in memory with its standard output */
	int errors;	  /* the same for its standard error */
	int status;	  /* exit status, or 128 + signal; once it was collected */
};

#define COMMAND_NONE                                    \
	{                                               \
		.pidfd = -1, .output = -1, .errors = -1 \
	}

/*
 * Starts `arguments` (ends with NULL). A name without a slash is looked for in the system's folders only,
 * never in the user's PATH. Passed on from our environment: HOME, XDG_RUNTIME_DIR, DBUS_SESSION_BUS_ADDRESS, and
 * DOCKER_HOST if it is a unix:// socket.
 */
bool command_start(struct command *command, const char *const *arguments, struct error *err);

/*
 * Waits until `deadline` (clock_now()) for it to end, then ends it (SIGKILL to its group). Returns false if it
 * had to be ended, with *err set; command->status otherwise. Can be called again; the later ones do nothing.
 */
bool command_finish(struct command *command, double deadline, struct error *err);

/* What it printed on standard output; free() it. NUL-terminated; "" when nothing. */
char *command_output(const struct command *command, size_t *length)
	__attribute__((returns_nonnull, warn_unused_result));

/* Whether it has ended; then command->status is set. Does not wait. */
bool command_ended(struct command *command);

/* The last line that it printed, on standard error if there was any, printable; free() it. */
char *command_last_line(const struct command *command) __attribute__((returns_nonnull));

/* Releases it; ends it first if it is still running. */
void command_release(struct command *command);

/* All of it: start, at most `seconds`, output. A non-zero exit status is an error, with what it printed last. */
bool command_run(const char *const *arguments, double seconds, char **output, struct error *err);

#endif
