#include "common/backup_report.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/memory.h"
#include "common/base/scope.h"

/* Programs get paths that mean the same wherever they run. */
static void put_path(struct json_t *object, const char *key, const char *path)
{
	auto_free char *absolute =
		strcmp(path, "-") == 0 ? memory_copy_text(path) : target_absolute(path);

	json_put_text(object, key, absolute);
}

static const char *words_for(enum integrity level)
{
	switch (level) {
	case INTEGRITY_QUICK:
		return "quick_check ok";
	case INTEGRITY_FULL:
		return "integrity_check ok";
	default:
		return "not verified";
	}
}

static void append_size(struct text *text, const struct backup_manifest *manifest)
{
	text_append(text, "  ");
	text_append_size(text, manifest->size);
	if (manifest->packed) {
		text_append(text, " packed to ");
		text_append_size(text, manifest->file_size);
	}
	text_append(text, ", %lld pages", (long long)manifest->facts.pages);
	if (manifest->facts.has_revision) {
		auto_free char *revision = text_printable(manifest->facts.revision);

		text_append(text, ", revision %s", revision);
	}
}

void backup_report_text(struct text *text, const struct backup *backup,
			const struct backup_names *deleted, bool dry_run)
{
	const struct backup_manifest *manifest = &backup->manifest;
	auto_free char *path = text_printable(backup->path);
	auto_free char *source = text_printable(backup->target->given);

	if (dry_run) {
		text_append(text, "%s: would be backed up to %s\n", source, path);
	} else {
		text_append(text, "%s: backed up to %s\n", source, path);
		append_size(text, manifest);
		text_append(text, "; %s\n  %s in %.2f s, read lock held %.3f s\n  sha256 %s\n",
			    words_for(manifest->verified), manifest->method, backup->seconds,
			    manifest->lock_seconds, manifest->digest);
	}
	for (size_t i = 0; i < deleted->count; i++) {
		auto_free char *name = text_printable(deleted->items[i]);

		text_append(text, "  %s %s\n", dry_run ? "would delete" : "deleted", name);
	}
}

struct json_t *backup_report_json(const char *tool, const struct backup *backup,
				  const struct backup_names *deleted, bool dry_run)
{
	struct json_t *object = json_new_object();

	json_put_number(object, "schema", 1);
	json_put_text(object, "tool", tool);
	json_put_text(object, "database", backup->target->absolute);
	put_path(object, "backup", backup->path);
	json_put_bool(object, "dry_run", dry_run);
	if (dry_run) {
		char stamp[CLOCK_STAMP_SIZE];

		clock_stamp(clock_wall(), stamp);
		json_put_text(object, "time", stamp);
	} else {
		backup_manifest_put(object, &backup->manifest);
		json_put_seconds(object, "seconds", backup->seconds);
	}
	backup_names_put(object, "deleted", deleted);
	return object;
}

void backup_list_text(struct text *text, const struct backup_catalog *catalog)
{
	text_append(text, "TIME (UTC)                SIZE        VERIFIED  FILE\n");
	for (size_t i = 0; i < catalog->count; i++) {
		const struct backup_manifest *manifest = &catalog->items[i].manifest;
		const struct timespec when = { .tv_sec = (time_t)(manifest->time / 1000),
					       .tv_nsec = (long)(manifest->time % 1000) * 1000000 };
		auto_free char *name = text_printable(manifest->file);
		auto_text size = { 0 };
		char stamp[CLOCK_STAMP_SIZE];

		clock_stamp(when, stamp);
		text_append_size(&size, manifest->file_size);
		text_append(text, "%s  ", stamp);
		text_append_cell(text, text_string(&size), 10);
		text_append(text, "  ");
		text_append_cell(text, integrity_name(manifest->verified), 8);
		text_append(text, "  %s\n", name);
	}
	if (catalog->unreadable > 0)
		text_append(text, "%zu with a manifest that does not fit, not counted\n",
			    catalog->unreadable);
}

struct json_t *backup_list_json(const char *tool, const char *folder,
				const struct backup_catalog *catalog)
{
	struct json_t *object = json_new_object();

	json_put_number(object, "schema", 1);
	json_put_text(object, "tool", tool);
	put_path(object, "folder", folder);

	struct json_t *list = json_put_array(object, "backups");

	for (size_t i = 0; i < catalog->count; i++) {
		struct json_t *entry = json_new_object();
		auto_free char *path = backup_path(folder, catalog->items[i].manifest.file);

		put_path(entry, "path", path);
		backup_manifest_put(entry, &catalog->items[i].manifest);
		json_add(list, entry);
	}
	json_put_number(object, "unreadable", (int64_t)catalog->unreadable);
	return object;
}

void backup_checks_text(struct text *text, const struct backup_checks *checks)
{
	for (size_t i = 0; i < checks->count; i++) {
		const struct backup_check *check = &checks->items[i];
		auto_free char *path = text_printable(check->path);

		if (check->good)
			text_append(text, "good     %s (%s)\n", path, check->reason);
		else
			text_append(text, "DAMAGED  %s\n", check->reason);
	}
	if (checks->count == 0)
		text_append(text, "no backup there\n");
}

struct json_t *backup_checks_json(const char *tool, const struct backup_checks *checks)
{
	struct json_t *object = json_new_object();

	json_put_number(object, "schema", 1);
	json_put_text(object, "tool", tool);

	struct json_t *list = json_put_array(object, "checked");

	for (size_t i = 0; i < checks->count; i++) {
		struct json_t *entry = json_new_object();

		put_path(entry, "path", checks->items[i].path);
		json_put_bool(entry, "good", checks->items[i].good);
		json_put_text(entry, "reason", checks->items[i].reason);
		json_add(list, entry);
	}
	return object;
}
