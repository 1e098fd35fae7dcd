#include "common/migration.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/backup_job.h"
#include "common/base/clock.h"
#include "common/base/handover.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/engine_alembic.h"
#include "common/engine_sql.h"
#include "common/holders_text.h"
#include "common/ledger.h"
#include "common/linux/publish.h"
#include "common/linux/sandbox.h"
#include "common/linux/worker.h"
#include "common/state_folder.h"
#include "common/target_connection.h"

void migration_release(struct migration *migration)
{
	scope_close(&migration->state_fd);
	scope_close(&migration->backup_fd);
	schema_changes_release(&migration->changes);
	schema_state_release(&migration->before);
	schema_state_release(&migration->after);
	migration_plan_release(&migration->plan);
	revisions_release(&migration->revisions);
	version_tables_release(&migration->versions);
	project_release(&migration->project);
	target_release(&migration->target);
	names_release(&migration->options.allowed);
	free(migration->shown);
	free(migration->from);
	free(migration->to);
	free(migration->backup);
	free(migration->log);
	*migration = (struct migration)MIGRATION_NONE;
}

/* --- looking ------------------------------------------------------------------------------------------------------- */

/* What the worker that reads the versions is given. */
struct reading {
	const struct migration *migration;
	int fd;
};

static bool read_versions(void *argument, struct error *err)
{
	const struct reading *reading = argument;
	const struct migration *migration = reading->migration;
	auto_connection connection = { 0 };
	auto_version_tables tables = { 0 };

	return target_connect(&migration->target, migration->options.wait, migration->shown,
			      &connection, err) &&
	       version_tables_read(&connection, &tables, err) &&
	       handover_put(reading->fd, version_tables_write(&tables), err) &&
	       target_disconnect(&migration->target, &connection, err);
}

bool migration_read_versions(const struct migration *migration, struct version_tables *versions,
			     struct error *err)
{
	auto_close int fd = handover_make(err);
	struct reading reading = { migration, fd };
	struct json_t *document = NULL;

	if (fd < 0)
		return false;
	if (!worker_run("looking at the database", read_versions, &reading, NULL, err)) {
		if (err->status == STATUS_BUSY)
			holders_add(migration->root, migration->database, CAN_READ, err);
		else if (err->status ==
			 STATUS_NO) /* damaged, or no database: that is no answer here */
			err->status = STATUS_TROUBLE;
		return false;
	}
	document = handover_take(fd, err);
	if (!document)
		return false;
	version_tables_take(document, versions);
	json_release(document);
	return true;
}

static bool look_at_files(struct migration *migration, struct error *err)
{
	auto_close int state_fd = state_folder_look(&migration->target);
	auto_ledger ledger = { 0 };

	if (!ledger_read(state_fd, &migration->target, &ledger, err))
		return false;
	engine_sql_look(&migration->project.files, &migration->versions, &ledger,
			&migration->revisions);
	return true;
}

static void look_at_program(struct migration *migration)
{
	const struct version_tables *versions = &migration->versions;
	const struct names *known =
		versions->alembic.count > 0 ? &versions->alembic : &versions->migrations;

	/* Of a list of versions the last one is where the database is. */
	for (size_t i = known == &versions->migrations && known->count > 0 ? known->count - 1 : 0;
	     i < known->count; i++)
		names_add(&migration->revisions.current, known->items[i]);
}

/* Under the state folder's lock: what earlier runs left, and what changed since we looked. */
static bool settle(struct migration *migration, struct error *err)
{
	if (migration->state_fd >= 0)
		return true;
	return state_folder_open(&migration->target, migration->shown, &migration->state_fd, err) &&
	       publish_sync_folder(migration->target.folder_fd, migration->shown, err);
}

