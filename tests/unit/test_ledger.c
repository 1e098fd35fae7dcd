#include "tests/unit/folder.h"

#include <errno.h>

#include "common/base/json.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/ledger.h"
#include "common/state_folder.h"

#define auto_rehearsal __attribute__((cleanup(rehearsal_release))) struct rehearsal

static struct target target_in(const char *folder, const char *name)
{
	struct target target = TARGET_NONE;

	target.folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(target.folder_fd >= 0);
	target.name = memory_copy_text(name);
	return target;
}

static int opened(const struct target *target)
{
	int fd = -1;
	struct error err = { 0 };

	if (!state_folder_open(target, "bot.db", &fd, &err))
		fail_msg("%s", err.text);
	return fd;
}

/* "FOLDER/.dblocktools/NAME" */
static const char *state_path(const char *folder, const char *name, char *path)
{
	auto_free char *inside = memory_format(STATE_FOLDER "/%s", name);

	return folder_path(folder, inside, path);
}

static unsigned mode_of(const char *path)
{
	struct stat about = { 0 };

	assert_int_equal(lstat(path, &about), 0);
	return about.st_mode;
}

/* --- the folder --------------------------------------------------------------------------------------------------- */

static void assert_no_folder(const struct target *target, enum status status, const char *words)
{
	auto_close int fd = -1;
	struct error err = { 0 };

	assert_false(state_folder_open(target, "bot.db", &fd, &err));
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
	assert_int_equal(err.status, status);
}

static void the_folder_is_made_for_its_owner_alone(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	const mode_t usual = umask(0);
	auto_close int fd = opened(&target);
	char path[PATH_MAX];

	(void)umask(usual);
	assert_int_equal(mode_of(folder_path(*state, STATE_FOLDER, path)), S_IFDIR | 0700);
}

static void who_has_the_folder_keeps_others_out(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	int fd = opened(&target);

	assert_no_folder(&target, STATUS_BUSY,
			 "bot.db: another dbrestore or dbmigrate is at work on it");

	/* Looking is not kept out. */
	auto_close int look = state_folder_look(&target);

	assert_true(look >= 0);
	assert_int_equal(close(fd), 0);
	fd = opened(&target);
	assert_int_equal(close(fd), 0);
}

static void looking_makes_no_folder(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	char path[PATH_MAX];

	errno = 0;
	assert_int_equal(state_folder_look(&target), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(access(folder_path(*state, STATE_FOLDER, path), F_OK), -1);
}

static void assert_untrusted(const char *folder, const char *words)
{
	auto_target target = target_in(folder, "bot.db");

	assert_no_folder(&target, STATUS_TROUBLE, words);
	assert_int_equal(state_folder_look(&target), -1);
}

static void a_folder_that_others_may_write_to_is_refused(void **state)
{
	static const char words[] = "belongs to somebody else, or others may write to it";
	char path[PATH_MAX];

	assert_int_equal(mkdir(folder_path(*state, STATE_FOLDER, path), 0700), 0);
	assert_int_equal(chmod(path, 0720), 0);
	assert_untrusted(*state, words);
	assert_int_equal(chmod(path, 0702), 0);
	assert_untrusted(*state, words);
	assert_int_equal(chmod(path, 0755), 0);

	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);
}

static void a_folder_of_somebody_elses_is_refused(void **state)
{
	char path[PATH_MAX];

	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(folder_path(*state, STATE_FOLDER, path), 0700), 0);
	assert_int_equal(chown(path, 12345, 0), 0);
	assert_untrusted(*state, "belongs to somebody else, or others may write to it");
	assert_int_equal(chown(path, 0, 0), 0);
}

static void a_link_is_no_folder(void **state)
{
	char path[PATH_MAX], real[PATH_MAX];

	assert_int_equal(mkdir(folder_path(*state, "real", real), 0700), 0);
	assert_int_equal(symlink(real, folder_path(*state, STATE_FOLDER, path)), 0);
	assert_untrusted(*state, "cannot open " STATE_FOLDER " beside it");
}

