/* A database in a few facts, read in a worker: to compare what is there with what a backup holds. */
#ifndef COMMON_DATABASE_SUMMARY_H
#define COMMON_DATABASE_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/sqlite/schema.h"
#include "common/target.h"

struct database_summary {
	bool known; /* false: there is no such database, or it cannot be read */
	struct schema_facts facts;
	uint64_t size; /* bytes of its pages */
	struct schema_tables tables;
};

void database_summary_release(struct database_summary *summary);

/* Of a live database. `count` its rows too, which reads it all. STATUS_BUSY when it is locked for `wait` seconds. */
bool database_summary_of_target(const struct target *target, double wait, bool count,
				struct database_summary *summary, struct error *err);

/* Of a file of ours. */
bool database_summary_of_file(int folder_fd, const char *name, const char *shown, bool count,
			      struct database_summary *summary, struct error *err);

/* Whether both have tables, and none of the same name. */
bool database_summary_is_strange(const struct database_summary *a,
				 const struct database_summary *b);

#endif
