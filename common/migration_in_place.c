/*
 * Migrations that work on the real file, by request, without the guard: weaker, since others may see half of it, and a kill
 * leaves half of it until the next run. What makes up for that is a backup and a record of what was begun.
 */

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/handover.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/signals.h"
#include "common/base/text.h"
#include "common/database_summary.h"
#include "common/holders_text.h"
#include "common/linux/worker.h"
#include "common/migration.h"
#include "common/migration_program.h"
#include "common/restore.h"
#include "common/sqlite/integrity.h"
#include "common/state_folder.h"
#include "common/survey.h"
#include "common/target_connection.h"
#include "common/verdict.h"

static char *intent_name(const struct migration *migration)
{
	return state_file_name(&migration->target, STATE_INTENT);
}

static bool note_intent(const struct migration *migration, struct error *err)
{
	auto_free char *name = intent_name(migration);
	auto_free char *backup = target_absolute(migration->backup);
	struct json_t *document = json_new_object();
	char stamp[CLOCK_STAMP_SIZE];

	clock_stamp(clock_wall(), stamp);
	json_put_number(document, "schema", 1);
	json_put_text(document, "begun", stamp);
	json_put_text(document, "backup", backup);
	json_put_number(document, "inode", (int64_t)migration->target.files[FILE_MAIN].stat.st_ino);
	return state_file_write(migration->state_fd, name, document, err);
}

static bool forget_intent(struct migration *migration, struct error *err)
{
	auto_free char *name = intent_name(migration);

	return state_file_remove(migration->state_fd, name, err);
}

/* --- putting back --------------------------------------------------------------------------------------------------- */

static bool restore_backup(const struct migration *migration, const char *backup, bool safety,
			   struct error *err)
{
	auto_restore restore = RESTORE_NONE;

	restore.root = migration->root;
	restore.backup = backup;
	restore.database = migration->database;
	restore.progress = migration->progress;
	restore.options = (struct restore_options){
		.at = -1,
		.force = true,
		/* Half a migration of ours need not be kept; what was made of it since, by others, has to be. */
		.no_safety = !safety,
		.wait = migration->options.wait,
	};
	return restore_run(&restore, err);
}

/* Whether the path still leads to the database that the migration was begun on. */
static bool is_still_there(const struct migration *migration)
{
	auto_target now = TARGET_NONE;
	struct error ignored = { 0 };

	return target_open(&now, migration->root, migration->database, &ignored) &&
	       target_same(&now, &migration->target);
}

/* Puts the backup back and says so. dbrestore's lock on the state folder is ours until then. */
static bool put_back(struct migration *migration, const char *backup, bool safety, const char *why,
		     struct error *err)
{
	auto_free char *shown = text_printable(backup);
	struct error failure = { 0 };

	scope_close(&migration->state_fd);
	migration->state_fd = -1;
	/* Somebody may have asked for the end; but then what was there has to be back first. */
	signals_finish_first();
	if (!is_still_there(migration))
		return fail(
			err, STATUS_DAMAGED,
			"%s; and %s is another file now, so that nothing was put back: do not start "
			"the bot; the backup is %s",
			why, migration->shown, shown);
	if (!restore_backup(migration, backup, safety, &failure))
		return fail(
			err, STATUS_DAMAGED,
			"%s; and it could not be put back (%s): do not start the bot; the backup "
			"is %s",
			why, failure.text, shown);
	if (!state_folder_open(&migration->target, migration->shown, &migration->state_fd, err) ||
	    !forget_intent(migration, err))
		return false;
	return fail(err, STATUS_PUT_BACK, "%s; the backup %s was put back", why, shown);
}

