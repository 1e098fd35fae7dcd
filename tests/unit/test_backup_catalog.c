#include "tests/unit/folder.h"

#include "common/backup_catalog.h"
#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"

static const char bot[] = "/srv/bot.db";

/* --- retention ------------------------------------------------------------------------------------------------ */

static int64_t at(const char *words)
{
	int64_t first = 0, last = 0;

	if (!clock_parse(words, &first, &last))
		fail_msg("\"%s\" is no time", words);
	return first;
}

static struct backup_manifest *add(struct backup_catalog *catalog, const char *source,
				   const char *time, enum integrity verified)
{
	struct backup_manifest *manifest = &memory_append(catalog)->manifest;

	manifest->file = memory_copy_text(time);
	manifest->source = memory_copy_text(source);
	manifest->host = memory_copy_text("here");
	manifest->inode = 131;
	manifest->facts.pages = 2;
	manifest->time = at(time);
	manifest->verified = verified;
	return manifest;
}

/* Retention for the backups of that database on this machine. */
static size_t retained(struct backup_catalog *catalog, const struct backup_rules *rules)
{
	char source[] = "/srv/bot.db", host[] = "here";
	const struct backup_manifest own = { .source = source, .host = host, .inode = 131 };

	return backup_retention(catalog, &own, rules);
}

/* One rule set over one list of times; a time that begins with "+" is to be kept, with "-" dropped. */
static void check_rules(const char *what, struct backup_rules rules, const char *const *times)
{
	auto_backup_catalog catalog = { 0 };
	size_t dropped = 0;

	for (const char *const *time = times; *time; time++) {
		(void)add(&catalog, bot, *time + 1, INTEGRITY_QUICK);
		dropped += **time == '-';
	}

	const size_t said = retained(&catalog, &rules);

	for (size_t i = 0; i < catalog.count; i++)
		if (catalog.items[i].keep != (times[i][0] == '+'))
			fail_msg("%s: %s was %s", what, times[i] + 1,
				 catalog.items[i].keep ? "kept" : "dropped");
	assert_int_equal(said, dropped);
}

