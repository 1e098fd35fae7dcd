#include "common/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/compress.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/publish.h"
#include "common/linux/worker.h"
#include "common/sqlite/connection.h"
#include "common/target_connection.h"

/* A name with its stamp and the longest suffix must fit into NAME_MAX. */
enum { MOST_STEM = 180, MOST_EXTENSION = 12 };

static int64_t milliseconds(struct timespec when)
{
	return (int64_t)when.tv_sec * 1000 + when.tv_nsec / 1000000;
}

char *backup_path(const char *folder, const char *name)
{
	const size_t length = strlen(folder);

	return memory_format("%s%s%s", folder, length == 0 || folder[length - 1] == '/' ? "" : "/",
			     name);
}

/* How much of a name's `length` bytes to take: not too much, and no part of a character. */
static size_t cut(const char *name, size_t length)
{
	if (length <= MOST_STEM)
		return length;
	length = MOST_STEM;
	while (length > 0 && ((unsigned char)name[length] & 0xc0) == 0x80)
		length--;
	return length;
}

char *backup_name(const struct target *target, int64_t time, bool packed)
{
	const struct timespec when = { .tv_sec = (time_t)(time / 1000),
				       .tv_nsec = (long)(time % 1000) * 1000000 };
	const char *slash = strrchr(target->absolute, '/');
	const char *name = slash ? slash + 1 : target->absolute;
	const char *dot = strrchr(name, '.');
	char stamp[CLOCK_STAMP_SIZE];

	if (!dot || dot == name || strlen(dot) > MOST_EXTENSION || dot[1] == '\0')
		dot = NULL;

	const size_t whole = dot ? (size_t)(dot - name) : strlen(name);
	auto_free char *stem = memory_copy(name, cut(name, whole));

	clock_compact_stamp(when, stamp);
	return memory_format("%s-%s%s%s", stem, stamp, dot ? dot : ".db", packed ? ".zst" : "");
}

/* --- making ------------------------------------------------------------------------------------------------- */

bool backup_inspect(void *argument, struct error *err)
{
	struct backup_inspection *inspection = argument;
	auto_free char *path = connection_path(inspection->folder_fd, inspection->name);
	auto_connection connection = { 0 };

	connection_stop_when(worker_should_stop);
	if (!connection_open(&connection, path,
			     inspection->frozen ? CONNECTION_FROZEN : CONNECTION_READ, 0,
			     inspection->shown, err))
		return false;
	if (!integrity_check(&connection, &inspection->verify, err))
		return false;
	if (!schema_read(&connection, &inspection->facts, err)) {
		if (inspection->verify != INTEGRITY_NONE)
			return false;
		inspection->facts = (struct schema_facts){ 0 };
	}
	return connection_close(&connection, err);
}

static void watch_copying(void *context)
{
	struct backup *backup = context;

	progress_show(backup->progress, "copying", atomic_load(&backup->snapshot->done),
		      atomic_load(&backup->snapshot->total));
}

static void watch_checking(void *context)
{
	const struct backup *backup = context;

	progress_show(backup->progress, "checking", 0, 0);
}

static void watch_packing(void *context)
{
	struct backup *backup = context;

	progress_show(backup->progress, "packing", atomic_load(&backup->snapshot->done),
		      backup->snapshot->size);
}

static bool take_snapshot(struct backup *backup, const char *shown, struct error *err)
{
	const struct worker_watch watch = { backup->progress ? watch_copying : NULL, backup };
	struct snapshot *snapshot = worker_share(sizeof *snapshot);

	*snapshot = (struct snapshot){
		.target = backup->target,
		.shown = shown,
		.folder_fd = backup->work.fd,
		.name = WORK_COPY,
		.api = backup->options.api,
		.held = backup->options.held,
		.wait = backup->options.wait,
	};
	backup->snapshot = snapshot;
	return worker_run("copying the database", snapshot_take, snapshot, &watch, err);
}

static bool inspect(struct backup *backup, const char *shown, struct error *err)
{
	const struct worker_watch watch = { backup->progress ? watch_checking : NULL, backup };
	struct backup_inspection *inspection = worker_share(sizeof *inspection);

	*inspection = (struct backup_inspection){
		.folder_fd = backup->work.fd,
		.name = WORK_COPY,
		.shown = shown,
		.verify = backup->options.verify,
	};

	const bool good = worker_run("checking the copy", backup_inspect, inspection, &watch, err);

	backup->manifest.facts = inspection->facts;
	backup->manifest.verified = inspection->verify;
	worker_unshare(inspection, sizeof *inspection);
	return good;
}

