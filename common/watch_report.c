/* The text of watch_report.h. */

#include "common/watch_report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/holder.h"

void watch_append_seconds(struct text *text, double seconds)
{
	if (seconds < 0.9995e-3)
		text_append(text, "%.0f µs", seconds * 1e6);
	else if (seconds < 0.9995)
		text_append(text, "%.1f ms", seconds * 1e3);
	else
		text_append(text, "%.2f s", seconds);
}

char *watch_short_command(const struct process *process)
{
	const struct holder holder = { .process = *process };
	auto_free char *whole = holder_command(&holder);
	const char *shown = whole;

	for (const char *at = whole; *whole == '/' && *at && *at != ' '; at++)
		if (*at == '/')
			shown = at + 1;
	return memory_copy_text(shown);
}

/* "12:15:00.123Z": the day is known to who looks on. */
static void append_time(struct text *text, const struct watch_about *about, double time)
{
	enum { DAY = 11 }; /* "2026-11-22T" */
	const double wall = time + about->wall_offset, whole = floor(wall);
	char stamp[CLOCK_STAMP_SIZE];

	clock_stamp((struct timespec){ .tv_sec = (time_t)whole,
				       .tv_nsec = (long)((wall - whole) * 1e9) },
		    stamp);
	text_append(text, "%s", stamp + DAY);
}

static void append_process(struct text *text, const struct watch_about *about, pid_t pid,
			   const struct process *process)
{
	const struct holder holder = { .process = process ? *process : (struct process){ 0 } };
	const bool known = process && process->known;
	auto_free char *command = known && !about->brief ? holder_command(&holder) : NULL;
	auto_free char *name = known && process->name ? text_printable(process->name) : NULL;

	if (pid == 0)
		text_append(text, "earlier processes");
	else if (pid < 0)
		text_append(text, "somebody (an OFD lock)");
	else
		text_append(text, "%d  %s", pid, command ? command : name ? name : "? (not known)");
}

void watch_report_start(struct text *text, const struct watch_about *about)
{
	text_append_printable(text, about->given);
	if (about->traced)
		text_append(text, ": watching the kernel's lock events, which miss no hold however "
				  "short");
	else
		text_append(text,
			    ": looking at /proc/locks every few milliseconds; holds that are "
			    "shorter, and refused attempts, can be missed (%s)",
			    about->untraced);
	if (about->unseen)
		text_append(text, "; %s", about->unseen);
	text_append(text, "\n");
}

static void append_behind(struct text *text, const struct watch_wait *wait)
{
	enum { MOST_NAMED = 4 };

	for (size_t i = 0; i < wait->behind_count && i < MOST_NAMED; i++)
		text_append(text, "%s%d", i ? ", " : ", behind ", wait->behind[i]);
	if (wait->behind_count > MOST_NAMED)
		text_append(text, " and %zu more", wait->behind_count - MOST_NAMED);
}

static void append_what(struct text *text, const struct watch_lock *lock, const char *name,
			const struct watch_change *change)
{
	switch (change->what) {
	case WATCH_TOOK:
		text_append(text, lock->from_before ? "has %s" : "took %s", name);
		return;
	case WATCH_RELEASED:
		text_append(text, "released %s after ", name);
		watch_append_seconds(text, change->total);
		return;
	case WATCH_HELD:
		if (change->count > 1) {
			text_append(text, "held %s %" PRIu64 " times, ", name, change->count);
			watch_append_seconds(text, change->total);
			text_append(text, " in all, at most ");
		} else {
			text_append(text, "held %s for ", name);
		}
		watch_append_seconds(text, change->longest);
		return;
	case WATCH_REFUSED:
		text_append(text, "is refused %s: %" PRIu64 " attempt%s", name, change->count,
			    change->count > 1 ? "s" : "");
		if (change->total > 0) {
			text_append(text, ", waiting for ");
			watch_append_seconds(text, change->total);
		}
		append_behind(text, &lock->wait);
		return;
	}
}

void watch_report_change(struct text *text, const struct watch_about *about,
			 const struct watch *watch, const struct watch_change *change)
{
	const struct watch_process *process = &watch->items[change->process];

	if (!about->verbose && change->what != WATCH_REFUSED &&
	    (change->kind == WATCH_DMS || change->kind == WATCH_PENDING))
		return;
	append_time(text, about, change->time);
	text_append(text, "  ");
	append_process(text, about, process->pid, process->process);
	text_append(text, "  ");
	append_what(text, &process->by_kind[change->kind], watch_kind_name(change->kind), change);
	text_append(text, "\n");
}

