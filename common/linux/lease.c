#include "common/linux/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>

static enum lease_answer ask_and_give_back(int fd, int type)
{
	if (fcntl(fd, F_SETLEASE, type) == 0) {
		/* Should this ever fail, closing the descriptor gives the lease back. */
		(void)fcntl(fd, F_SETLEASE, F_UNLCK);
		return LEASE_ALONE;
	}
	if (errno == EAGAIN)
		return LEASE_SHARED;
	return errno == EACCES ? LEASE_NOT_ALLOWED : LEASE_MEANINGLESS;
}

enum lease_answer lease_ask(int fd, enum lease_question question)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction before = { 0 };
	sigset_t all, mask;

	/*
	 * An opener who has to wait makes the kernel send us SIGIO, whose default is to end the program.
	 * Ignored first and blocked second: what arrived while blocked is thrown away when unblocked.
	 */
	if (sigaction(SIGIO, &ignore, &before) != 0 || sigfillset(&all) != 0 ||
	    sigprocmask(SIG_BLOCK, &all, &mask) != 0)
		return LEASE_MEANINGLESS;

	const enum lease_answer answer =
		ask_and_give_back(fd, question == LEASE_ANYBODY ? F_WRLCK : F_RDLCK);

	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	(void)sigaction(SIGIO, &before, NULL);
	return answer;
}
