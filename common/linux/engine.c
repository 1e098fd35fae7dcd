#include "common/linux/engine.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

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
	free(container->name);
	free(container->restart);
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

static bool read_container(const struct json_t *document, struct container *container)
{
	const struct json_t *one = json_at(document, 0);
	const struct json_t *state = json_get(one, "State"), *config = json_get(one, "Config");
	const struct json_t *labels = json_get(config, "Labels");
	const char *name = json_get_text(one, "Name");
	const char *restart =
		json_get_text(json_get(json_get(one, "HostConfig"), "RestartPolicy"), "Name");
	int64_t pid = 0, code = 0;

	if (!name || !state || !json_get_number(state, "Pid", &pid) || pid < 0 || pid > INT_MAX)
		return false;
	(void)json_get_number(state, "ExitCode", &code);
	*container = (struct container){
		.name = memory_copy_text(name + (*name == '/')),
		.restart = memory_copy_text(restart && *restart ? restart : "no"),
		.pid = (pid_t)pid,
		.running = json_get_bool(state, "Running"),
		.paused = json_get_bool(state, "Paused"),
		.exit_code = (int)(code & 0xff),
		.project = label(labels, "project"),
		.service = label(labels, "service"),
		.folder = label(labels, "project.working_dir"),
		.files = label(labels, "project.config_files"),
	};
	return true;
}

bool container_inspect(enum supervisor_kind kind, const char *id, struct container *container,
		       struct error *err)
{
	const char *const arguments[] = { engine_program(kind), "container", "inspect", id, NULL };
	auto_free char *printed = NULL;

	if (!command_run(arguments, patience_seconds, &printed, err))
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

char *container_start_command(enum supervisor_kind kind, const struct container *container)
{
	struct text text = { 0 };

	if (container->service && container->files && container->folder) {
		text_append(&text, "cd ");
		text_append_shell_word(&text, container->folder);
		text_append(&text, " && docker-compose");
		if (container->project) {
			text_append(&text, " -p ");
			text_append_shell_word(&text, container->project);
		}
		/* Several files stand in one label, separated by commas. */
		for (const char *file = container->files; *file;) {
			const size_t length = strcspn(file, ",");
			auto_free char *one = memory_copy(file, length);

			text_append(&text, " -f ");
			text_append_shell_word(&text, one);
			file += length + (file[length] == ',');
		}
		text_append(&text, " up -d ");
		text_append_shell_word(&text, container->service);
	} else {
		text_append(&text, "%s start ", engine_program(kind));
		text_append_shell_word(&text, container->name);
	}
	return text_take(&text);
}
