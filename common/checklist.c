#include "common/checklist.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/backup_catalog.h"
#include "common/backup_destination.h"
#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/holders_text.h"
#include "common/ledger.h"
#include "common/linux/engine.h"
#include "common/state_folder.h"
#include "common/survey.h"
#include "common/verdict.h"

/* How old a backup may be that is called fresh, in seconds. */
static const double fresh_seconds = 24 * 3600;

static bool say(struct checklist_point *point, bool answer, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool say(struct checklist_point *point, bool answer, const char *format, ...)
{
	auto_text text = { 0 };
	char words[900];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(words, sizeof words, format, arguments);
	va_end(arguments);
	text_append(&text, "%s", words);
	point->answer = answer;
	point->evidence = text_take(&text);
	return answer;
}

/* --- the backup ------------------------------------------------------------------------------------------------------ */

/* The newest verified backup of this database; NULL: there is none. */
static const struct backup_manifest *newest(const struct backup_catalog *catalog,
					    const struct migration *migration)
{
	auto_free char *host = backup_host();
	const struct backup_manifest own = {
		.source = migration->target.resolved,
		.host = host,
		.inode = migration->target.files[FILE_MAIN].stat.st_ino,
	};

	for (size_t i = catalog->count; i-- > 0;) {
		const struct backup_manifest *manifest = &catalog->items[i].manifest;

		if (manifest->verified != INTEGRITY_NONE &&
		    backup_manifest_same_source(manifest, &own))
			return manifest;
	}
	return NULL;
}

/* Whether the database was written after `time` (milliseconds since 1970), as its files tell. */
static bool changed_since(const struct target *target, int64_t time)
{
	for (enum database_file file = FILE_MAIN; file <= FILE_WAL; file++) {
		const struct target_file *one = &target->files[file];

		if (one->path_fd >= 0 && one->stat.st_size > 0 &&
		    (int64_t)one->stat.st_mtim.tv_sec * 1000 > time)
			return true;
	}
	return false;
}

static void check_backup(struct checklist_point *point, const struct migration *migration)
{
	const struct timespec now = clock_wall();
	auto_destination place = DESTINATION_NONE;
	auto_backup_catalog catalog = { 0 };
	struct error err = { 0 };
	const struct backup_manifest *manifest = NULL;
	double age = 0;

	if (!destination_open(&place, migration->options.backup, &migration->target, false, &err)) {
		(void)say(point, false, "%s", err.text);
		return;
	}

	auto_free char *folder = text_printable(*place.folder ? place.folder : ".");

	if (place.folder_fd >= 0 && !backup_catalog_read(place.folder_fd, folder, &catalog, &err)) {
		(void)say(point, false, "%s", err.text);
		return;
	}
	manifest = newest(&catalog, migration);
	if (!manifest) {
		(void)say(point, false, "none in %s (dbbackup makes one)", folder);
		return;
	}
	age = (double)now.tv_sec - (double)manifest->time / 1000;

	auto_free char *file = text_printable(manifest->file);

	(void)say(point, age <= fresh_seconds, "%s, %.1f hours old%s", file,
		  age > 0 ? age / 3600 : 0.0,
		  changed_since(&migration->target, manifest->time)
			  ? "; the database was written since"
			  : "");
}

/* --- who uses it ----------------------------------------------------------------------------------------------------- */

static void check_containers(struct checklist_point *point, const struct migration *migration)
{
	const char *slash = strrchr(migration->target.resolved, '/');
	auto_free char *folder = memory_copy(migration->target.resolved,
					     slash > migration->target.resolved
						     ? (size_t)(slash - migration->target.resolved)
						     : 1);
	auto_names names = { 0 };
	auto_text list = { 0 };
	struct error err = { 0 };

	if (!engine_containers_with(SUPERVISOR_DOCKER, folder, &names, &err) ||
	    !engine_containers_with(SUPERVISOR_PODMAN, folder, &names, &err)) {
		(void)say(point, false, "%s", err.text);
		return;
	}
	names_append_printable(&list, &names, ", ");
	if (names.count == 0)
		(void)say(point, true, "no running container has its folder mounted");
	else
		(void)say(point, false, "running: %s", text_string(&list));
}

static void check_holders(struct checklist_point *point, const struct migration *migration)
{
	const struct survey_options options = { .scan = true };
	auto_survey survey = { 0 };
	auto_verdict verdict = { 0 };
	struct error err = { 0 };

	if (!survey_take(&survey, migration->root, migration->database, &options, &err)) {
		(void)say(point, false, "%s", err.text);
		return;
	}
	verdict_decide(&survey, false, &verdict);
	if (verdict.can[CAN_MIGRATE] == ANSWER_YES) {
		(void)say(point, true,
			  survey.certificate == CERTIFICATE_FREE
				  ? "nobody, and the kernel certifies it"
				  : "nobody that can be seen");
		return;
	}
	if (verdict.can[CAN_MIGRATE] == ANSWER_UNKNOWN) {
		(void)say(point, false, "cannot tell: too much is hidden");
		return;
	}

	auto_free char *holders = holders_text_of(&survey, &verdict, CAN_MIGRATE);

	(void)say(point, false, "%s", holders);
}

/* --- the migrations -------------------------------------------------------------------------------------------------- */

static void check_revision(struct checklist_point *point, const struct migration *migration)
{
	const struct revisions *revisions = &migration->revisions;
	auto_free char *shown = text_printable(migration->from ? migration->from : "the base");

	for (size_t i = 0; i < revisions->problems.count; i++) {
		const struct revision_problem *problem = &revisions->problems.items[i];

		if (strcmp(problem->kind, "unknown-revision") == 0 ||
		    strcmp(problem->kind, "missing") == 0 || strcmp(problem->kind, "dirty") == 0) {
			(void)say(point, false, "%s", problem->message);
			return;
		}
	}
	if (migration->project.engine == ENGINE_COMMAND)
		(void)say(point, true, "%s, user_version %lld", shown,
			  (long long)migration->versions.user_version);
	else
		(void)say(point, true, "%s", shown);
}

static void check_files(struct checklist_point *point, const struct migration *migration)
{
	const struct revisions *revisions = &migration->revisions;

	if (revisions->problems.count == 0)
		(void)say(point, true, "%zu migration%s", revisions->count,
			  revisions->count == 1 ? "" : "s");
	else if (revisions->problems.count == 1)
		(void)say(point, false, "%s", revisions->problems.items[0].message);
	else
		(void)say(point, false, "%s (and %zu more)", revisions->problems.items[0].message,
			  revisions->problems.count - 1);
}

static bool has_pending(const struct revisions *revisions)
{
	for (size_t i = 0; i < revisions->count; i++)
		if (!revisions->items[i].applied)
			return true;
	return false;
}

static bool leads_to_head(const struct migration *migration, const char *to)
{
	auto_free char *heads = revisions_text(&migration->revisions.heads);

	return migration->project.engine == ENGINE_COMMAND ||
	       (heads && to && strcmp(heads, to) == 0);
}

static void check_rehearsal(struct checklist_point *point, const struct migration *migration)
{
	__attribute__((cleanup(rehearsal_release))) struct rehearsal rehearsal = { 0 };
	auto_close int state_fd = state_folder_look(&migration->target);
	struct error err = { 0 };
	auto_free char *now = NULL;

	if (migration->project.engine != ENGINE_COMMAND && !has_pending(&migration->revisions)) {
		(void)say(point, true, "nothing is pending");
		return;
	}
	now = project_fingerprint(&migration->project, &migration->options.project,
				  &migration->target, &err);
	if (!now || !rehearsal_read(state_fd, &migration->target, &rehearsal, &err))
		(void)say(point, false, "%s", err.text);
	else if (!rehearsal.known)
		(void)say(point, false, "never (dbmigrate rehearse does it)");
	else if (strcmp(now, rehearsal.fingerprint) != 0)
		(void)say(point, false, "the files were changed since the rehearsal of %s",
			  rehearsal.time);
	else if (!leads_to_head(migration, rehearsal.to))
		(void)say(point, false, "on %s, but not up to the head", rehearsal.time);
	else
		(void)say(point, true, "%s", rehearsal.time);
}

void checklist_fill(struct checklist *checklist, const struct migration *migration)
{
	static const struct {
		const char *id, *question;
		void (*check)(struct checklist_point *point, const struct migration *migration);
	} points[CHECKLIST_POINTS] = {
		{ "backup", "Is there a fresh verified backup?", check_backup },
		{ "containers", "Are the project's containers stopped?", check_containers },
		{ "holders", "Does no process have the file open?", check_holders },
		{ "revision", "Is the current revision known?", check_revision },
		{ "files", "Are the migration files without errors?", check_files },
		{ "rehearsed", "Was it rehearsed since the files changed?", check_rehearsal },
	};

	checklist->all = true;
	for (size_t i = 0; i < CHECKLIST_POINTS; i++) {
		checklist->points[i] = (struct checklist_point){
			.id = points[i].id,
			.question = points[i].question,
		};
		points[i].check(&checklist->points[i], migration);
		checklist->all = checklist->all && checklist->points[i].answer;
	}
}

void checklist_release(struct checklist *checklist)
{
	for (size_t i = 0; i < CHECKLIST_POINTS; i++)
		free(checklist->points[i].evidence);
	*checklist = (struct checklist){ 0 };
}
