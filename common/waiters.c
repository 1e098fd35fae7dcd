#include "common/waiters.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/signals.h"
#include "common/linux/nap.h"
#include "common/linux/privileges.h"
#include "common/lock_listener.h"
#include "common/watch_identify.h"

/* Between two calls that empty the kernel's buffer; who lives shorter than that is told without a name. */
static const double pause_seconds = 0.02;

/* SQLite's longest pause between two attempts is a tenth of a second. */
static const double nap_seconds = 0.25;

char *waiters_doubt(const struct waiters_request *request)
{
	if (*request->untraced.text)
		return memory_format("no trace, so who waits is a guess: %s",
				     request->untraced.text);
	if (request->lost)
		return memory_format("%" PRIu64 " of the kernel's lock events were lost: some who "
				     "wait may be missing",
				     request->lost);
	return NULL;
}

/* Listens until `until`, or until a signal asks for the end. */
static bool listen_until(struct lock_listener *listener, struct watch *watch, double until,
			 struct error *err)
{
	enum listener_news news = LISTENER_SAME;

	for (;;) {
		if (!listener_hear(listener, watch, &news, err) || !signals_check(err))
			return false;
		watch_identify(watch, listener->root);

		const double now = clock_now();

		if (now >= until)
			return true;
		clock_sleep_until(now + pause_seconds < until ? now + pause_seconds : until);
	}
}

/* Hands over from the watch, which does not need it any more. */
static void add_waiter(struct survey *survey, struct watch_process *process, enum watch_kind kind)
{
	struct watch_wait *wait = &process->by_kind[kind].wait;
	struct waiter *waiter = memory_append(&survey->waiters);

	waiter->process.pid = process->pid;
	if (process->process) {
		waiter->process = *process->process;
		free(take_pointer(&process->process));
	}
	waiter->wants = watch_kind_name(kind);
	waiter->behind = take_pointer(&wait->behind);
	waiter->behind_count = wait->behind_count;
	waiter->attempts = wait->attempts;
	waiter->seconds = wait->last - wait->first;
}

static bool is_in_the_way(const struct lock_bytes *held, const struct lock_bytes *wanted)
{
	return (held->writes & (wanted->reads | wanted->writes)) || (held->reads & wanted->writes);
}

/* Who asked to be put to sleep until the lock is free, as SQLite can be built to do. The list of locks names them. */
static void take_sleepers(struct survey *survey, const struct proc_root *root)
{
	const struct holders *holders = &survey->holders;
	struct error ignored = { 0 };

	for (size_t i = 0; i < holders->count; i++) {
		const struct holder *holder = &holders->items[i];
		const enum watch_kind kind = watch_kind_wanted(&holder->wanted);

		if (kind == WATCH_KINDS)
			continue;

		struct waiter *waiter = memory_append(&survey->waiters);

		waiter->in_kernel = true;
		waiter->wants = watch_kind_name(kind);
		waiter->process.pid = holder->process.pid;
		(void)processes_read(root, &waiter->process, 1, &ignored);
		waiter->behind = memory_allocate(holders->count, sizeof *waiter->behind);
		for (size_t k = 0; k < holders->count; k++)
			if (k != i && is_in_the_way(&holders->items[k].locks, &holder->wanted))
				waiter->behind[waiter->behind_count++] =
					holders->items[k].process.pid;
	}
}

static int by_pid(const void *left, const void *right)
{
	const struct waiter *a = left, *b = right;

	return (a->process.pid > b->process.pid) - (a->process.pid < b->process.pid);
}

/* What it asked for last is what it waits for. */
static enum watch_kind latest_wait(const struct watch_process *process, double now)
{
	enum watch_kind latest = WATCH_KINDS;

	for (enum watch_kind kind = 0; kind < WATCH_KINDS; kind++)
		if (watch_waits(&process->by_kind[kind], now) &&
		    (latest == WATCH_KINDS ||
		     process->by_kind[kind].wait.last > process->by_kind[latest].wait.last))
			latest = kind;
	return latest;
}

/* For who looks whether two of them wait for each other. */
static void note_wanted(struct survey *survey, pid_t pid, enum watch_kind kind)
{
	bool write = false;
	const struct lock_range range = lock_slot_range(watch_wanted_slot(kind, &write));
	struct holder *holder = survey_find(survey, pid);

	if (holder)
		lock_bytes_add(&holder->wanted, range.file, range.start,
			       range.start + range.length - 1, write);
}

