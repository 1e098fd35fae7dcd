/*
 * A watch (watch.h), shown: its changes a line each, and in the end its figures; as text for people, and as JSON lines for
 * programs. Nothing is decided here.
 */
#ifndef COMMON_WATCH_REPORT_H
#define COMMON_WATCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"
#include "common/watch.h"

struct json_t;

/* What a watch is about, and how it comes to know. */
struct watch_about {
	const char *tool;
	const char *given;    /* the database as the user wrote it */
	const char *database; /* its absolute path */
	bool traced;	      /* by the kernel's events; else by looks at /proc/locks */
	const char *untraced; /* why not, when not */
	uint64_t lost;	      /* events that the kernel could not keep */
	unsigned replaced;    /* times that another file was found at the path */
	const char *unseen;   /* whose locks cannot be seen from here at all; NULL: nobody's */
	double wall_offset;   /* wall clock minus clock_now(), seconds */
	bool brief;	      /* a process by its name only, where there is little room */
	bool verbose; /* also what SQLite holds on the way only (PENDING), or always (DMS) */
};

/* Something about the database, or about who has it open, that is no lock. */
struct watch_note {
	double time;
	const char *event; /* "opened", "closed", "replaced", "removed", "back", "lost" */
	const struct process *process; /* whom it is about; NULL: the file */
	uint64_t lost;		       /* events that the kernel could not keep, for "lost" */
};

/* How the watch works and what it can miss. */
void watch_report_start(struct text *text, const struct watch_about *about);
struct json_t *watch_report_start_json(const struct watch_about *about, double now);

/* One change. The text is empty for one that only --verbose shows. */
void watch_report_change(struct text *text, const struct watch_about *about,
			 const struct watch *watch, const struct watch_change *change);
struct json_t *watch_report_change_json(const struct watch_about *about, const struct watch *watch,
					const struct watch_change *change);

void watch_report_note(struct text *text, const struct watch_about *about,
		       const struct watch_note *note);
struct json_t *watch_report_note_json(const struct watch_about *about,
				      const struct watch_note *note);

/* The figures, of a watch that is finished; `period` is the mean time between two looks, where it looked. */
struct watch_totals {
	double now, period;
};

void watch_report_totals(struct text *text, const struct watch_about *about,
			 const struct watch *watch, const struct watch_totals *totals);
struct json_t *watch_report_totals_json(const struct watch_about *about, const struct watch *watch,
					const struct watch_totals *totals);

/* The command of a process that is known without the folder of its program, where there is little room; free() it. */
char *watch_short_command(const struct process *process) __attribute__((returns_nonnull));

/* "340 µs", "1.2 ms", "2.50 s". */
void watch_append_seconds(struct text *text, double seconds);

#endif
