#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/migration_file.h"

#define auto_file __attribute__((cleanup(migration_file_release))) struct migration_file

/* --- names -------------------------------------------------------------------------------------------------------- */

/* "VERSION|LABEL", with "|down" behind it; NULL: not a migration. */
static void assert_name(const char *name, enum migration_style style, const char *expected)
{
	auto_free char *version = NULL, *label = NULL;
	bool down = false;
	const bool is = migration_name_parse(name, style, &version, &label, &down);
	auto_free char *said =
		is ? memory_format("%s|%s%s", version, label, down ? "|down" : "") : NULL;

	if (strcmp(said ? said : "no", expected ? expected : "no") != 0)
		fail_msg("\"%s\": %s", name, said ? said : "not a migration");
}

static void a_name_of_dbmates_is_digits_and_sql_at_the_end(void **state)
{
	static const char *const cases[][2] = {
		{ "20151129054053_test_migration.sql", "20151129054053|test_migration" },
		{ "001_a;rm -rf ~.sql", "001|a;rm -rf ~" },
		{ "1.sql", "1|" },
		{ "1-a.sql", "1|a" },
		{ "1a.sql", "1|a" },
		{ "1__a.b.sql", "1|_a.b" },
		{ "1_a.up.sql", "1|a.up" },
		{ "1.sql.sql", "1|.sql" },
		{ "99999999999999999999999_a.sql", "99999999999999999999999|a" },
		{ "01_\xc3\xa4\xff.sql", "01|\xc3\xa4\xff" },
		{ "1_tab\t.sql", "1|tab\t" },
		{ "1_a.SQL", NULL },
		{ "1_a.sql~", NULL },
		{ "1_a.sql ", NULL },
		{ "1_a.sql.bak", NULL },
		{ ".#1_a.sql", NULL },
		{ " 1_a.sql", NULL },
		{ "-1_a.sql", NULL },
		{ "a1.sql", NULL },
		{ "1sql", NULL },
		{ "1", NULL },
		{ ".sql", NULL },
		{ "", NULL },
		{ "1_a\n.sql", NULL },
		{ "1_a.sql\n", NULL },
		{ "\xd9\xa1_a.sql", NULL }, /* a one, but an Arabic one */
		{ "\xef\xbc\x91_a.sql", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_name(cases[i][0], MIGRATION_DBMATE, cases[i][1]);
}

static void a_name_of_a_pair_says_its_direction(void **state)
{
	static const char *const cases[][2] = {
		{ "33_create_table.up.sql", "33|create_table" },
		{ "33_create_table.down.sql", "33|create_table|down" },
		{ "0001_.up.sql", "0001|" },
		{ "1_a.up.down.sql", "1|a.up|down" },
		{ "1_a.down.up.sql", "1|a.down" },
		{ "1_.up.up.sql", "1|.up" },
		{ "1_a.sql", NULL },
		{ "1.up.sql", NULL },
		{ "1-a.up.sql", NULL },
		{ "1_a.UP.sql", NULL },
		{ "1_a.up.sql~", NULL },
		{ "1_aup.sql", NULL },
		{ "_a.up.sql", NULL },
		{ "1_a.up.sq", NULL },
		{ "1_\n.up.sql", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_name(cases[i][0], MIGRATION_PAIRS, cases[i][1]);
}

static void versions_of_pairs_are_numbers_and_those_of_dbmate_are_not(void **state)
{
	(void)state;
	assert_true(migration_version_compare("1", "01", MIGRATION_DBMATE) != 0);
	assert_true(migration_version_compare("10", "9", MIGRATION_DBMATE) < 0);
	assert_int_equal(migration_version_compare("1", "01", MIGRATION_PAIRS), 0);
	assert_int_equal(migration_version_compare("0", "000", MIGRATION_PAIRS), 0);
	assert_true(migration_version_compare("10", "9", MIGRATION_PAIRS) > 0);
	assert_true(migration_version_compare("099", "100", MIGRATION_PAIRS) < 0);
	assert_true(migration_version_compare("99999999999999999999999", "99999999999999999999998",
					      MIGRATION_PAIRS) > 0);
}

/* --- dbmate's files ----------------------------------------------------------------------------------------------- */

static void parse_bytes(struct migration_file *file, const char *bytes, size_t length)
{
	file->version = memory_copy_text("1");
	file->name = memory_copy_text("1_a.sql");
	file->bytes = memory_copy(bytes, length);
	file->length = length;
	migration_file_parse(file, MIGRATION_DBMATE);
}

static void parse(struct migration_file *file, const char *text)
{
	parse_bytes(file, text, strlen(text));
}

static void assert_section(const struct migration_file *file,
			   const struct migration_section *section, const char *text, size_t line,
			   bool transaction)
{
	if (section->length != strlen(text) || memcmp(section->text, text, section->length) != 0)
		fail_msg("\"%.*s\"\ninstead of \"%s\"", (int)section->length, section->text, text);
	assert_true(section->text >= file->bytes &&
		    section->text + section->length <= file->bytes + file->length);
	assert_int_equal(section->first_line, line);
	assert_int_equal(section->transaction, transaction);
}

static void assert_sections(const char *text, const char *up, size_t up_line, const char *down,
			    size_t down_line)
{
	auto_file file = { 0 };

	parse(&file, text);
	if (file.problem)
		fail_msg("%s\n%s", text, file.problem);
	assert_section(&file, &file.up, up, up_line, true);
	assert_section(&file, &file.down, down, down_line, true);
	assert_true(file.has_down);
}

static void a_file_has_a_section_up_and_one_down(void **state)
{
	(void)state;
	assert_sections("-- migrate:up\ncreate table t (x);\n-- migrate:down\ndrop table t;",
			"-- migrate:up\ncreate table t (x);\n", 1, "-- migrate:down\ndrop table t;",
			3);
	/* What `dbmate new` makes. */
	assert_sections("-- migrate:up\n\n\n-- migrate:down\n\n", "-- migrate:up\n\n\n", 1,
			"-- migrate:down\n\n", 4);
	assert_sections("-- migrate:up\n-- migrate:down", "-- migrate:up\n", 1, "-- migrate:down",
			2);
}

static void comments_and_blank_lines_may_come_first(void **state)
{
	(void)state;
	assert_sections(
		"\n-- This is why.\n\t --so\n \r\n\f\n-- migrate:up\nx\n-- migrate:down\ny\n",
		"-- migrate:up\nx\n", 6, "-- migrate:down\ny\n", 8);
	/* A section that begins with it is a comment here, as for dbmate. */
	assert_sections("-- migrate:down\n-- migrate:up\nx\n-- migrate:down\ny\n",
			"-- migrate:up\nx\n", 2, "-- migrate:down\ny\n", 4);
}

static void the_blank_in_a_directive_may_be_missing_or_be_any(void **state)
{
	static const char *const ways[] = { "--migrate:%s",	"--  \tmigrate:%s",
					    "-- migrate:%s  ",	"-- migrate:%s\r",
					    "--\fmigrate:%s\t", "-- migrate:%s x",
					    "-- migrate:%s --" };

	(void)state;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		const char *at = strstr(ways[i], "%s");
		const int head = (int)(at - ways[i]);
		auto_free char *up = memory_format("%.*sup%s\nx\n", head, ways[i], at + 2);
		auto_free char *down = memory_format("%.*sdown%s\ny", head, ways[i], at + 2);
		auto_free char *text = memory_format("%s%s", up, down);

		assert_sections(text, up, 1, down, 3);
	}
	/* To the letter: the blank may even be the end of a line. SQLite then stumbles over it, here as there. */
	assert_sections("--\n\nmigrate:up\nx\n--\nmigrate:down transaction:false\ny",
			"--\n\nmigrate:up\nx\n", 1, "--\nmigrate:down transaction:false\ny", 5);
}

static void what_only_looks_like_a_directive_is_none(void **state)
{
	static const char *const lines[] = { " -- migrate:down",  "-- migrate:downs",
					     "-- migrate:down;",  "-- Migrate:down",
					     "-- migrate: down",  "- - migrate:down",
					     "x -- migrate:down", "--- migrate:down",
					     "--\vmigrate:down",  "-- migrate:down\v",
					     "-- migrate:dow",	  "-- migrate:down\xc2\xa0" };

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		auto_free char *up = memory_format("-- migrate:up\nx\n%s\nz\n", lines[i]);
		auto_free char *text = memory_format("%s-- migrate:down\ny", up);

		assert_sections(text, up, 1, "-- migrate:down\ny", 5);
	}
}

static void line_ends_of_windows_stay(void **state)
{
	(void)state;
	assert_sections(
		"-- migrate:up\r\ncreate table t (x);\r\n-- migrate:down\r\ndrop table t;\r\n",
		"-- migrate:up\r\ncreate table t (x);\r\n", 1,
		"-- migrate:down\r\ndrop table t;\r\n", 3);
}

static void assert_transaction(const char *options, bool expected)
{
	auto_file file = { 0 };
	auto_free char *text = memory_format("-- migrate:up%s\nx\n-- migrate:down%s\ny\n", options,
					     expected ? " transaction:false" : "");

	parse(&file, text);
	assert_null(file.problem);
	if (file.up.transaction != expected || file.down.transaction == expected)
		fail_msg("\"%s\"", options);
}

static void only_transaction_false_is_without_one(void **state)
{
	static const char *const without[] = { " transaction:false",
					       "\ttransaction:false\r",
					       " transaction:false  ",
					       "  x:y transaction:false z",
					       " transaction:true transaction:false",
					       " transaction:false:x transaction:false",
					       " transaction:false transaction:true:x",
					       " \xc2\xa0transaction:false\xe3\x80\x80\xc2\xa0",
					       " \vtransaction:false\v" };
	static const char *const within[] = { "",
					      " transaction:true",
					      " transaction:False",
					      " transaction:falsely",
					      " transaction:fals",
					      " transaction:",
					      " transaction: false",
					      " transaction:false:",
					      " transaction=false",
					      " Transaction:false",
					      " xtransaction:false",
					      " transaction:false transaction:true",
					      " transaction:false,",
					      " x\vtransaction:false",
					      "\ntransaction:false",
					      "\n-- transaction:false" };

	(void)state;
	for (size_t i = 0; i < sizeof without / sizeof *without; i++)
		assert_transaction(without[i], false);
	for (size_t i = 0; i < sizeof within / sizeof *within; i++)
		assert_transaction(within[i], true);
}

static void assert_problem_of(const char *bytes, size_t length, const char *problem)
{
	auto_file file = { 0 };

	parse_bytes(&file, bytes, length);
	if (!file.problem || strcmp(file.problem, problem) != 0)
		fail_msg("%s\nsays:      %s\ninstead of %s", bytes, file.problem, problem);
	assert_null(file.up.text);
	assert_false(file.has_down);
	assert_int_equal(strlen(file.digest), 64);
}

static void what_dbmate_does_not_take_is_a_problem(void **state)
{
	static const char *const cases[][2] = {
		{ "", "has no line \"-- migrate:up\"" },
		{ "-- only this", "has no line \"-- migrate:up\"" },
		{ "ALTER TABLE t ADD COLUMN x;\n", "has no line \"-- migrate:up\"" },
		{ "-- migrate:down\ndrop table t;\n", "has no line \"-- migrate:up\"" },
		{ "-- migrate:upx\n-- migrate:down\n", "has no line \"-- migrate:up\"" },
		{ "-- migrate:up\ncreate table t (x);\n",
		  "line 1: there is no \"-- migrate:down\" to it" },
		/* Only one kind of line end is one. */
		{ "-- migrate:up\rx\r-- migrate:down\ry",
		  "line 1: there is no \"-- migrate:down\" to it" },
		{ "-- migrate:down\ndrop table t;\n-- migrate:up\ncreate table t (x);\n",
		  "line 3: \"-- migrate:up\" has to stand before \"-- migrate:down\"" },
		{ "-- why\nCREATE TABLE s(x);\n\n-- migrate:up\nx\n-- migrate:down\n",
		  "line 2: there may be only comments before \"-- migrate:up\"" },
		{ "/* why */\n-- migrate:up\nx\n-- migrate:down\n",
		  "line 1: there may be only comments before \"-- migrate:up\"" },
		{ "\v\n-- migrate:up\nx\n-- migrate:down\n",
		  "line 1: there may be only comments before \"-- migrate:up\"" },
		{ "\xef\xbb\xbf-- migrate:up\nx\n-- migrate:down\n",
		  "begins with a byte order mark, which dbmate does not take" },
		{ "\xef\xbb\xbf\n-- migrate:up\nx\n-- migrate:down\n",
		  "begins with a byte order mark, which dbmate does not take" },
		{ "-- migrate:up\nx\n-- migrate:up\ny\n-- migrate:down\nz\n",
		  "line 1: there is no \"-- migrate:down\" to it" },
		{ "-- migrate:up\nx\n-- migrate:down\ny\n-- migrate:down\nz\n",
		  "line 5: there is no \"-- migrate:up\" to this \"-- migrate:down\"" },
		{ "-- migrate:up\nx\n-- migrate:down\ny\n-- migrate:up\nx\n-- migrate:down\nz\n",
		  "line 5: a second \"-- migrate:up\": its version would be noted twice, "
		  "which SQLite refuses; make two files of it" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_problem_of(cases[i][0], strlen(cases[i][0]), cases[i][1]);
}

static void a_nul_byte_is_a_problem(void **state)
{
	static const char text[] = "-- migrate:up\nx\n-- migrate:down\n\0y";

	(void)state;
	assert_problem_of(text, sizeof text - 1, "line 4: has a NUL byte");
}

static void the_digest_is_of_all_bytes(void **state)
{
	auto_file file = { 0 }, empty = { 0 };

	(void)state;
	parse(&file, "abc");
	assert_string_equal(file.digest,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	parse(&empty, "");
	assert_string_equal(empty.digest,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* --- pairs -------------------------------------------------------------------------------------------------------- */

static void parse_pair(struct migration_file *file, const char *version, const char *up,
		       const char *down)
{
	file->version = memory_copy_text(version);
	file->bytes = memory_copy_text(up);
	file->length = up ? strlen(up) : 0;
	file->down_bytes = memory_copy_text(down);
	file->down_length = down ? strlen(down) : 0;
	migration_file_parse(file, MIGRATION_PAIRS);
}

static void files_of_a_pair_are_plain_sql(void **state)
{
	auto_file file = { 0 };

	(void)state;
	parse_pair(&file, "1", "x\n-- migrate:down\ny", "z");
	assert_null(file.problem);
	assert_section(&file, &file.up, "x\n-- migrate:down\ny", 1, true);
	assert_true(file.has_down);
	assert_ptr_equal(file.down.text, file.down_bytes);
	assert_int_equal(file.down.length, 1);
	assert_int_equal(file.down.first_line, 1);
	assert_true(file.down.transaction);
}

static void a_pair_may_lack_its_down_file_but_not_its_up_file(void **state)
{
	auto_file up = { 0 }, down = { 0 };

	(void)state;
	parse_pair(&up, "1", "", NULL);
	assert_null(up.problem);
	assert_false(up.has_down);
	parse_pair(&down, "1", NULL, "y");
	assert_string_equal(down.problem, "there is no up file to it");
}

static void a_number_that_golang_migrate_cannot_note_is_a_problem(void **state)
{
	auto_file most = { 0 }, more = { 0 };

	(void)state;
	parse_pair(&most, "09223372036854775807", "x", "y");
	assert_null(most.problem);
	parse_pair(&more, "9223372036854775808", "x", "y");
	assert_string_equal(more.problem, "its number is too large");
}

static void a_nul_byte_in_either_file_is_a_problem(void **state)
{
	auto_file file = { 0 };

	(void)state;
	file.version = memory_copy_text("1");
	file.bytes = memory_copy_text("x");
	file.length = 1;
	file.down_bytes = memory_copy("\n\0", 2);
	file.down_length = 2;
	migration_file_parse(&file, MIGRATION_PAIRS);
	assert_string_equal(file.problem, "its down file has a NUL byte");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_of_dbmates_is_digits_and_sql_at_the_end),
		cmocka_unit_test(a_name_of_a_pair_says_its_direction),
		cmocka_unit_test(versions_of_pairs_are_numbers_and_those_of_dbmate_are_not),
		cmocka_unit_test(a_file_has_a_section_up_and_one_down),
		cmocka_unit_test(comments_and_blank_lines_may_come_first),
		cmocka_unit_test(the_blank_in_a_directive_may_be_missing_or_be_any),
		cmocka_unit_test(what_only_looks_like_a_directive_is_none),
		cmocka_unit_test(line_ends_of_windows_stay),
		cmocka_unit_test(only_transaction_false_is_without_one),
		cmocka_unit_test(what_dbmate_does_not_take_is_a_problem),
		cmocka_unit_test(a_nul_byte_is_a_problem),
		cmocka_unit_test(the_digest_is_of_all_bytes),
		cmocka_unit_test(files_of_a_pair_are_plain_sql),
		cmocka_unit_test(a_pair_may_lack_its_down_file_but_not_its_up_file),
		cmocka_unit_test(a_number_that_golang_migrate_cannot_note_is_a_problem),
		cmocka_unit_test(a_nul_byte_in_either_file_is_a_problem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
