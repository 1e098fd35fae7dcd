/* Containers and units, stopped as a whole by whoever supervises them. See stop_groups.h. */

#include "common/stop_groups.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/privileges.h"

/* For a "kill" to be answered. */
static const double kill_patience = 5.0;

static const char *group_name(const struct stop_group *group)
{
	return group->supervisor.kind == SUPERVISOR_SYSTEMD ? group->supervisor.name
							    : group->container.name;
}

/* A paused container cannot stop. False when it stays paused. */
static bool make_group_able(struct stop *stop, struct stop_group *group)
{
	struct error err = { 0 };

	if (!group->container.paused)
		return true;
	if (!stop->options.force)
		return false;
	stop_audit(stop, "container %s: unpausing", group->container.name);
	if (container_unpause(group->supervisor.kind, group->supervisor.id, &err))
		return true;
	stop_audit(stop, "%s", err.text);
	return false;
}

/*
 * A container's PID 1 without a handler for SIGTERM does not even notice it: the kernel drops it. If it handles
 * SIGINT it gets that, while its engine is stopping it, so that it ends cleanly and is not started again.
 */
static void interrupt_first_process(struct stop *stop, const struct proc_root *root,
				    const struct stop_group *group)
{
	struct process first = { .pid = group->container.pid };
	struct process_handle handle = PROCESS_HANDLE_NONE;
	struct error ignored = { 0 };
	const uint64_t term = UINT64_C(1) << (SIGTERM - 1), interrupt = UINT64_C(1) << (SIGINT - 1);

	if (first.pid <= 1 || !processes_read(root, &first, 1, &ignored) || !first.known ||
	    (first.catches & term) || (first.blocks & term) || !(first.catches & interrupt)) {
		process_release(&first);
		return;
	}
	if (process_handle_open(root, first.pid, first.start_ticks, &handle, &ignored) ==
	    HANDLE_OPEN) {
		stop_audit(stop,
			   "%d: sending SIGINT, since this PID 1 of container %s ignores SIGTERM",
			   first.pid, group->container.name);
		privileges_raise();
		(void)process_handle_signal(&handle, SIGINT);
		privileges_lower();
	}
	process_handle_close(&handle);
	process_release(&first);
}

/* Starts "docker stop" and the like; it goes on while we watch. */
static bool start_group(struct stop *stop, const struct proc_root *root, struct stop_group *group,
			struct error *err)
{
	const char *arguments[UNIT_MOST_WORDS];
	char buffer[64], seconds[32];

	(void)snprintf(seconds, sizeof seconds, "%.0f", stop->options.grace_seconds + 0.499);
	if (group->supervisor.kind == SUPERVISOR_SYSTEMD) {
		unit_command(&group->supervisor, "stop", buffer, arguments);
	} else {
		arguments[0] = engine_program(group->supervisor.kind);
		arguments[1] = "stop";
		arguments[2] = "-t";
		arguments[3] = seconds;
		arguments[4] = group->supervisor.id;
		arguments[5] = NULL;
	}

	auto_free char *shown = text_printable(group_name(group));

	stop_audit(stop, "%s stop %s", arguments[0], shown);
	if (!command_start(&group->command, arguments, err))
		return false;
	if (group->supervisor.kind != SUPERVISOR_SYSTEMD)
		interrupt_first_process(stop, root, group);
	return true;
}

static void leave_group(struct stop *stop, size_t index, enum stop_reason reason)
{
	for (size_t i = 0; i < stop->subjects.count; i++) {
		struct stop_subject *subject = &stop->subjects.items[i];

		if (subject->reason == STOP_CHOSEN && subject->way == WAY_GROUP &&
		    subject->group == index && !subject->ended)
			stop_leave(stop, subject, reason);
	}
}

static bool has_subjects(const struct stop *stop, size_t index)
{
	for (size_t i = 0; i < stop->subjects.count; i++)
		if (stop->subjects.items[i].reason == STOP_CHOSEN &&
		    stop->subjects.items[i].way == WAY_GROUP &&
		    stop->subjects.items[i].group == index)
			return true;
	return false;
}

bool stop_groups_start(struct stop *stop, const struct proc_root *root, struct error *err)
{
	for (size_t g = 0; g < stop->groups.count; g++) {
		struct stop_group *group = &stop->groups.items[g];

		if (!has_subjects(stop, g))
			continue;
		if (!make_group_able(stop, group)) {
			leave_group(stop, g, LEFT_FROZEN);
			continue;
		}
		for (size_t i = 0; i < stop->subjects.count; i++)
			if (stop->subjects.items[i].way == WAY_GROUP &&
			    stop->subjects.items[i].group == g) {
				stop->subjects.items[i].signalled = true;
				stop->subjects.items[i].started = clock_now();
			}
		if (!start_group(stop, root, group, err))
			return false;
	}
	return true;
}

void stop_groups_kill(struct stop *stop)
{
	for (size_t g = 0; g < stop->groups.count; g++) {
		struct stop_group *group = &stop->groups.items[g];
		const char *arguments[UNIT_MOST_WORDS + 1];
		char buffer[64];
		struct error err = { 0 };

		if (group->supervisor.kind != SUPERVISOR_SYSTEMD || group->command.pid == 0)
			continue;
		/* "kill --signal=SIGKILL": while its stop is under way the unit is not started again. */
		unit_command(&group->supervisor, "kill", buffer, arguments);
		for (size_t i = 0; arguments[i]; i++)
			if (strcmp(arguments[i], "--") == 0) {
				arguments[i + 2] = NULL;
				arguments[i] = "--signal=SIGKILL";
				arguments[i + 1] = group->supervisor.name;
				break;
			}
		stop_audit(stop, "systemctl kill --signal=SIGKILL");
		group->killed = command_run(arguments, kill_patience, NULL, &err);
		if (!group->killed)
			stop_audit(stop, "%s", err.text);
	}
}

/* What a supervisor's program printed last says best why it failed. */
static void note_failure(struct stop *stop, const struct stop_group *group,
			 const struct error *late)
{
	auto_free char *said = command_last_line(&group->command);

	if (stop->trouble.status == STATUS_OK)
		(void)fail(&stop->trouble, STATUS_TROUBLE, "%s stop failed: %s",
			   group->command.name, late ? late->text : said);
}

/* Collects what the supervisors said, and whether their stop became a kill. */
void stop_groups_finish(struct stop *stop, double deadline)
{
	for (size_t g = 0; g < stop->groups.count; g++) {
		struct stop_group *group = &stop->groups.items[g];
		struct error err = { 0 };
		struct container after = { 0 };

		if (group->command.pidfd < 0)
			continue;

		const bool in_time = command_finish(&group->command, deadline, &err);

		group->failed = !in_time || group->command.status != 0;
		if (group->failed) {
			note_failure(stop, group, in_time ? NULL : &err);
		}
		if (group->supervisor.kind == SUPERVISOR_SYSTEMD) {
			struct unit unit = { 0 };

			if (unit_show(&group->supervisor, &unit, &err))
				group->killed = group->killed || unit.timed_out;
			unit_release(&unit);
		} else if (container_inspect(group->supervisor.kind, group->supervisor.id, &after,
					     &err)) {
			group->killed = !after.running && after.exit_code == 128 + SIGKILL;
		}
		container_release(&after);
	}
	for (size_t i = 0; i < stop->subjects.count; i++) {
		struct stop_subject *subject = &stop->subjects.items[i];

		if (subject->way == WAY_GROUP && subject->reason == STOP_CHOSEN &&
		    stop->groups.items[subject->group].killed)
			stop_set_how(subject, memory_format("%s (killed)", subject->how));
	}
}
