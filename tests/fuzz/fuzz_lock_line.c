#include "tests/fuzz/fuzz.h"

#include <inttypes.h>

#include "common/linux/lock_line.h"

/* The line again, as the kernel would print it. */
static void print_line(const struct lock_line *lock, char *text, size_t size)
{
	static const char *const classes[] = {
		[LOCK_POSIX] = "POSIX  ADVISORY ", [LOCK_OFD] = "OFDLCK ADVISORY ",
		[LOCK_FLOCK] = "FLOCK  ADVISORY ", [LOCK_LEASE] = "LEASE  ACTIVE   ",
		[LOCK_OTHER] = "DELEG  ACTIVE   ",
	};
	char last[32] = "EOF";

	if (lock->last != UINT64_MAX)
		(void)snprintf(last, sizeof last, "%" PRIu64, lock->last);
	(void)snprintf(text, size, "1: %s%s %s %d %02x:%02x:%" PRIu64 " %" PRIu64 " %s\n",
		       lock->waiting ? "-> " : "", classes[lock->class],
		       lock->write ? "WRITE" : "READ ", lock->pid, lock->major, lock->minor,
		       lock->inode, lock->first, last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size), again[256];
	struct lock_line lock, other;

	if (lock_line_read(text, &lock)) {
		CHECK(lock.first <= lock.last);
		CHECK(lock.class <= LOCK_OTHER);
		print_line(&lock, again, sizeof again);
		CHECK(lock_line_read(again, &other));
		CHECK(lock_line_equal(&lock, &other));
		/* What comes behind the line does not matter, and nothing in the line may. */
		text[strcspn(text, "\n")] = '\0';
		CHECK(lock_line_read(text, &other));
		CHECK(lock_line_equal(&lock, &other));
	}
	free(text);
	return 0;
}
