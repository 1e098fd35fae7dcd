/*
 * Who restarts a process when it ends: read from its cgroup path, without asking (or needing) the engine.
 * Pure text.
 *
 *     0::/system.slice/bot.service                                        systemd, the unit
 *     0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service   systemd of a user
 *     0::/system.slice/docker-<64 hex>.scope   12:pids:/docker/<64 hex>   docker
 *     0::/machine.slice/libpod-<64 hex>.scope/container                   podman
 *     0::/kubepods.slice/…/cri-containerd-<64 hex>.scope                  kubernetes
 *
 * The outermost wins: a unit inside a container is the container's business. Anybody may name a cgroup below
 * their own user slice as they like, so a docker scope there is not believed.
 */
#ifndef LINUX_SUPERVISOR_H
#define LINUX_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>

enum supervisor_kind {
	SUPERVISOR_NONE,
	SUPERVISOR_SYSTEMD,
	SUPERVISOR_DOCKER,
	SUPERVISOR_PODMAN,
	SUPERVISOR_KUBERNETES,
};

struct supervisor {
	enum supervisor_kind kind;
	char name[256]; /* systemd: the unit; else "" (only the engine knows the name) */
	char restart
		[32]; /* when it starts it again: "always", "no"; "" unless the supervisor was asked */
	char project[128],
		service[128]; /* docker-compose's names; "" without, or unless the engine was asked */
	bool paused;	      /* a container that its engine has paused */
	char id[128]; /* containers: 64 hex digits; a user's unit: the manager "user@1000.service"; else "" */
};

/* "systemd", "docker", "podman", "kubernetes"; NULL for none. */
const char *supervisor_kind_name(enum supervisor_kind kind);

/*
 * Reads the whole text of /proc/PID/cgroup. Containers that stand in `own`, the caller's text, do not count: whoever
 * is inside sees through them. NULL for nowhere.
 */
void supervisor_read(const char *cgroups, const char *own, struct supervisor *supervisor);

#endif
