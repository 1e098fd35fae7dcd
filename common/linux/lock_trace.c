#include "common/linux/lock_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/parse.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/activity.h"

#define PREFIX "dblockcheck-"

/* A buffer for each CPU: some ten thousand events. */
static const char buffer_kilobytes[] = "1024";

/* So long after it happened every CPU has written down what happened. */
static const uint64_t settling_nanoseconds = 2000000;

/* Where it is mounted read-only, as containers have it, a mount of our own may still be had. */
static bool is_writable_tracefs(int fd)
{
	struct statfs about;

	return fstatfs(fd, &about) == 0 && about.f_type == TRACEFS_MAGIC &&
	       !(about.f_flags & ST_RDONLY);
}

static int open_mounted(const char *path)
{
	auto_close int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && is_writable_tracefs(fd) ? take_descriptor(&fd) : -1;
}

/* A mount that is in no folder: it lives as long as its descriptor (fsmount(2)). */
static int mount_detached(void)
{
	auto_close int context = fsopen("tracefs", FSOPEN_CLOEXEC);

	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
		return -1;
	return fsmount(context, FSMOUNT_CLOEXEC,
		       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

int lock_trace_reach(struct error *err)
{
	int fd = open_mounted("/sys/kernel/tracing");

	if (fd < 0)
		fd = open_mounted("/sys/kernel/debug/tracing");
	if (fd < 0)
		fd = mount_detached();
	if (fd < 0 && errno == EPERM)
		(void)fail(err, STATUS_TROUBLE,
			   "it takes root: tracefs is not mounted, and may not be mounted");
	else if (fd < 0)
		(void)fail_errno(err, STATUS_TROUBLE, "tracefs cannot be mounted");
	return fd;
}

static bool write_word(int folder, const char *path, const char *word, struct error *err)
{
	auto_close int fd = openat(folder, path, O_WRONLY | O_CLOEXEC);

	return (fd >= 0 && io_write(fd, word, strlen(word))) ||
	       fail_errno(err, STATUS_TROUBLE, "tracefs: cannot write %s", path);
}

/* Whether the run that made an instance of this name is over. */
static bool is_left_over(const struct proc_root *root, const char *name)
{
	uint64_t pid = 0, ticks = 0;
	const char *at = name;

	if (!parse_word_at(&at, PREFIX) || !parse_number_at(&at, 10, INT32_MAX, &pid) ||
	    !parse_word_at(&at, "-") || !parse_number_at(&at, 10, UINT64_MAX, &ticks) || *at)
		return false;

	const struct activity owner = activity_look(root, (pid_t)pid);

	return !owner.seen || owner.start_ticks != ticks;
}

/* What killed runs left. One that cannot be removed does no harm but for its memory; the next run tries again. */
static void remove_left_overs(int instances, const struct proc_root *root)
{
	const int fd = openat(instances, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_dir DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry = NULL;

	if (!folder) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((entry = readdir(folder)) != NULL)
		if (is_left_over(root, entry->d_name))
			(void)unlinkat(instances, entry->d_name, AT_REMOVEDIR);
}

static bool make_instance(struct lock_trace *trace, const struct proc_root *root, struct error *err)
{
	const struct activity self = activity_look(root, root->self);

	trace->name = memory_format(PREFIX "%d-%" PRIu64, root->self, self.start_ticks);
	if (mkdirat(trace->instances_fd, trace->name, 0700) != 0) {
		const bool refused = errno == EACCES || errno == EPERM;

		free(trace->name);
		trace->name = NULL;
		return refused ? fail(err, STATUS_TROUBLE, "it takes root: tracefs refuses us")
			       : fail_errno(err, STATUS_TROUBLE, "tracefs: no instance");
	}
	trace->fd = openat(trace->instances_fd, trace->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return trace->fd >= 0 || fail_errno(err, STATUS_TROUBLE, "tracefs: no instance");
}

static bool read_layout(struct lock_trace *trace, int tracefs, struct error *err)
{
	enum { MOST = 1 << 16 };
	auto_free char *header = proc_read(tracefs, "events/header_page", MOST, NULL);
	bool good = header && lock_trace_layout_read(header, &trace->layout);

	for (size_t i = 0; good && i < LOCK_TRACE_POINTS; i++) {
		auto_free char *path =
			memory_format("events/filelock/%s/format", lock_trace_points[i]);
		auto_free char *text = proc_read(tracefs, path, MOST, NULL);

		good = text && lock_trace_format_read(text, &trace->layout.formats[i]);
	}
	return good ||
	       fail(err, STATUS_TROUBLE, "this kernel has no filelock events as we know them");
}

static bool open_cpus(struct lock_trace *trace, struct error *err)
{
	const long most = sysconf(_SC_NPROCESSORS_CONF);

	for (long cpu = 0; cpu < most; cpu++) {
		auto_free char *path = memory_format("per_cpu/cpu%ld/trace_pipe_raw", cpu);
		const int fd = openat(trace->fd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return fail_errno(err, STATUS_TROUBLE, "tracefs: cannot open %s", path);
		trace->cpus = memory_grow(trace->cpus, &trace->cpu_capacity, trace->cpu_count + 1,
					  sizeof *trace->cpus);
		trace->cpus[trace->cpu_count++] = fd;
	}
	trace->page = memory_allocate(1, lock_trace_page_size(&trace->layout));
	return true;
}

bool lock_trace_start(struct lock_trace *trace, int tracefs, const struct proc_root *root,
		      struct error *err)
{
	if (!root->initial_pid_namespace)
		return fail(err, STATUS_TROUBLE,
			    "the kernel's events speak of PIDs outside of this PID namespace");
	trace->instances_fd = openat(tracefs, "instances", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (trace->instances_fd < 0)
		return errno == EACCES || errno == EPERM
			       ? fail(err, STATUS_TROUBLE, "it takes root: tracefs refuses us")
			       : fail_errno(err, STATUS_TROUBLE, "tracefs has no instances");
	remove_left_overs(trace->instances_fd, root);
	return make_instance(trace, root, err) && read_layout(trace, tracefs, err) &&
	       write_word(trace->fd, "buffer_size_kb", buffer_kilobytes, err) &&
	       write_word(trace->fd, "trace_clock", "boot", err) && open_cpus(trace, err);
}

/* The kernel's dev_t, as a filter compares it. */
static unsigned device_of(const struct lock_key *key)
{
	enum { MINOR_BITS = 20 };

	return key->major << MINOR_BITS | key->minor;
}

static bool enable(struct lock_trace *trace, const char *point, const char *filter,
		   struct error *err)
{
	auto_free char *filter_path = memory_format("events/filelock/%s/filter", point);
	auto_free char *enable_path = memory_format("events/filelock/%s/enable", point);

	return write_word(trace->fd, filter_path, filter, err) &&
	       write_word(trace->fd, enable_path, "1", err);
}

bool lock_trace_listen(struct lock_trace *trace, const struct lock_trace_filter *filter,
		       struct error *err)
{
	const unsigned device = device_of(&filter->keys[0]);
	auto_text calls = { 0 }, closes = { 0 };

	text_append(&calls, "(s_dev == %u && fl_start >= %" PRIu64 " && fl_end <= %" PRIu64 ")",
		    device, filter->first, filter->last);
	for (size_t i = 0; i < filter->count; i++)
		text_append(&calls, " || (s_dev == %u && i_ino == %" PRIu64 ")",
			    device_of(&filter->keys[i]), filter->keys[i].inode);
	/* A close gives back all bytes, whichever were locked. */
	text_append(&closes, "s_dev == %u", device);
	return enable(trace, lock_trace_points[0], text_string(&calls), err) &&
	       enable(trace, lock_trace_points[1], text_string(&closes), err);
}

/* Everything that one CPU has; a read gives a page, or the part of it that is written. */
static bool drain(struct lock_trace *trace, int fd, struct error *err)
{
	const size_t size = lock_trace_page_size(&trace->layout);

	for (;;) {
		const ssize_t got = read(fd, trace->page, size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0 || (got < 0 && errno == EAGAIN))
			return true;
		if (got < 0)
			return fail_errno(err, STATUS_TROUBLE, "tracefs: cannot read the events");
		if (!lock_trace_page_read(&trace->layout, trace->page, (size_t)got,
					  &trace->waiting))
			return fail(err, STATUS_TROUBLE, "tracefs: a page of another form");
	}
}

static int by_time(const void *left, const void *right)
{
	const struct lock_trace_event *a = left, *b = right;

	return (a->nanoseconds > b->nanoseconds) - (a->nanoseconds < b->nanoseconds);
}

/* Moves the events before `until` from one list to the other. */
static void move_settled(struct lock_trace_events *from, struct lock_trace_events *to,
			 uint64_t until)
{
	size_t settled = 0;

	/* glibc's qsort keeps the order of equals only by luck, but one CPU's clock does not stand still. */
	if (from->count > 1)
		qsort(from->items, from->count, sizeof *from->items, by_time);
	for (; settled < from->count && from->items[settled].nanoseconds < until; settled++)
		*memory_append(to) = from->items[settled];
	from->count -= settled;
	if (settled)
		memmove(from->items, from->items + settled, from->count * sizeof *from->items);
	to->lost += from->lost;
	from->lost = 0;
}

bool lock_trace_read(struct lock_trace *trace, struct lock_trace_events *events, struct error *err)
{
	const uint64_t until = (uint64_t)(clock_now() * 1e9) - settling_nanoseconds;

	for (size_t i = 0; i < trace->cpu_count; i++)
		if (!drain(trace, trace->cpus[i], err))
			return false;
	move_settled(&trace->waiting, events, until);
	return true;
}

void lock_trace_stop(struct lock_trace *trace)
{
	for (size_t i = 0; i < trace->cpu_count; i++)
		(void)close(trace->cpus[i]);
	if (trace->fd >= 0)
		(void)close(trace->fd);
	if (trace->name)
		(void)unlinkat(trace->instances_fd, trace->name, AT_REMOVEDIR);
	if (trace->instances_fd >= 0)
		(void)close(trace->instances_fd);
	free(trace->name);
	free(trace->cpus);
	free(trace->page);
	lock_trace_events_release(&trace->waiting);
	*trace = (struct lock_trace)LOCK_TRACE_NONE;
}
