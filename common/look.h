/* What one run of dblockcheck asks of a database: once, until the answer is yes, over a while, or all the time. */
#ifndef COMMON_LOOK_H
#define COMMON_LOOK_H

#include <stdbool.h>

#include "common/base/cli.h"
#include "common/base/error.h"
#include "common/linux/proc_root.h"
#include "common/survey.h"
#include "common/verdict.h"
#include "common/waiters.h"
#include "common/watch_run.h"

struct look {
	struct survey_options options;
	enum question question;
	bool wait, visible_only, pids, metrics, trace, watching;
	const char *container; /* whose paths are meant; NULL: this machine's. Not owned */
	double wait_seconds;   /* negative: for ever */
	struct waiters_request waiters;
	struct watch_request watch;
};

/* What is asked without any option. */
#define LOOK_USUAL                                                                           \
	{                                                                                    \
		.options = { .scan = true, .sample_seconds = 0.2 }, .question = CAN_MIGRATE, \
		.wait_seconds = -1, .waiters = { .seconds = 1, .tracefs = -1 },              \
		.watch = { .interval = 1, .seconds = -1 },                                   \
	}

/* STATUS_USAGE for what cannot be asked for together, of so many databases. */
bool look_is_possible(const struct look *look, int operands, bool json, struct error *err);

/* For trace and watch: reaches the kernel's events while privileges are there, and holds signals back. */
void look_reach_events(struct look *look, const struct cli_settings *settings);

/* Watches, as watch_run(): a container's file only by a name that it has out here as well. */
bool look_watch(struct look *look, const struct proc_root *root, const char *path,
		struct error *err);

/* The survey and its verdict. Not for watching, which is look_watch(). */
bool look_take(struct look *look, struct survey *survey, struct verdict *verdict,
	       const struct proc_root *root, const char *path, struct error *err);

#endif
