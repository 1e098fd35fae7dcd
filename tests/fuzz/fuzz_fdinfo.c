#include "tests/fuzz/fuzz.h"

#include "common/linux/fdinfo.h"
#include "common/linux/lock_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	const char *cursor = text, *end = text + strlen(text), *before = NULL;
	struct fdinfo info = { 0 };
	size_t locks = 0, expected = 0;

	if (fdinfo_read(text, &info))
		CHECK(strstr(text, "flags:\t"));
	else
		CHECK(info.flags == 0);
	for (const char *line = NULL; (line = fdinfo_next_lock(&cursor)); before = line, locks++) {
		struct lock_line lock;

		CHECK(line >= text && line < end && cursor > line && cursor <= end);
		CHECK(line == text || line[-1] == '\n');
		CHECK(line > before);
		CHECK(strncmp(line, "lock:", 5) == 0);
		(void)lock_line_read(line, &lock);
	}
	for (const char *line = text; line;
	     line = strchr(line, '\n'), line = line ? line + 1 : NULL)
		expected += strncmp(line, "lock:", 5) == 0;
	CHECK(locks == expected);
	free(text);
	return 0;
}
