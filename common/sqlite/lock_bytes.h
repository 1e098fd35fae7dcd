/*
 * Which byte ranges mean what: kernel locks on a database's files, in SQLite's names. Pure.
 *
 *   main file   0x40000000  PENDING      -shm   120  WRITE     123..127  READ0..READ4
 *               0x40000001  RESERVED            121  CKPT      128       DMS
 *               0x40000002  SHARED, 510 bytes   122  RECOVER
 *
 * Source: SQLite src/os.h, src/os_unix.c (UNIX_SHM_BASE, UNIX_SHM_DMS), src/wal.c (WAL_*_LOCK). The kernel
 * merges neighbouring ranges of one owner, so a range is decoded by what it overlaps, never by equality.
 */
#ifndef SQLITE_LOCK_BYTES_H
#define SQLITE_LOCK_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/sqlite/database_files.h"

/* One lockable thing each, in the order of SQLite's compact form. */
enum lock_slot {
	SLOT_PENDING,
	SLOT_RESERVED,
	SLOT_SHARED,
	SLOT_DMS, /* "dead man switch": held by every connection that uses the -shm */
	SLOT_WRITE,
	SLOT_CKPT,
	SLOT_RECOVER,
	SLOT_READ0,
	SLOT_READ1,
	SLOT_READ2,
	SLOT_READ3,
	SLOT_READ4,
	SLOT_COUNT,
};

enum { READ_SLOTS = 5 };

/* Where a slot lies. */
struct lock_range {
	enum database_file file;
	uint64_t start;	 /* first byte */
	uint64_t length; /* bytes */
};

struct lock_range lock_slot_range(enum lock_slot slot);

/* What one process holds, all its locks taken together. */
struct lock_bytes {
	uint16_t reads;	 /* bit 1<<slot: a READ lock overlaps it */
	uint16_t writes; /* bit 1<<slot: a WRITE lock overlaps it */
	bool foreign;	 /* holds something that SQLite would not place */
};

/* Adds a lock on bytes first..last (inclusive; UINT64_MAX is "to the end of the file"). */
void lock_bytes_add(struct lock_bytes *locks, enum database_file file, uint64_t first,
		    uint64_t last, bool write);

bool lock_bytes_none(const struct lock_bytes *locks);
bool lock_bytes_reads(const struct lock_bytes *locks, enum lock_slot slot);
bool lock_bytes_writes(const struct lock_bytes *locks, enum lock_slot slot);
/* Reads or writes it. */
bool lock_bytes_holds(const struct lock_bytes *locks, enum lock_slot slot);

/* The most names that lock_bytes_names() gives. */
enum { LOCK_NAMES = 14 };

/*
 * SQLite's names for what is held, in this order: SHARED RESERVED PENDING EXCLUSIVE WRITE CKPT RECOVER
 * READ0..READ4 DMS FOREIGN. (EXCLUSIVE is a WRITE lock on the shared range.) Returns how many.
 */
size_t lock_bytes_names(const struct lock_bytes *locks, const char *names[LOCK_NAMES]);

/* "AAA/B.CCC.DDDDD" with its NUL. */
enum { LOCK_COMPACT_SIZE = 16 };

/*
 * SQLite's own compact form, as sqlite_filestat() gives it: PENDING RESERVED SHARED / DMS . WRITE CKPT
 * RECOVER . READ0-4, each '-', 'r' or 'w'.
 */
void lock_bytes_compact(const struct lock_bytes *locks, char compact[LOCK_COMPACT_SIZE]);

#endif
