#include "tests/unit/folder.h"

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/engine_sql.h"

/* All that is looked at, and what is found. */
struct made {
	struct migration_folder files;
	struct version_tables versions;
	struct ledger ledger;
	struct revisions revisions;
};

static void made_release(struct made *made)
{
	migration_folder_release(&made->files);
	version_tables_release(&made->versions);
	ledger_release(&made->ledger);
	revisions_release(&made->revisions);
}

#define auto_made __attribute__((cleanup(made_release))) struct made

static struct made made_of(enum migration_style style)
{
	return (struct made){ .files = { .fd = -1,
					 .path = memory_copy_text("db"),
					 .shown = memory_copy_text("db"),
					 .style = style } };
}

static struct migration_file *add_file(struct made *made, const char *name)
{
	struct migration_file *file = memory_append(&made->files);
	bool down = false;

	file->name = memory_copy_text(name);
	assert_true(
		migration_name_parse(name, made->files.style, &file->version, &file->label, &down));
	(void)snprintf(file->digest, sizeof file->digest, "%064d", (int)made->files.count);
	return file;
}

static void look(struct made *made)
{
	engine_sql_look(&made->files, &made->versions, &made->ledger, &made->revisions);
}

/* "KIND VERSION" of each problem, a "!" behind those that stop everything. */
static void assert_problems(const struct made *made, const char *expected)
{
	auto_text found = { 0 };

	for (size_t i = 0; i < made->revisions.problems.count; i++) {
		const struct revision_problem *problem = &made->revisions.problems.items[i];

		text_append(&found, "%s%s %s%s", i > 0 ? ", " : "", problem->kind, problem->version,
			    problem->fatal ? "!" : "");
	}
	assert_string_equal(text_string(&found), expected);
}

static void assert_message(const struct made *made, size_t index, const char *expected)
{
	assert_in_range(index + 1, 1, made->revisions.problems.count);
	assert_string_equal(made->revisions.problems.items[index].message, expected);
}

/* The versions that are applied, with a blank behind each. */
static void assert_applied(const struct made *made, const char *expected)
{
	auto_text found = { 0 };

	for (size_t i = 0; i < made->revisions.count; i++)
		if (made->revisions.items[i].applied)
			text_append(&found, "%s ", made->revisions.items[i].version);
	assert_string_equal(text_string(&found), expected);
}

static void assert_sound(const struct made *made, bool sound)
{
	struct error err = { 0 };

	assert_int_equal(revisions_are_sound(&made->revisions, &err), sound);
	assert_int_equal(err.status, sound ? STATUS_OK : STATUS_TROUBLE);
}

static void files_and_versions_that_agree_have_no_problem(void **state)
{
	auto_made made = made_of(MIGRATION_DBMATE);

	(void)state;
	add_file(&made, "1_users.sql");
	add_file(&made, "2_guilds.sql");
	add_file(&made, "3.sql");
	names_add(&made.versions.migrations, "1");
	names_add(&made.versions.migrations, "2");
	ledger_set(&made.ledger, "1", made.files.items[0].digest);
	look(&made);
	assert_problems(&made, "");
	assert_sound(&made, true);
	assert_applied(&made, "1 2 ");
	assert_int_equal(made.revisions.count, 3);
	assert_string_equal(made.revisions.items[1].name, "guilds");
	assert_string_equal(made.revisions.items[1].file, "2_guilds.sql");
	assert_int_equal(made.revisions.items[1].parents.count, 0);
	assert_int_equal(made.revisions.heads.count, 1);
	assert_string_equal(made.revisions.heads.items[0], "3");
	assert_int_equal(made.revisions.current.count, 1);
	assert_string_equal(made.revisions.current.items[0], "2");
}

static void nothing_at_all_is_no_problem(void **state)
{
	auto_made made = made_of(MIGRATION_DBMATE);

	(void)state;
	look(&made);
	assert_problems(&made, "");
	assert_int_equal(made.revisions.heads.count + made.revisions.current.count, 0);
}

static void a_file_that_was_edited_after_it_was_applied_is_told(void **state)
{
	auto_made made = made_of(MIGRATION_DBMATE);

	(void)state;
	add_file(&made, "1_a\x1b.sql");
	add_file(&made, "2_b.sql");
	names_add(&made.versions.migrations, "1");
	ledger_set(&made.ledger, "1", "other");
	ledger_set(&made.ledger, "2", "other"); /* not applied: it may be edited */
	look(&made);
	assert_problems(&made, "edited 1!");
	assert_message(
		&made, 0,
		"db/1_a\\x1b.sql: was edited after it was applied; put the old text back and write a new migration");
	assert_sound(&made, false);
}

