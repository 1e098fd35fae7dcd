/*
 * Running somebody else's program on a copy of a database: as the database's owner, in the copy's private view
 * (sandbox.h), with everything that it starts. When it has ended, nothing of it is left: not a daemon that forked
 * twice and has a session of its own, and not when this program is killed (SIGKILL) meanwhile.
 *
 *     dbmigrate ── keeper ── init (PID 1 of a PID namespace) ── program ── whatever it starts
 *
 * Where no PID namespace is to be had, the keeper takes init's place as a subreaper (prctl(2)).
 */
#ifndef LINUX_GUEST_H
#define LINUX_GUEST_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/linux/sandbox.h"

/* Limits: raw output that is logged, output that is passed on line by line (bytes), and columns of one such line. */
enum { GUEST_MOST_LOG = 16 << 20, GUEST_MOST_TALK = 1 << 20, GUEST_MOST_COLUMNS = 1000 };

/* How long a program has between SIGTERM and its end, in seconds. */
enum { GUEST_GRACE = 5 };

struct guest {
	/* Given, and not owned. */
	const char *const
		*arguments; /* argv, ends with NULL; [0] with a slash is a path from our folder */
	const char *
		extra_path; /* a folder (absolute) where [0] is looked for before PATH; NULL: none */
	char *const *environment; /* guest_environment() */
	const char *folder;	  /* where it starts */
	uid_t uid;		  /* as whom; another user than ourselves only when we are root */
	gid_t gid;		  /* his main group; the others are looked up */
	double timeout;		  /* seconds; 0: none */
	const struct sandbox *sandbox;
	const char *database_name; /* the copy's, in the sandbox; NULL: it sees the real folder */
	int log_fd;		   /* gets all its output, raw; -1: none */
	void (*talk)(void *context,
		     const char *line); /* gets each line, printable; NULL: nobody listens */
	void *context;

	/* Found. */
	int status;	     /* its exit status, or 128 + signal */
	bool timed_out;	     /* it was ended for that */
	unsigned ended;	     /* processes that it left behind and that were ended */
	bool log_cut;	     /* the log is not whole: too much, or it could not be written */
	char last_line[400]; /* the last line of its output that is not empty, printable */
};

/*
 * Runs it to its end, and returns true, also when its status is not 0. False when it could not be run, ran out of
 * time, or somebody asked this program to end (signals.h, worker.h): SIGTERM to its process group, GUEST_GRACE, then
 * SIGKILL to all.
 *
 * It has: standard input from /dev/null, its output in one pipe, no other descriptor, a session of its own, default
 * signals, umask 022, and no capability unless it runs as root.
 */
bool guest_run(struct guest *guest, struct error *err);

/*
 * Our own environment for a program that runs as `uid`: without what makes the loader, a shell, Python or SQLite run or
 * read something else. If he is not ourselves only what cannot be secret (PATH, language, TZ, TERM, VIRTUAL_ENV, PYTHONPATH, DOCKER_HOST), with his HOME, USER and LOGNAME. Then `extra` (NAME=VALUE, ends with
 * NULL), each in place of a variable of that name. guest_environment_release() it.
 */
char **guest_environment(uid_t uid, const char *const *extra)
	__attribute__((returns_nonnull, warn_unused_result));
void guest_environment_release(char **environment);

#endif
