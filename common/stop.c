#include "common/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/parse.h"
#include "common/base/scope.h"
#include "common/base/text.h"

const char *stop_reason_name(enum stop_reason reason)
{
	static const char *const names[STOP_REASON_COUNT] = {
		[STOP_CHOSEN] = "chosen",
		[LEFT_BYSTANDER] = "bystander",
		[LEFT_PROTECTED] = "protected",
		[LEFT_ANCESTOR] = "ancestor",
		[LEFT_SELF] = "self",
		[LEFT_PID_1] = "pid-1",
		[LEFT_NOT_MATCHED] = "not-matched",
		[LEFT_NOT_BLOCKING] = "not-blocking",
		[LEFT_GONE] = "gone",
		[LEFT_REUSED] = "reused",
		[LEFT_NO_PERMISSION] = "no-permission",
		[LEFT_STILL_ALIVE] = "still-alive",
		[LEFT_FROZEN] = "frozen",
		[LEFT_DISK_WAIT] = "disk-wait",
	};

	return names[reason];
}

static void release_subjects(struct stop *stop)
{
	for (size_t i = 0; i < stop->subjects.count; i++) {
		struct stop_subject *subject = &stop->subjects.items[i];

		process_handle_close(&subject->handle);
		free(subject->command);
		free(subject->how);
		free(subject->hint);
	}
	free(stop->subjects.items);
}

void stop_release(struct stop *stop)
{
	release_subjects(stop);
	for (size_t i = 0; i < stop->groups.count; i++) {
		command_release(&stop->groups.items[i].command);
		container_release(&stop->groups.items[i].container);
		unit_release(&stop->groups.items[i].unit);
	}
	free(stop->groups.items);
	for (size_t i = 0; i < stop->returned.count; i++) {
		free(stop->returned.items[i].command);
		free(stop->returned.items[i].by_command);
	}
	free(stop->returned.items);
	for (size_t i = 0; i < stop->restart_hints.count; i++)
		free(stop->restart_hints.items[i]);
	free(stop->restart_hints.items);
	free(stop->known.items);
	free(stop->path);
	verdict_release(&stop->verdict);
	survey_release(&stop->survey);
	*stop = (struct stop){ 0 };
}

bool stop_plan(struct stop *stop, const struct proc_root *root, struct error *err)
{
	const struct survey_options look = { .scan = true };

	if (!survey_take(&stop->survey, root, stop->path, &look, err))
		return false;
	verdict_decide(&stop->survey, false, &stop->verdict);
	stop_choose(stop, root);
	return stop_find_ways(stop, root, err);
}

bool stop_expression_read(regex_t *expression, const char *text, const char *option,
			  struct error *err)
{
	char reason[200] = "";
	const int result = regcomp(expression, text, REG_EXTENDED | REG_NOSUB);

	if (result == 0)
		return true;

	auto_free char *shown = text_printable(text);

	(void)regerror(result, expression, reason, sizeof reason);
	return fail(err, STATUS_USAGE, "bad expression '%s' for %s: %s", shown, option, reason);
}

char *stop_short_command(const char *command)
{
	const size_t most = 160;
	struct text text = { 0 };

	text_append_cell(&text, command, text_columns(command) > most ? most : 0);
	return text_take(&text);
}

void stop_leave(const struct stop *stop, struct stop_subject *subject, enum stop_reason reason)
{
	auto_free char *command = stop_short_command(subject->command);

	subject->reason = reason;
	stop_audit(stop, "%d: left alone (%s): %s", subject->pid, stop_reason_name(reason),
		   command);
}

void stop_set_how(struct stop_subject *subject, char *how)
{
	free(subject->how);
	subject->how = how;
}

size_t stop_chosen(const struct stop *stop)
{
	size_t chosen = 0;

	for (size_t i = 0; i < stop->subjects.count; i++)
		chosen += stop->subjects.items[i].reason == STOP_CHOSEN;
	return chosen;
}

/* Left although it stands in the way, and not because the user asked for less. */
static bool is_in_the_way(enum stop_reason reason)
{
	switch (reason) {
	case LEFT_PROTECTED:
	case LEFT_ANCESTOR:
	case LEFT_SELF:
	case LEFT_PID_1:
	case LEFT_STILL_ALIVE:
	case LEFT_FROZEN:
	case LEFT_DISK_WAIT:
		return true;
	default:
		return false;
	}
}

