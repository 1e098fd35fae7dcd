/*
 * Work in a child process: whatever opens a database that strangers may have made, or that may change under us, runs
 * in one. A crash there (SIGBUS when a file shrinks, a hostile schema) is an error here, its memory and its POSIX locks
 * end with it, and it ends with its parent.
 *
 * The child is a fork: it sees all that the caller had, and gives back only what it writes to memory from
 * worker_share(), and its error.
 */
#ifndef LINUX_WORKER_H
#define LINUX_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/error.h"

/* Runs in the child; `argument` is what worker_start() was given. */
typedef bool worker_function(void *argument, struct error *err);

/* Called in the parent at once and then about ten times a second while it waits; NULL for nothing. */
struct worker_watch {
	void (*look)(void *context);
	void *context;
};

struct worker {
	const char *doing;     /* "copying the database"; for messages; must outlive the worker */
	pid_t pid;	       /* 0: not running */
	int pidfd;	       /* readable when it has ended */
	int channel;	       /* to worker_pause() and back */
	struct result *result; /* in shared memory */
};

#define WORKER_NONE                        \
	{                                  \
		.pidfd = -1, .channel = -1 \
	}

/* Zeroed memory that parent and child share; ends the program when there is none. */
void *worker_share(size_t size) __attribute__((returns_nonnull, warn_unused_result));
void worker_unshare(void *memory, size_t size);

bool worker_start(struct worker *worker, const char *doing, worker_function *function,
		  void *argument, struct error *err);

/*
 * Waits for its end. When a signal asks this program to end (signals.h), the child is asked to stop, and is killed when it
 * does not within seconds. False with the child's error, or with how it died.
 */
bool worker_finish(struct worker *worker, const struct worker_watch *watch, struct error *err);

/* Start and finish in one. */
bool worker_run(const char *doing, worker_function *function, void *argument,
		const struct worker_watch *watch, struct error *err);

/* In the child: whether it should clean up and return with any error. Cheap. */
bool worker_should_stop(void);

/*
 * A meeting: the child stops in worker_pause() until the parent, woken in worker_await_pause(), has done what it
 * has to and says worker_continue(). worker_pause() gives what it said; false also when the parent is gone.
 * worker_await_pause() gives false when the child ended instead: ask worker_finish() why.
 */
bool worker_pause(void);
bool worker_await_pause(struct worker *worker, const struct worker_watch *watch);
void worker_continue(struct worker *worker, bool go_on);

#endif
