#include "tests/unit/database.h"

#include "common/base/json.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/sqlite/schema_state.h"

static bool read_state(const char *folder, struct schema_state *found, struct error *err)
{
	auto_connection connection = { 0 };
	char path[PATH_MAX];

	if (!connection_open(&connection, folder_path(folder, "bot.db", path), CONNECTION_READ, 0,
			     "bot.db", err))
		fail_msg("%s", err->text);
	return schema_state_read(&connection, found, err);
}

/* The state of a database that `sql` makes. */
static void read_made(const char *folder, const char *sql, struct schema_state *found)
{
	struct error err = { 0 };

	database_make(folder, "bot.db", sql);
	if (!read_state(folder, found, &err))
		fail_msg("%s", err.text);
}

static void assert_objects(const struct schema_state *found, const char *expected)
{
	auto_text text = { 0 };

	for (size_t i = 0; i < found->objects.count; i++)
		text_append(&text, "%s%s %s", i > 0 ? ", " : "", found->objects.items[i].type,
			    found->objects.items[i].name);
	assert_string_equal(text_string(&text), expected);
}

static void assert_tables(const struct schema_state *found, const char *expected)
{
	auto_text text = { 0 };

	for (size_t i = 0; i < found->tables.count; i++)
		text_append(&text, "%s%s %lld", i > 0 ? ", " : "", found->tables.items[i].name,
			    (long long)found->tables.items[i].rows);
	assert_string_equal(text_string(&text), expected);
}

static void assert_violations(const struct schema_state *found, const char *expected)
{
	auto_text text = { 0 };

	names_append_printable(&text, &found->violations, ", ");
	assert_string_equal(text_string(&text), expected);
}

static void an_empty_database_has_nothing(void **state)
{
	auto_schema_state found = { 0 };

	read_made(*state, "VACUUM", &found);
	assert_objects(&found, "");
	assert_tables(&found, "");
	assert_violations(&found, "");
}

static void objects_are_in_order_of_type_and_name(void **state)
{
	auto_schema_state found = { 0 };

	read_made(*state,
		  "CREATE VIEW v AS SELECT 1; CREATE TABLE b(x); CREATE TABLE a(x);"
		  "CREATE TRIGGER g AFTER INSERT ON b BEGIN SELECT 1; END;"
		  "CREATE INDEX j ON a(x); CREATE INDEX i ON b(x)",
		  &found);
	assert_objects(&found, "index i, index j, table a, table b, trigger g, view v");
	assert_string_equal(found.objects.items[0].table, "b");
	assert_string_equal(found.objects.items[0].sql, "CREATE INDEX i ON b(x)");
	assert_string_equal(found.objects.items[4].table, "b");
	assert_string_equal(found.objects.items[5].sql, "CREATE VIEW v AS SELECT 1");
}

static void what_nobody_wrote_is_left_out(void **state)
{
	auto_schema_state found = { 0 };

	read_made(*state,
		  "CREATE TABLE a(x INTEGER PRIMARY KEY AUTOINCREMENT, y UNIQUE);"
		  "INSERT INTO a(y) VALUES(1); ANALYZE;"
		  "CREATE TABLE sqlitex(x)",
		  &found);
	assert_objects(&found, "table a, table sqlitex");
	assert_tables(&found, "a 1, sqlitex 0");
}

static void rows_are_counted_in_tables_alone(void **state)
{
	auto_schema_state found = { 0 };

	read_made(*state,
		  "CREATE TABLE b(x); INSERT INTO b VALUES(1),(2),(3);"
		  "CREATE TABLE a(x PRIMARY KEY) WITHOUT ROWID; INSERT INTO a VALUES(1);"
		  "CREATE VIEW v AS SELECT * FROM b",
		  &found);
	assert_tables(&found, "a 1, b 3");
}

static void virtual_tables_are_objects_without_rows(void **state)
{
	auto_schema_state found = { 0 };

	read_made(*state, "CREATE VIRTUAL TABLE f USING fts5(x)", &found);
	for (size_t i = 0; i < found.tables.count; i++)
		assert_string_not_equal(found.tables.items[i].name, "f");
	assert_string_equal(found.objects.items[0].name, "f");
}

