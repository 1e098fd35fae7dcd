#include "tests/unit/folder.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/migration_folder.h"

#define GOOD "-- migrate:up\nCREATE TABLE t(x);\n-- migrate:down\nDROP TABLE t;\n"

static void read_folder(struct migration_folder *folder, const char *path)
{
	struct error err = { 0 };

	if (!migration_folder_read(folder, path, &err))
		fail_msg("%s", err.text);
}

/* The names in their order, with a blank behind each; of pairs "UP+DOWN". */
static void assert_names(const struct migration_folder *folder, const char *expected)
{
	auto_text names = { 0 };

	for (size_t i = 0; i < folder->count; i++) {
		const struct migration_file *file = &folder->items[i];

		text_append(&names, "%s%s%s ", file->name, file->down_name ? "+" : "",
			    file->down_name ? file->down_name : "");
	}
	assert_string_equal(text_string(&names), expected);
}

static void assert_refused(const char *path, const char *name, const char *why)
{
	auto_migration_folder folder = MIGRATION_FOLDER_NONE;
	auto_free char *words = memory_format("%s/%s: %s", path, name, why);
	struct error err = { 0 };

	assert_false(migration_folder_read(&folder, path, &err));
	assert_string_equal(err.text, words);
	assert_int_equal(err.status, STATUS_TROUBLE);
}

/* --- what is taken ------------------------------------------------------------------------------------------------ */

static void files_of_dbmates_are_ordered_by_the_bytes_of_their_names(void **state)
{
	auto_migration_folder folder = MIGRATION_FOLDER_NONE;

	folder_write_text(*state, "9_b.sql", GOOD);
	folder_write_text(*state, "10_a.sql", GOOD);
	folder_write_text(*state, "10-z.sql", GOOD);
	folder_write_text(*state, "010_c.sql", GOOD);
	folder_write_text(*state, "1\xc3\xa4.sql", GOOD);
	folder_write_text(*state, "1A.sql", GOOD);
	read_folder(&folder, *state);
	assert_int_equal(folder.style, MIGRATION_DBMATE);
	assert_names(&folder, "010_c.sql 10-z.sql 10_a.sql 1A.sql 1\xc3\xa4.sql 9_b.sql ");
	assert_string_equal(folder.path, *state);
	assert_string_equal(folder.items[2].version, "10");
	assert_string_equal(folder.items[2].label, "a");
	assert_null(folder.items[2].problem);
	assert_int_equal(folder.items[2].length, strlen(GOOD));
	assert_string_equal(folder.items[2].bytes, GOOD);
	assert_int_equal(folder.items[2].down.first_line, 3);
	assert_int_equal(strlen(folder.items[2].digest), 64);
}

static void other_names_are_nobodys(void **state)
{
	static const char *const names[] = { ".#1_a.sql",    "1_a.sql~",  "1_a.SQL", "schema.sql",
					     "1_a.sql.orig", "#1_a.sql#", "README",  "1_a.txt" };
	auto_migration_folder folder = MIGRATION_FOLDER_NONE;
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		folder_write_text(*state, names[i], "nonsense");
	folder_write_text(*state, "sub/1_a.sql", "nonsense");
	assert_int_equal(symlink("/dev/zero", folder_path(*state, "link.sql", path)), 0);
	read_folder(&folder, *state);
	assert_int_equal(folder.count, 0);
	assert_int_equal(folder.style, MIGRATION_DBMATE);
	assert_null(migration_folder_find(&folder, "1"));
}

static void what_cannot_be_parsed_is_taken_with_its_problem(void **state)
{
	auto_migration_folder folder = MIGRATION_FOLDER_NONE;

	folder_write_text(*state, "1_a.sql", "");
	folder_write(*state, "2_b.sql", GOOD "\0", sizeof GOOD);
	read_folder(&folder, *state);
	assert_string_equal(folder.items[0].problem, "has no line \"-- migrate:up\"");
	assert_string_equal(folder.items[1].problem, "line 5: has a NUL byte");
}

