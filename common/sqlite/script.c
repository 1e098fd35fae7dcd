#include "common/sqlite/script.h"

#include <ctype.h>
#include <sqlite3.h>
#include <string.h>
#include <strings.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/sqlite/script_rights.h"

/* Terminal columns of a message that SQLite's words and the statement may take. */
enum { WORDS_COLUMNS = 300, STATEMENT_COLUMNS = 120 };

struct run {
	struct connection *connection;
	const struct script *script;
	const char *at;	 /* the statement that runs */
	const char *end; /* of the text; there is a NUL */
	size_t line;	 /* of `at` */
	size_t opened;	 /* line of the statement that began the transaction that is open now */
	struct script_judge judge;
};

/* --- where statements are ---------------------------------------------------------------------------------------- */

static size_t count_lines(const char *from, const char *to)
{
	size_t lines = 0;

	while (from < to && (from = memchr(from, '\n', (size_t)(to - from)))) {
		lines++;
		from++;
	}
	return lines;
}

static void advance(struct run *run, const char *to)
{
	run->line += count_lines(run->at, to);
	run->at = to;
}

/* Behind the comment that begins there; one without an end goes to the end of the text, as SQLite has it. */
static const char *behind_comment(const char *at, const char *end)
{
	const char *mark = at[0] == '-' ? "\n" : "*/";
	const char *found = strstr(at + 2, mark);

	return found ? found + strlen(mark) : end;
}

/* Moves on to the first word of the next statement: behind blanks, comments and empty statements. */
static void find_statement(struct run *run)
{
	const char *at = run->at;

	while (at < run->end) {
		const size_t blanks = strspn(at, " \t\n\f\r;");

		if (blanks > 0)
			at += blanks;
		else if (strncmp(at, "--", 2) == 0 || strncmp(at, "/*", 2) == 0)
			at = behind_comment(at, run->end);
		else if (strncmp(at, "\xef\xbb\xbf", 3) == 0)
			at += 3; /* a byte order mark, which SQLite takes for a blank */
		else
			break;
	}
	advance(run, at);
}

static bool begins_with_vacuum(const char *at)
{
	return strncasecmp(at, "VACUUM", 6) == 0 && !isalnum((unsigned char)at[6]) && at[6] != '_';
}

/* --- errors ------------------------------------------------------------------------------------------------------- */

static void append_cut(struct text *text, const char *printable, size_t columns)
{
	text_append_cell(text, printable, text_columns(printable) > columns ? columns : 0);
}

/* A statement on one line, without its semicolon: blanks and line ends become one blank. */
static void append_statement(struct text *text, const char *from, const char *to)
{
	auto_text line = { 0 };

	while (to > from && strchr(" \t\n\f\r;", to[-1]))
		to--;
	while (from < to && line.length < 4 * (size_t)STATEMENT_COLUMNS) {
		const size_t blanks = strspn(from, " \t\n\f\r");

		if (blanks > 0 && from + blanks < to)
			text_append_bytes(&line, " ", 1);
		else if (blanks == 0)
			text_append_bytes(&line, from, 1);
		from += blanks > 0 ? blanks : 1;
	}

	auto_free char *printable = text_printable(text_string(&line));

	append_cut(text, printable, STATEMENT_COLUMNS);
}

static bool fail_at(const struct run *run, size_t line, const char *to, enum status status,
		    const char *words, struct error *err)
{
	auto_free char *printable = text_printable(words);
	auto_text message = { 0 };

	append_cut(&message, printable, WORDS_COLUMNS);
	text_append(&message, ": ");
	append_statement(&message, run->at, to);
	return fail(err, status, "%s:%zu: %s", run->script->shown, line, text_string(&message));
}

/* `offset`: of the place that SQLite complains about, or -1. `to`: where the statement ends, or SQLite stopped to read. */
static bool fail_statement(const struct run *run, int code, int offset, const char *to,
			   struct error *err)
{
	const int kind = code & 0xff;
	const bool known = offset >= 0 && offset < to - run->at;
	const size_t line = run->line + (known ? count_lines(run->at, run->at + offset) : 0);
	struct error judged = { 0 };

	if (run->judge.reason.length > 0)
		return fail_at(run, run->line, to, STATUS_TROUBLE, run->judge.reason.bytes, err);
	if (connection_was_stopped() && (kind == SQLITE_INTERRUPT || kind == SQLITE_BUSY))
		return fail_at(run, run->line, to, STATUS_TROUBLE, "interrupted", err);
	(void)connection_fail(run->connection, code, "", &judged);
	return fail_at(run, line, to, judged.status, sqlite3_errmsg(run->connection->db), err);
}

