#include "common/watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"

/* Processes kept apart; of more, the earliest that hold nothing are counted together. */
enum { MOST_PROCESSES = 512 };

/* SQLite tries again every tenth of a second at the latest; who pauses longer than this has given up in between. */
static const double patience = 2;

static unsigned bit(enum watch_kind kind)
{
	return 1U << kind;
}

const unsigned watch_writing =
	1U << WATCH_RESERVED | 1U << WATCH_PENDING | 1U << WATCH_EXCLUSIVE | 1U << WATCH_WRITE;

/*
 * Which slot a kind is about, and which lock on it counts. SQLite takes no READ lock on RESERVED or WRITE, but another
 * program's lock on the whole file is one too, and refuses writers just the same.
 */
static const struct {
	const char *name;
	enum lock_slot slot;
	bool (*counts)(const struct lock_bytes *locks, enum lock_slot slot);
} kinds[WATCH_KINDS] = {
	[WATCH_SHARED] = { "SHARED", SLOT_SHARED, lock_bytes_reads },
	[WATCH_RESERVED] = { "RESERVED", SLOT_RESERVED, lock_bytes_holds },
	[WATCH_PENDING] = { "PENDING", SLOT_PENDING, lock_bytes_writes },
	[WATCH_EXCLUSIVE] = { "EXCLUSIVE", SLOT_SHARED, lock_bytes_writes },
	[WATCH_WRITE] = { "WRITE", SLOT_WRITE, lock_bytes_holds },
	[WATCH_CKPT] = { "CKPT", SLOT_CKPT, lock_bytes_writes },
	[WATCH_RECOVER] = { "RECOVER", SLOT_RECOVER, lock_bytes_writes },
	[WATCH_READ0] = { "READ0", SLOT_READ0, lock_bytes_reads },
	[WATCH_READ0 + 1] = { "READ1", SLOT_READ1, lock_bytes_reads },
	[WATCH_READ0 + 2] = { "READ2", SLOT_READ2, lock_bytes_reads },
	[WATCH_READ0 + 3] = { "READ3", SLOT_READ3, lock_bytes_reads },
	[WATCH_READ4] = { "READ4", SLOT_READ4, lock_bytes_reads },
	[WATCH_DMS] = { "DMS", SLOT_DMS, lock_bytes_reads },
	[WATCH_FOREIGN] = { "FOREIGN", SLOT_COUNT, NULL },
};

const char *watch_kind_name(enum watch_kind kind)
{
	return kinds[kind].name;
}

enum lock_slot watch_wanted_slot(enum watch_kind kind, bool *write)
{
	*write = kinds[kind].counts != lock_bytes_reads;
	/* The way to SHARED leads over PENDING. */
	return kind == WATCH_SHARED ? SLOT_PENDING : kinds[kind].slot;
}

unsigned watch_kinds_of(const struct lock_bytes *locks)
{
	unsigned found = locks->foreign ? bit(WATCH_FOREIGN) : 0;

	for (enum watch_kind kind = 0; kind < WATCH_FOREIGN; kind++)
		if (kinds[kind].counts(locks, kinds[kind].slot))
			found |= bit(kind);
	/* Who raises SHARED to EXCLUSIVE has not let go of it, and comes back to it after the commit. */
	return found & bit(WATCH_EXCLUSIVE) ? found | bit(WATCH_SHARED) : found;
}

void watch_start(struct watch *watch, double now)
{
	*watch = (struct watch){ .began = now };
}

static void release_process(struct watch_process *process)
{
	for (enum watch_kind kind = 0; kind < WATCH_KINDS; kind++) {
		durations_release(&process->by_kind[kind].durations);
		free(process->by_kind[kind].wait.behind);
	}
	free(process->owners);
	free(process->columns);
	free(process->recent);
	if (process->process)
		process_release(process->process);
	free(process->process);
}

void watch_release(struct watch *watch)
{
	for (size_t i = 0; i < watch->count; i++)
		release_process(&watch->items[i]);
	free(watch->items);
	durations_release(&watch->writers_out);
	*watch = (struct watch){ 0 };
}

struct watch_process *watch_find(const struct watch *watch, pid_t pid)
{
	/* The latest are the busiest. */
	for (size_t i = watch->count; i > 0; i--)
		if (watch->items[i - 1].pid == pid && !watch->items[i - 1].gone)
			return &watch->items[i - 1];
	return NULL;
}

