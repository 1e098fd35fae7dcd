/*
 * Running the SQL text of a stranger's migration, statement by statement, so that it changes this database and nothing
 * else. An authorizer refuses what would leave the transaction or the file; rows that statements give are not wanted.
 *
 * What a text sets on the connection (PRAGMA legacy_alter_table, temporary tables) stays for the next one, as with dbmate. Names of
 * tables may mean temporary ones of the text's afterwards: say main.x.
 */
#ifndef SQLITE_SCRIPT_H
#define SQLITE_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/sqlite/connection.h"

enum script_rights {
	/*
	 * The caller has begun a transaction, and ends it. Refused: all that begins or ends one, SAVEPOINT, ATTACH, DETACH, VACUUM,
	 * functions that reach outside, and each PRAGMA that is not known to be harmless in there.
	 */
	SCRIPT_IN_TRANSACTION,
	/*
	 * The text has a private copy for itself, in autocommit: it may begin and end transactions, VACUUM, and set what is
	 * kept in the file's header (journal_mode, page_size, auto_vacuum).
	 */
	SCRIPT_ALONE,
};

struct script {
	const char *text; /* any bytes */
	size_t length;
	size_t first_line; /* number of the text's first line in its file */
	const char *shown; /* the file, printable */
	enum script_rights rights;
};

/*
 * Runs the text up to its end or the first error; an empty one is fine. On failure some of it may have been done: roll back, or
 * throw the copy away.
 *
 * Errors are "FILE:LINE: what SQLite says, or why it is refused: the statement". Status: as connection_fail() has it;
 * STATUS_TROUBLE for what is refused and for "interrupted" (connection_was_stopped()).
 * It is also an error when the transaction is gone afterwards, or (SCRIPT_ALONE) the text leaves one open: it is rolled back.
 */
bool script_run(struct connection *connection, const struct script *script, struct error *err);

#endif
