/*
 * A layer of SQLite's file interface (a VFS shim, sqlite.org/vfs.html) for pouring a database into one that is mostly the same,
 * which the Online Backup API does page by page as if nothing were: it would write every page of the database anew, and its
 * journal in three pieces a page.
 *
 * - A write to the main file of what is there already is left out.
 * - Writes behind one another to a journal or a WAL are gathered, and handed on before anything else is done with that file: before it is
 *   synced above all. SQLite relies on nothing that was not synced.
 *
 * For a connection that nobody shares the file with while it writes: under the guard.
 */
#ifndef SQLITE_FRUGAL_FILE_H
#define SQLITE_FRUGAL_FILE_H

#include <stdbool.h>

struct sqlite3_vfs;

/* Fills *frugal from `base`, which must live as long; the caller gives it a name and registers it. */
void frugal_file_layer(struct sqlite3_vfs *frugal, struct sqlite3_vfs *base);

#endif
