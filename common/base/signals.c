#include "common/base/signals.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/signalfd.h>

static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

enum { ENDING = sizeof ending / sizeof *ending };

static sigset_t held;	     /* those that are held back; empty before signals_hold() */
static int readable_fd = -1; /* of signalfd(2) */

void signals_hold(void)
{
	(void)sigemptyset(&held);
	for (size_t i = 0; i < ENDING; i++) {
		struct sigaction now;

		/* A blocked signal becomes pending even where it is ignored: leave those alone. */
		if (sigaction(ending[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			(void)sigaddset(&held, ending[i]);
	}
	(void)sigprocmask(SIG_BLOCK, &held, NULL);
	readable_fd = signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool finish_first; /* what is pending is not told any more */

void signals_finish_first(void)
{
	finish_first = true;
}

static int find_pending(void)
{
	sigset_t pending;

	if (sigpending(&pending) != 0)
		return 0;
	for (size_t i = 0; i < ENDING; i++)
		if (sigismember(&held, ending[i]) == 1 && sigismember(&pending, ending[i]) == 1)
			return ending[i];
	return 0;
}

int signals_pending(void)
{
	return finish_first ? 0 : find_pending();
}

bool signals_check(struct error *err)
{
	const int signal = signals_pending();

	return signal == 0 ||
	       fail(err, STATUS_TROUBLE, "interrupted by SIG%s", sigabbrev_np(signal));
}

int signals_descriptor(void)
{
	return finish_first ? -1 : readable_fd;
}

void signals_let_go(void)
{
	(void)sigprocmask(SIG_UNBLOCK, &held, NULL);
}

void signals_obey(void)
{
	const int pending = find_pending();

	if (pending == 0)
		return;
	(void)signal(pending, SIG_DFL);
	signals_let_go();
	(void)raise(pending);
}
