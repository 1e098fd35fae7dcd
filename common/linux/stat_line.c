#include "common/linux/stat_line.h"

#include <limits.h>
#include <string.h>

#include "common/base/parse.h"

/* Field numbers of proc(5); the state is field 3, the first behind the name. */
enum { FIELD_STATE = 3, FIELD_PPID = 4, FIELD_UTIME = 14, FIELD_STIME = 15, FIELD_START = 22 };

static bool read_field(const char **cursor, uint64_t *value)
{
	(void)parse_word_at(cursor, "-"); /* some fields may be negative; none that is used here */
	return parse_number_at(cursor, 10, UINT64_MAX, value);
}

bool stat_line_read(const char *text, size_t length, struct stat_line *line)
{
	const char *name_end = memrchr(text, ')', length);
	uint64_t value = 0;

	*line = (struct stat_line){ 0 };
	if (!name_end || name_end[1] != ' ' || name_end[2] == '\0')
		return false;
	line->state = name_end[2];

	const char *cursor = name_end + 3;

	for (int field = FIELD_PPID; field <= FIELD_START; field++) {
		if (!parse_word_at(&cursor, " ") || !read_field(&cursor, &value))
			return false;
		if (field == FIELD_PPID && value > INT_MAX)
			return false;
		if (field == FIELD_PPID)
			line->ppid = (pid_t)value;
		else if (field == FIELD_UTIME || field == FIELD_STIME)
			line->cpu_ticks += value;
		else if (field == FIELD_START)
			line->start_ticks = value;
	}
	return true;
}
