#include "tests/unit/database.h"

#include <time.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/sqlite/script.h"

/* A connection to "bot.db" of the folder, which is made. */
static void connect_to(struct connection *connection, const char *folder)
{
	static char path[PATH_MAX];
	struct error err = { 0 };

	if (!connection_open(connection, folder_path(folder, "bot.db", path), CONNECTION_MAKE, 0,
			     "bot.db", &err))
		fail_msg("%s", err.text);
}

static bool run_bytes(struct connection *connection, enum script_rights rights, const char *text,
		      size_t length, struct error *err)
{
	/* Of exactly its size: what is read behind it is seen. */
	auto_free char *bytes = memory_allocate(length ? length : 1, 1);
	const struct script script = { bytes, length, 11, "1_a.sql", rights };

	if (length)
		memcpy(bytes, text, length);
	return script_run(connection, &script, err);
}

static void run_plain(struct connection *connection, const char *sql)
{
	struct error err = { 0 };

	if (!connection_run(connection, sql, "test", &err))
		fail_msg("%s: %s", sql, err.text);
}

static int64_t number(struct connection *connection, const char *sql)
{
	int64_t found = -1;
	struct error err = { 0 };

	if (!connection_number(connection, sql, &found, &err))
		fail_msg("%s: %s", sql, err.text);
	return found;
}

/* Runs the text with those rights on a connection of its own, that is kept. */
static bool try(struct connection *connection, enum script_rights rights, const char *sql,
		struct error *err)
{
	if (rights == SCRIPT_IN_TRANSACTION && sqlite3_get_autocommit(connection->db))
		run_plain(connection, "BEGIN IMMEDIATE");
	return run_bytes(connection, rights, sql, strlen(sql), err);
}

static void must_run(struct connection *connection, enum script_rights rights, const char *sql)
{
	struct error err = { 0 };

	if (!try(connection, rights, sql, &err))
		fail_msg("%s: %s", sql, err.text);
}

static void must_fail(struct connection *connection, enum script_rights rights, const char *sql,
		      const char *words)
{
	struct error err = { 0 };

	if (try(connection, rights, sql, &err))
		fail_msg("it ran: %s", sql);
	if (strcmp(err.text, words) != 0)
		fail_msg("%s\nsays:      %s\ninstead of %s", sql, err.text, words);
	assert_int_equal(err.status, STATUS_TROUBLE);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static void statements_run_one_after_the_other(void **state)
{
	auto_connection connection = { 0 };

	connect_to(&connection, *state);
	must_run(&connection, SCRIPT_IN_TRANSACTION,
		 "-- migrate:up\nCREATE TABLE t(x);\n\n;; INSERT INTO t VALUES(1),(2);"
		 "/* ; */ SELECT * FROM t; INSERT INTO t SELECT x + 10 FROM t -- no semicolon");
	assert_int_equal(number(&connection, "SELECT sum(x) FROM t"), 26);
	run_plain(&connection, "COMMIT");
}

static void a_text_without_a_statement_is_fine(void **state)
{
	static const char *const texts[] = { "",
					     " \r\n\t\f",
					     ";",
					     ";;\n;",
					     "-- only this",
					     "-- this\n",
					     "/* and this */",
					     "/* and this",
					     "\xef\xbb\xbf",
					     "\xef\xbb\xbf-- migrate:up\r\n" };
	auto_connection connection = { 0 };

	connect_to(&connection, *state);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		must_run(&connection, SCRIPT_IN_TRANSACTION, texts[i]);
		run_plain(&connection, "COMMIT");
		must_run(&connection, SCRIPT_ALONE, texts[i]);
	}
}

static void only_the_given_length_is_read(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };
	static const char text[] = "CREATE TABLE t(x);DROP TABLE t;";

	connect_to(&connection, *state);
	assert_true(run_bytes(&connection, SCRIPT_ALONE, text, 18, &err));
	assert_int_equal(number(&connection, "SELECT count(*) FROM t"), 0);
	assert_true(run_bytes(&connection, SCRIPT_ALONE, NULL, 0, &err));
}