static void a_file_is_no_folder(void **state)
{
	folder_write_text(*state, STATE_FOLDER, "");
	assert_untrusted(*state, "cannot open " STATE_FOLDER " beside it: Not a directory");
}

/* --- files in it --------------------------------------------------------------------------------------------------- */

static struct json_t *document_of(const char *text)
{
	struct json_t *document = json_new_object();

	json_put_text(document, "text", text);
	return document;
}

static void write_file(int fd, const char *name, const char *text)
{
	struct error err = { 0 };

	if (!state_file_write(fd, name, document_of(text), &err))
		fail_msg("%s", err.text);
}

static void assert_file(int fd, const char *name, const char *text)
{
	struct error err = { 0 };
	struct json_t *document = state_file_read(fd, name, &err);

	if (!document)
		fail_msg("%s: %s", name, err.text);

	auto_free char *found = json_get_exact_text(document, "text");

	assert_string_equal(found, text);
	json_release(document);
}

static void assert_unreadable(int fd, const char *name, const char *words)
{
	struct error err = { 0 };

	assert_null(state_file_read(fd, name, &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void assert_no_file(int fd, const char *name)
{
	struct error err = { 0 };

	assert_null(state_file_read(fd, name, &err));
	assert_int_equal(err.status, STATUS_OK);
}

static void a_file_is_named_by_its_kind_and_the_database(void **state)
{
	auto_target target = target_in(*state, "b\xff\n.db");
	auto_free char *name = state_file_name(&target, "migrations");

	assert_string_equal(name, "migrations-b\xff\n.db.json");
}

static void what_was_written_is_read_again(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);
	char path[PATH_MAX];

	write_file(fd, "a.json", "one \xff");
	write_file(fd, "b\n\xff.json", "two");
	assert_file(fd, "a.json", "one \xff");
	assert_file(fd, "b\n\xff.json", "two");
	write_file(fd, "a.json", "three");
	assert_file(fd, "a.json", "three");
	assert_int_equal(mode_of(state_path(*state, "a.json", path)), S_IFREG | 0600);
	assert_int_equal(access(state_path(*state, "writing.json", path), F_OK), -1);
}

static void no_file_and_no_folder_are_no_error(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);

	assert_no_file(fd, "a.json");
	assert_no_file(-1, "a.json");
}

static void garbage_is_trouble(void **state)
{
	static const char words[] = "cannot be understood; if it is of no use any more, remove it";
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);

	folder_write_text(*state, STATE_FOLDER "/a.json", "nonsense");
	folder_write_text(*state, STATE_FOLDER "/b.json", "");
	folder_write_text(*state, STATE_FOLDER "/c.json", "{\"text\":\"cut o");
	folder_write(*state, STATE_FOLDER "/d.json", "{}\0{}", 5);
	folder_write_text(*state, STATE_FOLDER "/e\x1b.json", "{\"a\":1,\"a\":2}");
	assert_unreadable(fd, "a.json", words);
	assert_unreadable(fd, "b.json", words);
	assert_unreadable(fd, "c.json", words);
	assert_unreadable(fd, "d.json", words);
	assert_unreadable(fd, "e\x1b.json", STATE_FOLDER "/e\\x1b.json: cannot be understood");
}

static void what_is_no_regular_file_is_trouble(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);
	char path[PATH_MAX];

	folder_write_text(*state, "outside.json", "{}");
	assert_int_equal(symlink("../outside.json", state_path(*state, "link.json", path)), 0);
	assert_int_equal(symlink("/nowhere/at/all", state_path(*state, "torn.json", path)), 0);
	assert_int_equal(mkdir(state_path(*state, "folder.json", path), 0700), 0);
	assert_int_equal(mkfifo(state_path(*state, "fifo.json", path), 0600), 0);
	assert_unreadable(fd, "link.json", STATE_FOLDER "/link.json: cannot be read");
	assert_unreadable(fd, "torn.json", STATE_FOLDER "/torn.json: cannot be read");
	assert_unreadable(fd, "folder.json", STATE_FOLDER "/folder.json: cannot be read");
	assert_unreadable(fd, "fifo.json", STATE_FOLDER "/fifo.json: cannot be read");
}

