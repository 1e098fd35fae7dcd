/*
 * Container engines, docker and podman: asked through their own programs, so that their sockets, contexts and
 * versions are their business.
 */
#ifndef LINUX_ENGINE_H
#define LINUX_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/base/names.h"
#include "common/linux/supervisor.h"

/* A folder or file of the machine that a container sees. */
struct container_mount {
	char *source;	   /* absolute, here */
	char *destination; /* absolute, in there */
};

struct container {
	char *id;	      /* 64 hex digits */
	char *name;	      /* "telegram_bot" */
	char *restart;	      /* restart policy: "no", "always", "unless-stopped", "on-failure" */
	pid_t pid;	      /* of its PID 1, as this machine numbers it; 0 when it does not run */
	bool running, paused; /* a paused one runs: docker says so itself, podman does not */
	bool stopping;	      /* its engine is waiting for it to end (podman says so) */
	bool removed;	      /* it is removed when it ends (--rm) */
	char *stop_signal;    /* that its engine sends; "" is the engine's own, SIGTERM */
	int exit_code;	      /* of its last end */
	struct container_mount *mounts;
	size_t mount_count;
	char *project, *service, *folder, *files; /* docker-compose's labels; NULL without them */
};

/* "docker" or "podman". */
const char *engine_program(enum supervisor_kind kind);

/*
 * Asks about one container. Fails when the engine cannot be reached, does not answer within `patience` seconds, or
 * does not know it.
 */
bool container_inspect(enum supervisor_kind kind, const char *id, double patience,
		       struct container *container, struct error *err);
/*
 * Adds the names of the engine's running containers that have `folder` (absolute), or one that it lies in, mounted. An
 * engine that is not installed, or whose daemon does not run, has none; one that does not answer is an error.
 */
bool engine_containers_with(enum supervisor_kind kind, const char *folder, struct names *names,
			    struct error *err);
void container_release(struct container *container);

bool container_unpause(enum supervisor_kind kind, const char *id, struct error *err);

/* Sends SIGINT to its PID 1 through the engine, which then takes its end for wanted. */
bool container_interrupt(enum supervisor_kind kind, const char *id, struct error *err);

/* The command that starts it again, for a shell; free() it. NULL when there is none (--rm). */
char *container_start_command(enum supervisor_kind kind, const struct container *container);

#endif
