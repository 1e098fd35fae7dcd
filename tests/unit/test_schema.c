#include "tests/unit/database.h"

#include "common/sqlite/schema.h"

static void connect_to(struct connection *connection, const char *folder)
{
	char path[PATH_MAX];
	struct error err = { 0 };

	if (!connection_open(connection, folder_path(folder, "bot.db", path), CONNECTION_READ, 0,
			     "bot.db", &err))
		fail_msg("%s", err.text);
}

static struct schema_facts facts_of(const char *folder)
{
	auto_connection connection = { 0 };
	struct schema_facts facts = { 0 };
	struct error err = { 0 };

	connect_to(&connection, folder);
	if (!schema_read(&connection, &facts, &err))
		fail_msg("%s", err.text);
	return facts;
}

static struct schema_facts facts_after(const char *folder, const char *sql)
{
	char path[PATH_MAX];

	(void)unlink(folder_path(folder, "bot.db", path));
	database_make(folder, "bot.db", sql);
	return facts_of(folder);
}

static void the_numbers_of_the_header_are_read(void **state)
{
	const struct schema_facts facts =
		facts_after(*state, "PRAGMA page_size=8192; PRAGMA user_version=-5;"
				    "PRAGMA application_id=0x42303031; CREATE TABLE t(x)");

	assert_int_equal(facts.user_version, -5);
	assert_int_equal(facts.application_id, 0x42303031);
	assert_int_equal(facts.page_size, 8192);
	assert_int_equal(facts.pages, 2);
	assert_false(facts.has_revision);
	assert_string_equal(facts.revision, "");
}

static void an_empty_file_has_no_pages(void **state)
{
	folder_write_text(*state, "bot.db", "");
	assert_int_equal(facts_of(*state).pages, 0);
}

static void assert_revision(const char *folder, const char *sql, const char *revision)
{
	const struct schema_facts facts = facts_after(folder, sql);

	if (facts.has_revision != (revision != NULL))
		fail_msg("%s: revision \"%s\"", sql, facts.revision);
	assert_string_equal(facts.revision, revision ? revision : "");
}

#define ALEMBIC "CREATE TABLE alembic_version(version_num VARCHAR(32) NOT NULL PRIMARY KEY);"

static void the_revision_of_alembic_is_its_head(void **state)
{
	assert_revision(*state, ALEMBIC "INSERT INTO alembic_version VALUES('1975ea83b712')",
			"1975ea83b712");
}

static void several_heads_are_all_told_in_their_order(void **state)
{
	assert_revision(*state, ALEMBIC "INSERT INTO alembic_version VALUES('bb'),('aa'),('cc')",
			"aa,bb,cc");
}

static void an_alembic_that_was_taken_back_to_base_has_none(void **state)
{
	assert_revision(*state, ALEMBIC, NULL);
}

static void the_last_of_schema_migrations_is_the_revision(void **state)
{
	/* dbmate: text, one row a migration. */
	assert_revision(*state,
			"CREATE TABLE schema_migrations(version VARCHAR(128) PRIMARY KEY);"
			"INSERT INTO schema_migrations VALUES('20261101000000'),('20261122000000'),"
			"('20251231000000')",
			"20261122000000");
	/* golang-migrate: one row with a number. */
	assert_revision(*state,
			"CREATE TABLE schema_migrations(version uint64, dirty bool);"
			"INSERT INTO schema_migrations VALUES(17, 0)",
			"17");
	assert_revision(*state, "CREATE TABLE schema_migrations(version INTEGER)", NULL);
}

static void alembic_goes_first(void **state)
{
	assert_revision(*state,
			ALEMBIC "INSERT INTO alembic_version VALUES('aa');"
				"CREATE TABLE schema_migrations(version);"
				"INSERT INTO schema_migrations VALUES(1)",
			"aa");
	assert_revision(*state,
			ALEMBIC "CREATE TABLE schema_migrations(version);"
				"INSERT INTO schema_migrations VALUES(1)",
			"1");
}

static void a_table_of_somebody_elses_is_no_revision(void **state)
{
	assert_revision(
		*state,
		"CREATE TABLE alembic_version(other); INSERT INTO alembic_version VALUES(1)", NULL);
	assert_revision(*state, "CREATE TABLE schema_migrations(other)", NULL);
	assert_revision(*state,
			"CREATE TABLE alembic_version(version_num);"
			"INSERT INTO alembic_version VALUES(NULL)",
			NULL);
	assert_revision(
		*state,
		"CREATE TABLE alembic_version(other); CREATE TABLE schema_migrations(version);"
		"INSERT INTO schema_migrations VALUES(4)",
		"4");
}

static void a_view_of_that_name_is_not_asked(void **state)
{
	assert_revision(*state, "CREATE VIEW alembic_version AS SELECT 'evil' AS version_num",
			NULL);
}

static void a_very_long_revision_is_cut(void **state)
{
	const struct schema_facts facts = facts_after(
		*state, ALEMBIC "INSERT INTO alembic_version SELECT printf('%.*c', 5000, 'r')");

	assert_true(facts.has_revision);
	assert_int_equal(strlen(facts.revision), REVISION_SIZE - 1);
}

static void what_is_no_database_has_no_facts(void **state)
{
	char junk[4096], path[PATH_MAX];
	auto_connection connection = { 0 };
	struct schema_facts facts = { 0 };
	struct error err = { 0 };

	memset(junk, 'j', sizeof junk);
	folder_write(*state, "bot.db", junk, sizeof junk);
	assert_false(connection_open(&connection, folder_path(*state, "bot.db", path),
				     CONNECTION_READ, 0, "bot.db", &err) &&
		     schema_read(&connection, &facts, &err));
	assert_int_not_equal(err.text[0], '\0');
}