static void semicolons_within_a_trigger_a_string_or_a_comment_end_nothing(void **state)
{
	auto_connection connection = { 0 };

	connect_to(&connection, *state);
	must_run(&connection, SCRIPT_IN_TRANSACTION,
		 "CREATE TABLE t(x);\r\nCREATE TABLE log(x, y);\r\n"
		 "CREATE TRIGGER g AFTER INSERT ON t BEGIN\r\n"
		 "  INSERT INTO log VALUES(new.x, 'a;b'); -- ;\r\n"
		 "  INSERT INTO log VALUES(new.x, \"it;s\" /*;*/); END;\r\n"
		 "DROP TRIGGER g; CREATE TRIGGER g AFTER INSERT ON t BEGIN\n"
		 "INSERT INTO log VALUES(new.x, ';'); INSERT INTO log VALUES(2, ';'); END;\n"
		 "INSERT INTO t VALUES(';--')");
	assert_int_equal(number(&connection, "SELECT count(*) FROM log"), 2);
}

static void a_nul_byte_is_refused_with_its_line_before_anything_runs(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };
	static const char text[] = "CREATE TABLE t(x);\n-- \0\nCREATE TABLE u(x);";

	connect_to(&connection, *state);
	assert_false(run_bytes(&connection, SCRIPT_ALONE, text, sizeof text - 1, &err));
	assert_string_equal(err.text, "1_a.sql:12: has a NUL byte, where SQL would end");
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_int_equal(number(&connection, "SELECT count(*) FROM sqlite_schema"), 0);
}

static void many_statements_take_time_in_proportion(void **state)
{
	/* With strict_string_checks the sanitizer itself looks at the rest of the text each time. */
	const size_t statements = getenv("DBLOCKTOOLS_SANITIZED") ? 10000 : 50000;
	static const char one[] = "INSERT INTO t VALUES(1);\n";
	const size_t size = sizeof one - 1;
	auto_free char *text = memory_allocate(statements, size);
	auto_connection connection = { 0 };
	struct error err = { 0 };
	char words[128];

	for (size_t i = 0; i < statements; i++)
		memcpy(text + i * size, one, size);
	text[statements * size - 3] = '!';
	connect_to(&connection, *state);
	run_plain(&connection, "CREATE TABLE t(x); BEGIN");

	const clock_t start = clock();

	assert_false(run_bytes(&connection, SCRIPT_IN_TRANSACTION, text, statements * size, &err));
	(void)snprintf(words, sizeof words,
		       "1_a.sql:%zu: unrecognized token: \"!\": INSERT INTO t VALUES(1!",
		       statements + 10);
	assert_string_equal(err.text, words);
	assert_int_equal(number(&connection, "SELECT count(*) FROM t"), statements - 1);
	/* It takes a fraction of a second, and many when each statement costs the rest of the text. */
	assert_true((clock() - start) / CLOCKS_PER_SEC < 8);
}

/* --- errors ------------------------------------------------------------------------------------------------------- */

