#include "common/engine_sql.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/publish.h"
#include "common/sqlite/script.h"

/* --- what there is ------------------------------------------------------------------------------------------------- */

/* The number that a version is, without leading zeros: versions are compared as numbers of any length. */
static const char *digits_of(const char *version)
{
	while (*version == '0' && version[1])
		version++;
	return version;
}

static int compare_numbers(const char *a, const char *b)
{
	const char *first = digits_of(a), *second = digits_of(b);
	const size_t one = strlen(first), two = strlen(second);

	return one != two ? (one < two ? -1 : 1) : strcmp(first, second);
}

static bool is_applied(const struct migration_folder *files, const struct version_tables *versions,
		       const char *version)
{
	/* golang-migrate notes only where it is; all before that is applied. */
	if (files->style == MIGRATION_PAIRS)
		return versions->migrations.count > 0 &&
		       compare_numbers(version, versions->migrations.items[0]) <= 0;
	return names_has(&versions->migrations, version);
}

static void find_file_problems(const struct migration_folder *files, struct revisions *revisions)
{
	for (size_t i = 0; i < files->count; i++) {
		const struct migration_file *file = &files->items[i];
		auto_free char *shown = text_printable(file->name);
		int order = -1;

		if (file->problem)
			revisions_complain(revisions, "unparsable", true, file->version,
					   "%s/%s: %s", files->shown, shown, file->problem);
		if (i == 0)
			continue;

		auto_free char *before = text_printable(files->items[i - 1].name);

		order = compare_numbers(files->items[i - 1].version, file->version);
		if (order == 0)
			revisions_complain(revisions, "duplicate", true, file->version,
					   "%s: %s and %s have the same version", files->shown,
					   before, shown);
		else if (order > 0)
			revisions_complain(
				revisions, "order", true, file->version,
				"%s: %s comes after %s by name, and before it by number: dbmate goes by the name",
				files->shown, shown, before);
	}
}

static void find_edited(const struct migration_folder *files, const struct ledger *ledger,
			struct revisions *revisions)
{
	for (size_t i = 0; i < files->count; i++) {
		const struct migration_file *file = &files->items[i];
		const char *digest = ledger_find(ledger, file->version);
		auto_free char *shown = text_printable(file->name);

		if (revisions->items[i].applied && digest && strcmp(digest, file->digest) != 0)
			revisions_complain(
				revisions, "edited", true, file->version,
				"%s/%s: was edited after it was applied; put the old text back and write a new migration",
				files->shown, shown);
	}
}

static void find_missing(const struct migration_folder *files,
			 const struct version_tables *versions, struct revisions *revisions)
{
	for (size_t i = 0; i < versions->migrations.count; i++) {
		const char *version = versions->migrations.items[i];
		auto_free char *shown = text_printable(version);

		if (!migration_folder_find(files, version))
			revisions_complain(revisions, "missing", true, version,
					   "%s: version %s is applied, and its file is not there",
					   files->shown, shown);
	}
}

static void find_out_of_order(const struct migration_folder *files, struct revisions *revisions)
{
	const struct revision *newest = NULL;

	for (size_t i = revisions->count; i-- > 0;) {
		const struct revision *revision = &revisions->items[i];
		auto_free char *shown = text_printable(revision->file);

		if (revision->applied && !newest)
			newest = revision;
		else if (!revision->applied && newest)
			revisions_complain(
				revisions, "out-of-order", false, revision->version,
				"%s/%s: is not applied, though the later %s is; it will run after that",
				files->shown, shown, newest->version);
	}
}

static void find_wrong_table(const struct migration_folder *files,
			     const struct version_tables *versions, struct revisions *revisions)
{
	const bool has_rows = versions->migrations.count > 0;

	if (versions->dirty)
		revisions_complain(
			revisions, "dirty", true, "",
			"golang-migrate left the database dirty at version %s: restore a "
			"backup, or repair it by hand",
			has_rows ? versions->migrations.items[0] : "?");
	else if (has_rows && versions->is_pairs != (files->style == MIGRATION_PAIRS))
		revisions_complain(revisions, "unparsable", true, "",
				   "%s: its files are for %s, and the database was migrated by %s",
				   files->shown, versions->is_pairs ? "dbmate" : "golang-migrate",
				   versions->is_pairs ? "golang-migrate" : "dbmate");
}

