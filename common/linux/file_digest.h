/*
 * The SHA-256 of a file while it is still being written from front to back: a thread reads what is there already, so
 * that on a second processor it costs no time of its own.
 */
#ifndef LINUX_FILE_DIGEST_H
#define LINUX_FILE_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/digest.h"
#include "common/base/error.h"

struct file_digest;

/* Starts to read the file open at `fd` (which must stay open) as far as file_digest_reach() allows. */
struct file_digest *file_digest_start(int fd, struct error *err);

/* The first `bytes` of the file are as they will be. */
void file_digest_reach(struct file_digest *digest, uint64_t bytes);

/* Waits until all that was reached has been read; releases it. False when the file could not be read. */
bool file_digest_finish(struct file_digest *digest, char text[DIGEST_TEXT_SIZE], struct error *err);

/* Gives up; NULL is nothing. */
void file_digest_drop(struct file_digest *digest);

/* The digest of a whole file, in this thread. *length: its bytes. `stop` may be NULL. */
bool file_digest_of(int fd, char text[DIGEST_TEXT_SIZE], uint64_t *length, bool (*stop)(void),
		    struct error *err);

#endif
