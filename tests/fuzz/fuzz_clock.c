#include "tests/fuzz/fuzz.h"

#include "common/base/clock.h"

/* What is taken means a whole day, minute, second or millisecond, and stands in the text itself. */
static void check_time(const char *text, int64_t first, int64_t last)
{
	const int64_t meant = last - first + 1;
	const size_t length = strlen(text) - (text[strlen(text) - 1] == 'Z');
	const struct timespec when = { .tv_sec = (time_t)(first / 1000),
				       .tv_nsec = (long)(first % 1000) * 1000000 };
	char stamp[CLOCK_STAMP_SIZE];
	int64_t again = -1, end = -1;

	CHECK(first >= 0 && first <= last);
	CHECK(meant == 1 || meant == 1000 || meant == 60000 || meant == 86400000);
	CHECK(first % meant == 0);
	CHECK(strspn(text, "0123456789-:.TZ") == strlen(text));
	clock_stamp(when, stamp);
	CHECK(clock_parse(stamp, &again, &end) && again == first && end == first);
	/* A leap second is told as the one after it. */
	if (length < 19 || strncmp(text + 17, "60", 2) != 0)
		CHECK(strncmp(text, stamp, length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	int64_t first = -1, last = -1;

	if (clock_parse(text, &first, &last))
		check_time(text, first, last);
	free(text);
	return 0;
}