/* A migration with --in-place that was cut off: before anything else is looked at, what was there is put back. */
static bool heal(struct migration *migration, struct error *err)
{
	const bool may = migration->command == MIGRATION_UP || migration->command == MIGRATION_DOWN;
	auto_close int look_fd = state_folder_look(&migration->target);
	auto_free char *name = state_file_name(&migration->target, STATE_INTENT);

	if (look_fd < 0 || faccessat(look_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		return true;
	if (may)
		return settle(migration, err) && migration_undo_interrupted(migration, err);
	if (migration->note)
		migration->note("a migration with --in-place was interrupted: `dbmigrate up` puts "
				"the backup back");
	return true;
}

static void note_leftovers(const struct migration *migration)
{
	auto_text line = { 0 };

	if (migration->versions.leftovers.count == 0 || !migration->note ||
	    migration->command == MIGRATION_STATUS)
		return;
	text_append(&line, "%s: left by an interrupted migration of Alembic: ", migration->shown);
	names_append_printable(&line, &migration->versions.leftovers, ", ");
	text_append(&line, "; look whether they can be dropped");
	migration->note(text_string(&line));
}

bool migration_look(struct migration *migration, struct error *err)
{
	migration->shown = text_printable(migration->database);
	if (!target_open(&migration->target, migration->root, migration->database, err) ||
	    !target_has_one_name(&migration->target, err) || !heal(migration, err) ||
	    !project_find(&migration->project, &migration->options.project, &migration->target,
			  err) ||
	    !migration_read_versions(migration, &migration->versions, err))
		return false;
	switch (migration->project.engine) {
	case ENGINE_SQL:
		if (!look_at_files(migration, err))
			return false;
		break;
	case ENGINE_ALEMBIC:
		if (!engine_alembic_look(migration, err))
			return false;
		break;
	default:
		look_at_program(migration);
	}
	migration->from = revisions_text(&migration->revisions.current);
	note_leftovers(migration);
	/* All is known; but a status that nothing can be done with is not told as a good one. */
	return migration->command != MIGRATION_STATUS ||
	       revisions_are_sound(&migration->revisions, err);
}

/* --- what all ways share ------------------------------------------------------------------------------------------- */

bool migration_back_up(struct migration *migration, bool held, struct error *err)
{
	auto_backup_job job = BACKUP_JOB_NONE;

	if (migration->options.no_backup)
		return true;
	job.root = migration->root;
	job.database = migration->database;
	job.destination = migration->options.backup;
	job.may_be_made = true;
	job.progress = migration->progress;
	job.options = (struct backup_options){
		.verify = INTEGRITY_QUICK,
		.held = held,
		.wait = migration->options.wait,
	};
	if (!backup_job_run(&job, err))
		return false;
	if (!target_same(&job.target, &migration->target))
		return fail(err, STATUS_TROUBLE,
			    "%s: leads to another file now; nothing was changed", migration->shown);
	migration->backup = take_pointer(&job.path);
	if (job.place.kind == DESTINATION_FILE && !job.was_made && job.backup.file == NULL &&
	    migration->note)
		migration->note("the database was written after that backup was made: there is "
				"another one now");
	migration->backup_fd = fcntl(job.place.folder_fd, F_DUPFD_CLOEXEC, 3);
	return migration->backup_fd >= 0 ||
	       fail_errno(err, STATUS_TROUBLE, "%s: cannot be migrated", migration->shown);
}

static bool same_names(const struct names *a, const struct names *b)
{
	auto_free char *first = revisions_text(a), *second = revisions_text(b);

	return strcmp(first ? first : "", second ? second : "") == 0;
}

/* What ends the words about a migration that is refused. */
static const char *unchanged(const struct migration *migration)
{
	return migration->options.in_place ? "" : "; nothing was changed";
}

bool migration_is_reached(const struct migration *migration, const struct version_tables *versions,
			  struct error *err)
{
	auto_free char *there = revisions_text(&versions->alembic);
	auto_free char *wanted = revisions_text(&migration->plan.after);
	auto_free char *shown = text_printable(there ? there : "no revision");
	auto_free char *meant = text_printable(wanted ? wanted : "no revision");

	if (migration->project.engine == ENGINE_SQL)
		return engine_sql_is_reached(migration, versions) ||
		       fail(err, STATUS_NO,
			    "the migration has changed the table of versions, so that what was applied "
			    "is not noted%s",
			    unchanged(migration));
	if (migration->project.engine != ENGINE_ALEMBIC ||
	    same_names(&versions->alembic, &migration->plan.after))
		return true;
	return fail(err, STATUS_NO, "the migration ended at %s, and not at %s%s", shown, meant,
		    unchanged(migration));
}

bool migration_judge(struct migration *migration, struct error *err)
{
	struct error loss = { 0 };

	schema_changes_find(&migration->before, &migration->after, &migration->changes);
	return migration_kept_data(&migration->before, &migration->after,
				   &migration->options.allowed, &loss) ||
	       fail(err, loss.status, "%s%s", loss.text, unchanged(migration));
}

static void note_files(struct migration *migration, struct ledger *ledger)
{
	for (size_t i = 0; i < migration->project.files.count; i++) {
		const struct migration_file *file = &migration->project.files.items[i];
		const struct revision *revision =
			revisions_find(&migration->revisions, file->version);
		const bool ran = names_has(&migration->plan.steps, file->version);

		if (ran && migration->plan.down)
			ledger_forget(ledger, file->version);
		else if (ran ||
			 (revision && revision->applied && !ledger_find(ledger, file->version)))
			ledger_set(ledger, file->version, file->digest);
	}
}

static bool remember_rehearsal(struct migration *migration, struct error *err)
{
	char stamp[CLOCK_STAMP_SIZE];
	auto_free char *fingerprint = project_fingerprint(
		&migration->project, &migration->options.project, &migration->target, err);
	const struct rehearsal rehearsal = {
		.fingerprint = fingerprint,
		.time = stamp,
		.to = migration->to,
	};

	clock_stamp(clock_wall(), stamp);
	return fingerprint &&
	       rehearsal_write(migration->state_fd, &migration->target, &rehearsal, err);
}

bool migration_remember(struct migration *migration, struct error *err)
{
	auto_ledger ledger = { 0 };

	if (migration->command == MIGRATION_REHEARSE)
		return remember_rehearsal(migration, err);
	if (migration->project.engine != ENGINE_SQL)
		return true;
	if (!ledger_read(migration->state_fd, &migration->target, &ledger, err))
		return false;
	note_files(migration, &ledger);
	return ledger_write(migration->state_fd, &migration->target, &ledger, err);
}

/* --- running ------------------------------------------------------------------------------------------------------- */

static const char *target_word(const struct migration *migration)
{
	return migration->wanted		      ? migration->wanted
	       : migration->command == MIGRATION_DOWN ? "-1"
						      : "head";
}

static bool make_plan(struct migration *migration, struct error *err)
{
	const bool down = migration->command == MIGRATION_DOWN;
	const char *target = target_word(migration);

	if (!migration_target_check(target, down, err) ||
	    !revisions_are_sound(&migration->revisions, err))
		return false;
	switch (migration->project.engine) {
	case ENGINE_SQL:
		return migration_plan_list(&migration->revisions, target, down, &migration->plan,
					   err);
	case ENGINE_ALEMBIC:
		return migration_plan_graph(&migration->revisions, target, down, &migration->plan,
					    err);
	default:
		return true;
	}
}

/* What is no error, but should be known before something runs. */
static void note_problems(const struct migration *migration)
{
	for (size_t i = 0; migration->note && i < migration->revisions.problems.count; i++)
		if (!migration->revisions.problems.items[i].fatal)
			migration->note(migration->revisions.problems.items[i].message);
}

static bool run_planned(struct migration *migration, struct error *err)
{
	if (migration->options.in_place)
		return migration_in_place(migration, err);
	if (migration->project.engine == ENGINE_SQL && engine_sql_fits(migration))
		return migration_direct(migration, err);
	return migration_through_copy(migration, err);
}

/* What a run that was killed after it had published has left: beside the database's folder, and where backups are. */
static void tidy(const struct migration *migration)
{
	auto_close int above =
		openat(migration->target.folder_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_destination backups = DESTINATION_NONE;
	struct error ignored = { 0 };

	if (above >= 0)
		(void)sandbox_sweep(above);
	state_folder_tidy(&migration->target);
	if (destination_open(&backups, migration->options.backup, &migration->target, false,
			     &ignored) &&
	    backups.folder_fd >= 0 && destination_lock(&backups, 0, &ignored))
		backup_folder_tidy(&backups);
}

bool migration_run(struct migration *migration, struct error *err)
{
	if (!make_plan(migration, err))
		return false;
	note_problems(migration);
	if (migration->project.engine != ENGINE_COMMAND && migration->plan.steps.count == 0) {
		tidy(migration);
		migration->nothing_to_do = true;
		migration->to = memory_copy_text(migration->from);
		return true;
	}
	if (!settle(migration, err) || !run_planned(migration, err))
		return false;
	if (migration_remember(migration, err))
		return true;
	if (!migration->published)
		return false;

	const struct error failure = *err;

	return fail(err, failure.status,
		    "the migration is done, but what was done cannot be noted: %s", failure.text);
}
