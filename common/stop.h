/*
 * Stopping the processes that hold a database: whom (choose), how (ways), doing it (act), and proving that it
 * worked (prove). The steps fill in one struct, in this order; the tool shows it.
 *
 *   survey -> stop_choose() -> stop_find_ways() -> [shown as a plan] -> stop_act() -> stop_prove()
 *
 * A process is never signalled by its number: a handle is taken first (linux/process_handle.h), then it is checked
 * that it is still the same process and still holds the database, then the handle is signalled.
 */
#ifndef COMMON_STOP_H
#define COMMON_STOP_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/linux/command.h"
#include "common/linux/engine.h"
#include "common/linux/process_handle.h"
#include "common/linux/unit.h"
#include "common/survey.h"
#include "common/verdict.h"

/* Why a holder was left alone. The names that stop_reason_name() gives are promises. */
enum stop_reason {
	STOP_CHOSEN, /* it was not: it is to be stopped, or was */
	LEFT_BYSTANDER,
	LEFT_PROTECTED,
	LEFT_ANCESTOR,
	LEFT_SELF,
	LEFT_PID_1,
	LEFT_NOT_MATCHED,
	LEFT_NOT_BLOCKING,
	LEFT_GONE, /* ended, or let go of the database, before it was its turn */
	LEFT_REUSED,
	LEFT_NO_PERMISSION,
	LEFT_STILL_ALIVE,
	LEFT_FROZEN,
	LEFT_DISK_WAIT,
	STOP_REASON_COUNT,
};

const char *stop_reason_name(enum stop_reason reason);

/* One process of an earlier survey, as dblockcheck --json told it. */
struct stop_entry {
	pid_t pid;
	uint64_t start_ticks;
	char *command; /* printable */
};

struct stop_entries {
	struct stop_entry *items;
	size_t count, capacity;
};

struct stop_options {
	bool all;			    /* bystanders too */
	bool blockers;			    /* only those in the way of a writer */
	const regex_t *match;		    /* only those whose command line matches; NULL: all */
	const regex_t *protect;		    /* never those; NULL: none */
	int signal;			    /* 0: the one that the process handles */
	double grace_seconds;		    /* from the signal to giving up */
	double settle_seconds;		    /* how long nothing may come back */
	bool force;			    /* SIGKILL after the grace; thaw what is frozen */
	bool no_supervisor;		    /* signal directly, whoever supervises */
	const struct stop_entries *entries; /* only these; NULL: all holders */
};

enum stop_way { WAY_SIGNAL, WAY_GROUP };

/* A container or a unit that is stopped as a whole. */
struct stop_group {
	struct supervisor supervisor;
	struct container container; /* of docker and podman */
	struct unit unit;	    /* of systemd */
	struct command command;	    /* its stop, under way */
	double started;		    /* clock_now() at its stop */
	bool killed;		    /* its stop ended in SIGKILL */
};

/* One holder and what becomes of it. */
struct stop_subject {
	pid_t pid;
	uint64_t start_ticks;
	char *command;		 /* for people, printable */
	enum stop_reason reason; /* of being left */
	enum stop_way way;
	size_t group;	  /* WAY_GROUP: index into groups */
	int signal;	  /* WAY_SIGNAL */
	bool was_stopped; /* needs SIGCONT to handle a signal */
	bool unasked;	  /* a user of the database that was not in the input */
	bool signalled;
	bool ended;
	double started, seconds; /* when it was signalled (clock_now()); how long it took to end */
	size_t master;		 /* index of a chosen ancestor, or its own */
	char *hint;		 /* the command that starts it again; NULL when there is none */
	char *how;		 /* "SIGTERM", "docker stop (killed)" */
	struct process_handle handle;
};

/* Somebody who opened the database again after it had been released. */
struct stop_return {
	pid_t pid;
	uint64_t start_ticks;
	char *command;
	pid_t by;	  /* its parent, which is likely to have started it; 0 when unknown */
	char *by_command; /* printable */
};

/* A process that cannot be mistaken for another. */
struct stop_identity {
	pid_t pid;
	uint64_t start_ticks;
};

struct stop {
	struct stop_options options;
	struct {
		struct stop_identity *items;
		size_t count, capacity;
	} known; /* all holders when it began, chosen or not */
	struct {
		struct stop_subject *items;
		size_t count, capacity;
	} subjects;
	struct {
		struct stop_group *items;
		size_t count, capacity;
	} groups;
	struct {
		struct stop_return *items;
		size_t count, capacity;
	} returned;
	struct {
		char **items;
		size_t count, capacity;
	} restart_hints;	/* shell commands */
	char *path;		/* the database, as it was given */
	struct survey survey;	/* the last one taken */
	struct verdict verdict; /* of it */
	bool released;	/* nobody uses the database through SQLite any more, and that was proved */
	bool acted;	/* it is no plan any more */
	bool written;	/* the files changed while nobody was seen with them */
	bool hidden;	/* somebody who cannot be seen still holds it */
	bool uncertain; /* nobody was seen, but not everybody could be looked at */
	struct error trouble; /* the first thing that could not be done; status 0: none */
	/* Called for each action, before and after it, with one printable line. May be NULL. */
	void (*audit)(const char *line);
};

#define auto_stop __attribute__((cleanup(stop_release))) struct stop

void stop_release(struct stop *stop);

/*
 * Everything that changes nothing: the survey, and the first two steps. stop->path and stop->options are set.
 */
bool stop_plan(struct stop *stop, const struct proc_root *root, struct error *err);

/* Reads a POSIX extended regular expression that was given for `option`; a bad one is a usage error. */
bool stop_expression_read(regex_t *expression, const char *text, const char *option,
			  struct error *err);

/* Chooses among the holders in stop->survey. Pure, but for the question who our own ancestors are. */
void stop_choose(struct stop *stop, const struct proc_root *root);

/* Finds out for each chosen one who supervises it, and how it will end cleanly. */
bool stop_find_ways(struct stop *stop, const struct proc_root *root, struct error *err);

/* Stops those that were chosen; what became of each is in its subject. */
bool stop_act(struct stop *stop, const struct proc_root *root, struct error *err);

/* Watches the database until nothing has come back for the settle time; sets released and returned. */
bool stop_prove(struct stop *stop, const struct proc_root *root, struct error *err);

/* How many were chosen. */
size_t stop_chosen(const struct stop *stop);

/* The exit status that all of this deserves. */
enum status stop_status(const struct stop *stop);

/* "SIGTERM"; free() it. */
char *stop_signal_name(int signal);

/* A number for "TERM", "SIGTERM" or "15"; 0 when there is no such signal. */
int stop_signal_parse(const char *name);

/* Leaves a subject alone after all, and says so. */
void stop_leave(const struct stop *stop, struct stop_subject *subject, enum stop_reason reason);

/* A command line as lines for people have it: not over 160 columns. free() it. */
char *stop_short_command(const char *command);

/* Takes over `how`. */
void stop_set_how(struct stop_subject *subject, char *how);

/* Fills restart_hints: for a plan of all that are chosen, else of those that ended. */
void stop_collect_hints(struct stop *stop);

/* printf to stop->audit. */
void stop_audit(const struct stop *stop, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Only one botkill works on a database at a time. Takes the right to be that one until the returned descriptor is
 * closed; -1 with *err set (STATUS_BUSY) when another one has it.
 */
int stop_claim(const struct survey *survey, struct error *err);

#endif
