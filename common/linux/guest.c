#include "common/linux/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/signals.h"
#include "common/base/text.h"
#include "common/linux/guest_keeper.h"
#include "common/linux/guest_output.h"
#include "common/linux/user.h"
#include "common/linux/worker.h"

enum { LOOK_MILLISECONDS = 100, MOST_READS_AFTER = 64 };

/* --- what the children need --------------------------------------------------------------------------------------- */

static void release_launch(struct guest_launch *launch)
{
	for (char **path = launch->paths; path && *path; path++)
		free(*path);
	free(launch->shown);
	free(launch->shown_folder);
	free(launch->paths);
	free(launch->groups);
	scope_close(&launch->output);
}

#define auto_launch __attribute__((cleanup(release_launch))) struct guest_launch

struct paths {
	char **items;
	size_t count, capacity;
};

static void add_path(struct paths *paths, char *path)
{
	paths->items =
		memory_grow(paths->items, &paths->capacity, paths->count + 2, sizeof *paths->items);
	paths->items[paths->count++] = path;
	paths->items[paths->count] = NULL;
}

static const char *search_path(const struct guest *guest)
{
	for (char *const *variable = guest->environment; *variable; variable++)
		if (strncmp(*variable, "PATH=", 5) == 0)
			return *variable + 5;
	return "/usr/local/bin:/usr/bin:/bin";
}

/* Where the program may be. Folders of PATH that are not absolute are not looked in: it starts elsewhere. */
static bool find_program(const struct guest *guest, struct guest_launch *launch, struct error *err)
{
	const char *name = guest->arguments[0], *shown = launch->shown;
	struct paths paths = { 0 };

	if (!*name)
		return fail(err, STATUS_TROUBLE, "the program to run has no name");
	if (strchr(name, '/')) {
		auto_free char *here = *name == '/' ? NULL : getcwd(NULL, 0);

		if (*name != '/' && !here)
			return fail_errno(err, STATUS_TROUBLE, "%s: cannot be found from here",
					  shown);
		add_path(&paths,
			 here ? memory_format("%s/%s", here, name) : memory_copy_text(name));
		launch->paths = paths.items;
		return true;
	}
	if (guest->extra_path)
		add_path(&paths, memory_format("%s/%s", guest->extra_path, name));
	for (const char *folder = search_path(guest); *folder;) {
		const size_t length = strcspn(folder, ":");

		if (*folder == '/')
			add_path(&paths, memory_format("%.*s/%s", (int)length, folder, name));
		folder += length + (folder[length] == ':');
	}
	launch->paths = paths.items;
	return paths.items || fail(err, STATUS_TROUBLE, "%s: not found: PATH is empty", shown);
}

/* All groups that the user is in; without an account he has the one that was given. */
static void find_groups(const struct guest *guest, struct guest_launch *launch)
{
	auto_user user = { 0 };
	const bool known = user_find(guest->uid, &user);
	int count = 0;

	if (known)
		(void)getgrouplist(user.name, guest->gid, NULL, &count);
	launch->groups = memory_allocate((size_t)count + 1, sizeof *launch->groups);
	launch->groups[0] = guest->gid;
	launch->group_count = 1;
	if (known && count > 0 && getgrouplist(user.name, guest->gid, launch->groups, &count) > 0)
		launch->group_count = count;
}

static bool find_user(const struct guest *guest, struct guest_launch *launch, struct error *err)
{
	if (geteuid() != 0)
		return guest->uid == geteuid() ||
		       fail(err, STATUS_TROUBLE, "%s: only root can run it as another user",
			    launch->shown);
	launch->change_user = guest->uid != 0 || guest->gid != getegid();
	if (launch->change_user)
		find_groups(guest, launch);
	return true;
}

/* --- while it runs ------------------------------------------------------------------------------------------------ */

struct watch {
	pid_t keeper;
	int pidfd;
	int output_fd;
	double deadline; /* clock_now(); 0: none */
	bool interrupted;
	int pressed;	   /* signals that the keeper got so far */
	double press_next; /* when it gets the next one */
};

/* Asks the program to end, then ends it, then its keeper (and with that all of it, by the kernel). */
static void press(struct watch *watch, double now)
{
	static const int signals[] = { GUEST_ASK, GUEST_END, SIGKILL };

	if (watch->pressed == sizeof signals / sizeof *signals || now < watch->press_next)
		return;
	(void)kill(watch->keeper, signals[watch->pressed++]); /* our child, not yet collected */
	watch->press_next = now + GUEST_GRACE;
}

