/* SHA-256, made with libcrypto; no other file calls it. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stddef.h>

/* 64 hex digits and a NUL. */
enum { DIGEST_TEXT_SIZE = 65 };

struct digest {
	void *context; /* libcrypto's; NULL when not started */
};

#define auto_digest __attribute__((cleanup(digest_release))) struct digest

/* Starts anew. Out of memory ends the program, as in memory.h. */
void digest_start(struct digest *digest);
void digest_add(struct digest *digest, const void *bytes, size_t length);

/* The digest of all that was added, in lower case hex; releases it. */
void digest_finish(struct digest *digest, char text[DIGEST_TEXT_SIZE]);
void digest_release(struct digest *digest);

#endif
