#include "common/backup_check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/backup.h"
#include "common/backup_catalog.h"
#include "common/backup_destination.h"
#include "common/backup_source.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"

void backup_checks_release(struct backup_checks *checks)
{
	for (size_t i = 0; i < checks->count; i++) {
		free(checks->items[i].path);
		free(checks->items[i].reason);
	}
	free(checks->items);
	*checks = (struct backup_checks){ 0 };
}

static void add(struct backup_checks *checks, const char *path, bool good, const char *reason)
{
	*memory_append(checks) = (struct backup_check){
		.path = memory_copy_text(path),
		.good = good,
		.reason = memory_copy_text(reason),
	};
	checks->damaged += !good;
}

static const char *words_for(const struct backup_source *source, enum integrity verify)
{
	if (!source->has_manifest)
		return "no manifest; integrity_check ok";
	switch (verify) {
	case INTEGRITY_QUICK:
		return "sha256 as in its manifest, quick_check ok";
	case INTEGRITY_FULL:
		return "sha256 as in its manifest, integrity_check ok";
	default:
		return "sha256 as in its manifest";
	}
}

/* False when it could not be found out; a damaged one was found out. */
static bool note(struct backup_checks *checks, struct backup_source *source, bool opened,
		 enum integrity verify, int work_fd, struct progress *progress, struct error *err)
{
	if (opened && backup_source_check(source, verify, work_fd, progress, err)) {
		add(checks, source->path, true, words_for(source, verify));
		return true;
	}
	if (err->status != STATUS_NO)
		return false;
	add(checks, source->path, false, err->text);
	*err = (struct error){ 0 };
	return true;
}

static void note_missing(struct backup_checks *checks, const char *folder, const char *file)
{
	auto_free char *path = backup_path(folder, file);
	auto_free char *shown = text_printable(path);
	auto_free char *reason = memory_format("%s: is gone, only its manifest is left", shown);

	add(checks, path, false, reason);
}

static void note_unreadable(struct backup_checks *checks, const char *folder, size_t count)
{
	auto_free char *shown = text_printable(folder);
	auto_free char *reason =
		memory_format("%s: %zu with a manifest that does not fit its file", shown, count);

	add(checks, folder, false, reason);
}

static bool check_folder(const char *given, enum integrity verify, int work_fd,
			 struct progress *progress, struct backup_checks *checks, struct error *err)
{
	auto_destination folder = DESTINATION_NONE;
	auto_backup_catalog catalog = { 0 };

	if (!destination_open_folder(&folder, given, err) ||
	    !backup_catalog_read(folder.folder_fd, given, &catalog, err))
		return false;
	for (size_t i = 0; i < catalog.count; i++) {
		auto_backup_source source = BACKUP_SOURCE_NONE;
		const bool opened = backup_source_open(&source, folder.folder_fd, given,
						       catalog.items[i].manifest.file, err);

		if (!note(checks, &source, opened, verify, work_fd, progress, err))
			return false;
	}
	for (size_t i = 0; i < catalog.missing.count; i++)
		note_missing(checks, given, catalog.missing.items[i]);
	if (catalog.unreadable > 0)
		note_unreadable(checks, given, catalog.unreadable);
	return true;
}

bool backup_check(const char *given, enum integrity verify, struct progress *progress,
		  struct backup_checks *checks, struct error *err)
{
	auto_destination temporary = DESTINATION_NONE;
	auto_backup_source source = BACKUP_SOURCE_NONE;
	struct stat stat = { 0 };

	if (!destination_open(&temporary, "-", NULL, false, err))
		return false;
	if (fstatat(AT_FDCWD, given, &stat, 0) == 0 && S_ISDIR(stat.st_mode))
		return check_folder(given, verify, temporary.folder_fd, progress, checks, err);

	const bool opened = backup_source_open_path(&source, given, err);

	return note(checks, &source, opened, verify, temporary.folder_fd, progress, err);
}
