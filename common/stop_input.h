/* What botkill reads from a pipe: the lines of dblockcheck --json. */
#ifndef COMMON_STOP_INPUT_H
#define COMMON_STOP_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/stop.h"

/* One line: a database and the processes that held it. */
struct stop_request {
	char *database;
	struct stop_entries entries;
};

struct stop_requests {
	struct stop_request *items;
	size_t count, capacity;
};

/*
 * Reads all of a text, one JSON object a line. Nothing that is not to the letter of dblockcheck's form is taken:
 * every holder needs a PID and a start time that can be ones. Fails as a whole, so that half an input stops nobody.
 */
bool stop_requests_read(const char *text, size_t length, struct stop_requests *requests,
			struct error *err);

/* The same, of everything that can be read from a descriptor, up to 64 MiB. */
bool stop_requests_read_from(int fd, struct stop_requests *requests, struct error *err);
void stop_requests_release(struct stop_requests *requests);

#endif
