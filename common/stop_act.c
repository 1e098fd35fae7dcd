/* Stopping them: the third step of stop.h. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/freezer.h"
#include "common/linux/privileges.h"
#include "common/stop.h"
#include "common/stop_groups.h"

/* Workers get this long to end with their master before they are signalled themselves. */
static const double most_worker_patience = 1.0;

/* After a SIGKILL, and for a supervisor to report after its own limit. */
static const double kill_patience = 5.0;

/*
 * The last look before a signal: one that has let go of the database by now is left. False when that could not be
 * found out.
 */
static bool look_once_more(struct stop *stop, const struct proc_root *root,
			   struct stop_subject *subject, struct error *err)
{
	privileges_raise();

	const enum held held = survey_still_held(root, stop->path, subject->pid, err);

	privileges_lower();
	/* Alive after the look: so it was this process that was looked at. */
	if (held == HELD_NO || !process_handle_alive(&subject->handle))
		stop_leave(stop, subject, LEFT_GONE);
	return subject->reason == LEFT_GONE || held == HELD_YES;
}

/* The same for a later signal, when something has been done already: in doubt nobody is signalled. */
static bool may_signal(struct stop *stop, const struct proc_root *root,
		       struct stop_subject *subject)
{
	struct error err = { 0 };

	if (!process_handle_alive(&subject->handle))
		return false;
	if (look_once_more(stop, root, subject, &err))
		return subject->reason == STOP_CHOSEN;
	if (stop->trouble.status == STATUS_OK)
		stop->trouble = err;
	return false;
}

/*
 * Takes hold of the process, and makes sure that it is the one that was chosen and that it still holds the
 * database. From here on the handle stands for it.
 */
static bool take_hold(struct stop *stop, const struct proc_root *root, struct stop_subject *subject,
		      struct error *err)
{
	const enum handle_result result = process_handle_open(
		root, subject->pid, subject->start_ticks, &subject->handle, err);

	if (result == HANDLE_TROUBLE)
		return false;
	if (result == HANDLE_GONE || result == HANDLE_REUSED) {
		stop_leave(stop, subject, result == HANDLE_GONE ? LEFT_GONE : LEFT_REUSED);
		return true;
	}
	return look_once_more(stop, root, subject, err);
}

static void deliver(struct stop *stop, struct stop_subject *subject, int signal)
{
	privileges_raise();

	enum signal_result result = process_handle_signal(&subject->handle, signal);

	/* A stopped process handles a signal only after SIGCONT. */
	if (result == SIGNAL_SENT && subject->was_stopped)
		(void)process_handle_signal(&subject->handle, SIGCONT);
	privileges_lower();
	if (result == SIGNAL_GONE && signal != SIGKILL) {
		stop_leave(stop, subject, LEFT_GONE); /* it ended by itself, just now */
	} else if (result == SIGNAL_NOT_ALLOWED) {
		stop_leave(stop, subject, LEFT_NO_PERMISSION);
		if (stop->trouble.status == STATUS_OK)
			(void)fail(&stop->trouble, STATUS_TROUBLE,
				   "process %d: this user may not signal it: needs CAP_KILL (run "
				   "botkill as root)",
				   subject->pid);
	}
}

/* Frozen processes keep their signals for later. False when this one stays frozen. */
static bool make_able(struct stop *stop, const struct proc_root *root, struct stop_subject *subject)
{
	struct error err = { 0 };

	if (!freezer_holds(root, subject->pid))
		return true;
	if (!stop->options.force) {
		stop_leave(stop, subject, LEFT_FROZEN);
		return false;
	}
	stop_audit(stop, "%d: thawing its control group", subject->pid);
	if (freezer_thaw(root, subject->pid, &err) && !freezer_holds(root, subject->pid))
		return true;
	if (err.status != STATUS_OK)
		stop_audit(stop, "%s", err.text);
	stop_leave(stop, subject, LEFT_FROZEN);
	return false;
}

static void send_signal(struct stop *stop, const struct proc_root *root,
			struct stop_subject *subject)
{
	if (!make_able(stop, root, subject) || !may_signal(stop, root, subject))
		return;
	auto_free char *command = stop_short_command(subject->command);

	stop_audit(stop, "%d: sending %s: %s", subject->pid, subject->how, command);
	subject->signalled = true;
	subject->started = clock_now();
	deliver(stop, subject, subject->signal);
}

static bool is_pending(const struct stop_subject *subject)
{
	return subject->reason == STOP_CHOSEN && !subject->ended;
}

static double worker_patience(const struct stop *stop)
{
	const double half = stop->options.grace_seconds / 2;

	return half < most_worker_patience ? half : most_worker_patience;
}

/* Notes which have ended, and signals workers whose master has gone or has had its time. */
static void look_around(struct stop *stop, const struct proc_root *root, double started)
{
	for (size_t i = 0; i < stop->subjects.count; i++) {
		struct stop_subject *subject = &stop->subjects.items[i];

		if (!is_pending(subject) || process_handle_alive(&subject->handle))
			continue;
		subject->ended = true;
		if (!subject->signalled) { /* it went with its master */
			const struct stop_subject *master = &stop->subjects.items[subject->master];

			subject->started = master->signalled ? master->started : started;
			stop_set_how(subject, memory_copy_text(master->how));
		}
		subject->seconds = clock_now() - subject->started;
		stop_audit(stop, "%d: ended after %.2f s", subject->pid, subject->seconds);
	}
	for (size_t i = 0; i < stop->subjects.count; i++) {
		struct stop_subject *subject = &stop->subjects.items[i];
		const struct stop_subject *master = &stop->subjects.items[subject->master];

		if (!is_pending(subject) || subject->signalled || subject->way != WAY_SIGNAL)
			continue;
		if (master == subject || !is_pending(master) ||
		    clock_now() >= started + worker_patience(stop))
			send_signal(stop, root, subject);
	}
}

