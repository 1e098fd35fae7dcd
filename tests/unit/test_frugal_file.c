#include "tests/unit/database.h"

#include "common/sqlite/connection.h"
#include "common/sqlite/pour.h"

/* More than a cache of ten pages holds, so that pages go to the file before the end of the transaction. */
static const char large_change[] =
	"PRAGMA cache_size=10; BEGIN;"
	"UPDATE t SET v = zeroblob(3000) || n WHERE n % 3 = 0; DELETE FROM t WHERE n % 7 = 0;"
	"INSERT INTO t SELECT n + 100000, randomblob(2000) FROM t WHERE n % 5 = 0";

static void make_books(const char *folder, const char *mode)
{
	char sql[512];

	(void)snprintf(sql, sizeof sql,
		       "PRAGMA journal_mode=%s; CREATE TABLE t(n INTEGER PRIMARY KEY, v);"
		       "WITH s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 700)"
		       "INSERT INTO t SELECT i, randomblob(900) FROM s",
		       mode);
	database_make(folder, "a.db", sql);
}

static struct connection open_alone(const char *path, const char *mode)
{
	struct connection connection = { 0 };
	struct error err = { 0 };
	char sql[128];

	(void)snprintf(
		sql, sizeof sql,
		"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=%s; BEGIN EXCLUSIVE; COMMIT",
		mode);
	assert_true(connection_open(&connection, path, CONNECTION_ALONE, 0, "a.db", &err));
	assert_true(connection_run(&connection, sql, "cannot be locked", &err));
	return connection;
}

static int64_t ask(const char *folder, const char *sql)
{
	sqlite3 *database = database_open(folder, "a.db");
	const int64_t number = database_number(database, sql);

	database_close(database);
	return number;
}

static const char *const modes[] = { "DELETE", "TRUNCATE", "PERSIST", "WAL" };

static void change(void **state, const char *end, int64_t rows)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		struct error err = { 0 };

		make_books(*state, modes[i]);

		struct connection connection =
			open_alone(folder_path(*state, "a.db", path), modes[i]);

		assert_true(connection_run(&connection, large_change, "cannot be changed", &err));
		assert_true(connection_run(&connection, end, "cannot be ended", &err));
		connection_allow_checkpoint(&connection);
		assert_true(connection_close(&connection, &err));
		assert_int_equal(ask(*state, "SELECT count(*) FROM t"), rows);
		assert_int_equal(ask(*state, "SELECT count(*) FROM pragma_integrity_check "
					     "WHERE integrity_check = 'ok'"),
				 1);
		assert_int_equal(unlink(path), 0);
	}
}

static void a_large_transaction_that_is_rolled_back_leaves_what_was_there(void **state)
{
	change(state, "ROLLBACK", 700);
}

static void a_large_transaction_is_whole_after_its_commit(void **state)
{
	/* 700 less the 100 multiples of 7, and a copy of each of the 120 multiples of 5 among the rest. */
	change(state, "COMMIT", 700 - 100 + 120);
}

/* Bytes that this process has given to write(2) and its like (proc(5)). */
static long long written(void)
{
	char line[64];
	long long bytes = -1;
	FILE *io = fopen("/proc/self/io", "re");

	assert_non_null(io);
	while (bytes < 0 && fgets(line, sizeof line, io))
		(void)sscanf(line, "wchar: %lld", &bytes);
	assert_int_equal(fclose(io), 0);
	assert_true(bytes >= 0);
	return bytes;
}

static void copy_file(const char *from, const char *to)
{
	const int in = open(from, O_RDONLY | O_CLOEXEC);
	const int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(in >= 0 && out >= 0);
	while (copy_file_range(in, NULL, out, NULL, 1 << 20, 0) > 0)
		continue;
	assert_int_equal(close(in), 0);
	assert_int_equal(close(out), 0);
}

static void pouring_what_is_there_already_writes_the_journal_only(void **state)
{
	char path[PATH_MAX], other[PATH_MAX];
	struct error err = { 0 };
	struct stat about = { 0 };
	struct connection from = { 0 };
	struct pour pour = { 0 };
	struct pour_watch watch = { 0 };

	make_books(*state, "DELETE");
	(void)folder_path(*state, "a.db", path);
	(void)folder_path(*state, "b.db", other);
	copy_file(path, other);

	struct connection to = open_alone(path, "DELETE");
	const long long before = written();

	assert_int_equal(stat(path, &about), 0);
	assert_true(connection_open(&from, other, CONNECTION_READ, 0, "b.db", &err));
	assert_true(connection_pin(&from, &err));
	assert_true(pour_begin(&pour, &from, &to, 0, &err));
	assert_true(pour_all(&pour, &watch, &err));
	assert_in_range(written() - before, about.st_size / 2, about.st_size * 3 / 2);
	assert_true(connection_close(&from, &err));
	assert_true(connection_close(&to, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_large_transaction_that_is_rolled_back_leaves_what_was_there, folder_make,
			folder_remove),
		cmocka_unit_test_setup_teardown(a_large_transaction_is_whole_after_its_commit,
						folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(
			pouring_what_is_there_already_writes_the_journal_only, folder_make,
			folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