static void take_waiters(struct survey *survey, struct watch *watch, double now)
{
	for (size_t i = 0; i < watch->count; i++) {
		const enum watch_kind kind = latest_wait(&watch->items[i], now);

		if (kind == WATCH_KINDS || watch->items[i].gone)
			continue;
		note_wanted(survey, watch->items[i].pid, kind);
		add_waiter(survey, &watch->items[i], kind);
	}
	if (survey->waiters.count > 1)
		qsort(survey->waiters.items, survey->waiters.count, sizeof *survey->waiters.items,
		      by_pid);
}

static bool take_and_decide(struct survey *survey, struct verdict *verdict,
			    const struct proc_root *root, const char *path,
			    const struct survey_options *options, bool visible_only,
			    struct error *err)
{
	if (!survey_take(survey, root, path, options, err))
		return false;
	verdict_decide(survey, visible_only, verdict);
	return true;
}

/* Holds nothing that keeps anybody out, though it uses the database. */
static bool may_wait(const struct survey *survey, const struct holder *holder)
{
	const uint16_t connected = 1U << SLOT_SHARED | 1U << SLOT_DMS;
	const uint16_t harmless = survey->mode == JOURNAL_WAL ? connected : 0;

	return !holder_is_bystander(holder) && holder_uses_current(holder) &&
	       !holder->locks.writes && !holder->locks.foreign &&
	       !(holder->locks.reads & ~harmless);
}

static void add_guess(struct survey *survey, const struct verdict *verdict,
		      const struct holder *holder, const struct proc_root *root)
{
	const struct pid_list *blockers = &verdict->blockers[CAN_WRITE];
	struct waiter *waiter = memory_append(&survey->waiters);
	struct error ignored = { 0 };

	waiter->guessed = true;
	waiter->process.pid = holder->process.pid;
	(void)processes_read(root, &waiter->process, 1, &ignored);
	waiter->behind = memory_allocate(blockers->count + 1, sizeof *waiter->behind);
	for (size_t i = 0; i < blockers->count; i++)
		waiter->behind[waiter->behind_count++] = blockers->items[i];
}

static void guess(struct survey *survey, const struct verdict *verdict,
		  const struct proc_root *root)
{
	const struct holders *holders = &survey->holders;
	auto_free struct nap *before = memory_allocate(holders->count + 1, sizeof *before);

	if (verdict->can[CAN_WRITE] != ANSWER_NO)
		return;
	privileges_raise();
	for (size_t i = 0; i < holders->count; i++)
		if (may_wait(survey, &holders->items[i]))
			before[i] = nap_look(root, holders->items[i].process.pid);
	clock_sleep_until(clock_now() + nap_seconds);
	for (size_t i = 0; i < holders->count; i++) {
		const struct nap after = before[i].asleep
						 ? nap_look(root, holders->items[i].process.pid)
						 : (struct nap){ 0 };

		if (nap_again(&before[i], &after))
			add_guess(survey, verdict, &holders->items[i], root);
	}
	privileges_lower();
}

bool waiters_survey(struct survey *survey, struct verdict *verdict, const struct proc_root *root,
		    const char *path, const struct survey_options *options, bool visible_only,
		    struct waiters_request *request, struct error *err)
{
	auto_lock_listener listener = LOCK_LISTENER_NONE;
	struct watch watch = { 0 };
	bool done = listener_start(&listener, &watch, request->tracefs, &request->untraced, root,
				   path, err);
	const double until = clock_now() + request->seconds;

	if (done && !listener.traced) {
		request->untraced = listener.untraced;
		done = take_and_decide(survey, verdict, root, path, options, visible_only, err);
		if (done)
			take_sleepers(survey, root);
		if (done)
			guess(survey, verdict, root);
	} else if (done) {
		/* The survey last, so that it speaks of the same moment as the last attempts. */
		done = listen_until(&listener, &watch, until - options->sample_seconds, err) &&
		       take_and_decide(survey, verdict, root, path, options, visible_only, err) &&
		       listen_until(&listener, &watch, clock_now() + pause_seconds, err);
		watch_bury(&watch, root, clock_now());
		if (done)
			take_sleepers(survey, root);
		if (done)
			take_waiters(survey, &watch, clock_now());
	}
	request->lost = listener.lost;
	watch_release(&watch);
	return done;
}