static void versions_that_are_there_twice_are_both_taken(void **state)
{
	auto_migration_folder folder = MIGRATION_FOLDER_NONE;

	folder_write_text(*state, "1_a.sql", GOOD);
	folder_write_text(*state, "1_b.sql", GOOD);
	folder_write_text(*state, "01_c.sql", GOOD);
	read_folder(&folder, *state);
	assert_names(&folder, "01_c.sql 1_a.sql 1_b.sql ");
	assert_ptr_equal(migration_folder_find(&folder, "1"), &folder.items[1]);
	assert_ptr_equal(migration_folder_find(&folder, "01"), &folder.items[0]);
	assert_null(migration_folder_find(&folder, "001"));
}

static void pairs_are_put_together_and_ordered_by_number(void **state)
{
	auto_migration_folder folder = MIGRATION_FOLDER_NONE;

	folder_write_text(*state, "10_c.up.sql", "c");
	folder_write_text(*state, "2_b.up.sql", "b");
	folder_write_text(*state, "002_other.down.sql", "not b");
	folder_write_text(*state, "1_a.down.sql", "not a");
	folder_write_text(*state, "1_a.up.sql", "a");
	folder_write_text(*state, "README.sql", "");
	read_folder(&folder, *state);
	assert_int_equal(folder.style, MIGRATION_PAIRS);
	assert_names(&folder, "1_a.up.sql+1_a.down.sql 2_b.up.sql+002_other.down.sql 10_c.up.sql ");
	assert_string_equal(folder.items[0].bytes, "a");
	assert_string_equal(folder.items[0].down_bytes, "not a");
	assert_string_equal(folder.items[0].label, "a");
	assert_true(folder.items[1].has_down);
	assert_false(folder.items[2].has_down);
	for (size_t i = 0; i < folder.count; i++)
		assert_null(folder.items[i].problem);
	assert_ptr_equal(migration_folder_find(&folder, "0010"), &folder.items[2]);
}

static void pairs_of_one_number_go_together_by_their_labels(void **state)
{
	auto_migration_folder folder = MIGRATION_FOLDER_NONE;

	folder_write_text(*state, "1_a.up.sql", "a");
	folder_write_text(*state, "1_b.up.sql", "b");
	folder_write_text(*state, "1_b.down.sql", "not b");
	folder_write_text(*state, "1_a.down.sql", "not a");
	read_folder(&folder, *state);
	assert_names(&folder, "1_a.up.sql+1_a.down.sql 1_b.up.sql+1_b.down.sql ");
}

static void a_down_file_that_is_alone_is_a_problem(void **state)
{
	auto_migration_folder folder = MIGRATION_FOLDER_NONE;

	folder_write_text(*state, "1_a.up.sql", "a");
	folder_write_text(*state, "2_b.down.sql", "not b");
	read_folder(&folder, *state);
	assert_names(&folder, "1_a.up.sql 2_b.down.sql+2_b.down.sql ");
	assert_string_equal(folder.items[1].problem, "there is no up file to it");
}

static void a_second_down_file_of_a_number_is_alone(void **state)
{
	auto_migration_folder folder = MIGRATION_FOLDER_NONE;

	folder_write_text(*state, "1_a.up.sql", "a");
	folder_write_text(*state, "1_a.down.sql", "not a");
	folder_write_text(*state, "1_b.down.sql", "not b");
	read_folder(&folder, *state);
	assert_names(&folder, "1_a.up.sql+1_a.down.sql 1_b.down.sql+1_b.down.sql ");
	assert_string_equal(folder.items[0].down_bytes, "not a");
}

static void one_file_of_dbmates_makes_all_of_them_its_own(void **state)
{
	auto_migration_folder folder = MIGRATION_FOLDER_NONE, downs = MIGRATION_FOLDER_NONE;
	char path[PATH_MAX];

	folder_write_text(*state, "1_a.up.sql", "a");
	folder_write_text(*state, "1_a.down.sql", "a");
	folder_write_text(*state, "2_b.sql", GOOD);
	read_folder(&folder, *state);
	assert_int_equal(folder.style, MIGRATION_DBMATE);
	assert_names(&folder, "1_a.down.sql 1_a.up.sql 2_b.sql ");
	assert_non_null(folder.items[0].problem);
	assert_int_equal(unlink(folder_path(*state, "2_b.sql", path)), 0);
	assert_int_equal(unlink(folder_path(*state, "1_a.up.sql", path)), 0);
	read_folder(&downs, *state);
	assert_int_equal(downs.style, MIGRATION_DBMATE);
}

