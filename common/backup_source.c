#include "common/backup_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/backup.h"
#include "common/backup_catalog.h"
#include "common/base/compress.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/signals.h"
#include "common/base/text.h"
#include "common/linux/file_copy.h"
#include "common/linux/file_digest.h"
#include "common/linux/lease.h"
#include "common/linux/publish.h"
#include "common/linux/work_folder.h"
#include "common/linux/worker.h"

void backup_source_release(struct backup_source *source)
{
	scope_close(&source->fd);
	scope_close(&source->folder_fd);
	backup_manifest_release(&source->manifest);
	free(source->path);
	free(source->shown);
	free(source->name);
	*source = (struct backup_source)BACKUP_SOURCE_NONE;
}

static bool failed(const struct backup_source *source, const char *doing, struct error *err)
{
	return fail_errno(err, STATUS_TROUBLE, "%s: %s", source->shown, doing);
}

/* Puts the file's name before what went wrong with it. */
static bool with_name(const struct backup_source *source, struct error *err)
{
	const struct error plain = *err;

	return fail(err, plain.status, "%s: %s", source->shown, plain.text);
}

static bool open_file(struct backup_source *source, struct error *err)
{
	static const uint8_t zstd_magic[] = { 0x28, 0xb5, 0x2f, 0xfd };
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	uint8_t magic[sizeof zstd_magic] = { 0 };
	struct stat stat = { 0 };

	source->fd = openat(source->folder_fd, source->name, flags);
	if (source->fd < 0 && errno == ELOOP)
		return fail(err, STATUS_TROUBLE, "%s: is a symbolic link, not a backup",
			    source->shown);
	if (source->fd < 0 || fstat(source->fd, &stat) != 0)
		return failed(source, "cannot be opened", err);
	if (!S_ISREG(stat.st_mode))
		return fail(err, STATUS_TROUBLE, "%s: is no regular file, so no backup",
			    source->shown);
	source->size = (uint64_t)stat.st_size;
	source->changed = stat.st_mtim;
	if (pread(source->fd, magic, sizeof magic, 0) < 0)
		return failed(source, "cannot be read", err);
	source->packed = memcmp(magic, zstd_magic, sizeof magic) == 0;
	return true;
}

/*
 * A copy that somebody made of a live database by hand has part of it in its -wal, or needs its -journal: alone it is not
 * what it seems.
 */
static bool stands_alone(const struct backup_source *source, struct error *err)
{
	static const enum database_file others[] = { FILE_WAL, FILE_JOURNAL };

	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		const char *suffix = database_file_suffix(others[i]);
		auto_free char *name = memory_format("%s%s", source->name, suffix);
		struct stat stat = { 0 };

		if (fstatat(source->folder_fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
		    stat.st_size > 0)
			return fail(
				err, STATUS_TROUBLE,
				"%s: has a %s beside it, so it is a copy of a live database and not all "
				"of it: make a backup of it (dbbackup) and restore that",
				source->shown, suffix);
	}
	return true;
}

/* A database that somebody has open for writing is no backup; where the kernel says so (linux/lease.h). */
static bool nobody_writes(const struct backup_source *source, struct error *err)
{
	return lease_ask(source->fd, LEASE_WRITER) != LEASE_SHARED ||
	       fail(err, STATUS_TROUBLE,
		    "%s: somebody has it open for writing, so it is no backup: make one of it (dbbackup)",
		    source->shown);
}

