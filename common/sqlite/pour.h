/*
 * One database poured into another with the Online Backup API: as a copy, or as a restore into the file that is there,
 * which is one transaction of the destination (sqlite.org/backup.html; reference/copy_migrate.md 3.2).
 */
#ifndef SQLITE_POUR_H
#define SQLITE_POUR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/sqlite/connection.h"

struct sqlite3_backup;

struct pour {
	struct connection *from, *to;
	struct sqlite3_backup *backup; /* NULL: not begun */
};

/*
 * Begins. `from` must have a page, and should be in a read transaction: then it never starts again, whatever others write. `to` must have
 * none. With `wait` (seconds) it is patient about locks of `to`; then `to` is locked for writing, and nothing of it has
 * changed yet. Pages: how many there are.
 */
bool pour_begin(struct pour *pour, struct connection *from, struct connection *to, double wait,
		struct error *err);

/* How many pages there are, and how many are done; after pour_begin(). */
void pour_progress(const struct pour *pour, uint64_t *done, uint64_t *total);

/* Pours the next pages; *more is false when all are done. */
bool pour_step(struct pour *pour, int pages, bool *more, struct error *err);

/* How far a pour has come, in memory that is shared with who watches. */
struct pour_watch {
	_Atomic uint64_t done, total; /* pages */
	bool begun; /* pages were written: after a failure it must be found out what is there */
	bool committing; /* the step that commits has begun: it may be either */
};

/* Pours all pages that are left and commits; ends early when it is said to stop (connection_stop_when()). */
bool pour_all(struct pour *pour, struct pour_watch *watch, struct error *err);

/*
 * Commits. After a failure it is not known whether the destination is old or new (F22): look with a fresh connection of
 * a fresh process.
 */
bool pour_finish(struct pour *pour, struct error *err);

/* Gives up: the destination is as it was. */
void pour_drop(struct pour *pour);

#endif
