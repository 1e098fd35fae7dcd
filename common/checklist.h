/* The checklist before a migration, each point answered with the evidence. */
#ifndef COMMON_CHECKLIST_H
#define COMMON_CHECKLIST_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/migration.h"

enum { CHECKLIST_POINTS = 6 };

struct checklist_point {
	const char *id; /* "backup", "containers", "holders", "revision", "files", "rehearsed" */
	const char *question; /* "Is there a fresh verified backup?" */
	bool answer;
	char *evidence; /* printable */
};

struct checklist {
	struct checklist_point points[CHECKLIST_POINTS];
	bool all; /* every answer is yes */
};

/* After migration_look(). A question that cannot be answered is a no, with the reason as evidence. */
void checklist_fill(struct checklist *checklist, const struct migration *migration);
void checklist_release(struct checklist *checklist);

#endif