bool migration_undo_interrupted(struct migration *migration, struct error *err)
{
	auto_free char *name = intent_name(migration);
	struct json_t *intent = state_file_read(migration->state_fd, name, err);
	auto_free char *backup = NULL;
	int64_t inode = 0;

	if (!intent)
		return err->status == STATUS_OK;
	backup = json_get_exact_text(intent, "backup");
	(void)json_get_number(intent, "inode", &inode);
	json_release(intent);
	if (!backup)
		return fail(err, STATUS_DAMAGED,
			    "%s: a migration with --in-place was interrupted, and which backup was "
			    "made is not known: do not start the bot",
			    migration->shown);
	if (inode != (int64_t)migration->target.files[FILE_MAIN].stat.st_ino) {
		if (migration->note)
			migration->note("the database was replaced after a migration with "
					"--in-place was interrupted: nothing is put back");
		return forget_intent(migration, err);
	}
	return put_back(migration, backup, true, "a migration with --in-place was interrupted",
			err);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static bool nobody_has_open(const struct migration *migration, struct error *err)
{
	const struct survey_options options = { .scan = true };
	auto_survey survey = { 0 };
	auto_verdict verdict = { 0 };

	if (!survey_take(&survey, migration->root, migration->database, &options, err))
		return false;
	verdict_decide(&survey, false, &verdict);
	if (verdict.can[CAN_MIGRATE] == ANSWER_YES)
		return true;

	auto_free char *holders = holders_text_of(&survey, &verdict, CAN_MIGRATE);

	return verdict.can[CAN_MIGRATE] == ANSWER_NO
		       ? fail(err, STATUS_BUSY, "%s: %s; nothing was changed", migration->shown,
			      holders)
		       : fail(err, STATUS_UNKNOWN,
			      "%s: cannot tell who has it open; nothing was changed",
			      migration->shown);
}

struct state_reading {
	const struct migration *migration;
	bool verify;
	int state_fd;
};

static bool read_state(void *argument, struct error *err)
{
	const struct state_reading *reading = argument;
	const struct migration *migration = reading->migration;
	auto_connection connection = { 0 };
	auto_schema_state state = { 0 };
	enum integrity level = reading->verify ? INTEGRITY_QUICK : INTEGRITY_NONE;

	return target_connect(&migration->target, migration->options.wait, migration->shown,
			      &connection, err) &&
	       integrity_check(&connection, &level, err) &&
	       schema_state_read(&connection, &state, err) &&
	       handover_put(reading->state_fd, schema_state_write(&state), err) &&
	       target_disconnect(&migration->target, &connection, err);
}

bool migration_read_state(const struct migration *migration, bool check, struct schema_state *state,
			  struct error *err)
{
	auto_close int fd = handover_make(err);
	struct state_reading reading = { .migration = migration, .verify = check, .state_fd = fd };
	struct json_t *document = NULL;

	if (fd < 0 || !worker_run("looking at the database", read_state, &reading, NULL, err))
		return false;
	document = handover_take(fd, err);
	if (!document)
		return false;
	schema_state_take(document, state);
	json_release(document);
	return true;
}

static bool run_and_verify(struct migration *migration, struct error *err)
{
	auto_version_tables versions = { 0 };
	const double began = clock_now();
	double ran = 0;

	if (!migration_program_run(migration, NULL, COVER_NONE, err))
		return false;
	ran = clock_now();
	migration->seconds.run = ran - began;
	if (!migration_read_state(migration, true, &migration->after, err) ||
	    !migration_read_versions(migration, &versions, err) ||
	    !migration_is_reached(migration, &versions, err) || !migration_judge(migration, err))
		return false;
	migration->seconds.verify = clock_now() - ran;
	migration->to = revisions_text(versions.alembic.count > 0 ? &versions.alembic
								  : &versions.migrations);
	return true;
}

bool migration_in_place(struct migration *migration, struct error *err)
{
	if (migration->project.engine == ENGINE_SQL)
		return fail(err, STATUS_USAGE,
			    "--in-place is for alembic and command: SQL files "
			    "run on the file itself anyway");
	if (!nobody_has_open(migration, err) || !migration_back_up(migration, false, err) ||
	    !migration_read_state(migration, false, &migration->before, err) ||
	    !note_intent(migration, err))
		return false;
	if (!run_and_verify(migration, err)) {
		const struct error failure = *err;

		return put_back(migration, migration->backup, false, failure.text, err);
	}
	migration->published = true;
	return forget_intent(migration, err);
}
