/* Who uses the database that is to be restored. */

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/holder.h"
#include "common/holders_text.h"
#include "common/linux/open_files.h"
#include "common/restore.h"
#include "common/survey.h"
#include "common/verdict.h"
#include "common/wait.h"

static void forget_who_does_not_count(struct survey *survey, pid_t ours)
{
	survey_forget(survey, ours);
	for (size_t i = survey->holders.count; i-- > 0;)
		if (holder_is_bystander(&survey->holders.items[i]))
			survey_forget(survey, survey->holders.items[i].process.pid);
}

static bool refuse(const struct restore *restore, const struct survey *survey, struct error *err)
{
	auto_verdict verdict = { 0 };

	verdict_decide(survey, true, &verdict);

	auto_free char *holders = holders_text_of(survey, &verdict, CAN_MIGRATE);

	return fail(err, STATUS_BUSY, "%s: %s; stop them (botkill)%s", restore->shown, holders,
		    restore->method == RESTORE_TRANSACTION ? ", or restore under them with --live"
							   : "");
}

/* The files to look for: those that are there, and the ones that were at their names and are not any more. */
static void fill_targets(const struct restore *restore, const struct stat *folder,
			 char *const *paths, struct open_target *targets)
{
	for (enum database_file file = FILE_MAIN; file < FILE_COUNT; file++) {
		const struct target_file *own = &restore->target.files[file];
		const bool there = own->path_fd >= 0;

		targets[file] = (struct open_target){
			.wanted = there,
			.major = there ? own->major : major(folder->st_dev),
			.minor = there ? own->minor : minor(folder->st_dev),
			.inode = there ? (uint64_t)own->stat.st_ino : 0,
			.key = own->key,
			.path = paths[file],
		};
	}
}

bool restore_nobody_has_open(const struct restore *restore, struct error *err)
{
	auto_open_files found = { 0 };
	struct stat stat = { 0 };
	char *paths[FILE_COUNT] = { 0 };
	struct open_target targets[FILE_COUNT] = { 0 };
	const struct open_query query = { .targets = targets,
					  .count = FILE_COUNT,
					  .self = getpid() };

	if (fstat(restore->target.folder_fd, &stat) != 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot look at its folder",
				  restore->shown);
	for (enum database_file file = FILE_MAIN; file < FILE_COUNT; file++)
		paths[file] = memory_format("%s%s", restore->absolute, database_file_suffix(file));
	fill_targets(restore, &stat, paths, targets);

	const bool good = open_files_walk(restore->root, &query, false, &found, err);

	for (enum database_file file = FILE_MAIN; file < FILE_COUNT; file++)
		free(paths[file]);
	if (!good)
		return false;
	return found.count == 0 ||
	       fail(err, STATUS_BUSY, "%s: process %d still works in the file that is or was there",
		    restore->shown, found.items[0].pid);
}

bool restore_is_unused(const struct restore *restore, pid_t ours, struct error *err)
{
	const struct survey_options options = { .scan = true };
	/* While we hold it ourselves, waiting for its users would make them wait for us. */
	const double patience = ours || restore->options.wait < 0 ? 0 : restore->options.wait;
	auto_survey survey = { 0 };
	auto_verdict verdict = { 0 };

	/* Others would go on in the old file, and nobody would ever see what they write. */
	if (restore->target.files[FILE_MAIN].path_fd < 0)
		return restore_nobody_has_open(restore, err);
	if (!wait_until_yes(&survey, &verdict, restore->root, restore->database, &options,
			    CAN_MIGRATE, false, patience, err))
		return false;

	const enum answer answer = verdict.can[CAN_MIGRATE];
	const bool hidden = answer == ANSWER_NO && verdict.blockers[CAN_MIGRATE].count == 0;

	forget_who_does_not_count(&survey, ours);
	if (survey.holders.count > 0 || hidden)
		return refuse(restore, &survey, err);
	/* With our own connection open the kernel's certificate cannot be had; it was asked for before. */
	return answer != ANSWER_UNKNOWN || ours ||
	       fail(err, STATUS_UNKNOWN,
		    "%s: cannot see whether somebody has it open: run as root, or restore as one transaction "
		    "with --live",
		    restore->shown);
}
