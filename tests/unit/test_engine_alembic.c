#include "tests/unit/folder.h"

#include "common/base/scope.h"
#include "common/engine_alembic.h"

#define auto_revisions __attribute__((cleanup(revisions_release))) struct revisions

/* --- what `alembic history` prints ------------------------------------------------------------------------------------ */

/* "VERSION<PARENT<PARENT:name", one a line, oldest first. */
static char *shown(const struct revisions *revisions)
{
	auto_text text = { 0 };

	for (size_t i = 0; i < revisions->count; i++) {
		const struct revision *revision = &revisions->items[i];

		text_append(&text, "%s", revision->version);
		for (size_t j = 0; j < revision->parents.count; j++)
			text_append(&text, "<%s", revision->parents.items[j]);
		for (size_t j = 0; j < revision->needs.count; j++)
			text_append(&text, "<%s", revision->needs.items[j]);
		text_append(&text, ":%s\n", revision->name);
		assert_string_equal(revision->file, "");
		assert_false(revision->applied);
	}
	return text_take(&text);
}

static void assert_history(const char *said, const char *expected, const char *heads)
{
	auto_revisions revisions = { 0 };
	auto_free char *found = NULL, *ends = NULL;

	engine_alembic_read(said, &revisions);
	found = shown(&revisions);
	ends = revisions_text(&revisions.heads);
	assert_string_equal(found, expected);
	assert_string_equal(ends ? ends : "", heads);
	assert_int_equal(revisions.current.count, 0);
	assert_int_equal(revisions.problems.count, 0);
}

static void a_chain_is_read_from_the_oldest_on(void **state)
{
	(void)state;
	assert_history("8f0c4b7a9d21 -> c5d1e2f3a4b5 (head), add guilds\n"
		       "1975ea83b712 -> 8f0c4b7a9d21, add index\n"
		       "<base> -> 1975ea83b712, create users\n",
		       "1975ea83b712:create users\n"
		       "8f0c4b7a9d21<1975ea83b712:add index\n"
		       "c5d1e2f3a4b5<8f0c4b7a9d21:add guilds\n",
		       "c5d1e2f3a4b5");
}

/* To the letter what Alembic 1.8.1 prints of a project with all that there is. */
static void branches_labels_merges_and_dependencies_are_read(void **state)
{
	(void)state;
	assert_history(
		"33aa -> 44bb (web, core, right) (head), \n"
		"1188, 2299 (0077) -> 33aa (web, core, right) (mergepoint), merge with dependency\n"
		"dd44 -> 1188 (web, core, right), one\n"
		"dd44 -> 2299 (web, core, right), two\n"
		"ff66 (dd44) -> 0077 (jobs) (effective head), ends with a comma, \n"
		"ee55 (bb22, cc33) -> ff66 (jobs), depends\n"
		"<base> -> ee55 (jobs), jobs, second base\n"
		"bb22, cc33 -> dd44 (web, core, right) (branchpoint) (mergepoint), merge bb22 and cc33\n"
		"aa11 -> bb22 (web, core), left\n"
		"aa11 -> cc33 (web, core, right), right (head), x\n"
		"<base> -> aa11 (web, core) (branchpoint), create users, guilds (and an index) -> done\n",
		"aa11:create users, guilds (and an index) -> done\n"
		"cc33<aa11:right (head), x\n"
		"bb22<aa11:left\n"
		"dd44<bb22<cc33:merge bb22 and cc33\n"
		"ee55:jobs, second base\n"
		"ff66<ee55<bb22<cc33:depends\n"
		"0077<ff66<dd44:ends with a comma, \n"
		"2299<dd44:two\n"
		"1188<dd44:one\n"
		"33aa<1188<2299<0077:merge with dependency\n"
		"44bb<33aa:\n",
		/* `alembic heads` names both, and `alembic upgrade head` refuses to choose. */
		"0077,44bb");
}

static void a_first_revision_may_depend_on_another(void **state)
{
	(void)state;
	assert_history("<base> (r00) -> r01 (head), one\n<base> -> r00 (effective head), none\n",
		       "r00:none\nr01<r00:one\n", "r00,r01");
}

static void two_ends_are_two_heads(void **state)
{
	(void)state;
	assert_history("aa -> cc (head), right\naa -> bb (head), left\n"
		       "<base> -> aa (branchpoint), first\n",
		       "aa:first\nbb<aa:left\ncc<aa:right\n", "bb,cc");
}

static void docs_may_look_like_anything(void **state)
{
	(void)state;
	assert_history("<base> -> a1 (head), (x) (head), y -> z (w)\n",
		       "a1:(x) (head), y -> z (w)\n", "a1");
	assert_history("<base> -> a1 (head), , -> , ->  -> \n", "a1:, -> , ->  -> \n", "a1");
	assert_history("<base> -> a1 (head), \xff\x1b[2J\n", "a1:\xff\x1b[2J\n", "a1");
	assert_history("<base> -> a1 (head), )(\n", "a1:)(\n", "a1");
}

