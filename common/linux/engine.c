#include "common/linux/engine.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/json.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/command.h"

static const double patience_seconds = 10;

const char *engine_program(enum supervisor_kind kind)
{
	return kind == SUPERVISOR_PODMAN ? "podman" : "docker";
}

void container_release(struct container *container)
{
	for (size_t i = 0; i < container->mount_count; i++) {
		free(container->mounts[i].source);
		free(container->mounts[i].destination);
	}
	free(container->mounts);
	free(container->id);
	free(container->name);
	free(container->restart);
	free(container->stop_signal);
	free(container->project);
	free(container->service);
	free(container->folder);
	free(container->files);
	*container = (struct container){ 0 };
}

static char *label(const struct json_t *labels, const char *end)
{
	auto_free char *key = memory_format("com.docker.compose.%s", end);

	return memory_copy_text(json_get_text(labels, key));
}

static void read_mounts(const struct json_t *mounts, struct container *container)
{
	const size_t count = json_count(mounts);

	container->mounts = memory_allocate(count + 1, sizeof *container->mounts);
	for (size_t i = 0; i < count; i++) {
		const char *source = json_get_text(json_at(mounts, i), "Source");
		const char *destination = json_get_text(json_at(mounts, i), "Destination");

		if (source && destination)
			container->mounts[container->mount_count++] = (struct container_mount){
				memory_copy_text(source),
				memory_copy_text(destination),
			};
	}
}

static bool read_container(const struct json_t *document, struct container *container)
{
	const struct json_t *one = json_at(document, 0);
	const struct json_t *state = json_get(one, "State"), *config = json_get(one, "Config");
	const struct json_t *labels = json_get(config, "Labels");
	const char *id = json_get_text(one, "Id"), *name = json_get_text(one, "Name");
	const char *restart =
		json_get_text(json_get(json_get(one, "HostConfig"), "RestartPolicy"), "Name");
	const char *signal = json_get_text(config, "StopSignal");
	const char *status = json_get_text(state, "Status");
	int64_t pid = 0, code = 0;

	if (!id || !*id || !name || !state || !json_get_number(state, "Pid", &pid) || pid < 0 ||
	    pid > INT_MAX)
		return false;
	(void)json_get_number(state, "ExitCode", &code);
	*container = (struct container){
		.id = memory_copy_text(id),
		.name = memory_copy_text(name + (*name == '/')),
		.restart = memory_copy_text(restart && *restart ? restart : "no"),
		.pid = (pid_t)pid,
		.running = json_get_bool(state, "Running") || json_get_bool(state, "Paused"),
		.paused = json_get_bool(state, "Paused"),
		.stopping = status && strcmp(status, "stopping") == 0,
		.removed = json_get_bool(json_get(one, "HostConfig"), "AutoRemove"),
		.stop_signal = memory_copy_text(signal ? signal : ""),
		.exit_code = (int)(code & 0xff),
		.project = label(labels, "project"),
		.service = label(labels, "service"),
		.folder = label(labels, "project.working_dir"),
		.files = label(labels, "project.config_files"),
	};
	read_mounts(json_get(one, "Mounts"), container);
	return true;
}

bool container_inspect(enum supervisor_kind kind, const char *id, double patience,
		       struct container *container, struct error *err)
{
	const char *const arguments[] = { engine_program(kind), "container", "inspect", id, NULL };
	auto_free char *printed = NULL;

	if (!command_run(arguments, patience, &printed, err))
		return false;

	struct json_t *document = json_parse(printed, strlen(printed), err);
	const bool good = document && read_container(document, container);

	if (document)
		json_release(document);
	return good ||
	       fail(err, STATUS_TROUBLE, "%s: its answer about container %.12s makes no sense",
		    engine_program(kind), id);
}

bool container_unpause(enum supervisor_kind kind, const char *id, struct error *err)
{
	const char *const arguments[] = { engine_program(kind), "unpause", id, NULL };

	return command_run(arguments, patience_seconds, NULL, err);
}

bool container_interrupt(enum supervisor_kind kind, const char *id, struct error *err)
{
	const char *const arguments[] = { engine_program(kind), "kill", "--signal=SIGINT", id,
					  NULL };

	return command_run(arguments, patience_seconds, NULL, err);
}

