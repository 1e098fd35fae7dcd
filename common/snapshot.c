#include "common/snapshot.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/linux/worker.h"
#include "common/snapshot_raw.h"
#include "common/sqlite/connection.h"
#include "common/sqlite/pour.h"
#include "common/target_connection.h"

enum { PAGES_AT_ONCE = 1024 };

const char *snapshot_method_name(enum snapshot_method method)
{
	switch (method) {
	case SNAPSHOT_REFLINK:
		return copy_method_name(COPY_REFLINK);
	case SNAPSHOT_COPY_RANGE:
		return copy_method_name(COPY_RANGE);
	case SNAPSHOT_READ_WRITE:
		return copy_method_name(COPY_READ_WRITE);
	default:
		return "api";
	}
}

static bool failed(const struct snapshot *snapshot, const char *doing, struct error *err)
{
	return fail_errno(err, STATUS_TROUBLE, "%s: %s", snapshot->shown, doing);
}

static bool copy_by_api(struct raw *raw, struct connection *from, struct error *err)
{
	struct snapshot *snapshot = raw->snapshot;
	auto_free char *path = connection_path(snapshot->folder_fd, snapshot->name);
	auto_connection to = { 0 };
	__attribute__((cleanup(pour_drop))) struct pour pour = { 0 };
	uint64_t done = 0, total = 0;
	int64_t page_size = 0;
	bool more = true;

	if (!connection_number(from, "PRAGMA page_size", &page_size, err) ||
	    !connection_open(&to, path, CONNECTION_MAKE, 0, snapshot->shown, err) ||
	    /* Nobody else sees it, and it is synced when it is whole. */
	    !connection_run(&to, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF",
			    "the copy cannot be set up", err) ||
	    !pour_begin(&pour, from, &to, 0, err))
		return false;
	while (more) {
		if (worker_should_stop())
			return fail(err, STATUS_TROUBLE, "interrupted");
		if (!pour_step(&pour, PAGES_AT_ONCE, &more, err))
			return false;
		pour_progress(&pour, &done, &total);
		atomic_store(&snapshot->total, total * (uint64_t)page_size);
		atomic_store(&snapshot->done, done * (uint64_t)page_size);
	}
	return pour_finish(&pour, err) && connection_close(&to, err);
}

/* After SQLite made the copy: the same finish, on the file that it made. */
static bool measure_copy(struct raw *raw, struct error *err)
{
	struct stat made = { 0 };

	if (fstat(raw->copy_fd, &made) != 0)
		return failed(raw->snapshot, "the copy cannot be measured", err);
	raw->size = (uint64_t)made.st_size;
	if (!raw_mark_as_rollback(raw))
		return failed(raw->snapshot, "the copy cannot be written", err);
	if (raw->snapshot->fleeting)
		return true;
	raw->digest = file_digest_start(raw->copy_fd, err);
	if (!raw->digest)
		return false;
	file_digest_reach(raw->digest, raw->size);
	return true;
}

static bool take_by_api(struct raw *raw, struct connection *from, struct error *err)
{
	raw->snapshot->method = SNAPSHOT_API;
	int64_t pages = 0;

	if (ftruncate(raw->copy_fd, 0) != 0)
		return failed(raw->snapshot, "the copy cannot be written", err);
	if (!connection_number(from, "PRAGMA page_count", &pages, err) ||
	    (pages > 0 && !copy_by_api(raw, from, err)))
		return false;
	return measure_copy(raw, err);
}

/* Everything that has to happen under the pin. */
static bool copy_pinned(struct raw *raw, struct connection *connection, struct error *err)
{
	struct snapshot *snapshot = raw->snapshot;
	bool wal = false;

	if (connection && !connection_is_wal(connection, &wal, err))
		return false;
	if (connection)
		snapshot->mode = wal ? JOURNAL_WAL : JOURNAL_ROLLBACK;
	if (connection && (snapshot->api || snapshot->target->trust == FILESYSTEM_SHARED ||
			   (wal && !raw_open_wal(raw))))
		return take_by_api(raw, connection, err);
	if (raw_clone(raw)) {
		raw->method = COPY_REFLINK;
		/* What was shared is the state, unless the WAL was reset before its turn came: then the main file is. */
		return true;
	}
	return raw_copy(raw, err);
}