/* Makes room: the one that was seen longest ago and holds nothing goes to the first row, which is nobody's own. */
static void make_room(struct watch *watch)
{
	size_t oldest = 0;

	if (watch->items[0].pid != 0) {
		(void)memory_append(watch);
		memmove(watch->items + 1, watch->items, (watch->count - 1) * sizeof *watch->items);
		watch->items[0] = (struct watch_process){ 0 };
	}
	for (size_t i = 1; i < watch->count; i++)
		if (watch->items[i].kinds == 0 &&
		    (oldest == 0 || watch->items[i].last_seen < watch->items[oldest].last_seen))
			oldest = i;
	if (oldest == 0)
		return;
	watch_merge(&watch->items[0], &watch->items[oldest]);
	release_process(&watch->items[oldest]);
	watch->count--;
	memmove(&watch->items[oldest], &watch->items[oldest + 1],
		(watch->count - oldest) * sizeof *watch->items);
}

static struct watch_process *find_or_add(struct watch *watch, pid_t pid, double now)
{
	struct watch_process *process = watch_find(watch, pid);

	if (!process) {
		if (watch->count >= MOST_PROCESSES)
			make_room(watch);
		process = memory_append(watch);
		process->pid = pid;
		process->first_seen = now;
	}
	process->last_seen = now;
	return process;
}

static void begin_hold(struct watch_lock *lock, double now, bool from_before)
{
	lock->held = true;
	lock->told = false;
	lock->from_before = from_before;
	lock->since = now;
	lock->fresh = true;
	lock->wait.attempts = 0;
}

static void end_hold(struct watch_lock *lock, double now)
{
	const double seconds = fmax(now - lock->since, 0);
	struct watch_news *news = &lock->news;

	durations_add(&lock->durations, seconds);
	lock->held = false;
	if (lock->told) {
		news->released = true;
		news->released_at = now;
		news->released_after = seconds;
		return;
	}
	if (news->holds.count++ == 0)
		news->holds.first = lock->since;
	news->holds.total += seconds;
	news->holds.longest = fmax(news->holds.longest, seconds);
}

/* Somebody began or ceased to keep writers out. */
static void count_writing(struct watch *watch, unsigned before, unsigned after, double now)
{
	const bool did = before & watch_writing, does = after & watch_writing;

	if (does && !did && watch->writing++ == 0)
		watch->writing_since = now;
	if (did && !does && --watch->writing == 0)
		durations_add(&watch->writers_out, fmax(now - watch->writing_since, 0));
}

/* Compares what the process held with what it holds. */
static void settle(struct watch *watch, struct watch_process *process, double now, bool first_look)
{
	const unsigned before = process->kinds;
	struct lock_bytes all = { 0 };

	for (size_t i = 0; i < process->owner_count; i++) {
		all.reads |= process->owners[i].locks.reads;
		all.writes |= process->owners[i].locks.writes;
		all.foreign |= process->owners[i].locks.foreign;
	}
	process->locks = all;
	process->kinds = watch_kinds_of(&all);
	for (enum watch_kind kind = 0; kind < WATCH_KINDS; kind++) {
		if (process->kinds & ~before & bit(kind))
			begin_hold(&process->by_kind[kind], now, first_look);
		if (before & ~process->kinds & bit(kind))
			end_hold(&process->by_kind[kind], now);
	}
	count_writing(watch, before, process->kinds, now);
}

static struct watch_owner *find_owner(struct watch_process *process, uint64_t id)
{
	for (size_t i = 0; i < process->owner_count; i++)
		if (process->owners[i].id == id)
			return &process->owners[i];
	return NULL;
}

static struct watch_owner *find_or_add_owner(struct watch_process *process, uint64_t id)
{
	struct watch_owner *owner = find_owner(process, id);

	if (owner)
		return owner;
	process->owners = memory_grow(process->owners, &process->owner_capacity,
				      process->owner_count + 1, sizeof *process->owners);
	owner = &process->owners[process->owner_count++];
	*owner = (struct watch_owner){ .id = id };
	return owner;
}

/* The process one of whose open files that is, by the locks that it holds; NULL for none. */
static struct watch_process *find_opener(const struct watch *watch, uint64_t open_file)
{
	for (size_t i = 0; open_file && watch->has_open_files && i < watch->count; i++)
		if (find_owner(&watch->items[i], open_file))
			return &watch->items[i];
	return NULL;
}

/* Open files come and go by the thousand: who holds nothing is forgotten. */
static void forget_idle_owner(struct watch_process *process, uint64_t id)
{
	struct watch_owner *owner = find_owner(process, id);

	if (id && owner && lock_bytes_none(&owner->locks))
		*owner = process->owners[--process->owner_count];
}

static void apply(struct watch_owner *owner, const struct watch_event *event)
{
	struct lock_bytes asked = { 0 };

	lock_bytes_add(&asked, event->file, event->first, event->last, true);
	owner->locks.reads &= (uint16_t)~asked.writes;
	owner->locks.writes &= (uint16_t)~asked.writes;
	if (event->act == WATCH_UNLOCKS) {
		if (event->first == 0 && event->last == UINT64_MAX)
			owner->locks.foreign = false;
		return;
	}
	lock_bytes_add(&owner->locks, event->file, event->first, event->last,
		       event->act == WATCH_TAKES_WRITE);
}

