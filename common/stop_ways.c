/* How to stop them: the second step of stop.h. Asks supervisors, changes nothing. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/stop.h"

static bool handles(const struct process *process, int signal)
{
	const uint64_t bit = UINT64_C(1) << (signal - 1);

	/* Blocked counts too: programs that read signals from a descriptor (signalfd) block them. */
	return (process->catches | process->blocks) & bit;
}

/*
 * The signal that lets the process end by its own code: SIGTERM if it has a handler, else SIGINT if it has one of
 * that (plain Python: KeyboardInterrupt, so that `finally` runs), else SIGTERM.
 */
static int best_signal(const struct process *process)
{
	if (handles(process, SIGTERM) || !handles(process, SIGINT))
		return SIGTERM;
	return SIGINT;
}

/* Programs that run many others: stopping their unit would stop all of those. */
static bool runs_many(const char *name)
{
	static const char *const names[] = { "supervisord", "cron",	"crond",	"atd",
					     "sshd",	    "runsvdir", "s6-svscan",	"dockerd",
					     "containerd",  "podman",	"tmux: server", "screen",
					     "systemd",	    "init" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return strncmp(name, "PM2", 3) == 0;
}

/* Whether stopping this unit is the way to stop one process in it. */
static bool owns(const struct proc_root *root, const struct unit *unit, pid_t pid)
{
	char path[32];

	if (!unit->kills_all)
		return unit->main_pid == pid;
	if (unit->main_pid == 0 || unit->main_pid == pid)
		return true;
	(void)snprintf(path, sizeof path, "%d/comm", unit->main_pid);

	auto_free char *name = proc_read(root->fd, path, 64, NULL);

	if (name)
		name[strcspn(name, "\n")] = '\0';
	return name && !runs_many(name);
}

/*
 * Whether a process really lives in the container that its cgroup names: users may name the cgroups below their own
 * manager as they like. A container's processes share the mounts of its first one.
 */
static bool is_inside(const struct proc_root *root, const struct container *container, pid_t pid)
{
	return container->pid > 0 && proc_shares_mounts(root, container->pid, pid);
}

static bool same_supervisor(const struct supervisor *a, const struct supervisor *b)
{
	return a->kind == b->kind && strcmp(a->name, b->name) == 0 && strcmp(a->id, b->id) == 0;
}

static bool ask(struct stop_group *group, struct error *err)
{
	const double patience = 10;

	if (group->supervisor.kind == SUPERVISOR_SYSTEMD)
		return unit_show(&group->supervisor, patience, &group->unit, err);
	return container_inspect(group->supervisor.kind, group->supervisor.id, patience,
				 &group->container, err);
}

/* The index of the group of this supervisor, asked about and added if it is new. */
static bool find_group(struct stop *stop, const struct supervisor *supervisor, size_t *index,
		       struct error *err)
{
	for (*index = 0; *index < stop->groups.count; (*index)++)
		if (same_supervisor(&stop->groups.items[*index].supervisor, supervisor))
			return true;

	struct stop_group *group = memory_append(&stop->groups);

	group->supervisor = *supervisor;
	group->command = (struct command)COMMAND_NONE;
	return ask(group, err);
}

static void use_signal(const struct stop *stop, struct stop_subject *subject,
		       const struct holder *holder)
{
	subject->way = WAY_SIGNAL;
	subject->signal =
		stop->options.signal ? stop->options.signal : best_signal(&holder->process);
	subject->was_stopped = holder_is_stopped(holder);
	subject->how = stop_signal_name(subject->signal);
}

static void use_group(const struct stop *stop, struct stop_subject *subject, size_t index)
{
	const enum supervisor_kind kind = stop->groups.items[index].supervisor.kind;

	subject->way = WAY_GROUP;
	subject->group = index;
	subject->how = memory_format("%s stop", kind == SUPERVISOR_SYSTEMD ? "systemctl"
									   : engine_program(kind));
}

static bool find_way(struct stop *stop, const struct proc_root *root, struct stop_subject *subject,
		     const struct holder *holder, const struct supervisor *own, struct error *err)
{
	const struct supervisor *supervisor = &holder->process.supervisor;
	size_t index = 0;

	/* Stopping the unit that we are in ourselves would stop us before we are done. */
	if (stop->options.no_supervisor || supervisor->kind == SUPERVISOR_NONE ||
	    same_supervisor(supervisor, own)) {
		use_signal(stop, subject, holder);
		return true;
	}
	if (supervisor->kind == SUPERVISOR_KUBERNETES)
		return fail(
			err, STATUS_TROUBLE,
			"process %d belongs to a kubernetes pod, which would start it again: scale "
			"it down with kubectl, or use --no-supervisor",
			subject->pid);
	if (!find_group(stop, supervisor, &index, err)) {
		const size_t used = strlen(err->text);

		(void)snprintf(err->text + used, sizeof err->text - used,
			       " (process %d is in it; --no-supervisor signals directly)",
			       subject->pid);
		return false;
	}
	if (supervisor->kind != SUPERVISOR_SYSTEMD &&
	    !is_inside(root, &stop->groups.items[index].container, subject->pid))
		use_signal(stop, subject, holder);
	else if (supervisor->kind == SUPERVISOR_SYSTEMD &&
		 !owns(root, &stop->groups.items[index].unit, subject->pid))
		use_signal(stop, subject, holder);
	else
		use_group(stop, subject, index);
	return true;
}

/* "cd FOLDER && COMMAND", for a process that nobody supervises. */
static char *command_hint(const struct process *process)
{
	struct text text = { 0 };

	if (process->cwd) {
		text_append(&text, "cd ");
		text_append_shell_word(&text, process->cwd);
		text_append(&text, " && ");
	}
	for (size_t i = 0; i < process->command_count; i++) {
		text_append(&text, "%s", i ? " " : "");
		text_append_shell_word(&text, process->command[i]);
	}
	return text_take(&text);
}

static void note_restart(const struct stop *stop, struct stop_subject *subject, size_t index,
			 const struct holder *holder)
{
	const struct stop_group *group =
		subject->way == WAY_GROUP ? &stop->groups.items[subject->group] : NULL;

	if (!group && subject->master == index && holder->process.command_count > 0)
		subject->hint =
			command_hint(&holder->process); /* a worker comes back with its master */
	else if (group && group->supervisor.kind == SUPERVISOR_SYSTEMD)
		subject->hint = unit_start_command(&group->supervisor);
	else if (group)
		subject->hint = container_start_command(group->supervisor.kind, &group->container);
}

/* Somebody in the same container or unit who must not be stopped; NULL when there is nobody. */
static const struct stop_subject *spared_beside(const struct stop *stop, size_t group)
{
	for (size_t i = 0; i < stop->subjects.count; i++) {
		const struct stop_subject *subject = &stop->subjects.items[i];
		const struct holder *holder = survey_find(&stop->survey, subject->pid);

		if (subject->reason != STOP_CHOSEN && subject->reason != LEFT_BYSTANDER && holder &&
		    holder->process.start_ticks == subject->start_ticks &&
		    same_supervisor(&holder->process.supervisor,
				    &stop->groups.items[group].supervisor))
			return subject;
	}
	return NULL;
}

/* A container or unit ends as a whole: so it stays when one in it is to stay. */
static void spare_groups(struct stop *stop)
{
	for (size_t i = 0; i < stop->subjects.count; i++) {
		struct stop_subject *subject = &stop->subjects.items[i];
		const struct stop_subject *other =
			subject->reason == STOP_CHOSEN && subject->way == WAY_GROUP
				? spared_beside(stop, subject->group)
				: NULL;

		if (!other)
			continue;
		stop_audit(stop, "%d: cannot be stopped without %d, which is in the same %s",
			   subject->pid, other->pid,
			   stop->groups.items[subject->group].supervisor.kind == SUPERVISOR_SYSTEMD
				   ? "unit"
				   : "container");
		subject->reason = LEFT_PROTECTED;
	}
}

bool stop_find_ways(struct stop *stop, const struct proc_root *root, struct error *err)
{
	struct process self = { .pid = root->self };

	if (!processes_read(root, &self, 1, err))
		return false;

	const struct supervisor own = self.supervisor;

	process_release(&self);
	for (size_t i = 0; i < stop->subjects.count; i++) {
		struct stop_subject *subject = &stop->subjects.items[i];
		const struct holder *holder = survey_find(&stop->survey, subject->pid);

		if (subject->reason != STOP_CHOSEN || !holder)
			continue;
		if (!find_way(stop, root, subject, holder, &own, err))
			return false;
	}
	spare_groups(stop);
	for (size_t i = 0; i < stop->subjects.count; i++) {
		struct stop_subject *subject = &stop->subjects.items[i];
		const struct holder *holder = survey_find(&stop->survey, subject->pid);

		if (subject->reason == STOP_CHOSEN && holder)
			note_restart(stop, subject, i, holder);
	}
	stop_collect_hints(stop);
	return true;
}
