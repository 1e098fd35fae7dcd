#include "tests/unit/test.h"

#include <string.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/migration_compare.h"

#define auto_schema_changes __attribute__((cleanup(schema_changes_release))) struct schema_changes

/* Objects are added in the order of their types and names, as they are read. */
static void add_object(struct schema_state *state, const char *type, const char *name,
		       const char *sql)
{
	*memory_append(&state->objects) = (struct schema_object){
		.type = memory_copy_text(type),
		.name = memory_copy_text(name),
		.table = memory_copy_text("t"),
		.sql = memory_copy_text(sql),
	};
}

static void add_table(struct schema_state *state, const char *name, int64_t rows)
{
	*memory_append(&state->tables) =
		(struct schema_table){ .name = memory_copy_text(name), .rows = rows };
}

/* --- the schema --------------------------------------------------------------------------------------------------- */

static void assert_changes(const struct schema_state *before, const struct schema_state *after,
			   const char *expected)
{
	auto_schema_changes changes = { 0 };
	auto_text found = { 0 };

	schema_changes_find(before, after, &changes);
	for (size_t i = 0; i < changes.count; i++)
		text_append(&found, "%s%s %s %s", i > 0 ? ", " : "",
			    schema_change_name(changes.items[i].kind),
			    changes.items[i].object->type, changes.items[i].object->name);
	assert_string_equal(text_string(&found), expected);
}

static void what_is_the_same_did_not_change(void **state)
{
	auto_schema_state before = { 0 }, after = { 0 };

	(void)state;
	assert_changes(&before, &after, "");
	add_object(&before, "table", "t", "CREATE TABLE t(x)");
	add_object(&after, "table", "t", "CREATE TABLE t(x)");
	assert_changes(&before, &after, "");
}

static void objects_are_added_removed_and_changed(void **state)
{
	auto_schema_state before = { 0 }, after = { 0 };

	(void)state;
	add_object(&before, "index", "a", "1");
	add_object(&before, "index", "c", "1");
	add_object(&before, "table", "a", "1");
	add_object(&before, "table", "b", "1");
	add_object(&before, "view", "z", "1");
	add_object(&after, "index", "b", "1");
	add_object(&after, "index", "c", "1");
	add_object(&after, "table", "a", "2");
	add_object(&after, "trigger", "a", "1");
	assert_changes(
		&before, &after,
		"removed index a, added index b, changed table a, removed table b, added trigger a, removed view z");
}

static void all_of_an_empty_schema_is_added_and_of_a_gone_one_removed(void **state)
{
	auto_schema_state nothing = { 0 }, some = { 0 };

	(void)state;
	add_object(&some, "index", "i", "1");
	add_object(&some, "table", "t", "1");
	assert_changes(&nothing, &some, "added index i, added table t");
	assert_changes(&some, &nothing, "removed index i, removed table t");
}

static void a_changed_object_is_the_new_one(void **state)
{
	auto_schema_state before = { 0 }, after = { 0 };
	auto_schema_changes changes = { 0 };

	(void)state;
	add_object(&before, "table", "t", "old");
	add_object(&after, "table", "t", "new");
	schema_changes_find(&before, &after, &changes);
	assert_int_equal(changes.count, 1);
	assert_ptr_equal(changes.items[0].object, &after.objects.items[0]);
}

/* --- the rows ------------------------------------------------------------------------------------------------------ */

static void rows_are_found_by_a_tables_name(void **state)
{
	auto_schema_state made = { 0 };

	(void)state;
	add_table(&made, "Users", 7);
	add_table(&made, "guilds", 0);
	assert_int_equal(schema_state_rows(&made, "users"), 7);
	assert_int_equal(schema_state_rows(&made, "guilds"), 0);
	assert_int_equal(schema_state_rows(&made, "user"), -1);
}

static bool kept(const struct schema_state *before, const struct schema_state *after,
		 const char *allowed, struct error *err)
{
	auto_names names = { 0 };

	*err = (struct error){ 0 };
	if (allowed)
		names_add(&names, allowed);
	return migration_kept_data(before, after, &names, err);
}

static void assert_kept(const struct schema_state *before, const struct schema_state *after,
			const char *allowed)
{
	struct error err;

	if (!kept(before, after, allowed, &err))
		fail_msg("%s", err.text);
}

static void assert_refused(const struct schema_state *before, const struct schema_state *after,
			   const char *allowed, const char *words)
{
	struct error err;

	assert_false(kept(before, after, allowed, &err));
	assert_string_equal(err.text, words);
	assert_int_equal(err.status, STATUS_NO);
}

#define ADVICE " (if that is meant, say --allow-row-loss=TABLE)"

static void tables_that_keep_or_gain_rows_are_fine(void **state)
{
	auto_schema_state before = { 0 }, after = { 0 };

	(void)state;
	add_table(&before, "a", 5);
	add_table(&before, "b", 0);
	add_table(&after, "a", 5);
	add_table(&after, "b", 9);
	add_table(&after, "c", 0);
	assert_kept(&before, &after, NULL);
}

static void a_table_that_loses_rows_is_refused(void **state)
{
	auto_schema_state before = { 0 }, after = { 0 };

	(void)state;
	add_table(&before, "a\x1b", 5);
	add_table(&after, "a\x1b", 4);
	assert_refused(&before, &after, NULL,
		       "tables would lose rows: a\\x1b (4 of 5 rows are left)" ADVICE);
	assert_refused(&before, &after, "b",
		       "tables would lose rows: a\\x1b (4 of 5 rows are left)" ADVICE);
}