#define RULES(...) ((struct backup_rules){ __VA_ARGS__ })
#define CHECK_RULES(rules, ...) \
	check_rules(#rules, rules, (const char *const[]){ __VA_ARGS__, NULL })

static void without_a_rule_everything_is_kept(void **state)
{
	(void)state;
	CHECK_RULES(RULES(0), "+1971-01-01", "+2026-11-20", "+2026-11-20T01:00", "+2026-11-22");
}

static void the_newest_ones_are_kept(void **state)
{
	(void)state;
	CHECK_RULES(RULES(.last = 1), "-2026-11-20", "-2026-11-21", "+2026-11-22");
	CHECK_RULES(RULES(.last = 2), "-2026-11-20", "+2026-11-21", "+2026-11-22");
	CHECK_RULES(RULES(.last = 3), "+2026-11-20", "+2026-11-21", "+2026-11-22");
	CHECK_RULES(RULES(.last = UINT64_MAX), "+2026-11-20", "+2026-11-21", "+2026-11-22");
	CHECK_RULES(RULES(.last = 2), "-2026-11-22T12:00", "+2026-11-22T12:00:00.001",
		    "+2026-11-22T12:00:00.002");
}

static void of_each_day_the_newest_is_kept(void **state)
{
	(void)state;
	CHECK_RULES(RULES(.daily = 2), "-2026-11-20T23:59", "-2026-11-21T00:00",
		    "+2026-11-21T23:59:59.999", "-2026-11-22T00:00:00.000",
		    "+2026-11-22T00:00:00.001");
	CHECK_RULES(RULES(.daily = 1), "-2026-11-21T23:59", "-2026-11-22T01:00",
		    "+2026-11-22T02:00");
}

static void days_without_a_backup_do_not_count(void **state)
{
	(void)state;
	CHECK_RULES(RULES(.daily = 3), "-2026-01-01", "+2026-03-01", "+2026-09-09", "+2026-11-22");
}

static void a_week_begins_on_monday(void **state)
{
	(void)state;
	/* 2026-11-22 is a Sunday. */
	CHECK_RULES(RULES(.weekly = 2), "-2026-11-16", "-2026-11-21", "+2026-11-22T23:59:59.999",
		    "-2026-11-23T00:00", "+2026-11-23T00:00:00.001");
	CHECK_RULES(RULES(.weekly = 1), "-2026-11-15T23:59", "-2026-11-16T00:00", "+2026-11-22");
	CHECK_RULES(RULES(.weekly = 2), "+2026-11-15T23:59", "-2026-11-16T00:00", "+2026-11-22");
}

/* ISO 8601: 2026-W53 is from 2026-12-28 to 2027-01-03, 2025-W01 from 2024-12-30 to 2025-01-05. */
static void a_week_over_the_end_of_a_year_is_one_week(void **state)
{
	(void)state;
	CHECK_RULES(RULES(.weekly = 3), "-2026-12-26", "+2026-12-27", "-2026-12-28", "-2026-12-31",
		    "-2027-01-01", "+2027-01-03", "+2027-01-04");
	CHECK_RULES(RULES(.weekly = 2), "-2024-12-29", "-2024-12-30", "+2025-01-05", "+2025-01-06");
	CHECK_RULES(RULES(.weekly = 1), "-2024-12-31", "+2025-01-01");
	/* 2020-12-28 to 2021-01-03 was a W53, 2021-01-04 a W01. */
	CHECK_RULES(RULES(.weekly = 2), "-2020-12-31", "+2021-01-03", "+2021-01-04");
}

static void of_each_month_the_newest_is_kept(void **state)
{
	(void)state;
	CHECK_RULES(RULES(.monthly = 2), "-2026-09-30", "-2026-10-01", "+2026-10-31T23:59:59.999",
		    "-2026-11-01T00:00", "+2026-11-22");
	CHECK_RULES(RULES(.monthly = 3), "-2023-12-31", "+2024-02-29", "-2024-12-31T23:00",
		    "+2024-12-31T23:59", "+2025-01-01");
	/* The same month of another year is another month. */
	CHECK_RULES(RULES(.monthly = 2), "-2024-11-22", "+2025-11-22", "+2026-11-22");
}

static void what_any_rule_keeps_is_kept(void **state)
{
	(void)state;
	CHECK_RULES(RULES(.last = 2, .daily = 2, .weekly = 2, .monthly = 3), "-2026-08-31",
		    "+2026-09-30",			      /* month */
		    "-2026-10-30", "+2026-10-31",	      /* month */
		    "-2026-11-14", "+2026-11-15",	      /* week */
		    "-2026-11-20", "+2026-11-21",	      /* day */
		    "-2026-11-22T01:00", "+2026-11-22T02:00", /* last */
		    "+2026-11-22T03:00");
}

static void one_backup_may_be_that_of_all_rules(void **state)
{
	(void)state;
	CHECK_RULES(RULES(.last = 1, .daily = 1, .weekly = 1, .monthly = 1), "-2026-11-22T01:00",
		    "+2026-11-22T02:00");
}

static void the_newest_is_kept_whatever_the_rules(void **state)
{
	(void)state;
	CHECK_RULES(RULES(.daily = 1), "+2026-11-22");
	CHECK_RULES(RULES(.monthly = 1), "+1970-01-01");
	CHECK_RULES(RULES(.weekly = 1), "-2026-11-22T01:00", "+2026-11-22T01:00:00.001");
}

static void two_of_the_same_millisecond_are_two(void **state)
{
	(void)state;
	CHECK_RULES(RULES(.last = 2), "-2026-11-22T01:00", "+2026-11-22T02:00",
		    "+2026-11-22T02:00");
	CHECK_RULES(RULES(.last = 1), "-2026-11-22T02:00", "+2026-11-22T02:00");
	CHECK_RULES(RULES(.daily = 2), "+2026-11-21", "-2026-11-22T02:00", "+2026-11-22T02:00");
}

static void backups_of_other_databases_are_kept_and_take_no_place(void **state)
{
	static const char *const others[] = {
		"/srv/other.db", "/srv/bot.db2", "/srv/bot", "/srv/Bot.db", "/", "/srv//bot.db"
	};
	const struct backup_rules rules = { .last = 1, .daily = 2 };
	auto_backup_catalog catalog = { 0 };

	(void)state;
	(void)add(&catalog, bot, "2026-11-20", INTEGRITY_FULL);
	(void)add(&catalog, bot, "2026-11-21", INTEGRITY_FULL);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		(void)add(&catalog, others[i], "2026-11-21T12:00", INTEGRITY_FULL);
	(void)add(&catalog, bot, "2026-11-22", INTEGRITY_FULL);
	(void)add(&catalog, "/srv/other.db", "2026-11-23", INTEGRITY_FULL);
	assert_int_equal(retained(&catalog, &rules), 1);
	assert_false(catalog.items[0].keep);
	for (size_t i = 1; i < catalog.count; i++)
		assert_true(catalog.items[i].keep);
}

static void unverified_ones_are_kept_and_take_no_place(void **state)
{
	const struct backup_rules rules = { .last = 1 };
	auto_backup_catalog catalog = { 0 };

	(void)state;
	(void)add(&catalog, bot, "2026-11-19", INTEGRITY_NONE);
	(void)add(&catalog, bot, "2026-11-20", INTEGRITY_QUICK);
	(void)add(&catalog, bot, "2026-11-21", INTEGRITY_FULL);
	(void)add(&catalog, bot, "2026-11-22", INTEGRITY_NONE);
	assert_int_equal(retained(&catalog, &rules), 1);
	assert_true(catalog.items[0].keep);
	assert_false(catalog.items[1].keep);
	/* The newest that is verified, though an unverified one is newer. */
	assert_true(catalog.items[2].keep);
	assert_true(catalog.items[3].keep);
}

static void a_machine_of_another_name_has_its_own_unless_it_is_the_same_file(void **state)
{
	const struct backup_rules rules = { .last = 1 };
	auto_backup_catalog catalog = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct backup_manifest *manifest =
			add(&catalog, bot, "2026-11-20", INTEGRITY_QUICK);

		free(manifest->host);
		manifest->host = memory_copy_text(i & 1 ? "there" : "here");
		manifest->inode = i & 2 ? 131 : 7;
	}
	(void)add(&catalog, bot, "2026-11-21", INTEGRITY_QUICK);
	assert_int_equal(retained(&catalog, &rules), 3);
	assert_false(catalog.items[0].keep); /* here, another file: it was replaced */
	assert_true(catalog.items[1].keep);  /* there, another file */
	assert_false(catalog.items[2].keep); /* here, this file */
	assert_false(catalog.items[3].keep); /* there, this file: a container made anew */
	assert_true(catalog.items[4].keep);
}

