#include "common/lock_listener.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/linux/lock_table.h"
#include "common/lock_view.h"

/* The bytes of a -shm that SQLite locks (lock_bytes.h). */
enum { SHM_FIRST = 120, SHM_LAST = 128 };

static bool trace_target(struct lock_listener *listener, struct error *err)
{
	struct lock_key keys[2] = { listener->target.files[FILE_MAIN].key };
	struct lock_trace_filter filter = { keys, 1, SHM_FIRST, SHM_LAST };

	if (listener->target.files[FILE_SHM].path_fd >= 0)
		keys[filter.count++] = listener->target.files[FILE_SHM].key;
	return lock_trace_listen(&listener->trace, &filter, err);
}

struct seen_list {
	struct watch_seen *items;
	size_t count, capacity;
};

static struct watch_seen *find_or_add_seen(struct seen_list *list, pid_t pid)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].pid == pid)
			return &list->items[i];

	struct watch_seen *seen = memory_append(list);

	seen->pid = pid;
	return seen;
}

/*
 * The locks of this moment. With the trace, OFD locks are left out: the list does not say whose they are, and the events
 * will, from their next change on.
 */
static bool look(struct lock_listener *listener, struct watch *watch, double now, struct error *err)
{
	const struct target *target = &listener->target;
	struct lock_key keys[FILE_COUNT] = { 0 };
	struct seen_list seen = { 0 };
	auto_lock_table table = { 0 };
	size_t count = 0;

	for (enum database_file file = 0; file < FILE_COUNT; file++)
		if (target->files[file].path_fd >= 0)
			keys[count++] = target->files[file].key;
	if (!lock_table_read(listener->root, keys, count, &table, err))
		return false;
	for (size_t i = 0; i < table.count; i++) {
		const struct lock_line *line = &table.items[i];
		enum database_file file = FILE_MAIN;

		if (line->waiting || (line->class != LOCK_POSIX && line->class != LOCK_OFD) ||
		    !lock_view_file(target, line, &file))
			continue;
		if (listener->traced && line->pid <= 0) {
			listener->unowned = true;
			continue;
		}
		lock_bytes_add(&find_or_add_seen(&seen, line->pid)->locks, file, line->first,
			       line->last, line->write);
	}
	watch_take_look(watch, now, seen.items, seen.count);
	free(seen.items);
	return true;
}

bool listener_start(struct lock_listener *listener, struct watch *watch, int tracefs,
		    const struct error *untraced, const struct proc_root *root, const char *path,
		    struct error *err)
{
	listener->root = root;
	listener->path = path;
	if (!target_open(&listener->target, root, path, err) ||
	    !target_may_read(&listener->target, err))
		return false;
	listener->untraced = *untraced;
	listener->traced = tracefs >= 0 &&
			   lock_trace_start(&listener->trace, tracefs, root, &listener->untraced) &&
			   trace_target(listener, &listener->untraced);
	if (!listener->traced)
		lock_trace_stop(&listener->trace);
	listener->from = clock_now();
	watch_start(watch, listener->from);
	return look(listener, watch, listener->from, err);
}

/* Whether the file at a path is still the one that we know; an `fd` of -1 says that there was none. */
static bool is_same(int fd, const struct stat *known, const char *path)
{
	struct stat now;

	if (stat(path, &now) != 0)
		return fd < 0 && errno == ENOENT;
	return fd >= 0 && now.st_dev == known->st_dev && now.st_ino == known->st_ino;
}

static bool shm_is_same(const struct lock_listener *listener)
{
	const struct target_file *shm = &listener->target.files[FILE_SHM];
	auto_free char *path =
		memory_format("%s%s", listener->target.resolved, database_file_suffix(FILE_SHM));

	return is_same(shm->path_fd, &shm->stat, path);
}

/* Opens what is at the path now, and listens to that. */
static bool open_again(struct lock_listener *listener, struct watch *watch,
		       enum listener_news *news, struct error *err)
{
	struct target now = TARGET_NONE;
	struct error gone = { 0 };

	if (!target_open(&now, listener->root, listener->path, &gone)) {
		target_release(&now);
		*news = listener->removed ? LISTENER_SAME : LISTENER_REMOVED;
		listener->removed = true;
		return true;
	}

	const bool same = target_same(&listener->target, &now);

	*news = listener->removed ? LISTENER_BACK : same ? LISTENER_SAME : LISTENER_REPLACED;
	listener->removed = false;
	target_release(&listener->target);
	listener->target = now;
	if (listener->traced && !trace_target(listener, err))
		return false;
	if (same)
		return true;
	listener->from = clock_now();
	return look(listener, watch, listener->from, err);
}

