/*
 * What can be done with a database now: the "decide" step. A pure function of a survey.
 *
 * "Can read" means that a SELECT of a fresh connection would not be refused, "can write" that BEGIN IMMEDIATE would
 * not, "can migrate" that no other process has the database open. For the first two F_GETLK is the
 * judge; a list of processes only names who is in the way.
 */
#ifndef COMMON_VERDICT_H
#define COMMON_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/status.h"
#include "common/survey.h"

enum question { CAN_READ, CAN_WRITE, CAN_MIGRATE, QUESTION_COUNT };

/* "read", "write", "migrate". */
const char *question_name(enum question question);

/* False when the word names no question. */
bool question_parse(const char *word, enum question *question);

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

struct pid_list {
	pid_t *items; /* ascending */
	size_t count, capacity;
};

enum database_status { DATABASE_FREE, DATABASE_OPEN, DATABASE_LOCKED, DATABASE_UNKNOWN };

/* "free", "open", "locked", "unknown". */
const char *database_status_name(enum database_status status);

struct verdict {
	enum answer can[QUESTION_COUNT];
	struct pid_list
		blockers[QUESTION_COUNT]; /* for each no; empty when nobody visible is in the way */
	enum lock_slot
		blocking[QUESTION_COUNT]; /* for no to read or write: a lock that is in the way */
	enum database_status status;
};

#define auto_verdict __attribute__((cleanup(verdict_release))) struct verdict

/* `visible_only`: answer for what can be seen, as if nobody were hidden. */
void verdict_decide(const struct survey *survey, bool visible_only, struct verdict *verdict);
void verdict_release(struct verdict *verdict);

/* The exit status that answers one question. */
enum status verdict_exit_status(const struct verdict *verdict, enum question question);

#endif
