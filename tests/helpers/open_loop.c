/*
 * open_loop - open and close a file many times, and say how long that took at worst.
 *
 *	open_loop COUNT FILE
 *
 * For the tests: a program that keeps an open from succeeding, or makes it wait, is found out.
 * Answers "opens N failed N longest_us N".
 */

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	long failed = 0, longest_us = 0;

	if (argc != 3)
		errx(2, "usage: open_loop COUNT FILE");

	long count = atol(argv[1]);

	for (long i = 0; i < count; i++) {
		long start_us = now_us();
		int fd = open(argv[2], O_RDWR | O_CLOEXEC);
		long waited_us = now_us() - start_us;

		if (fd < 0)
			failed++;
		else
			close(fd);
		if (waited_us > longest_us)
			longest_us = waited_us;
	}
	printf("opens %ld failed %ld longest_us %ld\n", count, failed, longest_us);
	return 0;
}
