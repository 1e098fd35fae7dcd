/*
 * The files that make up one SQLite database, and what their first bytes say. Pure: the caller has read
 * the bytes. Formats: https://sqlite.org/fileformat2.html (header, journal), walformat.html (-wal).
 */
#ifndef SQLITE_DATABASE_FILES_H
#define SQLITE_DATABASE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum database_file { FILE_MAIN, FILE_WAL, FILE_SHM, FILE_JOURNAL, FILE_COUNT };

/* "", "-wal", "-shm", "-journal": what SQLite appends to the resolved path of the main file. */
const char *database_file_suffix(enum database_file file) __attribute__((returns_nonnull));

enum journal_mode { JOURNAL_UNKNOWN, JOURNAL_ROLLBACK, JOURNAL_WAL };

/* "rollback", "wal" or "unknown". */
const char *journal_mode_name(enum journal_mode mode) __attribute__((returns_nonnull));

enum { DATABASE_HEADER_SIZE = 100, WAL_HEADER_SIZE = 32, WAL_FRAME_HEADER_SIZE = 24 };

struct database_header {
	bool is_database;	/* starts as an unencrypted SQLite 3 database does */
	uint32_t page_size;	/* bytes; 0 when unknown */
	enum journal_mode mode; /* what its header says */
};

/*
 * Reads the first `length` bytes of a main file. An empty file is a database without pages yet, in
 * rollback mode. Anything else that is no database may be encrypted: mode unknown.
 */
void database_header_read(const uint8_t *bytes, size_t length, struct database_header *header);

/* The page size that a -wal file names, or 0 when it is no WAL of a format that SQLite writes. */
uint32_t wal_header_page_size(const uint8_t *bytes, size_t length);

/*
 * Whether the next opener has to roll this journal back, as SQLite's own test has it (pager.c,
 * hasHotJournal): it exists, its first byte is not zero, the database is not empty, and nobody holds
 * RESERVED. `first` is its first `length` bytes (1 is enough).
 */
bool journal_is_hot(const uint8_t *first, size_t length, uint64_t database_size,
		    bool reserved_held);

/* How much of a journal journal_has_content() looks at: its header without the page size. */
enum { JOURNAL_START_SIZE = 28 };

/*
 * Whether a journal belongs to a transaction: false for one that is empty or zeroed (TRUNCATE, PERSIST, or a
 * connection that keeps it in EXCLUSIVE mode). Until the journal is synced its magic is zero too, while the rest of
 * its header is not (pager.c, writeJournalHdr): that is content, though not a hot journal.
 */
bool journal_has_content(const uint8_t *start, size_t length);

#endif