static void a_table_that_is_emptied_is_refused(void **state)
{
	auto_schema_state before = { 0 }, after = { 0 };

	(void)state;
	add_table(&before, "a", 1);
	add_table(&after, "A", 0);
	assert_refused(&before, &after, NULL,
		       "tables would lose rows: a (0 of 1 rows are left)" ADVICE);
}

static void loss_that_is_allowed_is_fine(void **state)
{
	auto_schema_state before = { 0 }, after = { 0 };

	(void)state;
	add_table(&before, "Users", 5);
	add_table(&before, "guilds", 5);
	add_table(&after, "Users", 4);
	add_table(&after, "guilds", 5);
	assert_kept(&before, &after, "users");
	assert_kept(&before, &after, "*");
	assert_refused(&before, &after, "user*",
		       "tables would lose rows: Users (4 of 5 rows are left)" ADVICE);
}

static void allowing_one_table_allows_no_other(void **state)
{
	auto_schema_state before = { 0 }, after = { 0 };

	(void)state;
	add_table(&before, "a", 5);
	add_table(&before, "b", 5);
	add_table(&after, "a", 4);
	add_table(&after, "b", 4);
	assert_refused(&before, &after, "a",
		       "tables would lose rows: b (4 of 5 rows are left)" ADVICE);
}

static void a_table_that_is_dropped_is_a_change_of_the_schema(void **state)
{
	auto_schema_state before = { 0 }, after = { 0 };

	(void)state;
	add_table(&before, "a", 5);
	assert_kept(&before, &after, NULL);
}

static void tables_of_versions_may_lose_rows(void **state)
{
	auto_schema_state before = { 0 }, after = { 0 };

	(void)state;
	add_table(&before, "alembic_version", 2);
	add_table(&before, "Schema_Migrations", 9);
	add_table(&after, "alembic_version", 0);
	add_table(&after, "Schema_Migrations", 8);
	assert_kept(&before, &after, NULL);
}

static void three_tables_are_named_and_the_rest_counted(void **state)
{
	auto_schema_state before = { 0 }, after = { 0 };

	(void)state;
	for (const char *name = "a\0b\0c\0d\0e\0"; *name; name += 2) {
		add_table(&before, name, 2);
		add_table(&after, name, 1);
	}
	assert_refused(
		&before, &after, NULL,
		"tables would lose rows: a (1 of 2 rows are left), b (1 of 2 rows are left), "
		"c (1 of 2 rows are left) and 2 more" ADVICE);
}

/* --- foreign keys ------------------------------------------------------------------------------------------------- */

static void add_violations(struct schema_state *state, const char *letters)
{
	for (; *letters; letters++) {
		const char line[] = { *letters, '\0' };

		names_add(&state->violations, line);
	}
}

static void assert_violations(const char *before, const char *after, const char *expected)
{
	auto_schema_state old = { 0 }, new = { 0 };

	add_violations(&old, before);
	add_violations(&new, after);
	if (!expected) {
		assert_kept(&old, &new, "*");
		return;
	}

	auto_free char *words = memory_format("foreign keys would be violated: %s", expected);

	assert_refused(&old, &new, "*", words);
}

static void violations_that_were_there_before_are_no_news(void **state)
{
	(void)state;
	assert_violations("", "", NULL);
	assert_violations("abc", "abc", NULL);
	assert_violations("abc", "b", NULL);
	assert_violations("aabb", "abb", NULL);
	assert_violations("abc", "", NULL);
}

static void a_new_violation_is_refused(void **state)
{
	(void)state;
	assert_violations("", "a", "a");
	assert_violations("ac", "abc", "b");
	assert_violations("bc", "abcd", "a; d");
	assert_violations("a", "aa", "a"); /* the same words, once more */
	assert_violations("xyz", "a", "a");
	assert_violations("", "\x1b", "\\x1b");
}

static void three_violations_are_named_and_the_rest_counted(void **state)
{
	(void)state;
	assert_violations("", "abc", "a; b; c");
	assert_violations("c", "abcde", "a; b; d; and 1 more");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_the_same_did_not_change),
		cmocka_unit_test(objects_are_added_removed_and_changed),
		cmocka_unit_test(all_of_an_empty_schema_is_added_and_of_a_gone_one_removed),
		cmocka_unit_test(a_changed_object_is_the_new_one),
		cmocka_unit_test(rows_are_found_by_a_tables_name),
		cmocka_unit_test(tables_that_keep_or_gain_rows_are_fine),
		cmocka_unit_test(a_table_that_loses_rows_is_refused),
		cmocka_unit_test(a_table_that_is_emptied_is_refused),
		cmocka_unit_test(loss_that_is_allowed_is_fine),
		cmocka_unit_test(allowing_one_table_allows_no_other),
		cmocka_unit_test(a_table_that_is_dropped_is_a_change_of_the_schema),
		cmocka_unit_test(tables_of_versions_may_lose_rows),
		cmocka_unit_test(three_tables_are_named_and_the_rest_counted),
		cmocka_unit_test(violations_that_were_there_before_are_no_news),
		cmocka_unit_test(a_new_violation_is_refused),
		cmocka_unit_test(three_violations_are_named_and_the_rest_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
