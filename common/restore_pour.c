/* The restore by transaction; see restore.h. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/backup_destination.h"
#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/signals.h"
#include "common/holders_text.h"
#include "common/linux/worker.h"
#include "common/restore.h"
#include "common/restore_compare.h"
#include "common/sqlite/pour.h"
#include "common/target_connection.h"

/* What the worker that holds the database is given, and gives back. */
struct pouring {
	const struct restore *restore;
	struct pour_watch watch;
};

/*
 * A worker_function: takes the write lock, waits until the parent has made sure of everything, and pours. Closing may
 * checkpoint as SQLite does: that needs the database to be held by nobody else.
 */
static bool pour(void *argument, struct error *err)
{
	struct pouring *pouring = argument;
	const struct restore *restore = pouring->restore;
	const struct target *target = &restore->target;
	auto_free char *from_path = connection_path(restore->work.fd, WORK_COPY);
	auto_free char *to_path = connection_path(target->folder_fd, target->name);
	auto_connection from = { 0 }, to = { 0 };
	__attribute__((cleanup(pour_drop))) struct pour work = { 0 };

	connection_stop_when(worker_should_stop);
	if (!connection_open(&from, from_path, CONNECTION_READ, 0, restore->source.shown, err) ||
	    !connection_pin(&from, err) ||
	    !connection_open(&to, to_path, CONNECTION_WRITE, restore_lock_wait(restore),
			     restore->shown, err) ||
	    !connection_make_durable(&to, err) ||
	    !pour_begin(&work, &from, &to, restore_lock_wait(restore), err))
		return false;
	if (connection_has_moved(&to) || !target_is_same_file(target))
		return fail(err, STATUS_TROUBLE, "%s: was replaced while it was being opened",
			    restore->shown);
	if (!worker_pause())
		return fail(err, STATUS_TROUBLE, "given up");
	if (!pour_all(&work, &pouring->watch, err))
		return false;
	connection_allow_checkpoint(&to);
	return connection_close(&to, err);
}

/* --- the parent, while the worker holds the write lock -------------------------------------------------------------- */

/*
 * Which mode it is in now, with the worker's lock on it; somebody may have changed that before. In rollback mode that lock is
 * EXCLUSIVE, and keeps the file still for us. Anything else is read as a WAL is, and refused if it is none.
 */
static bool is_in_rollback_mode(const struct restore *restore)
{
	auto_free char *wal_name =
		memory_format("%s%s", restore->target.name, database_file_suffix(FILE_WAL));
	struct database_header header = { 0 };
	struct stat wal = { 0 };

	if (!target_header(&restore->target, &header))
		return false;
	return header.mode == JOURNAL_ROLLBACK &&
	       (fstatat(restore->target.folder_fd, wal_name, &wal, AT_SYMLINK_NOFOLLOW) != 0 ||
		wal.st_size == 0);
}

/* One try; `verify` is what the safety copy must pass. */
static bool try_safety_copy(struct restore *restore, const struct destination *place,
			    enum integrity verify, struct error *err)
{
	auto_backup backup = BACKUP_NONE;

	backup.target = &restore->target;
	backup.folder_fd = place->folder_fd;
	backup.folder = place->folder;
	backup.progress = restore->progress;
	backup.options = (struct backup_options){
		.verify = verify,
		.held = is_in_rollback_mode(restore),
		.wait = RESTORE_LOCK_WAIT,
	};
	if (!backup_make(&backup, err) || !backup_publish(&backup, err))
		return false;
	restore->safety_copy = memory_copy_text(backup.path);
	restore->safety_verified = verify != INTEGRITY_NONE;
	return true;
}

static bool make_safety_copy(struct restore *restore, const struct destination *place,
			     struct error *err)
{
	if (restore->options.no_safety || try_safety_copy(restore, place, INTEGRITY_QUICK, err))
		return true;
	if (err->status != STATUS_NO)
		return false;
	/* What is there is damaged: the more reason to keep it, as it is. */
	*err = (struct error){ 0 };
	return try_safety_copy(restore, place, INTEGRITY_NONE, err);
}

/* Where the safety copy goes; nobody else works in there. Found before anybody has to wait for us. */
static bool open_safety_folder(const struct restore *restore, struct destination *place,
			       struct error *err)
{
	if (restore->options.safety)
		return destination_open_folder(place, restore->options.safety, err) &&
		       destination_lock(place, restore_lock_wait(restore), err);
	place->folder = memory_format("%s" STATE_FOLDER, restore->folder);
	place->folder_fd = fcntl(restore->state_fd, F_DUPFD_CLOEXEC, 3);
	return place->folder_fd >= 0 ||
	       fail_errno(err, STATUS_TROUBLE, "%s: cannot keep a safety copy", restore->shown);
}