static void an_emptied_database_does_not_push_out_the_last_with_anything_in_it(void **state)
{
	const struct backup_rules rules = { .last = 2 };
	auto_backup_catalog catalog = { 0 };

	(void)state;
	(void)add(&catalog, bot, "2026-11-18", INTEGRITY_QUICK);
	(void)add(&catalog, bot, "2026-11-19", INTEGRITY_QUICK);
	for (int i = 0; i < 3; i++)
		add(&catalog, bot, "2026-11-20", INTEGRITY_QUICK)->facts.pages = 0;
	assert_int_equal(retained(&catalog, &rules), 2);
	assert_false(catalog.items[0].keep);
	assert_true(catalog.items[1].keep);
	assert_false(catalog.items[2].keep);
	assert_true(catalog.items[3].keep && catalog.items[4].keep);
}

static void what_was_decided_before_has_no_say(void **state)
{
	const struct backup_rules one = { .last = 1 }, all = { 0 };
	auto_backup_catalog catalog = { 0 };

	(void)state;
	(void)add(&catalog, bot, "2026-11-20", INTEGRITY_QUICK);
	(void)add(&catalog, bot, "2026-11-21", INTEGRITY_QUICK);
	assert_int_equal(retained(&catalog, &all), 0);
	assert_int_equal(retained(&catalog, &one), 1);
	assert_false(catalog.items[0].keep);
	assert_int_equal(retained(&catalog, &all), 0);
	assert_true(catalog.items[0].keep);
}