static void hostile_names_are_names(void **state)
{
	static const char *const names[] = { "'); DROP TABLE t; --", "\x1b[2J\n", "a\"b`c]",
					     "\xff" };
	auto_schema_state found = { 0 };

	read_made(*state,
		  "CREATE TABLE \"a\"\"b`c]\"(x); INSERT INTO \"a\"\"b`c]\" VALUES(1);"
		  "CREATE TABLE \"'); DROP TABLE t; --\"(x);"
		  "CREATE TABLE \"\x1b[2J\n\"(x); CREATE TABLE \"\xff\"(x);"
		  "INSERT INTO \"\xff\" VALUES(1),(2)",
		  &found);
	assert_int_equal(found.objects.count, 4);
	assert_int_equal(found.tables.count, 4);
	for (size_t i = 0; i < 4; i++) {
		bool there = false;

		for (size_t j = 0; j < 4; j++)
			there = there || strcmp(found.tables.items[i].name, names[j]) == 0;
		assert_true(there);
	}
	assert_int_equal(found.tables.items[3].rows, 2);
}

/* --- foreign keys ------------------------------------------------------------------------------------------------- */

static void rows_that_refer_to_nothing_are_violations(void **state)
{
	auto_schema_state found = { 0 };

	read_made(
		*state,
		"CREATE TABLE p(x INTEGER PRIMARY KEY); INSERT INTO p VALUES(1);"
		"CREATE TABLE z(x REFERENCES p); INSERT INTO z VALUES(1),(NULL),(7);"
		"CREATE TABLE a(x REFERENCES p); INSERT INTO a VALUES(8);"
		"CREATE TABLE w(x PRIMARY KEY REFERENCES p) WITHOUT ROWID; INSERT INTO w VALUES(9)",
		&found);
	assert_violations(&found, "a row 1: no such row in p, w row ?: no such row in p, "
				  "z row 3: no such row in p");
}

static void violations_are_sorted_by_their_bytes(void **state)
{
	auto_schema_state found = { 0 };

	read_made(*state,
		  "CREATE TABLE p(x INTEGER PRIMARY KEY); CREATE TABLE a(x REFERENCES p);"
		  "INSERT INTO a(rowid, x) VALUES(9, 1),(10, 1)",
		  &found);
	assert_violations(&found, "a row 10: no such row in p, a row 9: no such row in p");
}

#define MISMATCH "CREATE TABLE parent(x, y); CREATE TABLE child(x REFERENCES parent(y));"

static void a_key_that_fits_no_column_is_a_violation(void **state)
{
	auto_schema_state found = { 0 };

	read_made(*state, MISMATCH, &found);
	assert_int_equal(found.violations.count, 1);
	if (!strstr(found.violations.items[0], "foreign key mismatch"))
		fail_msg("%s", found.violations.items[0]);
	assert_objects(&found, "table child, table parent");
	assert_tables(&found, "child 0, parent 0");
}

static void the_same_mismatch_has_the_same_words(void **state)
{
	auto_schema_state before = { 0 }, after = { 0 };
	struct error err = { 0 };

	read_made(*state, MISMATCH, &before);
	assert_true(read_state(*state, &after, &err));
	assert_int_equal(after.violations.count, 1);
	assert_string_equal(after.violations.items[0], before.violations.items[0]);
}

/* SQLite's check of all tables ends at the mismatch; those of the others must be found all the same. */
static void a_mismatch_hides_no_violations_of_other_tables(void **state)
{
	auto_schema_state found = { 0 };

	read_made(*state,
		  MISMATCH "CREATE TABLE p(x INTEGER PRIMARY KEY); CREATE TABLE z(x REFERENCES p);"
			   "INSERT INTO z(rowid, x) VALUES(9, 1),(10, 1)",
		  &found);
	assert_int_equal(found.violations.count, 3);
	assert_string_equal(found.violations.items[1], "z row 10: no such row in p");
	assert_string_equal(found.violations.items[2], "z row 9: no such row in p");
}

/* --- what cannot be read ---------------------------------------------------------------------------------------------- */

static void what_is_no_database_has_no_state(void **state)
{
	auto_schema_state found = { 0 };
	char junk[4096];
	struct error err = { 0 };

	memset(junk, 'x', sizeof junk);
	folder_write(*state, "bot.db", junk, sizeof junk);
	assert_false(read_state(*state, &found, &err));
	assert_int_equal(err.status, STATUS_NO);
}

