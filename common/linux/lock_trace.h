/*
 * Listening to file locks as the kernel gives, refuses and takes them back: a tracefs instance of our own, so that nobody
 * else's tracing is disturbed and nobody disturbs ours. Needs root, in the initial PID namespace (the events speak its
 * PIDs).
 *
 * The instance is called dblockcheck-PID-START. It is removed by lock_trace_stop(), and what a killed run left behind by
 * the next lock_trace_start() of anybody: the PID and the start time in its name say whether its owner still lives.
 *
 * No event is missed however short a lock was, unless the kernel's buffer ran over: those are counted in `lost`.
 * Order: the kernel writes an event after it has given or taken the lock, so two processes' events may stand a few
 * microseconds out of order, and one may seem to hold what the other has just let go.
 */
#ifndef LINUX_LOCK_TRACE_H
#define LINUX_LOCK_TRACE_H

#include "common/base/error.h"
#include "common/linux/lock_table.h"
#include "common/linux/lock_trace_page.h"
#include "common/linux/proc_root.h"

struct lock_trace {
	int instances_fd; /* tracefs's folder of instances; -1 when there is no trace */
	int fd;		  /* our instance; -1 when there is none */
	char *name;	  /* its name */
	struct lock_trace_layout layout;
	int *cpus; /* one descriptor a CPU */
	size_t cpu_count, cpu_capacity;
	unsigned char *page;		  /* one page of the kernel's buffer */
	struct lock_trace_events waiting; /* read, but another CPU's may still come before them */
};

#define LOCK_TRACE_NONE                       \
	{                                     \
		.instances_fd = -1, .fd = -1, \
	}
#define auto_lock_trace __attribute__((cleanup(lock_trace_stop))) struct lock_trace

/*
 * What is listened to: locks on these files, on bytes first..last of any file on the device of the first key, and
 * closes of any file there that has locks. So a file that is made and removed again between two looks is heard
 * too; the caller tells by the inode whose it is.
 */
struct lock_trace_filter {
	const struct lock_key *keys;
	size_t count;
	uint64_t first, last;
};

/*
 * Opens tracefs: where it is mounted, else by a mount of our own that nobody else sees and that ends with the descriptor.
 * The latter takes CAP_SYS_ADMIN, so call it before privileges are dropped. -1 with *err set when it cannot be had:
 * the text says what is missing. The caller closes it.
 */
int lock_trace_reach(struct error *err);

/* Makes the instance, with nothing listened to yet. `tracefs` is lock_trace_reach()'s, and stays the caller's. */
bool lock_trace_start(struct lock_trace *trace, int tracefs, const struct proc_root *root,
		      struct error *err);

/* Sets what is listened to from now on; may be called again. */
bool lock_trace_listen(struct lock_trace *trace, const struct lock_trace_filter *filter,
		       struct error *err);

/*
 * Appends what happened since the last call, in order of time. Events of the last milliseconds stay for the next
 * call, since another CPU may still have earlier ones.
 */
bool lock_trace_read(struct lock_trace *trace, struct lock_trace_events *events, struct error *err);

/* Removes the instance; does nothing to one that was not started. */
void lock_trace_stop(struct lock_trace *trace);

#endif
