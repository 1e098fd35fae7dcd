#include "common/linux/supervisor.h"

#include <string.h>

enum { ID_LENGTH = 64 };

/* One component of a cgroup path. */
struct part {
	const char *text;
	size_t length;
};

const char *supervisor_kind_name(enum supervisor_kind kind)
{
	static const char *const names[] = {
		[SUPERVISOR_NONE] = NULL,
		[SUPERVISOR_SYSTEMD] = "systemd",
		[SUPERVISOR_DOCKER] = "docker",
		[SUPERVISOR_PODMAN] = "podman",
		[SUPERVISOR_KUBERNETES] = "kubernetes",
	};

	return names[kind];
}

static bool next_part(const char **cursor, struct part *part)
{
	*cursor += strspn(*cursor, "/");
	part->text = *cursor;
	part->length = strcspn(*cursor, "/\n");
	*cursor += part->length;
	return part->length > 0;
}

static bool starts_with(struct part part, const char *prefix)
{
	const size_t length = strlen(prefix);

	return part.length >= length && memcmp(part.text, prefix, length) == 0;
}

static bool ends_with(struct part part, const char *suffix)
{
	const size_t length = strlen(suffix);

	return part.length > length &&
	       memcmp(part.text + part.length - length, suffix, length) == 0;
}

static bool is_part(struct part part, const char *text)
{
	return part.length == strlen(text) && memcmp(part.text, text, part.length) == 0;
}

/* PREFIX, 64 hex digits, SUFFIX, and nothing else: copies the digits. */
static bool take_id(struct part part, const char *prefix, const char *suffix, char id[128])
{
	const size_t before = strlen(prefix);

	if (part.length != before + ID_LENGTH + strlen(suffix) || !starts_with(part, prefix) ||
	    memcmp(part.text + before + ID_LENGTH, suffix, strlen(suffix)) != 0 ||
	    strspn(part.text + before, "0123456789abcdef") < ID_LENGTH)
		return false;
	memcpy(id, part.text + before, ID_LENGTH);
	id[ID_LENGTH] = '\0';
	return true;
}

static void copy_part(char *to, size_t size, struct part part)
{
	const size_t length = part.length < size ? part.length : size - 1;

	memcpy(to, part.text, length);
	to[length] = '\0';
}

/* A container, told by one component and the one before it. */
static enum supervisor_kind container_of(struct part before, struct part part, bool in_user_slice,
					 bool in_kubernetes, char id[128])
{
	static const char *const runtimes[] = { "cri-containerd-", "crio-", "docker-", "" };

	if (in_kubernetes) {
		for (size_t i = 0; i < sizeof runtimes / sizeof *runtimes; i++)
			if (take_id(part, runtimes[i], *runtimes[i] ? ".scope" : "", id))
				return SUPERVISOR_KUBERNETES;
		return SUPERVISOR_NONE;
	}
	if (!in_user_slice && (take_id(part, "docker-", ".scope", id) ||
			       (is_part(before, "docker") && take_id(part, "", "", id))))
		return SUPERVISOR_DOCKER;
	if (take_id(part, "libpod-", ".scope", id) || take_id(part, "libpod-", "", id))
		return SUPERVISOR_PODMAN;
	return SUPERVISOR_NONE;
}

/* Units that only carry the containers of an engine. */
static bool is_engine(struct part part)
{
	return is_part(part, "docker.service") || is_part(part, "containerd.service") ||
	       is_part(part, "podman.service") || is_part(part, "kubelet.service") ||
	       is_part(part, "crio.service") || is_part(part, "k3s.service");
}

/* Reads one path from the outside in; true when it names a supervisor. */
static bool read_path(const char *cursor, const char *own, struct supervisor *supervisor)
{
	struct part part = { "", 0 }, before = { "", 0 }, manager = { NULL, 0 };
	bool in_user_slice = false, in_kubernetes = false;

	for (; next_part(&cursor, &part); before = part) {
		in_user_slice = in_user_slice || is_part(part, "user.slice");
		in_kubernetes = in_kubernetes ||
				(!in_user_slice &&
				 (is_part(part, "kubepods") || is_part(part, "kubepods.slice")));
		supervisor->kind =
			container_of(before, part, in_user_slice, in_kubernetes, supervisor->id);
		if (supervisor->kind != SUPERVISOR_NONE && own && strstr(own, supervisor->id)) {
			*supervisor = (struct supervisor){ 0 };
			continue;
		}
		if (supervisor->kind != SUPERVISOR_NONE)
			return true;
		if (!ends_with(part, ".service") || is_engine(part))
			continue;
		if (starts_with(part, "user@")) {
			manager = part;
			continue;
		}
		/* What a unit does below itself (Delegate=yes) is its own business. */
		supervisor->kind = SUPERVISOR_SYSTEMD;
		copy_part(supervisor->name, sizeof supervisor->name, part);
		if (manager.text)
			copy_part(supervisor->id, sizeof supervisor->id, manager);
		return true;
	}
	return false;
}

void supervisor_read(const char *cgroups, const char *own, struct supervisor *supervisor)
{
	*supervisor = (struct supervisor){ 0 };
	while (*cgroups) {
		/* "12:pids:/docker/…": the path starts behind the second colon. */
		const size_t length = strcspn(cgroups, "\n");
		const char *first = memchr(cgroups, ':', length);
		const char *second =
			first ? memchr(first + 1, ':', length - (size_t)(first + 1 - cgroups))
			      : NULL;

		if (second && read_path(second + 1, own, supervisor))
			return;
		cgroups += length + (cgroups[length] == '\n');
	}
}
