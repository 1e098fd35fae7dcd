/* The alembic engine: the project's own Alembic, asked and run as its people do. */
#ifndef COMMON_ENGINE_ALEMBIC_H
#define COMMON_ENGINE_ALEMBIC_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/base/names.h"
#include "common/linux/sandbox.h"
#include "common/migration.h"

/*
 * Fills the revisions from `alembic history` and the versions that were read. Scripts that cannot be loaded are a
 * problem of the revisions; an Alembic that is not there is an error.
 */
bool engine_alembic_look(struct migration *migration, struct error *err);

/* More revisions than a project has. */
enum { ALEMBIC_MOST = 5000 };

/* Reads what `alembic history` prints, newest first. Lines of another form are left out. Pure. */
void engine_alembic_read(const char *text, struct revisions *revisions);

/*
 * The command line that runs the plan. With `sandbox` it is given a copy of alembic.ini, made in there, whose
 * sqlalchemy.url is the copy's.
 */
bool engine_alembic_arguments(const struct migration *migration, const struct sandbox *sandbox,
			      struct names *arguments, struct error *err);

/* The text of an alembic.ini with another path in its sqlalchemy.url, for a file that lies elsewhere; pure. free() it. */
char *engine_alembic_rewrite(const char *ini, const char *folder, const char *database)
	__attribute__((returns_nonnull));

/*
 * The whole text of an alembic.ini; free() it. NULL with *err set. A file that the user `uid`, for whom it is read, could not read himself is
 * refused: root must not read it to him.
 */
char *engine_alembic_ini(const char *path, uid_t uid, struct error *err);

/* The folder of its scripts, from an alembic.ini's script_location; free() it. NULL with *err set when it cannot be read. */
char *engine_alembic_scripts(const char *ini, const char *folder, uid_t uid, struct error *err);

/* `alembic revision -m NAME`; *path is the file it made, free() it. */
bool engine_alembic_new(struct migration *migration, const char *name, char **path,
			struct error *err);

#endif
