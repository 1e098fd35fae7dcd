/* Databases for tests, made with SQLite itself and not through the code under test. */
#ifndef TESTS_UNIT_DATABASE_H
#define TESTS_UNIT_DATABASE_H

#include "tests/unit/folder.h"

#include <dirent.h>
#include <sqlite3.h>

static inline void database_run(sqlite3 *database, const char *sql)
{
	char *words = NULL;

	if (sqlite3_exec(database, sql, NULL, NULL, &words) != SQLITE_OK)
		fail_msg("%s: %s", sql, words);
}

/* Opens "FOLDER/NAME", made if it is missing; close it with database_close(). */
static inline sqlite3 *database_open(const char *folder, const char *name)
{
	char path[PATH_MAX];
	sqlite3 *database = NULL;

	assert_int_equal(sqlite3_open(folder_path(folder, name, path), &database), SQLITE_OK);
	return database;
}

static inline void database_close(sqlite3 *database)
{
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

/* Opens, runs, closes. */
static inline void database_make(const char *folder, const char *name, const char *sql)
{
	sqlite3 *database = database_open(folder, name);

	database_run(database, sql);
	database_close(database);
}

/* The one number that a query gives. */
static inline int64_t database_number(sqlite3 *database, const char *sql)
{
	sqlite3_stmt *statement = NULL;

	assert_int_equal(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);

	const int64_t number = sqlite3_column_int64(statement, 0);

	assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
	return number;
}

#endif
