#include "common/linux/worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/signals.h"

/* What parent and child tell each other without a call. */
struct result {
	atomic_bool stop; /* set by the parent */
	bool returned;	  /* the function came to its end */
	bool good;	  /* what it returned */
	struct error err;
};

static const double seconds_to_stop = 10;

enum { LOOK_MILLISECONDS = 100 };

/* In a child: what it shares with its parent. NULL and -1 in a process that is nobody's worker. */
static struct result *own_result;
static int own_channel = -1;

void *worker_share(size_t size)
{
	/* cppcheck-suppress invalidFunctionArg ; -1 is what portable programs give for no file */
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		memory_give_up();
	return memory;
}

void worker_unshare(void *memory, size_t size)
{
	if (memory)
		(void)munmap(memory, size);
}

bool worker_should_stop(void)
{
	return (own_result && atomic_load(&own_result->stop)) || signals_pending() != 0;
}

__attribute__((noreturn)) static void work(struct worker *worker, int channel, pid_t parent,
					   worker_function *function, void *argument)
{
	/* Nothing may go on behind the back of somebody who saw the tool end. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(STATUS_TROUBLE);
	own_result = worker->result;
	own_channel = channel;
	own_result->good = function(argument, &own_result->err);
	own_result->returned = true;
	_exit(STATUS_OK); /* not exit(): what is buffered belongs to the parent */
}

static void release(struct worker *worker)
{
	scope_close(&worker->pidfd);
	scope_close(&worker->channel);
	worker_unshare(worker->result, sizeof *worker->result);
	*worker = (struct worker)WORKER_NONE;
}

bool worker_start(struct worker *worker, const char *doing, worker_function *function,
		  void *argument, struct error *err)
{
	const pid_t parent = getpid();
	int channels[2];

	*worker = (struct worker)WORKER_NONE;
	worker->doing = doing;
	if (!signals_check(err))
		return false;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channels) != 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot start", doing);
	worker->channel = channels[0];
	worker->result = worker_share(sizeof *worker->result);
	worker->pid = fork();
	if (worker->pid == 0) {
		(void)close(channels[0]);
		work(worker, channels[1], parent, function, argument);
	}
	(void)close(channels[1]);
	if (worker->pid < 0) {
		(void)fail_errno(err, STATUS_TROUBLE, "%s: cannot start", doing);
		release(worker);
		return false;
	}
	worker->pidfd = (int)syscall(SYS_pidfd_open, worker->pid, 0);
	if (worker->pidfd < 0) {
		(void)fail_errno(err, STATUS_TROUBLE, "%s: cannot watch it", doing);
		(void)kill(worker->pid, SIGKILL); /* our child, not yet collected */
		(void)waitpid(worker->pid, NULL, 0);
		release(worker);
		return false;
	}
	return true;
}

/* Waits for the child's end, or with `paused` for its pause too. Returns true when it ended. */
static bool wait_for(struct worker *worker, const struct worker_watch *watch, bool *paused)
{
	bool asked = false;
	double kill_at = 0;
	struct pollfd events[] = {
		{ .fd = worker->pidfd, .events = POLLIN },
		{ .fd = paused ? worker->channel : -1, .events = POLLIN },
		{ .fd = signals_descriptor(), .events = POLLIN },
	};

	for (;;) {
		if (watch && watch->look)
			watch->look(watch->context);
		(void)poll(events, sizeof events / sizeof *events, LOOK_MILLISECONDS);
		if (events[0].revents)
			return true;
		if (paused && events[1].revents && !asked) {
			*paused = true;
			return false;
		}
		if (!worker_should_stop())
			continue;
		atomic_store(&worker->result->stop, true);
		events[2].fd = -1; /* stays readable: seen */
		if (!asked) {
			asked = true;
			kill_at = clock_now() + seconds_to_stop;
			if (paused)
				(void)shutdown(worker->channel, SHUT_WR);
		} else if (clock_now() > kill_at) {
			(void)kill(worker->pid, SIGKILL); /* our child, not yet collected */
		}
	}
}

bool worker_finish(struct worker *worker, const struct worker_watch *watch, struct error *err)
{
	int status = 0;
	bool good = false;

	if (worker->pid == 0)
		return fail(err, STATUS_TROUBLE, "nothing was started");
	(void)wait_for(worker, watch, NULL);
	while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (worker->result->returned) {
		good = worker->result->good;
		*err = worker->result->err;
	} else if (WIFSIGNALED(status)) {
		(void)fail(err, STATUS_TROUBLE, "%s: ended by SIG%s", worker->doing,
			   sigabbrev_np(WTERMSIG(status)));
	} else {
		(void)fail(err, STATUS_TROUBLE, "%s: ended early (status %d)", worker->doing,
			   WEXITSTATUS(status));
	}
	/* Whatever it failed with after it was asked to stop, that is why. */
	if (!good)
		(void)signals_check(err);
	release(worker);
	return good;
}

bool worker_run(const char *doing, worker_function *function, void *argument,
		const struct worker_watch *watch, struct error *err)
{
	struct worker worker = WORKER_NONE;

	return worker_start(&worker, doing, function, argument, err) &&
	       worker_finish(&worker, watch, err);
}

static bool say(int channel, char word)
{
	return send(channel, &word, 1, MSG_NOSIGNAL) == 1;
}

static char hear(int channel)
{
	char word = 0;
	ssize_t got = 0;

	do
		got = recv(channel, &word, 1, 0);
	while (got < 0 && errno == EINTR);
	return got == 1 ? word : 0;
}

bool worker_pause(void)
{
	return own_channel < 0 || (say(own_channel, 'p') && hear(own_channel) == 'y');
}

bool worker_await_pause(struct worker *worker, const struct worker_watch *watch)
{
	bool paused = false;

	return !wait_for(worker, watch, &paused) && paused && hear(worker->channel) == 'p';
}

void worker_continue(struct worker *worker, bool go_on)
{
	/* When it cannot be told, it is gone, and worker_finish() says so. */
	(void)say(worker->channel, go_on ? 'y' : 'n');
}
