/*
 * A path as a container sees it, found from outside: in the container's mount namespace, with its root as the limit of
 * every link, so that no link in there leads to a file of the machine's.
 */
#ifndef LINUX_CONTAINER_PATH_H
#define LINUX_CONTAINER_PATH_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/linux/supervisor.h"

struct container_path {
	enum supervisor_kind kind; /* of engine */
	char *name;		   /* of the container */
	char *inside;		   /* the path in there, links followed */
	char *outside; /* the same file and folder from here; by /proc/PID/root where they have no other name */
	pid_t pid; /* of its PID 1, as this machine numbers it */
	int pidfd; /* while that lives, the PID and `outside` are nobody else's */
	struct stat file;
};

#define CONTAINER_PATH_NONE \
	{                   \
		.pidfd = -1 \
	}
#define auto_container_path __attribute__((cleanup(container_path_release))) struct container_path

/* Whether docker and podman would take that for the name or ID of a container: nothing that could be an option. */
bool container_name_is_good(const char *name);

/*
 * Asks docker, then podman, for the container, and looks for `path` (absolute) in it. Fails when no engine knows it or
 * can be reached, when it does not run, ends meanwhile, or has no such file. A paused one is looked at as any other.
 */
bool container_path_find(struct container_path *place, const char *name, const char *path,
			 struct error *err);
void container_path_release(struct container_path *place);

/* Whether the container still runs, so that what was found by `outside` meanwhile was its file. */
bool container_path_holds(const struct container_path *place, struct error *err);

#endif
