#include "common/linux/freezer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"

enum { MOST_CGROUPS = 64 << 10, MOST_STATE = 4096 };

/* Where the hierarchies are mounted: cgroup v1's freezer, and v2 alone or beside v1. */
static const struct hierarchy {
	const char *line; /* how its line in /proc/PID/cgroup goes on behind the number */
	const char *folder;
	const char *state; /* file to read, and what it says when frozen */
	const char *frozen;
	const char *own;     /* file that starts with 1 when this group itself was frozen */
	const char *control; /* file to write, and what thaws */
	const char *thaw;
} hierarchies[] = {
	{ ":freezer:", "/sys/fs/cgroup/freezer", "freezer.state", "FROZEN", "freezer.self_freezing",
	  "freezer.state", "THAWED" },
	{ "::", "/sys/fs/cgroup", "cgroup.events", "frozen 1", "cgroup.freeze", "cgroup.freeze",
	  "0" },
	{ "::", "/sys/fs/cgroup/unified", "cgroup.events", "frozen 1", "cgroup.freeze",
	  "cgroup.freeze", "0" },
};

enum { HIERARCHIES = sizeof hierarchies / sizeof *hierarchies };

/* The process's path in one hierarchy; free() it. NULL when it has none. */
static char *path_in(const char *cgroups, const struct hierarchy *hierarchy)
{
	for (const char *line = cgroups; *line;) {
		const size_t length = strcspn(line, "\n");
		const size_t number = strspn(line, "0123456789");
		const size_t key = strlen(hierarchy->line);

		if (length > number + key && strncmp(line + number, hierarchy->line, key) == 0)
			return memory_copy(line + number + key, length - number - key);
		line += length + (line[length] == '\n');
	}
	return NULL;
}

/* The group's folder in the first hierarchy that says it is frozen; free() it. NULL when none does. */
static char *frozen_folder(const struct proc_root *root, pid_t pid, const struct hierarchy **which)
{
	char name[32];

	(void)snprintf(name, sizeof name, "%d/cgroup", pid);

	auto_free char *cgroups = proc_read(root->fd, name, MOST_CGROUPS, NULL);

	for (size_t i = 0; cgroups && i < HIERARCHIES; i++) {
		auto_free char *path = path_in(cgroups, &hierarchies[i]);

		if (!path || strstr(path, ".."))
			continue;

		auto_free char *folder = memory_format("%s%s", hierarchies[i].folder, path);
		auto_free char *file = memory_format("%s/%s", folder, hierarchies[i].state);
		auto_free char *state = proc_read(AT_FDCWD, file, MOST_STATE, NULL);

		if (state && strstr(state, hierarchies[i].frozen)) {
			*which = &hierarchies[i];
			return take_pointer(&folder);
		}
	}
	return NULL;
}

bool freezer_holds(const struct proc_root *root, pid_t pid)
{
	const struct hierarchy *which = NULL;
	auto_free char *folder = frozen_folder(root, pid, &which);

	return folder != NULL;
}

/* Thaws one group if it is the one that was frozen itself, not by a group above it. */
static bool thaw_group(const char *folder, const struct hierarchy *which, struct error *err)
{
	auto_free char *own_state = memory_format("%s/%s", folder, which->own);
	auto_free char *control = memory_format("%s/%s", folder, which->control);
	auto_free char *own = proc_read(AT_FDCWD, own_state, MOST_STATE, NULL);
	const size_t length = strlen(which->thaw);

	if (!own || own[0] != '1')
		return true;

	auto_close int fd = open(control, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, which->thaw, length) != (ssize_t)length)
		return fail_errno(err, STATUS_TROUBLE, "cannot thaw a control group");
	return true;
}

bool freezer_thaw(const struct proc_root *root, pid_t pid, struct error *err)
{
	const double until = clock_now() + 1;
	const struct hierarchy *which = NULL;
	auto_free char *folder = frozen_folder(root, pid, &which);

	/* From its own group up to the root of the hierarchy: any of them may be what is frozen. */
	while (folder && strlen(folder) > strlen(which->folder)) {
		if (!thaw_group(folder, which, err))
			return false;
		*strrchr(folder, '/') = '\0';
	}
	/* It takes a moment until the last process runs again. */
	while (freezer_holds(root, pid) && clock_now() < until)
		clock_sleep_until(clock_now() + 0.005);
	return true;
}