static bool follow(struct lock_listener *listener, struct watch *watch, enum listener_news *news,
		   bool *shm_moved, struct error *err)
{
	const struct target_file *main_file = &listener->target.files[FILE_MAIN];

	*news = LISTENER_SAME;
	*shm_moved = !shm_is_same(listener);
	if (!listener->removed && !*shm_moved &&
	    is_same(main_file->path_fd, &main_file->stat, listener->target.absolute))
		return true;
	return open_again(listener, watch, news, err);
}

static bool is_passing(const struct lock_listener *listener, uint64_t inode)
{
	for (size_t i = 0; i < LISTENER_PASSING; i++)
		if (listener->passing[i] == inode)
			return true;
	return false;
}

/*
 * Whether it may have a -shm that was not seen. A database in rollback mode has none: then it is another database's, that the
 * same process uses. The header is read only when there is such an event.
 */
static bool may_have_shm(struct lock_listener *listener)
{
	struct database_header header;

	if (!listener->mode_known)
		listener->in_wal_mode =
			!target_header(&listener->target, &header) || header.mode == JOURNAL_WAL;
	listener->mode_known = true;
	return listener->in_wal_mode;
}

/* See the top of lock_listener.h. */
static bool is_passing_shm(struct lock_listener *listener, const struct watch *watch,
			   const struct lock_trace_event *event)
{
	const unsigned on_main = 1U << WATCH_SHARED | 1U << WATCH_EXCLUSIVE;
	const struct watch_process *process = watch_find(watch, event->pid);

	if (!listener->shm_restless || !process || !(process->kinds & on_main))
		return false;
	if (is_passing(listener, event->inode))
		return true;
	if (event->first < SHM_FIRST || event->last > SHM_LAST || !may_have_shm(listener))
		return false;
	listener->passing[listener->next_passing++ % LISTENER_PASSING] = event->inode;
	return true;
}

static bool is_key(const struct target_file *file, const struct lock_trace_event *event)
{
	return file->path_fd >= 0 && file->key.major == event->major &&
	       file->key.minor == event->minor && file->key.inode == event->inode;
}

static bool file_of(struct lock_listener *listener, const struct watch *watch,
		    const struct lock_trace_event *event, enum database_file *file)
{
	const struct target_file *files = listener->target.files;

	*file = FILE_MAIN;
	if (is_key(&files[FILE_MAIN], event))
		return true;
	*file = FILE_SHM;
	return is_key(&files[FILE_SHM], event) || (files[FILE_MAIN].key.major == event->major &&
						   files[FILE_MAIN].key.minor == event->minor &&
						   is_passing_shm(listener, watch, event));
}

static void feed(struct lock_listener *listener, struct watch *watch,
		 const struct lock_trace_event *event)
{
	static const int acts[] = {
		[LOCK_TRACE_READ] = WATCH_TAKES_READ,
		[LOCK_TRACE_WRITE] = WATCH_TAKES_WRITE,
		[LOCK_TRACE_UNLOCK] = WATCH_UNLOCKS,
	};
	struct watch_event told = {
		.time = (double)event->nanoseconds / 1e9,
		.pid = event->pid,
		.owner = event->owner,
		.ofd = event->ofd,
		.act = acts[event->act],
		.first = event->first,
		.last = event->last,
		.refused = event->error == EAGAIN || event->error == EACCES,
	};

	/* Any other error is a call that was wrong in itself: it says nothing about who holds what. */
	if (told.time < listener->from || (event->error && !told.refused) ||
	    !file_of(listener, watch, event, &told.file))
		return;
	watch_take_event(watch, &told);
}

static bool hear_events(struct lock_listener *listener, struct watch *watch, struct error *err)
{
	struct lock_trace_events events = { 0 };
	const bool done = lock_trace_read(&listener->trace, &events, err);

	for (size_t i = 0; i < events.count; i++)
		feed(listener, watch, &events.items[i]);
	listener->lost += events.lost;

	const bool lost = events.lost > 0;

	lock_trace_events_release(&events);
	if (!done || !lost)
		return done;
	/* What was missed may have been an unlock: start again from what is there. */
	listener->from = clock_now();
	return look(listener, watch, listener->from, err);
}

bool listener_hear(struct lock_listener *listener, struct watch *watch, enum listener_news *news,
		   struct error *err)
{
	bool shm_moved = false;

	if (!follow(listener, watch, news, &shm_moved, err))
		return false;

	if (!listener->traced)
		return look(listener, watch, clock_now(), err);

	const bool was_moved = listener->shm_moved;

	listener->shm_moved = shm_moved;
	listener->shm_restless =
		shm_moved || was_moved || listener->target.files[FILE_SHM].path_fd < 0;
	listener->mode_known = listener->in_wal_mode = shm_moved || was_moved;
	return hear_events(listener, watch, err);
}

void listener_stop(struct lock_listener *listener)
{
	lock_trace_stop(&listener->trace);
	target_release(&listener->target);
	*listener = (struct lock_listener)LOCK_LISTENER_NONE;
}