/*
 * Where nothing changes the files are copied as they are, and SQLite does in the copy what it would have done there: on a
 * file system that is mounted read-only, where it can open no WAL without its -shm and roll no journal back, and
 * for a WAL that another worker of ours keeps still.
 */
static bool take_still(struct raw *raw, struct error *err)
{
	struct snapshot *snapshot = raw->snapshot;
	auto_free char *path = connection_path(snapshot->folder_fd, snapshot->name);
	auto_connection copy = { 0 };
	bool wal = false;

	snapshot->taken = clock_wall();
	if (!raw_copy_all_files(raw, err))
		return false;
	connection_stop_when(worker_should_stop);
	if (!connection_open(&copy, path, CONNECTION_WRITE, 0, snapshot->shown, err) ||
	    !connection_pin(&copy, err) || !connection_is_wal(&copy, &wal, err) ||
	    !connection_run(&copy, "ROLLBACK; PRAGMA journal_mode=DELETE",
			    "its WAL cannot be folded in", err) ||
	    !connection_close(&copy, err))
		return false;
	snapshot->mode = wal ? JOURNAL_WAL : JOURNAL_ROLLBACK;
	return measure_copy(raw, err);
}

static bool take_live(struct raw *raw, struct error *err)
{
	struct snapshot *snapshot = raw->snapshot;
	auto_connection connection = { 0 };
	double pinned = 0;

	/* Sharing blocks first writes back what is dirty: not while writers wait. */
	if (!snapshot->api)
		(void)file_clone(raw->main_fd, raw->copy_fd);
	if (!snapshot->held &&
	    !target_connect(snapshot->target, snapshot->wait, snapshot->shown, &connection, err))
		return false;
	pinned = clock_now();
	snapshot->taken = clock_wall();
	if (!copy_pinned(raw, snapshot->held ? NULL : &connection, err))
		return false;
	if (!snapshot->held && !target_disconnect(snapshot->target, &connection, err))
		return false;
	snapshot->lock_seconds = clock_now() - pinned;
	return raw->method != COPY_REFLINK || raw_complete(raw, err);
}

/* One that does not start as a database does is not shown to SQLite, which might take what lies beside it for its own. */
static bool starts_as_database(const struct raw *raw, struct error *err)
{
	uint8_t bytes[DATABASE_HEADER_SIZE];
	struct database_header header = { 0 };
	const ssize_t got = pread(raw->main_fd, bytes, sizeof bytes, 0);

	if (got < 0)
		return failed(raw->snapshot, "cannot be read", err);
	database_header_read(bytes, (size_t)got, &header);
	raw->snapshot->mode = header.mode;
	return header.is_database ||
	       fail(err, STATUS_TROUBLE, "%s: is no SQLite database, or an encrypted one",
		    raw->snapshot->shown);
}

/* Whether the files may be copied as they are, with what lies in a WAL. */
static bool is_still(const struct snapshot *snapshot)
{
	const struct target_file *wal = &snapshot->target->files[FILE_WAL];

	return target_is_frozen(snapshot->target) ||
	       (snapshot->held && wal->path_fd >= 0 && wal->stat.st_size > 0);
}

static bool take(struct raw *raw, struct error *err)
{
	struct snapshot *snapshot = raw->snapshot;

	if (!starts_as_database(raw, err))
		return false;

	if (!(is_still(snapshot) ? take_still(raw, err) : take_live(raw, err)))
		return false;
	if (snapshot->method != SNAPSHOT_API)
		snapshot->method = raw->method == COPY_REFLINK ? SNAPSHOT_REFLINK
				   : raw->method == COPY_RANGE ? SNAPSHOT_COPY_RANGE
							       : SNAPSHOT_READ_WRITE;
	return raw_finish(raw, err);
}

bool snapshot_take(void *argument, struct error *err)
{
	struct snapshot *snapshot = argument;
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	__attribute__((cleanup(raw_release))) struct raw raw = {
		.snapshot = snapshot,
		.main_fd = target_reopen(snapshot->target, FILE_MAIN, err),
		.wal_fd = -1,
		.shm_fd = -1,
		.copy_fd = openat(snapshot->folder_fd, snapshot->name, flags, 0600),
		.method = COPY_RANGE,
	};

	if (raw.main_fd < 0)
		return false;
	if (raw.copy_fd < 0)
		return failed(snapshot, "cannot make the copy", err);
	return take(&raw, err);
}
