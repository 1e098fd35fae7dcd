#include "common/engine_alembic.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Adds the names of a list, "a, b"; false when it is none. */
static bool read_list(const char *at, size_t length, struct names *names)
{
	const char *end = at + length;

	for (;;) {
		const char *start = at;

		while (at < end && !strchr(", ()", *at))
			at++;
		if (at == start)
			return false;

		auto_free char *name = memory_copy(start, (size_t)(at - start));

		if (strcmp(name, "<base>") != 0 && !names_has(names, name))
			names_add(names, name);
		if (at == end)
			return true;
		if (end - at < 3 || strncmp(at, ", ", 2) != 0)
			return false;
		at += 2;
	}
}

/* What comes before: "PARENT, PARENT", or with what it depends on, "PARENT (OTHER, OTHER)". */
static bool read_parents(const char *line, const char *arrow, struct revision *revision)
{
	const char *bracket = memchr(line, '(', (size_t)(arrow - line));

	if (!bracket)
		return read_list(line, (size_t)(arrow - line), &revision->parents);
	return bracket - line > 1 && bracket[-1] == ' ' && arrow[-1] == ')' &&
	       read_list(line, (size_t)(bracket - 1 - line), &revision->parents) &&
	       read_list(bracket + 1, (size_t)(arrow - 1 - (bracket + 1)), &revision->needs);
}

/* Behind the revision: groups in brackets, of which some say that nothing comes after it, then ", words". */
static char *read_words(const char *rest, bool *head)
{
	while (strncmp(rest, " (", 2) == 0 && strchr(rest, ')')) {
		*head = *head || strncmp(rest, " (head)", 7) == 0 ||
			strncmp(rest, " (effective head)", 17) == 0;
		rest = strchr(rest, ')') + 1;
	}
	return memory_copy_text(strncmp(rest, ", ", 2) == 0 ? rest + 2 : "");
}

static void release_revision(struct revision *revision)
{
	free(revision->version);
	free(revision->name);
	free(revision->file);
	names_release(&revision->parents);
	names_release(&revision->needs);
}

static void read_line(const char *line, struct revisions *revisions)
{
	const char *arrow = strstr(line, " -> ");
	const char *version = arrow ? arrow + 4 : NULL;
	const size_t length = version ? strcspn(version, " ,") : 0;
	struct revision revision = { 0 };
	bool head = false;

	if (length == 0)
		return;
	revision.version = memory_copy(version, length);
	revision.name = read_words(version + length, &head);
	revision.file = memory_copy_text("");
	if (!read_parents(line, arrow, &revision) || revisions_find(revisions, revision.version)) {
		release_revision(&revision);
		return;
	}
	if (head)
		names_add(&revisions->heads, revision.version);
	*memory_append(revisions) = revision;
}

static bool knows_all(const struct revisions *revisions, const struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		if (!revisions_find(revisions, names->items[i]))
			return false;
	return true;
}

/* Takes out what only looked like a revision: words of a description, with an arrow. */
static void drop_strangers(struct revisions *revisions)
{
	auto_names heads = { 0 };

	for (size_t i = 0; i < revisions->count;) {
		if (knows_all(revisions, &revisions->items[i].parents)) {
			i++;
			continue;
		}
		release_revision(&revisions->items[i]);
		revisions->count--;
		memmove(&revisions->items[i], &revisions->items[i + 1],
			(revisions->count - i) * sizeof revisions->items[i]);
		i = 0; /* what it was known for may be nobody now */
	}
	for (size_t i = 0; i < revisions->heads.count; i++)
		if (revisions_find(revisions, revisions->heads.items[i]))
			names_add(&heads, revisions->heads.items[i]);
	names_release(&revisions->heads);
	revisions->heads = heads;
	heads = (struct names){ 0 };
}

static void reverse(struct revisions *revisions)
{
	for (size_t i = 0, j = revisions->count; i + 1 < j; i++) {
		const struct revision one = revisions->items[i];

		revisions->items[i] = revisions->items[--j];
		revisions->items[j] = one;
	}
}

void engine_alembic_read(const char *text, struct revisions *revisions)
{
	while (*text && revisions->count < ALEMBIC_MOST) {
		const size_t length = strcspn(text, "\n");
		auto_free char *line = memory_copy(text, length);

		read_line(line, revisions);
		text += length + (text[length] == '\n');
	}
	drop_strangers(revisions);
	reverse(revisions);
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
			if (names_has(&revision->parents, revisions->items[j].version) ||
			    names_has(&revision->needs, revisions->items[j].version))
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
	if (revisions->count >= ALEMBIC_MOST)
		return fail(err, STATUS_TROUBLE, "alembic lists more than %d revisions",
			    ALEMBIC_MOST);
	mark_applied(revisions);
	find_problems(revisions);
	return true;
}

/* --- running ------------------------------------------------------------------------------------------------------- */

/* The rewritten alembic.ini, readable for the database's owner; its path, free() it. */
static char *make_ini(const struct migration *migration, const struct sandbox *sandbox,
		      struct error *err)
{
	static const char name[] = "alembic.ini";
	const struct stat *owner = &migration->target.files[FILE_MAIN].stat;
	auto_free char *ini = engine_alembic_ini(migration->project.ini, owner->st_uid, err);
	auto_free char *database = memory_format("%s/%s", sandbox->path, migration->target.name);
	auto_free char *text = NULL;

	if (!ini)
		return NULL;
	text = engine_alembic_rewrite(ini, migration->project.folder, database);
	if (!publish_write(sandbox->fd, name, text, strlen(text), "alembic.ini", err))
		return NULL;
	/* Nobody else can be in there yet. */
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
