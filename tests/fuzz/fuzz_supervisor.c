#include "tests/fuzz/fuzz.h"

#include "common/linux/supervisor.h"

static void check(const char *text, const struct supervisor *supervisor)
{
	CHECK(memchr(supervisor->name, 0, sizeof supervisor->name));
	CHECK(memchr(supervisor->id, 0, sizeof supervisor->id));
	CHECK(!strpbrk(supervisor->name, "/\n") && !strpbrk(supervisor->id, "/\n"));
	switch (supervisor->kind) {
	case SUPERVISOR_NONE:
		CHECK(!*supervisor->name && !*supervisor->id);
		break;
	case SUPERVISOR_SYSTEMD:
		CHECK(*supervisor->name && strstr(text, ".service"));
		CHECK(!*supervisor->id || strncmp(supervisor->id, "user@", 5) == 0);
		break;
	default:
		CHECK(!*supervisor->name && strlen(supervisor->id) == 64);
		CHECK(strspn(supervisor->id, "0123456789abcdef") == 64);
		CHECK(strstr(text, supervisor->id));
	}
}

/* Whatever a user names cgroups below their own slice, it is no docker container. */
static void check_spoof(const char *text)
{
	char *path = malloc(strlen(text) + 64);
	struct supervisor supervisor;

	CHECK(path);
	(void)sprintf(path, "0::/user.slice/user-1000.slice/%s", text);
	path[strcspn(path, "\n")] = '\0';
	supervisor_read(path, NULL, &supervisor);
	CHECK(supervisor.kind != SUPERVISOR_DOCKER);
	free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	struct supervisor supervisor;

	supervisor_read(text, NULL, &supervisor);
	check(text, &supervisor);
	check_spoof(text);
	free(text);
	return 0;
}