void engine_sql_look(const struct migration_folder *files, const struct version_tables *versions,
		     const struct ledger *ledger, struct revisions *revisions)
{
	for (size_t i = 0; i < files->count; i++) {
		const struct migration_file *file = &files->items[i];

		*memory_append(revisions) = (struct revision){
			.version = memory_copy_text(file->version),
			.name = memory_copy_text(file->label),
			.file = memory_copy_text(file->name),
			.applied = is_applied(files, versions, file->version),
		};
	}
	if (files->count > 0)
		names_add(&revisions->heads, files->items[files->count - 1].version);
	if (versions->migrations.count > 0)
		names_add(&revisions->current,
			  versions->migrations.items[versions->migrations.count - 1]);
	find_file_problems(files, revisions);
	find_wrong_table(files, versions, revisions);
	find_edited(files, ledger, revisions);
	find_missing(files, versions, revisions);
	find_out_of_order(files, revisions);
}

/* --- running ------------------------------------------------------------------------------------------------------- */

static const struct migration_section *section_of(const struct migration *migration,
						  const struct migration_file *file)
{
	return migration->plan.down ? &file->down : &file->up;
}

bool engine_sql_fits(const struct migration *migration)
{
	for (size_t i = 0; i < migration->plan.steps.count; i++) {
		const struct migration_file *file = migration_folder_find(
			&migration->project.files, migration->plan.steps.items[i]);

		if (file && !section_of(migration, file)->transaction)
			return false;
	}
	return true;
}

bool engine_sql_is_reached(const struct migration *migration, const struct version_tables *versions)
{
	const struct names *steps = &migration->plan.steps, *after = &migration->plan.after;
	const struct names *noted = &versions->migrations;

	if (migration->project.files.style == MIGRATION_PAIRS)
		return noted->count == after->count &&
		       (noted->count == 0 ||
			compare_numbers(noted->items[0], after->items[0]) == 0);
	for (size_t i = 0; i < steps->count; i++)
		if (names_has(noted, steps->items[i]) == migration->plan.down)
			return false;
	/* And of those that were there before, none is gone. */
	for (size_t i = 0; i < migration->versions.migrations.count; i++) {
		const char *version = migration->versions.migrations.items[i];

		if (!names_has(noted, version) && !names_has(steps, version))
			return false;
	}
	return true;
}

static bool note_version(const struct migration *migration, struct connection *connection,
			 size_t step, struct error *err)
{
	const struct names *steps = &migration->plan.steps;
	const struct names *after = &migration->plan.after;
	const char *version = steps->items[step];

	if (migration->project.files.style == MIGRATION_PAIRS) {
		const bool last = step + 1 == steps->count;

		/* Taking one back leaves the database at the one before it. */
		return version_tables_set(connection,
					  !migration->plan.down ? version
					  : !last		? steps->items[step + 1]
					  : after->count > 0	? after->items[0]
								: NULL,
					  err);
	}
	return migration->plan.down ? version_tables_remove(connection, version, err)
				    : version_tables_add(connection, version, err);
}

/* A file's part for this direction; of a pair it may be the other file. */
static bool run_section(const struct migration *migration, const struct migration_file *file,
			struct connection *connection, bool in_transaction, struct error *err)
{
	const struct migration_section *section = section_of(migration, file);
	const char *name = migration->plan.down && file->down_name ? file->down_name : file->name;
	auto_free char *shown_name = text_printable(name);
	auto_free char *shown = memory_format("%s/%s", migration->project.files.shown, shown_name);
	const struct script script = {
		.text = section->text,
		.length = section->length,
		.first_line = section->first_line,
		.shown = shown,
		.rights = in_transaction ? SCRIPT_IN_TRANSACTION : SCRIPT_ALONE,
	};