static void an_applied_file_that_nobody_hashed_is_believed(void **state)
{
	auto_made made = made_of(MIGRATION_DBMATE);

	(void)state;
	add_file(&made, "1_a.sql");
	names_add(&made.versions.migrations, "1");
	look(&made);
	assert_problems(&made, "");
}

static void an_applied_version_without_a_file_is_missing(void **state)
{
	auto_made made = made_of(MIGRATION_DBMATE);

	(void)state;
	add_file(&made, "1_a.sql");
	names_add(&made.versions.migrations, "01");
	names_add(&made.versions.migrations, "1");
	names_add(&made.versions.migrations, "2\x1b");
	look(&made);
	assert_problems(&made, "missing 01!, missing 2\x1b!");
	assert_message(&made, 1, "db: version 2\\x1b is applied, and its file is not there");
}

static void versions_that_are_there_twice_are_told(void **state)
{
	auto_made made = made_of(MIGRATION_DBMATE);

	(void)state;
	add_file(&made, "1_a.sql");
	add_file(&made, "1_b.sql");
	add_file(&made, "2_c.sql");
	look(&made);
	assert_problems(&made, "duplicate 1!");
	assert_message(&made, 0, "db: 1_a.sql and 1_b.sql have the same version");
}

static void zeros_in_front_make_no_other_version(void **state)
{
	auto_made made = made_of(MIGRATION_DBMATE);

	(void)state;
	add_file(&made, "00_a.sql");
	add_file(&made, "0_b.sql");
	add_file(&made, "1_c.sql");
	look(&made);
	assert_problems(&made, "duplicate 0!");
}

static void an_order_by_name_that_is_none_by_number_is_told(void **state)
{
	auto_made made = made_of(MIGRATION_DBMATE);

	(void)state;
	add_file(&made, "10_b.sql");
	add_file(&made, "9_a.sql");
	look(&made);
	assert_problems(&made, "order 9!");
	assert_message(
		&made, 0,
		"db: 9_a.sql comes after 10_b.sql by name, and before it by number: dbmate goes by the name");
}

static void numbers_of_any_length_are_compared(void **state)
{
	auto_made made = made_of(MIGRATION_DBMATE);

	(void)state;
	add_file(&made, "18446744073709551615_a.sql");
	add_file(&made, "18446744073709551616_b.sql");
	add_file(&made, "20000000000000000000000000000000_c.sql");
	look(&made);
	assert_problems(&made, "");
}

static void one_that_was_left_out_is_told_and_stops_nothing(void **state)
{
	auto_made made = made_of(MIGRATION_DBMATE);

	(void)state;
	add_file(&made, "1_a.sql");
	add_file(&made, "2_b.sql");
	add_file(&made, "3_c.sql");
	add_file(&made, "4_d.sql");
	names_add(&made.versions.migrations, "1");
	names_add(&made.versions.migrations, "3");
	look(&made);
	assert_problems(&made, "out-of-order 2");
	assert_message(&made, 0,
		       "db/2_b.sql: is not applied, though the later 3 is; it will run after that");
	assert_sound(&made, true);
	assert_applied(&made, "1 3 ");
}

static void a_file_that_cannot_be_parsed_is_told(void **state)
{
	auto_made made = made_of(MIGRATION_DBMATE);

	(void)state;
	add_file(&made, "1_a.sql")->problem = memory_copy_text("line 5: has a NUL byte");
	look(&made);
	assert_problems(&made, "unparsable 1!");
	assert_message(&made, 0, "db/1_a.sql: line 5: has a NUL byte");
}

static void of_several_problems_the_first_is_said_and_the_rest_counted(void **state)
{
	auto_made made = made_of(MIGRATION_DBMATE);
	struct error err = { 0 };

	(void)state;
	add_file(&made, "1_a.sql")->problem = memory_copy_text("is odd");
	add_file(&made, "1_b.sql");
	add_file(&made, "3_c.sql");
	names_add(&made.versions.migrations, "3");
	names_add(&made.versions.migrations, "4");
	look(&made);
	assert_problems(&made,
			"unparsable 1!, duplicate 1!, missing 4!, out-of-order 1, out-of-order 1");
	assert_false(revisions_are_sound(&made.revisions, &err));
	assert_string_equal(err.text, "db/1_a.sql: is odd (and 2 more; see dbmigrate status)");
}

/* --- golang-migrate --------------------------------------------------------------------------------------------------- */