/* What the packing worker gives back. */
struct packing {
	const struct backup *backup;
	struct compress pack;
};

static int open_work(const struct backup *backup, const char *name)
{
	return openat(backup->work.fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

/* The packed file must give back exactly the bytes that were checked. */
static bool unpacks_to(const struct backup *backup, const char *digest, struct error *err)
{
	auto_close int packed = open_work(backup, WORK_PACKED);
	auto_close int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct compress unpack = {
		.from = packed,
		.to = nowhere,
		.stop = worker_should_stop,
		.most = UINT64_MAX,
	};

	if (packed < 0 || nowhere < 0)
		return fail_errno(err, STATUS_TROUBLE, "the packed copy cannot be read again");
	return compress_unpack(&unpack, err) &&
	       (strcmp(unpack.digest, digest) == 0 ||
		fail(err, STATUS_TROUBLE, "the packed copy does not unpack to what it was"));
}

static bool pack(void *argument, struct error *err)
{
	struct packing *packing = argument;
	const struct backup *backup = packing->backup;
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	auto_close int from = open_work(backup, WORK_COPY);
	auto_close int to = openat(backup->work.fd, WORK_PACKED, flags, 0600);

	packing->pack = (struct compress){
		.from = from,
		.to = to,
		.done = &backup->snapshot->done,
		.stop = worker_should_stop,
	};
	if (from < 0 || to < 0)
		return fail_errno(err, STATUS_TROUBLE, "cannot make the packed copy");
	return compress_pack(&packing->pack, backup->options.level, err) &&
	       publish_sync(to, "the packed copy", err) &&
	       unpacks_to(backup, backup->snapshot->digest, err);
}

static bool pack_copy(struct backup *backup, struct error *err)
{
	const struct worker_watch watch = { backup->progress ? watch_packing : NULL, backup };
	struct packing *packing = worker_share(sizeof *packing);

	packing->backup = backup;
	atomic_store(&backup->snapshot->done, 0);

	const bool good = worker_run("packing the copy", pack, packing, &watch, err);

	backup->manifest.file_size = packing->pack.written;
	memcpy(backup->manifest.digest, packing->pack.digest, DIGEST_TEXT_SIZE);
	worker_unshare(packing, sizeof *packing);
	return good;
}

static void fill_manifest(struct backup *backup)
{
	const struct stat *stat = &backup->target->files[FILE_MAIN].stat;
	const struct snapshot *snapshot = backup->snapshot;
	struct backup_manifest *manifest = &backup->manifest;

	manifest->source = memory_copy_text(backup->target->resolved);
	manifest->host = backup_host();
	manifest->inode = stat->st_ino;
	manifest->method = memory_copy_text(snapshot_method_name(snapshot->method));
	manifest->time = milliseconds(snapshot->taken);
	manifest->size = manifest->file_size = snapshot->size;
	manifest->packed = backup->options.pack;
	memcpy(manifest->digest, snapshot->digest, DIGEST_TEXT_SIZE);
	memcpy(manifest->database_digest, snapshot->digest, DIGEST_TEXT_SIZE);
	manifest->was_wal = snapshot->mode == JOURNAL_WAL;
	manifest->lock_seconds = snapshot->lock_seconds;
	manifest->mode = stat->st_mode & 07777;
	manifest->uid = stat->st_uid;
	manifest->gid = stat->st_gid;
}

/* What the copy may need: a sparse file no more than what it has; packing, as much again at worst. */
static bool has_room(const struct backup *backup, const char *folder, struct error *err)
{
	const struct stat *main = &backup->target->files[FILE_MAIN].stat;
	const struct target_file *wal = &backup->target->files[FILE_WAL];
	const uint64_t size = (uint64_t)main->st_size, blocks = (uint64_t)main->st_blocks * 512;
	const uint64_t pages = (blocks < size ? blocks : size) +
			       (wal->path_fd >= 0 ? (uint64_t)wal->stat.st_size : 0);

	return publish_has_room(backup->folder_fd, backup->options.pack ? 2 * pages : pages, folder,
				err);
}

bool backup_make(struct backup *backup, struct error *err)
{
	auto_free char *shown = text_printable(backup->target->given);
	auto_free char *folder = text_printable(*backup->folder ? backup->folder : ".");
	const double began = clock_now();

	if (!has_room(backup, folder, err) ||
	    !work_folder_make(&backup->work, backup->folder_fd, BACKUP_WORK_PREFIX, folder, err) ||
	    !take_snapshot(backup, shown, err))
		return false;
	fill_manifest(backup);
	if (!inspect(backup, shown, err) || (backup->options.pack && !pack_copy(backup, err)))
		return false;
	backup->seconds = clock_now() - began;
	return true;
}

int backup_open(const struct backup *backup, struct error *err)
{
	const int fd = open_work(backup, backup->options.pack ? WORK_PACKED : WORK_COPY);

	if (fd < 0)
		(void)fail_errno(err, STATUS_TROUBLE, "the copy cannot be read");
	return fd;
}

/* --- publishing ------------------------------------------------------------------------------------------------- */

/* A line for sha256sum -c; that escapes newlines and backslashes in a name, and says so by a backslash in front. */
static char *sum_line(const struct backup_manifest *manifest)
{
	auto_text line = { 0 };
	const bool escape = strpbrk(manifest->file, "\\\n\r") != NULL;

	text_append(&line, "%s%s  ", escape ? "\\" : "", manifest->digest);
	for (const char *at = manifest->file; *at; at++) {
		const char *escaped = *at == '\n'   ? "\\n"
				      : *at == '\r' ? "\\r"
				      : *at == '\\' ? "\\\\"
						    : NULL;

		text_append_bytes(&line, escaped ? escaped : at, escaped ? 2 : 1);
	}
	text_append(&line, "\n");
	return text_take(&line);
}

/* A manifest whose FILE never came may be replaced; anything else of that name is somebody's. */
static bool clear_name(struct backup *backup, const char *name, struct error *err)
{
	auto_backup_manifest left = { 0 };
	struct error ignored = { 0 };
	bool missing = false;

	if (!backup_manifest_load(backup->folder_fd, name, &left, &missing, &ignored) || !missing)
		return true;

	const struct backup_entry entry = { .manifest = left };

	return backup_delete(backup->folder_fd, &entry, err);
}

/* What is named, in this order: FILE last, so that it is never without the others. */
static const char *const suffixes[] = { MANIFEST_SUFFIX, SUM_SUFFIX, "" };

enum { NAMES = sizeof suffixes / sizeof *suffixes };

/* Names all three. *named counts those that were given, also when it fails. */
static bool name_files(struct backup *backup, int *named, struct error *err)
{
	const char *const made[NAMES] = { WORK_MANIFEST, WORK_SUM,
					  backup->options.pack ? WORK_PACKED : WORK_COPY };
	const char *file = backup->manifest.file;
	auto_free char *path = backup_path(backup->folder, file);
	auto_free char *shown = text_printable(path);
	struct stat there = { 0 };

	if (fstatat(backup->folder_fd, file, &there, AT_SYMLINK_NOFOLLOW) == 0)
		return fail(err, STATUS_TROUBLE, "%s: exists, and is not overwritten", shown);
	if (!clear_name(backup, file, err))
		return false;
	while (*named < NAMES) {
		auto_free char *name = memory_format("%s%s", file, suffixes[*named]);

		if (!publish_new(backup->work.fd, made[*named], backup->folder_fd, name, shown,
				 err))
			return false;
		++*named;
		if (!publish_sync_folder(backup->folder_fd, shown, err))
			return false;
	}
	return true;
}

static bool write_beside(const struct backup *backup, struct error *err)
{
	auto_free char *manifest = backup_manifest_text(&backup->manifest);
	auto_free char *sum = sum_line(&backup->manifest);

	return publish_write(backup->work.fd, WORK_MANIFEST, manifest, strlen(manifest),
			     "the manifest", err) &&
	       publish_write(backup->work.fd, WORK_SUM, sum, strlen(sum), "the checksum", err);
}

/* Takes back what was named before something failed. What fails here too is swept by the next run. */
static void take_back(const struct backup *backup, int named)
{
	while (named-- > 0) {
		auto_free char *name =
			memory_format("%s%s", backup->manifest.file, suffixes[named]);

		(void)unlinkat(backup->folder_fd, name, 0);
	}
}

bool backup_publish(struct backup *backup, struct error *err)
{
	int named = 0;

	backup->manifest.file = backup->file ? memory_copy_text(backup->file)
					     : backup_name(backup->target, backup->manifest.time,
							   backup->options.pack);
	if (!write_beside(backup, err))
		return false;
	if (!name_files(backup, &named, err)) {
		take_back(backup, named);
		return false;
	}
	backup->path = backup_path(backup->folder, backup->manifest.file);
	return true;
}

void backup_release(struct backup *backup)
{
	work_folder_remove(&backup->work);
	worker_unshare(backup->snapshot, sizeof *backup->snapshot);
	backup_manifest_release(&backup->manifest);
	free(backup->path);
	backup->snapshot = NULL;
	backup->path = NULL;
}
