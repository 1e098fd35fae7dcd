/* Reading and rewriting alembic.ini as Python's configparser understands it; see engine_alembic.h. */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/engine_alembic.h"

static const char url_setting[] = "sqlalchemy.url", here[] = "%(here)s";

enum line_kind {
	LINE_NOTHING, /* blank, or a comment */
	LINE_SECTION,
	LINE_SETTING,
	LINE_MORE, /* of the setting before */
};

/* Takes the next line, without its end; NULL when there is none. free() it. */
static char *next_line(const char **at)
{
	size_t length = strcspn(*at, "\n");
	const char *start = *at;

	if (*start == '\0')
		return NULL;
	*at += length + (start[length] == '\n');
	while (length > 0 && isspace((unsigned char)start[length - 1]))
		length--;
	return memory_copy(start, length);
}

static enum line_kind kind_of(const char *line)
{
	const char *first = line + strspn(line, " \t");

	return *first == '\0' || *first == '#' || *first == ';' ? LINE_NOTHING
	       : first != line					? LINE_MORE
	       : *line == '['					? LINE_SECTION
								: LINE_SETTING;
}

static bool is_alembic(const char *section)
{
	return strncmp(section, "[alembic]", 9) == 0;
}

/* The value of a setting of that name; NULL when the line is another one. */
static const char *value_of(const char *line, const char *name)
{
	const size_t length = strlen(name);
	const char *after = line + length;

	if (strncasecmp(line, name, length) != 0)
		return NULL;
	after += strspn(after, " \t");
	if (*after != '=' && *after != ':')
		return NULL;
	return after + 1 + strspn(after + 1, " \t");
}

/* A setting of the section "alembic", "" when it has no value; NULL when there is none. free() it. */
static char *find_setting(const char *ini, const char *name)
{
	bool inside = false, wanted = false, seen = false;

	for (char *line = NULL; (line = next_line(&ini)); free(line)) {
		const enum line_kind kind = kind_of(line);
		const char *value = NULL;

		if (kind == LINE_SECTION)
			inside = is_alembic(line);
		if (wanted && kind == LINE_MORE)
			value = line + strspn(line, " \t");
		else if (inside && kind == LINE_SETTING)
			value = value_of(line, name);
		wanted = value && *value == '\0';
		seen = seen || value;
		if (value && *value) {
			char *found = memory_copy_text(value);

			free(line);
			return found;
		}
	}
	return seen ? memory_copy_text("") : NULL;
}

/* --- rewriting --------------------------------------------------------------------------------------------------- */

/* Appends text with each "%" doubled, as configparser reads it back. */
static void append_literal(struct text *text, const char *words)
{
	for (; *words; words++)
		text_append_bytes(text, *words == '%' ? "%%" : words, *words == '%' ? 2 : 1);
}

/* A value, with %(here)s, which would mean the new place, as the folder that it meant. */
static void append_value(struct text *text, const char *value, const char *folder, bool literal)
{
	while (*value) {
		const bool is_here = strncmp(value, here, sizeof here - 1) == 0;
		const size_t length = strncmp(value, "%%", 2) == 0 ? 2
				      : is_here			   ? sizeof here - 1
								   : 1;

		if (!is_here)
			text_append_bytes(text, value, length);
		else if (literal)
			append_literal(text, folder);
		else
			text_append_bytes(text, folder, strlen(folder));
		value += length;
	}
}

/* The driver stays ("sqlite+aiosqlite"), and what is asked of it ("?timeout=30"). */
static void append_url(struct text *text, const char *old, const char *database)
{
	const char *end = old && strncmp(old, "sqlite", 6) == 0 ? strstr(old, "://") : NULL;
	const char *query = end ? strchr(end, '?') : NULL;

	text_append(text, "%s = %.*s:///", url_setting, end ? (int)(end - old) : 6,
		    end ? old : "sqlite");
	append_literal(text, database);
	text_append(text, "%s\n", query ? query : "");
}

/* The value of a setting whose line was read: it may stand on the next one. */
static const char *whole_value(const char *value, const char *rest, char **next)
{
	if (*value == '\0' && (*next = next_line(&rest)) && kind_of(*next) == LINE_MORE)
		return *next + strspn(*next, " \t");
	return value;
}

/* One line; returns whether it was a URL, whose further lines are not wanted. */
static bool append_rewritten(struct text *text, const char *line, const char *rest,
			     const char *folder, const char *database)
{
	const char *value = kind_of(line) == LINE_SETTING ? value_of(line, url_setting) : NULL;
	auto_free char *next = NULL;

	if (value) {
		append_url(text, whole_value(value, rest, &next), database);
		return true;
	}
	append_value(text, line, folder, true);
	text_append(text, "\n");
	return false;
}

static bool has_section(const char *ini)
{
	bool found = false;

	for (char *line = NULL; !found && (line = next_line(&ini)); free(line))
		found = kind_of(line) == LINE_SECTION && is_alembic(line);
	return found;
}

char *engine_alembic_rewrite(const char *ini, const char *folder, const char *database)
{
	auto_free char *old = find_setting(ini, url_setting);
	const bool has = has_section(ini);
	bool skipping = false;
	auto_text text = { 0 };

	if (!has) {
		text_append(&text, "[alembic]\n");
		append_url(&text, NULL, database);
	}
	for (char *line = NULL; (line = next_line(&ini)); free(line)) {
		if (skipping && kind_of(line) == LINE_MORE)
			continue;
		skipping = append_rewritten(&text, line, ini, folder, database);
		if (!old && has && kind_of(line) == LINE_SECTION && is_alembic(line))
			append_url(&text, NULL, database);
	}
	return text_take(&text);
}

/* --- files ------------------------------------------------------------------------------------------------------- */

char *engine_alembic_ini(const char *path, uid_t uid, struct error *err)
{
	enum { MOST = 1 << 20 };
	auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	auto_free char *text = memory_allocate(MOST + 1, 1);
	struct stat stat = { 0 };

	const bool there = fd >= 0 && fstat(fd, &stat) == 0;

	if (there)
		errno = EACCES;
	if (!there || !S_ISREG(stat.st_mode) ||
	    (stat.st_uid != uid && geteuid() == 0 && !(stat.st_mode & S_IROTH)) ||
	    io_read_at(fd, text, MOST, 0) < 0) {
		auto_free char *shown = text_printable(path);

		(void)fail_errno(err, STATUS_TROUBLE, "%s: cannot be read", shown);
		return NULL;
	}
	return take_pointer(&text);
}

char *engine_alembic_scripts(const char *ini, const char *folder, uid_t uid, struct error *err)
{
	auto_free char *text = engine_alembic_ini(ini, uid, err);
	auto_free char *location = text ? find_setting(text, "script_location") : NULL;
	auto_text path = { 0 };

	if (!text)
		return NULL;
	if (!location || *location == '\0')
		return memory_copy_text(folder);
	if (*location != '/' && strncmp(location, here, sizeof here - 1) != 0)
		text_append(&path, "%s/", folder);
	append_value(&path, location, folder, false);
	return text_take(&path);
}
