#include "tests/unit/database.h"

#include "common/base/clock.h"
#include "common/base/scope.h"
#include "common/sqlite/connection.h"
#include "common/sqlite/integrity.h"

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

static void connect_to(struct connection *connection, const char *folder, const char *name,
		       enum connection_way way)
{
	char path[PATH_MAX];
	struct error err = { 0 };

	if (!connection_open(connection, folder_path(folder, name, path), way, 0, name, &err))
		fail_msg("%s", err.text);
}

static int64_t number(struct connection *connection, const char *sql)
{
	int64_t number = -1;
	struct error err = { 0 };

	if (!connection_number(connection, sql, &number, &err))
		fail_msg("%s: %s", sql, err.text);
	return number;
}

static void run(struct connection *connection, const char *sql)
{
	struct error err = { 0 };

	if (!connection_run(connection, sql, "cannot run", &err))
		fail_msg("%s: %s", sql, err.text);
}

/* --- which file it is ----------------------------------------------------------------------------------------- */

static void a_path_by_descriptor_survives_a_rename_of_its_folder(void **state)
{
	char inside[PATH_MAX], moved[PATH_MAX], path[64];

	assert_int_equal(mkdir(folder_path(*state, "data", inside), 0700), 0);
	database_make(inside, "bot.db", "CREATE TABLE t(x); INSERT INTO t VALUES(42)");

	auto_close int fd = opened(inside);
	auto_connection connection = { 0 };
	struct error err = { 0 };

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d/bot.db", fd);
	assert_true(connection_open(&connection, path, CONNECTION_WRITE, 0, "bot.db", &err));
	assert_int_equal(number(&connection, "SELECT x FROM t"), 42);
	assert_int_equal(rename(inside, folder_path(*state, "moved", moved)), 0);
	/* Somebody else's database takes its place. */
	assert_int_equal(mkdir(inside, 0700), 0);
	database_make(inside, "bot.db", "CREATE TABLE t(x); INSERT INTO t VALUES(666)");
	assert_int_equal(number(&connection, "SELECT x FROM t"), 42);
	assert_false(connection_has_moved(&connection));
	/* Its journal is made where the file is, and the other folder stays as it was. */
	run(&connection, "PRAGMA journal_mode=PERSIST; UPDATE t SET x=43");
	assert_true(is_there(moved, "bot.db-journal"));
	assert_false(is_there(inside, "bot.db-journal"));
}

static void its_other_files_are_found_by_descriptor_in_wal_mode_too(void **state)
{
	char inside[PATH_MAX], moved[PATH_MAX], path[64];

	assert_int_equal(mkdir(folder_path(*state, "data", inside), 0700), 0);

	sqlite3 *writer = database_open(inside, "bot.db");

	database_run(writer, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1)");

	auto_close int fd = opened(inside);
	auto_connection connection = { 0 };
	struct error err = { 0 };

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d/bot.db", fd);
	assert_int_equal(rename(inside, folder_path(*state, "moved", moved)), 0);
	assert_true(connection_open(&connection, path, CONNECTION_READ, 0, "bot.db", &err));
	/* The table is in the -wal only. */
	assert_int_equal(number(&connection, "SELECT x FROM t"), 1);
	connection_drop(&connection);
	assert_int_equal(rename(moved, inside), 0);
	database_close(writer);
}

static void a_link_is_refused(void **state)
{
	static const enum connection_way ways[] = { CONNECTION_READ, CONNECTION_FROZEN,
						    CONNECTION_WRITE, CONNECTION_MAKE };
	char path[PATH_MAX];

	database_make(*state, "bot.db", "CREATE TABLE t(x)");
	assert_int_equal(symlink("bot.db", folder_path(*state, "link.db", path)), 0);
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		auto_connection connection = { 0 };
		struct error err = { 0 };

		assert_false(connection_open(&connection, path, ways[i], 0, "link.db", &err));
		assert_int_equal(err.status, STATUS_TROUBLE);
		assert_non_null(strstr(err.text, "link.db: cannot be opened: "));
	}
}

