/* What a database has in it after a restore that failed: the old content, the new, or neither; or it could not be read. */
#ifndef COMMON_RESTORE_COMPARE_H
#define COMMON_RESTORE_COMPARE_H

#include "common/restore.h"

enum compare_result { COMPARE_OLD, COMPARE_NEW, COMPARE_NEITHER, COMPARE_UNKNOWN };

/* Looks with a fresh process, which also rolls back what has to be. */
enum compare_result restore_compare(struct restore *restore);

#endif