static void watch(void *context)
{
	const struct pouring *pouring = context;
	const struct restore *restore = pouring->restore;
	const uint64_t size = (uint64_t)restore->after.facts.page_size;

	if (restore->progress)
		progress_show(restore->progress, "restoring",
			      atomic_load(&pouring->watch.done) * size,
			      atomic_load(&pouring->watch.total) * size);
}

/*
 * After a failure that came when pages had been written: a fresh process looks what is true now (F22). Before the step that
 * commits there is only one truth; then it need not be found where it cannot be, without a safety copy or beside others
 * who write.
 */
static bool tell_the_truth(struct restore *restore, bool committing, struct error *err)
{
	const struct error failure = *err;
	enum compare_result result = restore_compare(restore);

	if (!committing &&
	    (result == COMPARE_UNKNOWN ||
	     (result == COMPARE_NEITHER && (restore->options.live || restore->options.no_safety))))
		result = COMPARE_OLD;
	switch (result) {
	case COMPARE_OLD:
		return fail(err, failure.status == STATUS_BUSY ? STATUS_BUSY : STATUS_TROUBLE,
			    "%s; nothing was changed", failure.text);
	case COMPARE_NEW:
		restore->committed = true;
		return fail(
			err, STATUS_TROUBLE,
			"%s; all the same the database has the content of the backup now: check the disk",
			failure.text);
	default:
		return fail(
			err, STATUS_DAMAGED,
			"%s; what the database has now is not known: do not start the bot; the backup is "
			"%s, what was there is %s",
			failure.text, restore->source.shown,
			restore->safety_copy ? restore->safety_copy : "not kept");
	}
}

static bool run_worker(struct restore *restore, struct pouring *pouring, struct error *err)
{
	const struct worker_watch look = { watch, pouring };
	struct worker worker = WORKER_NONE;
	struct error ignored = { 0 };
	auto_destination place = DESTINATION_NONE;
	bool ready = false;

	if (!restore->options.no_safety && !open_safety_folder(restore, &place, err))
		return false;
	if (!worker_start(&worker, "restoring the database", pour, pouring, err))
		return false;
	if (!worker_await_pause(&worker, &look))
		return worker_finish(&worker, &look, err);
	ready = (restore->options.live || restore_is_unused(restore, worker.pid, err)) &&
		make_safety_copy(restore, &place, err);
	worker_continue(&worker, ready);
	if (ready)
		return worker_finish(&worker, &look, err);
	(void)worker_finish(&worker, &look,
			    &ignored); /* it was told to give up, and why is known */
	return false;
}

/* The last word on a restore that SQLite called good. */
static bool verify(struct restore *restore, struct error *err)
{
	struct backup_inspection *inspection = worker_share(sizeof *inspection);

	*inspection = (struct backup_inspection){
		.folder_fd = restore->target.folder_fd,
		.name = restore->target.name,
		.shown = restore->shown,
		.verify = INTEGRITY_QUICK,
	};

	const bool good = worker_run("checking the result", backup_inspect, inspection, NULL, err);

	worker_unshare(inspection, sizeof *inspection);
	/* Busy: somebody works in it already, and would be told by SQLite. */
	if (good || err->status == STATUS_BUSY) {
		*err = (struct error){ 0 };
		return true;
	}

	const struct error failure = *err;

	return fail(
		err, STATUS_DAMAGED,
		"the restore was committed, but does not pass its check: %s; do not start the bot; what was "
		"there is %s",
		failure.text, restore->safety_copy ? restore->safety_copy : "not kept");
}

bool restore_pour(struct restore *restore, struct error *err)
{
	struct pouring *pouring = worker_share(sizeof *pouring);

	pouring->restore = restore;

	const bool good = run_worker(restore, pouring, err);
	const bool begun = pouring->watch.begun, committing = pouring->watch.committing;

	worker_unshare(pouring, sizeof *pouring);
	if (begun)
		signals_finish_first();
	if (!good && err->status == STATUS_BUSY && !begun)
		holders_add(restore->root, restore->database, CAN_MIGRATE, err);
	if (!good)
		return begun && tell_the_truth(restore, committing, err);
	restore->committed = true;
	return restore->options.live || verify(restore, err);
}