static void an_error_names_the_line_sqlites_words_and_the_statement(void **state)
{
	static const struct {
		const char *sql, *words;
	} cases[] = {
		/* Where SQLite says the place: its line. */
		{ "SELECT 1;\n\nCREATE TABLE u(\n\tx,\n\tFROM\n);\nSELECT 2",
		  "1_a.sql:15: near \"FROM\": syntax error: CREATE TABLE u( x, FROM )" },
		{ ".read evil.sql\nSELECT 1", "1_a.sql:11: near \".\": syntax error: "
					      ".read evil.sql SELECT 1" },
		{ "SELECT\n'abc", "1_a.sql:12: unrecognized token: \"'abc\": SELECT 'abc" },
		{ "SELECT 1;\n-- why\nINSERT INTO nope\nVALUES(1);",
		  "1_a.sql:13: no such table: nope: INSERT INTO nope VALUES(1)" },
		{ "CREATE TABLE u(x", "1_a.sql:11: incomplete input: CREATE TABLE u(x" },
		/* While it runs: where it begins. */
		{ "\n\n/* two\nlines */ INSERT INTO t\nVALUES(1);\nSELECT 1;",
		  "1_a.sql:14: UNIQUE constraint failed: t.x: INSERT INTO t VALUES(1)" },
		{ "SELECT json('{');", "1_a.sql:11: malformed JSON: SELECT json('{')" },
	};
	auto_connection connection = { 0 };

	connect_to(&connection, *state);
	run_plain(&connection, "CREATE TABLE t(x PRIMARY KEY); INSERT INTO t VALUES(1)");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		must_fail(&connection, SCRIPT_IN_TRANSACTION, cases[i].sql, cases[i].words);
}

static void a_broken_trigger_does_not_give_a_line_behind_the_statement(void **state)
{
	auto_connection connection = { 0 };

	connect_to(&connection, *state);
	run_plain(&connection, "CREATE TABLE t(x); CREATE TRIGGER g AFTER INSERT ON t BEGIN\n\n\n"
			       "SELECT\n\nno_such_function(1)\n, nope; END");
	must_fail(&connection, SCRIPT_IN_TRANSACTION, "INSERT INTO t VALUES(1);\nSELECT 1;\n\n",
		  "1_a.sql:11: no such function: no_such_function: INSERT INTO t VALUES(1)");
}

static void long_and_hostile_statements_are_shown_short_and_tame(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };
	char sql[4096];

	connect_to(&connection, *state);
	must_fail(&connection, SCRIPT_ALONE, "SELECT '\x1b[2J\xe2\x80\xae' \n FROM \\nope",
		  "1_a.sql:12: unrecognized token: \"\\\\\": "
		  "SELECT '\\x1b[2J\\u{202e}' FROM \\\\nope");
	memset(sql, 'x', sizeof sql);
	sql[0] = '\'';
	sql[sizeof sql - 1] = '\0';
	assert_false(try(&connection, SCRIPT_ALONE, sql, &err));
	assert_in_range(strlen(err.text), 300, 500);
	assert_non_null(strstr(err.text, "xxx…: 'xxx"));
}

static void a_parameter_has_no_value(void **state)
{
	auto_connection connection = { 0 };

	connect_to(&connection, *state);
	run_plain(&connection, "CREATE TABLE t(x)");
	must_fail(&connection, SCRIPT_ALONE, "INSERT INTO t VALUES(?)",
		  "1_a.sql:11: there is no value for its parameter: INSERT INTO t VALUES(?)");
	must_fail(&connection, SCRIPT_ALONE, "INSERT INTO t VALUES(:x)",
		  "1_a.sql:11: there is no value for its parameter: INSERT INTO t VALUES(:x)");
	assert_int_equal(number(&connection, "SELECT count(*) FROM t"), 0);
}

static void a_lock_keeps_its_status(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };
	sqlite3 *other = database_open(*state, "bot.db");

	database_run(other, "CREATE TABLE t(x); BEGIN EXCLUSIVE");
	connect_to(&connection, *state);
	assert_false(try(&connection, SCRIPT_ALONE, "\nDELETE FROM t", &err));
	assert_string_equal(err.text, "1_a.sql:12: database is locked: DELETE FROM t");
	assert_int_equal(err.status, STATUS_BUSY);
	database_run(other, "COMMIT");
	database_close(other);
}

static void what_is_no_database_keeps_its_status(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };
	char junk[4096];

	memset(junk, 'j', sizeof junk);
	folder_write(*state, "bot.db", junk, sizeof junk);
	connect_to(&connection, *state);
	assert_false(try(&connection, SCRIPT_ALONE, "CREATE TABLE t(x)", &err));
	assert_int_equal(err.status, STATUS_NO);
}

