/*
 * The raw copy of a snapshot: the bytes of the main file, with the newest frames of the WAL over them. snapshot.h tells why
 * that is right; this is for snapshot.c only.
 */
#ifndef COMMON_SNAPSHOT_RAW_H
#define COMMON_SNAPSHOT_RAW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/linux/file_copy.h"
#include "common/linux/file_digest.h"
#include "common/snapshot.h"
#include "common/sqlite/wal_frames.h"
#include "common/sqlite/wal_index.h"

/* What a raw copy works with. Descriptors are closed after the connection is, see connection.h. */
struct raw {
	struct snapshot *snapshot;
	int main_fd, wal_fd, shm_fd; /* of the live files; -1: none */
	int copy_fd;
	struct wal_index index; /* frames 0: the main file alone is the state */
	struct wal_frames frames;
	uint64_t main_size; /* of the main file, under the pin */
	uint64_t size;	    /* of the copy */
	enum copy_method method;
	struct file_digest *digest;
	uint32_t last_change; /* of the wal-index, as last seen */
	double last_commit;   /* by others, as seen here; on clock_now(); 0: none */
};

void raw_release(struct raw *raw);

/* Under the pin, in WAL mode: finds how far the WAL goes. False when that cannot be had. */
bool raw_open_wal(struct raw *raw);

/*
 * Under the pin, by sharing blocks: the WAL too, so that the pin can be let go of before anything is read. False, with
 * nothing lost, where that cannot be done. raw_complete() does the rest, without the pin.
 */
bool raw_clone(struct raw *raw);
bool raw_complete(struct raw *raw, struct error *err);

/* Under the pin, by copying: all of it. */
bool raw_copy(struct raw *raw, struct error *err);

/* Of a database that nobody can write to: the main file, and its -wal and -journal beside it. */
bool raw_copy_all_files(struct raw *raw, struct error *err);

/*
 * A copy without a -wal is one in rollback mode, and says so in its header. Where pages end in bytes of an extension's
 * (a checksum, say), the page is left as it is. False with errno set.
 */
bool raw_mark_as_rollback(const struct raw *raw);

/* Makes the copy durable, and waits for its digest. */
bool raw_finish(struct raw *raw, struct error *err);

#endif
