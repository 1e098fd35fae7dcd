/* What only supervisors know of the holders: names of containers, restart policies. See survey_holders.h. */

#include <stdio.h>
#include <string.h>

#include "common/linux/engine.h"
#include "common/linux/unit.h"
#include "common/survey_holders.h"

/* One that does not answer at once shall not hold up the survey: then its part stays unknown. */
static const double patience_seconds = 1;

static void ask_engine(struct supervisor *supervisor)
{
	struct container container = { 0 };
	struct error ignored = { 0 };

	if (!container_inspect(supervisor->kind, supervisor->id, patience_seconds, &container,
			       &ignored))
		return;
	(void)snprintf(supervisor->name, sizeof supervisor->name, "%s", container.name);
	(void)snprintf(supervisor->restart, sizeof supervisor->restart, "%s", container.restart);
	if (container.project)
		(void)snprintf(supervisor->project, sizeof supervisor->project, "%s",
			       container.project);
	if (container.service)
		(void)snprintf(supervisor->service, sizeof supervisor->service, "%s",
			       container.service);
	supervisor->paused = container.paused;
	container_release(&container);
}

static void ask_systemd(struct supervisor *supervisor)
{
	struct unit unit = { 0 };
	struct error ignored = { 0 };

	if (unit_show(supervisor, patience_seconds, &unit, &ignored))
		(void)snprintf(supervisor->restart, sizeof supervisor->restart, "%s", unit.restart);
	unit_release(&unit);
}

/* The same supervisor among the holders before this one; NULL when it is the first. */
static const struct supervisor *asked_before(const struct survey *survey, size_t index)
{
	const struct supervisor *wanted = &survey->holders.items[index].process.supervisor;

	for (size_t i = 0; i < index; i++) {
		const struct supervisor *other = &survey->holders.items[i].process.supervisor;

		if (other->kind == wanted->kind && strcmp(other->id, wanted->id) == 0 &&
		    (wanted->kind != SUPERVISOR_SYSTEMD || strcmp(other->name, wanted->name) == 0))
			return other;
	}
	return NULL;
}

void holders_ask_supervisors(struct survey *survey)
{
	for (size_t i = 0; i < survey->holders.count; i++) {
		struct supervisor *supervisor = &survey->holders.items[i].process.supervisor;
		const struct supervisor *known = asked_before(survey, i);

		if (known)
			*supervisor = *known;
		else if (supervisor->kind == SUPERVISOR_DOCKER ||
			 supervisor->kind == SUPERVISOR_PODMAN)
			ask_engine(supervisor);
		else if (supervisor->kind == SUPERVISOR_SYSTEMD)
			ask_systemd(supervisor);
	}
}
