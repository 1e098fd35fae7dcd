#include "tests/unit/test.h"

#include <string.h>

#include "common/base/names.h"

static void assert_names(const struct names *names, const char *expected)
{
	auto_text text = { 0 };

	names_append_printable(&text, names, "|");
	assert_string_equal(text_string(&text), expected);
}

static void an_empty_list_has_nothing(void **state)
{
	auto_names names = { 0 };

	(void)state;
	names_sort(&names);
	assert_false(names_has(&names, ""));
	assert_names(&names, "");
}

static void names_are_copied_and_keep_their_order(void **state)
{
	auto_names names = { 0 };
	char name[] = "b";

	(void)state;
	names_add(&names, name);
	*name = 'a';
	names_add(&names, name);
	names_add(&names, "b");
	assert_int_equal(names.count, 3);
	assert_names(&names, "b|a|b");
}

static void only_the_whole_name_is_had(void **state)
{
	auto_names names = { 0 };

	(void)state;
	names_add(&names, "Users");
	assert_true(names_has(&names, "Users"));
	assert_false(names_has(&names, "users"));
	assert_false(names_has(&names, "User"));
	assert_false(names_has(&names, "Users2"));
	assert_false(names_has(&names, ""));
	names_add(&names, "");
	assert_true(names_has(&names, ""));
}

static void names_are_sorted_by_their_bytes(void **state)
{
	static const char *const sorted[] = { "", "10", "9", "B", "a", "ab", "\xc3\xa4", "\xff" };
	enum { COUNT = sizeof sorted / sizeof *sorted };
	auto_names names = { 0 };

	(void)state;
	for (int i = COUNT; i-- > 0;)
		names_add(&names, sorted[i]);
	names_sort(&names);
	for (int i = 0; i < COUNT; i++)
		assert_string_equal(names.items[i], sorted[i]);
}

static void hostile_names_are_shown_tame(void **state)
{
	auto_names names = { 0 };

	(void)state;
	names_add(&names, "a\x1b[2J");
	names_add(&names, "\xff\n");
	assert_names(&names, "a\\x1b[2J|\\xff\\n");
}

static void thousands_fit(void **state)
{
	auto_names names = { 0 };
	char name[16];

	(void)state;
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(name, sizeof name, "%04d", 4999 - i);
		names_add(&names, name);
	}
	names_sort(&names);
	assert_int_equal(names.count, 5000);
	assert_string_equal(names.items[1234], "1234");
}

static void a_released_list_can_be_used_again(void **state)
{
	auto_names names = { 0 };

	(void)state;
	names_add(&names, "a");
	names_release(&names);
	assert_int_equal(names.count, 0);
	names_add(&names, "b");
	assert_names(&names, "b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_list_has_nothing),
		cmocka_unit_test(names_are_copied_and_keep_their_order),
		cmocka_unit_test(only_the_whole_name_is_had),
		cmocka_unit_test(names_are_sorted_by_their_bytes),
		cmocka_unit_test(hostile_names_are_shown_tame),
		cmocka_unit_test(thousands_fit),
		cmocka_unit_test(a_released_list_can_be_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