static bool load_manifest(struct backup_source *source, struct error *err)
{
	auto_free char *name = memory_format("%s" MANIFEST_SUFFIX, source->name);
	struct stat stat = { 0 };
	bool missing = false;

	if (fstatat(source->folder_fd, name, &stat, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
		return stands_alone(source, err) && nobody_writes(source, err);
	if (!backup_manifest_load(source->folder_fd, source->name, &source->manifest, &missing,
				  err))
		return with_name(source, err);
	if (source->manifest.file_size != source->size || source->manifest.packed != source->packed)
		return fail(err, STATUS_NO, "%s: is not the file that its manifest speaks of",
			    source->shown);
	source->has_manifest = true;
	return true;
}

bool backup_source_open(struct backup_source *source, int folder_fd, const char *folder,
			const char *name, struct error *err)
{
	*source = (struct backup_source)BACKUP_SOURCE_NONE;
	source->path = backup_path(folder, name);
	source->shown = text_printable(source->path);
	source->name = memory_copy_text(name);
	source->folder_fd = fcntl(folder_fd, F_DUPFD_CLOEXEC, 3);
	if (source->folder_fd < 0)
		return failed(source, "cannot be opened", err);
	return open_file(source, err) && load_manifest(source, err);
}

bool backup_source_open_path(struct backup_source *source, const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/');
	auto_free char *folder = memory_copy(path, slash ? (size_t)(slash - path) + 1 : 0);
	auto_close int folder_fd = open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*source = (struct backup_source)BACKUP_SOURCE_NONE;
	if (folder_fd < 0) {
		auto_free char *shown = text_printable(path);

		return fail_errno(err, STATUS_TROUBLE, "%s: cannot open its folder", shown);
	}
	return backup_source_open(source, folder_fd, folder, slash ? slash + 1 : path, err);
}

/* --- fetching ------------------------------------------------------------------------------------------------- */

/* What the worker is given, and gives back. */
struct fetching {
	const struct backup_source *source;
	int copy_fd; /* folder for the copy; -1: read only */
	_Atomic uint64_t done;
};

static bool matches(const struct backup_source *source, const char *digest, const char *expected,
		    struct error *err)
{
	return !source->has_manifest || strcmp(digest, expected) == 0 ||
	       fail(err, STATUS_NO, "%s: is damaged: its SHA-256 is not that of its manifest",
		    source->shown);
}

/* The file's own digest, in steps that can be watched and stopped. */
static bool check_digest(const struct fetching *fetching, struct error *err)
{
	char digest[DIGEST_TEXT_SIZE];
	uint64_t length = 0;

	if (!file_digest_of(fetching->source->fd, digest, &length, worker_should_stop, err))
		return with_name(fetching->source, err);
	return matches(fetching->source, digest, fetching->source->manifest.digest, err);
}

static bool copy_plain(struct fetching *fetching, int to, struct error *err)
{
	enum { CHUNK_SIZE = 8 << 20 };
	const struct backup_source *source = fetching->source;
	enum copy_method method = COPY_RANGE;

	if (file_clone(source->fd, to))
		return true;
	if (ftruncate(to, (off_t)source->size) != 0)
		return failed(source, "no room for a copy of it", err);
	for (uint64_t at = 0; at < source->size; at += CHUNK_SIZE) {
		const uint64_t left = source->size - at;

		if (worker_should_stop())
			return fail(err, STATUS_TROUBLE, "interrupted");
		if (!file_copy_range(source->fd, to, at, left < CHUNK_SIZE ? left : CHUNK_SIZE,
				     &method))
			return failed(source, "cannot be copied", err);
		atomic_store(&fetching->done, at);
	}
	return true;
}

static bool unpack(struct fetching *fetching, int to, struct error *err)
{
	const struct backup_source *source = fetching->source;
	struct compress unpack = {
		.from = source->fd,
		.to = to,
		.done = &fetching->done,
		.stop = worker_should_stop,
		.most = source->has_manifest ? source->manifest.size : UINT64_MAX,
	};

	return (lseek(source->fd, 0, SEEK_SET) == 0 && compress_unpack(&unpack, err)) ||
	       with_name(source, err);
}

/* Without a manifest only this tells a backup from a database that somebody works in. */
static bool is_unchanged(const struct backup_source *source, struct error *err)
{
	struct stat now = { 0 };

	if (source->has_manifest)
		return true;
	if (fstat(source->fd, &now) != 0)
		return failed(source, "cannot be read", err);
	if ((uint64_t)now.st_size != source->size || now.st_mtim.tv_sec != source->changed.tv_sec ||
	    now.st_mtim.tv_nsec != source->changed.tv_nsec)
		return fail(err, STATUS_TROUBLE, "%s: was written to while it was read",
			    source->shown);
	return stands_alone(source, err);
}

/* A worker_function. What is in the copy is what is checked, whatever happens to the file meanwhile. */
static bool fetch(void *argument, struct error *err)
{
	struct fetching *fetching = argument;
	const struct backup_source *source = fetching->source;
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	char digest[DIGEST_TEXT_SIZE];
	uint64_t length = 0;

	if (source->packed && !check_digest(fetching, err))
		return false;

	auto_close int to = openat(fetching->copy_fd, WORK_COPY, flags, 0600);

	if (to < 0)
		return failed(source, "cannot make a copy of it", err);
	if (!(source->packed ? unpack(fetching, to, err) : copy_plain(fetching, to, err)) ||
	    !is_unchanged(source, err))
		return false;
	if (!file_digest_of(to, digest, &length, worker_should_stop, err))
		return with_name(source, err);
	return matches(source, digest, source->manifest.database_digest, err);
}

static bool digest_only(void *argument, struct error *err)
{
	return check_digest(argument, err);
}

struct watching {
	struct progress *progress;
	const struct backup_source *source;
	struct fetching *fetching;
	const char *phase;
};

static void watch(void *context)
{
	const struct watching *watching = context;

	if (watching->progress)
		progress_show(watching->progress, watching->phase,
			      atomic_load(&watching->fetching->done),
			      watching->fetching->copy_fd >= 0 ? watching->source->size : 0);
}

static bool run(const struct backup_source *source, worker_function *function, int copy_fd,
		struct progress *progress, struct error *err)
{
	struct fetching *fetching = worker_share(sizeof *fetching);
	struct watching watching = { progress, source, fetching,
				     copy_fd >= 0 ? "reading the backup" : "checking" };
	const struct worker_watch look = { watch, &watching };

	*fetching = (struct fetching){ .source = source, .copy_fd = copy_fd };

	const bool good = worker_run("reading the backup", function, fetching, &look, err);

	worker_unshare(fetching, sizeof *fetching);
	return good;
}

/* Whether it starts as a database does. An empty one is one only if the manifest says so: a failed copy is empty too. */
static bool check_start(const struct backup_source *source, int folder_fd, const char *name,
			struct error *err)
{
	auto_close int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint8_t bytes[DATABASE_HEADER_SIZE];
	struct database_header header = { 0 };
	const ssize_t got = fd >= 0 ? pread(fd, bytes, sizeof bytes, 0) : -1;

	if (got < 0)
		return failed(source, "cannot be read", err);
	database_header_read(bytes, (size_t)got, &header);
	return (header.is_database && (got > 0 || source->has_manifest)) ||
	       fail(err, STATUS_NO, "%s: holds no SQLite database, or an encrypted one",
		    source->shown);
}

/* Whether the manifest tells the truth about the database. */
static bool check_facts(const struct backup_source *source, const struct schema_facts *facts,
			struct error *err)
{
	const struct backup_manifest *manifest = &source->manifest;
	const struct schema_facts *said = &manifest->facts;
	const bool unknown = manifest->verified == INTEGRITY_NONE && said->page_size == 0;

	if (!source->has_manifest || unknown)
		return true;
	return (said->page_size == facts->page_size && said->pages == facts->pages &&
		said->user_version == facts->user_version &&
		said->application_id == facts->application_id &&
		said->has_revision == facts->has_revision &&
		strcmp(said->revision, facts->revision) == 0 &&
		(manifest->packed || (manifest->size == manifest->file_size &&
				      strcmp(manifest->digest, manifest->database_digest) == 0))) ||
	       fail(err, STATUS_NO, "%s: is not what its manifest says", source->shown);
}

/* A damaged database in it is a damaged backup; one that SQLite cannot make anything of is, too. */
static bool inspect(const struct backup_source *source, enum integrity verify, int folder_fd,
		    const char *name, bool frozen, struct schema_facts *facts, struct error *err)
{
	struct backup_inspection *inspection = NULL;

	if (!check_start(source, folder_fd, name, err))
		return false;
	inspection = worker_share(sizeof *inspection);
	*inspection = (struct backup_inspection){
		.folder_fd = folder_fd,
		.name = name,
		.shown = source->shown,
		.verify = source->has_manifest ? verify : INTEGRITY_FULL,
		.frozen = frozen,
	};

	const bool good = worker_run("checking the backup", backup_inspect, inspection, NULL, err);

	*facts = inspection->facts;
	worker_unshare(inspection, sizeof *inspection);
	if (!good && err->status == STATUS_TROUBLE && !signals_pending())
		err->status = STATUS_NO;
	return good && check_facts(source, facts, err);
}

bool backup_source_fetch(struct backup_source *source, enum integrity verify, int copy_fd,
			 struct schema_facts *facts, struct progress *progress, struct error *err)
{
	return run(source, fetch, copy_fd, progress, err) &&
	       inspect(source, verify, copy_fd, WORK_COPY, false, facts, err);
}

bool backup_source_check(struct backup_source *source, enum integrity verify, int work_fd,
			 struct progress *progress, struct error *err)
{
	auto_work_folder work = WORK_FOLDER_NONE;
	struct schema_facts facts = { 0 };

	if (!source->packed)
		return (!source->has_manifest || run(source, digest_only, -1, progress, err)) &&
		       inspect(source, verify, source->folder_fd, source->name, true, &facts, err);
	(void)work_folder_sweep(work_fd, BACKUP_WORK_PREFIX);
	return work_folder_make(&work, work_fd, BACKUP_WORK_PREFIX, "temporary folder", err) &&
	       backup_source_fetch(source, verify, work.fd, &facts, progress, err);
}