static void the_database_of_alembic_current_is_no_part_of_a_name(void **state)
{
	(void)state;
	assert_history("<base> -> a1 (web) (effective head) (current) (branchpoint), x\n", "a1:x\n",
		       "a1");
}

static void the_last_line_needs_no_end(void **state)
{
	(void)state;
	assert_history("<base> -> a1 (head), x", "a1:x\n", "a1");
	assert_history("<base> -> a1 (head)", "a1:\n", "a1");
	assert_history("", "", "");
	assert_history("\n\n", "", "");
}

/* What configured loggers, env.py and warnings print between the lines. */
static void lines_of_another_form_are_left_out(void **state)
{
	(void)state;
	assert_history("INFO  [alembic.runtime.migration] Context impl SQLiteImpl.\n"
		       "Loading the settings of prod ...\n"
		       "  warnings.warn(\"a -> b\")\n"
		       "->\n -> \n -> x\n"
		       "a1 ->\n"
		       "<base> -> a1 (head), x\n"
		       "done (2 files)\n",
		       "a1:x\n", "a1");
}

static void an_arrow_alone_makes_no_revision(void **state)
{
	(void)state;
	assert_history("INFO  [alembic.runtime.migration] Running upgrade a0 -> a1, x\n"
		       "settings: moved users -> guilds\n"
		       "<base> -> a1 (head), x\n",
		       "a1:x\n", "a1");
}

/* Alembic prints the first paragraph of a script's doc, as it is. */
static void a_doc_of_several_lines_makes_no_revisions(void **state)
{
	(void)state;
	assert_history("<base> -> a1 (head), rename columns:\nold -> new, and more\n",
		       "a1:rename columns:\n", "a1");
}

static void a_revision_that_is_named_twice_as_a_parent_is_one_parent(void **state)
{
	(void)state;
	assert_history("a1 (a1) -> b1 (head), y\n<base> -> a1, x\n", "a1:x\nb1<a1<a1:y\n", "b1");
}

/* --- alembic.ini with another URL ------------------------------------------------------------------------------------- */

static void assert_rewritten(const char *ini, const char *folder, const char *database,
			     const char *expected)
{
	auto_free char *text = engine_alembic_rewrite(ini, folder, database);

	assert_string_equal(text, expected);
}

static void the_url_becomes_that_of_the_copy(void **state)
{
	(void)state;
	assert_rewritten("# one\n[alembic]\nscript_location = alembic\n"
			 "sqlalchemy.url = sqlite:///bot.db\n\n[loggers]\nkeys = root\n",
			 "/srv", "/work/bot.db",
			 "# one\n[alembic]\nscript_location = alembic\n"
			 "sqlalchemy.url = sqlite:////work/bot.db\n\n[loggers]\nkeys = root\n");
}

static void all_ways_to_write_the_setting_are_found(void **state)
{
	static const char expected[] = "[alembic]\nsqlalchemy.url = sqlite:////w/b.db\n";

	(void)state;
	assert_rewritten("[alembic]\nsqlalchemy.url=sqlite:///b", "/s", "/w/b.db", expected);
	assert_rewritten("[alembic]\nsqlalchemy.url : sqlite:///b\n", "/s", "/w/b.db", expected);
	assert_rewritten("[alembic]\nsqlalchemy.url\t=\tsqlite:///b\n", "/s", "/w/b.db", expected);
	assert_rewritten("[alembic]\nsqlalchemy.url =\n", "/s", "/w/b.db", expected);
	assert_rewritten("[alembic]\nsqlalchemy.url = driver://user:pass@localhost/dbname\n", "/s",
			 "/w/b.db", expected);
}

/* configparser does not tell large letters from small ones. */
static void the_setting_is_found_in_any_letters(void **state)
{
	(void)state;
	assert_rewritten("[alembic]\nSQLAlchemy.URL = sqlite:///b\n", "/s", "/w/b.db",
			 "[alembic]\nsqlalchemy.url = sqlite:////w/b.db\n");
}

static void other_settings_and_comments_stay(void **state)
{
	(void)state;
	assert_rewritten("[alembic]\n# sqlalchemy.url = a\n;sqlalchemy.url = b\n"
			 "sqlalchemy.url_of_docs = c\nsqlalchemy.urls = d\n"
			 "sqlalchemy.url = sqlite:///e\n",
			 "/s", "/w/b.db",
			 "[alembic]\n# sqlalchemy.url = a\n;sqlalchemy.url = b\n"
			 "sqlalchemy.url_of_docs = c\nsqlalchemy.urls = d\n"
			 "sqlalchemy.url = sqlite:////w/b.db\n");
}