/* Where a statement that cannot be read ends, for showing it: SQLite says how far it got. */
static const char *end_of_broken(const struct run *run, const char *tail)
{
	const char *from = tail && tail > run->at ? tail - 1 : run->at;
	const char *semicolon = strchr(from, ';');

	return semicolon ? semicolon + 1 : run->end;
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static bool is_alone(const struct run *run)
{
	return run->script->rights == SCRIPT_ALONE;
}

static bool in_transaction(const struct run *run)
{
	return !sqlite3_get_autocommit(run->connection->db);
}

static bool step_to_end(struct run *run, sqlite3_stmt *statement, const char *tail,
			struct error *err)
{
	int code = SQLITE_ROW;

	if (sqlite3_bind_parameter_count(statement) > 0)
		return fail_at(run, run->line, tail, STATUS_TROUBLE,
			       "there is no value for its parameter", err);
	while (code == SQLITE_ROW)
		code = sqlite3_step(statement);
	return code == SQLITE_DONE || fail_statement(run, code, -1, tail, err);
}

/* What must be true of the transaction after a statement that went well. */
static bool look_at_transaction(struct run *run, bool was_open, const char *tail, struct error *err)
{
	const bool open = in_transaction(run);

	if (!open && !is_alone(run))
		return fail_at(run, run->line, tail, STATUS_TROUBLE,
			       "the transaction that the migration runs in is gone", err);
	if (open && !was_open)
		run->opened = run->line;
	return true;
}

static bool run_statement(struct run *run, struct error *err)
{
	sqlite3 *db = run->connection->db;
	const bool was_open = in_transaction(run);
	sqlite3_stmt *statement = NULL;
	const char *tail = NULL;
	int code = SQLITE_OK;

	text_release(&run->judge.reason);
	run->judge.vacuum = begins_with_vacuum(run->at);
	if (run->judge.vacuum && !is_alone(run))
		return fail_at(run, run->line, end_of_broken(run, NULL), STATUS_TROUBLE,
			       "VACUUM cannot run in a transaction; a dbmate migration with "
			       "transaction:false may have it",
			       err);
	if (connection_was_stopped())
		return fail_statement(run, SQLITE_INTERRUPT, -1, end_of_broken(run, NULL), err);
	/* Up to the NUL: with a length SQLite copies all of the rest, each time. */
	code = sqlite3_prepare_v2(db, run->at, -1, &statement, &tail);
	if (code != SQLITE_OK)
		return fail_statement(run, code, sqlite3_error_offset(db), end_of_broken(run, tail),
				      err);

	const bool good = !statement || step_to_end(run, statement, tail, err);

	(void)sqlite3_finalize(statement); /* gives the error again that was seen */
	if (!good || !look_at_transaction(run, was_open, tail, err))
		return false;
	advance(run, tail);
	return true;
}

static bool run_all(struct run *run, struct error *err)
{
	if (!is_alone(run) && !in_transaction(run))
		return fail(err, STATUS_TROUBLE, "%s:%zu: there is no transaction to run it in",
			    run->script->shown, run->line);
	for (find_statement(run); run->at < run->end; find_statement(run))
		if (!run_statement(run, err))
			return false;
	if (is_alone(run) && in_transaction(run))
		return fail(err, STATUS_TROUBLE, "%s:%zu: begins a transaction and does not end it",
			    run->script->shown, run->opened);
	return true;
}

bool script_run(struct connection *connection, const struct script *script, struct error *err)
{
	const char *nul = script->length ? memchr(script->text, '\0', script->length) : NULL;

	if (nul)
		return fail(err, STATUS_TROUBLE, "%s:%zu: has a NUL byte, where SQL would end",
			    script->shown, script->first_line + count_lines(script->text, nul));

	auto_free char *text = memory_copy(script->length ? script->text : "", script->length);
	struct run run = {
		.connection = connection,
		.script = script,
		.at = text,
		.end = text + script->length,
		.line = script->first_line,
		.judge = { .rights = script->rights },
	};
	int code = sqlite3_set_authorizer(connection->db, script_judge, &run.judge);

	if (code != SQLITE_OK)
		return connection_fail(connection, code, "cannot be guarded", err);

	const bool good = run_all(&run, err);

	code = sqlite3_set_authorizer(connection->db, NULL, NULL);
	text_release(&run.judge.reason);
	/* The copy is of no use after an error, but what follows must not run inside of a transaction that nobody knows of. */
	if (is_alone(&run) && in_transaction(&run))
		(void)sqlite3_exec(connection->db, "ROLLBACK", NULL, NULL, NULL);
	if (good && code != SQLITE_OK)
		return connection_fail(connection, code, "cannot be guarded", err);
	return good;
}