/* --- stopping ----------------------------------------------------------------------------------------------------- */

static int looks_left;

static bool stop_after_looks(void)
{
	return looks_left-- <= 0;
}

static void assert_interrupted(const char *folder, int looks, const char *sql, const char *words)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };

	connection_stop_when(stop_after_looks);
	looks_left = 1000000;
	connect_to(&connection, folder);
	looks_left = looks;

	const bool good = try(&connection, SCRIPT_ALONE, sql, &err);

	connection_stop_when(NULL);
	assert_false(good);
	assert_string_equal(err.text, words);
	assert_int_equal(err.status, STATUS_TROUBLE);
}

static void a_statement_that_never_ends_is_interrupted(void **state)
{
	assert_interrupted(*state, 10,
			   "SELECT 1;\nWITH RECURSIVE c(x) AS (VALUES(1) UNION ALL "
			   "SELECT x + 1 FROM c) SELECT count(*) FROM c;",
			   "1_a.sql:12: interrupted: WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL "
			   "SELECT x + 1 FROM c) SELECT count(*) FROM c");
}

static void one_may_stop_between_short_statements(void **state)
{
	assert_interrupted(*state, 2, "SELECT 1;\nSELECT 2;\nSELECT 3;\nSELECT 4",
			   "1_a.sql:13: interrupted: SELECT 3");
}

static void one_may_stop_while_a_lock_is_waited_for(void **state)
{
	sqlite3 *other = database_open(*state, "bot.db");

	database_run(other, "CREATE TABLE t(x); BEGIN EXCLUSIVE");
	assert_interrupted(*state, 1, "DELETE FROM t", "1_a.sql:11: interrupted: DELETE FROM t");
	database_close(other);
}

/* --- rights ------------------------------------------------------------------------------------------------------- */

#define LEAVES " leaves the transaction that the migration runs in: "
#define OUTSIDE " leaves the file: a migration changes one database: "
#define ALONE                                                                             \
	" does not belong into a transaction; a dbmate migration with transaction:false " \
	"may have it: "
#define NOT_SET " may be read by a migration, but not set: "
#define UNKNOWN " is not one that a migration may use: "

struct refused {
	const char *sql, *what, *why;
};

static void check_refused(const char *folder, enum script_rights rights,
			  const struct refused *cases, size_t count)
{
	auto_connection connection = { 0 };
	char words[512];

	connect_to(&connection, folder);
	run_plain(&connection, "CREATE TABLE t(x)");
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(words, sizeof words, "1_a.sql:12: %s%s%s", cases[i].what,
			       cases[i].why, cases[i].sql);

		char *sql = memory_format("INSERT INTO t VALUES(%zu);\n%s", i, cases[i].sql);

		must_fail(&connection, rights, sql, words);
		free(sql);
		/* What was done before it is still there to be rolled back; nothing else was. */
		assert_int_equal(sqlite3_get_autocommit(connection.db), rights == SCRIPT_ALONE);
		assert_int_equal(number(&connection, "SELECT count(*) FROM t"), i + 1);
	}
}

#define CHECK_REFUSED(folder, rights, cases) \
	check_refused(folder, rights, cases, sizeof(cases) / sizeof *(cases))

