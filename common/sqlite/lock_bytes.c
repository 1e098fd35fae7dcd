#include "common/sqlite/lock_bytes.h"

#include <string.h>

enum { SHM_FIRST = 120, SHM_LAST = 128, SHARED_SIZE = 510 };

static const uint64_t pending_byte = 0x40000000;

struct lock_range lock_slot_range(enum lock_slot slot)
{
	switch (slot) {
	case SLOT_PENDING:
		return (struct lock_range){ FILE_MAIN, pending_byte, 1 };
	case SLOT_RESERVED:
		return (struct lock_range){ FILE_MAIN, pending_byte + 1, 1 };
	case SLOT_SHARED:
		return (struct lock_range){ FILE_MAIN, pending_byte + 2, SHARED_SIZE };
	case SLOT_DMS:
		return (struct lock_range){ FILE_SHM, SHM_LAST, 1 };
	default:
		return (struct lock_range){ FILE_SHM, SHM_FIRST + (uint64_t)(slot - SLOT_WRITE),
					    1 };
	}
}

static uint16_t bit(enum lock_slot slot)
{
	return (uint16_t)(1U << slot);
}

/* SQLite takes these only for writing. */
static bool is_write_only(enum lock_slot slot)
{
	return slot == SLOT_RESERVED || slot == SLOT_WRITE || slot == SLOT_CKPT ||
	       slot == SLOT_RECOVER;
}

/* Whether all of first..last lies among the bytes that SQLite locks in this file. */
static bool lies_within_sqlite(enum database_file file, uint64_t first, uint64_t last)
{
	if (file == FILE_MAIN)
		return first >= pending_byte && last <= pending_byte + 1 + SHARED_SIZE;
	return file == FILE_SHM && first >= SHM_FIRST && last <= SHM_LAST;
}

void lock_bytes_add(struct lock_bytes *locks, enum database_file file, uint64_t first,
		    uint64_t last, bool write)
{
	uint16_t overlapped = 0, only_written = 0;

	for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++) {
		const struct lock_range range = lock_slot_range(slot);

		if (range.file != file || first > range.start + range.length - 1 ||
		    last < range.start)
			continue;
		overlapped |= bit(slot);
		if (is_write_only(slot))
			only_written |= bit(slot);
	}
	if (write)
		locks->writes |= overlapped;
	else
		locks->reads |= overlapped;
	if (!overlapped || !lies_within_sqlite(file, first, last) || (!write && only_written))
		locks->foreign = true;
}

bool lock_bytes_none(const struct lock_bytes *locks)
{
	return locks->reads == 0 && locks->writes == 0 && !locks->foreign;
}

bool lock_bytes_reads(const struct lock_bytes *locks, enum lock_slot slot)
{
	return locks->reads & bit(slot);
}

bool lock_bytes_writes(const struct lock_bytes *locks, enum lock_slot slot)
{
	return locks->writes & bit(slot);
}

bool lock_bytes_holds(const struct lock_bytes *locks, enum lock_slot slot)
{
	return (locks->reads | locks->writes) & bit(slot);
}

size_t lock_bytes_names(const struct lock_bytes *locks, const char *names[LOCK_NAMES])
{
	static const struct {
		enum lock_slot slot;
		const char *name;
	} rest[] = {
		{ SLOT_WRITE, "WRITE" }, { SLOT_CKPT, "CKPT" },	  { SLOT_RECOVER, "RECOVER" },
		{ SLOT_READ0, "READ0" }, { SLOT_READ1, "READ1" }, { SLOT_READ2, "READ2" },
		{ SLOT_READ3, "READ3" }, { SLOT_READ4, "READ4" }, { SLOT_DMS, "DMS" },
	};
	size_t count = 0;

	if (lock_bytes_reads(locks, SLOT_SHARED))
		names[count++] = "SHARED";
	if (lock_bytes_holds(locks, SLOT_RESERVED))
		names[count++] = "RESERVED";
	if (lock_bytes_holds(locks, SLOT_PENDING))
		names[count++] = "PENDING";
	if (lock_bytes_writes(locks, SLOT_SHARED))
		names[count++] = "EXCLUSIVE";
	for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
		if (lock_bytes_holds(locks, rest[i].slot))
			names[count++] = rest[i].name;
	if (locks->foreign)
		names[count++] = "FOREIGN";
	return count;
}

void lock_bytes_compact(const struct lock_bytes *locks, char compact[LOCK_COMPACT_SIZE])
{
	/* Where each slot's letter stands in "---/-.---.-----". */
	static const unsigned char place[SLOT_COUNT] = { 0, 1, 2, 4, 6, 7, 8, 10, 11, 12, 13, 14 };

	memcpy(compact, "---/-.---.-----", LOCK_COMPACT_SIZE);
	for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++)
		if (lock_bytes_holds(locks, slot))
			compact[place[slot]] = lock_bytes_writes(locks, slot) ? 'w' : 'r';
}