static void a_thousand_files_are_read(void **state)
{
	enum { FILES = 1000 };
	auto_migration_folder folder = MIGRATION_FOLDER_NONE;
	char name[32];

	for (int i = 0; i < FILES; i++) {
		(void)snprintf(name, sizeof name, "%04d_a.sql", i);
		folder_write_text(*state, name, GOOD);
	}
	read_folder(&folder, *state);
	assert_int_equal(folder.count, FILES);
	assert_ptr_equal(migration_folder_find(&folder, "0999"), &folder.items[999]);
}

static void what_was_read_stays_when_the_folder_is_replaced(void **state)
{
	auto_migration_folder folder = MIGRATION_FOLDER_NONE;
	char path[PATH_MAX], away[PATH_MAX];
	struct stat before = { 0 }, now = { 0 };

	folder_write_text(*state, "m/1_a.sql", GOOD);
	(void)folder_path(*state, "m", path);
	read_folder(&folder, path);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(rename(path, folder_path(*state, "away", away)), 0);
	assert_int_equal(symlink("/etc", path), 0);
	assert_int_equal(fstat(folder.fd, &now), 0);
	assert_int_equal(now.st_ino, before.st_ino);
	folder_write_text(*state, "away/1_a.sql", "other");
	assert_string_equal(folder.items[0].bytes, GOOD);
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

static void a_name_that_is_no_regular_file_is_refused(void **state)
{
	char path[PATH_MAX];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	folder_write_text(*state, "a.txt", GOOD);
	(void)folder_path(*state, "1_a.sql", path);
	assert_int_equal(symlink("a.txt", path), 0);
	assert_refused(*state, "1_a.sql", "is a symbolic link");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("nowhere", path), 0);
	assert_refused(*state, "1_a.sql", "is a symbolic link");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused(*state, "1_a.sql", "is no regular file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(*state, "1_a.sql", "is no regular file");
	assert_int_equal(rmdir(path), 0);
	assert_in_range(strlen(path), 1, sizeof address.sun_path - 1);
	memcpy(address.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
	assert_refused(*state, "1_a.sql", "is no regular file");
}

static void a_file_of_a_pair_is_looked_at_as_well(void **state)
{
	char path[PATH_MAX];

	folder_write_text(*state, "1_a.up.sql", "a");
	assert_int_equal(symlink("1_a.up.sql", folder_path(*state, "1_a.down.sql", path)), 0);
	assert_refused(*state, "1_a.down.sql", "is a symbolic link");
}

static void a_file_that_everybody_may_write_to_is_refused(void **state)
{
	char path[PATH_MAX];

	folder_write_text(*state, "1_a.sql", GOOD);
	assert_int_equal(chmod(folder_path(*state, "1_a.sql", path), 0602), 0);
	assert_refused(*state, "1_a.sql", "may be written to by everybody");
}

static void root_takes_only_files_of_root_and_of_the_owner_of_the_folder(void **state)
{
	auto_migration_folder folder = MIGRATION_FOLDER_NONE;
	char path[PATH_MAX];

	if (geteuid() != 0)
		skip();
	folder_write_text(*state, "1_a.sql", GOOD);
	assert_int_equal(chown(folder_path(*state, "1_a.sql", path), 12345, 0), 0);
	assert_refused(*state, "1_a.sql", "belongs neither to root nor to the owner of its folder");
	assert_int_equal(chown(*state, 12345, 0), 0);
	folder_write_text(*state, "2_b.sql", GOOD);
	read_folder(&folder, *state);
	assert_int_equal(folder.count, 2);
	assert_int_equal(chown(*state, 0, 0), 0);
}

static void a_file_of_more_than_64_mib_is_refused(void **state)
{
	auto_migration_folder folder = MIGRATION_FOLDER_NONE;
	char path[PATH_MAX];

	folder_write_text(*state, "1_a.sql", GOOD);
	(void)folder_path(*state, "1_a.sql", path);
	assert_int_equal(truncate(path, MIGRATION_FILE_MOST), 0);
	read_folder(&folder, *state);
	assert_int_equal(truncate(path, MIGRATION_FILE_MOST + 1), 0);
	assert_refused(*state, "1_a.sql", "is larger than 64 MiB");
}

static void control_characters_in_a_name_are_refused_and_shown_escaped(void **state)
{
	static const char *const names[][2] = {
		{ "1_a\n.sql", "1_a\\n.sql" },
		{ "1_\x1b[2J.sql", "1_\\x1b[2J.sql" },
		{ "1_\x7f.up.sql", "1_\\x7f.up.sql" },
		{ "1_\xc2\x9b.sql", "1_\\u{9b}.sql" },
	};
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		folder_write_text(*state, names[i][0], GOOD);
		assert_refused(*state, names[i][1], "has control characters in its name");
		assert_int_equal(unlink(folder_path(*state, names[i][0], path)), 0);
	}
}

static void hostile_names_without_them_are_taken(void **state)
{
	auto_migration_folder folder = MIGRATION_FOLDER_NONE;
	char longest[256];

	memset(longest, '1', sizeof longest);
	memcpy(longest + 251, ".sql", 5);
	folder_write_text(*state, "1_$(rm -rf ~)'\"\\ ;.sql", GOOD);
	folder_write_text(*state, "2_\xff\xfe.sql", GOOD);
	folder_write_text(*state, "3_%s%n.sql", GOOD);
	folder_write_text(*state, longest, GOOD);
	read_folder(&folder, *state);
	assert_int_equal(folder.count, 4);
	assert_int_equal(strlen(folder.items[0].version), 251);
}

static void a_folder_that_is_none_is_an_error(void **state)
{
	auto_migration_folder folder = MIGRATION_FOLDER_NONE, missing = MIGRATION_FOLDER_NONE;
	struct error err = { 0 };
	char path[PATH_MAX];

	folder_write_text(*state, "a\x1b", GOOD);
	assert_false(migration_folder_read(&folder, folder_path(*state, "a\x1b", path), &err));
	assert_non_null(strstr(err.text, "/a\\x1b: cannot open the folder: Not a directory"));
	assert_false(migration_folder_read(&missing, folder_path(*state, "none", path), &err));
	assert_non_null(strstr(err.text, "/none: cannot open the folder: No such file"));
	assert_int_equal(err.status, STATUS_TROUBLE);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(files_of_dbmates_are_ordered_by_the_bytes_of_their_names),
		IN_FOLDER(other_names_are_nobodys),
		IN_FOLDER(what_cannot_be_parsed_is_taken_with_its_problem),
		IN_FOLDER(versions_that_are_there_twice_are_both_taken),
		IN_FOLDER(pairs_are_put_together_and_ordered_by_number),
		IN_FOLDER(pairs_of_one_number_go_together_by_their_labels),
		IN_FOLDER(a_down_file_that_is_alone_is_a_problem),
		IN_FOLDER(a_second_down_file_of_a_number_is_alone),
		IN_FOLDER(one_file_of_dbmates_makes_all_of_them_its_own),
		IN_FOLDER(a_thousand_files_are_read),
		IN_FOLDER(what_was_read_stays_when_the_folder_is_replaced),
		IN_FOLDER(a_name_that_is_no_regular_file_is_refused),
		IN_FOLDER(a_file_of_a_pair_is_looked_at_as_well),
		IN_FOLDER(a_file_that_everybody_may_write_to_is_refused),
		IN_FOLDER(root_takes_only_files_of_root_and_of_the_owner_of_the_folder),
		IN_FOLDER(a_file_of_more_than_64_mib_is_refused),
		IN_FOLDER(control_characters_in_a_name_are_refused_and_shown_escaped),
		IN_FOLDER(hostile_names_without_them_are_taken),
		IN_FOLDER(a_folder_that_is_none_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
