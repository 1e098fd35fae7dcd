#include "tests/unit/database.h"

#include "common/base/json.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/sqlite/version_tables.h"

static void connect_to(struct connection *connection, const char *folder, enum connection_way way)
{
	char path[PATH_MAX];
	struct error err = { 0 };

	if (!connection_open(connection, folder_path(folder, "bot.db", path), way, 0, "bot.db",
			     &err))
		fail_msg("%s", err.text);
}

/* Reads a database that is made anew by `sql`. */
static bool read_tables(const char *folder, const char *sql, struct version_tables *tables,
			struct error *err)
{
	auto_connection connection = { 0 };
	char path[PATH_MAX];

	(void)unlink(folder_path(folder, "bot.db", path));
	database_make(folder, "bot.db", sql);
	connect_to(&connection, folder, CONNECTION_READ);
	return version_tables_read(&connection, tables, err);
}

static void assert_names(const struct names *names, const char *expected)
{
	auto_text text = { 0 };

	names_append_printable(&text, names, " ");
	assert_string_equal(text_string(&text), expected);
}

static void assert_read(const char *folder, const char *sql, const char *alembic,
			const char *migrations)
{
	auto_version_tables tables = { 0 };
	struct error err = { 0 };

	if (!read_tables(folder, sql, &tables, &err))
		fail_msg("%s: %s", sql, err.text);
	assert_names(&tables.alembic, alembic);
	assert_names(&tables.migrations, migrations);
}

static void assert_refused(const char *folder, const char *sql, const char *words)
{
	auto_version_tables tables = { 0 };
	struct error err = { 0 };

	if (read_tables(folder, sql, &tables, &err))
		fail_msg("%s: was believed", sql);
	assert_int_equal(err.status, STATUS_TROUBLE);
	if (!strstr(err.text, words))
		fail_msg("%s: \"%s\" does not say \"%s\"", sql, err.text, words);
}

#define ALEMBIC "CREATE TABLE alembic_version(version_num VARCHAR(32));"
#define DBMATE "CREATE TABLE schema_migrations(version varchar(128) primary key);"
#define PAIRS "CREATE TABLE schema_migrations(version uint64,dirty bool);"

/* --- reading -------------------------------------------------------------------------------------------------------- */

static void the_names_of_the_tables_are_known(void **state)
{
	(void)state;
	assert_true(version_tables_own("alembic_version"));
	assert_true(version_tables_own("Schema_Migrations"));
	assert_false(version_tables_own("alembic_versions"));
	assert_false(version_tables_own(""));
}

static void without_tables_there_are_no_versions(void **state)
{
	assert_read(*state, "CREATE TABLE t(x)", "", "");
	assert_read(*state, ALEMBIC DBMATE, "", "");
	assert_read(*state, PAIRS, "", "");
}

static void heads_of_alembic_are_sorted(void **state)
{
	assert_read(*state, ALEMBIC "INSERT INTO alembic_version VALUES('bb'),('aa')", "aa bb", "");
}

static void versions_of_dbmate_are_sorted_by_bytes(void **state)
{
	assert_read(*state, DBMATE "INSERT INTO schema_migrations VALUES('9'),('10'),('1')", "",
		    "1 10 9");
}

static void names_of_tables_are_found_in_any_letters(void **state)
{
	assert_read(*state,
		    "CREATE TABLE ALEMBIC_VERSION(version_num);"
		    "INSERT INTO alembic_version VALUES('aa');"
		    "CREATE TABLE Schema_Migrations(version);"
		    "INSERT INTO schema_migrations VALUES('1')",
		    "aa", "1");
}

