/*
 * Who is being refused now. A waiter of SQLite's does not wait in the kernel: it asks for the lock, is refused, sleeps
 * and asks again, so no list of locks names it. The kernel's events do (lock_listener.h). Without them there is a
 * sign that is only a guess: somebody is in the way of writers, the process has the database open and holds nothing
 * that keeps anybody out, and one of its threads sleeps for set times, again and again.
 */
#ifndef COMMON_WAITERS_H
#define COMMON_WAITERS_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/linux/proc_root.h"
#include "common/survey.h"
#include "common/verdict.h"

struct waiters_request {
	double seconds;	       /* how long to listen */
	int tracefs;	       /* lock_trace_reach()'s, or -1 */
	struct error untraced; /* why there is no trace; empty when there is one */
	uint64_t lost;	       /* out: events that the kernel could not keep */
};

/*
 * Listens, takes the survey while it does, decides, and adds the waiters to the survey. Where it cannot listen it
 * guesses, and request->untraced says why. False when the survey, or the listening, failed.
 */
bool waiters_survey(struct survey *survey, struct verdict *verdict, const struct proc_root *root,
		    const char *path, const struct survey_options *options, bool visible_only,
		    struct waiters_request *request, struct error *err);

/*
 * What a user must know of how the waiters were found: why they are a guess, or may be missing; printable. NULL when there
 * is nothing to know. free() it.
 */
char *waiters_doubt(const struct waiters_request *request);

#endif