static void look(struct guest *guest, struct watch *watch)
{
	const double now = clock_now();

	if (watch->pressed == 0) {
		watch->interrupted = worker_should_stop();
		guest->timed_out =
			!watch->interrupted && watch->deadline > 0 && now >= watch->deadline;
	}
	if (watch->interrupted || guest->timed_out)
		press(watch, now);
}

/* Until the keeper has ended. */
static void attend(struct guest *guest, struct watch *watch, struct guest_output *output)
{
	struct pollfd events[] = {
		{ .fd = watch->output_fd, .events = POLLIN },
		{ .fd = watch->pidfd, .events = POLLIN },
		{ .fd = signals_descriptor(), .events = POLLIN },
	};

	do {
		(void)poll(events, sizeof events / sizeof *events, LOOK_MILLISECONDS);
		if (events[0].revents && !guest_output_read(output, watch->output_fd))
			events[0].fd = -1; /* nobody has it open for writing any more */
		look(guest, watch);
		if (watch->interrupted)
			events[2].fd = -1; /* stays readable: seen */
	} while (!events[1].revents);
}

/* What is still in the pipe; who has it open now is out of our reach, and is not waited for. */
static void read_rest(struct guest_output *output, int fd)
{
	struct pollfd event = { .fd = fd, .events = POLLIN };

	for (int i = 0; i < MOST_READS_AFTER; i++)
		if (poll(&event, 1, 0) <= 0 || !guest_output_read(output, fd))
			return;
}

static bool judge(struct guest *guest, const struct watch *watch, const struct guest_fate *fate,
		  const char *name, struct error *err)
{
	guest->status = fate->status;
	guest->ended = fate->ended;
	if (watch->interrupted)
		return signals_check(err) ? fail(err, STATUS_TROUBLE, "%s: interrupted", name)
					  : false;
	if (guest->timed_out)
		return fail(err, STATUS_TROUBLE,
			    "%s: had not ended after %g seconds, and was ended", name,
			    guest->timeout);
	if (fate->failed) {
		*err = fate->err;
		return false;
	}
	return fate->over || fail(err, STATUS_TROUBLE, "%s: who looked after it was killed", name);
}

static void collect(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

static bool attend_to_end(struct guest *guest, struct watch *watch, const char *name,
			  struct error *err)
{
	auto_free struct guest_output *output = memory_allocate(1, sizeof *output);
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, watch->keeper, 0);

	output->guest = guest;
	watch->pidfd = pidfd;
	if (pidfd < 0) {
		(void)fail_errno(err, STATUS_TROUBLE, "%s: cannot be watched", name);
		(void)kill(watch->keeper, SIGKILL); /* our child, not yet collected */
		collect(watch->keeper);
		return false;
	}
	attend(guest, watch, output);
	collect(watch->keeper);
	read_rest(output, watch->output_fd);
	guest_output_end(output);
	return true;
}

static bool run(struct guest *guest, struct guest_launch *launch, struct guest_fate *fate,
		struct error *err)
{
	const pid_t parent = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot be started", launch->shown);
	launch->output = ends[1];

	auto_close int output_fd = ends[0];
	struct watch watch = { .output_fd = output_fd,
			       .deadline = guest->timeout > 0 ? clock_now() + guest->timeout : 0 };

	if (fcntl(output_fd, F_SETFL, O_NONBLOCK) != 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot be started", launch->shown);
	watch.keeper = fork();
	if (watch.keeper == 0)
		guest_keep(launch, fate, parent);
	if (watch.keeper < 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot be started", launch->shown);
	scope_close(&launch->output);
	launch->output = -1;
	return attend_to_end(guest, &watch, launch->shown, err) &&
	       judge(guest, &watch, fate, launch->shown, err);
}

bool guest_run(struct guest *guest, struct error *err)
{
	auto_launch launch = { .guest = guest, .output = -1 };

	guest->status = 0;
	guest->timed_out = guest->log_cut = false;
	guest->ended = 0;
	guest->last_line[0] = '\0';
	launch.shown = text_printable(guest->arguments[0]);
	launch.shown_folder = text_printable(guest->folder);
	if (!signals_check(err) || !find_program(guest, &launch, err) ||
	    !find_user(guest, &launch, err))
		return false;

	struct guest_fate *fate = worker_share(sizeof *fate);
	const bool good = run(guest, &launch, fate, err);

	worker_unshare(fate, sizeof *fate);
	return good;
}
