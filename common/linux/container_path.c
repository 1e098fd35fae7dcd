#include "common/linux/container_path.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/engine.h"
#include "common/linux/path_in_root.h"
#include "common/linux/proc_root.h"

enum { NAME_SIZE = 64, MOST_CGROUPS = 64 << 10 };

static const double patience_seconds = 10;

void container_path_release(struct container_path *place)
{
	scope_close(&place->pidfd);
	free(place->name);
	free(place->inside);
	free(place->outside);
	*place = (struct container_path)CONTAINER_PATH_NONE;
}

bool container_name_is_good(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	return *name != '\0' && strchr(letters, *name) &&
	       name[strspn(name, "_.-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789")] == '\0';
}

static bool has_ended(const struct container_path *place, struct error *err)
{
	return fail(err, STATUS_TROUBLE, "container %s: has ended meanwhile", place->name);
}

/* Docker first. What it says counts, unless it is not installed. */
static bool ask_engines(struct container_path *place, struct container *container,
			struct error *err)
{
	struct error docker = { 0 };

	place->kind = SUPERVISOR_DOCKER;
	if (container_inspect(place->kind, place->name, patience_seconds, container, &docker))
		return true;
	place->kind = SUPERVISOR_PODMAN;
	if (container_inspect(place->kind, place->name, patience_seconds, container, err))
		return true;
	if (!strstr(docker.text, "not installed"))
		*err = docker;
	return false;
}

/*
 * Whether the engine's PID is a process of that container on this machine. An engine may be on another one
 * (DOCKER_HOST, a context), or be asked from a container, and its numbers are other processes here; a container may
 * also be a virtual machine, whose process here has the files of the machine.
 */
static bool is_here(const struct container_path *place, const struct container *container,
		    struct error *err)
{
	char name[NAME_SIZE];

	(void)snprintf(name, sizeof name, "/proc/%d/cgroup", place->pid);

	auto_free char *cgroups = proc_read(AT_FDCWD, name, MOST_CGROUPS, NULL);

	(void)snprintf(name, sizeof name, "/proc/%d/ns/mnt", place->pid);

	auto_free char *theirs = proc_read_link(AT_FDCWD, name);
	auto_free char *ours = proc_read_link(AT_FDCWD, "/proc/self/ns/mnt");

	if (!cgroups || !theirs || !ours)
		return fail_errno(err, STATUS_TROUBLE, "container %s: cannot look into it",
				  place->name);
	return (strstr(cgroups, container->id) && strcmp(theirs, ours) != 0) ||
	       fail(err, STATUS_TROUBLE,
		    "container %s: process %d is none of its own: %s speaks of another machine, or "
		    "the container has no files of its own here",
		    place->name, place->pid, engine_program(place->kind));
}

/*
 * Takes hold of its PID 1. The engine is asked again afterwards: if that is still its PID, the hold is on it, and not on a
 * process that got the number of one that had ended.
 */
static bool hold(struct container_path *place, const struct container *container, struct error *err)
{
	struct container again = { 0 };

	if (!container->running || container->pid <= 0)
		return fail(err, STATUS_TROUBLE, "container %s: does not run", place->name);
	place->pid = container->pid;
	place->pidfd = (int)syscall(SYS_pidfd_open, place->pid, 0);
	if (place->pidfd < 0)
		return has_ended(place, err);
	if (!container_inspect(place->kind, place->name, patience_seconds, &again, err))
		return has_ended(place, err);

	const bool same = again.running && again.pid == place->pid;

	container_release(&again);
	return same ? is_here(place, container, err) : has_ended(place, err);
}

/* A file below its root, by what it is called in there. */
static bool look_inside(struct container_path *place, int root_fd, const char *path,
			struct error *err)
{
	auto_free char *shown = text_printable(path);
	auto_close int fd = path_open_in(root_fd, path, O_PATH | O_CLOEXEC);
	char link[NAME_SIZE];

	if (fd < 0 || fstat(fd, &place->file) != 0)
		return fail_errno(err, STATUS_TROUBLE, "container %s: %s", place->name, shown);
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	place->inside = proc_read_link(AT_FDCWD, link);
	return place->inside ||
	       fail_errno(err, STATUS_TROUBLE, "container %s: %s: cannot find out where it is",
			  place->name, shown);
}

/* What the machine calls a path below one of the container's mounts; NULL when it lies below none. free() it. */
static char *by_mounts(const struct container *container, const char *inside)
{
	size_t longest = 0;
	char *found = NULL;

	for (size_t i = 0; i < container->mount_count; i++) {
		const struct container_mount *mount = &container->mounts[i];
		const size_t length = strlen(mount->destination);

		if (length < longest || strncmp(inside, mount->destination, length) != 0 ||
		    (inside[length] != '/' && inside[length] != '\0'))
			continue;
		longest = length;
		free(found);
		found = memory_format("%s%s", mount->source, inside + length);
	}
	return found;
}

static bool is_same(const char *path, const struct stat *wanted)
{
	struct stat found = { 0 };

	return lstat(path, &found) == 0 && found.st_dev == wanted->st_dev &&
	       found.st_ino == wanted->st_ino;
}

/* SQLite's other files lie beside it: a path is the same only where the folder is. */
static bool is_same_place(const char *path, int root_fd, const struct container_path *place)
{
	auto_free char *folder = memory_copy(path, (size_t)(strrchr(path, '/') - path) + 1);
	auto_free char *inside = memory_copy(
		place->inside, (size_t)(strrchr(place->inside, '/') - place->inside) + 1);
	auto_close int fd = path_open_in(root_fd, inside, O_PATH | O_CLOEXEC);
	struct stat wanted = { 0 };

	return is_same(path, &place->file) && fd >= 0 && fstat(fd, &wanted) == 0 &&
	       is_same(folder, &wanted);
}

static bool look(struct container_path *place, const struct container *container, const char *path,
		 struct error *err)
{
	char name[NAME_SIZE];

	(void)snprintf(name, sizeof name, "/proc/%d/root", place->pid);

	auto_close int root_fd = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root_fd < 0 && (errno == ENOENT || errno == ESRCH))
		return has_ended(place, err);
	if (root_fd < 0)
		return fail_errno(err, STATUS_TROUBLE, "container %s: cannot look into it",
				  place->name);
	if (!look_inside(place, root_fd, path, err))
		return false;

	auto_free char *outside = by_mounts(container, place->inside);

	if (outside && *outside == '/' && is_same_place(outside, root_fd, place))
		place->outside = take_pointer(&outside);
	else
		place->outside = memory_format("%s%s", name, place->inside);
	return true;
}

bool container_path_find(struct container_path *place, const char *name, const char *path,
			 struct error *err)
{
	struct container container = { 0 };

	place->name = memory_copy_text(name);
	if (*path != '/') {
		auto_free char *shown = text_printable(path);

		return fail(err, STATUS_USAGE, "%s: a path in a container starts with /", shown);
	}
	if (!ask_engines(place, &container, err))
		return false;

	const bool found = hold(place, &container, err) && look(place, &container, path, err) &&
			   container_path_holds(place, err);

	container_release(&container);
	return found;
}

bool container_path_holds(const struct container_path *place, struct error *err)
{
	struct pollfd poll_fd = { .fd = place->pidfd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 0 || has_ended(place, err);
}
