/*
 * commit_loop - commit many small transactions, and say how long that took at worst.
 *
 *	commit_loop COUNT DATABASE
 *
 * For the tests: whoever holds a lock on the database, however briefly, is found out, for this
 * writer waits for none. Answers "commits N refused N longest_us N". The table is "orders".
 */

#include <err.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	sqlite3 *database = NULL;
	long refused = 0, longest_us = 0;

	if (argc != 3)
		errx(2, "usage: commit_loop COUNT DATABASE");
	if (sqlite3_open(argv[2], &database) ||
	    sqlite3_exec(database, "PRAGMA synchronous = OFF", NULL, NULL, NULL))
		errx(1, "%s: %s", argv[2], sqlite3_errmsg(database));

	long count = atol(argv[1]);

	for (long i = 0; i < count; i++) {
		long start_us = now_us();

		if (sqlite3_exec(database, "UPDATE orders SET problem = 'slow' WHERE id = 1", NULL,
				 NULL, NULL))
			refused++;

		long waited_us = now_us() - start_us;

		if (waited_us > longest_us)
			longest_us = waited_us;
	}
	printf("commits %ld refused %ld longest_us %ld\n", count, refused, longest_us);
	sqlite3_close(database);
	return 0;
}
