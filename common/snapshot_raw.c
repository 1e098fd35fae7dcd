#include "common/snapshot_raw.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/linux/publish.h"
#include "common/linux/worker.h"

/* How much is copied at a time: alone, and beside a writer. */
enum { CHUNK_SIZE = 8 << 20, POLITE_SIZE = 1 << 20, LARGEST_PAGE = 65536 };

/* Where the header of a database says that it uses a WAL, and how many bytes a page's end has for others. */
enum { VERSIONS_OFFSET = 18, RESERVED_OFFSET = 20 };

void raw_release(struct raw *raw)
{
	file_digest_drop(raw->digest);
	wal_frames_release(&raw->frames);
	scope_close(&raw->copy_fd);
	scope_close(&raw->shm_fd);
	scope_close(&raw->wal_fd);
	scope_close(&raw->main_fd);
}

static bool failed(const struct snapshot *snapshot, const char *doing, struct error *err)
{
	return fail_errno(err, STATUS_TROUBLE, "%s: %s", snapshot->shown, doing);
}

static bool write_page(const struct raw *raw, const struct wal_page *page)
{
	const size_t size = raw->index.page_size;
	const uint64_t from = wal_frame_offset(page->frame, raw->index.page_size);
	char bytes[LARGEST_PAGE];

	errno = EIO; /* what a short count means */
	return io_read_at(raw->wal_fd, bytes, size, from) == (ssize_t)size &&
	       io_write_at(raw->copy_fd, bytes, size, (uint64_t)(page->page - 1) * size);
}

/* Puts the WAL's pages that lie before `end` over the copy; *next is the first that does not. */
static bool lay_over(const struct raw *raw, size_t *next, uint64_t end)
{
	for (; *next < raw->frames.count; ++*next) {
		const struct wal_page *page = &raw->frames.items[*next];
		const uint64_t at = (uint64_t)(page->page - 1) * raw->index.page_size;

		if (at >= end)
			break;
		/* A page that was cut off later may have a frame still. */
		if (at < raw->size && !write_page(raw, page))
			return false;
	}
	return true;
}

bool raw_mark_as_rollback(const struct raw *raw)
{
	uint8_t header[RESERVED_OFFSET + 1];
	const uint8_t versions[] = { 1, 1 };

	if (raw->size < sizeof header)
		return true;
	return pread(raw->copy_fd, header, sizeof header, 0) == (ssize_t)sizeof header &&
	       (header[RESERVED_OFFSET] != 0 || header[VERSIONS_OFFSET] != 2 ||
		io_write_at(raw->copy_fd, versions, sizeof versions, VERSIONS_OFFSET));
}

/*
 * Begins to write a piece back now, so that the last sync has less to wait for. Beside a writer the piece before it is waited
 * for as well: otherwise a commit of the writer's waits behind all that we have put into the disk's queue. Only hints.
 */
static void write_back(const struct raw *raw, uint64_t at, uint64_t length, bool beside_writer)
{
	const uint64_t before = at < POLITE_SIZE ? at : POLITE_SIZE;

	/* In rollback mode writers wait for us, and not for the disk. */
	if (raw->method == COPY_REFLINK || raw->snapshot->mode != JOURNAL_WAL ||
	    (raw->snapshot->fleeting && !beside_writer))
		return;
	(void)sync_file_range(raw->copy_fd, (off_t)at, (off_t)length, SYNC_FILE_RANGE_WRITE);
	if (beside_writer)
		(void)sync_file_range(raw->copy_fd, (off_t)(at - before), (off_t)before,
				      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
					      SYNC_FILE_RANGE_WAIT_AFTER);
}