static void a_dangling_link_makes_no_file(void **state)
{
	char path[PATH_MAX];
	auto_connection connection = { 0 };
	struct error err = { 0 };

	assert_int_equal(symlink("victim", folder_path(*state, "link.db", path)), 0);
	assert_false(connection_open(&connection, path, CONNECTION_MAKE, 0, "link.db", &err));
	assert_false(is_there(*state, "victim"));
}

static void a_file_that_was_replaced_is_noticed(void **state)
{
	char path[PATH_MAX], other[PATH_MAX];
	auto_connection connection = { 0 };

	database_make(*state, "bot.db", "CREATE TABLE t(x)");
	database_make(*state, "other.db", "CREATE TABLE t(x)");
	connect_to(&connection, *state, "bot.db", CONNECTION_READ);
	assert_int_equal(number(&connection, "SELECT count(*) FROM t"), 0);
	assert_false(connection_has_moved(&connection));
	assert_int_equal(
		rename(folder_path(*state, "other.db", other), folder_path(*state, "bot.db", path)),
		0);
	assert_true(connection_has_moved(&connection));
}

/* --- ways ----------------------------------------------------------------------------------------------------- */

/* What connection.h promises: nobody looks at the file before the first statement. */
static void opening_does_not_look_at_the_file(void **state)
{
	char junk[4096];
	auto_connection connection = { 0 };

	memset(junk, 'j', sizeof junk);
	folder_write(*state, "bot.db", junk, sizeof junk);
	connect_to(&connection, *state, "bot.db", CONNECTION_WRITE);
}

static void what_is_to_be_durable_is_synced_with_its_folder(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };

	database_make(*state, "bot.db", "CREATE TABLE t(x)");
	connect_to(&connection, *state, "bot.db", CONNECTION_WRITE);
	assert_true(connection_make_durable(&connection, &err));
	assert_int_equal(number(&connection, "PRAGMA synchronous"), 3);
}

/* One of SQLite's extended codes (SQLITE_CONSTRAINT_UNIQUE) is no reason to say less. */
static void an_error_has_the_words_of_sqlite(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };

	database_make(*state, "bot.db", "CREATE TABLE t(x UNIQUE); INSERT INTO t VALUES(1)");
	connect_to(&connection, *state, "bot.db", CONNECTION_WRITE);
	assert_false(connection_run(&connection, "INSERT INTO t VALUES(1)", "cannot write", &err));
	assert_string_equal(err.text, "bot.db: cannot write: UNIQUE constraint failed: t.x");
}

static void only_making_makes_a_file(void **state)
{
	static const enum connection_way ways[] = { CONNECTION_READ, CONNECTION_FROZEN,
						    CONNECTION_WRITE };
	char path[PATH_MAX];
	auto_connection made = { 0 };

	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		auto_connection connection = { 0 };
		struct error err = { 0 };

		assert_false(connection_open(&connection, folder_path(*state, "bot.db", path),
					     ways[i], 0, "bot.db", &err));
		assert_int_equal(err.status, STATUS_TROUBLE);
	}
	assert_false(is_there(*state, "bot.db"));
	connect_to(&made, *state, "bot.db", CONNECTION_MAKE);
	run(&made, "CREATE TABLE t(x)");
	assert_true(is_there(*state, "bot.db"));
}

