/*
 * One migration, parsed from memory, so that what was hashed is what runs.
 *
 * dbmate: one file NUMBER….sql with sections that begin with the lines "-- migrate:up" and "-- migrate:down", read by the rules of
 * dbmate 2. golang-migrate: a pair NUMBER_LABEL.up.sql and NUMBER_LABEL.down.sql of plain SQL, each in one transaction.
 */
#ifndef COMMON_MIGRATION_FILE_H
#define COMMON_MIGRATION_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/digest.h"

enum migration_style { MIGRATION_DBMATE, MIGRATION_PAIRS };

struct migration_section {
	const char *text; /* in the bytes of the file, with the line that begins it */
	size_t length;
	size_t first_line; /* its number in the file */
	bool transaction;  /* to be run in one */
};

struct migration_file {
	char *version; /* its digits as written */
	char *name; /* of the file; of a pair: of its up file, or of the down file if that is alone */
	char *label;	  /* "create_users" */
	char *down_name;  /* of a pair; else NULL */
	char *bytes;	  /* any, and a NUL behind them; NULL: a pair without an up file */
	char *down_bytes; /* of a pair; else NULL */
	size_t length, down_length;
	char digest[DIGEST_TEXT_SIZE]; /* SHA-256 of `bytes` */
	struct migration_section up, down;
	bool has_down;
	char *problem; /* why it cannot be run, on one line and printable; NULL: it can */
};

/*
 * Whether a file of that name is a migration. Gives the digits, the label, and (of pairs) whether it takes back; free() the two. A
 * name that is one of a pair is one of dbmate's, too.
 */
bool migration_name_parse(const char *name, enum migration_style style, char **version,
			  char **label, bool *down);

/*
 * Compares two versions, as strcmp() does: dbmate's are any digits, so "01" is not "1"; those of pairs are numbers.
 */
int migration_version_compare(const char *a, const char *b, enum migration_style style);

/*
 * Fills in the digest, and the sections or `problem`. dbmate allows several sections of each kind in a file, but then notes its
 * version twice, which SQLite refuses: here this is a problem. So is a NUL byte, where SQLite would end to read.
 */
void migration_file_parse(struct migration_file *file, enum migration_style style);
void migration_file_release(struct migration_file *file);

#endif
