/*
 * The header of the wal-index (the -shm file): how far the WAL goes, how far it has been checkpointed, and
 * from where readers read. Pure: the caller has read the bytes with pread(2), never through a mapping
 * (the first opener truncates the file, and a mapping would then end the program with SIGBUS).
 *
 * Layout (SQLite src/wal.c, walformat.html 2.1), in the byte order of the machine:
 *
 *     0  version 3007000   8  change counter   12 is-initialised  13 big-endian checksums
 *    14  page size (1 = 65536)                 16 mxFrame         20 pages in the database
 *    24  frame checksum   32  salts            40 checksum of the first 40 bytes
 *    48  the same again, written second: a reader that sees two equal copies saw a whole one
 *    96  nBackfill       100  read marks 0..4  120 lock bytes     128 nBackfillAttempted
 */
#ifndef SQLITE_WAL_INDEX_H
#define SQLITE_WAL_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/sqlite/lock_bytes.h"

enum { WAL_INDEX_HEADER_SIZE = 136 };

/* A read mark that is not in use. */
#define WAL_MARK_UNUSED UINT32_MAX

struct wal_index {
	uint32_t page_size;	    /* bytes */
	uint32_t change_counter;    /* goes up with each transaction */
	uint32_t frames;	    /* mxFrame: committed frames in the WAL */
	uint32_t pages;		    /* of the database with all these frames applied */
	uint8_t salts[8];	    /* of the WAL's header; a new generation has others */
	uint32_t checkpointed;	    /* nBackfill: frames already copied into the main file */
	uint32_t marks[READ_SLOTS]; /* a reader in slot k may still need frames after marks[k] */
};

/*
 * Returns false when the header cannot be trusted: too short, being initialised, of another version,
 * its two copies unequal (a writer is busy: read again) or its checksum wrong.
 */
bool wal_index_read(const uint8_t *bytes, size_t length, struct wal_index *index);

#endif
