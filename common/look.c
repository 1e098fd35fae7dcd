#include "common/look.h"

#include "common/base/signals.h"
#include "common/linux/lock_trace.h"
#include "common/survey_container.h"

bool look_is_possible(const struct look *look, int operands, bool json, struct error *err)
{
	if (operands == 0)
		return fail(err, STATUS_USAGE, "which database? (see dblockcheck --help)");
	if (look->pids + look->metrics + json > 1)
		return fail(err, STATUS_USAGE, "--pids, --metrics and --json exclude each other");
	if (look->visible_only && !look->options.scan)
		return fail(err, STATUS_USAGE, "--visible-only needs to look: not with --no-scan");
	if (look->trace + look->wait + look->watching > 1)
		return fail(err, STATUS_USAGE, "--trace, --wait and --watch exclude each other");
	if (look->container && (look->trace || look->watching))
		return fail(err, STATUS_USAGE, "--container goes with neither --trace nor --watch");
	if (look->watching && (operands > 1 || look->pids || look->metrics || !look->options.scan))
		return fail(
			err, STATUS_USAGE,
			"--watch takes one database, and neither --pids, --metrics nor --no-scan");
	if (!look->watching && (look->watch.seconds >= 0 || look->watch.svg))
		return fail(err, STATUS_USAGE, "--for-seconds and --svg are for --watch");
	return true;
}

bool look_take(struct look *look, struct survey *survey, struct verdict *verdict,
	       const struct proc_root *root, const char *path, struct error *err)
{
	if (look->trace)
		return waiters_survey(survey, verdict, root, path, &look->options,
				      look->visible_only, &look->waiters, err);
	return wait_in_container(survey, verdict, root, look->container, path, &look->options,
				 look->question, look->visible_only,
				 look->wait ? look->wait_seconds : 0, err);
}

void look_reach_events(struct look *look, const struct cli_settings *settings)
{
	signals_hold();
	look->waiters.tracefs = lock_trace_reach(&look->waiters.untraced);
	look->watch.settings = settings;
	look->watch.tracefs = look->waiters.tracefs;
	look->watch.untraced = look->waiters.untraced;
}
