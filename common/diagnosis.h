/*
 * Why a database is in the state it is, and what to do: the rules. Pure functions of a survey and its verdict.
 *
 * Each rule is one small function and one row in a table; adding a rule is adding both. Rule names (ids) are
 * promises: scripts look for them. A fix is never harmful: none deletes a journal, none kills with SIGKILL.
 */
#ifndef COMMON_DIAGNOSIS_H
#define COMMON_DIAGNOSIS_H

#include "common/survey.h"
#include "common/verdict.h"

enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL };

/* "info", "warning", "critical". */
const char *severity_name(enum severity severity);

struct finding {
	const char *id; /* "idle-writer" */
	enum severity severity;
	struct pid_list pids; /* whom it is about; may be empty */
	char *why;	      /* one printable sentence */
	char *fix; /* one printable sentence or command; "" when there is nothing to do */
};

struct diagnosis {
	struct finding *items; /* the most severe first */
	size_t count, capacity;
};

#define auto_diagnosis __attribute__((cleanup(diagnosis_release))) struct diagnosis

void diagnosis_make(const struct survey *survey, const struct verdict *verdict,
		    struct diagnosis *diagnosis);
void diagnosis_release(struct diagnosis *diagnosis);

#endif
