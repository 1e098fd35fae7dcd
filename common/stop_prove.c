/* Proving that the database is released and stays so: the last step of stop.h. */

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/stop.h"

/* Between two questions to the kernel, and between two walks when the kernel says "in use". */
static const double question_pause = 0.1, walk_pause = 0.2;

/* Somebody that had it open when the stopping began. */
static bool is_known(const struct stop *stop, const struct process *process)
{
	for (size_t i = 0; i < stop->known.count; i++)
		if (stop->known.items[i].pid == process->pid &&
		    stop->known.items[i].start_ticks == process->start_ticks)
			return true;
	return false;
}

/* Already among those that came back. */
static bool is_noted(const struct stop *stop, const struct process *process)
{
	for (size_t i = 0; i < stop->returned.count; i++)
		if (stop->returned.items[i].pid == process->pid &&
		    stop->returned.items[i].start_ticks == process->start_ticks)
			return true;
	return false;
}

static void note_return(struct stop *stop, const struct proc_root *root,
			const struct holder *holder)
{
	struct holder parent = { .process.pid = holder->process.ppid };
	struct stop_return *back = memory_append(&stop->returned);
	struct error ignored = { 0 };

	back->pid = holder->process.pid;
	back->start_ticks = holder->process.start_ticks;
	back->command = holder_command(holder);
	if (processes_read(root, &parent.process, 1, &ignored) && parent.process.known) {
		back->by = parent.process.pid;
		back->by_command = holder_command(&parent);
	}
	stop_audit(stop, "%d: has opened it since: %s", back->pid, back->command);
	holder_release(&parent);
}

static void note_returns(struct stop *stop, const struct proc_root *root)
{
	for (size_t i = 0; i < stop->survey.holders.count; i++) {
		const struct holder *holder = &stop->survey.holders.items[i];

		if (!holder_is_bystander(holder) && holder->process.known &&
		    !is_known(stop, &holder->process) && !is_noted(stop, &holder->process))
			note_return(stop, root, holder);
	}
}

static bool look(struct stop *stop, const struct proc_root *root, bool scan, struct error *err)
{
	const struct survey_options options = { .scan = scan };

	verdict_release(&stop->verdict);
	if (!survey_take(&stop->survey, root, stop->path, &options, err))
		return false;
	verdict_decide(&stop->survey, false, &stop->verdict);
	return true;
}

/* The kernel's certificate says that nobody has it open for writing, and there is no lock. */
static bool is_quiet(const struct survey *survey)
{
	const bool certified = survey->certificate == CERTIFICATE_FREE ||
			       survey->certificate == CERTIFICATE_NO_WRITER;

	return certified && survey->hidden_locks == 0 && survey->holders.count == 0;
}

/* What shows that somebody wrote, although nobody was seen: a bot that opens the database for a moment each time. */
struct traces {
	uint64_t size[FILE_COUNT];
	struct timespec changed[FILE_COUNT];
	bool exists[FILE_COUNT];
	uint64_t inode;
};

static struct traces traces_of(const struct survey *survey)
{
	struct traces traces;

	memset(&traces, 0, sizeof traces); /* it is compared as a whole */
	memcpy(traces.size, survey->size, sizeof traces.size);
	memcpy(traces.changed, survey->changed, sizeof traces.changed);
	memcpy(traces.exists, survey->exists, sizeof traces.exists);
	traces.inode = survey->inode;
	/* The -shm changes with readers too, who come and go. */
	traces.size[FILE_SHM] = 0;
	traces.exists[FILE_SHM] = false;
	traces.changed[FILE_SHM] = (struct timespec){ 0 };
	return traces;
}

static void compare_traces(struct stop *stop, const struct traces *before)
{
	const struct traces now = traces_of(&stop->survey);

	if (memcmp(before, &now, sizeof now) != 0)
		stop->written = true;
}

static bool watch(struct stop *stop, const struct proc_root *root, double until, struct error *err)
{
	double next_walk = 0;

	if (!look(stop, root, false, err))
		return false;

	const struct traces before = traces_of(&stop->survey);

	while (clock_now() < until && stop->returned.count == 0) {
		const double next = clock_now() + question_pause;

		if (!look(stop, root, false, err))
			return false;
		compare_traces(stop, &before);
		if (!is_quiet(&stop->survey) && clock_now() >= next_walk) {
			next_walk = clock_now() + walk_pause;
			if (!look(stop, root, true, err))
				return false;
			note_returns(stop, root);
		}
		clock_sleep_until(next < until ? next : until);
	}
	return true;
}

/* What became of those that were left, by the last survey. */
static void update_left(struct stop *stop)
{
	for (size_t i = 0; i < stop->subjects.count; i++) {
		struct stop_subject *subject = &stop->subjects.items[i];
		const struct holder *holder = survey_find(&stop->survey, subject->pid);

		if (subject->reason == LEFT_STILL_ALIVE && subject->handle.pidfd >= 0 &&
		    !process_handle_alive(&subject->handle)) {
			subject->reason = STOP_CHOSEN; /* a little late, but gone */
			subject->ended = true;
			subject->seconds = clock_now() - subject->started;
		}
		/* One that only read when it began, and uses the database now. */
		if (subject->reason == LEFT_BYSTANDER && holder &&
		    holder->process.start_ticks == subject->start_ticks &&
		    !holder_is_bystander(holder))
			subject->reason = LEFT_STILL_ALIVE;
	}
	stop_collect_hints(stop);
}

static bool anybody_visible(const struct survey *survey)
{
	for (size_t i = 0; i < survey->holders.count; i++)
		if (!holder_is_bystander(&survey->holders.items[i]))
			return true;
	return false;
}

/* What the last survey, a full one, proves. */
static void conclude(struct stop *stop)
{
	const struct survey *survey = &stop->survey;
	const bool seen = anybody_visible(survey);
	const bool certified = survey->certificate == CERTIFICATE_FREE ||
			       survey->certificate == CERTIFICATE_NO_WRITER;

	/* "In use" with a visible user says nothing about others; without one, somebody is hidden. */
	stop->hidden =
		survey->hidden_locks > 0 || (!seen && survey->certificate == CERTIFICATE_IN_USE);
	/* Who is visible, or asked to stay, explains what was written. */
	stop->written = stop->written && !seen && stop->returned.count == 0;
	stop->released = !seen && !stop->hidden && !stop->written &&
			 (certified || survey_saw_everything(survey));
	stop->uncertain = !seen && !stop->hidden && !stop->written && !stop->released;
}

bool stop_prove(struct stop *stop, const struct proc_root *root, struct error *err)
{
	if (!watch(stop, root, clock_now() + stop->options.settle_seconds, err) ||
	    !look(stop, root, true, err))
		return false;
	note_returns(stop, root);
	update_left(stop);
	conclude(stop);
	return true;
}
