#include "common/backup_folder.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/publish.h"
#include "common/linux/work_folder.h"

void backup_names_release(struct backup_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free((void *)names->items);
	*names = (struct backup_names){ 0 };
}

void backup_names_put(struct json_t *object, const char *key, const struct backup_names *names)
{
	struct backup_names absolute = { 0 };

	for (size_t i = 0; i < names->count; i++)
		*memory_append(&absolute) = target_absolute(names->items[i]);
	json_put_texts(object, key, absolute.items, absolute.count);
	backup_names_release(&absolute);
}

void backup_folder_tidy(const struct destination *destination)
{
	(void)work_folder_sweep(destination->folder_fd, BACKUP_WORK_PREFIX);
	if (destination->kind == DESTINATION_FOLDER)
		backup_sweep(destination->folder_fd);
}

static void add_name(struct backup_names *names, const struct destination *destination,
		     const struct backup_entry *entry)
{
	*memory_append(names) = backup_path(destination->folder, entry->manifest.file);
}

bool backup_folder_prune(const struct backup *backup, const struct destination *destination,
			 const struct backup_rules *rules, struct backup_names *deleted,
			 struct error *err)
{
	auto_free char *shown = text_printable(destination->folder);
	auto_backup_catalog catalog = { 0 };

	if (destination->kind != DESTINATION_FOLDER)
		return true;
	if (!backup_catalog_read(destination->folder_fd, shown, &catalog, err))
		return false;
	if (backup_retention(&catalog, &backup->manifest, rules) == 0)
		return true;
	for (size_t i = 0; i < catalog.count; i++) {
		const struct backup_entry *entry = &catalog.items[i];

		/* A clock that went back may make the one of now look old. */
		if (entry->keep || strcmp(entry->manifest.file, backup->manifest.file) == 0)
			continue;
		if (!backup_delete(destination->folder_fd, entry, err))
			return false;
		add_name(deleted, destination, entry);
	}
	return publish_sync_folder(destination->folder_fd, shown, err);
}

/* The backup that would be made, in the catalogue as if it were there. */
static void add_planned(struct backup_catalog *catalog, const struct backup *backup, int64_t now)
{
	struct backup_manifest *manifest = &memory_append(catalog)->manifest;

	manifest->file = backup_name(backup->target, now, backup->options.pack);
	manifest->source = memory_copy_text(backup->target->resolved);
	manifest->host = backup_host();
	manifest->inode = backup->target->files[FILE_MAIN].stat.st_ino;
	manifest->facts.pages = 1;
	manifest->time = now;
	manifest->verified = backup->options.verify;
}

bool backup_folder_plan(struct backup *backup, const struct destination *destination,
			const struct backup_rules *rules, struct backup_names *deleted,
			struct error *err)
{
	const struct timespec wall = clock_wall();
	const int64_t now = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
	auto_free char *name = backup->file
				       ? memory_copy_text(backup->file)
				       : backup_name(backup->target, now, backup->options.pack);
	auto_free char *shown = text_printable(destination->folder);
	auto_backup_catalog catalog = { 0 };

	backup->path = destination->kind == DESTINATION_OUTPUT
			       ? memory_copy_text("-")
			       : backup_path(destination->folder, name);
	if (destination->kind != DESTINATION_FOLDER || destination->folder_fd < 0)
		return true;
	if (!backup_catalog_read(destination->folder_fd, shown, &catalog, err))
		return false;

	const size_t there = catalog.count;

	add_planned(&catalog, backup, now);
	(void)backup_retention(&catalog, &catalog.items[there].manifest, rules);
	for (size_t i = 0; i < there; i++)
		if (!catalog.items[i].keep)
			add_name(deleted, destination, &catalog.items[i]);
	return true;
}

bool backup_folder_list(const char *path, struct backup_catalog *catalog, struct error *err)
{
	auto_free char *shown = text_printable(path);
	auto_destination place = DESTINATION_NONE;

	return destination_open_folder(&place, path, err) &&
	       backup_catalog_read(place.folder_fd, shown, catalog, err);
}
