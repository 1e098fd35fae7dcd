/*
 * One database and everything that can be seen of who uses it: the "collect" step. What follows from it is
 * decided by verdict.h and diagnosis.h, which are pure functions of this struct, and shown by report.h.
 *
 * A survey never opens the database through SQLite, never writes, and keeps no lock: stat, /proc, F_GETLK, reads
 * of headers, and a lease that is given back at once. See target.h for what that means to a process that has
 * the database open itself.
 */
#ifndef COMMON_SURVEY_H
#define COMMON_SURVEY_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/base/error.h"
#include "common/holder.h"
#include "common/linux/lock_probe.h"
#include "common/linux/mounts.h"
#include "common/linux/proc_root.h"
#include "common/sqlite/wal_index.h"

struct survey_options {
	bool scan; /* walk over all processes; else only those that hold locks are known */
	double sample_seconds; /* between the two samples of activity; 0: one only */
};

/* One process that was refused a lock and has not had it since (waiters.h). */
struct waiter {
	struct process process;
	const char *wants; /* SQLite's name of the lock; NULL when it is not known */
	pid_t *behind;	   /* who holds what it wants; empty when that cannot be told */
	size_t behind_count;
	unsigned attempts; /* that were refused, while we listened */
	double seconds;	   /* between the first and the last of them */
	bool in_kernel; /* it sleeps in the kernel until it gets the lock: attempts and seconds are not known */
	bool guessed; /* by the look of it only: then attempts and seconds are not known */
};

struct waiters {
	struct waiter *items;
	size_t count, capacity;
};

/* What the kernel said to the question whether the file is open anywhere (lease.h). */
enum certificate {
	CERTIFICATE_NONE,      /* could not be asked, or its answer would mean nothing here */
	CERTIFICATE_FREE,      /* nobody has it open: no hidden process can make that wrong */
	CERTIFICATE_NO_WRITER, /* somebody has it open, but nobody for writing */
	CERTIFICATE_IN_USE,    /* somebody has it open for writing, visible or not */
};

/* Whose a file is, and what its permissions are; of a file that is not there, zeros. */
struct file_access {
	uid_t uid;
	mode_t mode;
};

struct survey {
	char *given;	/* the database as the user wrote it */
	char *database; /* its absolute path */
	char *container,
		*inside;       /* the container whose path was asked for, and that path; or NULL */
	struct timespec taken; /* wall clock, at the end of the survey */

	struct database_header header;
	enum journal_mode mode; /* how SQLite will treat it, see file_view_mode() */
	bool exists[FILE_COUNT];
	uint64_t size[FILE_COUNT];	     /* bytes */
	struct timespec changed[FILE_COUNT]; /* last modification */
	struct file_access access[FILE_COUNT], folder_access;
	uint64_t device, inode;
	char *filesystem; /* "ext4" */
	char *filesystem_options;
	enum filesystem_trust trust;

	bool index_known; /* false: the wal-index is missing or cannot be trusted */
	struct wal_index index;
	bool journal_empty; /* no journal, or one without content (TRUNCATE, PERSIST, just made) */
	bool journal_hot;   /* has to be rolled back by the next opener */
	bool has_dotfile;   /* DATABASE.lock is there */
	double dotfile_age; /* seconds since it was last raised */

	struct lock_probe probes[SLOT_COUNT]; /* F_GETLK's answers */
	struct holders holders;		      /* sorted by PID */
	enum certificate certificate;
	struct waiters waiters; /* only where they were asked for */

	bool scanned;		 /* all processes were looked for */
	size_t hidden_processes; /* that may not be looked at */
	size_t hidden_locks;	 /* that F_GETLK sees and no visible process holds */
	bool shm_hidden;    /* the -shm may not be read: its locks are known from the list only */
	bool restless;	    /* users came and went too fast to say that nobody is left */
	bool consistent;    /* locks and files were read at one moment */
	bool hidden_opener; /* somebody has it open, and it is none of the holders */
	bool initial_pid_namespace; /* processes outside of this container would be seen */
	bool proc_hides;	/* /proc is mounted so that other users' processes are missing */
	double sampled_seconds; /* between the two samples; 0 when there was one */
};

#define auto_survey __attribute__((cleanup(survey_release))) struct survey

bool survey_take(struct survey *survey, const struct proc_root *root, const char *path,
		 const struct survey_options *options, struct error *err);
void survey_release(struct survey *survey);

/* Every process could be looked for and at, so that an empty list of holders means nobody. */
bool survey_saw_everything(const struct survey *survey);

enum held { HELD_YES, HELD_NO, HELD_UNKNOWN };

/*
 * Whether one process has the database at `path` open, or a lock on it, at this moment. No when the database is gone;
 * unknown, with *err set, when that could not be found out.
 */
enum held survey_still_held(const struct proc_root *root, const char *path, pid_t pid,
			    struct error *err);

/* Leaves one holder out of the account: a child of ours, say. */
void survey_forget(struct survey *survey, pid_t pid);

/* NULL when there is no such holder. */
struct holder *survey_find(const struct survey *survey, pid_t pid);

#endif