static bool at_once(void)
{
	return true;
}

static void a_check_that_was_stopped_is_no_violation(void **state)
{
	auto_schema_state found = { 0 };
	auto_connection connection = { 0 };
	char path[PATH_MAX];
	struct error err = { 0 };

	database_make(*state, "bot.db",
		      "CREATE TABLE p(x INTEGER PRIMARY KEY); CREATE TABLE a(x REFERENCES p);"
		      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50000) "
		      "INSERT INTO a SELECT i FROM n");
	connection_stop_when(at_once);
	assert_true(connection_open(&connection, folder_path(*state, "bot.db", path),
				    CONNECTION_READ, 0, "bot.db", &err));

	const bool good = schema_state_read(&connection, &found, &err);

	connection_stop_when(NULL);
	assert_false(good);
	assert_int_not_equal(err.status, STATUS_OK);
}

/* --- as a document -------------------------------------------------------------------------------------------------- */

static void a_document_brings_all_of_it_back(void **state)
{
	auto_schema_state written = { 0 }, read = { 0 };
	struct error err = { 0 };

	(void)state;
	*memory_append(&written.objects) = (struct schema_object){
		memory_copy_text("table"),
		memory_copy_text("a\xff\x1b"),
		memory_copy_text("\xfe"),
		memory_copy_text("CREATE TABLE \"a\xff\x1b\"(x)"),
	};
	*memory_append(&written.objects) = (struct schema_object){
		memory_copy_text("view"),
		memory_copy_text("\xc3\xa4\n"),
		memory_copy_text(""),
		memory_copy_text(""),
	};
	*memory_append(&written.tables) = (struct schema_table){ memory_copy_text("a\xff"), 7 };
	*memory_append(&written.tables) = (struct schema_table){ memory_copy_text("b"), -1 };
	names_add(&written.violations, "a\xff row 1");

	auto_free char *line = json_take_line(schema_state_write(&written));
	struct json_t *document = json_parse(line, strlen(line), &err);

	assert_non_null(document);
	schema_state_take(document, &read);
	json_release(document);
	assert_int_equal(read.objects.count, 2);
	assert_string_equal(read.objects.items[0].type, "table");
	assert_string_equal(read.objects.items[0].name, "a\xff\x1b");
	assert_string_equal(read.objects.items[0].table, "\xfe");
	assert_string_equal(read.objects.items[0].sql, "CREATE TABLE \"a\xff\x1b\"(x)");
	assert_string_equal(read.objects.items[1].name, "\xc3\xa4\n");
	assert_string_equal(read.objects.items[1].sql, "");
	assert_tables(&read, "a\xff 7, b -1");
	assert_violations(&read, "a\\xff row 1");
}

static void a_document_of_nothing_is_nothing(void **state)
{
	auto_schema_state none = { 0 }, read = { 0 };
	struct json_t *document = schema_state_write(&none);

	(void)state;
	schema_state_take(document, &read);
	json_release(document);
	assert_int_equal(read.objects.count + read.tables.count + read.violations.count, 0);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(an_empty_database_has_nothing),
		IN_FOLDER(objects_are_in_order_of_type_and_name),
		IN_FOLDER(what_nobody_wrote_is_left_out),
		IN_FOLDER(rows_are_counted_in_tables_alone),
		IN_FOLDER(virtual_tables_are_objects_without_rows),
		IN_FOLDER(hostile_names_are_names),
		IN_FOLDER(rows_that_refer_to_nothing_are_violations),
		IN_FOLDER(violations_are_sorted_by_their_bytes),
		IN_FOLDER(a_key_that_fits_no_column_is_a_violation),
		IN_FOLDER(the_same_mismatch_has_the_same_words),
		IN_FOLDER(a_mismatch_hides_no_violations_of_other_tables),
		IN_FOLDER(what_is_no_database_has_no_state),
		IN_FOLDER(a_check_that_was_stopped_is_no_violation),
		cmocka_unit_test(a_document_brings_all_of_it_back),
		cmocka_unit_test(a_document_of_nothing_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
