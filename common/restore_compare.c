#include "common/restore_compare.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/linux/worker.h"

enum { BUFFER_SIZE = 256 << 10 };

/*
 * What differs between two files with the same content: versions (18, 19), change counter (24..27), schema cookie (40..43),
 * and who wrote last (92..99), which the Online Backup API and every commit write anew.
 */
static void blank_header(char *bytes, size_t length)
{
	static const struct {
		size_t start, length;
	} parts[] = { { 18, 2 }, { 24, 4 }, { 40, 4 }, { 92, 8 } };

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (parts[i].start + parts[i].length <= length)
			memset(bytes + parts[i].start, 0, parts[i].length);
}

static bool same_content(int a, int b)
{
	auto_free char *first = memory_allocate(BUFFER_SIZE, 1);
	auto_free char *second = memory_allocate(BUFFER_SIZE, 1);
	off_t at = 0;

	for (;;) {
		const ssize_t one = io_read_at(a, first, BUFFER_SIZE, (uint64_t)at),
			      two = io_read_at(b, second, BUFFER_SIZE, (uint64_t)at);

		if (one < 0 || one != two)
			return false;
		if (one == 0)
			return true;
		if (at == 0) {
			blank_header(first, (size_t)one);
			blank_header(second, (size_t)two);
		}
		if (memcmp(first, second, (size_t)one) != 0)
			return false;
		at += one;
	}
}

/* A snapshot of what is there now, in a private folder; -1 when there is none to be had. */
static int take_now(struct restore *restore, struct work_folder *work)
{
	struct error ignored = { 0 };
	struct snapshot *snapshot = NULL;
	bool good = false;

	if (!work_folder_make(work, restore->state_fd, RESTORE_WORK_PREFIX, restore->shown,
			      &ignored))
		return -1;
	snapshot = worker_share(sizeof *snapshot);
	*snapshot = (struct snapshot){
		.target = &restore->target,
		.shown = restore->shown,
		.folder_fd = work->fd,
		.name = WORK_COPY,
		.wait = 10,
	};
	good = worker_run("looking what is there", snapshot_take, snapshot, NULL, &ignored);
	worker_unshare(snapshot, sizeof *snapshot);
	return good ? openat(work->fd, WORK_COPY, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
}

enum compare_result restore_compare(struct restore *restore)
{
	auto_work_folder work = WORK_FOLDER_NONE;
	auto_close int now = take_now(restore, &work);
	auto_close int new = openat(restore->work.fd, WORK_COPY, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	auto_close int old = restore->safety_copy
				     ? open(restore->safety_copy, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
				     : -1;

	if (now < 0)
		return COMPARE_UNKNOWN;
	if (new >= 0 && same_content(now, new))
		return COMPARE_NEW;
	return old >= 0 && same_content(now, old) ? COMPARE_OLD : COMPARE_NEITHER;
}
