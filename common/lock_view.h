/*
 * The locks on a database's files at one moment: the kernel's list (who) and F_GETLK's answers (the truth).
 *
 * They cannot be had in one step, so the list is read before and after the questions, until two lists agree:
 * then nothing changed in between, and the answers belong to them. The files are read in between too.
 */
#ifndef COMMON_LOCK_VIEW_H
#define COMMON_LOCK_VIEW_H

#include "common/base/error.h"
#include "common/file_view.h"
#include "common/linux/lock_probe.h"
#include "common/linux/lock_table.h"
#include "common/linux/proc_root.h"
#include "common/sqlite/database_files.h"
#include "common/sqlite/lock_bytes.h"
#include "common/target.h"

struct lock_view {
	struct lock_table table;
	struct lock_probe probes[SLOT_COUNT];
	struct file_view files; /* what the files said at that moment */
	bool shm_hidden; /* the -shm may not be read: about its locks only the list could be asked */
	bool consistent; /* false: locks kept changing, and the parts are of different moments */
};

#define auto_lock_view __attribute__((cleanup(lock_view_release))) struct lock_view

/* Takes the view; on a database that is never still, the last of several tries. */
bool lock_view_take(struct lock_view *view, const struct proc_root *root,
		    const struct target *target, struct error *err);
void lock_view_release(struct lock_view *view);

/* Which of the target's files a lock is on; false when on none of them. */
bool lock_view_file(const struct target *target, const struct lock_line *line,
		    enum database_file *file);

#endif
