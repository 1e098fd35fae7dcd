#include "tests/unit/test.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/backup.h"
#include "common/base/memory.h"
#include "common/base/text.h"

static const int64_t noon = INT64_C(1795349700123); /* 2026-11-22T12:15:00.123Z */

static char *named(const char *path, bool packed)
{
	char *absolute = memory_copy_text(path);
	const struct target target = { .absolute = absolute };
	char *name = backup_name(&target, noon, packed);

	free(absolute);
	return name;
}

static void assert_named(const char *path, bool packed, const char *expected)
{
	char *name = named(path, packed);

	assert_string_equal(name, expected);
	free(name);
}

static void a_name_has_the_time_before_the_extension(void **state)
{
	(void)state;
	assert_named("/srv/bot.db", false, "bot-20261122T121500.123Z.db");
	assert_named("/srv/data.d/bot.sqlite3", false, "bot-20261122T121500.123Z.sqlite3");
	assert_named("/bot.v2.db", false, "bot.v2-20261122T121500.123Z.db");
}

static void a_packed_one_says_so_at_the_end(void **state)
{
	(void)state;
	assert_named("/srv/bot.db", true, "bot-20261122T121500.123Z.db.zst");
	assert_named("/srv/bot", true, "bot-20261122T121500.123Z.db.zst");
}

static void one_without_an_extension_gets_one(void **state)
{
	(void)state;
	assert_named("/srv/bot", false, "bot-20261122T121500.123Z.db");
	assert_named("/srv/data.d/bot", false, "bot-20261122T121500.123Z.db");
	assert_named("/srv/bot.", false, "bot.-20261122T121500.123Z.db");
}

static void a_hidden_file_has_no_extension_by_its_first_dot(void **state)
{
	(void)state;
	assert_named("/srv/.bot", false, ".bot-20261122T121500.123Z.db");
	assert_named("/srv/.bot.db", false, ".bot-20261122T121500.123Z.db");
}

static void what_is_too_long_for_an_extension_is_none(void **state)
{
	(void)state;
	assert_named("/srv/bot.abcdefghijk", false, "bot-20261122T121500.123Z.abcdefghijk");
	assert_named("/srv/bot.abcdefghijkl", false, "bot.abcdefghijkl-20261122T121500.123Z.db");
}

/* With what is made beside it, also by SQLite. */
static void assert_fits(const char *name)
{
	assert_in_range(strlen(name) + strlen(".sha256"), 1, NAME_MAX);
	assert_in_range(strlen(name) + strlen("-journal"), 1, NAME_MAX);
}

static void the_longest_name_still_fits_with_its_suffixes(void **state)
{
	(void)state;
	for (size_t length = 100; length <= NAME_MAX; length++) {
		char path[1 + NAME_MAX + 1] = "/";

		memset(path + 1, 'b', length);
		memcpy(path + length - 11, ".abcdefghijk", 12);

		char *name = named(path, true);

		assert_fits(name);
		assert_non_null(strstr(name, "-20261122T121500.123Z.abcdefghijk.zst"));
		free(name);
	}
}

static void a_long_name_is_not_cut_inside_a_character(void **state)
{
	(void)state;
	for (size_t start = 0; start < 4; start++) {
		char path[1 + NAME_MAX + 1] = "/bbb";
		size_t length = 1 + start;

		while (length + 4 <= NAME_MAX) {
			memcpy(path + length, "\xf0\x9f\x9b\xa0", 5);
			length += 4;
		}

		char *name = named(path, true);

		assert_fits(name);
		assert_true(text_is_utf8(name, strlen(name)));
		free(name);
	}
}

static void names_sort_by_time(void **state)
{
	char absolute[] = "/srv/bot.db";
	const struct target target = { .absolute = absolute };
	static const int64_t times[] = { 0,
					 999,
					 1000,
					 INT64_C(1795349700123),
					 INT64_C(1795349700124),
					 INT64_C(253402300799999) };

	(void)state;
	for (size_t i = 1; i < sizeof times / sizeof *times; i++) {
		char *before = backup_name(&target, times[i - 1], false);
		char *after = backup_name(&target, times[i], false);

		assert_true(strcmp(before, after) < 0);
		free(before);
		free(after);
	}
}

static void hostile_names_are_taken_as_they_are(void **state)
{
	(void)state;
	assert_named("/srv/a\nb.db", false, "a\nb-20261122T121500.123Z.db");
	assert_named("/srv/\xff.db", false, "\xff-20261122T121500.123Z.db");
	assert_named("/srv/%s%n.db", false, "%s%n-20261122T121500.123Z.db");
	assert_named("/srv/-rf", false, "-rf-20261122T121500.123Z.db");
}

static void a_path_has_one_slash_between_folder_and_name(void **state)
{
	static const char *const cases[][3] = {
		{ "backups", "bot.db", "backups/bot.db" },
		{ "backups/", "bot.db", "backups/bot.db" },
		{ "/", "bot.db", "/bot.db" },
		{ "", "bot.db", "bot.db" },
		{ "a b\n", "bot.db", "a b\n/bot.db" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *path = backup_path(cases[i][0], cases[i][1]);

		assert_string_equal(path, cases[i][2]);
		free(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_the_time_before_the_extension),
		cmocka_unit_test(a_packed_one_says_so_at_the_end),
		cmocka_unit_test(one_without_an_extension_gets_one),
		cmocka_unit_test(a_hidden_file_has_no_extension_by_its_first_dot),
		cmocka_unit_test(what_is_too_long_for_an_extension_is_none),
		cmocka_unit_test(the_longest_name_still_fits_with_its_suffixes),
		cmocka_unit_test(a_long_name_is_not_cut_inside_a_character),
		cmocka_unit_test(names_sort_by_time),
		cmocka_unit_test(hostile_names_are_taken_as_they_are),
		cmocka_unit_test(a_path_has_one_slash_between_folder_and_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
