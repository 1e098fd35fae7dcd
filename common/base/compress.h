/* Compression with zstd (libzstd, on all processors); no other file calls it. */
#ifndef BASE_COMPRESS_H
#define BASE_COMPRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/digest.h"
#include "common/base/error.h"

enum { COMPRESS_LEAST_LEVEL = 1, COMPRESS_USUAL_LEVEL = 3, COMPRESS_MOST_LEVEL = 19 };

/* One run; `done` and `stop` may be NULL. */
struct compress {
	int from, to;		       /* from is read, and to written, from where they stand */
	_Atomic uint64_t *done;	       /* bytes of `from` so far, for who watches */
	bool (*stop)(void);	       /* asked now and then; true ends it with an error */
	uint64_t most;		       /* unpacking: more bytes than this are an error */
	uint64_t read, written;	       /* bytes, when it is over */
	char digest[DIGEST_TEXT_SIZE]; /* of what was written */
};

bool compress_pack(struct compress *compress, int level, struct error *err);

/* STATUS_NO when what is read is no whole zstd file, or does not give what its checksum says. */
bool compress_unpack(struct compress *compress, struct error *err);

#endif
