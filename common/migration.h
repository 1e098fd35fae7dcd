/*
 * Bringing a database's schema to a version, all or nothing, whichever tool writes the migration.
 *
 * Every engine goes the same way: guard (an exclusive lock of SQLite's on the real file, held to the end), a verified backup,
 * a copy, the migration on the copy, a look at what it did, and one transaction through the guard's connection that
 * makes it true. A migration of the sql engine that fits in one transaction runs straight on the file under the guard instead, and
 * is looked at before it commits. So a kill or a power loss at any moment leaves the old database or the new one.
 */
#ifndef COMMON_MIGRATION_H
#define COMMON_MIGRATION_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/names.h"
#include "common/base/progress.h"
#include "common/linux/proc_root.h"
#include "common/migration_compare.h"
#include "common/migration_plan.h"
#include "common/migration_project.h"
#include "common/revisions.h"
#include "common/sqlite/schema_state.h"
#include "common/sqlite/version_tables.h"
#include "common/target.h"

enum migration_command {
	MIGRATION_STATUS,
	MIGRATION_HISTORY,
	MIGRATION_CHECK,
	MIGRATION_UP,
	MIGRATION_DOWN,
	MIGRATION_REHEARSE,
	MIGRATION_NEW,
};

/* "status", "history", …; false when the word names none. */
const char *migration_command_name(enum migration_command command) __attribute__((returns_nonnull));
bool migration_command_parse(const char *word, enum migration_command *command);

struct migration_options {
	struct project_options project;
	const char *backup; /* folder; NULL: the usual one */
	bool no_backup;
	bool in_place;	      /* let the program work on the real file */
	struct names allowed; /* tables that may lose rows; "*": all */
	double timeout;	      /* seconds that the migration may take; 0: no limit */
	double wait;	      /* seconds to be patient about locks */
};

struct migration_seconds {
	double copy, run, verify, publish;
};

struct migration {
	/* Given. Not owned. */
	const struct proc_root *root;
	enum migration_command command;
	const char *database; /* as the user wrote it */
	const char *wanted;   /* the target */
	struct migration_options options;
	struct progress *progress;
	/* Told each line that a program prints, printable; NULL: nobody listens. */
	void (*talk)(struct progress *progress, const char *line);
	/* Told what a person should know though nothing has failed, printable. */
	void (*note)(const char *line);

	/* Found. */
	struct target target;
	char *shown; /* the database, printable */
	struct project project;
	struct version_tables versions;
	struct revisions revisions;
	struct migration_plan plan;
	char *from; /* where the database is; NULL: at the base, or not known */

	/* Done. */
	int state_fd;  /* the state folder; -1: not opened */
	int backup_fd; /* the folder of the backup; -1: none was made */
	struct schema_state before, after;
	struct schema_changes changes;
	char *to;     /* where it is then; NULL: at the base, or not known */
	char *backup; /* path; NULL: none was made */
	char *log;    /* path of what a program printed; NULL: nothing was run */
	const char *
		sandbox; /* "overlay", "url", "environment", "in-place"; NULL: nothing foreign was run */
	bool nothing_to_do;
	bool published;
	struct migration_seconds seconds;
	double locked_seconds, would_lock_seconds;
};

#define MIGRATION_NONE                                                                           \
	{                                                                                        \
		.target = TARGET_NONE, .project = PROJECT_NONE, .state_fd = -1, .backup_fd = -1, \
	}

#define auto_migration __attribute__((cleanup(migration_release))) struct migration

/* Whether the command changes something, or rehearses that. */
bool migration_changes(enum migration_command command);

/* Refuses what cannot be asked for together; STATUS_USAGE. */
bool migration_request_check(const struct migration *migration, struct error *err);

/* Finds the database, the project, its revisions, and where the database is; changes nothing. */
bool migration_look(struct migration *migration, struct error *err);

/*
 * `up`, `down` and `rehearse`, after migration_look(). STATUS_NO: what the migration did was refused. STATUS_TROUBLE: it failed. STATUS_BUSY: the database is
 * held. In all of these nothing was changed, unless the error says so. STATUS_PUT_BACK, STATUS_DAMAGED: as everywhere.
 */
bool migration_run(struct migration *migration, struct error *err);

void migration_release(struct migration *migration);

/* Makes the file of a new migration; *path is what it is called (free() it). */
bool migration_new(struct migration *migration, const char *name, char **path, struct error *err);

/* --- its parts, in files of their own --------------------------------------------------------------------------------- */

/* Reads the tables of versions from the live database. */
bool migration_read_versions(const struct migration *migration, struct version_tables *versions,
			     struct error *err);

/* Reads the state of the live database; with `check` after an integrity check. */
bool migration_read_state(const struct migration *migration, bool check, struct schema_state *state,
			  struct error *err);

/* By transaction of the sql engine, straight on the file; or with rehearse on a copy, and not committed. */
bool migration_direct(struct migration *migration, struct error *err);

/* Through a copy. */
bool migration_through_copy(struct migration *migration, struct error *err);

/* On the real file, by request; and putting back what one that was cut off has left. */
bool migration_in_place(struct migration *migration, struct error *err);
bool migration_undo_interrupted(struct migration *migration, struct error *err);

/* The verified backup; `held`: under a lock of ours. */
bool migration_back_up(struct migration *migration, bool held, struct error *err);

/* Notes what was found in the copy, and decides whether it may be published; takes over both. */
bool migration_judge(struct migration *migration, struct error *err);

/* Whether `versions` is where the plan leads. */
bool migration_is_reached(const struct migration *migration, const struct version_tables *versions,
			  struct error *err);

/* After success: hashes of what was applied, or of what was rehearsed. */
bool migration_remember(struct migration *migration, struct error *err);

#endif
