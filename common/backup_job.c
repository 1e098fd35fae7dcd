#include "common/backup_job.h"

#include "common/base/scope.h"
#include "common/holders_text.h"

void backup_job_release(struct backup_job *job)
{
	backup_release(&job->backup);
	destination_release(&job->place);
	backup_names_release(&job->deleted);
	target_release(&job->target);
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

static bool make(struct backup_job *job, struct error *err)
{
	struct destination *place = &job->place;

	if (place->kind == DESTINATION_FOLDER && !destination_lock(place, job->options.wait, err))
		return false;
	backup_folder_tidy(place);
	if (!destination_is_free(place, err))
		return false;
	if (!backup_make(&job->backup, err)) {
		if (err->status == STATUS_BUSY)
			holders_add(job->root, job->database, CAN_READ, err);
		return false;
	}
	job->delivered = deliver(job, err);
	return job->delivered &&
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
	return destination_is_free(&job->place, err) &&
	       backup_folder_plan(backup, &job->place, &job->rules, &job->deleted, err);
}
