/*
 * A connection to a live database, found by target.h: to exactly that file, and so that looking at it leaves nothing
 * behind. Use it in a worker.
 */
#ifndef COMMON_TARGET_CONNECTION_H
#define COMMON_TARGET_CONNECTION_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/sqlite/connection.h"
#include "common/target.h"

/* The path for SQLite of a name in a folder that was opened once, whatever becomes of the folder's path. free() it. */
char *connection_path(int folder_fd, const char *name) __attribute__((returns_nonnull));

/* Opens it as the application does and begins a read transaction. `shown` must outlive the connection. */
bool target_connect(const struct target *target, double wait, const char *shown,
		    struct connection *connection, struct error *err);

/*
 * Opens it for writing and takes SQLite's exclusive lock, which the connection keeps until it is closed, across its
 * transactions (PRAGMA locking_mode=EXCLUSIVE; reference/copy_migrate.md A): nobody else can read or write, and nothing
 * is written yet. `strict`: SQL will write, so no collation may be stood in for. STATUS_BUSY when it is not to be had within `wait` seconds. Commits on it are durable when they return.
 */
bool target_guard(const struct target *target, double wait, bool strict, const char *shown,
		  struct connection *connection, struct error *err);

/* Closes it when nothing was committed: the files are left as they were. */
bool target_unguard(const struct target *target, struct connection *connection, struct error *err);

/* Whether the target's name still means the file that was found. */
bool target_is_same_file(const struct target *target);

/*
 * Ends the transaction and closes. Closing as the last connection would checkpoint, and the database is to stay as it is;
 * but where no -wal was before and nobody has written to ours, that is only how the empty files go away again.
 */
bool target_disconnect(const struct target *target, struct connection *connection,
		       struct error *err);

#endif