static void what_leaves_the_transaction_or_the_file_is_refused(void **state)
{
	static const struct refused cases[] = {
		{ "BEGIN", "BEGIN", LEAVES },
		{ "begin exclusive transaction", "BEGIN", LEAVES },
		{ "COMMIT", "COMMIT", LEAVES },
		{ "END TRANSACTION", "COMMIT", LEAVES },
		{ "ROLLBACK", "ROLLBACK", LEAVES },
		{ "SAVEPOINT a", "SAVEPOINT", LEAVES },
		{ "RELEASE a", "RELEASE", LEAVES },
		{ "ROLLBACK TO a", "ROLLBACK TO", LEAVES },
		{ "ATTACH '/etc/passwd' AS p", "ATTACH", OUTSIDE },
		{ "ATTACH ':memory:' AS p", "ATTACH", OUTSIDE },
		{ "ATTACH '' AS p", "ATTACH", OUTSIDE },
		{ "ATTACH 'a' || 'b' AS p", "ATTACH", OUTSIDE },
		{ "DETACH main", "DETACH", OUTSIDE },
		{ "SELECT load_extension('evil')", "load_extension", OUTSIDE },
		{ "SELECT LOAD_EXTENSION('evil', 'x')", "load_extension", OUTSIDE },
		{ "SELECT fts3_tokenizer('simple')", "fts3_tokenizer", OUTSIDE },
	};

	CHECK_REFUSED(*state, SCRIPT_IN_TRANSACTION, cases);
}

static void pragmas_that_are_not_known_to_be_harmless_are_refused(void **state)
{
	static const struct refused cases[] = {
		{ "PRAGMA journal_mode=WAL", "PRAGMA journal_mode", ALONE },
		{ "PRAGMA main.journal_mode(OFF)", "PRAGMA journal_mode", ALONE },
		{ "PRAGMA Synchronous=OFF", "PRAGMA Synchronous", ALONE },
		{ "PRAGMA page_size=512", "PRAGMA page_size", ALONE },
		{ "PRAGMA encoding='UTF-16'", "PRAGMA encoding", ALONE },
		{ "PRAGMA wal_checkpoint", "PRAGMA wal_checkpoint", ALONE },
		{ "PRAGMA incremental_vacuum", "PRAGMA incremental_vacuum", ALONE },
		{ "PRAGMA locking_mode=EXCLUSIVE", "PRAGMA locking_mode", NOT_SET },
		{ "PRAGMA writable_schema=ON", "PRAGMA writable_schema", NOT_SET },
		{ "PRAGMA temp_store_directory='/'", "PRAGMA temp_store_directory", NOT_SET },
		{ "PRAGMA data_store_directory='/'", "PRAGMA data_store_directory", NOT_SET },
		{ "PRAGMA schema_version=7", "PRAGMA schema_version", NOT_SET },
		{ "PRAGMA trusted_schema=1", "PRAGMA trusted_schema", NOT_SET },
		{ "PRAGMA mmap_size=1000000", "PRAGMA mmap_size", NOT_SET },
		{ "PRAGMA query_only=1", "PRAGMA query_only", NOT_SET },
		{ "PRAGMA key='x'", "PRAGMA key", UNKNOWN },
		{ "PRAGMA foreign_kyes=ON", "PRAGMA foreign_kyes", UNKNOWN },
		{ "PRAGMA \"a\x1b\"", "PRAGMA a\\x1b",
		  " is not one that a migration may use: "
		  "PRAGMA \"a\\x1b\"" },
	};
	enum { COUNT = sizeof cases / sizeof *cases };

	check_refused(*state, SCRIPT_IN_TRANSACTION, cases, COUNT - 1);

	auto_connection connection = { 0 };

	connect_to(&connection, *state);
	must_fail(&connection, SCRIPT_ALONE, cases[COUNT - 1].sql,
		  "1_a.sql:11: PRAGMA a\\x1b is not one that a migration may use: "
		  "PRAGMA \"a\\x1b\"");
}

static void a_vacuum_in_a_transaction_is_told_where_it_belongs(void **state)
{
	auto_connection connection = { 0 };

	connect_to(&connection, *state);
	must_fail(&connection, SCRIPT_IN_TRANSACTION, "\n-- small\nvacuum main; SELECT 1",
		  "1_a.sql:13: VACUUM cannot run in a transaction; a dbmate migration with "
		  "transaction:false may have it: vacuum main");
	must_fail(&connection, SCRIPT_IN_TRANSACTION, "VACUUM",
		  "1_a.sql:11: VACUUM cannot run in a transaction; a dbmate migration with "
		  "transaction:false may have it: VACUUM");
	must_fail(&connection, SCRIPT_IN_TRANSACTION, "VACUUMS",
		  "1_a.sql:11: near \"VACUUMS\": syntax error: VACUUMS");
}

