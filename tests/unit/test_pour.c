#include "tests/unit/database.h"

#include "common/base/clock.h"
#include "common/sqlite/pour.h"

#define auto_pour __attribute__((cleanup(pour_drop))) struct pour

static void connect_to(struct connection *connection, const char *folder, const char *name,
		       enum connection_way way)
{
	char path[PATH_MAX];
	struct error err = { 0 };

	if (!connection_open(connection, folder_path(folder, name, path), way, 0, name, &err))
		fail_msg("%s", err.text);
}

/* The backup: a hundred rows, some pages. The target: one row. */
static void make_both(const char *folder, const char *target_settings)
{
	sqlite3 *target = database_open(folder, "bot.db");

	database_make(folder, "backup.db",
		      "CREATE TABLE t(x, y); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 "
		      "FROM n WHERE i<100) INSERT INTO t SELECT i, zeroblob(1000) FROM n");
	database_run(target, target_settings);
	database_run(target, "CREATE TABLE t(x, y); INSERT INTO t VALUES(-1, '')");
	database_close(target);
}

static int64_t rows(const char *folder, const char *name)
{
	sqlite3 *database = database_open(folder, name);
	const int64_t count = database_number(database, "SELECT sum(x) FROM t");

	database_close(database);
	return count;
}

enum { OLD = -1, NEW = 5050 };

static void pour_whole(struct pour *pour, int pages)
{
	struct error err = { 0 };
	uint64_t done = 0, total = 0, before = 0;
	bool more = true;

	while (more) {
		if (!pour_step(pour, pages, &more, &err))
			fail_msg("%s", err.text);
		pour_progress(pour, &done, &total);
		assert_true(done > before && done <= total);
		before = done;
	}
	assert_true(done == total);
	if (!pour_finish(pour, &err))
		fail_msg("%s", err.text);
	assert_null(pour->backup);
}

static void restore(const char *folder)
{
	auto_connection from = { 0 }, to = { 0 };
	auto_pour pour = { 0 };
	struct error err = { 0 };

	connect_to(&from, folder, "backup.db", CONNECTION_READ);
	connect_to(&to, folder, "bot.db", CONNECTION_WRITE);
	assert_true(connection_pin(&from, &err));
	if (!pour_begin(&pour, &from, &to, 0, &err))
		fail_msg("%s", err.text);
	pour_whole(&pour, 7);
}

static ino_t inode_of(const char *folder)
{
	char path[PATH_MAX];
	struct stat stat = { 0 };

	assert_int_equal(lstat(folder_path(folder, "bot.db", path), &stat), 0);
	return stat.st_ino;
}

static void a_database_in_rollback_mode_becomes_the_other_in_place(void **state)
{
	make_both(*state, "PRAGMA journal_mode=DELETE");

	const ino_t before = inode_of(*state);

	restore(*state);
	assert_int_equal(rows(*state, "bot.db"), NEW);
	assert_int_equal(inode_of(*state), before);
}

static void a_database_in_wal_mode_becomes_the_other_and_stays_in_it(void **state)
{
	make_both(*state, "PRAGMA journal_mode=WAL");
	restore(*state);
	assert_int_equal(rows(*state, "bot.db"), NEW);

	sqlite3 *database = database_open(*state, "bot.db");

	assert_int_equal(database_number(database, "SELECT journal_mode='wal' FROM "
						   "pragma_journal_mode"),
			 1);
	database_close(database);
}

static void an_open_connection_sees_the_change(void **state)
{
	static const char *const modes[] = { "PRAGMA journal_mode=DELETE",
					     "PRAGMA journal_mode=WAL" };

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		char path[PATH_MAX];

		make_both(*state, modes[i]);

		sqlite3 *reader = database_open(*state, "bot.db");

		assert_int_equal(database_number(reader, "SELECT sum(x) FROM t"), OLD);
		restore(*state);
		assert_int_equal(database_number(reader, "SELECT sum(x) FROM t"), NEW);
		database_close(reader);
		assert_int_equal(unlink(folder_path(*state, "bot.db", path)), 0);
		assert_int_equal(unlink(folder_path(*state, "backup.db", path)), 0);
	}
}

