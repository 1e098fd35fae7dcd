#include "common/engine_alembic.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/publish.h"
#include "common/migration_program.h"

static void begin_arguments(const struct migration *migration, const char *ini,
			    struct names *arguments)
{
	for (size_t i = 0; i < migration->project.alembic.count; i++)
		names_add(arguments, migration->project.alembic.items[i]);
	names_add(arguments, "-c");
	names_add(arguments, ini);
}

/* --- what `alembic history` prints ------------------------------------------------------------------------------------
 *
 *     PARENT, PARENT (DEPENDS ON) -> REVISION (LABEL) (head) (mergepoint), words
 *     <base> -> REVISION (branchpoint), words
 */

/* Adds the names of a list that ends at `end`: "a, b (c, d)". */
static void add_parents(const char *at, const char *end, struct names *parents)
{
	while (at < end) {
		const size_t skipped = strspn(at, ", ()");
		size_t length = 0;

		at += skipped;
		if (at >= end)
			return;
		length = strcspn(at, ", ()");
		if (length > (size_t)(end - at))
			length = (size_t)(end - at);

		auto_free char *name = memory_copy(at, length);

		if (strcmp(name, "<base>") != 0 && !names_has(parents, name))
			names_add(parents, name);
		at += length;
	}
}

/* Behind the revision: groups in brackets, then ", words". */
static char *read_words(const char *rest)
{
	while (strncmp(rest, " (", 2) == 0 && strchr(rest, ')'))
		rest = strchr(rest, ')') + 1;
	return memory_copy_text(strncmp(rest, ", ", 2) == 0 ? rest + 2 : "");
}

static void read_line(const char *line, struct revisions *revisions)
{
	const char *arrow = strstr(line, " -> ");
	const char *version = arrow ? arrow + 4 : NULL;
	const size_t length = version ? strcspn(version, " ,") : 0;
	struct revision *revision = NULL;

	if (length == 0 || *line == ' ')
		return;
	revision = memory_append(revisions);
	revision->version = memory_copy(version, length);
	revision->name = read_words(version + length);
	revision->file = memory_copy_text("");
	add_parents(line, arrow, &revision->parents);
}

static void reverse(struct revisions *revisions)
{
	for (size_t i = 0, j = revisions->count; i + 1 < j; i++) {
		const struct revision one = revisions->items[i];

		revisions->items[i] = revisions->items[--j];
		revisions->items[j] = one;
	}
}

static void find_heads(struct revisions *revisions)
{
	for (size_t i = 0; i < revisions->count; i++) {
		bool is_parent = false;

		for (size_t j = i + 1; j < revisions->count && !is_parent; j++)
			is_parent = names_has(&revisions->items[j].parents,
					      revisions->items[i].version);
		if (!is_parent)
			names_add(&revisions->heads, revisions->items[i].version);
	}
}

void engine_alembic_read(const char *text, struct revisions *revisions)
{
	while (*text) {
		const size_t length = strcspn(text, "\n");
		auto_free char *line = memory_copy(text, length);

		read_line(line, revisions);
		text += length + (text[length] == '\n');
	}
	reverse(revisions);
	find_heads(revisions);
}

/* --- looking ------------------------------------------------------------------------------------------------------- */

/* Marks what is applied: the current revisions and all that they come after. */
static void mark_applied(struct revisions *revisions)
{
	for (size_t i = revisions->count; i-- > 0;) {
		struct revision *revision = &revisions->items[i];

		if (names_has(&revisions->current, revision->version))
			revision->applied = true;
		for (size_t j = 0; revision->applied && j < i; j++)
			if (names_has(&revision->parents, revisions->items[j].version))
				revisions->items[j].applied = true;
	}
}