static void reading_does_not_write(void **state)
{
	auto_connection read = { 0 }, frozen = { 0 };
	struct error err = { 0 };

	database_make(*state, "bot.db", "CREATE TABLE t(x)");
	connect_to(&read, *state, "bot.db", CONNECTION_READ);
	assert_false(connection_run(&read, "INSERT INTO t VALUES(1)", "cannot write", &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_non_null(strstr(err.text, "bot.db: cannot write: "));
	connect_to(&frozen, *state, "bot.db", CONNECTION_FROZEN);
	assert_false(connection_run(&frozen, "INSERT INTO t VALUES(1)", "cannot write", &err));
}

static void a_frozen_file_is_read_without_a_lock_and_with_nothing_beside_it(void **state)
{
	static const char name[] = "a b?c#d%20&e=\xff\n.db";
	auto_connection connection = { 0 };
	sqlite3 *writer = NULL;

	database_make(*state, name,
		      "PRAGMA journal_mode=WAL; CREATE TABLE t(x);"
		      "INSERT INTO t VALUES(7)");
	assert_false(is_there(*state, "a b"));
	connect_to(&connection, *state, name, CONNECTION_FROZEN);
	run(&connection, "BEGIN");
	assert_int_equal(number(&connection, "SELECT x FROM t"), 7);

	DIR *entries = opendir(*state);
	size_t count = 0;

	while (readdir(entries))
		count++;
	(void)closedir(entries);
	assert_int_equal(count, 3); /* with . and .. */
	/* Nobody is kept from anything. */
	writer = database_open(*state, name);
	database_run(writer, "PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE; COMMIT");
	database_close(writer);
}

static void closing_leaves_the_wal_as_it_is_unless_it_is_allowed(void **state)
{
	struct connection connection = { 0 };
	struct error err = { 0 };

	connect_to(&connection, *state, "bot.db", CONNECTION_MAKE);
	run(&connection, "PRAGMA journal_mode=WAL; CREATE TABLE t(x)");
	assert_true(connection_close(&connection, &err));
	assert_true(is_there(*state, "bot.db-wal"));
	connect_to(&connection, *state, "bot.db", CONNECTION_WRITE);
	assert_int_equal(number(&connection, "SELECT count(*) FROM t"), 0);
	connection_allow_checkpoint(&connection);
	assert_true(connection_close(&connection, &err));
	assert_null(connection.db);
	assert_false(is_there(*state, "bot.db-wal"));
	assert_true(connection_close(&connection, &err));
	connection_drop(&connection);
}

static void what_keeps_us_from_harm_is_set(void **state)
{
	static const enum connection_way ways[] = { CONNECTION_READ, CONNECTION_FROZEN,
						    CONNECTION_WRITE, CONNECTION_MAKE };

	database_make(*state, "bot.db", "CREATE TABLE t(x)");
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		auto_connection connection = { 0 };
		struct error err = { 0 };

		connect_to(&connection, *state, "bot.db", ways[i]);
		assert_int_equal(number(&connection, "PRAGMA trusted_schema"), 0);
		assert_int_equal(number(&connection, "PRAGMA cell_size_check"), 1);
		assert_int_equal(number(&connection, "PRAGMA mmap_size"), 0);
		assert_int_equal(number(&connection, "PRAGMA wal_autocheckpoint"), 0);
		assert_false(connection_run(&connection, "SELECT load_extension('x')", "x", &err));
		/* Defensive: the schema's own table cannot be written, whatever one asks for. */
		assert_false(connection_run(&connection,
					    "PRAGMA writable_schema=ON;"
					    "UPDATE sqlite_schema SET sql='x'",
					    "x", &err));
	}
}

/* --- answers -------------------------------------------------------------------------------------------------- */

static void no_row_and_null_are_nothing(void **state)
{
	auto_connection connection = { 0 };
	char *text = (char *)1;
	struct error err = { 0 };

	database_make(*state, "bot.db", "CREATE TABLE t(x)");
	connect_to(&connection, *state, "bot.db", CONNECTION_READ);
	assert_int_equal(number(&connection, "SELECT x FROM t"), 0);
	assert_int_equal(number(&connection, "SELECT NULL"), 0);
	assert_true(connection_text(&connection, "SELECT x FROM t", &text, &err));
	assert_null(text);
	assert_true(connection_text(&connection, "SELECT NULL", &text, &err));
	assert_null(text);
	assert_true(connection_text(&connection, "SELECT 'a' UNION ALL SELECT 'b'", &text, &err));
	assert_string_equal(text, "a");
	free(text);
}

static void bad_sql_is_trouble_and_gives_nothing(void **state)
{
	auto_connection connection = { 0 };
	int64_t number = 7;
	char *text = (char *)1;
	struct error err = { 0 };

	database_make(*state, "bot.db", "CREATE TABLE t(x)");
	connect_to(&connection, *state, "bot.db", CONNECTION_READ);
	assert_false(connection_number(&connection, "SELECT missing", &number, &err));
	assert_int_equal(number, 0);
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_non_null(strstr(err.text, "no such column"));
	assert_false(connection_text(&connection, "SELECT \x1b[2J", &text, &err));
	assert_null(text);
	assert_null(strchr(err.text, 0x1b));
}

static void what_is_no_database_is_an_error(void **state)
{
	char junk[4096], path[PATH_MAX];
	auto_connection connection = { 0 };
	struct error err = { 0 };
	int64_t number = 0;

	memset(junk, 'j', sizeof junk);
	folder_write(*state, "bot.db", junk, sizeof junk);
	assert_false(connection_open(&connection, folder_path(*state, "bot.db", path),
				     CONNECTION_READ, 0, "bot.db", &err) &&
		     connection_number(&connection, "SELECT count(*) FROM sqlite_schema", &number,
				       &err));
	assert_int_equal(err.status, STATUS_NO);
	assert_non_null(strstr(err.text, "file is not a database"));
}

/* --- locks ---------------------------------------------------------------------------------------------------- */

static void a_lock_that_stays_is_busy_after_the_time_that_one_would_wait(void **state)
{
	static const double waits[] = { 0, 0.05, 0.3 };
	sqlite3 *holder = NULL;
	char path[PATH_MAX];

	database_make(*state, "bot.db", "CREATE TABLE t(x)");
	holder = database_open(*state, "bot.db");
	database_run(holder, "BEGIN EXCLUSIVE");
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		auto_connection connection = { 0 };
		struct error err = { 0 };
		const double began = clock_now();

		assert_false(connection_open(&connection, folder_path(*state, "bot.db", path),
					     CONNECTION_WRITE, waits[i], "bot.db", &err) &&
			     connection_pin(&connection, &err));
		assert_int_equal(err.status, STATUS_BUSY);
		assert_non_null(strstr(err.text, "bot.db: "));
		assert_true(clock_now() - began >= waits[i]);
		assert_true(clock_now() - began < waits[i] + 20);
	}
	database_run(holder, "COMMIT");
	database_close(holder);
}

