#include "common/restore.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/scope.h"
#include "common/base/signals.h"

void restore_release(struct restore *restore)
{
	work_folder_remove(&restore->work);
	scope_close(&restore->state_fd);
	backup_source_release(&restore->source);
	target_release(&restore->target);
	database_summary_release(&restore->before);
	database_summary_release(&restore->after);
	backup_names_release(&restore->aside);
	free(restore->shown);
	free(restore->folder);
	free(restore->absolute);
	free(restore->safety_copy);
	*restore = (struct restore)RESTORE_NONE;
}

double restore_lock_wait(const struct restore *restore)
{
	return restore->options.wait < 0 ? RESTORE_LOCK_WAIT : restore->options.wait;
}

static bool run(struct restore *restore, struct error *err)
{
	if (!restore_place(restore, err) ||
	    !work_folder_make(&restore->work, restore->state_fd, RESTORE_WORK_PREFIX,
			      restore->shown, err) ||
	    !restore_find(restore, err) || !restore_prepare(restore, err))
		return false;
	if (restore->options.dry_run)
		return true;
	if ((!restore->options.live || restore->method == RESTORE_RENAME) &&
	    !restore_is_unused(restore, 0, err))
		return false;
	return restore->method == RESTORE_RENAME ? restore_replace(restore, err)
						 : restore_pour(restore, err);
}

/* What a migration with --in-place wanted put back, if it was cut off, is not there any more. */
static bool forget_intent(const struct restore *restore, struct error *err)
{
	auto_free char *name = state_file_name(&restore->target, STATE_INTENT);

	return restore->options.dry_run ||
	       faccessat(restore->state_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 ||
	       state_file_remove(restore->state_fd, name, err);
}

bool restore_run(struct restore *restore, struct error *err)
{
	const double began = clock_now();
	const bool good = run(restore, err) && forget_intent(restore, err);

	restore->seconds = clock_now() - began;
	return good;
}