/*
 * Appends " -f FILE" for each of compose's files as they are seen from `folder`; they stand in one label, separated by
 * commas. A relative one is relative to where compose was called, which nobody knows: false when it is not found.
 */
static bool append_compose_files(struct text *text, const char *folder, const char *files)
{
	while (*files) {
		const size_t length = strcspn(files, ",");
		auto_free char *file = memory_copy(files, length);
		const char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
		auto_free char *there = memory_format("%s/%s", folder, file);
		auto_free char *beside = memory_format("%s/%s", folder, base);

		if (*file != '/' && access(there, R_OK) != 0 && access(beside, R_OK) != 0)
			return false;
		text_append(text, " -f ");
		text_append_shell_word(text,
				       *file == '/' || access(there, R_OK) == 0 ? file : base);
		files += length + (files[length] == ',');
	}
	return true;
}

static char *compose_command(const struct container *container)
{
	auto_text text = { 0 };

	if (!container->service || !container->files || !container->folder)
		return NULL;
	text_append(&text, "cd ");
	text_append_shell_word(&text, container->folder);
	text_append(&text, " && docker-compose");
	if (container->project) {
		text_append(&text, " -p ");
		text_append_shell_word(&text, container->project);
	}
	if (!append_compose_files(&text, container->folder, container->files))
		return NULL;
	text_append(&text, " up -d ");
	text_append_shell_word(&text, container->service);
	return text_take(&text);
}

char *container_start_command(enum supervisor_kind kind, const struct container *container)
{
	struct text text = { 0 };
	char *compose = compose_command(container);

	if (compose || container->removed)
		return compose;
	text_append(&text, "%s start ", engine_program(kind));
	text_append_shell_word(&text, container->name);
	return text_take(&text);
}

static bool lies_in(const char *path, const char *folder)
{
	const size_t length = strlen(folder);

	return strncmp(path, folder, length) == 0 &&
	       (path[length] == '\0' || path[length] == '/' || strcmp(folder, "/") == 0);
}

/* Adds the container's name when one of its mounts is the folder, lies in it, or holds it. */
static void add_if_mounted(const struct json_t *one, const char *folder, struct names *names)
{
	const struct json_t *mounts = json_get(one, "Mounts");
	const char *name = json_get_text(one, "Name");

	for (size_t i = 0; i < json_count(mounts); i++) {
		const char *source = json_get_text(json_at(mounts, i), "Source");

		if (source && *source == '/' &&
		    (lies_in(folder, source) || lies_in(source, folder))) {
			names_add(names, name ? name + (*name == '/') : "?");
			return;
		}
	}
}

static bool add_container(enum supervisor_kind kind, const char *id, const char *folder,
			  struct names *names, struct error *err)
{
	const char *const arguments[] = { engine_program(kind), "inspect", "--type=container", id,
					  NULL };
	auto_free char *output = NULL;
	struct json_t *document = NULL;

	if (!command_run(arguments, patience_seconds, &output, err))
		return false;
	document = json_parse(output, strlen(output), err);
	if (!document)
		return false;
	add_if_mounted(json_at(document, 0), folder, names);
	json_release(document);
	return true;
}

/* Whether what it said means that there is no engine at work here. */
static bool is_not_there(const struct error *err)
{
	return strstr(err->text, "not installed") ||
	       strstr(err->text, "Cannot connect to the Docker daemon");
}

bool engine_containers_with(enum supervisor_kind kind, const char *folder, struct names *names,
			    struct error *err)
{
	const char *const arguments[] = { engine_program(kind), "ps", "-q", "--no-trunc", NULL };
	auto_free char *output = NULL;

	if (!command_run(arguments, patience_seconds, &output, err)) {
		if (!is_not_there(err))
			return false;
		*err = (struct error){ 0 };
		return true;
	}
	for (const char *at = output; *at;) {
		const size_t length = strcspn(at, "\n");
		auto_free char *id = memory_copy(at, length);

		if (length > 0 && strspn(id, "0123456789abcdef") == length &&
		    !add_container(kind, id, folder, names, err))
			return false;
		at += length + (at[length] == '\n');
	}
	return true;
}