static void pairs_have_one_version_and_a_mark(void **state)
{
	auto_version_tables clean = { 0 }, dirty = { 0 }, dbmate = { 0 };
	struct error err = { 0 };

	assert_true(read_tables(*state, PAIRS "INSERT INTO schema_migrations VALUES(17, 0)", &clean,
				&err));
	assert_true(clean.is_pairs && !clean.dirty);
	assert_names(&clean.migrations, "17");
	assert_true(read_tables(*state, PAIRS "INSERT INTO schema_migrations VALUES(17, 1)", &dirty,
				&err));
	assert_true(dirty.is_pairs && dirty.dirty);
	assert_true(read_tables(*state, DBMATE "INSERT INTO schema_migrations VALUES('17')",
				&dbmate, &err));
	assert_false(dbmate.is_pairs || dbmate.dirty);
}

static void the_applications_own_number_is_read(void **state)
{
	auto_version_tables tables = { 0 };
	struct error err = { 0 };

	assert_true(
		read_tables(*state, "PRAGMA user_version=-5; CREATE TABLE t(x)", &tables, &err));
	assert_int_equal(tables.user_version, -5);
}

static void leftovers_of_batch_operations_are_listed(void **state)
{
	auto_version_tables tables = { 0 };
	struct error err = { 0 };

	assert_true(
		read_tables(*state,
			    "CREATE TABLE _alembic_tmp_users(x); CREATE TABLE xalembic_tmp_a(x);"
			    "CREATE TABLE _alembic_tmp(x); CREATE TABLE _alembicxtmp_a(x);"
			    "CREATE TABLE \"_alembic_tmp_\x1b\"(x);"
			    "CREATE VIEW _alembic_tmp_view AS SELECT 1",
			    &tables, &err));
	assert_names(&tables.leftovers, "_alembic_tmp_\\x1b _alembic_tmp_users");
}

/* --- what cannot be believed ------------------------------------------------------------------------------------------- */

#define NOT_PLAIN " is no plain table, or has triggers: what it says cannot be believed"

static void a_view_is_not_believed(void **state)
{
	assert_refused(*state, "CREATE VIEW alembic_version AS SELECT 'evil' AS version_num",
		       "bot.db: alembic_version" NOT_PLAIN);
	assert_refused(*state, "CREATE VIEW Schema_Migrations AS SELECT 'evil' AS version",
		       "bot.db: schema_migrations" NOT_PLAIN);
}

static void a_table_with_triggers_is_not_believed(void **state)
{
	assert_refused(*state,
		       DBMATE "CREATE TRIGGER g AFTER INSERT ON schema_migrations BEGIN "
			      "DELETE FROM schema_migrations; END",
		       "schema_migrations" NOT_PLAIN);
	assert_refused(*state,
		       ALEMBIC "CREATE TRIGGER g BEFORE DELETE ON ALEMBIC_VERSION BEGIN "
			       "SELECT 1; END",
		       "alembic_version" NOT_PLAIN);
}

static void a_virtual_table_is_not_believed(void **state)
{
	assert_refused(*state, "CREATE VIRTUAL TABLE alembic_version USING fts5(version_num)",
		       "alembic_version" NOT_PLAIN);
	assert_refused(*state, "CREATE VIRTUAL TABLE schema_migrations USING fts5(version)",
		       "schema_migrations" NOT_PLAIN);
}

static void rows_without_a_version_are_not_believed(void **state)
{
	static const char alembic[] = "alembic_version has a row without a version";
	static const char migrations[] = "schema_migrations has a row without a version";

	assert_refused(*state, ALEMBIC "INSERT INTO alembic_version VALUES('aa'),(NULL)", alembic);
	assert_refused(*state, ALEMBIC "INSERT INTO alembic_version VALUES('')", alembic);
	assert_refused(*state, DBMATE "INSERT INTO schema_migrations VALUES(NULL)", migrations);
	assert_refused(*state, PAIRS "INSERT INTO schema_migrations VALUES(NULL, 0)", migrations);
}

static void a_mark_that_is_neither_yes_nor_no_is_not_believed(void **state)
{
	assert_refused(*state, PAIRS "INSERT INTO schema_migrations VALUES(17, NULL)",
		       "cannot be believed");
}