static void a_file_that_is_far_too_large_is_not_read(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);
	char path[PATH_MAX];

	folder_write_text(*state, STATE_FOLDER "/large.json", "{}");
	assert_int_equal(truncate(state_path(*state, "large.json", path), (64L << 20) + 1), 0);
	assert_unreadable(fd, "large.json", STATE_FOLDER "/large.json: cannot be read");
}

static void what_is_refused_for_what_it_is_has_no_errno(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);
	char path[PATH_MAX];
	struct error err = { 0 };

	assert_int_equal(mkdir(state_path(*state, "folder.json", path), 0700), 0);
	errno = 0;
	assert_null(state_file_read(fd, "folder.json", &err));
	if (strstr(err.text, "Success"))
		fail_msg("\"%s\" calls it a success", err.text);
}

static void what_a_killed_writer_left_is_in_nobodys_way(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);
	char path[PATH_MAX], precious[PATH_MAX];

	folder_write_text(*state, "precious", "words");
	(void)folder_path(*state, "precious", precious);
	assert_int_equal(symlink(precious, state_path(*state, "writing.json", path)), 0);
	write_file(fd, "a.json", "one");
	assert_file(fd, "a.json", "one");
	assert_int_equal(mode_of(precious), S_IFREG | 0600);

	struct stat about = { 0 };

	assert_int_equal(stat(precious, &about), 0);
	assert_int_equal(about.st_size, 5);
}

static void writing_replaces_a_link_and_not_what_it_leads_to(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);
	char path[PATH_MAX], precious[PATH_MAX];

	folder_write_text(*state, "precious", "words");
	(void)folder_path(*state, "precious", precious);
	assert_int_equal(symlink(precious, state_path(*state, "a.json", path)), 0);
	write_file(fd, "a.json", "one");
	assert_file(fd, "a.json", "one");
	assert_true(S_ISREG(mode_of(path)));

	struct stat about = { 0 };

	assert_int_equal(stat(precious, &about), 0);
	assert_int_equal(about.st_size, 5);
}

