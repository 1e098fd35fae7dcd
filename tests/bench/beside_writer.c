/*
 * beside_writer - run a command beside a bot that commits at regular intervals, and measure both, for the benchmark.
 *
 * beside_writer DATABASE MILLISECONDS COMMAND [ARGUMENT...]
 *
 * The bot is a thread of this program. Each of its transactions changes a row somewhere in the table "orders" and adds
 * one to "log"; SQLite is as it is by default, so each commit is on the disk before the next. It has made a few when
 * the command is started, and ends after it.
 *
 * The command has /dev/null as its standard input, output and error. Prints one line: the milliseconds from before the
 * command was started until it has ended, its peak memory in KiB, its exit status (128+N after a signal), and the
 * microseconds from BEGIN IMMEDIATE to the end of COMMIT for each transaction that began meanwhile; "refused"
 * for one that failed.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const long refused = -1;
static const int warm_commits = 10;

struct bot {
	const char *path;
	long interval_us;
	_Atomic long begin_us,
		end_us; /* of the command; the transactions that begin in between count */
	_Atomic int commits;
	long *times_us;
	size_t count, room;
};

static long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void sleep_until(long us)
{
	const struct timespec due = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		;
}

static sqlite3 *connect_to(const char *path, long long *rows)
{
	sqlite3 *database = NULL;
	sqlite3_stmt *query = NULL;

	if (sqlite3_open(path, &database) || sqlite3_busy_timeout(database, 5000) ||
	    sqlite3_exec(database, "CREATE TABLE IF NOT EXISTS log(at INTEGER)", NULL, NULL,
			 NULL) ||
	    sqlite3_prepare_v2(database, "SELECT max(id) FROM orders", -1, &query, NULL) ||
	    sqlite3_step(query) != SQLITE_ROW || (*rows = sqlite3_column_int64(query, 0)) < 1)
		errx(1, "%s: %s", path, sqlite3_errmsg(database));
	sqlite3_finalize(query);
	return database;
}

static long commit_once(sqlite3 *database, long long rows)
{
	char sql[200];
	const long start_us = now_us();

	snprintf(sql, sizeof(sql),
		 "BEGIN IMMEDIATE; UPDATE orders SET customer = customer + 1 WHERE id = %lld;"
		 "INSERT INTO log VALUES(%ld); COMMIT",
		 1 + random() % rows, start_us);
	if (sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK)
		return now_us() - start_us;
	sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
	return refused;
}

static void note(struct bot *bot, long us)
{
	if (bot->count == bot->room) {
		bot->room = 2 * bot->room + 1000;
		bot->times_us = realloc(bot->times_us, bot->room * sizeof(*bot->times_us));
		if (!bot->times_us)
			err(1, "no memory");
	}
	bot->times_us[bot->count++] = us;
}

static void *commit_until_the_end(void *argument)
{
	struct bot *bot = argument;
	long long rows = 0;
	sqlite3 *database = connect_to(bot->path, &rows);

	for (long due_us = now_us(); !bot->end_us;) {
		const long start_us = now_us();
		const long us = commit_once(database, rows);

		if (bot->begin_us && start_us >= bot->begin_us &&
		    (!bot->end_us || start_us < bot->end_us))
			note(bot, us);
		bot->commits++;
		/* One that took too long delays the next one; they do not pile up. */
		due_us =
			due_us + bot->interval_us > now_us() ? due_us + bot->interval_us : now_us();
		sleep_until(due_us);
	}
	sqlite3_close(database);
	return NULL;
}

static pid_t start(char **command)
{
	posix_spawn_file_actions_t actions;
	pid_t child = 0;
	int error = posix_spawn_file_actions_init(&actions);

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && error == 0; fd++)
		error = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
	if (error == 0)
		error = posix_spawnp(&child, command[0], &actions, NULL, command, environ);
	if (error != 0)
		errx(127, "%s: %s", command[0], strerror(error));
	return child;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		errx(2, "usage: beside_writer DATABASE MILLISECONDS COMMAND [ARGUMENT...]");

	struct bot bot = { .path = argv[1], .interval_us = atol(argv[2]) * 1000 };
	struct rusage usage;
	pthread_t thread;
	int ended = 0;

	if (pthread_create(&thread, NULL, commit_until_the_end, &bot) != 0)
		errx(127, "no thread");
	while (bot.commits < warm_commits)
		sleep_until(now_us() + 1000);
	bot.begin_us = now_us();

	const pid_t child = start(argv + 3);

	while (wait4(child, &ended, 0, &usage) < 0)
		if (errno != EINTR)
			err(127, "wait4");
	bot.end_us = now_us();
	pthread_join(thread, NULL);
	printf("%.3f %ld %d", (double)(bot.end_us - bot.begin_us) / 1e3, usage.ru_maxrss,
	       WIFSIGNALED(ended) ? 128 + WTERMSIG(ended) : WEXITSTATUS(ended));
	for (size_t i = 0; i < bot.count; i++)
		if (bot.times_us[i] == refused)
			printf(" refused");
		else
			printf(" %ld", bot.times_us[i]);
	printf("\n");
	return 0;
}