static void a_table_of_somebody_elses_is_trouble(void **state)
{
	assert_refused(*state, "CREATE TABLE alembic_version(other)", "no such column");
	assert_refused(*state, "CREATE TABLE schema_migrations(other)", "no such column");
}

static void triggers_and_views_of_other_names_are_nobodys_business(void **state)
{
	assert_read(*state,
		    "CREATE TABLE t(x); CREATE TRIGGER alembic_version AFTER INSERT ON t BEGIN "
		    "SELECT 1; END; CREATE VIEW versions AS SELECT 1;" ALEMBIC
		    "INSERT INTO alembic_version VALUES('aa')",
		    "aa", "");
}

/* --- as a document -------------------------------------------------------------------------------------------------- */

static void a_document_brings_all_of_it_back(void **state)
{
	auto_version_tables written = { .is_pairs = true, .dirty = true, .user_version = -5 };
	auto_version_tables read = { 0 };
	struct error err = { 0 };

	(void)state;
	names_add(&written.alembic, "aa");
	names_add(&written.alembic, "b\xff\x1b");
	names_add(&written.migrations, "\xc3\xa4\n");
	names_add(&written.leftovers, "_alembic_tmp_\xfe");

	auto_free char *line = json_take_line(version_tables_write(&written));
	struct json_t *document = json_parse(line, strlen(line), &err);

	assert_non_null(document);
	version_tables_take(document, &read);
	json_release(document);
	assert_int_equal(read.alembic.count, 2);
	assert_string_equal(read.alembic.items[0], "aa");
	assert_string_equal(read.alembic.items[1], "b\xff\x1b");
	assert_int_equal(read.migrations.count, 1);
	assert_string_equal(read.migrations.items[0], "\xc3\xa4\n");
	assert_int_equal(read.leftovers.count, 1);
	assert_string_equal(read.leftovers.items[0], "_alembic_tmp_\xfe");
	assert_true(read.is_pairs && read.dirty);
	assert_int_equal(read.user_version, -5);
}

static void a_document_of_nothing_is_nothing(void **state)
{
	auto_version_tables none = { 0 }, read = { 0 };
	struct json_t *document = version_tables_write(&none);

	(void)state;
	version_tables_take(document, &read);
	json_release(document);
	assert_int_equal(read.alembic.count + read.migrations.count + read.leftovers.count, 0);
	assert_false(read.is_pairs || read.dirty);
}

/* --- writing -------------------------------------------------------------------------------------------------------- */

static void connect_to_new(struct connection *connection, const char *folder, bool pairs)
{
	struct error err = { 0 };

	database_make(folder, "bot.db", "CREATE TABLE t(x)");
	connect_to(connection, folder, CONNECTION_WRITE);
	if (!version_tables_make(connection, pairs, &err) ||
	    !version_tables_make(connection, pairs, &err))
		fail_msg("%s", err.text);
}

static void assert_said(struct connection *connection, const char *sql, const char *expected)
{
	auto_free char *text = NULL;
	struct error err = { 0 };

	if (!connection_text(connection, sql, &text, &err))
		fail_msg("%s: %s", sql, err.text);
	assert_string_equal(text ? text : "", expected);
}

#define ROWS \
	"SELECT group_concat(version, ' ') FROM (SELECT version FROM schema_migrations ORDER BY 1)"

static void dbmates_table_is_written_as_dbmate_does(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };

	connect_to_new(&connection, *state, false);
	assert_said(&connection,
		    "SELECT group_concat(sql, ';') FROM sqlite_schema WHERE name <> 't'",
		    "CREATE TABLE \"schema_migrations\" (version varchar(128) primary key)");
	assert_true(version_tables_add(&connection, "20260101", &err));
	assert_true(version_tables_add(&connection, "01", &err));
	assert_said(&connection, ROWS, "01 20260101");
	assert_said(&connection, "SELECT DISTINCT typeof(version) FROM schema_migrations", "text");
	assert_true(version_tables_remove(&connection, "20260101", &err));
	assert_true(version_tables_remove(&connection, "1", &err));
	assert_said(&connection, ROWS, "01");
}

