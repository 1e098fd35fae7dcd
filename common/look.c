#include "common/look.h"

#include "common/base/scope.h"
#include "common/base/signals.h"
#include "common/base/text.h"
#include "common/linux/lock_trace.h"
#include "common/linux/path_in_root.h"
#include "common/survey_container.h"
#include "common/wait.h"

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
	if (look->watching && (operands > 1 || look->pids || look->metrics || !look->options.scan))
		return fail(
			err, STATUS_USAGE,
			"--watch takes one database, and neither --pids, --metrics nor --no-scan");
	if (!look->watching && (look->watch.seconds >= 0 || look->watch.svg))
		return fail(err, STATUS_USAGE, "--for-seconds and --svg are for --watch");
	return true;
}

static bool take(struct look *look, struct survey *survey, struct verdict *verdict,
		 const struct proc_root *root, const char *path, struct error *err)
{
	if (look->trace)
		return waiters_survey(survey, verdict, root, path, &look->options,
				      look->visible_only, &look->waiters, err);
	return wait_until_yes(survey, verdict, root, path, &look->options, look->question,
			      look->visible_only, look->wait ? look->wait_seconds : 0, err);
}

bool look_take(struct look *look, struct survey *survey, struct verdict *verdict,
	       const struct proc_root *root, const char *path, struct error *err)
{
	auto_container_path place = CONTAINER_PATH_NONE;
	struct error ended = { 0 };

	if (!look->container)
		return take(look, survey, verdict, root, path, err);
	if (!container_path_find(&place, look->container, path, err))
		return false;
	if (!take(look, survey, verdict, root, place.outside, err)) {
		if (!container_path_holds(&place, &ended))
			*err = ended; /* says more than that its path is gone */
		return false;
	}
	return survey_note_container(survey, &place, path, err);
}

/* A watch may last longer than the container, whose PID is then somebody else's. */
bool look_watch(struct look *look, const struct proc_root *root, const char *path,
		struct error *err)
{
	auto_container_path place = CONTAINER_PATH_NONE;

	if (!look->container)
		return watch_run(&look->watch, root, path, err);
	if (!container_path_find(&place, look->container, path, err))
		return false;
	if (path_root_length(place.outside) == 0)
		return watch_run(&look->watch, root, place.outside, err);

	auto_free char *shown = text_printable(place.outside);

	return fail(err, STATUS_TROUBLE,
		    "container %s: only in there the file has a name: watch %s for as long as it "
		    "runs",
		    place.name, shown);
}

void look_reach_events(struct look *look, const struct cli_settings *settings)
{
	signals_hold();
	look->waiters.tracefs = lock_trace_reach(&look->waiters.untraced);
	look->watch.settings = settings;
	look->watch.tracefs = look->waiters.tracefs;
	look->watch.untraced = look->waiters.untraced;
}
