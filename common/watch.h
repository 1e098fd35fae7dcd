/*
 * Who held which lock when, and who was refused: told lock by lock (lock_trace.h) or by looks at all of them, it says
 * what changed, and in the end how often and how long. Pure: no clock, no /proc; times are seconds on clock_now()'s
 * clock.
 */
#ifndef COMMON_WATCH_H
#define COMMON_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/durations.h"
#include "common/linux/process.h"
#include "common/sqlite/lock_bytes.h"

/*
 * What is counted, by SQLite's names. What SQLite takes for an instant on the way to another lock is not; EXCLUSIVE counts
 * as SHARED too.
 */
enum watch_kind {
	WATCH_SHARED,
	WATCH_RESERVED,
	WATCH_PENDING,
	WATCH_EXCLUSIVE,
	WATCH_WRITE,
	WATCH_CKPT,
	WATCH_RECOVER,
	WATCH_READ0,
	WATCH_READ4 = WATCH_READ0 + READ_SLOTS - 1,
	WATCH_DMS,
	WATCH_FOREIGN,
	WATCH_KINDS,
};

/* "WRITE". */
const char *watch_kind_name(enum watch_kind kind);

/* What somebody is about who asks for these locks in one call; WATCH_KINDS when it is nothing that is waited for. */
enum watch_kind watch_kind_wanted(const struct lock_bytes *asked);

/* The slot at which one is refused who wants it; *write: by a READ lock there too. Not for WATCH_FOREIGN. */
enum lock_slot watch_wanted_slot(enum watch_kind kind, bool *write);

/* What of these a process has that holds those locks: bit 1<<kind. */
unsigned watch_kinds_of(const struct lock_bytes *locks);

/* Those that refuse BEGIN IMMEDIATE to everybody else. */
extern const unsigned watch_writing;

/* Refused attempts at one lock, from the first one on, without success in between. */
struct watch_wait {
	unsigned attempts; /* 0: nobody waits */
	double first, last;
	pid_t *behind; /* who held what was wanted, at the last attempt */
	size_t behind_count, behind_capacity;
};

/* What happened to one lock of one process since the last watch_changes(). */
struct watch_news {
	bool released; /* a hold that was told as taken has ended */
	double released_at, released_after;
	struct {
		uint64_t count;
		double first, total, longest;
	} holds; /* that began and ended meanwhile */
	unsigned refused;
	double refused_first;
};

struct watch_lock {
	bool held, told;  /* told: as taken */
	bool from_before; /* was held when the watch began: `since` is that moment */
	double since;
	struct durations durations; /* of holds that have ended */
	uint64_t refused;
	bool fresh, fresh_refused; /* held, refused since the last watch_draw() */
	struct watch_wait wait;
	struct watch_news news;
};

/* One owner of locks in a process: the process itself (0), or an open file with OFD locks. */
struct watch_owner {
	uint64_t id;
	struct lock_bytes locks;
};

struct watch_process {
	pid_t pid; /* 0: the earlier ones together; -1: whoever holds OFD locks, in samples */
	bool gone; /* what the PID means now is another process */
	struct process *process; /* who it is; NULL until watch_identify() */
	double first_seen, last_seen;
	struct watch_owner *owners;
	size_t owner_count, owner_capacity;
	struct lock_bytes locks; /* of all its owners */
	unsigned kinds;		 /* watch_kinds_of() them */
	struct watch_lock by_kind[WATCH_KINDS];
	uint16_t *columns; /* of the time line, WATCH_COLUMNS; NULL before watch_draw(). Owned. */
	uint16_t *recent;  /* the last minute, a ring of WATCH_RECENT; likewise */
};

/* A column of the time line has bit 1<<kind for what was held at any time in it, and this bit for refused attempts. */
enum { WATCH_COLUMNS = 1024, WATCH_RECENT = 600, WATCH_REFUSED_BIT = 1 << 15 };

struct watch {
	double began;
	struct watch_process *items;
	size_t count, capacity;
	bool has_open_files;	      /* owners that are open files have been seen */
	size_t columns;		      /* of the time line that are drawn */
	size_t recent_column;	      /* the newest of the rings, counted from the beginning */
	double column_width;	      /* seconds; doubles each time that there would be too many */
	size_t writing;		      /* processes that keep writers out now */
	double writing_since;	      /* while there are some */
	struct durations writers_out; /* how long nobody else could write */
};

/* A lock asked for or given back. */
struct watch_event {
	double time;
	pid_t pid;
	uint64_t owner; /* tells owners of locks apart; 0 where that is not known */
	bool ofd; /* the owner is an open file and not the process; a close does not say which */
	enum database_file file;
	enum { WATCH_TAKES_READ, WATCH_TAKES_WRITE, WATCH_UNLOCKS } act;
	uint64_t first, last; /* bytes, inclusive; UINT64_MAX is the end of the file */
	bool refused;
};

/* What one process holds, seen in a look. */
struct watch_seen {
	pid_t pid;
	struct lock_bytes locks;
};

enum watch_change_kind { WATCH_TOOK, WATCH_RELEASED, WATCH_HELD, WATCH_REFUSED };

struct watch_change {
	double time;
	enum watch_change_kind what;
	size_t process; /* index into the watch's */
	enum watch_kind kind;
	uint64_t count;	       /* holds, or refused attempts */
	double total, longest; /* of holds, seconds; of a wait `total` is since its first attempt */
};

struct watch_changes {
	struct watch_change *items; /* in order of time */
	size_t count, capacity;
};

void watch_start(struct watch *watch, double now);
void watch_release(struct watch *watch);

/* Events in order of time. */
void watch_take_event(struct watch *watch, const struct watch_event *event);

/* All locks at one moment. Who is not among `seen` holds nothing. */
void watch_take_look(struct watch *watch, double now, const struct watch_seen *seen, size_t count);

/* The process is gone, or is another one now. What it held ends at `now`. */
void watch_forget(struct watch *watch, pid_t pid, double now);

/* Adds what one process did, told or not and drawn or not, to the row of the earlier ones. */
void watch_merge(struct watch_process *into, const struct watch_process *from);

/* The process of that PID that is not gone; NULL when it is not known. Valid until the watch changes. */
struct watch_process *watch_find(const struct watch *watch, pid_t pid);

/*
 * Appends what changed since the last call. Holds that began and ended in between are counted together, so that
 * a busy writer is a line and not a thousand.
 */
void watch_changes(struct watch *watch, double now, struct watch_changes *changes);
void watch_changes_release(struct watch_changes *changes);

/* Draws the time line on to `now`; to be called some twenty times a second by who wants one. */
void watch_draw(struct watch *watch, double now);

/* Ends what is still held, for the figures. Nothing may be taken after that. */
void watch_finish(struct watch *watch, double now);

/* Whether it still tries, or did so until a moment ago; a wait that is given up is forgotten at the next attempt. */
bool watch_waits(const struct watch_lock *lock, double now);

#endif