static sqlite3 *to_release;
static int times_asked;

/* Asked while it waits: the holder lets go at the third time. */
static bool release_later(void)
{
	if (++times_asked == 3)
		database_run(to_release, "COMMIT");
	return false;
}

static void a_lock_that_is_given_back_meanwhile_is_got(void **state)
{
	char path[PATH_MAX];
	auto_connection connection = { 0 };
	struct error err = { 0 };

	database_make(*state, "bot.db", "CREATE TABLE t(x)");
	to_release = database_open(*state, "bot.db");
	database_run(to_release, "BEGIN EXCLUSIVE");
	times_asked = 0;
	connection_stop_when(release_later);
	assert_true(connection_open(&connection, folder_path(*state, "bot.db", path),
				    CONNECTION_WRITE, 60, "bot.db", &err));
	assert_true(connection_pin(&connection, &err));
	connection_stop_when(NULL);
	assert_true(times_asked >= 3);
	connection_drop(&connection);
	database_close(to_release);
}

static bool stop_at_third(void)
{
	return ++times_asked >= 3;
}

static void waiting_can_be_stopped(void **state)
{
	char path[PATH_MAX];
	auto_connection connection = { 0 };
	struct error err = { 0 };
	sqlite3 *holder = NULL;
	const double began = clock_now();

	database_make(*state, "bot.db", "CREATE TABLE t(x)");
	holder = database_open(*state, "bot.db");
	database_run(holder, "BEGIN EXCLUSIVE");
	times_asked = 0;
	connection_stop_when(stop_at_third);
	assert_false(connection_open(&connection, folder_path(*state, "bot.db", path),
				     CONNECTION_WRITE, 600, "bot.db", &err) &&
		     connection_pin(&connection, &err));
	assert_true(connection_was_stopped());
	connection_stop_when(NULL);
	assert_false(connection_was_stopped());
	assert_true(clock_now() - began < 300);
	connection_drop(&connection);
	database_close(holder);
}

static void a_long_statement_can_be_stopped(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };

	database_make(*state, "bot.db", "CREATE TABLE t(x)");
	times_asked = 0;
	connection_stop_when(stop_at_third);
	connect_to(&connection, *state, "bot.db", CONNECTION_READ);
	assert_false(connection_run(&connection,
				    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n)"
				    " SELECT max(i) FROM n",
				    "cannot count", &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	connection_stop_when(NULL);
}

