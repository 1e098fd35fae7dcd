/*
 * One consistent state of a live database, copied to a file, without stopping anybody for longer than the copy takes
 * and without ever starting again, whatever the writers do.
 *
 * A read transaction of SQLite's ("the pin") is held meanwhile. Why the bytes under it are a state of the database:
 *
 * - Rollback mode: pages reach the main file only under an EXCLUSIVE lock, which nobody gets while the pin has SHARED.
 *   The main file alone is the state; a journal beside it speaks of changes that have not happened.
 * - WAL mode: only a checkpoint writes to the main file, and only pages of frames that every reader has in its snapshot.
 *   So the main file may change while it is copied, but each page that may change is in a frame of the WAL up to the end
 *   that the wal-index names after the pin was taken. Those frames stay where they are, since a WAL is not reset while a
 *   reader needs it. The newest frame of each page, over a copy of the main file however torn, is exactly the
 *   state at that end. All frames count, not only those after nBackfill: a checkpoint skips pages (wal.c, walCheckpoint).
 * - WAL mode, when all of the WAL was in the main file already as the pin was taken: then the pin is in slot 0, no
 *   checkpoint can write to the main file at all, and it alone is the state. Then, and only then, the WAL may be
 *   reset under us. That is noticed by its header, which has new salts each time; the frames are forgotten then.
 *
 * Where that cannot be relied on (a file system shared with other machines, no wal-index to read), or when asked, the
 * Online Backup API does it from the pinned connection. reference/copy_migrate.md 2 has the proof from SQLite's source.
 */
#ifndef COMMON_SNAPSHOT_H
#define COMMON_SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/base/digest.h"
#include "common/base/error.h"
#include "common/sqlite/database_files.h"
#include "common/target.h"

enum snapshot_method {
	SNAPSHOT_REFLINK,
	SNAPSHOT_COPY_RANGE,
	SNAPSHOT_READ_WRITE,
	SNAPSHOT_API,
};

/* "reflink", "copy_file_range", "read_write", "api". */
const char *snapshot_method_name(enum snapshot_method method) __attribute__((returns_nonnull));

/*
 * What to copy and how it went. In memory that is shared with the worker that does it (linux/worker.h), therefore
 * without pointers of its own; `target` and `shown` are read only.
 */
struct snapshot {
	const struct target *target;
	const char *shown; /* the database, printable */
	int folder_fd;	   /* the copy is made in there, and must not exist */
	const char *name;
	bool api; /* use the Online Backup API */
	bool held; /* another worker of ours holds it EXCLUSIVE since before the target was opened: take no lock */
	bool fleeting; /* the copy is worked on and thrown away: it is not synced, and has no digest */
	double wait; /* seconds to be patient about locks */

	_Atomic uint64_t done, total; /* bytes, for who watches */

	struct timespec taken; /* wall clock: the state is that of this moment, or a little later */
	enum snapshot_method method;
	enum journal_mode mode; /* of the source; the copy is in rollback mode */
	uint64_t size;		/* bytes of the copy */
	double lock_seconds;	/* how long the read lock was held */
	char digest[DIGEST_TEXT_SIZE];
};

/* A worker_function: takes the snapshot `argument`, a struct snapshot. The copy is synced (unless it is fleeting), its name is not. */
bool snapshot_take(void *argument, struct error *err);

#endif