static void the_driver_stays(void **state)
{
	(void)state;
	assert_rewritten("[alembic]\nsqlalchemy.url = sqlite+aiosqlite:///bot.db\n", "/s",
			 "/w/b.db", "[alembic]\nsqlalchemy.url = sqlite+aiosqlite:////w/b.db\n");
	assert_rewritten("[alembic]\nsqlalchemy.url = sqlite+pysqlite:////srv/bot.db\n", "/s",
			 "/w/b.db", "[alembic]\nsqlalchemy.url = sqlite+pysqlite:////w/b.db\n");
}

static void here_is_the_folder_that_it_was(void **state)
{
	(void)state;
	assert_rewritten("[alembic]\nscript_location = %(here)s/alembic:%(here)s/b\n"
			 "sqlalchemy.url = sqlite:///%(here)s/bot.db\n",
			 "/srv/bot", "/w/b.db",
			 "[alembic]\nscript_location = /srv/bot/alembic:/srv/bot/b\n"
			 "sqlalchemy.url = sqlite:////w/b.db\n");
}

static void percent_signs_mean_themselves(void **state)
{
	(void)state;
	assert_rewritten("[alembic]\nsqlalchemy.url = sqlite:///b\nscript_location = %(here)s/a\n"
			 "file_template = %%(rev)s_%%(slug)s\n",
			 "/srv/50%(x)s", "/w/100%/b.db",
			 "[alembic]\nsqlalchemy.url = sqlite:////w/100%%/b.db\n"
			 "script_location = /srv/50%%(x)s/a\nfile_template = %%(rev)s_%%(slug)s\n");
}

static void a_doubled_percent_sign_begins_nothing(void **state)
{
	(void)state;
	assert_rewritten("[alembic]\nsqlalchemy.url = sqlite:///b\nx = %%(here)s\n", "/srv",
			 "/w/b.db",
			 "[alembic]\nsqlalchemy.url = sqlite:////w/b.db\nx = %%(here)s\n");
}

static void a_url_that_is_missing_is_added(void **state)
{
	(void)state;
	assert_rewritten("[loggers]\nkeys = root\n[alembic]\nscript_location = a\n", "/s",
			 "/w/b.db",
			 "[loggers]\nkeys = root\n[alembic]\nsqlalchemy.url = sqlite:////w/b.db\n"
			 "script_location = a\n");
	assert_rewritten("[alembic]", "/s", "/w/b.db",
			 "[alembic]\nsqlalchemy.url = sqlite:////w/b.db\n");
	assert_rewritten("", "/s", "/w/b.db", "[alembic]\nsqlalchemy.url = sqlite:////w/b.db\n");
	assert_rewritten("[loggers]\nkeys = root\n", "/s", "/w/b.db",
			 "[alembic]\nsqlalchemy.url = sqlite:////w/b.db\n[loggers]\nkeys = root\n");
}

static void the_url_is_not_added_behind_a_comment(void **state)
{
	(void)state;
	assert_rewritten("# all of [alembic]\n[alembic]\nscript_location = a\n", "/s", "/w/b.db",
			 "# all of [alembic]\n[alembic]\nsqlalchemy.url = sqlite:////w/b.db\n"
			 "script_location = a\n");
}

static void windows_line_ends_have_a_section_too(void **state)
{
	auto_free char *text =
		engine_alembic_rewrite("[alembic]\r\nscript_location = a\r\n", "/s", "/w/b.db");
	const char *section = strstr(text, "[alembic]");

	/* A second one would be refused by configparser. */
	(void)state;
	assert_ptr_equal(section, text);
	assert_null(strstr(section + 1, "[alembic]"));
	assert_non_null(strstr(text, "\nsqlalchemy.url = sqlite:////w/b.db\n"));
}

/* No section may go on to name the real database, and [alembic] needs one of its own. */
static void a_url_in_another_section_does_not_stand_for_that_of_alembic(void **state)
{
	(void)state;
	assert_rewritten("[prod]\nsqlalchemy.url = sqlite+aiosqlite:///p.db\n[alembic]\nx = y\n",
			 "/s", "/w/b.db",
			 "[prod]\nsqlalchemy.url = sqlite+aiosqlite:////w/b.db\n[alembic]\n"
			 "sqlalchemy.url = sqlite:////w/b.db\nx = y\n");
}

static void urls_of_all_sections_are_those_of_the_copy(void **state)
{
	(void)state;
	assert_rewritten(
		"[alembic]\nsqlalchemy.url = sqlite:///a\n[prod]\nsqlalchemy.url = sqlite:///p\n",
		"/s", "/w/b.db",
		"[alembic]\nsqlalchemy.url = sqlite:////w/b.db\n[prod]\n"
		"sqlalchemy.url = sqlite:////w/b.db\n");
}

