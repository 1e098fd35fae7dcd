#include "common/sqlite/frugal_file.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"

/* SQLite's unix VFS writes no more than 0x1ffff bytes at a time (os_unix.c, seekAndWriteFd). */
enum { GATHERED = 1 << 16, LARGEST_PAGE = 65536 };

/* One open file: ours, and behind it the base's own struct. */
struct frugal_file {
	sqlite3_file base; /* must be first: SQLite sees this */
	sqlite3_file *real;
	bool leaves_out; /* a main file */
	char *gathered; /* a journal's or WAL's bytes that are not handed on yet; NULL: nothing is gathered */
	sqlite3_int64 at; /* where they belong */
	int length;
};

static struct frugal_file *mine(sqlite3_file *file)
{
	return (struct frugal_file *)file;
}

static const sqlite3_io_methods *methods_of(sqlite3_file *file)
{
	return mine(file)->real->pMethods;
}

static int hand_on(sqlite3_file *file)
{
	struct frugal_file *frugal = mine(file);
	const int length = frugal->length;

	frugal->length = 0;
	return length == 0 ? SQLITE_OK
			   : frugal->real->pMethods->xWrite(frugal->real, frugal->gathered, length,
							    frugal->at);
}

/* --- what is different ---------------------------------------------------------------------------------------------- */

static bool is_there(struct frugal_file *frugal, const void *bytes, int length, sqlite3_int64 at)
{
	char there[LARGEST_PAGE];

	return length <= LARGEST_PAGE &&
	       frugal->real->pMethods->xRead(frugal->real, there, length, at) == SQLITE_OK &&
	       memcmp(there, bytes, (size_t)length) == 0;
}

static int gather(struct frugal_file *frugal, const void *bytes, int length, sqlite3_int64 at)
{
	if (frugal->length > 0 &&
	    (at != frugal->at + frugal->length || length > GATHERED - frugal->length)) {
		const int code = hand_on(&frugal->base);

		if (code != SQLITE_OK)
			return code;
	}
	if (length > GATHERED)
		return frugal->real->pMethods->xWrite(frugal->real, bytes, length, at);
	if (frugal->length == 0)
		frugal->at = at;
	memcpy(frugal->gathered + frugal->length, bytes, (size_t)length);
	frugal->length += length;
	return SQLITE_OK;
}

static int write_file(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 at)
{
	struct frugal_file *frugal = mine(file);

	if (frugal->gathered)
		return gather(frugal, bytes, length, at);
	if (frugal->leaves_out && is_there(frugal, bytes, length, at))
		return SQLITE_OK;
	return methods_of(file)->xWrite(frugal->real, bytes, length, at);
}

static int close_file(sqlite3_file *file)
{
	const int gathered = hand_on(file);
	const int code = methods_of(file)->xClose(mine(file)->real);

	free(mine(file)->gathered);
	mine(file)->gathered = NULL;
	return gathered != SQLITE_OK ? gathered : code;
}

/* --- what is not: only after what was gathered ---------------------------------------------------------------------- */

/* Calls a method of the real file with what follows, when what was gathered could be handed on. */
#define after_hand_on(file, method, ...)                                                       \
	({                                                                                     \
		const int handed = hand_on(file);                                              \
		handed != SQLITE_OK ? handed                                                   \
				    : methods_of(file)->method(mine(file)->real, __VA_ARGS__); \
	})

static int read_file(sqlite3_file *file, void *bytes, int length, sqlite3_int64 at)
{
	return after_hand_on(file, xRead, bytes, length, at);
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
	return after_hand_on(file, xTruncate, size);
}

static int sync_file(sqlite3_file *file, int flags)
{
	return after_hand_on(file, xSync, flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return after_hand_on(file, xFileSize, size);
}

static int control_file(sqlite3_file *file, int operation, void *argument)
{
	return after_hand_on(file, xFileControl, operation, argument);
}

static int lock_file(sqlite3_file *file, int lock)
{
	return methods_of(file)->xLock(mine(file)->real, lock);
}

static int unlock_file(sqlite3_file *file, int lock)
{
	return methods_of(file)->xUnlock(mine(file)->real, lock);
}

static int check_lock(sqlite3_file *file, int *result)
{
	return methods_of(file)->xCheckReservedLock(mine(file)->real, result);
}

static int sector_size(sqlite3_file *file)
{
	return methods_of(file)->xSectorSize(mine(file)->real);
}

static int characteristics(sqlite3_file *file)
{
	return methods_of(file)->xDeviceCharacteristics(mine(file)->real);
}

static int map_shm(sqlite3_file *file, int page, int size, int extend, void volatile **memory)
{
	return methods_of(file)->xShmMap(mine(file)->real, page, size, extend, memory);
}

static int lock_shm(sqlite3_file *file, int offset, int count, int flags)
{
	return methods_of(file)->xShmLock(mine(file)->real, offset, count, flags);
}

static void shm_barrier(sqlite3_file *file)
{
	methods_of(file)->xShmBarrier(mine(file)->real);
}

static int unmap_shm(sqlite3_file *file, int forget)
{
	return methods_of(file)->xShmUnmap(mine(file)->real, forget);
}

/* No xFetch: nothing is mapped (version 2). */
static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = close_file,
	.xRead = read_file,
	.xWrite = write_file,
	.xTruncate = truncate_file,
	.xSync = sync_file,
	.xFileSize = file_size,
	.xLock = lock_file,
	.xUnlock = unlock_file,
	.xCheckReservedLock = check_lock,
	.xFileControl = control_file,
	.xSectorSize = sector_size,
	.xDeviceCharacteristics = characteristics,
	.xShmMap = map_shm,
	.xShmLock = lock_shm,
	.xShmBarrier = shm_barrier,
	.xShmUnmap = unmap_shm,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
		     int *out_flags)
{
	sqlite3_vfs *base = vfs->pAppData;
	struct frugal_file *frugal = mine(file);
	int code = SQLITE_OK;

	*frugal = (struct frugal_file){ .real = (sqlite3_file *)(frugal + 1) };
	code = base->xOpen(base, name, frugal->real, flags, out_flags);
	if (code != SQLITE_OK || !frugal->real->pMethods)
		return code;
	frugal->base.pMethods = &methods;
	frugal->leaves_out = (flags & SQLITE_OPEN_MAIN_DB) != 0;
	if (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL))
		frugal->gathered = memory_allocate(GATHERED, 1);
	return SQLITE_OK;
}

void frugal_file_layer(sqlite3_vfs *frugal, sqlite3_vfs *base)
{
	*frugal = *base;
	frugal->pNext = NULL;
	frugal->pAppData = base;
	frugal->szOsFile = (int)sizeof(struct frugal_file) + base->szOsFile;
	frugal->xOpen = open_file;
}