/* For poll(2): at least one, and at most what an int holds. */
static int poll_milliseconds(double seconds)
{
	return seconds < 1e6 ? (int)(seconds * 1000) + 1 : 1000000000;
}

/* Sleeps until something ends, or until `until`. */
static void sleep_until_change(const struct stop *stop, double until)
{
	const size_t most = stop->subjects.count + stop->groups.count;
	auto_free struct pollfd *watched = memory_allocate(most, sizeof *watched);
	nfds_t count = 0;
	const double left = until - clock_now();

	for (size_t i = 0; i < stop->subjects.count; i++)
		if (is_pending(&stop->subjects.items[i]))
			watched[count++] =
				(struct pollfd){ .fd = stop->subjects.items[i].handle.pidfd,
						 .events = POLLIN };
	for (size_t g = 0; g < stop->groups.count; g++)
		if (stop->groups.items[g].command.pid != 0)
			watched[count++] =
				(struct pollfd){ .fd = stop->groups.items[g].command.pidfd,
						 .events = POLLIN };
	if (left > 0)
		(void)poll(watched, count, poll_milliseconds(left));
}

/* Its supervisor's stop has failed: there is nothing to wait for. */
static bool is_hopeless(struct stop *stop, const struct stop_subject *subject)
{
	if (subject->way != WAY_GROUP || stop->groups.items[subject->group].command.pidfd < 0)
		return false;

	struct command *command = &stop->groups.items[subject->group].command;

	return command_ended(command) && command->status != 0;
}

static size_t count_pending(struct stop *stop)
{
	size_t pending = 0;

	for (size_t i = 0; i < stop->subjects.count; i++)
		pending += is_pending(&stop->subjects.items[i]) &&
			   !is_hopeless(stop, &stop->subjects.items[i]);
	return pending;
}

static bool has_waiting_worker(const struct stop *stop)
{
	for (size_t i = 0; i < stop->subjects.count; i++)
		if (is_pending(&stop->subjects.items[i]) && !stop->subjects.items[i].signalled)
			return true;
	return false;
}

static void wait_for_ends(struct stop *stop, const struct proc_root *root, double deadline)
{
	const double started = clock_now();

	for (;;) {
		look_around(stop, root, started);
		if (count_pending(stop) == 0 || clock_now() >= deadline)
			return;

		const double workers = started + worker_patience(stop);
		const bool sooner = has_waiting_worker(stop) && workers < deadline;

		sleep_until_change(stop, sooner ? workers : deadline);
	}
}

/* The last resort, only with --force: and only our own signals; supervisors have their own. */
static void kill_the_rest(struct stop *stop, const struct proc_root *root)
{
	for (size_t i = 0; i < stop->subjects.count; i++) {
		struct stop_subject *subject = &stop->subjects.items[i];

		if (!is_pending(subject) || subject->way != WAY_SIGNAL ||
		    !may_signal(stop, root, subject))
			continue;
		stop_audit(stop, "%d: sending SIGKILL", subject->pid);
		stop_set_how(subject, memory_copy_text("SIGKILL"));
		subject->signalled = true;
		deliver(stop, subject, SIGKILL);
	}
}

/* Why those that are left did not end. */
static void name_survivors(struct stop *stop, const struct proc_root *root)
{
	for (size_t i = 0; i < stop->subjects.count; i++) {
		struct stop_subject *subject = &stop->subjects.items[i];

		if (!is_pending(subject))
			continue;

		const struct activity now = activity_look(root, subject->pid);
		struct error ignored = { 0 };

		if (survey_still_held(root, stop->path, subject->pid, &ignored) == HELD_NO) {
			stop_leave(stop, subject, LEFT_GONE);
			continue;
		}

		if (freezer_holds(root, subject->pid))
			stop_leave(stop, subject, LEFT_FROZEN);
		else
			stop_leave(stop, subject,
				   now.state == PROCESS_DISK_WAIT ? LEFT_DISK_WAIT
								  : LEFT_STILL_ALIVE);
	}
}

static bool act(struct stop *stop, const struct proc_root *root, struct error *err)
{
	bool engines = false; /* they end in their own kill, after the grace */

	for (size_t i = 0; i < stop->subjects.count; i++) {
		struct stop_subject *subject = &stop->subjects.items[i];

		if (subject->reason == STOP_CHOSEN && !take_hold(stop, root, subject, err))
			return false;
		engines = engines || (subject->reason == STOP_CHOSEN && subject->way == WAY_GROUP &&
				      stop->groups.items[subject->group].supervisor.kind !=
					      SUPERVISOR_SYSTEMD);
	}
	stop_groups_start(stop, root);
	/* The grace begins when all who are signalled first have been. */
	look_around(stop, root, clock_now());
	wait_for_ends(stop, root, clock_now() + stop->options.grace_seconds);
	if (count_pending(stop) > 0 && stop->options.force) {
		kill_the_rest(stop, root);
		stop_groups_kill(stop);
	}
	if (count_pending(stop) > 0 && (stop->options.force || engines))
		wait_for_ends(stop, root, clock_now() + kill_patience);
	stop_groups_finish(stop, clock_now() + kill_patience);
	look_around(stop, root, clock_now());
	return true;
}

/* Each holder costs a descriptor. */
static void allow_many_descriptors(void)
{
	struct rlimit limit = { 0 };

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE,
				&limit); /* without it there is an error when they run out */
	}
}

bool stop_act(struct stop *stop, const struct proc_root *root, struct error *err)
{
	allow_many_descriptors();
	stop->acted = true;

	const bool done = act(stop, root, err);

	name_survivors(stop, root);
	stop_collect_hints(stop);
	return done;
}
