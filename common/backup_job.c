#include "common/backup_job.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/holders_text.h"
#include "common/linux/file_digest.h"
#include "common/linux/lock_table.h"
#include "common/linux/mounts.h"

void backup_job_release(struct backup_job *job)
{
	backup_release(&job->backup);
	destination_release(&job->place);
	backup_names_release(&job->deleted);
	target_release(&job->target);
	free(job->path);
	job->path = NULL;
}

static bool deliver(struct backup_job *job, struct error *err)
{
	auto_close int fd = -1;

	if (job->place.kind != DESTINATION_OUTPUT)
		return backup_publish(&job->backup, err);
	fd = backup_open(&job->backup, err);
	progress_clear(job->progress);
	return fd >= 0 && job->hand_out(fd, err);
}

/* Says which process holds the lock on the folder, where /proc/locks knows. */
static void add_owner(const struct backup_job *job, struct error *err)
{
	auto_mounts mounts = { 0 };
	auto_lock_table locks = { 0 };
	struct error ignored = { 0 };
	const struct error plain = *err;
	const struct mount *mount = NULL;
	struct stat stat = { 0 };

	if (fstat(job->place.folder_fd, &stat) != 0 || !mounts_read(job->root, &mounts, &ignored))
		return;
	mount = mounts_of_descriptor(&mounts, job->root, job->place.folder_fd);

	const struct lock_key key = {
		.major = mount ? mount->major : major(stat.st_dev),
		.minor = mount ? mount->minor : minor(stat.st_dev),
		.inode = stat.st_ino,
	};

	if (lock_table_read(job->root, &key, 1, &locks, &ignored) && locks.count > 0 &&
	    locks.items[0].pid > 0)
		(void)fail(err, plain.status, "%s: process %d", plain.text, locks.items[0].pid);
}

/* Of a backup that is there; without a name in *made there is none. */
static bool load_made(struct backup_job *job, struct backup_manifest *made, struct error *err)
{
	const struct destination *place = &job->place;
	auto_free char *shown = text_printable(job->destination ? job->destination : "");
	struct error why = { 0 };
	bool missing = false;

	if (!job->may_be_made || place->kind != DESTINATION_FILE ||
	    faccessat(place->folder_fd, place->file, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		return true;
	if (!backup_manifest_load(place->folder_fd, place->file, made, &missing, &why))
		return fail(err, STATUS_TROUBLE, "%s: is no backup: %s; nothing was changed", shown,
			    why.text);
	if (missing || made->verified == INTEGRITY_NONE)
		return fail(err, STATUS_TROUBLE, "%s: is no verified backup; nothing was changed",
			    shown);
	job->backup.file = NULL; /* another one gets a name of its own */
	return true;
}

/* That its bytes are still those of its manifest: it is the way back. */
static bool is_whole(const struct backup_job *job, const struct backup_manifest *made,
		     struct error *err)
{
	auto_free char *shown = text_printable(job->destination);
	auto_close int fd = openat(job->place.folder_fd, made->file,
				   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char digest[DIGEST_TEXT_SIZE] = "";
	uint64_t length = 0;

	if (fd < 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot be read", shown);
	return file_digest_of(fd, digest, &length, NULL, err) &&
	       (strcmp(digest, made->digest) == 0 ||
		fail(err, STATUS_TROUBLE,
		     "%s: is damaged: it is not what its manifest says; nothing was changed",
		     shown));
}

/* Whether the copy that was taken now is what the backup from before holds, byte for byte. */
static bool is_enough(struct backup_job *job, const struct backup_manifest *made, bool *enough,
		      struct error *err)
{
	const struct backup_manifest *now = &job->backup.manifest;

	*enough = false;
	if (!made->file)
		return true;
	if (!backup_manifest_same_source(made, now)) {
		auto_free char *shown = text_printable(job->destination);

		return fail(err, STATUS_TROUBLE,
			    "%s: is the backup of another database; nothing was changed", shown);
	}
	*enough = strcmp(made->database_digest, now->database_digest) == 0;
	return !*enough || is_whole(job, made, err);
}

static bool make(struct backup_job *job, struct error *err)
{
	struct destination *place = &job->place;
	auto_backup_manifest made = { 0 };

	if (place->kind != DESTINATION_OUTPUT && !destination_lock(place, job->options.wait, err)) {
		if (err->status == STATUS_BUSY)
			add_owner(job, err);
		return false;
	}
	backup_folder_tidy(place);
	if (!load_made(job, &made, err) ||
	    (!made.file && !destination_is_free(place, &job->target, err)))
		return false;
	if (!backup_make(&job->backup, err)) {
		if (err->status == STATUS_BUSY)
			holders_add(job->root, job->database, CAN_READ, err);
		return false;
	}
	if (!is_enough(job, &made, &job->was_made, err))
		return false;
	job->delivered = job->was_made || deliver(job, err);
	if (!job->delivered)
		return false;
	if (place->kind != DESTINATION_OUTPUT)
		job->path = job->was_made ? backup_path(place->folder, place->file)
					  : memory_copy_text(job->backup.path);
	return job->was_made ||
	       backup_folder_prune(&job->backup, place, &job->rules, &job->deleted, err);
}

bool backup_job_run(struct backup_job *job, struct error *err)
{
	struct backup *backup = &job->backup;

	if (!target_open(&job->target, job->root, job->database, err) ||
	    !target_has_one_name(&job->target, err) ||
	    !destination_open(&job->place, job->destination, &job->target, !job->dry_run, err))
		return false;
	if (job->place.kind != DESTINATION_FOLDER &&
	    (job->rules.last || job->rules.daily || job->rules.weekly || job->rules.monthly))
		return fail(err, STATUS_USAGE, "the --keep options are for a folder of backups");
	backup->target = &job->target;
	backup->options = job->options;
	backup->folder_fd = job->place.folder_fd;
	backup->folder = job->place.folder;
	backup->file = job->place.file;
	backup->progress = job->progress;
	if (!job->dry_run)
		return make(job, err);
	return destination_is_free(&job->place, &job->target, err) &&
	       backup_folder_plan(backup, &job->place, &job->rules, &job->deleted, err);
}