static void a_pin_sees_one_state_until_it_ends(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };
	sqlite3 *writer = NULL;

	database_make(*state, "bot.db", "PRAGMA journal_mode=WAL; CREATE TABLE t(x)");
	writer = database_open(*state, "bot.db");
	connect_to(&connection, *state, "bot.db", CONNECTION_WRITE);
	assert_true(connection_pin(&connection, &err));
	database_run(writer, "INSERT INTO t VALUES(1)");
	assert_int_equal(number(&connection, "SELECT count(*) FROM t"), 0);
	run(&connection, "ROLLBACK");
	assert_int_equal(number(&connection, "SELECT count(*) FROM t"), 1);
	connection_drop(&connection);
	database_close(writer);
}

/* --- integrity ------------------------------------------------------------------------------------------------ */

static void levels_have_their_names(void **state)
{
	enum integrity level = INTEGRITY_NONE;

	(void)state;
	for (enum integrity i = INTEGRITY_NONE; i <= INTEGRITY_FULL; i++) {
		assert_true(integrity_parse(integrity_name(i), &level));
		assert_int_equal(level, i);
	}
	assert_false(integrity_parse("", &level));
	assert_false(integrity_parse("Full", &level));
	assert_false(integrity_parse("fullest", &level));
	assert_string_equal(integrity_name(INTEGRITY_QUICK), "quick");
}

static bool passes(struct connection *connection, enum integrity level, struct error *err)
{
	enum integrity done = level;
	const bool good = integrity_check(connection, &done, err);

	assert_int_equal(done, level);
	return good;
}

static void a_whole_database_passes_every_check(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };

	database_make(*state, "bot.db", "CREATE TABLE t(x UNIQUE); INSERT INTO t VALUES(1),(2)");
	connect_to(&connection, *state, "bot.db", CONNECTION_READ);
	for (enum integrity i = INTEGRITY_NONE; i <= INTEGRITY_FULL; i++)
		assert_true(passes(&connection, i, &err));
}

/* Overwrites some bytes of a page, from 1 on. */
static void damage(const char *folder, const char *name, int64_t page, off_t offset,
		   const void *bytes, size_t length)
{
	char path[PATH_MAX];
	auto_close int fd = open(folder_path(folder, name, path), O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, bytes, length, (off_t)(page - 1) * 4096 + offset), length);
}

static void an_index_that_lacks_a_row_is_found_by_the_full_check_only(void **state)
{
	auto_connection connection = { 0 };
	struct error err = { 0 };
	sqlite3 *database = database_open(*state, "bot.db");

	database_run(database, "PRAGMA page_size=4096; CREATE TABLE t(x); CREATE INDEX i ON t(x);"
			       "INSERT INTO t VALUES('aaaa'),('bbbb')");

	const int64_t page =
		database_number(database, "SELECT rootpage FROM sqlite_schema WHERE name='i'");

	database_close(database);
	/* The last cell made is nearest to the content's start: "bbbb" of the index becomes "bbbz". */
	{
		char path[PATH_MAX], bytes[4096];
		auto_close int fd = open(folder_path(*state, "bot.db", path), O_RDONLY | O_CLOEXEC);

		assert_int_equal(pread(fd, bytes, sizeof bytes, (off_t)(page - 1) * 4096),
				 sizeof bytes);

		const char *found = memmem(bytes, sizeof bytes, "bbbb", 4);

		assert_non_null(found);
		damage(*state, "bot.db", page, found - bytes, "bbbz", 4);
	}
	connect_to(&connection, *state, "bot.db", CONNECTION_READ);
	assert_true(passes(&connection, INTEGRITY_NONE, &err));
	assert_true(passes(&connection, INTEGRITY_QUICK, &err));
	assert_false(passes(&connection, INTEGRITY_FULL, &err));
	assert_int_equal(err.status, STATUS_NO);
	assert_non_null(strstr(err.text, "bot.db: is damaged: "));
	assert_null(strstr(err.text, "***"));
}

