/* SQLite's own checks of a whole database. Run them in a worker, on a copy. */
#ifndef SQLITE_INTEGRITY_H
#define SQLITE_INTEGRITY_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/sqlite/connection.h"

/* Weaker first. */
enum integrity {
	INTEGRITY_NONE,	 /* not looked at */
	INTEGRITY_QUICK, /* PRAGMA quick_check: all but whether indexes match their tables */
	INTEGRITY_FULL,	 /* PRAGMA integrity_check */
};

/* "none", "quick", "full". */
const char *integrity_name(enum integrity level) __attribute__((returns_nonnull));
bool integrity_parse(const char *word, enum integrity *level);

/*
 * STATUS_NO with SQLite's first complaint when the database is damaged. *level is lowered to what could be checked: the order of
 * an index cannot be where the application brings the collation.
 */
bool integrity_check(struct connection *connection, enum integrity *level, struct error *err);

#endif