static void drop_at(const char *folder, int steps)
{
	auto_connection from = { 0 }, to = { 0 };
	auto_pour pour = { 0 };
	struct error err = { 0 };
	bool more = true;

	connect_to(&from, folder, "backup.db", CONNECTION_READ);
	connect_to(&to, folder, "bot.db", CONNECTION_WRITE);
	assert_true(pour_begin(&pour, &from, &to, 0, &err));
	for (int i = 0; i < steps; i++)
		assert_true(pour_step(&pour, 7, &more, &err));
	assert_true(more);
	pour_drop(&pour);
	assert_null(pour.backup);
	pour_drop(&pour);
}

static void what_is_dropped_leaves_it_unchanged(void **state)
{
	static const char *const modes[] = { "PRAGMA journal_mode=DELETE",
					     "PRAGMA journal_mode=WAL" };

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		char path[PATH_MAX];

		make_both(*state, modes[i]);
		for (int steps = 0; steps <= 3; steps++) {
			drop_at(*state, steps);
			assert_int_equal(rows(*state, "bot.db"), OLD);
		}
		assert_int_equal(unlink(folder_path(*state, "bot.db", path)), 0);
		assert_int_equal(unlink(folder_path(*state, "backup.db", path)), 0);
	}
}

static void after_the_last_page_nobody_sees_it_before_it_is_committed(void **state)
{
	auto_connection from = { 0 }, to = { 0 };
	auto_pour pour = { 0 };
	struct error err = { 0 };
	bool more = true;

	make_both(*state, "PRAGMA journal_mode=WAL");

	sqlite3 *reader = database_open(*state, "bot.db");

	connect_to(&from, *state, "backup.db", CONNECTION_READ);
	connect_to(&to, *state, "bot.db", CONNECTION_WRITE);
	assert_true(pour_begin(&pour, &from, &to, 0, &err));
	assert_true(pour_step(&pour, 7, &more, &err));
	assert_true(more);
	assert_int_equal(database_number(reader, "SELECT sum(x) FROM t"), OLD);
	/* And nobody else may write meanwhile. */
	assert_int_equal(sqlite3_exec(reader, "INSERT INTO t VALUES(1,1)", NULL, NULL, NULL),
			 SQLITE_BUSY);
	pour_whole(&pour, 1000);
	assert_int_equal(database_number(reader, "SELECT sum(x) FROM t"), NEW);
	database_close(reader);
}

static void a_copy_is_made_where_nothing_was(void **state)
{
	auto_connection from = { 0 }, to = { 0 };
	auto_pour pour = { 0 };
	struct error err = { 0 };

	make_both(*state, "PRAGMA journal_mode=WAL");
	connect_to(&from, *state, "backup.db", CONNECTION_READ);
	connect_to(&to, *state, "copy.db", CONNECTION_MAKE);
	assert_true(pour_begin(&pour, &from, &to, 0, &err));
	pour_whole(&pour, 1);
	assert_true(connection_close(&to, &err));
	assert_int_equal(rows(*state, "copy.db"), NEW);
}

static void a_pinned_source_is_poured_as_it_was_whatever_others_write(void **state)
{
	auto_connection from = { 0 }, to = { 0 };
	auto_pour pour = { 0 };
	struct error err = { 0 };
	bool more = true;
	sqlite3 *writer = NULL;
	uint64_t done = 0, before = 0, total = 0;

	make_both(*state, "PRAGMA journal_mode=DELETE");
	database_make(*state, "backup.db", "PRAGMA journal_mode=WAL");
	writer = database_open(*state, "backup.db");
	connect_to(&from, *state, "backup.db", CONNECTION_WRITE);
	connect_to(&to, *state, "copy.db", CONNECTION_MAKE);
	assert_true(connection_pin(&from, &err));
	assert_true(pour_begin(&pour, &from, &to, 0, &err));
	while (more) {
		assert_true(pour_step(&pour, 5, &more, &err));
		database_run(writer, "UPDATE t SET x = x + 1000");
		pour_progress(&pour, &done, &total);
		/* It never starts again. */
		assert_true(done > before);
		before = done;
	}
	assert_true(pour_finish(&pour, &err));
	assert_true(connection_close(&to, &err));
	assert_int_equal(rows(*state, "copy.db"), NEW);
	connection_drop(&from);
	database_close(writer);
}