/* Whether somebody has committed within the last moments, or may have: at first nobody knows. */
static bool is_beside_writer(struct raw *raw)
{
	static const double moment = 0.5, first_look = 0.1;
	struct wal_index now = { 0 };
	uint8_t bytes[WAL_INDEX_HEADER_SIZE];

	if (raw->shm_fd < 0)
		return false;
	if (pread(raw->shm_fd, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes &&
	    wal_index_read(bytes, sizeof bytes, &now) && now.change_counter != raw->last_change) {
		raw->last_commit = clock_now() - (raw->last_change == 0 ? moment - first_look : 0);
		raw->last_change = now.change_counter;
	}
	return raw->last_commit > 0 && clock_now() - raw->last_commit < moment;
}

/* Copies from front to back, each piece finished before the digest may see it. */
static bool copy_chunks(struct raw *raw, struct error *err)
{
	struct snapshot *snapshot = raw->snapshot;
	uint64_t length = 0;
	size_t next = 0;

	for (uint64_t at = 0; at < raw->size; at += length) {
		const uint64_t left = raw->size - at;
		const bool polite = is_beside_writer(raw);
		const uint64_t most = polite ? POLITE_SIZE : CHUNK_SIZE;

		length = left < most ? left : most;
		if (worker_should_stop())
			return fail(err, STATUS_TROUBLE, "interrupted");
		if (raw->method != COPY_REFLINK &&
		    !file_copy_range(raw->main_fd, raw->copy_fd, at, length, &raw->method))
			return failed(snapshot, "cannot be copied", err);
		if (!lay_over(raw, &next, at + length) || (at == 0 && !raw_mark_as_rollback(raw)))
			return failed(snapshot, "cannot be copied", err);
		write_back(raw, at, length, polite);
		if (raw->digest)
			file_digest_reach(raw->digest, at + length);
		atomic_store(&snapshot->done, at + length);
	}
	return true;
}

/* How large the main file is; under the pin. */
static bool note_size(struct raw *raw)
{
	struct stat now = { 0 };

	if (fstat(raw->main_fd, &now) != 0)
		return false;
	raw->main_size = (uint64_t)now.st_size;
	return true;
}

static void forget_frames(struct raw *raw)
{
	wal_frames_release(&raw->frames);
	raw->index.frames = 0;
}

static bool start_copy(struct raw *raw, struct error *err)
{
	file_digest_drop(raw->digest);
	raw->digest = raw->snapshot->fleeting ? NULL : file_digest_start(raw->copy_fd, err);
	if (!raw->digest && !raw->snapshot->fleeting)
		return false;
	/* Which is also the last word on which pages belong to the copy. */
	raw->size = raw->index.frames > 0 ? (uint64_t)raw->index.pages * raw->index.page_size
					  : raw->main_size;
	atomic_store(&raw->snapshot->total, raw->size);
	/* What an earlier try left would show through the holes. */
	return ((raw->method == COPY_REFLINK || ftruncate(raw->copy_fd, 0) == 0) &&
		ftruncate(raw->copy_fd, (off_t)raw->size) == 0) ||
	       failed(raw->snapshot, "no room for the copy", err);
}

/* The frames from the WAL; none when it has been reset, which says that the main file alone is the state. */
static bool read_frames(struct raw *raw, struct error *err)
{
	bool reset = false;

	if (raw->index.frames == 0 ||
	    wal_frames_read(raw->wal_fd, &raw->index, &raw->frames, &reset, err))
		return true;
	if (reset)
		forget_frames(raw);
	return reset;
}

bool raw_copy(struct raw *raw, struct error *err)
{
	raw->method = COPY_RANGE;
	if (!note_size(raw))
		return failed(raw->snapshot, "cannot be measured", err);
	if (!read_frames(raw, err) || !start_copy(raw, err))
		return false;

	const bool copied = copy_chunks(raw, err);

	if (raw->index.frames == 0 || wal_frames_still_there(&raw->frames, raw->wal_fd))
		return copied;
	/* A WAL that was reset may have been cut as well, so that its frames could not even be read. */
	*err = (struct error){ 0 };
	forget_frames(raw);
	return start_copy(raw, err) && copy_chunks(raw, err);
}

/* A file without a name, in the folder of the copy; -1 where there is no such thing. */
static int make_nameless(const struct raw *raw)
{
	return openat(raw->snapshot->folder_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

bool raw_clone(struct raw *raw)
{
	auto_close int wal_copy = -1;

	/* Sharing blocks never makes the copy shorter, and what was shared before the pin may have been longer. */
	if (!file_clone(raw->main_fd, raw->copy_fd) || !note_size(raw) ||
	    ftruncate(raw->copy_fd, (off_t)raw->main_size) != 0)
		return false;
	if (raw->index.frames == 0)
		return true;
	wal_copy = make_nameless(raw);
	if (wal_copy < 0 || !file_clone(raw->wal_fd, wal_copy))
		return false;

	scope_close(&raw->wal_fd); /* SQLite keeps no locks on a -wal, which this could lose */
	raw->wal_fd = take_descriptor(&wal_copy);
	return true;
}

bool raw_complete(struct raw *raw, struct error *err)
{
	return read_frames(raw, err) && start_copy(raw, err) && copy_chunks(raw, err);
}

/* The wal-index, from which nobody may be writing at that moment; false when it cannot be had. */
static bool read_index(struct raw *raw)
{
	enum { MOST_TRIES = 200 };
	const struct target *target = raw->snapshot->target;
	auto_free char *name = memory_format("%s%s", target->name, database_file_suffix(FILE_SHM));
	uint8_t bytes[WAL_INDEX_HEADER_SIZE];

	raw->shm_fd =
		openat(target->folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	for (int i = 0; raw->shm_fd >= 0 && i < MOST_TRIES; i++) {
		const ssize_t got = pread(raw->shm_fd, bytes, sizeof bytes, 0);

		if (got > 0 && wal_index_read(bytes, (size_t)got, &raw->index))
			return true;
		clock_sleep_until(clock_now() + 0.001);
	}
	return false;
}

bool raw_open_wal(struct raw *raw)
{
	const struct target *target = raw->snapshot->target;
	auto_free char *name = memory_format("%s%s", target->name, database_file_suffix(FILE_WAL));

	if (!read_index(raw))
		return false;
	if (raw->index.frames == 0)
		return true;
	raw->wal_fd =
		openat(target->folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return raw->wal_fd >= 0;
}

bool raw_finish(struct raw *raw, struct error *err)
{
	struct snapshot *snapshot = raw->snapshot;
	struct file_digest *digest = raw->digest;

	raw->digest = NULL;
	if (snapshot->fleeting) {
		snapshot->size = raw->size;
		return true;
	}
	/* The thread reads on meanwhile. */
	if (!publish_sync(raw->copy_fd, snapshot->shown, err)) {
		file_digest_drop(digest);
		return false;
	}
	snapshot->size = raw->size;
	return file_digest_finish(digest, snapshot->digest, err);
}

static bool copy_beside(struct raw *raw, enum database_file file, struct error *err)
{
	const struct snapshot *snapshot = raw->snapshot;
	const struct target_file *original = &snapshot->target->files[file];
	auto_free char *name = memory_format("%s%s", snapshot->name, database_file_suffix(file));
	auto_close int from = -1, to = -1;

	if (original->path_fd < 0)
		return true;
	from = target_reopen(snapshot->target, file, err);
	if (from < 0)
		return false;
	to = openat(snapshot->folder_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	return (to >= 0 &&
		file_copy_range(from, to, 0, (uint64_t)original->stat.st_size, &raw->method)) ||
	       failed(snapshot, "cannot be copied", err);
}

bool raw_copy_all_files(struct raw *raw, struct error *err)
{
	const uint64_t size = (uint64_t)raw->snapshot->target->files[FILE_MAIN].stat.st_size;

	if (ftruncate(raw->copy_fd, 0) != 0 || ftruncate(raw->copy_fd, (off_t)size) != 0 ||
	    !file_copy_range(raw->main_fd, raw->copy_fd, 0, size, &raw->method))
		return failed(raw->snapshot, "cannot be copied", err);
	return copy_beside(raw, FILE_WAL, err) && copy_beside(raw, FILE_JOURNAL, err);
}