enum status stop_status(const struct stop *stop)
{
	bool held = stop->returned.count > 0 || stop->hidden || stop->written;
	bool narrowed = false;

	if (stop->trouble.status != STATUS_OK)
		return stop->trouble.status;
	for (size_t i = 0; i < stop->subjects.count; i++) {
		held = held || stop->subjects.items[i].unasked ||
		       is_in_the_way(stop->subjects.items[i].reason);
		narrowed = narrowed || stop->subjects.items[i].reason == LEFT_NOT_MATCHED ||
			   stop->subjects.items[i].reason == LEFT_NOT_BLOCKING;
	}
	if (held)
		return STATUS_NO;
	if (stop->uncertain)
		return STATUS_UNKNOWN;
	/* Who was not asked for may go on. */
	return stop->released || narrowed ? STATUS_OK : STATUS_NO;
}

char *stop_signal_name(int signal)
{
	const char *name = sigabbrev_np(signal);

	return name ? memory_format("SIG%s", name) : memory_format("signal %d", signal);
}

/* Those that stop a process, or let it go on, do not end it. */
static bool may_end(int signal)
{
	return signal != SIGSTOP && signal != SIGTSTP && signal != SIGTTIN && signal != SIGTTOU &&
	       signal != SIGCONT;
}

int stop_signal_parse(const char *name)
{
	uint64_t number = 0;

	if (parse_whole(name, SIGRTMIN - 1, &number))
		return may_end((int)number) ? (int)number : 0;
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (int signal = 1; signal < SIGRTMIN; signal++)
		if (sigabbrev_np(signal) && strcasecmp(sigabbrev_np(signal), name) == 0)
			return may_end(signal) ? signal : 0;
	return 0;
}

void stop_audit(const struct stop *stop, const char *format, ...)
{
	va_list arguments;
	auto_free char *line = NULL;

	if (!stop->audit)
		return;
	va_start(arguments, format);
	const int length = vasprintf(&line, format, arguments);

	va_end(arguments);
	if (length < 0)
		memory_give_up();
	stop->audit(line);
}

static void clear_hints(struct stop *stop)
{
	for (size_t i = 0; i < stop->restart_hints.count; i++)
		free(stop->restart_hints.items[i]);
	stop->restart_hints.count = 0;
}

static bool has_hint(const struct stop *stop, const char *hint)
{
	for (size_t i = 0; i < stop->restart_hints.count; i++)
		if (strcmp(stop->restart_hints.items[i], hint) == 0)
			return true;
	return false;
}

void stop_collect_hints(struct stop *stop)
{
	clear_hints(stop);
	for (size_t i = 0; i < stop->subjects.count; i++) {
		const struct stop_subject *subject = &stop->subjects.items[i];

		/* What still runs must not be started a second time. */
		if (subject->hint && subject->reason == STOP_CHOSEN &&
		    (subject->ended || !stop->acted) && !has_hint(stop, subject->hint))
			*memory_append(&stop->restart_hints) = memory_copy_text(subject->hint);
	}
}

/*
 * The claim is a name in the kernel's abstract socket namespace: it goes away with its process, whatever happens to
 * that, and leaves no file behind. Anybody may take a name there, so only one that root or this user has counts.
 */
static bool is_ours(const struct sockaddr_un *name, socklen_t size, pid_t *pid)
{
	struct ucred peer = { 0 };
	socklen_t length = sizeof peer;
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)name, size) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
		return errno == EAGAIN; /* many are asking: then it is a real one */
	*pid = peer.pid;
	return peer.uid == 0 || peer.uid == geteuid();
}

int stop_claim(const struct survey *survey, struct error *err)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		(void)fail_errno(err, STATUS_TROUBLE, "cannot claim the database");
		return -1;
	}

	const int length = snprintf(
		name.sun_path + 1, sizeof name.sun_path - 1, "dblocktools/botkill/%llx:%llx",
		(unsigned long long)survey->device, (unsigned long long)survey->inode);
	const socklen_t size =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);

	pid_t other = 0;

	if (bind(fd, (const struct sockaddr *)&name, size) == 0 && listen(fd, 8) == 0)
		return take_descriptor(&fd);
	if (errno != EADDRINUSE)
		(void)fail_errno(err, STATUS_TROUBLE, "cannot claim the database");
	else if (is_ours(&name, size, &other))
		(void)fail(err, STATUS_BUSY,
			   "another botkill (process %d) is at work on this database", other);
	else
		return take_descriptor(&fd);
	return -1;
}
