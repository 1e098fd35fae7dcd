/* Where a project keeps its migrations, and whose they are. */
#ifndef COMMON_MIGRATION_PROJECT_H
#define COMMON_MIGRATION_PROJECT_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/names.h"
#include "common/migration_folder.h"
#include "common/target.h"

enum migration_engine { ENGINE_AUTO, ENGINE_SQL, ENGINE_ALEMBIC, ENGINE_COMMAND };

/* "auto", "sql", "alembic", "command"; false when the word names none. */
const char *migration_engine_name(enum migration_engine engine) __attribute__((returns_nonnull));
bool migration_engine_parse(const char *word, enum migration_engine *engine);

struct project_options {
	enum migration_engine engine;
	const char *migrations; /* folder of SQL files; NULL: look for it */
	const char *alembic;	/* alembic.ini, or the folder that it is in; NULL: look for it */
	const char *alembic_command; /* a program; NULL: look for it */
	char *const *program;	     /* ends with NULL; NULL: none was given */
};

struct project {
	enum migration_engine engine;
	char *folder;		       /* absolute: where a program starts */
	char *ini;		       /* absolute, of Alembic */
	struct migration_folder files; /* of sql */
	struct names
		alembic; /* how Alembic is called: a program, or an interpreter with arguments */
};

#define PROJECT_NONE                 \
	{                            \
		.files = {.fd = -1 } \
	}

/*
 * Finds it: what the options say; else what lies in the current folder, in the database's, or in that one's parent. `target` may be
 * NULL (for a new migration). SQL files are read.
 */
bool project_find(struct project *project, const struct project_options *options,
		  const struct target *target, struct error *err);
void project_release(struct project *project);

/*
 * A digest over the files that a rehearsal depends on: SQL files, or alembic.ini and the scripts beside env.py, or the program's files. free() it;
 * NULL with *err set when they cannot be read.
 */
char *project_fingerprint(const struct project *project, const struct project_options *options,
			  const struct target *target, struct error *err);

/*
 * For root: whether nobody but root and `uid`, as whom its code is to run, can have written what is run: where it lies, and
 * Alembic's settings and program. Whoever else could would have their code run as that user. Who called sudo (SUDO_UID,
 * as git takes it for safe.directory) may: they can become root anyway. Without root's rights always.
 */
bool project_is_trusted(const struct project *project, uid_t uid, struct error *err);

#endif
