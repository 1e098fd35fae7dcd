/*
 * Everything that happens to the locks of one database, fed to a watch (watch.h): by the kernel's events where they
 * can be had, else by looking at /proc/locks. Follows the database when it is replaced.
 *
 * Whose an event on a -shm is: a -shm that comes and goes with each connection may be gone before anybody can look at
 * its inode. So locks on the bytes that SQLite uses in a -shm are taken for ours, too, when the inode is not known, the
 * -shm came or went since the last call or is not there though the database is in WAL mode, and the process holds a lock
 * on the main file at that moment. (Of a process that uses two such databases of one device at once, the one's can
 * then be taken for the other's.)
 */
#ifndef COMMON_LOCK_LISTENER_H
#define COMMON_LOCK_LISTENER_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/linux/lock_trace.h"
#include "common/linux/proc_root.h"
#include "common/target.h"
#include "common/watch.h"

enum listener_news {
	LISTENER_SAME,
	LISTENER_REPLACED, /* another file is at the path */
	LISTENER_REMOVED,  /* none is */
	LISTENER_BACK,	   /* there is one again */
};

/* Inodes of -shm files that came and went are remembered for the closes that follow. */
enum { LISTENER_PASSING = 8 };

struct lock_listener {
	const struct proc_root *root;
	const char *path; /* not owned */
	struct target target;
	bool removed;
	bool traced;	       /* else it looks at /proc/locks */
	struct error untraced; /* why not, when not */
	struct lock_trace trace;
	double from;		      /* what happened before is in the first look already */
	bool shm_moved;		      /* the -shm came or went since the call before */
	bool shm_restless;	      /* or it did before that, or there is none */
	bool mode_known, in_wal_mode; /* by the header, where that was asked for in this call */
	uint64_t passing[LISTENER_PASSING]; /* inodes, 0 where there is none */
	size_t next_passing;
	bool unowned;  /* with the trace: there were OFD locks that nobody's events have told of */
	uint64_t lost; /* events that the kernel could not keep */
};

#define LOCK_LISTENER_NONE                                       \
	{                                                        \
		.target = TARGET_NONE, .trace = LOCK_TRACE_NONE, \
	}
#define auto_lock_listener __attribute__((cleanup(listener_stop))) struct lock_listener

/*
 * Starts to listen, and gives `watch` (which it starts) the locks that are held now. `tracefs` is lock_trace_reach()'s, or
 * -1 with `untraced` saying why. False when the database cannot be opened; that there is no trace is no failure.
 */
bool listener_start(struct lock_listener *listener, struct watch *watch, int tracefs,
		    const struct error *untraced, const struct proc_root *root, const char *path,
		    struct error *err);

/* Feeds `watch` with what happened since the last call; *news: what became of the file meanwhile. */
bool listener_hear(struct lock_listener *listener, struct watch *watch, enum listener_news *news,
		   struct error *err);

void listener_stop(struct lock_listener *listener);

#endif
