#include "common/linux/fdinfo.h"

#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "common/base/parse.h"

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line ? line + 1 : line;
}

bool fdinfo_read(const char *text, struct fdinfo *info)
{
	bool has_flags = false;

	*info = (struct fdinfo){ 0 };
	for (const char *line = text; *line; line = next_line(line)) {
		const char *cursor = line;
		uint64_t value = 0;

		if (parse_word_at(&cursor, "flags:\t") &&
		    parse_number_at(&cursor, 8, UINT_MAX, &value)) {
			info->flags = (unsigned)value;
			has_flags = true;
		}
		cursor = line;
		if (parse_word_at(&cursor, "mnt_id:\t"))
			(void)parse_number_at(&cursor, 10, UINT64_MAX, &info->mount);
		cursor = line;
		if (parse_word_at(&cursor, "ino:\t"))
			(void)parse_number_at(&cursor, 10, UINT64_MAX, &info->inode);
	}
	return has_flags;
}

bool fdinfo_can_write(unsigned flags)
{
	return (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH);
}

const char *fdinfo_next_lock(const char **cursor)
{
	for (const char *line = *cursor; *line; line = next_line(line))
		if (strncmp(line, "lock:", 5) == 0) {
			*cursor = next_line(line);
			return line;
		}
	return NULL;
}