static void a_target_that_is_locked_is_busy_after_the_wait_and_unchanged(void **state)
{
	static const double waits[] = { 0, 0.1 };
	sqlite3 *holder = NULL;

	make_both(*state, "PRAGMA journal_mode=DELETE");
	holder = database_open(*state, "bot.db");
	database_run(holder, "BEGIN IMMEDIATE");
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		auto_connection from = { 0 }, to = { 0 };
		auto_pour pour = { 0 };
		struct error err = { 0 };
		const double began = clock_now();

		connect_to(&from, *state, "backup.db", CONNECTION_READ);
		connect_to(&to, *state, "bot.db", CONNECTION_WRITE);
		assert_false(pour_begin(&pour, &from, &to, waits[i], &err));
		assert_int_equal(err.status, STATUS_BUSY);
		assert_null(pour.backup);
		assert_true(clock_now() - began >= waits[i]);
	}
	database_run(holder, "COMMIT");
	database_close(holder);
	assert_int_equal(rows(*state, "bot.db"), OLD);
}

static void beginning_takes_the_write_lock(void **state)
{
	auto_connection from = { 0 }, to = { 0 };
	auto_pour pour = { 0 };
	struct error err = { 0 };
	uint64_t done = 1, total = 0;

	make_both(*state, "PRAGMA journal_mode=DELETE");

	sqlite3 *other = database_open(*state, "bot.db");

	connect_to(&from, *state, "backup.db", CONNECTION_READ);
	connect_to(&to, *state, "bot.db", CONNECTION_WRITE);
	assert_true(pour_begin(&pour, &from, &to, 0, &err));
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_BUSY);
	pour_progress(&pour, &done, &total);
	assert_int_equal(done, 0);
	assert_true(total > 20);
	pour_drop(&pour);
	database_run(other, "BEGIN IMMEDIATE; COMMIT");
	database_close(other);
}

static void a_target_in_a_transaction_of_its_own_is_refused(void **state)
{
	auto_connection from = { 0 }, to = { 0 };
	auto_pour pour = { 0 };
	struct error err = { 0 };

	make_both(*state, "PRAGMA journal_mode=DELETE");
	connect_to(&from, *state, "backup.db", CONNECTION_READ);
	connect_to(&to, *state, "bot.db", CONNECTION_WRITE);
	assert_true(connection_pin(&to, &err));
	assert_false(pour_begin(&pour, &from, &to, 0, &err));
	assert_int_not_equal(err.text[0], '\0');
	assert_int_not_equal(err.status, STATUS_OK);
}

static void a_target_that_may_not_be_written_is_an_error(void **state)
{
	auto_connection from = { 0 }, to = { 0 };
	auto_pour pour = { 0 };
	struct error err = { 0 };

	make_both(*state, "PRAGMA journal_mode=DELETE");
	connect_to(&from, *state, "backup.db", CONNECTION_READ);
	connect_to(&to, *state, "bot.db", CONNECTION_READ);
	assert_false(pour_begin(&pour, &from, &to, 0, &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	connection_drop(&to);
	assert_int_equal(rows(*state, "bot.db"), OLD);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_database_in_rollback_mode_becomes_the_other_in_place),
		IN_FOLDER(a_database_in_wal_mode_becomes_the_other_and_stays_in_it),
		IN_FOLDER(an_open_connection_sees_the_change),
		IN_FOLDER(what_is_dropped_leaves_it_unchanged),
		IN_FOLDER(after_the_last_page_nobody_sees_it_before_it_is_committed),
		IN_FOLDER(a_copy_is_made_where_nothing_was),
		IN_FOLDER(a_pinned_source_is_poured_as_it_was_whatever_others_write),
		IN_FOLDER(a_target_that_is_locked_is_busy_after_the_wait_and_unchanged),
		IN_FOLDER(beginning_takes_the_write_lock),
		IN_FOLDER(a_target_in_a_transaction_of_its_own_is_refused),
		IN_FOLDER(a_target_that_may_not_be_written_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
