/* Whom to stop: the first step of stop.h. */

#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/stop.h"

/* The full command line as the user's expressions see it: the exact bytes, joined by blanks. */
static char *raw_command(const struct process *process)
{
	struct text text = { 0 };

	for (size_t i = 0; i < process->command_count; i++)
		text_append(&text, "%s%s", i ? " " : "", process->command[i]);
	if (process->command_count == 0 && process->name)
		text_append(&text, "%s", process->name);
	return text_take(&text);
}

static bool matches(const regex_t *expression, const struct process *process)
{
	auto_text command = { 0 };

	command.bytes = raw_command(process);
	return regexec(expression, command.bytes, 0, NULL, 0) == 0;
}

static bool is_ancestor(const struct process *self, pid_t pid)
{
	for (size_t i = 0; i < self->ancestor_count; i++)
		if (self->ancestors[i].pid == pid)
			return true;
	return false;
}

static bool blocks_writers(const struct verdict *verdict, pid_t pid)
{
	const struct pid_list *blockers = &verdict->blockers[CAN_WRITE];

	for (size_t i = 0; i < blockers->count; i++)
		if (blockers->items[i] == pid)
			return true;
	return false;
}

static enum stop_reason reason_for(const struct stop *stop, const struct holder *holder,
				   const struct process *self)
{
	const struct stop_options *options = &stop->options;
	const struct process *process = &holder->process;

	/* Those who would not be stopped anyway need no better reason. */
	if (holder_is_bystander(holder) && !options->all)
		return LEFT_BYSTANDER;
	if (options->blockers && !blocks_writers(&stop->verdict, process->pid))
		return LEFT_NOT_BLOCKING;
	if (options->match && !matches(options->match, process))
		return LEFT_NOT_MATCHED;
	if (process->pid == self->pid)
		return LEFT_SELF;
	if (process->pid == 1 || process->kernel_thread)
		return LEFT_PID_1;
	if (is_ancestor(self, process->pid))
		return LEFT_ANCESTOR;
	if (options->protect && matches(options->protect, process))
		return LEFT_PROTECTED;
	return STOP_CHOSEN;
}

static struct stop_subject *add_subject(struct stop *stop, pid_t pid, uint64_t start_ticks,
					char *command, enum stop_reason reason)
{
	struct stop_subject *subject = memory_append(&stop->subjects);

	subject->pid = pid;
	subject->start_ticks = start_ticks;
	subject->command = command;
	subject->reason = reason;
	subject->handle.pidfd = -1;
	subject->master = stop->subjects.count - 1;
	return subject;
}

/* The holder that an entry speaks of; NULL when it is not among the holders, or is another process now. */
static const struct holder *holder_of(const struct stop *stop, const struct stop_entry *entry)
{
	const struct holder *holder = survey_find(&stop->survey, entry->pid);

	return holder && holder->process.start_ticks == entry->start_ticks ? holder : NULL;
}

static bool is_subject(const struct stop *stop, pid_t pid)
{
	for (size_t i = 0; i < stop->subjects.count; i++)
		if (stop->subjects.items[i].pid == pid)
			return true;
	return false;
}

/* Users of the database that were not in the input stay, and are named. */
static void name_others(struct stop *stop)
{
	for (size_t i = 0; i < stop->survey.holders.count; i++) {
		const struct holder *holder = &stop->survey.holders.items[i];

		if (!holder_is_bystander(holder) && !is_subject(stop, holder->process.pid))
			add_subject(stop, holder->process.pid, holder->process.start_ticks,
				    holder_command(holder), LEFT_NOT_MATCHED)
				->unasked = true;
	}
}

static void choose_among_entries(struct stop *stop, const struct process *self)
{
	for (size_t i = 0; i < stop->options.entries->count; i++) {
		const struct stop_entry *entry = &stop->options.entries->items[i];
		const struct holder *holder = holder_of(stop, entry);

		if (is_subject(stop, entry->pid)) /* named twice: signalled once */
			continue;
		if (holder)
			add_subject(stop, entry->pid, entry->start_ticks, holder_command(holder),
				    reason_for(stop, holder, self));
		else
			add_subject(stop, entry->pid, entry->start_ticks,
				    memory_copy_text(entry->command),
				    survey_find(&stop->survey, entry->pid) ? LEFT_REUSED
									   : LEFT_GONE);
	}
	name_others(stop);
}

/* Masters come before their workers. */
static void find_masters(struct stop *stop)
{
	for (size_t i = 0; i < stop->subjects.count; i++) {
		const struct holder *holder =
			survey_find(&stop->survey, stop->subjects.items[i].pid);

		for (size_t a = 0; holder && a < holder->process.ancestor_count; a++)
			for (size_t m = 0; m < stop->subjects.count; m++)
				if (stop->subjects.items[m].reason == STOP_CHOSEN &&
				    stop->subjects.items[m].pid == holder->process.ancestors[a].pid)
					stop->subjects.items[i].master = m; /* the outermost wins */
	}
}

void stop_choose(struct stop *stop, const struct proc_root *root)
{
	struct process self = { .pid = root->self };
	struct error ignored = { 0 };

	for (size_t i = 0; i < stop->survey.holders.count; i++) {
		const struct process *process = &stop->survey.holders.items[i].process;

		*memory_append(&stop->known) =
			(struct stop_identity){ process->pid, process->start_ticks };
	}
	/* Without /proc/self there would have been no survey. */
	(void)processes_read(root, &self, 1, &ignored);
	if (stop->options.entries)
		choose_among_entries(stop, &self);
	else
		for (size_t i = 0; i < stop->survey.holders.count; i++) {
			const struct holder *holder = &stop->survey.holders.items[i];

			add_subject(stop, holder->process.pid, holder->process.start_ticks,
				    holder_command(holder), reason_for(stop, holder, &self));
		}
	find_masters(stop);
	process_release(&self);
}
