/*
 * inject.so - let one operation on a file go wrong.
 *
 *	FAULT_AT	the number of the operation, from 1, of all processes together; 0: none, they are only logged
 *	FAULT_MODE	what happens to it:
 *	    kill	the whole process group is killed before it
 *	    kill-after	... when it is done
 *	    torn	... when the first half of it is written, up to a sector
 *	    kill-one	only the process that asks for it is killed, before it
 *	    short	the first half of it is done, and its caller is told so
 *	    EIO ENOSPC EINTR	it fails
 *	FAULT_STICKY	1: so does every later operation that can fail like this
 *	FAULT_STOP	a FIFO that the driver reads; for a process that cannot kill the tool, since it is in a session
 *			and a PID namespace of its own: it asks the driver to, and waits
 *
 * See intercept.h for what else has to be in the environment. The driver starts the tool in a session of its own, so
 * that its process group is the tool and nobody else.
 */

#include "tests/fault/intercept.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTOR = 512 };

static const struct mode {
	const char *name;
	int error;
	unsigned needs; /* traits, one of which the operation must have; 0: any */
} modes[] = {
	{ "EIO", EIO, 0 },
	{ "ENOSPC", ENOSPC, TAKES_SPACE },
	{ "EINTR", EINTR, IS_INTERRUPTIBLE },
	{ "torn", 0, IS_DIVISIBLE },
	{ "short", 0, IS_DIVISIBLE },
	{ "kill", 0, 0 },
	{ "kill-after", 0, 0 },
	{ "kill-one", 0, 0 },
};

static const struct mode *mode;
static uint64_t fault_at;
static bool sticky;

__attribute__((constructor)) static void read_plan(void)
{
	const char *at = getenv("FAULT_AT"), *name = getenv("FAULT_MODE");
	const char *again = getenv("FAULT_STICKY");

	for (size_t i = 0; name && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i].name, name))
			mode = &modes[i];
	fault_at = at && mode ? strtoull(at, NULL, 10) : 0;
	sticky = again && !strcmp(again, "1");
}

static bool is_mode(const char *name)
{
	return !strcmp(mode->name, name);
}

/* Does not return: the signal is delivered before kill() does. */
static void kill_all(void)
{
	const char *stop = getenv("FAULT_STOP");

	if (!stop) {
		kill(0, SIGKILL);
		return;
	}

	const int fd = open(stop, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "k", 1) != 1)
		abort();
	for (;;)
		pause();
}

static bool is_hit(const struct operation *operation)
{
	const uint64_t number = atomic_fetch_add(&fault_log->count, 1) + 1;

	if (fault_at == 0 || (mode->needs && !(operation->traits & mode->needs)))
		return false;
	return sticky ? number >= fault_at : number == fault_at;
}

bool before_operation(struct operation *operation)
{
	const bool hit = is_hit(operation);

	if (hit)
		operation->traits |= WAS_HIT;
	operation->data_length = 0;
	log_operation(operation, hit ? mode->error : 0);
	if (!hit)
		return true;
	if (mode->error) {
		errno = mode->error;
		return false;
	}
	if (is_mode("kill"))
		kill_all();
	if (is_mode("kill-one"))
		kill(getpid(), SIGKILL);
	if (is_mode("torn"))
		operation->length = operation->length / 2 / SECTOR * SECTOR;
	if (is_mode("short") && operation->length > 1)
		operation->length /= 2;
	return true;
}

void after_operation(struct operation *operation, int64_t result)
{
	(void)result;
	if (operation->traits & WAS_HIT && (is_mode("kill-after") || is_mode("torn")))
		kill_all();
}
