#include "common/linux/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/parse.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/command.h"

void unit_release(struct unit *unit)
{
	free(unit->restart);
	*unit = (struct unit){ 0 };
}

/* The user of a manager "user@1000.service"; false for the system's. */
static bool user_of(const struct supervisor *unit, uint64_t *uid)
{
	const char *at = unit->id;

	return parse_word_at(&at, "user@") && parse_number_at(&at, 10, UINT32_MAX, uid);
}

void unit_command(const struct supervisor *unit, const char *verb, char buffer[64],
		  const char *arguments[UNIT_MOST_WORDS])
{
	size_t count = 0;
	uint64_t uid = 0;

	arguments[count++] = "systemctl";
	if (user_of(unit, &uid)) {
		arguments[count++] = "--user";
		if (uid != getuid()) {
			(void)snprintf(buffer, 64, "--machine=%u@.host", (unsigned)uid);
			arguments[count++] = buffer;
		}
	}
	arguments[count++] = verb;
	arguments[count++] = "--";
	arguments[count++] = unit->name;
	arguments[count] = NULL;
}

/* The value of "KEY=value" in systemctl show's answer; free() it. "" when it is not there. */
static char *value_of(const char *answer, const char *key)
{
	const size_t length = strlen(key);

	for (const char *line = answer; *line;) {
		const size_t end = strcspn(line, "\n");

		if (end > length && strncmp(line, key, length) == 0 && line[length] == '=')
			return memory_copy(line + length + 1, end - length - 1);
		line += end + (line[end] == '\n');
	}
	return memory_copy("", 0);
}

bool unit_stop_timed_out(const struct supervisor *supervisor, double patience)
{
	const char *arguments[UNIT_MOST_WORDS];
	char buffer[64];
	struct error ignored = { 0 };
	auto_free char *answer = NULL;

	unit_command(supervisor, "show", buffer, arguments);
	if (!command_run(arguments, patience, &answer, &ignored))
		return false;

	auto_free char *result = value_of(answer, "Result");

	return strcmp(result, "timeout") == 0;
}

bool unit_show(const struct supervisor *supervisor, double patience, struct unit *unit,
	       struct error *err)
{
	const char *arguments[UNIT_MOST_WORDS];
	char buffer[64];
	uint64_t pid = 0;
	auto_free char *answer = NULL;

	unit_command(supervisor, "show", buffer, arguments);
	if (!command_run(arguments, patience, &answer, err))
		return false;

	auto_free char *main_pid = value_of(answer, "MainPID");
	auto_free char *kill_mode = value_of(answer, "KillMode");
	auto_free char *active = value_of(answer, "ActiveState");

	(void)parse_whole(main_pid, INT32_MAX, &pid);
	/* A unit that runs may be masked, or its file be gone: it is stopped all the same. */
	if (pid == 0 &&
	    (*active == '\0' || strcmp(active, "inactive") == 0 || strcmp(active, "failed") == 0))
		return fail(err, STATUS_TROUBLE, "systemctl does not know the unit %s as running",
			    supervisor->name);
	*unit = (struct unit){
		.main_pid = (pid_t)pid,
		.kills_all =
			strcmp(kill_mode, "control-group") == 0 || strcmp(kill_mode, "mixed") == 0,
		.restart = value_of(answer, "Restart"),
	};
	return true;
}

char *unit_start_command(const struct supervisor *unit)
{
	struct text text = { 0 };
	const char *arguments[UNIT_MOST_WORDS];
	char buffer[64];

	unit_command(unit, "start", buffer, arguments);
	for (size_t i = 0; arguments[i]; i++) {
		if (strcmp(arguments[i], "--") == 0 && unit->name[0] != '-')
			continue;
		text_append(&text, "%s", i ? " " : "");
		text_append_shell_word(&text, arguments[i]);
	}
	return text_take(&text);
}