static void an_empty_folder_has_nothing_to_drop(void **state)
{
	const struct backup_rules rules = { .last = 1 };
	auto_backup_catalog catalog = { 0 };

	(void)state;
	assert_int_equal(retained(&catalog, &rules), 0);
}

/* --- the folder ----------------------------------------------------------------------------------------------- */

static int opened(const char *folder)
{
	const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static bool is_there(const char *folder, const char *name)
{
	char path[PATH_MAX];

	return faccessat(AT_FDCWD, folder_path(folder, name, path), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The manifest of a file of that many bytes, written as that of `named`. */
static void put_manifest(const char *folder, const char *file, const char *named, const char *time,
			 size_t size)
{
	auto_backup_manifest manifest = {
		.file = memory_copy_text(named),
		.source = memory_copy_text(bot),
		.host = memory_copy_text("here"),
		.method = memory_copy_text("api"),
		.time = at(time),
		.size = size,
		.file_size = size,
		.digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		.database_digest =
			"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		.verified = INTEGRITY_QUICK,
	};
	auto_free char *text = backup_manifest_text(&manifest);
	auto_free char *name = memory_format("%s" MANIFEST_SUFFIX, file);

	folder_write_text(folder, name, text);
}

static void put_backup(const char *folder, const char *file, const char *time)
{
	auto_free char *sum = memory_format("%s" SUM_SUFFIX, file);

	folder_write_text(folder, file, "bytes");
	folder_write_text(folder, sum, "sum");
	put_manifest(folder, file, file, time, 5);
}

static void read_folder(const char *folder, struct backup_catalog *catalog)
{
	auto_close int fd = opened(folder);
	struct error err = { 0 };

	if (!backup_catalog_read(fd, "the folder", catalog, &err))
		fail_msg("%s", err.text);
}

static void backups_are_listed_from_old_to_new(void **state)
{
	auto_backup_catalog catalog = { 0 };

	put_backup(*state, "a", "2026-11-22");
	put_backup(*state, "b", "2026-11-20");
	put_backup(*state, "d", "2026-11-21");
	put_backup(*state, "c", "2026-11-21");
	read_folder(*state, &catalog);
	assert_int_equal(catalog.count, 4);
	assert_string_equal(catalog.items[0].manifest.file, "b");
	assert_string_equal(catalog.items[1].manifest.file, "c");
	assert_string_equal(catalog.items[2].manifest.file, "d");
	assert_string_equal(catalog.items[3].manifest.file, "a");
	assert_int_equal(catalog.unreadable, 0);
	assert_int_equal(catalog.missing.count, 0);
}

static void hostile_names_are_backups_too(void **state)
{
	auto_backup_catalog catalog = { 0 };

	put_backup(*state, "a\nb\x1b[2J\xff.db", "2026-11-22");
	put_backup(*state, ".json", "2026-11-23");
	read_folder(*state, &catalog);
	assert_int_equal(catalog.count, 2);
	assert_string_equal(catalog.items[0].manifest.file, "a\nb\x1b[2J\xff.db");
}

static void files_without_a_manifest_are_somebody_elses(void **state)
{
	auto_backup_catalog catalog = { 0 };

	folder_write_text(*state, "bot.db", "bytes");
	folder_write_text(*state, "diary.txt", "words");
	folder_write_text(*state, "bot.db.sha256", "sum");
	read_folder(*state, &catalog);
	assert_int_equal(catalog.count + catalog.unreadable + catalog.missing.count, 0);
}

static void a_manifest_without_its_file_names_what_is_missing(void **state)
{
	auto_backup_catalog catalog = { 0 };

	put_manifest(*state, "bot.db", "bot.db", "2026-11-22", 5);
	read_folder(*state, &catalog);
	assert_int_equal(catalog.count, 0);
	assert_int_equal(catalog.missing.count, 1);
	assert_string_equal(catalog.missing.items[0], "bot.db");
}

static void a_manifest_that_does_not_fit_is_counted_as_unreadable(void **state)
{
	auto_backup_catalog catalog = { 0 };
	char path[PATH_MAX];

	put_backup(*state, "size", "2026-11-22");
	folder_write_text(*state, "size", "other bytes");
	put_backup(*state, "name", "2026-11-22");
	put_manifest(*state, "name", "size", "2026-11-22", 5);
	put_backup(*state, "junk", "2026-11-22");
	folder_write_text(*state, "junk.json", "{}");
	put_backup(*state, "folder", "2026-11-22");
	assert_int_equal(unlink(folder_path(*state, "folder", path)), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	put_backup(*state, "link", "2026-11-22");
	assert_int_equal(unlink(folder_path(*state, "link", path)), 0);
	assert_int_equal(symlink("size", path), 0);
	read_folder(*state, &catalog);
	assert_int_equal(catalog.count, 0);
	assert_int_equal(catalog.unreadable, 5);
}

static void a_manifest_that_is_no_small_regular_file_is_not_read(void **state)
{
	enum { LARGE = 64 << 10 };
	auto_backup_catalog catalog = { 0 };
	char path[PATH_MAX];
	char *large = malloc(LARGE + 1);

	assert_non_null(large);
	memset(large, ' ', LARGE + 1);
	folder_write_text(*state, "fifo", "bytes");
	assert_int_equal(mkfifo(folder_path(*state, "fifo.json", path), 0600), 0);
	put_backup(*state, "real", "2026-11-22");
	folder_write_text(*state, "link", "bytes");
	assert_int_equal(symlink("real.json", folder_path(*state, "link.json", path)), 0);
	folder_write_text(*state, "folder", "bytes");
	assert_int_equal(mkdir(folder_path(*state, "folder.json", path), 0700), 0);
	folder_write_text(*state, "large", "bytes");
	folder_write(*state, "large.json", large, LARGE + 1);
	free(large);
	read_folder(*state, &catalog);
	assert_int_equal(catalog.count, 1);
	assert_int_equal(catalog.unreadable, 4);
}

static void a_folder_that_is_none_is_trouble(void **state)
{
	auto_backup_catalog catalog = { 0 };
	char path[PATH_MAX];
	struct error err = { 0 };

	folder_write_text(*state, "file", "");

	auto_close int fd = open(folder_path(*state, "file", path), O_RDONLY | O_CLOEXEC);

	assert_false(backup_catalog_read(fd, "the folder", &catalog, &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
}

static void deleting_takes_all_three_and_nothing_else(void **state)
{
	auto_close int fd = opened(*state);
	auto_backup_catalog catalog = { 0 };
	struct error err = { 0 };

	put_backup(*state, "a", "2026-11-20");
	put_backup(*state, "b", "2026-11-21");
	read_folder(*state, &catalog);
	assert_true(backup_delete(fd, &catalog.items[0], &err));
	assert_false(is_there(*state, "a") || is_there(*state, "a.json") ||
		     is_there(*state, "a.sha256"));
	assert_true(is_there(*state, "b") && is_there(*state, "b.json") &&
		    is_there(*state, "b.sha256"));
	assert_true(backup_delete(fd, &catalog.items[0], &err));
}

static void what_cannot_be_deleted_keeps_its_manifest(void **state)
{
	auto_close int fd = opened(*state);
	auto_backup_catalog catalog = { 0 };
	char path[PATH_MAX];
	struct error err = { 0 };

	put_backup(*state, "a", "2026-11-20");
	read_folder(*state, &catalog);
	assert_int_equal(unlink(folder_path(*state, "a", path)), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_false(backup_delete(fd, &catalog.items[0], &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_true(is_there(*state, "a.json") && is_there(*state, "a.sha256"));
}

static void only_manifests_without_their_file_are_swept(void **state)
{
	auto_close int fd = opened(*state);

	put_backup(*state, "whole", "2026-11-20");
	put_manifest(*state, "gone", "gone", "2026-11-20", 5);
	folder_write_text(*state, "gone.sha256", "sum");
	put_manifest(*state, "other", "gone", "2026-11-20", 5);
	folder_write_text(*state, "package.json", "{\"name\":\"bot\"}");
	folder_write_text(*state, "alone.sha256", "sum");
	put_backup(*state, "changed", "2026-11-20");
	folder_write_text(*state, "changed", "other bytes");
	backup_sweep(fd);
	assert_false(is_there(*state, "gone.json") || is_there(*state, "gone.sha256"));

	static const char *const left[] = {
		"whole",	"whole.json",	"whole.sha256", "other.json",	  "package.json",
		"alone.sha256", "changed.json", "changed",	"changed.sha256",
	};

	for (size_t i = 0; i < sizeof left / sizeof *left; i++)
		if (!is_there(*state, left[i]))
			fail_msg("%s is gone", left[i]);
}

static void a_file_that_is_a_dangling_link_is_no_reason_to_sweep(void **state)
{
	auto_close int fd = opened(*state);
	char path[PATH_MAX];

	put_manifest(*state, "linked", "linked", "2026-11-20", 5);
	assert_int_equal(symlink("/nowhere/at/all", folder_path(*state, "linked", path)), 0);
	backup_sweep(fd);
	assert_true(is_there(*state, "linked.json"));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_rule_everything_is_kept),
		cmocka_unit_test(the_newest_ones_are_kept),
		cmocka_unit_test(of_each_day_the_newest_is_kept),
		cmocka_unit_test(days_without_a_backup_do_not_count),
		cmocka_unit_test(a_week_begins_on_monday),
		cmocka_unit_test(a_week_over_the_end_of_a_year_is_one_week),
		cmocka_unit_test(of_each_month_the_newest_is_kept),
		cmocka_unit_test(what_any_rule_keeps_is_kept),
		cmocka_unit_test(one_backup_may_be_that_of_all_rules),
		cmocka_unit_test(the_newest_is_kept_whatever_the_rules),
		cmocka_unit_test(two_of_the_same_millisecond_are_two),
		cmocka_unit_test(backups_of_other_databases_are_kept_and_take_no_place),
		cmocka_unit_test(unverified_ones_are_kept_and_take_no_place),
		cmocka_unit_test(a_machine_of_another_name_has_its_own_unless_it_is_the_same_file),
		cmocka_unit_test(
			an_emptied_database_does_not_push_out_the_last_with_anything_in_it),
		cmocka_unit_test(what_was_decided_before_has_no_say),
		cmocka_unit_test(an_empty_folder_has_nothing_to_drop),
		IN_FOLDER(backups_are_listed_from_old_to_new),
		IN_FOLDER(hostile_names_are_backups_too),
		IN_FOLDER(files_without_a_manifest_are_somebody_elses),
		IN_FOLDER(a_manifest_without_its_file_names_what_is_missing),
		IN_FOLDER(a_manifest_that_does_not_fit_is_counted_as_unreadable),
		IN_FOLDER(a_manifest_that_is_no_small_regular_file_is_not_read),
		IN_FOLDER(a_folder_that_is_none_is_trouble),
		IN_FOLDER(deleting_takes_all_three_and_nothing_else),
		IN_FOLDER(what_cannot_be_deleted_keeps_its_manifest),
		IN_FOLDER(only_manifests_without_their_file_are_swept),
		IN_FOLDER(a_file_that_is_a_dangling_link_is_no_reason_to_sweep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
