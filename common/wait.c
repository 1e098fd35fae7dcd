#include "common/wait.h"

#include "common/base/clock.h"

/* Between two questions to the kernel, and between two walks over all processes. */
static const double question_pause = 0.02, walk_pause = 0.5;

static bool survey_and_decide(struct survey *survey, struct verdict *verdict,
			      const struct proc_root *root, const char *path,
			      const struct survey_options *options, bool visible_only,
			      struct error *err)
{
	verdict_release(verdict);
	if (!survey_take(survey, root, path, options, err))
		return false;
	verdict_decide(survey, visible_only, verdict);
	return true;
}

/*
 * Sleeps until a walk is worth while: the kernel's answer may be yes, or it cannot be had without the walk.
 */
static bool wait_for_a_chance(const struct proc_root *root, const char *path,
			      enum question question, bool visible_only, double until,
			      struct error *err)
{
	const struct survey_options kernel_only = { .scan = false, .sample_seconds = 0 };
	const double next_walk = clock_now() + walk_pause;

	for (;;) {
		auto_survey survey = { 0 };
		auto_verdict verdict = { 0 };
		const double next = clock_now() + question_pause;

		clock_sleep_until(until < next ? until : next);
		if (!survey_and_decide(&survey, &verdict, root, path, &kernel_only, false, err))
			return false;
		if (verdict.can[question] == ANSWER_YES || clock_now() >= until)
			return true;
		/* Where the kernel cannot tell, or its "somebody" does not count, only a walk can. */
		if (question == CAN_MIGRATE && clock_now() >= next_walk &&
		    (visible_only || survey.certificate == CERTIFICATE_NONE))
			return true;
	}
}

bool wait_until_yes(struct survey *survey, struct verdict *verdict, const struct proc_root *root,
		    const char *path, const struct survey_options *options, enum question question,
		    bool visible_only, double patience, struct error *err)
{
	/* The survey that ends the waiting takes its sample in time. */
	const double given = patience < 0 ? 1e10 : patience;
	const double until = clock_now() + given -
			     (options->sample_seconds < given ? options->sample_seconds : 0);
	struct survey_options while_waiting = *options;

	if (patience == 0)
		return survey_and_decide(survey, verdict, root, path, options, visible_only, err);
	while_waiting.sample_seconds = 0;
	for (;;) {
		if (!survey_and_decide(survey, verdict, root, path, &while_waiting, visible_only,
				       err))
			return false;
		if (verdict->can[question] == ANSWER_YES)
			return true;
		if (clock_now() >= until) /* say in full who is still there */
			return survey_and_decide(survey, verdict, root, path, options, visible_only,
						 err);
		if (!wait_for_a_chance(root, path, question, visible_only, until, err))
			return false;
	}
}
