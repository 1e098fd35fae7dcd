/* Which backup is meant, and whether it is good. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/backup_catalog.h"
#include "common/backup_destination.h"
#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/restore.h"

static bool usable(const struct backup_entry *entry, const struct backup_manifest *own, int64_t at)
{
	return entry->manifest.verified != INTEGRITY_NONE &&
	       backup_manifest_same_source(&entry->manifest, own) &&
	       (at < 0 || entry->manifest.time <= at);
}

/*
 * A backup of the database that is meant: the one that is to be restored; or where the folder has none of that, the only one
 * that it has any of. NULL when that is not clear.
 */
static const struct backup_manifest *source_of(const struct backup_catalog *catalog,
					       const struct backup_manifest *own)
{
	const struct backup_manifest *only = NULL;
	bool several = false;

	for (size_t i = 0; i < catalog->count; i++) {
		const struct backup_manifest *manifest = &catalog->items[i].manifest;

		if (backup_manifest_same_source(manifest, own))
			return own;
		several = several || (only && !backup_manifest_same_source(only, manifest));
		only = manifest;
	}
	return several ? NULL : only;
}

/* The newest usable one before `end`; -1 when there is none. */
static ssize_t newest(const struct backup_catalog *catalog, const struct backup_manifest *source,
		      int64_t at, size_t end)
{
	while (end-- > 0)
		if (usable(&catalog->items[end], source, at))
			return (ssize_t)end;
	return -1;
}

/* The one that was to be restored is damaged: that is said, with the newest that is not. Nothing older is taken silently. */
static bool refuse_damaged(const struct restore *restore, const struct destination *folder,
			   const struct backup_catalog *catalog, size_t index,
			   const struct backup_manifest *source, struct error *err)
{
	const struct error damage = *err;

	for (ssize_t i = (ssize_t)index;
	     (i = newest(catalog, source, restore->options.at, (size_t)i)) >= 0;) {
		auto_backup_source older = BACKUP_SOURCE_NONE;
		struct error ignored = { 0 };

		if (!backup_source_open(&older, folder->folder_fd, folder->folder,
					catalog->items[i].manifest.file, &ignored) ||
		    !backup_source_check(&older, INTEGRITY_QUICK, restore->state_fd,
					 restore->progress, &ignored))
			continue;
		return fail(err, STATUS_TROUBLE, "%s; the newest good backup is %s", damage.text,
			    older.shown);
	}
	return fail(err, STATUS_TROUBLE, "%s; there is no good backup in this folder", damage.text);
}

/* Clocks of two machines may differ a little. */
static int64_t in_a_while(void)
{
	enum { LITTLE_MILLISECONDS = 5 * 60 * 1000 };

	return (int64_t)clock_wall().tv_sec * 1000 + LITTLE_MILLISECONDS;
}

static bool find_in_folder(struct restore *restore, struct error *err)
{
	auto_free char *shown = text_printable(restore->backup);
	auto_destination folder = DESTINATION_NONE;
	auto_backup_catalog catalog = { 0 };

	if (!destination_open_folder(&folder, restore->backup, err) ||
	    !backup_catalog_read(folder.folder_fd, shown, &catalog, err))
		return false;

	auto_free char *host = backup_host();
	const struct backup_manifest own = {
		.source = restore->absolute,
		.host = host,
		.inode = restore->target.files[FILE_MAIN].stat.st_ino,
	};
	const struct backup_manifest *source = source_of(&catalog, &own);

	if (!source)
		return fail(
			err, STATUS_TROUBLE,
			catalog.count > 0
				? "%s: has backups of several databases, none of this one: name the file"
				: "%s: no backup in this folder",
			shown);

	const ssize_t index = newest(&catalog, source, restore->options.at, catalog.count);

	if (index < 0)
		return fail(err, STATUS_TROUBLE, "%s: no verified backup %s", shown,
			    restore->options.at < 0 ? "in this folder" : "of that time or earlier");
	auto_free char *name = text_printable(catalog.items[index].manifest.file);

	if (catalog.items[index].manifest.time > in_a_while())
		return fail(
			err, STATUS_TROUBLE,
			"%s: the newest backup, %s, is dated in the future: name the file that you want",
			shown, name);
	if (backup_source_open(&restore->source, folder.folder_fd, folder.folder,
			       catalog.items[index].manifest.file, err) &&
	    backup_source_fetch(&restore->source, INTEGRITY_QUICK, restore->work.fd,
				&restore->after.facts, restore->progress, err))
		return true;
	return err->status == STATUS_NO &&
	       refuse_damaged(restore, &folder, &catalog, (size_t)index, source, err);
}

static bool is_target(const struct restore *restore)
{
	struct stat stat = { 0 };

	if (fstat(restore->source.fd, &stat) != 0)
		return true; /* what cannot be told apart is not written */
	for (enum database_file file = FILE_MAIN; file < FILE_COUNT; file++) {
		const struct target_file *own = &restore->target.files[file];

		if (own->path_fd >= 0 && own->stat.st_ino == stat.st_ino &&
		    own->stat.st_dev == stat.st_dev)
			return true;
	}
	return false;
}

static bool find_file(struct restore *restore, struct error *err)
{
	if (!backup_source_open_path(&restore->source, restore->backup, err))
		return false;
	if (is_target(restore))
		return fail(err, STATUS_TROUBLE, "%s: is the database itself, not a backup of it",
			    restore->source.shown);
	return backup_source_fetch(&restore->source, INTEGRITY_QUICK, restore->work.fd,
				   &restore->after.facts, restore->progress, err);
}

bool restore_find(struct restore *restore, struct error *err)
{
	struct stat stat = { 0 };
	const bool folder =
		fstatat(AT_FDCWD, restore->backup, &stat, 0) == 0 && S_ISDIR(stat.st_mode);

	if (!folder && restore->options.at >= 0)
		return fail(err, STATUS_USAGE, "--at is for a folder of backups");
	if (folder ? find_in_folder(restore, err) : find_file(restore, err))
		return true;
	/* A damaged backup is no answer to a question here: it could not be done. */
	if (err->status == STATUS_NO)
		err->status = STATUS_TROUBLE;
	return false;
}