	if (migration->plan.down && !file->has_down)
		return fail(err, STATUS_TROUBLE, "%s: has no way down", shown);
	return script_run(connection, &script, err);
}

static bool run_step(const struct migration *migration, struct connection *connection, size_t step,
		     bool alone, struct error *err)
{
	static const char cannot[] = "a transaction cannot be begun or ended";
	const char *version = migration->plan.steps.items[step];
	const struct migration_file *file =
		migration_folder_find(&migration->project.files, version);

	if (!file)
		return fail(err, STATUS_TROUBLE, "version %s: its file is gone", version);

	const bool own = alone && section_of(migration, file)->transaction;

	return (!own || connection_run(connection, "BEGIN IMMEDIATE", cannot, err)) &&
	       run_section(migration, file, connection, own || !alone, err) &&
	       note_version(migration, connection, step, err) &&
	       (!own || connection_run(connection, "COMMIT", cannot, err));
}

bool engine_sql_run(const struct migration *migration, struct connection *connection, bool alone,
		    struct error *err)
{
	if (!version_tables_make(connection, migration->project.files.style == MIGRATION_PAIRS,
				 err))
		return false;
	for (size_t i = 0; i < migration->plan.steps.count; i++)
		if (!run_step(migration, connection, i, alone, err))
			return false;
	return true;
}

/* --- a new one ----------------------------------------------------------------------------------------------------- */

/* What people call a migration, as a file's name: small letters, digits, and "_" for the rest. */
static char *slug(const char *name)
{
	auto_text text = { 0 };
	bool gap = false;

	for (const char *at = name; *at; at++) {
		const unsigned char letter = (unsigned char)*at;

		if (letter >= 0x80 || isalnum(letter)) {
			if (gap && text.length > 0)
				text_append(&text, "_");
			gap = false;
			const char lower = letter < 0x80 ? (char)tolower(letter) : *at;

			text_append_bytes(&text, &lower, 1);
		} else {
			gap = true;
		}
	}
	return text_take(&text);
}

static bool make_file(const struct migration_folder *files, const char *name, const char *words,
		      struct error *err)
{
	auto_free char *shown = text_printable(name);
	auto_close int fd =
		openat(files->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0 || !io_write(fd, words, strlen(words)))
		return fail_errno(err, STATUS_TROUBLE, "%s/%s: cannot be made", files->shown,
				  shown);
	/* It is a text for a person to go on with, in a folder that others read too. */
	return fchmod(fd, 0644) == 0 ||
	       fail_errno(err, STATUS_TROUBLE, "%s/%s: cannot be made", files->shown, shown);
}

bool engine_sql_new(const struct project *project, const char *name, char **path, struct error *err)
{
	const struct migration_folder *files = &project->files;
	auto_free char *words = slug(name);
	char stamp[CLOCK_STAMP_SIZE];

	if (*words == '\0')
		return fail(err, STATUS_USAGE, "a migration's name needs a letter or a digit");
	clock_compact_stamp(clock_wall(), stamp);

	/* "20261122T121500.123Z": without the T, to the second. */
	auto_free char *version = memory_format("%.8s%.6s", stamp, stamp + 9);
	auto_free char *up = memory_format("%s_%s%s.sql", version, words,
					   files->style == MIGRATION_PAIRS ? ".up" : "");
	auto_free char *down = memory_format("%s_%s.down.sql", version, words);
	const bool pair = files->style == MIGRATION_PAIRS;

	if (!make_file(files, up, pair ? "" : "-- migrate:up\n\n\n-- migrate:down\n\n", err) ||
	    (pair && !make_file(files, down, "", err)))
		return false;
	*path = memory_format("%s%s%s", files->path,
			      files->path[strlen(files->path) - 1] == '/' ? "" : "/", up);
	return true;
}
