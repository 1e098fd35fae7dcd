/*
 * A survey and what was decided about it, shown: as text for people and as JSON for programs. Both are made
 * from the same three values; nothing is decided here.
 */
#ifndef COMMON_REPORT_H
#define COMMON_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/text.h"
#include "common/diagnosis.h"
#include "common/survey.h"
#include "common/verdict.h"

struct json_t;

struct report_style {
	bool color;
	bool verbose; /* who the holders are, in full */
	size_t width; /* columns that a line should not pass, where names allow */
};

void report_text(struct text *text, const struct survey *survey, const struct verdict *verdict,
		 const struct diagnosis *diagnosis, const struct report_style *style);

/* PIDs one a line, for a script. */
void report_pids(struct text *text, const struct pid_list *pids);

/* One object with the keys that the man page lists under JSON. */
struct json_t *report_json(const char *tool, const struct survey *survey,
			   const struct verdict *verdict, const struct diagnosis *diagnosis)
	__attribute__((returns_nonnull, warn_unused_result));

/* The table of holders, with its heading; nothing when there are none. For report_text(). */
void report_holders(struct text *text, const struct survey *survey,
		    const struct report_style *style);

/* The holder's locks for people: "WRITE READ2", "-"; what each WAL connection holds anyway is left out. */
char *report_locks(const struct survey *survey, const struct holder *holder);

/* "write transaction, idle for 2.1 s+". free() it. */
char *report_activity(const struct survey *survey, const struct holder *holder);

#endif
