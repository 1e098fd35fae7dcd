#include "common/backup_catalog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/publish.h"

/* Larger than any that we write: a name and a path of 4 KiB each, in hex. */
enum { MOST_MANIFEST = 64 << 10 };

void backup_catalog_release(struct backup_catalog *catalog)
{
	for (size_t i = 0; i < catalog->count; i++)
		backup_manifest_release(&catalog->items[i].manifest);
	free(catalog->items);
	for (size_t i = 0; i < catalog->missing.count; i++)
		free(catalog->missing.items[i]);
	free((void *)catalog->missing.items);
	*catalog = (struct backup_catalog){ 0 };
}

/* A small regular file's bytes; NULL with errno set. */
static char *read_small(int folder_fd, const char *name, size_t *length)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	auto_close int fd = openat(folder_fd, name, flags);
	auto_free char *bytes = NULL;
	struct stat stat = { 0 };
	ssize_t got = 0;

	*length = 0;
	if (fd < 0 || fstat(fd, &stat) != 0)
		return NULL;
	errno = EINVAL;
	if (!S_ISREG(stat.st_mode) || stat.st_size > MOST_MANIFEST)
		return NULL;
	bytes = memory_allocate(MOST_MANIFEST + 1, 1);
	got = io_read_at(fd, bytes, MOST_MANIFEST, 0);
	*length = got > 0 ? (size_t)got : 0;
	return got < 0 ? NULL : take_pointer(&bytes);
}

