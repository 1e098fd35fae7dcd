/*
 * What the files of a database themselves say at one moment: header, wal-index, journal. Read for a moment each
 * (see target.h), together with the locks (lock_view.h), so that the two belong together.
 */
#ifndef COMMON_FILE_VIEW_H
#define COMMON_FILE_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/base/error.h"
#include "common/sqlite/database_files.h"
#include "common/sqlite/wal_index.h"
#include "common/target.h"

struct file_view {
	bool exists[FILE_COUNT];	     /* still at its path */
	uint64_t size[FILE_COUNT];	     /* bytes */
	struct timespec changed[FILE_COUNT]; /* last modification */
	struct database_header header;
	bool index_known; /* false: the wal-index is missing or cannot be trusted */
	struct wal_index index;
	uint8_t journal[JOURNAL_START_SIZE]; /* the first bytes of the journal */
	size_t journal_length;		     /* how many of them there are */
};

/* Fails only when the main file cannot be read. */
bool file_view_take(struct file_view *view, const struct target *target, struct error *err);

/*
 * How SQLite will treat the database: as its header says, but in WAL mode whenever a -wal with content lies
 * beside it, whatever the header says (pager.c, pagerOpenWalIfPresent).
 */
enum journal_mode file_view_mode(const struct file_view *view);

#endif
