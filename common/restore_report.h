/* A restore shown: as text for people and as JSON for programs. */
#ifndef COMMON_RESTORE_REPORT_H
#define COMMON_RESTORE_REPORT_H

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/restore.h"

struct json_t;

/* What was done and how to undo it; with dry_run what would change. */
void restore_report_text(struct text *text, const struct restore *restore);

/* The same; `failure` NULL when all went well. */
struct json_t *restore_report_json(const char *tool, const struct restore *restore,
				   const struct error *failure)
	__attribute__((returns_nonnull, warn_unused_result));

#endif
