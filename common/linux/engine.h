/*
 * Container engines, docker and podman: asked through their own programs, so that their sockets, contexts and
 * versions are their business.
 */
#ifndef LINUX_ENGINE_H
#define LINUX_ENGINE_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/linux/supervisor.h"

struct container {
	char *name;    /* "telegram_bot" */
	char *restart; /* restart policy: "no", "always", "unless-stopped", "on-failure" */
	pid_t pid;     /* of its PID 1, as this machine numbers it; 0 when it does not run */
	bool running, paused;
	int exit_code;				  /* of its last end */
	char *project, *service, *folder, *files; /* docker-compose's labels; NULL without them */
};

/* "docker" or "podman". */
const char *engine_program(enum supervisor_kind kind);

/*
 * Asks about one container. Fails when the engine cannot be reached, does not answer within some seconds, or does
 * not know it.
 */
bool container_inspect(enum supervisor_kind kind, const char *id, struct container *container,
		       struct error *err);
void container_release(struct container *container);

bool container_unpause(enum supervisor_kind kind, const char *id, struct error *err);

/* The command that starts it again, for a shell; free() it. */
char *container_start_command(enum supervisor_kind kind, const struct container *container);

#endif
