/*
 * Copying the bytes of a file: by sharing its blocks (FICLONE: XFS, btrfs) where the file system can, else inside the
 * kernel (copy_file_range(2)), else by reading and writing. Holes stay holes.
 */
#ifndef LINUX_FILE_COPY_H
#define LINUX_FILE_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

enum copy_method { COPY_REFLINK, COPY_RANGE, COPY_READ_WRITE };

/* "reflink", "copy_file_range", "read_write". */
const char *copy_method_name(enum copy_method method) __attribute__((returns_nonnull));

/* Makes `to` share all blocks of `from`; false when that cannot be done here, with nothing changed. */
bool file_clone(int from, int to);

/*
 * Copies `length` bytes from `offset` on, to the same place of `to`, which has nothing there yet. *method is how (in:
 * what to try; COPY_RANGE falls back and is then updated). A file that ends early is copied as far as it goes. False
 * with errno set.
 */
bool file_copy_range(int from, int to, uint64_t offset, uint64_t length, enum copy_method *method);

#endif