static void what_cannot_be_written_leaves_what_was_there(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);
	char path[PATH_MAX];
	struct error err = { 0 };

	write_file(fd, "a.json", "one");
	assert_int_equal(mkdir(state_path(*state, "writing.json", path), 0700), 0);
	assert_false(state_file_write(fd, "a.json", document_of("two"), &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_file(fd, "a.json", "one");
}

static void a_file_is_removed_and_no_other(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);
	char path[PATH_MAX];
	struct error err = { 0 };

	write_file(fd, "a.json", "one");
	write_file(fd, "b.json", "two");
	assert_true(state_file_remove(fd, "a.json", &err));
	assert_no_file(fd, "a.json");
	assert_file(fd, "b.json", "two");
	assert_true(state_file_remove(fd, "a.json", &err));
	assert_int_equal(mkdir(state_path(*state, "c\n.json", path), 0700), 0);
	assert_false(state_file_remove(fd, "c\n.json", &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_non_null(strstr(err.text, STATE_FOLDER "/c\\n.json: cannot be removed"));
}

/* --- hashes of what was applied -------------------------------------------------------------------------------------- */

#define DIGEST_A "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define DIGEST_B "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"

static void read_ledger(int fd, const struct target *target, struct ledger *ledger)
{
	struct error err = { 0 };

	if (!ledger_read(fd, target, ledger, &err))
		fail_msg("%s", err.text);
}

static void hashes_are_found_by_version(void **state)
{
	auto_ledger ledger = { 0 };

	(void)state;
	assert_null(ledger_find(&ledger, "1"));
	ledger_set(&ledger, "20", DIGEST_A);
	ledger_set(&ledger, "3", DIGEST_A);
	ledger_set(&ledger, "1", DIGEST_A);
	ledger_set(&ledger, "3", DIGEST_B);
	assert_int_equal(ledger.count, 3);
	assert_string_equal(ledger.items[1].version, "20");
	assert_string_equal(ledger_find(&ledger, "1"), DIGEST_A);
	assert_string_equal(ledger_find(&ledger, "3"), DIGEST_B);
	assert_null(ledger_find(&ledger, "03"));
	assert_null(ledger_find(&ledger, ""));
}

static void what_is_forgotten_is_not_found(void **state)
{
	auto_ledger ledger = { 0 };

	(void)state;
	ledger_forget(&ledger, "1");
	for (const char *version = "5\0001\0003\0002\0004\0"; *version; version += 2)
		ledger_set(&ledger, version, DIGEST_A);
	ledger_forget(&ledger, "1");
	ledger_forget(&ledger, "7");
	assert_int_equal(ledger.count, 4);
	assert_null(ledger_find(&ledger, "1"));
	for (const char *version = "2\0003\0004\0005\0"; *version; version += 2) {
		assert_non_null(ledger_find(&ledger, version));
		ledger_forget(&ledger, version);
		assert_null(ledger_find(&ledger, version));
	}
	assert_int_equal(ledger.count, 0);
}

static void hashes_are_kept_beside_the_database(void **state)
{
	auto_target target = target_in(*state, "b\xff\n.db"), other = target_in(*state, "other.db");
	auto_close int fd = opened(&target);
	auto_ledger written = { 0 }, read = { 0 }, none = { 0 };
	struct error err = { 0 };

	ledger_set(&written, "2", DIGEST_B);
	ledger_set(&written, "1", DIGEST_A);
	if (!ledger_write(fd, &target, &written, &err))
		fail_msg("%s", err.text);
	read_ledger(fd, &target, &read);
	assert_int_equal(read.count, 2);
	assert_string_equal(ledger_find(&read, "1"), DIGEST_A);
	assert_string_equal(ledger_find(&read, "2"), DIGEST_B);
	read_ledger(fd, &other, &none);
	assert_int_equal(none.count, 0);
}

static void an_emptied_ledger_is_written_too(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);
	auto_ledger ledger = { 0 }, read = { 0 };
	struct error err = { 0 };

	ledger_set(&ledger, "1", DIGEST_A);
	assert_true(ledger_write(fd, &target, &ledger, &err));
	ledger_forget(&ledger, "1");
	assert_true(ledger_write(fd, &target, &ledger, &err));
	read_ledger(fd, &target, &read);
	assert_int_equal(read.count, 0);
}

static void without_a_file_there_are_no_hashes(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);
	auto_ledger ledger = { 0 };

	read_ledger(-1, &target, &ledger);
	read_ledger(fd, &target, &ledger);
	assert_int_equal(ledger.count, 0);
}

static void a_ledger_that_is_garbage_is_trouble(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);
	auto_ledger ledger = { 0 };
	auto_rehearsal rehearsal = { 0 };
	struct error err = { 0 }, other = { 0 };

	folder_write_text(*state, STATE_FOLDER "/migrations-bot.db.json", "nonsense");
	folder_write_text(*state, STATE_FOLDER "/rehearsed-bot.db.json", "nonsense");
	assert_false(ledger_read(fd, &target, &ledger, &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_non_null(strstr(err.text, "migrations-bot.db.json: cannot be understood"));
	assert_false(rehearsal_read(fd, &target, &rehearsal, &other));
	assert_int_equal(other.status, STATUS_TROUBLE);
}

static void entries_that_say_nothing_are_left_out(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);
	auto_ledger ledger = { 0 };
	auto_free char *line = memory_format(
		"{\"migrations\":[1,{},{\"version\":\"1\"},{\"version\":2,\"sha256\":\"x\"},"
		"{\"version\":\"4\",\"sha256\":\"%s\"},{\"version\":\"3\",\"sha256\":\"%0300d\"}]}",
		DIGEST_A, 0);

	folder_write_text(*state, STATE_FOLDER "/migrations-bot.db.json", line);
	read_ledger(fd, &target, &ledger);
	assert_int_equal(ledger.count, 2);
	assert_string_equal(ledger_find(&ledger, "4"), DIGEST_A);
	assert_int_equal(strlen(ledger_find(&ledger, "3")), DIGEST_TEXT_SIZE - 1);
}

