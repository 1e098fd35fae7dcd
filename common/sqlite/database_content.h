/* Whether two database files hold the same, byte for byte. */
#ifndef SQLITE_DATABASE_CONTENT_H
#define SQLITE_DATABASE_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Compares two files that are whole databases (no WAL, no journal beside them), but for the parts of the header that every commit and
 * the Online Backup API write anew. False too when one cannot be read.
 */
bool database_same_content(int a, int b);

/*
 * What every commit changes: the header's change counter, in WAL mode too, since the frame of page 1 gets it then; and the
 * number of pages. Of two states of one database it tells whether they are the same one.
 */
struct database_stamp {
	uint8_t bytes
		[100]; /* the header, without what says whether it has a WAL; 0 where the file ends */
	uint64_t size;
};

bool database_stamp_read(int fd, struct database_stamp *stamp);
/* As the header has it, 1 for 65536; 0 for an empty file. */
uint16_t database_stamp_page_size(const struct database_stamp *stamp);
bool database_stamp_same(const struct database_stamp *a, const struct database_stamp *b);

#endif
