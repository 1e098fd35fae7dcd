/*
 * The migrations of a project as its engine knows them, which of them are applied, and what is wrong with them. Engines fill
 * it; plans and reports read it.
 */
#ifndef COMMON_REVISIONS_H
#define COMMON_REVISIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/base/names.h"

struct revision {
	char *version;	      /* "20260101120000", "3f2a9c1b7d10" */
	char *name;	      /* what it is for; "" when nobody said */
	char *file;	      /* "" when not known */
	struct names parents; /* versions that come before it (Alembic); none: it comes first */
	struct names needs;   /* others that have to be applied before it (Alembic's depends_on) */
	bool applied;
};

/* Something about the files that a person has to know before anything runs. */
struct revision_problem {
	const char *kind; /* "edited", "missing", "duplicate", "out-of-order", "unparsable", … */
	char *version;	  /* "" when it is not about one */
	char *message;	  /* printable */
	bool fatal;	  /* nothing may run */
};

struct revisions {
	struct revision *items; /* oldest first */
	size_t count, capacity;
	struct names heads; /* that nothing comes after */
	struct names
		current; /* where the database is; more than one only with Alembic's branches */
	struct {
		struct revision_problem *items;
		size_t count, capacity;
	} problems;
};

void revisions_release(struct revisions *revisions);

/* NULL: not known. */
const struct revision *revisions_find(const struct revisions *revisions, const char *version);

/* The words belong to `revisions` from here on; `message` is a printf format with printable words. */
void revisions_complain(struct revisions *revisions, const char *kind, bool fatal,
			const char *version, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Fails (STATUS_TROUBLE) with the first fatal problem, and says how many there are. */
bool revisions_are_sound(const struct revisions *revisions, struct error *err);

/* Names sorted and joined by commas, as a revision is shown; NULL for none. free() it. */
char *revisions_text(const struct names *versions);

#endif
