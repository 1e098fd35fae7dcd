/* What statements of a stranger's may do; of script.c alone. */
#ifndef SQLITE_SCRIPT_RIGHTS_H
#define SQLITE_SCRIPT_RIGHTS_H

#include <stdbool.h>

#include "common/base/text.h"
#include "common/sqlite/script.h"

struct script_judge {
	enum script_rights rights;
	bool vacuum;	    /* the statement that runs is a VACUUM */
	struct text reason; /* why something of it was refused, any bytes; empty: nothing was */
};

/* SQLite's authorizer, for a struct script_judge. */
int script_judge(void *context, int action, const char *first, const char *second,
		 const char *database, const char *within);

#endif
