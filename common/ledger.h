/*
 * What is remembered of a database's migrations beside it: hashes of the SQL files that were applied, so that an edited one is
 * noticed; never in the database, whose dump stays as dbmate would leave it. And the last rehearsal that went well.
 */
#ifndef COMMON_LEDGER_H
#define COMMON_LEDGER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/digest.h"
#include "common/base/error.h"
#include "common/target.h"

struct ledger_entry {
	char *version;
	char digest[DIGEST_TEXT_SIZE];
};

struct ledger {
	struct ledger_entry *items; /* by version's bytes */
	size_t count, capacity;
};

#define auto_ledger __attribute__((cleanup(ledger_release))) struct ledger

/* Without a file (or state folder: -1) an empty one. */
bool ledger_read(int state_fd, const struct target *target, struct ledger *ledger,
		 struct error *err);
bool ledger_write(int state_fd, const struct target *target, struct ledger *ledger,
		  struct error *err);
void ledger_release(struct ledger *ledger);

/* The digest that a version was applied with; NULL: not known. */
const char *ledger_find(const struct ledger *ledger, const char *version);
void ledger_set(struct ledger *ledger, const char *version, const char *digest);
void ledger_forget(struct ledger *ledger, const char *version);

/* A rehearsal that went well. */
struct rehearsal {
	bool known;
	char *fingerprint, *time, *to; /* of the files; when it ended; where it led */
};

bool rehearsal_read(int state_fd, const struct target *target, struct rehearsal *rehearsal,
		    struct error *err);
bool rehearsal_write(int state_fd, const struct target *target, const struct rehearsal *rehearsal,
		     struct error *err);
void rehearsal_release(struct rehearsal *rehearsal);

#endif
