#include "common/restore_compare.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/base/scope.h"
#include "common/linux/worker.h"
#include "common/sqlite/database_content.h"

/* A snapshot of what is there now, in a private folder; -1 when there is none to be had. */
static int take_now(struct restore *restore, struct work_folder *work)
{
	struct error ignored = { 0 };
	struct snapshot *snapshot = NULL;
	bool good = false;

	if (!work_folder_make(work, restore->state_fd, RESTORE_WORK_PREFIX, restore->shown,
			      &ignored))
		return -1;
	snapshot = worker_share(sizeof *snapshot);
	*snapshot = (struct snapshot){
		.target = &restore->target,
		.shown = restore->shown,
		.folder_fd = work->fd,
		.name = WORK_COPY,
		.wait = 10,
	};
	good = worker_run("looking what is there", snapshot_take, snapshot, NULL, &ignored);
	worker_unshare(snapshot, sizeof *snapshot);
	return good ? openat(work->fd, WORK_COPY, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
}

enum compare_result restore_compare(struct restore *restore)
{
	auto_work_folder work = WORK_FOLDER_NONE;
	auto_close int now = take_now(restore, &work);
	auto_close int new = openat(restore->work.fd, WORK_COPY, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	auto_close int old = restore->safety_copy
				     ? open(restore->safety_copy, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
				     : -1;

	if (now < 0)
		return COMPARE_UNKNOWN;
	if (new >= 0 && database_same_content(now, new))
		return COMPARE_NEW;
	return old >= 0 && database_same_content(now, old) ? COMPARE_OLD : COMPARE_NEITHER;
}
