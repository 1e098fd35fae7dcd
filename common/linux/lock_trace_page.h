/*
 * What the kernel writes into a trace buffer about file locks: its description of an event, and its pages. Pure.
 *
 * The trace points `fcntl_setlk` (every fcntl(2) that asks for a lock or gives one back, refused or not) and
 * `locks_remove_posix` (a close that gives locks back) have the same fields; where they lie in a record is read from
 * the kernel's own "format" files, so that another kernel's record is understood or refused, never misread.
 *
 * Sources: Linux include/trace/events/filelock.h; kernel/trace/ring_buffer.c; Documentation/trace/events.rst;
 * the pages are decoded as libtraceevent's kbuffer-parse.c does.
 */
#ifndef LINUX_LOCK_TRACE_PAGE_H
#define LINUX_LOCK_TRACE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum lock_trace_act { LOCK_TRACE_READ, LOCK_TRACE_WRITE, LOCK_TRACE_UNLOCK };

/* One lock asked for or given back. */
struct lock_trace_event {
	uint64_t nanoseconds; /* on the trace's clock: CLOCK_BOOTTIME */
	pid_t pid;	      /* of the process, as the initial PID namespace numbers it */
	bool ofd;	      /* an OFD lock: it belongs to the open file, not to the process */
	uint64_t owner;	      /* tells owners of locks apart within a process; means nothing else */
	unsigned major, minor;
	uint64_t inode; /* with the device, as /proc/locks names the file */
	enum lock_trace_act act;
	uint64_t first, last; /* bytes, inclusive; last is UINT64_MAX for "to the end" */
	int error;	      /* 0: done; else why it was refused, as errno: EAGAIN, EACCES … */
};

struct lock_trace_events {
	struct lock_trace_event *items;
	size_t count, capacity;
	uint64_t lost; /* events (or, where the kernel does not count, gaps) that are missing */
};

void lock_trace_events_release(struct lock_trace_events *events);

/* Where one value lies in a record. */
struct lock_trace_field {
	size_t offset, size; /* bytes */
};

/* The trace points that are understood. */
enum { LOCK_TRACE_POINTS = 2 };
extern const char *const lock_trace_points[LOCK_TRACE_POINTS];

/* One trace point, by its "format" file. */
struct lock_trace_format {
	uint16_t id;
	struct lock_trace_field type, inode, device, owner, pid, flags, act, first, last, result;
};

/* False when it is no such event: a field is missing, or has a size that no integer has. */
bool lock_trace_format_read(const char *text, struct lock_trace_format *format);

/* How pages begin, by tracefs's "events/header_page". */
struct lock_trace_layout {
	struct lock_trace_field timestamp, commit, data;
	struct lock_trace_format formats[LOCK_TRACE_POINTS];
};

bool lock_trace_layout_read(const char *header_page, struct lock_trace_layout *layout);

/* Bytes of one page. */
size_t lock_trace_page_size(const struct lock_trace_layout *layout);

/*
 * Appends the events of one page, of which `length` bytes are there. Records of other trace points are passed over.
 * False when the page is not of the kernel's form; what stood before that place was appended.
 */
bool lock_trace_page_read(const struct lock_trace_layout *layout, const void *page, size_t length,
			  struct lock_trace_events *events);

#endif