static void find_problems(struct revisions *revisions)
{
	for (size_t i = 0; i < revisions->current.count; i++) {
		auto_free char *shown = text_printable(revisions->current.items[i]);

		if (!revisions_find(revisions, revisions->current.items[i]))
			revisions_complain(
				revisions, "unknown-revision", true, revisions->current.items[i],
				"the database is at revision %s, which the project does not know",
				shown);
	}
	if (revisions->heads.count > 1) {
		auto_text list = { 0 };

		names_append_printable(&list, &revisions->heads, ", ");
		revisions_complain(
			revisions, "multiple-heads", false, "",
			"there is more than one head: %s; merge them (alembic merge), or name one",
			text_string(&list));
	}
}

bool engine_alembic_look(struct migration *migration, struct error *err)
{
	struct revisions *revisions = &migration->revisions;
	auto_names arguments = { 0 };
	auto_free char *said = NULL;
	bool failed = false;

	for (size_t i = 0; i < migration->versions.alembic.count; i++)
		names_add(&revisions->current, migration->versions.alembic.items[i]);
	begin_arguments(migration, migration->project.ini, &arguments);
	names_add(&arguments, "history");
	if (!migration_program_ask(migration, &arguments, &said, &failed, err)) {
		if (!failed)
			return false;
		revisions_complain(revisions, "unparsable", true, "",
				   "the revisions cannot be listed: %s", err->text);
		*err = (struct error){ 0 };
		return true;
	}
	engine_alembic_read(said, revisions);
	mark_applied(revisions);
	find_problems(revisions);
	return true;
}

/* --- running ------------------------------------------------------------------------------------------------------- */

static bool starts_setting(const char *line, const char *name)
{
	const size_t length = strlen(name);
	const char *after = line + length;

	if (strncmp(line, name, length) != 0)
		return false;
	after += strspn(after, " \t");
	return *after == '=' || *after == ':';
}

/* Appends text with each "%" doubled, as configparser reads it back. */
static void append_literal(struct text *text, const char *words)
{
	for (; *words; words++)
		text_append_bytes(text, *words == '%' ? "%%" : words, *words == '%' ? 2 : 1);
}

/* One line, with %(here)s, which would mean the new place, as the folder that it meant. */
static void append_line(struct text *text, const char *line, const char *folder)
{
	static const char here[] = "%(here)s";
	const char *found = NULL;

	while ((found = strstr(line, here))) {
		text_append_bytes(text, line, (size_t)(found - line));
		append_literal(text, folder);
		line = found + strlen(here);
	}
	text_append(text, "%s\n", line);
}

/* The driver stays: "sqlite+aiosqlite". */
static void append_url(struct text *text, const char *line, const char *database)
{
	const char *value = line ? line + strcspn(line, "=:") + 1 : "";
	const char *end = NULL;

	value += strspn(value, " \t");
	end = strncmp(value, "sqlite", 6) == 0 ? strstr(value, "://") : NULL;
	text_append(text, "sqlalchemy.url = %.*s:///", end ? (int)(end - value) : 6,
		    end ? value : "sqlite");
	append_literal(text, database);
	text_append(text, "\n");
}

char *engine_alembic_rewrite(const char *ini, const char *folder, const char *database)
{
	auto_text text = { 0 };
	bool written = false;

	while (*ini) {
		const size_t length = strcspn(ini, "\n");
		auto_free char *line = memory_copy(ini, length);

		if (starts_setting(line, "sqlalchemy.url")) {
			append_url(&text, line, database);
			written = true;
		} else {
			append_line(&text, line, folder);
		}
		ini += length + (ini[length] == '\n');
	}
	if (!written) {
		auto_text with = { 0 };
		const char *section = strstr(text_string(&text), "[alembic]\n");
		const size_t head =
			section ? (size_t)(section - text_string(&text)) + strlen("[alembic]\n")
				: 0;

		text_append_bytes(&with, text_string(&text), head);
		if (!section)
			text_append(&with, "[alembic]\n");
		append_url(&with, NULL, database);
		text_append(&with, "%s", text_string(&text) + head);
		return text_take(&with);
	}
	return text_take(&text);
}

