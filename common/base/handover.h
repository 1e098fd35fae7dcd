/* A JSON document handed from a worker to its parent, through a file in memory (memfd_create(2)). */
#ifndef BASE_HANDOVER_H
#define BASE_HANDOVER_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/json.h"

/* Makes the file; the caller closes it. -1 on failure. */
int handover_make(struct error *err);

/* Writes the document, which it takes over, in place of what was there. */
bool handover_put(int fd, struct json_t *document, struct error *err);

/* Reads it; json_release() it. NULL on failure. */
struct json_t *handover_take(int fd, struct error *err);

#endif