static const char *note_words(const char *event)
{
	static const struct {
		const char *event, *words;
	} all[] = {
		{ "opened", "has it open" },
		{ "closed", "does not have it open any more" },
		{ "replaced",
		  "the database was replaced by another file; the watch goes on with that" },
		{ "removed", "the database was removed; the watch waits for a new one" },
		{ "back", "there is a database again" },
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (strcmp(event, all[i].event) == 0)
			return all[i].words;
	return "the kernel's buffer ran over";
}

void watch_report_note(struct text *text, const struct watch_about *about,
		       const struct watch_note *note)
{
	append_time(text, about, note->time);
	text_append(text, "  ");
	if (note->process) {
		append_process(text, about, note->process->pid, note->process);
		text_append(text, "  ");
	}
	text_append(text, "%s", note_words(note->event));
	if (note->lost)
		text_append(text, ": %" PRIu64 " events are lost", note->lost);
	text_append(text, "\n");
}

static void append_right(struct text *text, double seconds, size_t columns)
{
	auto_text cell = { 0 };

	watch_append_seconds(&cell, seconds);

	const size_t used = text_columns(text_string(&cell));

	text_append(text, "%*s%s", (int)(used < columns ? columns - used : 0), "",
		    text_string(&cell));
}

static void append_row(struct text *text, const struct watch_process *process, enum watch_kind kind)
{
	enum { WIDE = 11 };
	const struct watch_lock *lock = &process->by_kind[kind];
	const struct durations *durations = &lock->durations;

	text_append(text, "  %-9s %9" PRIu64, watch_kind_name(kind), durations->count);
	append_right(text, durations->total, WIDE);
	append_right(text, durations_percentile(durations, 0.5), WIDE);
	append_right(text, durations_percentile(durations, 0.99), WIDE);
	append_right(text, durations->longest, WIDE);
	text_append(text, " %9" PRIu64 "\n", lock->refused);
}

static void append_rows(struct text *text, const struct watch_about *about,
			const struct watch_process *process)
{
	bool named = false;

	for (enum watch_kind kind = 0; kind < WATCH_KINDS; kind++) {
		const struct watch_lock *lock = &process->by_kind[kind];

		if ((lock->durations.count == 0 && lock->refused == 0) ||
		    (!about->verbose && kind == WATCH_DMS))
			continue;
		if (!named) {
			append_process(text, about, process->pid, process->process);
			text_append(text, "\n");
		}
		named = true;
		append_row(text, process, kind);
	}
}

/* What the figures leave out. */
static void append_doubts(struct text *text, const struct watch_about *about,
			  const struct watch_totals *totals)
{
	if (!about->traced) {
		text_append(text, "By looks ");
		watch_append_seconds(text, totals->period);
		text_append(text,
			    " apart: shorter holds, and refused attempts, can be missing, and "
			    "two holds can count as one");
	} else if (about->lost) {
		text_append(text,
			    "By the kernel's events, of which %" PRIu64 " were lost: some holds "
			    "were missed",
			    about->lost);
	} else if (about->replaced) {
		text_append(text, "By the kernel's events: no hold was missed, but for those on a "
				  "new file before it was noticed");
	} else {
		text_append(text, "By the kernel's events: no hold was missed");
	}
	if (about->unseen)
		text_append(text, "; %s", about->unseen);
	text_append(text, ".\n");
}

static bool saw_everything(const struct watch_about *about)
{
	return about->traced && !about->lost && !about->replaced && !about->unseen;
}

void watch_report_totals(struct text *text, const struct watch_about *about,
			 const struct watch *watch, const struct watch_totals *totals)
{
	const double watched = totals->now - watch->began;
	const struct durations *out = &watch->writers_out;

	text_append(text, "\nWatched for ");
	watch_append_seconds(text, watched);
	text_append(text, ". ");
	append_doubts(text, about, totals);
	text_append(text, "\n  LOCK          HOLDS      TOTAL        P50        P99    LONGEST   "
			  "REFUSED\n");
	for (size_t i = 0; i < watch->count; i++)
		append_rows(text, about, &watch->items[i]);
	if (out->count == 0) {
		text_append(text, saw_everything(about)
					  ? "\nA writer would have succeeded all the time.\n"
					  : "\nNothing that was seen kept writers out.\n");
		return;
	}
	text_append(text, "\nNobody else could write for ");
	watch_append_seconds(text, out->total);
	text_append(text, " in all (%.1f %%), at most ", 100 * out->total / fmax(watched, 1e-9));
	watch_append_seconds(text, out->longest);
	text_append(text, " at a time.\n");
}