static void of_pairs_all_up_to_the_version_is_applied(void **state)
{
	auto_made made = made_of(MIGRATION_PAIRS);

	(void)state;
	add_file(&made, "1_a.up.sql");
	add_file(&made, "002_b.up.sql");
	add_file(&made, "10_c.up.sql");
	names_add(&made.versions.migrations, "2");
	made.versions.is_pairs = true;
	look(&made);
	assert_problems(&made, "");
	assert_applied(&made, "1 002 ");
	assert_string_equal(made.revisions.heads.items[0], "10");
	assert_string_equal(made.revisions.current.items[0], "2");
}

static void of_pairs_without_a_version_none_is_applied(void **state)
{
	auto_made made = made_of(MIGRATION_PAIRS);

	(void)state;
	add_file(&made, "1_a.up.sql");
	look(&made);
	assert_problems(&made, "");
	assert_applied(&made, "");
	assert_int_equal(made.revisions.current.count, 0);
}

static void pairs_are_noticed_when_edited_too(void **state)
{
	auto_made made = made_of(MIGRATION_PAIRS);

	(void)state;
	add_file(&made, "1_a.up.sql");
	add_file(&made, "2_b.up.sql");
	names_add(&made.versions.migrations, "2");
	made.versions.is_pairs = true;
	ledger_set(&made.ledger, "1", "other");
	look(&made);
	assert_problems(&made, "edited 1!");
}

static void the_version_of_pairs_may_be_missing(void **state)
{
	auto_made made = made_of(MIGRATION_PAIRS);

	(void)state;
	add_file(&made, "1_a.up.sql");
	add_file(&made, "3_b.up.sql");
	names_add(&made.versions.migrations, "2");
	made.versions.is_pairs = true;
	look(&made);
	assert_problems(&made, "missing 2!");
	assert_applied(&made, "1 ");
}

static void a_dirty_database_is_told(void **state)
{
	auto_made made = made_of(MIGRATION_PAIRS);

	(void)state;
	add_file(&made, "1_a.up.sql");
	names_add(&made.versions.migrations, "1");
	made.versions.is_pairs = made.versions.dirty = true;
	look(&made);
	assert_problems(&made, "dirty !");
	assert_message(
		&made, 0,
		"golang-migrate left the database dirty at version 1: restore a backup, or repair it by hand");
	assert_sound(&made, false);
}

static void files_of_one_tool_do_not_go_with_the_table_of_the_other(void **state)
{
	auto_made pairs = made_of(MIGRATION_PAIRS), dbmate = made_of(MIGRATION_DBMATE);

	(void)state;
	add_file(&pairs, "1_a.up.sql");
	names_add(&pairs.versions.migrations, "1");
	look(&pairs);
	assert_problems(&pairs, "unparsable !");
	assert_message(
		&pairs, 0,
		"db: its files are for golang-migrate, and the database was migrated by dbmate");
	add_file(&dbmate, "1_a.sql");
	names_add(&dbmate.versions.migrations, "1");
	dbmate.versions.is_pairs = true;
	look(&dbmate);
	assert_problems(&dbmate, "unparsable !");
	assert_message(
		&dbmate, 0,
		"db: its files are for dbmate, and the database was migrated by golang-migrate");
}

static void an_empty_table_goes_with_any_files(void **state)
{
	auto_made made = made_of(MIGRATION_PAIRS);

	(void)state;
	add_file(&made, "1_a.up.sql");
	look(&made);
	assert_problems(&made, "");
	assert_sound(&made, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_and_versions_that_agree_have_no_problem),
		cmocka_unit_test(nothing_at_all_is_no_problem),
		cmocka_unit_test(a_file_that_was_edited_after_it_was_applied_is_told),
		cmocka_unit_test(an_applied_file_that_nobody_hashed_is_believed),
		cmocka_unit_test(an_applied_version_without_a_file_is_missing),
		cmocka_unit_test(versions_that_are_there_twice_are_told),
		cmocka_unit_test(zeros_in_front_make_no_other_version),
		cmocka_unit_test(an_order_by_name_that_is_none_by_number_is_told),
		cmocka_unit_test(numbers_of_any_length_are_compared),
		cmocka_unit_test(one_that_was_left_out_is_told_and_stops_nothing),
		cmocka_unit_test(a_file_that_cannot_be_parsed_is_told),
		cmocka_unit_test(of_several_problems_the_first_is_said_and_the_rest_counted),
		cmocka_unit_test(of_pairs_all_up_to_the_version_is_applied),
		cmocka_unit_test(of_pairs_without_a_version_none_is_applied),
		cmocka_unit_test(pairs_are_noticed_when_edited_too),
		cmocka_unit_test(the_version_of_pairs_may_be_missing),
		cmocka_unit_test(a_dirty_database_is_told),
		cmocka_unit_test(files_of_one_tool_do_not_go_with_the_table_of_the_other),
		cmocka_unit_test(an_empty_table_goes_with_any_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
