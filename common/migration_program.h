/* Running the project's own migration program, on the copy or on the real file; what it prints is shown and kept. */
#ifndef COMMON_MIGRATION_PROGRAM_H
#define COMMON_MIGRATION_PROGRAM_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/names.h"
#include "common/linux/sandbox.h"
#include "common/migration.h"

/* How a program is kept to the copy. */
enum program_cover {
	COVER_OVERLAY,	   /* the copy stands at the real path */
	COVER_URL,	   /* Alembic is given another sqlalchemy.url */
	COVER_ENVIRONMENT, /* the program is told where the copy is, and has to go by that */
	COVER_NONE,	   /* it works on the real file */
};

/* "overlay", "url", "environment", "in-place". */
const char *program_cover_name(enum program_cover cover) __attribute__((returns_nonnull));

/* What can be had here for this engine; says in a note why it is not the overlay. */
enum program_cover program_cover_find(const struct migration *migration,
				      const struct sandbox *sandbox);

/*
 * Runs the migration's program to its end. A program that fails, does not end in time, or cannot be run is STATUS_TROUBLE with the
 * last of what it printed. `sandbox` may be NULL with COVER_NONE. Makes the log file and sets migration->log.
 */
bool migration_program_run(struct migration *migration, const struct sandbox *sandbox,
			   enum program_cover cover, struct error *err);

/*
 * Runs one that only tells something, and gives all that it printed; free() it. *failed tells that it ran, and ended with an
 * exit status other than 0.
 */
bool migration_program_ask(const struct migration *migration, const struct names *arguments,
			   char **output, bool *failed, struct error *err);

#endif
