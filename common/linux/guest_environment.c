#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/linux/guest.h"
#include "common/linux/user.h"

struct variables {
	char **items;
	size_t count, capacity;
};

/* These name code or files that a program takes in before it does what it was asked to. */
static const char *const unwanted[] = {
	"PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT", "SQLITE_TMPDIR",
	"BASH_ENV",   "ENV",	       "IFS",		"GCONV_PATH"
};

/* All that another user's program gets of ours: what we were given may be secret. DOCKER_HOST is the address of an engine. */
static const char *const harmless[] = { "PATH",	       "LANG",	     "LANGUAGE",
					"TZ",	       "TERM",	     "COLUMNS",
					"VIRTUAL_ENV", "PYTHONPATH", "DOCKER_HOST" };

static bool has_name(const char *variable, const char *name)
{
	const size_t length = strlen(name);

	return strncmp(variable, name, length) == 0 && variable[length] == '=';
}

static bool is_one_of(const char *variable, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (has_name(variable, names[i]))
			return true;
	return false;
}

static bool is_wanted(const char *variable, bool same_user)
{
	static const char function[] = "BASH_FUNC_", loader[] = "LD_";

	return strchr(variable, '=') && strncmp(variable, loader, sizeof loader - 1) != 0 &&
	       strncmp(variable, function, sizeof function - 1) != 0 &&
	       !is_one_of(variable, unwanted, sizeof unwanted / sizeof *unwanted) &&
	       (same_user || strncmp(variable, "LC_", 3) == 0 ||
		is_one_of(variable, harmless, sizeof harmless / sizeof *harmless));
}

/* Puts a variable (it is taken) in place of one of the same name, or at the end. */
static void put(struct variables *variables, char *variable)
{
	const size_t length = strcspn(variable, "=") + 1;

	for (size_t i = 0; i < variables->count; i++) {
		if (strncmp(variables->items[i], variable, length) != 0)
			continue;
		free(variables->items[i]);
		variables->items[i] = variable;
		return;
	}
	variables->items = memory_grow(variables->items, &variables->capacity, variables->count + 2,
				       sizeof *variables->items);
	variables->items[variables->count++] = variable;
	variables->items[variables->count] = NULL;
}

static void put_user(struct variables *variables, uid_t uid)
{
	auto_user user = { 0 };

	if (user_find(uid, &user)) {
		put(variables, memory_format("HOME=%s", user.home));
		put(variables, memory_format("USER=%s", user.name));
		put(variables, memory_format("LOGNAME=%s", user.name));
	} else {
		put(variables, memory_copy_text("HOME=/"));
		put(variables, memory_format("USER=%u", uid));
		put(variables, memory_format("LOGNAME=%u", uid));
	}
}

char **guest_environment(uid_t uid, const char *const *extra)
{
	const bool same_user = uid == geteuid();
	struct variables variables = { 0 };

	variables.items = memory_grow(NULL, &variables.capacity, 1, sizeof *variables.items);
	variables.items[0] = NULL;
	for (char **variable = environ; variable && *variable; variable++)
		if (is_wanted(*variable, same_user))
			put(&variables, memory_copy_text(*variable));
	if (!same_user)
		put_user(&variables, uid);
	for (; extra && *extra; extra++)
		put(&variables, memory_copy_text(*extra));
	return variables.items;
}

void guest_environment_release(char **environment)
{
	for (char **variable = environment; variable && *variable; variable++)
		free(*variable);
	free(environment);
}