static void what_migrations_do_is_allowed_in_a_transaction(void **state)
{
	static const char *const texts[] = {
		"CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, x CHECK(x > 0), y AS (x + 1))",
		"INSERT INTO t(x) VALUES(1), (2); UPDATE t SET x = x + 1; DELETE FROM t WHERE x = 2",
		"CREATE VIEW v AS SELECT * FROM t; CREATE INDEX i ON t(abs(x)) WHERE x > 1",
		"ALTER TABLE t RENAME TO u; ALTER TABLE u ADD COLUMN z; ALTER TABLE u RENAME z TO w",
		"ALTER TABLE u DROP COLUMN w; DROP VIEW v; REINDEX; ANALYZE",
		"CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES('a b')",
		"CREATE VIRTUAL TABLE f3 USING fts3(x); INSERT INTO f3 VALUES('a b'); DROP TABLE f3",
		"SELECT * FROM f WHERE f MATCH 'a'; DROP TABLE f",
		"CREATE TEMP TABLE m AS SELECT * FROM u; DROP TABLE m",
		"PRAGMA foreign_keys=OFF; PRAGMA defer_foreign_keys=ON; PRAGMA foreign_key_check",
		"PRAGMA user_version=7; PRAGMA application_id=5; PRAGMA main.user_version",
		"PRAGMA legacy_alter_table=ON; PRAGMA legacy_alter_table=OFF; PRAGMA optimize",
		"PRAGMA table_info(u); SELECT * FROM pragma_table_info('u'); PRAGMA integrity_check",
		"PRAGMA Journal_Mode; PRAGMA page_size; PRAGMA locking_mode; PRAGMA encoding",
		"PRAGMA synchronous; PRAGMA schema_version; PRAGMA cache_size=-2000",
		"SELECT name FROM pragma_function_list; EXPLAIN SELECT 1",
		"INSERT OR IGNORE INTO u(id, x) VALUES(1, 3); REPLACE INTO u(id, x) VALUES(1, 4)",
	};
	auto_connection connection = { 0 };

	connect_to(&connection, *state);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		must_run(&connection, SCRIPT_IN_TRANSACTION, texts[i]);
	run_plain(&connection, "COMMIT");
	assert_int_equal(number(&connection, "PRAGMA user_version"), 7);
}

static void what_a_copy_of_its_own_allows(void **state)
{
	static const char *const texts[] = {
		"PRAGMA page_size=8192; PRAGMA auto_vacuum=INCREMENTAL; VACUUM",
		"CREATE TABLE t(x); INSERT INTO t VALUES(1); SAVEPOINT a; DELETE FROM t; ROLLBACK TO a; RELEASE a",
		"BEGIN; INSERT INTO t VALUES(2); COMMIT; BEGIN; DELETE FROM t; ROLLBACK",
		"CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES('a'); VACUUM main",
		"PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA wal_checkpoint(TRUNCATE)",
		"PRAGMA journal_mode=DELETE; PRAGMA incremental_vacuum(1); PRAGMA busy_timeout=5",
		"/* a comment */ -- another\n ; vacuum",
		"\xef\xbb\xbfVACUUM",
	};
	auto_connection connection = { 0 };

	connect_to(&connection, *state);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		must_run(&connection, SCRIPT_ALONE, texts[i]);
	assert_int_equal(number(&connection, "SELECT sum(x) FROM t"), 3);
	assert_int_equal(number(&connection, "PRAGMA page_size"), 8192);
	assert_int_equal(number(&connection, "PRAGMA auto_vacuum"), 2);
}

