/*
 * The folder beside a database for what is kept about it and is not data: safety copies, hashes of applied migrations, records
 * of what was begun.
 */
#ifndef COMMON_STATE_FOLDER_H
#define COMMON_STATE_FOLDER_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/target.h"

/* Its name; made with mode 0700. */
#define STATE_FOLDER ".dblocktools"

/*
 * Opens the one beside `target` into *fd, made if need be, and keeps others out of it for as long as the descriptor is
 * open: STATUS_BUSY when somebody is at work there. `shown` is the database, printable. The caller closes *fd, also after a failure.
 */
bool state_folder_open(const struct target *target, const char *shown, int *fd, struct error *err);

/* Opens it for reading only, without keeping anybody out; -1 with errno when there is none, or none to be trusted. */
int state_folder_look(const struct target *target);

/* Removes what a killed run has left in one, unless somebody is at work there. */
void state_folder_tidy(const struct target *target);

/* --- files in it: one JSON document each, written whole or not at all ------------------------------------------------ */

struct json_t;

/* The kind that says that a migration was begun on the real file (dbmigrate --in-place), and with which backup. */
#define STATE_INTENT "in-place"

/* What is kept of a database under `kind`: "KIND-NAME.json"; free() it. */
char *state_file_name(const struct target *target, const char *kind)
	__attribute__((returns_nonnull));

/* json_release() it. NULL without an error: there is no such file (or no folder: `fd` -1). */
struct json_t *state_file_read(int fd, const char *name, struct error *err);

/* Takes over `document`. Durable when it returns. */
bool state_file_write(int fd, const char *name, struct json_t *document, struct error *err);
bool state_file_remove(int fd, const char *name, struct error *err);

#endif