/* Whether there is no such name; what cannot be looked at is there. */
static bool is_gone(int folder_fd, const char *name, struct stat *stat)
{
	return fstatat(folder_fd, name, stat, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

bool backup_manifest_load(int folder_fd, const char *file, struct backup_manifest *manifest,
			  bool *missing, struct error *err)
{
	auto_free char *name = memory_format("%s" MANIFEST_SUFFIX, file);
	struct stat stat = { 0 };
	size_t length = 0;
	auto_free char *bytes = read_small(folder_fd, name, &length);
	const int error = errno;

	*missing = is_gone(folder_fd, file, &stat);
	errno = error;
	if (!bytes)
		return fail_errno(err, STATUS_NO, "its manifest cannot be read");
	if (!backup_manifest_read(bytes, length, manifest, err))
		return false;
	if (strcmp(manifest->file, file) != 0)
		return fail(err, STATUS_NO, "its manifest speaks of another file");
	return *missing ||
	       (S_ISREG(stat.st_mode) && (uint64_t)stat.st_size == manifest->file_size) ||
	       fail(err, STATUS_NO,
		    "is not the file that its manifest speaks of: the size differs");
}

static bool ends_with(const char *name, const char *suffix, char **stem)
{
	const size_t length = strlen(name), end = strlen(suffix);

	if (length <= end || strcmp(name + length - end, suffix) != 0)
		return false;
	*stem = memory_copy(name, length - end);
	return true;
}

static void add_entry(int folder_fd, const char *name, struct backup_catalog *catalog)
{
	auto_free char *file = NULL;
	auto_backup_manifest manifest = { 0 };
	struct error ignored = { 0 };
	bool missing = false;

	if (!ends_with(name, MANIFEST_SUFFIX, &file))
		return;
	if (!backup_manifest_load(folder_fd, file, &manifest, &missing, &ignored)) {
		catalog->unreadable += !missing;
		return;
	}
	if (missing) {
		*memory_append(&catalog->missing) = take_pointer(&file);
		return;
	}
	memory_append(catalog)->manifest = manifest;
	manifest = (struct backup_manifest){ 0 };
}

static int by_time(const void *a, const void *b)
{
	const struct backup_entry *first = a, *second = b;

	if (first->manifest.time != second->manifest.time)
		return first->manifest.time < second->manifest.time ? -1 : 1;
	return strcmp(first->manifest.file, second->manifest.file);
}

/* The names in a folder are collected first: what is deleted meanwhile must not confuse readdir(3). */
struct names {
	char **items;
	size_t count, capacity;
};

static void release_names(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free((void *)names->items);
}

#define auto_names __attribute__((cleanup(release_names))) struct names

static bool read_names(int folder_fd, struct names *names)
{
	const int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_dir DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry = NULL;

	if (!entries) {
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	errno = 0;
	while ((entry = readdir(entries)))
		*memory_append(names) = memory_copy_text(entry->d_name);
	return errno == 0;
}

bool backup_catalog_read(int folder_fd, const char *shown, struct backup_catalog *catalog,
			 struct error *err)
{
	auto_names names = { 0 };

	if (!read_names(folder_fd, &names))
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot list the folder", shown);
	for (size_t i = 0; i < names.count; i++)
		add_entry(folder_fd, names.items[i], catalog);
	if (catalog->count > 0)
		qsort(catalog->items, catalog->count, sizeof *catalog->items, by_time);
	return true;
}

/* Which day, ISO week or month a backup is of, as a number that grows with time. */
enum period { PERIOD_NONE, PERIOD_DAY, PERIOD_WEEK, PERIOD_MONTH };

static int64_t period_of(int64_t time, enum period period)
{
	const int64_t days = time / (24 * 3600 * INT64_C(1000));
	const time_t seconds = (time_t)(time / 1000);
	struct tm utc = { 0 };

	switch (period) {
	case PERIOD_DAY:
		return days;
	case PERIOD_WEEK:
		return (days + 3) / 7; /* 1970-01-01 was a Thursday: weeks begin on Monday */
	case PERIOD_MONTH:
		(void)gmtime_r(&seconds, &utc);
		return (int64_t)utc.tm_year * 12 + utc.tm_mon;
	default:
		return time;
	}
}

static bool counts(const struct backup_entry *entry, const struct backup_manifest *own)
{
	return entry->manifest.verified != INTEGRITY_NONE &&
	       backup_manifest_same_source(&entry->manifest, own);
}

/* An emptied database must not push out all that it had. */
static void keep_newest_with_content(struct backup_catalog *catalog,
				     const struct backup_manifest *own)
{
	for (size_t i = catalog->count; i-- > 0;) {
		if (!counts(&catalog->items[i], own) || catalog->items[i].manifest.facts.pages == 0)
			continue;
		catalog->items[i].keep = true;
		return;
	}
}

/* Keeps the newest backup of each of the newest `most` periods that have one. */
static void keep_newest(struct backup_catalog *catalog, const struct backup_manifest *own,
			enum period period, uint64_t most)
{
	uint64_t kept = 0;
	int64_t last = INT64_MIN;

	for (size_t i = catalog->count; i-- > 0 && kept < most;) {
		struct backup_entry *entry = &catalog->items[i];
		const int64_t when = period_of(entry->manifest.time, period);

		if (!counts(entry, own) || (period != PERIOD_NONE && when == last))
			continue;
		entry->keep = true;
		last = when;
		kept++;
	}
}

size_t backup_retention(struct backup_catalog *catalog, const struct backup_manifest *own,
			const struct backup_rules *rules)
{
	const bool none = !rules->last && !rules->daily && !rules->weekly && !rules->monthly;
	size_t dropped = 0;

	for (size_t i = 0; i < catalog->count; i++)
		catalog->items[i].keep = none || !counts(&catalog->items[i], own);
	keep_newest(catalog, own, PERIOD_NONE, rules->last > 1 ? rules->last : 1);
	keep_newest(catalog, own, PERIOD_DAY, rules->daily);
	keep_newest(catalog, own, PERIOD_WEEK, rules->weekly);
	keep_newest(catalog, own, PERIOD_MONTH, rules->monthly);
	keep_newest_with_content(catalog, own);
	for (size_t i = 0; i < catalog->count; i++)
		dropped += !catalog->items[i].keep;
	return dropped;
}

static bool remove_name(int folder_fd, const char *name, struct error *err)
{
	if (unlinkat(folder_fd, name, 0) == 0 || errno == ENOENT)
		return true;

	const int error = errno;
	auto_free char *shown = text_printable(name);

	errno = error;
	return fail_errno(err, STATUS_TROUBLE, "%s: cannot be deleted", shown);
}

/* The manifest goes last, and not before the rest is gone for good: by it a later run knows what to finish. */
static bool remove_beside(int folder_fd, const char *file, struct error *err)
{
	auto_free char *sum = memory_format("%s" SUM_SUFFIX, file);
	auto_free char *manifest = memory_format("%s" MANIFEST_SUFFIX, file);
	auto_free char *shown = text_printable(file);

	return remove_name(folder_fd, sum, err) && publish_sync_folder(folder_fd, shown, err) &&
	       remove_name(folder_fd, manifest, err);
}

bool backup_delete(int folder_fd, const struct backup_entry *entry, struct error *err)
{
	return remove_name(folder_fd, entry->manifest.file, err) &&
	       remove_beside(folder_fd, entry->manifest.file, err);
}

static void sweep_name(int folder_fd, const char *name)
{
	auto_free char *file = NULL;
	auto_backup_manifest manifest = { 0 };
	struct error ignored = { 0 };
	bool missing = false;

	if (ends_with(name, MANIFEST_SUFFIX, &file) &&
	    backup_manifest_load(folder_fd, file, &manifest, &missing, &ignored) && missing)
		(void)remove_beside(folder_fd, file, &ignored);
}

void backup_sweep(int folder_fd)
{
	auto_names names = { 0 };

	(void)read_names(folder_fd, &names); /* what cannot be listed is left for the next run */
	for (size_t i = 0; i < names.count; i++)
		sweep_name(folder_fd, names.items[i]);
}