/* --- the last rehearsal ----------------------------------------------------------------------------------------------- */

static void assert_rehearsal(int fd, const struct target *target, const char *to)
{
	char print[] = "print", time[] = "2026-11-22T12:15:00.123Z";
	const struct rehearsal written = { true, print, time, (char *)(uintptr_t)to };
	auto_rehearsal read = { 0 };
	struct error err = { 0 };

	if (!rehearsal_write(fd, target, &written, &err) ||
	    !rehearsal_read(fd, target, &read, &err))
		fail_msg("%s", err.text);
	assert_true(read.known);
	assert_string_equal(read.fingerprint, print);
	assert_string_equal(read.time, time);
	assert_int_equal(read.to == NULL, to == NULL);
	if (to)
		assert_string_equal(read.to, to);
}

static void a_rehearsal_is_remembered(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);

	assert_rehearsal(fd, &target, "8f0c4b7a9d21");
	assert_rehearsal(fd, &target, NULL);
	assert_rehearsal(fd, &target, "a\xff\n");
}

static void without_a_rehearsal_none_is_known(void **state)
{
	auto_target target = target_in(*state, "bot.db");
	auto_close int fd = opened(&target);
	auto_rehearsal rehearsal = { 0 };
	struct error err = { 0 };

	assert_true(rehearsal_read(-1, &target, &rehearsal, &err));
	assert_true(rehearsal_read(fd, &target, &rehearsal, &err));
	assert_false(rehearsal.known);
	folder_write_text(*state, STATE_FOLDER "/rehearsed-bot.db.json",
			  "{\"fingerprint\":\"x\",\"time\":7}");
	assert_true(rehearsal_read(fd, &target, &rehearsal, &err));
	assert_false(rehearsal.known);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(the_folder_is_made_for_its_owner_alone),
		IN_FOLDER(who_has_the_folder_keeps_others_out),
		IN_FOLDER(looking_makes_no_folder),
		IN_FOLDER(a_folder_that_others_may_write_to_is_refused),
		IN_FOLDER(a_folder_of_somebody_elses_is_refused),
		IN_FOLDER(a_link_is_no_folder),
		IN_FOLDER(a_file_is_no_folder),
		IN_FOLDER(a_file_is_named_by_its_kind_and_the_database),
		IN_FOLDER(what_was_written_is_read_again),
		IN_FOLDER(no_file_and_no_folder_are_no_error),
		IN_FOLDER(garbage_is_trouble),
		IN_FOLDER(what_is_no_regular_file_is_trouble),
		IN_FOLDER(a_file_that_is_far_too_large_is_not_read),
		IN_FOLDER(what_is_refused_for_what_it_is_has_no_errno),
		IN_FOLDER(what_a_killed_writer_left_is_in_nobodys_way),
		IN_FOLDER(writing_replaces_a_link_and_not_what_it_leads_to),
		IN_FOLDER(what_cannot_be_written_leaves_what_was_there),
		IN_FOLDER(a_file_is_removed_and_no_other),
		cmocka_unit_test(hashes_are_found_by_version),
		cmocka_unit_test(what_is_forgotten_is_not_found),
		IN_FOLDER(hashes_are_kept_beside_the_database),
		IN_FOLDER(an_emptied_ledger_is_written_too),
		IN_FOLDER(without_a_file_there_are_no_hashes),
		IN_FOLDER(a_ledger_that_is_garbage_is_trouble),
		IN_FOLDER(entries_that_say_nothing_are_left_out),
		IN_FOLDER(a_rehearsal_is_remembered),
		IN_FOLDER(without_a_rehearsal_none_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