static void a_torn_page_is_found_by_the_quick_check(void **state)
{
	char junk[4096];
	auto_connection connection = { 0 };
	struct error err = { 0 };

	memset(junk, 0x5a, sizeof junk);
	database_make(*state, "bot.db",
		      "PRAGMA page_size=4096; CREATE TABLE t(x);"
		      "INSERT INTO t VALUES(zeroblob(100))");
	damage(*state, "bot.db", 2, 0, junk, sizeof junk);
	connect_to(&connection, *state, "bot.db", CONNECTION_READ);
	assert_false(passes(&connection, INTEGRITY_QUICK, &err));
	assert_int_equal(err.status, STATUS_NO);
	assert_null(strchr(err.text, '\n'));
	connection_drop(&connection);
	connect_to(&connection, *state, "bot.db", CONNECTION_READ);
	assert_false(passes(&connection, INTEGRITY_FULL, &err));
	assert_int_equal(err.status, STATUS_NO);
}

static int backwards(void *nothing, int a_length, const void *a, int b_length, const void *b)
{
	const int order = memcmp(b, a, (size_t)(a_length < b_length ? a_length : b_length));

	(void)nothing;
	return order != 0 ? order : b_length - a_length;
}

/* Its indexes are in an order that nobody knows here. */
static void a_collation_of_the_applications_lowers_the_full_check_to_the_quick_one(void **state)
{
	sqlite3 *database = database_open(*state, "bot.db");
	enum integrity level = INTEGRITY_FULL;
	auto_connection connection = { 0 };
	struct error err = { 0 };

	assert_int_equal(sqlite3_create_collation(database, "bots", SQLITE_UTF8, NULL, backwards),
			 SQLITE_OK);
	database_run(database, "CREATE TABLE t(x COLLATE bots UNIQUE);"
			       "INSERT INTO t VALUES('a'),('b'),('c')");
	database_close(database);
	connect_to(&connection, *state, "bot.db", CONNECTION_READ);
	assert_int_equal(number(&connection, "SELECT count(*) FROM t"), 3);
	if (!integrity_check(&connection, &level, &err))
		fail_msg("%s", err.text);
	assert_int_equal(level, INTEGRITY_QUICK);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_path_by_descriptor_survives_a_rename_of_its_folder),
		IN_FOLDER(its_other_files_are_found_by_descriptor_in_wal_mode_too),
		IN_FOLDER(a_link_is_refused),
		IN_FOLDER(a_dangling_link_makes_no_file),
		IN_FOLDER(a_file_that_was_replaced_is_noticed),
		IN_FOLDER(opening_does_not_look_at_the_file),
		IN_FOLDER(what_is_to_be_durable_is_synced_with_its_folder),
		IN_FOLDER(an_error_has_the_words_of_sqlite),
		IN_FOLDER(only_making_makes_a_file),
		IN_FOLDER(reading_does_not_write),
		IN_FOLDER(a_frozen_file_is_read_without_a_lock_and_with_nothing_beside_it),
		IN_FOLDER(closing_leaves_the_wal_as_it_is_unless_it_is_allowed),
		IN_FOLDER(what_keeps_us_from_harm_is_set),
		IN_FOLDER(no_row_and_null_are_nothing),
		IN_FOLDER(bad_sql_is_trouble_and_gives_nothing),
		IN_FOLDER(what_is_no_database_is_an_error),
		IN_FOLDER(a_lock_that_stays_is_busy_after_the_time_that_one_would_wait),
		IN_FOLDER(a_lock_that_is_given_back_meanwhile_is_got),
		IN_FOLDER(waiting_can_be_stopped),
		IN_FOLDER(a_long_statement_can_be_stopped),
		IN_FOLDER(a_pin_sees_one_state_until_it_ends),
		cmocka_unit_test(levels_have_their_names),
		IN_FOLDER(a_whole_database_passes_every_check),
		IN_FOLDER(an_index_that_lacks_a_row_is_found_by_the_full_check_only),
		IN_FOLDER(a_torn_page_is_found_by_the_quick_check),
		IN_FOLDER(a_collation_of_the_applications_lowers_the_full_check_to_the_quick_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