static char *read_ini(const char *path, struct error *err)
{
	enum { MOST = 1 << 20 };
	auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	auto_free char *text = memory_allocate(MOST + 1, 1);

	if (fd < 0 || io_read_at(fd, text, MOST, 0) < 0) {
		auto_free char *shown = text_printable(path);

		(void)fail_errno(err, STATUS_TROUBLE, "%s: cannot be read", shown);
		return NULL;
	}
	return take_pointer(&text);
}

char *engine_alembic_scripts(const char *ini, const char *folder, struct error *err)
{
	auto_free char *text = read_ini(ini, err);
	auto_text path = { 0 };

	for (const char *line = text; line && *line; line += line[strcspn(line, "\n")] != '\0') {
		line += strspn(line, "\n");
		if (starts_setting(line, "script_location")) {
			const char *value = line + strcspn(line, "=:") + 1;

			value += strspn(value, " \t");
			if (strncmp(value, "%(here)s/", 9) == 0)
				value += 9;
			if (*value != '/')
				text_append(&path, "%s/", folder);
			text_append_bytes(&path, value, strcspn(value, "\r\n"));
			break;
		}
		line += strcspn(line, "\n");
	}
	if (!text)
		return NULL;
	if (path.length == 0)
		text_append(&path, "%s", folder);
	return text_take(&path);
}

/* The rewritten alembic.ini, readable for the database's owner; its path, free() it. */
static char *make_ini(const struct migration *migration, const struct sandbox *sandbox,
		      struct error *err)
{
	static const char name[] = "alembic.ini";
	const struct stat *owner = &migration->target.files[FILE_MAIN].stat;
	auto_free char *ini = read_ini(migration->project.ini, err);
	auto_free char *database = memory_format("%s/%s", sandbox->path, migration->target.name);
	auto_free char *text = NULL;

	if (!ini)
		return NULL;
	text = engine_alembic_rewrite(ini, migration->project.folder, database);
	if (!publish_write(sandbox->fd, name, text, strlen(text), "alembic.ini", err))
		return NULL;
	if (geteuid() == 0 &&
	    fchownat(sandbox->fd, name, owner->st_uid, owner->st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
		(void)fail_errno(err, STATUS_TROUBLE, "alembic.ini cannot be given to its reader");
		return NULL;
	}
	/* `path` is of the folder "upper" in there. */
	return memory_format("%.*s%s", (int)(strrchr(sandbox->path, '/') + 1 - sandbox->path),
			     sandbox->path, name);
}

bool engine_alembic_arguments(const struct migration *migration, const struct sandbox *sandbox,
			      struct names *arguments, struct error *err)
{
	auto_free char *ini = sandbox ? make_ini(migration, sandbox, err)
				      : memory_copy_text(migration->project.ini);

	if (!ini)
		return false;
	begin_arguments(migration, ini, arguments);
	names_add(arguments, migration->plan.down ? "downgrade" : "upgrade");
	names_add(arguments, migration->plan.argument ? migration->plan.argument : "head");
	return true;
}

bool engine_alembic_new(struct migration *migration, const char *name, char **path,
			struct error *err)
{
	static const char word[] = "Generating ";
	auto_names arguments = { 0 };
	auto_free char *said = NULL;
	const char *found = NULL;
	bool failed = false;

	begin_arguments(migration, migration->project.ini, &arguments);
	names_add(&arguments, "revision");
	names_add(&arguments, "-m");
	names_add(&arguments, name);
	if (!migration_program_ask(migration, &arguments, &said, &failed, err))
		return false;
	/* "Generating /path/of/the/file.py ... done"; long paths are wrapped over lines. */
	found = strstr(said, word);
	if (found) {
		auto_text text = { 0 };

		for (found += strlen(word); *found && strncmp(found, " ...", 4) != 0; found++)
			if (*found != '\n')
				text_append_bytes(&text, found, 1);
		*path = text_take(&text);
	}
	return true;
}
