#include "common/sqlite/connection.h"

#include <ctype.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/sqlite/frugal_file.h"

static const char vfs_name[] = "dblocktools", frugal_name[] = "dblocktools-frugal";

/* How many of SQLite's steps pass between two looks at whether to stop. */
enum { STEPS_BETWEEN_LOOKS = 100000 };

static bool (*stop_asked)(void); /* NULL: nobody asks */

/* How long one may be patient about locks, on clock_now(); SQLite asks again and again. */
static const double pause_seconds = 0.005;

void connection_stop_when(bool (*stop)(void))
{
	stop_asked = stop;
}

bool connection_was_stopped(void)
{
	return stop_asked && stop_asked();
}

static int look_whether_to_stop(void *nothing)
{
	(void)nothing;
	return connection_was_stopped();
}

/* SQLite's busy handler: not 0 means to try again. `waited` is how often it was asked for this lock. */
static int wait_for_lock(void *context, int waited)
{
	struct connection *connection = context;

	if (waited == 0)
		connection->patient_until = clock_now() + connection->wait;
	if (clock_now() >= connection->patient_until || connection_was_stopped())
		return 0;
	clock_sleep_until(clock_now() + pause_seconds);
	return 1;
}

/* The path is what it says: SQLite's own would resolve /proc/self/fd/N to a path that may mean another file later. */
static int take_path(sqlite3_vfs *vfs, const char *path, int size, char *full)
{
	(void)vfs;
	return snprintf(full, (size_t)size, "%s", path) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static sqlite3_vfs *unix_vfs;

/*
 * A journal may name a "super-journal", which SQLite opens and then deletes, whatever file that is. Who left the journal
 * would so choose a file for us to delete.
 */
static int open_own(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
		    int *out_flags)
{
	(void)vfs;
	if (flags & SQLITE_OPEN_SUPER_JOURNAL) {
		file->pMethods = NULL;
		return SQLITE_CANTOPEN;
	}
	return unix_vfs->xOpen(unix_vfs, path, file, flags, out_flags);
}

static bool register_vfs(void)
{
	static sqlite3_vfs vfs, frugal;

	if (frugal.zName)
		return true;

	unix_vfs = sqlite3_initialize() == SQLITE_OK ? sqlite3_vfs_find("unix") : NULL;

	if (!unix_vfs)
		return false;
	vfs = *unix_vfs;
	vfs.zName = vfs_name;
	vfs.xFullPathname = take_path;
	vfs.xOpen = open_own;
	frugal_file_layer(&frugal, &vfs);
	frugal.zName = frugal_name;
	return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK &&
	       sqlite3_vfs_register(&frugal, 0) == SQLITE_OK;
}

bool connection_fail(const struct connection *connection, int code, const char *doing,
		     struct error *err)
{
	const int kind = code & 0xff;
	const bool own_words = connection->db && (sqlite3_errcode(connection->db) & 0xff) == kind &&
			       kind != SQLITE_BUSY;
	auto_free char *words =
		text_printable(own_words ? sqlite3_errmsg(connection->db) : sqlite3_errstr(code));

	return fail(err,
		    kind == SQLITE_BUSY || kind == SQLITE_LOCKED      ? STATUS_BUSY
		    : kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB ? STATUS_NO
								      : STATUS_TROUBLE,
		    "%s: %s: %s", connection->shown, doing, words);
}

static int compare_bytes(void *nothing, int a_length, const void *a, int b_length, const void *b)
{
	const int order = memcmp(a, b, (size_t)(a_length < b_length ? a_length : b_length));

	(void)nothing;
	return order != 0 ? order : a_length - b_length;
}

/*
 * An application may bring collations of its own, and SQLite reads no schema with one that it does not know. Nothing here
 * depends on the order, and what would is not asked for (integrity.h).
 */
static void stand_in_for_collation(void *context, struct sqlite3 *db, int encoding,
				   const char *name)
{
	struct connection *connection = context;

	connection->stand_in = true;
	/* When it cannot be made, the statement that needs it says so. */
	(void)sqlite3_create_collation_v2(db, name, encoding, NULL, compare_bytes, NULL);
}

static bool configure(struct connection *connection, struct error *err)
{
	static const struct {
		int option, value;
	} settings[] = {
		{ SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1 },
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
	};
	int code = sqlite3_extended_result_codes(connection->db, 1);

	for (size_t i = 0; code == SQLITE_OK && i < sizeof settings / sizeof *settings; i++)
		code = sqlite3_db_config(connection->db, settings[i].option, settings[i].value,
					 NULL);
	if (code == SQLITE_OK)
		code = sqlite3_busy_handler(connection->db, wait_for_lock, connection);
	if (code == SQLITE_OK)
		code = sqlite3_collation_needed(connection->db, connection, stand_in_for_collation);
	sqlite3_progress_handler(connection->db, STEPS_BETWEEN_LOOKS, look_whether_to_stop, NULL);
	if (code != SQLITE_OK)
		return connection_fail(connection, code, "cannot be set up", err);
	/* None of these looks at the file. */
	return connection_run(connection,
			      "PRAGMA mmap_size=0; PRAGMA wal_autocheckpoint=0;"
			      "PRAGMA cell_size_check=ON",
			      "cannot be set up", err);
}

/* The path as a URI, each byte that could mean something in one escaped. */
static char *frozen_uri(const char *path)
{
	auto_text uri = { 0 };

	text_append(&uri, "file:");
	for (const char *at = path; *at; at++) {
		if (isalnum((unsigned char)*at) || *at == '/')
			text_append_bytes(&uri, at, 1);
		else
			text_append(&uri, "%%%02x", (unsigned char)*at);
	}
	text_append(&uri, "?immutable=1");
	return text_take(&uri);
}

bool connection_open(struct connection *connection, const char *path, enum connection_way way,
		     double wait, const char *shown, struct error *err)
{
	const int flags = way == CONNECTION_READ     ? SQLITE_OPEN_READONLY
			  : way == CONNECTION_FROZEN ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI
			  : way == CONNECTION_MAKE   ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
						     : SQLITE_OPEN_READWRITE;

	auto_free char *uri = way == CONNECTION_FROZEN ? frozen_uri(path) : NULL;

	*connection = (struct connection){ .shown = shown, .wait = wait };
	if (!register_vfs())
		return fail(err, STATUS_TROUBLE, "SQLite cannot be set up");

	const int code = sqlite3_open_v2(uri ? uri : path, &connection->db, flags,
					 way == CONNECTION_ALONE ? frugal_name : vfs_name);

	if (code != SQLITE_OK)
		return connection_fail(connection, code, "cannot be opened", err);
	return configure(connection, err);
}

bool connection_make_durable(struct connection *connection, struct error *err)
{
	return connection_run(connection, "PRAGMA synchronous=EXTRA", "cannot be read", err);
}

void connection_allow_checkpoint(struct connection *connection)
{
	(void)sqlite3_db_config(connection->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
}

bool connection_close(struct connection *connection, struct error *err)
{
	const int code = connection->db ? sqlite3_close(connection->db) : SQLITE_OK;

	if (code != SQLITE_OK)
		return connection_fail(connection, code, "cannot be closed", err);
	connection->db = NULL;
	return true;
}

void connection_drop(struct connection *connection)
{
	/* After an error was reported: there is nothing to add to it. */
	(void)sqlite3_close_v2(connection->db);
	connection->db = NULL;
}

bool connection_run(struct connection *connection, const char *sql, const char *doing,
		    struct error *err)
{
	const int code = sqlite3_exec(connection->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK || connection_fail(connection, code, doing, err);
}

struct each {
	connection_row *row;
	void *context;
};

static int give_row(void *context, int count, char **columns, char **names)
{
	const struct each *each = context;

	(void)names;
	each->row(each->context, count, columns);
	return 0;
}

bool connection_each(struct connection *connection, const char *sql, connection_row *row,
		     void *context, const char *doing, struct error *err)
{
	struct each each = { row, context };
	const int code = sqlite3_exec(connection->db, sql, give_row, &each, NULL);

	return code == SQLITE_OK || connection_fail(connection, code, doing, err);
}

void connection_trust_schema(struct connection *connection, bool trust)
{
	(void)sqlite3_db_config(connection->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, trust, NULL);
}

void connection_refuse_stand_ins(struct connection *connection)
{
	(void)sqlite3_collation_needed(connection->db, NULL, NULL);
}

/* Steps to the first row; *statement is to be finalised by the caller. */
static bool first_row(struct connection *connection, const char *sql, sqlite3_stmt **statement,
		      bool *row, struct error *err)
{
	int code = sqlite3_prepare_v2(connection->db, sql, -1, statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(*statement);
	*row = code == SQLITE_ROW;
	return *row || code == SQLITE_DONE ||
	       connection_fail(connection, code, "cannot be read", err);
}

bool connection_number(struct connection *connection, const char *sql, int64_t *number,
		       struct error *err)
{
	sqlite3_stmt *statement = NULL;
	bool row = false;
	const bool good = first_row(connection, sql, &statement, &row, err);

	*number = good && row ? sqlite3_column_int64(statement, 0) : 0;
	(void)sqlite3_finalize(statement); /* gives the error again that was seen */
	return good;
}

bool connection_text(struct connection *connection, const char *sql, char **text, struct error *err)
{
	sqlite3_stmt *statement = NULL;
	bool row = false;
	const bool good = first_row(connection, sql, &statement, &row, err);

	*text = good && row ? memory_copy_text((const char *)sqlite3_column_text(statement, 0))
			    : NULL;
	(void)sqlite3_finalize(statement); /* gives the error again that was seen */
	return good;
}

bool connection_pin(struct connection *connection, struct error *err)
{
	int64_t ignored = 0;

	return connection_run(connection, "BEGIN", "cannot begin to read", err) &&
	       connection_number(connection, "SELECT count(*) FROM sqlite_schema", &ignored, err);
}

bool connection_is_wal(struct connection *connection, bool *wal, struct error *err)
{
	auto_free char *mode = NULL;
	const bool good = connection_text(connection, "PRAGMA journal_mode", &mode, err);

	*wal = mode && strcmp(mode, "wal") == 0;
	return good;
}

bool connection_has_moved(struct connection *connection)
{
	int moved = 0;

	return sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) !=
		       SQLITE_OK ||
	       moved != 0;
}