static void a_version_is_added_once(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };

	connect_to_new(&connection, *state, false);
	assert_true(version_tables_add(&connection, "1", &err));
	assert_false(version_tables_add(&connection, "1", &err));
	assert_non_null(strstr(err.text, "its table of versions cannot be written"));
}

static void a_hostile_version_is_a_version(void **state)
{
	static const char hostile[] = "1'); DROP TABLE t; --";
	auto_connection connection = { 0 };
	struct error err = { 0 };

	connect_to_new(&connection, *state, false);
	assert_true(version_tables_add(&connection, hostile, &err));
	assert_said(&connection, ROWS, hostile);
	assert_said(&connection, "SELECT count(*) FROM sqlite_schema WHERE name = 't'", "1");
	assert_true(version_tables_remove(&connection, hostile, &err));
	assert_said(&connection, ROWS, "");
}

static void golang_migrates_table_is_written_as_it_does(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };

	connect_to_new(&connection, *state, true);
	assert_said(&connection,
		    "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema "
		    "WHERE name <> 't' ORDER BY type DESC)",
		    "CREATE TABLE schema_migrations (version uint64,dirty bool);"
		    "CREATE UNIQUE INDEX version_unique ON schema_migrations (version)");
	assert_true(version_tables_set(&connection, "1", &err));
	assert_true(version_tables_set(&connection, "0017", &err));
	assert_said(&connection, ROWS, "17");
	assert_said(&connection,
		    "SELECT typeof(version) || typeof(dirty) || dirty FROM schema_migrations",
		    "integerinteger0");
	assert_true(version_tables_set(&connection, NULL, &err));
	assert_said(&connection, ROWS, "");
}

static void what_cannot_be_written_is_trouble(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };

	database_make(*state, "bot.db", "CREATE TABLE t(x)");
	connect_to(&connection, *state, CONNECTION_READ);
	assert_false(version_tables_make(&connection, false, &err));
	assert_non_null(strstr(err.text, "its table of versions cannot be made"));
	assert_false(version_tables_add(&connection, "1", &err));
	assert_false(version_tables_remove(&connection, "1", &err));
	assert_false(version_tables_set(&connection, "1", &err));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_names_of_the_tables_are_known),
		IN_FOLDER(without_tables_there_are_no_versions),
		IN_FOLDER(heads_of_alembic_are_sorted),
		IN_FOLDER(versions_of_dbmate_are_sorted_by_bytes),
		IN_FOLDER(names_of_tables_are_found_in_any_letters),
		IN_FOLDER(pairs_have_one_version_and_a_mark),
		IN_FOLDER(the_applications_own_number_is_read),
		IN_FOLDER(leftovers_of_batch_operations_are_listed),
		IN_FOLDER(a_view_is_not_believed),
		IN_FOLDER(a_table_with_triggers_is_not_believed),
		IN_FOLDER(a_virtual_table_is_not_believed),
		IN_FOLDER(rows_without_a_version_are_not_believed),
		IN_FOLDER(a_mark_that_is_neither_yes_nor_no_is_not_believed),
		IN_FOLDER(a_table_of_somebody_elses_is_trouble),
		IN_FOLDER(triggers_and_views_of_other_names_are_nobodys_business),
		cmocka_unit_test(a_document_brings_all_of_it_back),
		cmocka_unit_test(a_document_of_nothing_is_nothing),
		IN_FOLDER(dbmates_table_is_written_as_dbmate_does),
		IN_FOLDER(a_version_is_added_once),
		IN_FOLDER(a_hostile_version_is_a_version),
		IN_FOLDER(golang_migrates_table_is_written_as_it_does),
		IN_FOLDER(what_cannot_be_written_is_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