/*
 * SQLite comes to SHARED through a READ lock on PENDING. It tries to move a reader's mark by a WRITE lock on its slot, and
 * takes another slot when that is refused: that is nobody waiting.
 */
enum watch_kind watch_kind_wanted(const struct lock_bytes *asked)
{
	if (lock_bytes_reads(asked, SLOT_PENDING))
		return WATCH_SHARED;
	for (enum watch_kind kind = WATCH_RESERVED; kind < WATCH_FOREIGN; kind++)
		if (watch_kinds_of(asked) & bit(kind))
			return kind;
	if (watch_kinds_of(asked) & bit(WATCH_SHARED))
		return WATCH_SHARED;
	return WATCH_KINDS;
}

static enum watch_kind wanted_by(const struct watch_event *event)
{
	struct lock_bytes asked = { 0 };

	lock_bytes_add(&asked, event->file, event->first, event->last,
		       event->act == WATCH_TAKES_WRITE);
	return watch_kind_wanted(&asked);
}

/* Whose locks refuse the call. */
static void note_behind(const struct watch *watch, const struct watch_event *event,
			struct watch_wait *wait)
{
	struct lock_bytes asked = { 0 };
	const bool write = event->act == WATCH_TAKES_WRITE;

	lock_bytes_add(&asked, event->file, event->first, event->last, true);
	wait->behind_count = 0;
	for (size_t i = 0; i < watch->count; i++) {
		const struct watch_process *other = &watch->items[i];

		if (other->pid == event->pid || other->gone ||
		    !((other->locks.writes | (write ? other->locks.reads : 0)) & asked.writes))
			continue;
		wait->behind = memory_grow(wait->behind, &wait->behind_capacity,
					   wait->behind_count + 1, sizeof *wait->behind);
		wait->behind[wait->behind_count++] = other->pid;
	}
}

bool watch_waits(const struct watch_lock *lock, double now)
{
	return lock->wait.attempts > 0 && now - lock->wait.last <= patience;
}

static void take_refusal(struct watch *watch, struct watch_process *process,
			 const struct watch_event *event)
{
	const enum watch_kind kind = wanted_by(event);

	if (kind == WATCH_KINDS)
		return;

	struct watch_lock *lock = &process->by_kind[kind];

	if (!watch_waits(lock, event->time)) {
		lock->wait.attempts = 0;
		lock->wait.first = event->time;
	}
	lock->wait.attempts++;
	lock->wait.last = event->time;
	note_behind(watch, event, &lock->wait);
	lock->refused++;
	lock->fresh_refused = true;
	if (lock->news.refused++ == 0)
		lock->news.refused_first = event->time;
}

void watch_take_event(struct watch *watch, const struct watch_event *event)
{
	/* Whoever unlocks or closes it last, maybe a child: it is about the locks of that open file. */
	struct watch_process *process = event->refused ? NULL : find_opener(watch, event->owner);
	const uint64_t owner = process || event->ofd ? event->owner : 0;

	if (!process)
		process = watch_find(watch, event->pid);
	/* A child that closes what it inherited holds nothing and is nobody; nor does an open file that we do not know. */
	if (event->act == WATCH_UNLOCKS && (!process || !find_owner(process, owner)))
		return;
	process = find_or_add(watch, process ? process->pid : event->pid, event->time);
	if (event->refused) {
		take_refusal(watch, process, event);
		return;
	}
	watch->has_open_files |= event->ofd;
	apply(find_or_add_owner(process, owner), event);
	forget_idle_owner(process, owner);
	settle(watch, process, event->time, false);
}

void watch_take_look(struct watch *watch, double now, const struct watch_seen *seen, size_t count)
{
	const bool first_look = now <= watch->began;

	for (size_t i = 0; i < watch->count; i++)
		watch->items[i].owner_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct watch_process *process = find_or_add(watch, seen[i].pid, now);

		find_or_add_owner(process, 0)->locks = seen[i].locks;
	}
	for (size_t i = 0; i < watch->count; i++)
		settle(watch, &watch->items[i], now, first_look);
}

void watch_forget(struct watch *watch, pid_t pid, double now)
{
	struct watch_process *process = watch_find(watch, pid);

	if (!process)
		return;
	process->owner_count = 0;
	settle(watch, process, now, false);
	process->gone = true;
}

void watch_finish(struct watch *watch, double now)
{
	for (size_t i = 0; i < watch->count; i++) {
		watch->items[i].owner_count = 0;
		settle(watch, &watch->items[i], now, false);
	}
}
