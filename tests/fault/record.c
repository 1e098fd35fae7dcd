/*
 * record.so - write down every operation on a file that was done, in order and with its bytes, for powerloss.py.
 *
 *	FAULT_AT	the number of a sync, as inject.so counts, that fails with EIO; 0: none
 *
 * The order is that in which the operations ended. The tools never do two at once.
 */

#include "tests/fault/intercept.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

static uint64_t fault_at;

__attribute__((constructor)) static void read_plan(void)
{
	const char *at = getenv("FAULT_AT");

	fault_at = at ? strtoull(at, NULL, 10) : 0;
}

bool before_operation(struct operation *operation)
{
	const uint64_t number = atomic_fetch_add(&fault_log->count, 1) + 1;

	if (number != fault_at || !(operation->traits & IS_SYNC))
		return true;
	operation->traits |= WAS_HIT;
	log_operation(operation, EIO);
	errno = EIO;
	return false;
}

void after_operation(struct operation *operation, int64_t result)
{
	struct stat status = { 0 };

	if (result < 0)
		return;
	if (operation->traits & IS_DIVISIBLE)
		operation->length = (uint64_t)result;
	if (operation->data_length > operation->length)
		operation->data_length = operation->length;
	if (operation->traits & MAKES_NAME && lstat(operation->path, &status) == 0)
		operation->inode = status.st_ino;
	log_operation(operation, 0);
}
