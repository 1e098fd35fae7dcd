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

	auto_free char *name = text_printable(group->container.name);

	stop_audit(stop, "container %s: unpausing", name);
	if (container_unpause(group->supervisor.kind, group->supervisor.id, &err))
		return true;
	stop_audit(stop, "%s", err.text);
	return false;
}

/* SIGTERM is what the engine sends: the name that it was given, or none. */
static bool stops_by_term(const struct container *container)
{
	return *container->stop_signal == '\0' ||
	       stop_signal_parse(container->stop_signal) == SIGTERM;
}

/*
 * Whether a container's PID 1 has to be told by SIGINT. Without a handler for SIGTERM it does not even notice that:
 * the kernel drops it for a PID 1. The engine's word about its PID counts only if that process is really in there.
 */
static bool wants_interrupt(const struct proc_root *root, const struct stop_group *group,
			    struct process *first)
{
	const uint64_t term = UINT64_C(1) << (SIGTERM - 1), interrupt = UINT64_C(1) << (SIGINT - 1);
	struct error ignored = { 0 };

	first->pid = group->container.pid;
	return first->pid > 1 && stops_by_term(&group->container) &&
	       processes_read(root, first, 1, &ignored) && first->known &&
	       first->supervisor.kind == group->supervisor.kind &&
	       strcmp(first->supervisor.id, group->supervisor.id) == 0 &&
	       !((first->catches | first->blocks) & term) && (first->catches & interrupt);
}

/* podman restarts what ends before its stop is under way, and tells when it is. */
static bool wait_until_stopping(const struct stop_group *group)
{
	const double until = clock_now() + kill_patience;

	while (clock_now() < until) {
		struct container now = { 0 };
		struct error ignored = { 0 };
		const bool known = container_inspect(group->supervisor.kind, group->supervisor.id,
						     kill_patience, &now, &ignored);
		const bool stopping = now.stopping, running = now.running;

		container_release(&now);
		if (!known || stopping || !running)
			return known && stopping;
		clock_sleep_until(clock_now() + 0.02);
	}
	return false;
}

static void interrupt_by_handle(struct stop *stop, const struct proc_root *root,
				const struct process *first)
{
	struct process_handle handle = PROCESS_HANDLE_NONE;
	struct error ignored = { 0 };

	if (process_handle_open(root, first->pid, first->start_ticks, &handle, &ignored) ==
	    HANDLE_OPEN) {
		stop_audit(stop, "%d: sending SIGINT, since this PID 1 ignores SIGTERM",
			   first->pid);
		privileges_raise();
		(void)process_handle_signal(&handle, SIGINT);
		privileges_lower();
	}
	process_handle_close(&handle);
}

/*
 * Tells a PID 1 that ignores SIGTERM. docker takes an end after its own "kill" for wanted, so that comes before its
 * stop; podman only one while its stop is under way.
 */
static void interrupt_first_process(struct stop *stop, const struct proc_root *root,
				    const struct stop_group *group, bool stop_started)
{
	const bool docker = group->supervisor.kind == SUPERVISOR_DOCKER;
	struct process first = { 0 };
	struct error err = { 0 };

	if (docker != stop_started && wants_interrupt(root, group, &first)) {
		if (docker) {
			stop_audit(stop,
				   "%d: docker kill --signal=SIGINT, since this PID 1 ignores "
				   "SIGTERM",
				   first.pid);
			if (!container_interrupt(group->supervisor.kind, group->supervisor.id,
						 &err))
				stop_audit(stop, "%s", err.text);
		} else if (wait_until_stopping(group)) {
			interrupt_by_handle(stop, root, &first);
		}
	}
	process_release(&first);
}

/* Starts "docker stop" and the like; it goes on while we watch. */
static bool start_group(struct stop *stop, const struct proc_root *root, struct stop_group *group,
			struct error *err)
{
	const char *arguments[UNIT_MOST_WORDS];
	char buffer[64], seconds[32];
	const bool is_unit = group->supervisor.kind == SUPERVISOR_SYSTEMD;

	(void)snprintf(seconds, sizeof seconds, "%.0f", stop->options.grace_seconds + 0.499);
	if (is_unit) {
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
	if (!is_unit)
		interrupt_first_process(stop, root, group, false);
	group->started = clock_now();
	if (!command_start(&group->command, arguments, err))
		return false;
	if (!is_unit)
		interrupt_first_process(stop, root, group, true);
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

void stop_groups_start(struct stop *stop, const struct proc_root *root)
{
	struct error err = { 0 };

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
		if (start_group(stop, root, group, &err))
			continue;
		/* The others are stopped all the same: one of them is under way already, perhaps. */
		if (stop->trouble.status == STATUS_OK)
			stop->trouble = err;
		leave_group(stop, g, LEFT_STILL_ALIVE);
	}
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

/* Whether the stop ended in the supervisor's own SIGKILL. */
static bool was_killed(const struct stop *stop, const struct stop_group *group, double elapsed)
{
	struct container after = { 0 };
	struct error ignored = { 0 };

	if (group->supervisor.kind == SUPERVISOR_SYSTEMD)
		return unit_stop_timed_out(&group->supervisor, kill_patience);
	if (group->container.removed) /* nobody can be asked any more; its time was up */
		return elapsed >= stop->options.grace_seconds;

	const bool known = container_inspect(group->supervisor.kind, group->supervisor.id,
					     kill_patience, &after, &ignored);
	const bool killed = known && !after.running && after.exit_code == 128 + SIGKILL;

	container_release(&after);
	return killed;
}

static void finish_group(struct stop *stop, struct stop_group *group, double deadline)
{
	struct error err = { 0 };
	const bool is_unit = group->supervisor.kind == SUPERVISOR_SYSTEMD;
	const bool in_time = command_finish(&group->command, is_unit ? 0 : deadline, &err);

	/* systemd goes on stopping when we do not wait for it any longer: that is no failure. */
	if (in_time ? group->command.status != 0 : !is_unit)
		note_failure(stop, group, in_time ? NULL : &err);
	group->killed = group->killed || was_killed(stop, group, clock_now() - group->started);
}

void stop_groups_finish(struct stop *stop, double deadline)
{
	for (size_t g = 0; g < stop->groups.count; g++)
		if (stop->groups.items[g].command.pidfd >= 0)
			finish_group(stop, &stop->groups.items[g], deadline);
	for (size_t i = 0; i < stop->subjects.count; i++) {
		struct stop_subject *subject = &stop->subjects.items[i];

		if (subject->way == WAY_GROUP && subject->reason == STOP_CHOSEN &&
		    stop->groups.items[subject->group].killed)
			stop_set_how(subject, memory_format("%s (killed)", subject->how));
	}
}
