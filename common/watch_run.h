/*
 * Watching one database for a while: listens (lock_listener.h), says what changed, and in the end how often and how long
 * each lock was held (watch_report.h).
 *
 * What it costs is bounded: the kernel's buffer is emptied twenty times a second, a line says what happened in an
 * interval, and processes that have the database open without a lock are looked for only so often that it takes a half
 * per cent of one CPU at most.
 */
#ifndef COMMON_WATCH_RUN_H
#define COMMON_WATCH_RUN_H

#include <stdbool.h>

#include "common/base/cli.h"
#include "common/base/error.h"
#include "common/linux/proc_root.h"

struct watch_request {
	const char *tool;
	double interval;       /* seconds between two reports of changes */
	double seconds;	       /* how long; negative: until a signal asks for the end */
	int tracefs;	       /* lock_trace_reach()'s, or -1 */
	struct error untraced; /* then why */
	const struct cli_settings *settings; /* quiet: the figures in the end only */
	const char *svg; /* where the time line goes as a picture; NULL: nowhere */
	/* Takes each piece of the answer, at once; false when nobody can read it any more. */
	bool (*write)(const char *text);
};

/*
 * Until the time is up, a signal is pending (signals.h), or the answer cannot be written. False when the database cannot
 * be opened in the beginning, or the watch broke off.
 */
bool watch_run(const struct watch_request *request, const struct proc_root *root, const char *path,
	       struct error *err);

#endif