static void what_leaves_a_copy_of_its_own_is_refused(void **state)
{
	static const struct refused cases[] = {
		{ "ATTACH '/etc/passwd' AS p", "ATTACH", OUTSIDE },
		{ "ATTACH '' AS p", "ATTACH", OUTSIDE },
		{ "VACUUM INTO '/nowhere/stolen.db'", "VACUUM INTO", OUTSIDE },
		{ "vacuum main into '/nowhere/sto' || 'len.db'", "VACUUM INTO", OUTSIDE },
		{ "DETACH main", "DETACH", OUTSIDE },
		{ "SELECT load_extension('evil')", "load_extension", OUTSIDE },
		{ "SELECT fts3_tokenizer('simple')", "fts3_tokenizer", OUTSIDE },
		{ "PRAGMA writable_schema=ON", "PRAGMA writable_schema", NOT_SET },
		{ "PRAGMA temp_store_directory='/'", "PRAGMA temp_store_directory", NOT_SET },
		{ "PRAGMA data_store_directory='/'", "PRAGMA data_store_directory", NOT_SET },
		{ "PRAGMA locking_mode=EXCLUSIVE", "PRAGMA locking_mode", NOT_SET },
		{ "PRAGMA schema_version=9", "PRAGMA schema_version", NOT_SET },
		{ "PRAGMA mmap_size=1000000", "PRAGMA mmap_size", NOT_SET },
	};

	CHECK_REFUSED(*state, SCRIPT_ALONE, cases);
}

/* --- the transaction ---------------------------------------------------------------------------------------------- */

static void a_transaction_that_is_left_open_is_an_error_and_rolled_back(void **state)
{
	auto_connection connection = { 0 };

	connect_to(&connection, *state);
	must_fail(&connection, SCRIPT_ALONE,
		  "CREATE TABLE t(x);\nBEGIN; COMMIT;\nBEGIN;\nINSERT INTO t VALUES(1);\n",
		  "1_a.sql:13: begins a transaction and does not end it");
	assert_true(sqlite3_get_autocommit(connection.db));
	assert_int_equal(number(&connection, "SELECT count(*) FROM t"), 0);
	must_fail(&connection, SCRIPT_ALONE, "SAVEPOINT a;",
		  "1_a.sql:11: begins a transaction and does not end it");
}

static void an_error_within_a_transaction_of_the_texts_rolls_it_back(void **state)
{
	auto_connection connection = { 0 };

	connect_to(&connection, *state);
	must_fail(&connection, SCRIPT_ALONE, "BEGIN; CREATE TABLE t(x); nonsense",
		  "1_a.sql:11: near \"nonsense\": syntax error: nonsense");
	assert_true(sqlite3_get_autocommit(connection.db));
	assert_int_equal(number(&connection, "SELECT count(*) FROM sqlite_schema"), 0);
}

static void a_transaction_of_the_callers_stays_open_after_an_error(void **state)
{
	auto_connection connection = { 0 };

	connect_to(&connection, *state);
	must_fail(&connection, SCRIPT_IN_TRANSACTION, "CREATE TABLE t(x); nonsense",
		  "1_a.sql:11: near \"nonsense\": syntax error: nonsense");
	assert_false(sqlite3_get_autocommit(connection.db));
}

static void without_a_transaction_nothing_runs(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };

	connect_to(&connection, *state);
	assert_false(run_bytes(&connection, SCRIPT_IN_TRANSACTION, "CREATE TABLE t(x)", 17, &err));
	assert_string_equal(err.text, "1_a.sql:11: there is no transaction to run it in");
	assert_int_equal(number(&connection, "SELECT count(*) FROM sqlite_schema"), 0);
}

static void a_statement_that_rolls_everything_back_ends_the_run(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };

	connect_to(&connection, *state);
	run_plain(&connection, "CREATE TABLE t(x PRIMARY KEY); INSERT INTO t VALUES(1)");
	assert_false(try(&connection, SCRIPT_IN_TRANSACTION,
			 "INSERT OR ROLLBACK INTO t VALUES(1); INSERT INTO t VALUES(2)", &err));
	assert_true(sqlite3_get_autocommit(connection.db));
	assert_int_equal(number(&connection, "SELECT count(*) FROM t"), 1);
}

