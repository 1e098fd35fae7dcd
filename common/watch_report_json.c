/* The JSON of watch_report.h. */

#include <math.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/watch_report.h"

typedef struct json_t json;

static json *start_line(const struct watch_about *about, double time, const char *event)
{
	const double wall = time + about->wall_offset, whole = floor(wall);
	char stamp[CLOCK_STAMP_SIZE];
	json *line = json_new_object();

	clock_stamp((struct timespec){ .tv_sec = (time_t)whole,
				       .tv_nsec = (long)((wall - whole) * 1e9) },
		    stamp);
	json_put_number(line, "schema", 1);
	json_put_text(line, "tool", about->tool);
	json_put_text(line, "database", about->database);
	json_put_text(line, "time", stamp);
	json_put_text(line, "event", event);
	return line;
}

static const char *source_of(const struct watch_about *about)
{
	return about->traced ? "trace" : "samples";
}

json *watch_report_start_json(const struct watch_about *about, double now)
{
	json *line = start_line(about, now, "start");

	json_put_text(line, "source", source_of(about));
	json_put_text(line, "missing", about->traced ? NULL : about->untraced);
	json_put_text(line, "unseen", about->unseen);
	return line;
}

/* Nulls for a process that was gone before anybody could ask, for the earlier ones together, and for an OFD lock. */
static void put_process(json *object, pid_t pid, const struct process *process)
{
	if (pid > 0)
		json_put_number(object, "pid", pid);
	else
		json_put_null(object, "pid");
	if (process && process->known)
		json_put_texts(object, "command", process->command, process->command_count);
	else
		json_put_null(object, "command");
}

json *watch_report_change_json(const struct watch_about *about, const struct watch *watch,
			       const struct watch_change *change)
{
	static const char *const events[] = {
		[WATCH_TOOK] = "took",
		[WATCH_RELEASED] = "released",
		[WATCH_HELD] = "held",
		[WATCH_REFUSED] = "refused",
	};
	const struct watch_process *process = &watch->items[change->process];
	const struct watch_lock *lock = &process->by_kind[change->kind];
	json *line = start_line(about, change->time, events[change->what]), *behind = NULL;

	put_process(line, process->pid, process->process);
	json_put_text(line, "lock", watch_kind_name(change->kind));
	if (change->what == WATCH_TOOK) {
		json_put_bool(line, "from_before", lock->from_before);
	} else if (change->what == WATCH_RELEASED) {
		json_put_short_seconds(line, "seconds", change->total);
	} else if (change->what == WATCH_HELD) {
		json_put_number(line, "count", (int64_t)change->count);
		json_put_short_seconds(line, "total_seconds", change->total);
		json_put_short_seconds(line, "longest_seconds", change->longest);
	} else {
		json_put_number(line, "attempts", (int64_t)change->count);
		json_put_short_seconds(line, "seconds", change->total);
		behind = json_put_array(line, "behind");
		for (size_t i = 0; i < lock->wait.behind_count; i++)
			json_add_number(behind, lock->wait.behind[i]);
	}
	return line;
}

json *watch_report_note_json(const struct watch_about *about, const struct watch_note *note)
{
	json *line = start_line(about, note->time, note->event);

	if (note->process)
		put_process(line, note->process->pid, note->process);
	if (note->lost)
		json_put_number(line, "events", (int64_t)note->lost);
	return line;
}

static void put_durations(json *object, const struct durations *durations)
{
	json_put_number(object, "count", (int64_t)durations->count);
	json_put_short_seconds(object, "total_seconds", durations->total);
	json_put_short_seconds(object, "p50_seconds", durations_percentile(durations, 0.5));
	json_put_short_seconds(object, "p99_seconds", durations_percentile(durations, 0.99));
	json_put_short_seconds(object, "longest_seconds", durations->longest);
}

static void add_process(json *processes, const struct watch_process *process)
{
	json *object = json_new_object(), *locks = NULL;

	put_process(object, process->pid, process->process);
	locks = json_put_array(object, "locks");
	for (enum watch_kind kind = 0; kind < WATCH_KINDS; kind++) {
		const struct watch_lock *lock = &process->by_kind[kind];

		if (lock->durations.count == 0 && lock->refused == 0)
			continue;

		json *figures = json_new_object();

		json_put_text(figures, "lock", watch_kind_name(kind));
		put_durations(figures, &lock->durations);
		json_put_number(figures, "refused", (int64_t)lock->refused);
		json_add(locks, figures);
	}
	json_add(processes, object);
}

json *watch_report_totals_json(const struct watch_about *about, const struct watch *watch,
			       const struct watch_totals *totals)
{
	json *line = start_line(about, totals->now, "summary");

	json_put_short_seconds(line, "seconds", totals->now - watch->began);
	json_put_text(line, "source", source_of(about));
	if (about->traced) {
		json_put_number(line, "lost_events", (int64_t)about->lost);
		json_put_null(line, "period_seconds");
	} else {
		json_put_null(line, "lost_events");
		json_put_short_seconds(line, "period_seconds", totals->period);
	}
	json_put_number(line, "replaced", about->replaced);
	json_put_text(line, "unseen", about->unseen);
	put_durations(json_put_object(line, "writers_out"), &watch->writers_out);

	json *processes = json_put_array(line, "processes");

	for (size_t i = 0; i < watch->count; i++)
		add_process(processes, &watch->items[i]);
	return line;
}