/* Lines that are indented belong to the setting above them. */
static void a_url_on_a_line_of_its_own_is_replaced(void **state)
{
	(void)state;
	assert_rewritten("[alembic]\nsqlalchemy.url =\n    sqlite:///bot.db\nx = y\n", "/s",
			 "/w/b.db", "[alembic]\nsqlalchemy.url = sqlite:////w/b.db\nx = y\n");
}

/* --- where its scripts are ----------------------------------------------------------------------------------------- */

static void assert_scripts(const char *folder, const char *ini, const char *expected)
{
	char path[PATH_MAX];
	struct error err = { 0 };

	folder_write_text(folder, "alembic.ini", ini);

	auto_free char *found = engine_alembic_scripts(folder_path(folder, "alembic.ini", path),
						       "/srv", geteuid(), &err);

	assert_non_null(found);
	assert_string_equal(found, expected);
}

static void the_scripts_are_where_the_setting_says(void **state)
{
	assert_scripts(*state, "[alembic]\nscript_location = alembic\n", "/srv/alembic");
	assert_scripts(*state, "[alembic]\nscript_location=db/alembic", "/srv/db/alembic");
	assert_scripts(*state, "[alembic]\nscript_location: %(here)s/m\n", "/srv/m");
	assert_scripts(*state, "\n\n[alembic]\n\nx = y\nscript_location =\t/opt/m\r\n", "/opt/m");
	assert_scripts(*state, "[alembic]\n# script_location = a\nscript_location = b\n", "/srv/b");
	assert_scripts(*state, "[alembic]\nscript_locations = a\nscript_location = b\n", "/srv/b");
}

static void blanks_behind_the_setting_are_none_of_it(void **state)
{
	assert_scripts(*state, "[alembic]\nscript_location = alembic \t\n", "/srv/alembic");
}

static void here_alone_is_the_folder(void **state)
{
	assert_scripts(*state, "[alembic]\nscript_location = %(here)s\n", "/srv");
}

static void without_the_setting_it_is_the_folder(void **state)
{
	assert_scripts(*state, "[alembic]\nx = y\n", "/srv");
	assert_scripts(*state, "", "/srv");
}

static void a_file_that_cannot_be_read_is_trouble(void **state)
{
	char path[PATH_MAX];
	struct error err = { 0 };

	assert_null(engine_alembic_scripts(folder_path(*state, "none\n.ini", path), "/srv",
					   geteuid(), &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_non_null(strstr(err.text, "none\\n.ini: cannot be read: No such file"));

	struct error other = { 0 };

	assert_null(engine_alembic_scripts(*state, "/srv", geteuid(), &other));
	assert_int_equal(other.status, STATUS_TROUBLE);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_is_read_from_the_oldest_on),
		cmocka_unit_test(branches_labels_merges_and_dependencies_are_read),
		cmocka_unit_test(a_first_revision_may_depend_on_another),
		cmocka_unit_test(two_ends_are_two_heads),
		cmocka_unit_test(docs_may_look_like_anything),
		cmocka_unit_test(the_database_of_alembic_current_is_no_part_of_a_name),
		cmocka_unit_test(the_last_line_needs_no_end),
		cmocka_unit_test(lines_of_another_form_are_left_out),
		cmocka_unit_test(an_arrow_alone_makes_no_revision),
		cmocka_unit_test(a_doc_of_several_lines_makes_no_revisions),
		cmocka_unit_test(a_revision_that_is_named_twice_as_a_parent_is_one_parent),
		cmocka_unit_test(the_url_becomes_that_of_the_copy),
		cmocka_unit_test(all_ways_to_write_the_setting_are_found),
		cmocka_unit_test(the_setting_is_found_in_any_letters),
		cmocka_unit_test(other_settings_and_comments_stay),
		cmocka_unit_test(the_driver_stays),
		cmocka_unit_test(here_is_the_folder_that_it_was),
		cmocka_unit_test(percent_signs_mean_themselves),
		cmocka_unit_test(a_doubled_percent_sign_begins_nothing),
		cmocka_unit_test(a_url_that_is_missing_is_added),
		cmocka_unit_test(the_url_is_not_added_behind_a_comment),
		cmocka_unit_test(windows_line_ends_have_a_section_too),
		cmocka_unit_test(a_url_in_another_section_does_not_stand_for_that_of_alembic),
		cmocka_unit_test(urls_of_all_sections_are_those_of_the_copy),
		cmocka_unit_test(a_url_on_a_line_of_its_own_is_replaced),
		IN_FOLDER(the_scripts_are_where_the_setting_says),
		IN_FOLDER(blanks_behind_the_setting_are_none_of_it),
		IN_FOLDER(here_alone_is_the_folder),
		IN_FOLDER(without_the_setting_it_is_the_folder),
		IN_FOLDER(a_file_that_cannot_be_read_is_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
