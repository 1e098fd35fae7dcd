/* Backups shown: as text for people and as JSON for programs. */
#ifndef COMMON_BACKUP_REPORT_H
#define COMMON_BACKUP_REPORT_H

#include <stdbool.h>

#include "common/backup.h"
#include "common/backup_catalog.h"
#include "common/backup_check.h"
#include "common/backup_folder.h"
#include "common/base/text.h"

struct json_t;

/* What dbbackup did or, with `dry_run`, would do. `deleted` may be empty. */
void backup_report_text(struct text *text, const struct backup *backup,
			const struct backup_names *deleted, bool dry_run);
struct json_t *backup_report_json(const char *tool, const struct backup *backup,
				  const struct backup_names *deleted, bool dry_run)
	__attribute__((returns_nonnull, warn_unused_result));

/* Each backup that was checked. */
void backup_checks_text(struct text *text, const struct backup_checks *checks);
struct json_t *backup_checks_json(const char *tool, const struct backup_checks *checks)
	__attribute__((returns_nonnull, warn_unused_result));

/* A table of a folder, newest last. */
void backup_list_text(struct text *text, const struct backup_catalog *catalog);
struct json_t *backup_list_json(const char *tool, const char *folder,
				const struct backup_catalog *catalog)
	__attribute__((returns_nonnull, warn_unused_result));

#endif
