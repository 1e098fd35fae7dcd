#include "common/linux/nap.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/parse.h"
#include "common/base/scope.h"

enum { NAME_SIZE = 64, MOST_BYTES = 1 << 14 };

/* Where both calls sleep (kernel/time/hrtimer.c). */
static const char asleep_in[] = "hrtimer_nanosleep";

static bool sleeps(const struct proc_root *root, pid_t pid, int thread)
{
	char path[NAME_SIZE];

	(void)snprintf(path, sizeof path, "%d/task/%d/wchan", pid, thread);

	auto_free char *place = proc_read(root->fd, path, MOST_BYTES, NULL);

	return place && strncmp(place, asleep_in, sizeof asleep_in - 1) == 0;
}

static uint64_t pauses_of(const struct proc_root *root, pid_t pid, int thread)
{
	static const char label[] = "\nvoluntary_ctxt_switches:\t";
	char path[NAME_SIZE];
	uint64_t pauses = 0;

	(void)snprintf(path, sizeof path, "%d/task/%d/status", pid, thread);

	auto_free char *text = proc_read(root->fd, path, MOST_BYTES, NULL);
	const char *found = text ? strstr(text, label) : NULL;

	if (!found)
		return 0;
	found += sizeof label - 1;
	return parse_number_at(&found, 10, UINT64_MAX, &pauses) ? pauses : 0;
}

struct nap nap_look(const struct proc_root *root, pid_t pid)
{
	struct nap nap = { 0 };
	struct number_walk walk;
	const char *name = NULL;
	char path[NAME_SIZE];
	int thread = 0;

	(void)snprintf(path, sizeof path, "%d/task", pid);

	auto_close int folder = openat(root->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return nap;
	number_walk_start(&walk, folder);
	while (!nap.asleep && number_walk_next(&walk, &thread, &name))
		if (sleeps(root, pid, thread))
			nap = (struct nap){ true, thread, pauses_of(root, pid, thread) };
	return nap;
}

bool nap_again(const struct nap *before, const struct nap *after)
{
	return before->asleep && after->asleep && before->thread == after->thread &&
	       after->pauses > before->pauses;
}
