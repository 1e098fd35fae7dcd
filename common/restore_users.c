/* Who uses the database that is to be restored. */

#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/holder.h"
#include "common/holders_text.h"
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

bool restore_is_unused(const struct restore *restore, pid_t ours, struct error *err)
{
	const struct survey_options options = { .scan = true };
	/* While we hold it ourselves, waiting for its users would make them wait for us. */
	const double patience = ours || restore->options.wait < 0 ? 0 : restore->options.wait;
	auto_survey survey = { 0 };
	auto_verdict verdict = { 0 };

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
