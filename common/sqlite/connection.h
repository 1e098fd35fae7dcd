/*
 * Connections to a database through SQLite; the only place that opens one. Use them in a worker (linux/worker.h): a
 * hostile or changing file may crash the process, and the POSIX locks of a process go away when it closes any other
 * descriptor on the file.
 *
 * What keeps a stranger's data or a live database from harm is set on each of them: no checkpoint by us (F17), no
 * memory mapping (F12), schema not trusted, defensive, cells checked.
 *
 * The path is taken as it is: no links are resolved, so a path through an open folder's descriptor means that name in that
 * folder, wherever it is moved, and SQLite's other files are made beside it (F5). A last link is refused.
 */
#ifndef SQLITE_CONNECTION_H
#define SQLITE_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

struct sqlite3;

struct connection {
	struct sqlite3 *db; /* NULL: not open */
	const char *shown;  /* its name in messages, printable; owned by the caller */
	bool stand_in; /* a collation of the application's is not known here: its order is not checked */
	double wait;	      /* seconds to be patient about a lock */
	double patient_until; /* on clock_now(), for the lock that is waited for now */
};

#define auto_connection __attribute__((cleanup(connection_drop))) struct connection

enum connection_way {
	CONNECTION_READ, /* read only: nothing is rolled back */
	CONNECTION_FROZEN, /* the same for a file that nobody writes to: no lock, and nothing is made beside it */
	CONNECTION_WRITE, /* as the application opens it; falls back to reading where the file may not be written */
	CONNECTION_ALONE, /* the same, for one who will lock everybody out: writes less (frugal_file.h) */
	CONNECTION_MAKE, /* the same, for a file of ours that is made */
};

/* Opens `path`, which nobody looks at before the first statement. `wait`: seconds to be patient about locks. */
bool connection_open(struct connection *connection, const char *path, enum connection_way way,
		     double wait, const char *shown, struct error *err);

/* Commits are durable when they return, also in the folder (synchronous=EXTRA). Looks at the file. */
bool connection_make_durable(struct connection *connection, struct error *err);

/* Lets the last connection clean up as SQLite does: checkpoint, and remove -wal and -shm. */
void connection_allow_checkpoint(struct connection *connection);

/* Asked now and then in long statements and while waiting for locks, of all connections that are opened from now on; true
 * ends them. */
void connection_stop_when(bool (*stop)(void));

/* Whether that has been said. */
bool connection_was_stopped(void);

/* Closes; an error when SQLite says so. */
bool connection_close(struct connection *connection, struct error *err);
void connection_drop(struct connection *connection);

/*
 * Fails with SQLite's words for `code`, a result of SQLite's. Status: STATUS_BUSY for locks, STATUS_NO for a damaged
 * or encrypted database, else STATUS_TROUBLE.
 */
bool connection_fail(const struct connection *connection, int code, const char *doing,
		     struct error *err);

/* Runs statements; rows are not wanted. `doing` is for messages: "cannot begin to read". */
bool connection_run(struct connection *connection, const char *sql, const char *doing,
		    struct error *err);

/* Given each row of a query, its columns as text (NULL where they are). */
typedef void connection_row(void *context, int count, char **columns);

bool connection_each(struct connection *connection, const char *sql, connection_row *row,
		     void *context, const char *doing, struct error *err);

/* Whether views and triggers may use virtual tables and functions that are not marked as harmless. */
void connection_trust_schema(struct connection *connection, bool trust);

/*
 * From here on a collation that is not known is an error, as it has to be where indexes are written: a stand-in would
 * put rows at wrong places. */
void connection_refuse_stand_ins(struct connection *connection);

/* The first column of the first row. No row, or NULL in it, gives 0, or NULL. free() the text. */
bool connection_number(struct connection *connection, const char *sql, int64_t *number,
		       struct error *err);
bool connection_text(struct connection *connection, const char *sql, char **text,
		     struct error *err);

/* Begins a read transaction that sees one state until it ends; rolls a hot journal back first. */
bool connection_pin(struct connection *connection, struct error *err);

/* Whether it is in WAL mode, as SQLite has it after the first look at the file. */
bool connection_is_wal(struct connection *connection, bool *wal, struct error *err);

/* Whether the file at the path is another one than the one that is open. */
bool connection_has_moved(struct connection *connection);

#endif