/* There is no such statement in SQLite; an application's function may be one. */
static void leave(sqlite3_context *context, int count, sqlite3_value **values)
{
	sqlite3 *db = sqlite3_context_db_handle(context);

	(void)count;
	(void)values;
	assert_int_equal(sqlite3_set_authorizer(db, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
}

static void a_transaction_that_is_gone_ends_the_run(void **state)
{
	auto_connection connection = { 0 };

	connect_to(&connection, *state);
	assert_int_equal(sqlite3_create_function(connection.db, "leave", 0, SQLITE_UTF8, NULL,
						 leave, NULL, NULL),
			 SQLITE_OK);
	must_fail(&connection, SCRIPT_IN_TRANSACTION, "SELECT leave(); CREATE TABLE t(x)",
		  "1_a.sql:11: the transaction that the migration runs in is gone: SELECT leave()");
	assert_int_equal(number(&connection, "SELECT count(*) FROM sqlite_schema"), 0);
}

static void afterwards_the_connection_is_not_guarded_any_more(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };

	connect_to(&connection, *state);
	must_run(&connection, SCRIPT_ALONE, "SELECT 1");
	run_plain(&connection, "ATTACH ':memory:' AS a; DETACH a");
	assert_false(try(&connection, SCRIPT_ALONE, "nonsense", &err));
	run_plain(&connection, "ATTACH ':memory:' AS a; DETACH a; BEGIN; COMMIT");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(statements_run_one_after_the_other),
		IN_FOLDER(a_text_without_a_statement_is_fine),
		IN_FOLDER(only_the_given_length_is_read),
		IN_FOLDER(semicolons_within_a_trigger_a_string_or_a_comment_end_nothing),
		IN_FOLDER(a_nul_byte_is_refused_with_its_line_before_anything_runs),
		IN_FOLDER(many_statements_take_time_in_proportion),
		IN_FOLDER(an_error_names_the_line_sqlites_words_and_the_statement),
		IN_FOLDER(a_broken_trigger_does_not_give_a_line_behind_the_statement),
		IN_FOLDER(long_and_hostile_statements_are_shown_short_and_tame),
		IN_FOLDER(a_parameter_has_no_value),
		IN_FOLDER(a_lock_keeps_its_status),
		IN_FOLDER(what_is_no_database_keeps_its_status),
		IN_FOLDER(a_statement_that_never_ends_is_interrupted),
		IN_FOLDER(one_may_stop_between_short_statements),
		IN_FOLDER(one_may_stop_while_a_lock_is_waited_for),
		IN_FOLDER(what_leaves_the_transaction_or_the_file_is_refused),
		IN_FOLDER(pragmas_that_are_not_known_to_be_harmless_are_refused),
		IN_FOLDER(a_vacuum_in_a_transaction_is_told_where_it_belongs),
		IN_FOLDER(what_migrations_do_is_allowed_in_a_transaction),
		IN_FOLDER(what_a_copy_of_its_own_allows),
		IN_FOLDER(what_leaves_a_copy_of_its_own_is_refused),
		IN_FOLDER(a_transaction_that_is_left_open_is_an_error_and_rolled_back),
		IN_FOLDER(an_error_within_a_transaction_of_the_texts_rolls_it_back),
		IN_FOLDER(a_transaction_of_the_callers_stays_open_after_an_error),
		IN_FOLDER(without_a_transaction_nothing_runs),
		IN_FOLDER(a_statement_that_rolls_everything_back_ends_the_run),
		IN_FOLDER(a_transaction_that_is_gone_ends_the_run),
		IN_FOLDER(afterwards_the_connection_is_not_guarded_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
