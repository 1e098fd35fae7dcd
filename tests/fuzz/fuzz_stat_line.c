#include "tests/fuzz/fuzz.h"

#include "common/linux/stat_line.h"

/* A name from the input must not change what stands behind it. */
static void check_hostile_name(const char *name)
{
	static const char rest[] = ") S 977 1 1 0 -1 0 1 2 3 4 250 13 0 0 20 0 3 0 8812345 0 0\n";
	char text[4096];
	struct stat_line line;
	const int length = snprintf(text, sizeof text, "4123 (%.2000s%s", name, rest);

	CHECK(stat_line_read(text, (size_t)length, &line));
	CHECK(line.state == 'S' && line.ppid == 977);
	CHECK(line.cpu_ticks == 263 && line.start_ticks == 8812345);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	struct stat_line line;

	if (stat_line_read(text, strlen(text), &line)) {
		CHECK(line.ppid >= 0);
		CHECK(strrchr(text, ')'));
	}
	check_hostile_name(text);
	free(text);
	return 0;
}