/* --- tables --------------------------------------------------------------------------------------------------- */

static void tables_of(const char *folder, bool count, struct schema_tables *tables)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };

	connect_to(&connection, folder);
	if (!schema_tables_read(&connection, count, tables, &err))
		fail_msg("%s", err.text);
}

static void tables_are_listed_by_name_with_their_rows(void **state)
{
	auto_schema_tables tables = { 0 }, uncounted = { 0 };

	database_make(*state, "bot.db",
		      "CREATE TABLE users(x); INSERT INTO users VALUES(1),(2),(3);"
		      "CREATE TABLE bans(x PRIMARY KEY) WITHOUT ROWID; INSERT INTO bans VALUES(1);"
		      "CREATE TABLE empty(x)");
	tables_of(*state, true, &tables);
	assert_int_equal(tables.count, 3);
	assert_string_equal(tables.items[0].name, "bans");
	assert_int_equal(tables.items[0].rows, 1);
	assert_string_equal(tables.items[1].name, "empty");
	assert_int_equal(tables.items[1].rows, 0);
	assert_string_equal(tables.items[2].name, "users");
	assert_int_equal(tables.items[2].rows, 3);
	tables_of(*state, false, &uncounted);
	assert_int_equal(uncounted.count, 3);
	for (size_t i = 0; i < uncounted.count; i++)
		assert_int_equal(uncounted.items[i].rows, -1);
}

static void only_tables_that_hold_rows_of_the_users_are_listed(void **state)
{
	auto_schema_tables tables = { 0 };

	database_make(
		*state, "bot.db",
		"CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE INDEX i ON t(id);"
		"CREATE VIEW v AS SELECT * FROM t; INSERT INTO t VALUES(1); ANALYZE;"
		"CREATE TABLE sqliteish(x)");
	tables_of(*state, true, &tables);
	assert_int_equal(tables.count, 2);
	assert_string_equal(tables.items[0].name, "sqliteish");
	assert_string_equal(tables.items[1].name, "t");
}

static void a_virtual_table_is_not_asked(void **state)
{
	auto_schema_tables tables = { 0 };
	sqlite3 *database = database_open(*state, "bot.db");

	database_run(database, "CREATE TABLE t(x); PRAGMA writable_schema=ON;"
			       "INSERT INTO sqlite_schema VALUES('table', 'evil', 'evil', 0, "
			       "'CREATE VIRTUAL TABLE evil USING no_such_module')");
	database_close(database);
	tables_of(*state, true, &tables);
	assert_int_equal(tables.count, 1);
	assert_string_equal(tables.items[0].name, "t");
}

static void hostile_table_names_are_counted_and_do_nothing(void **state)
{
	static const char *const names[] = {
		"a\"; DROP TABLE users; --",
		"a'b",
		"a\"\"b",
		"[a]",
		"`a`",
		"line\nbreak",
		"\x1b[2J",
		"%s%n%w",
		"select",
		"main.users",
		" ",
		"",
		"\xff\xfe",
		"\xf0\x9f\x9b\xa0",
	};
	enum { NAMES = sizeof names / sizeof *names };
	auto_schema_tables tables = { 0 };
	sqlite3 *database = database_open(*state, "bot.db");

	database_run(database, "CREATE TABLE users(x); INSERT INTO users VALUES(1),(2)");
	for (size_t i = 0; i < NAMES; i++) {
		char *sql = sqlite3_mprintf("CREATE TABLE \"%w\"(x); INSERT INTO \"%w\" VALUES(1)",
					    names[i], names[i]);

		database_run(database, sql);
		sqlite3_free(sql);
	}
	database_close(database);
	tables_of(*state, true, &tables);
	assert_int_equal(tables.count, NAMES + 1);
	for (size_t i = 0; i < NAMES; i++) {
		bool found = false;

		for (size_t j = 0; j < tables.count; j++)
			if (strcmp(tables.items[j].name, names[i]) == 0) {
				found = true;
				assert_int_equal(tables.items[j].rows, 1);
			}
		assert_true(found);
	}
	assert_string_equal(tables.items[tables.count - 3].name, "users");
	assert_int_equal(tables.items[tables.count - 3].rows, 2);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(the_numbers_of_the_header_are_read),
		IN_FOLDER(an_empty_file_has_no_pages),
		IN_FOLDER(the_revision_of_alembic_is_its_head),
		IN_FOLDER(several_heads_are_all_told_in_their_order),
		IN_FOLDER(an_alembic_that_was_taken_back_to_base_has_none),
		IN_FOLDER(the_last_of_schema_migrations_is_the_revision),
		IN_FOLDER(alembic_goes_first),
		IN_FOLDER(a_table_of_somebody_elses_is_no_revision),
		IN_FOLDER(a_view_of_that_name_is_not_asked),
		IN_FOLDER(a_very_long_revision_is_cut),
		IN_FOLDER(what_is_no_database_has_no_facts),
		IN_FOLDER(tables_are_listed_by_name_with_their_rows),
		IN_FOLDER(only_tables_that_hold_rows_of_the_users_are_listed),
		IN_FOLDER(a_virtual_table_is_not_asked),
		IN_FOLDER(hostile_table_names_are_counted_and_do_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
