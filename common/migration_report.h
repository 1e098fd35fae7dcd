/* What dbmigrate answers, as text and as JSON: the "show" step. */
#ifndef COMMON_MIGRATION_REPORT_H
#define COMMON_MIGRATION_REPORT_H

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/checklist.h"
#include "common/migration.h"

struct json_t;

/* The text of each command. */
void migration_report(struct text *text, const struct migration *migration,
		      const struct checklist *checklist, const char *made);

/* Whether it is a status that failed for nothing but the problems that it found, and is told all the same. */
bool migration_is_unsound_status(const struct migration *migration);

/* The exit status of a command that did not fail. */
enum status migration_exit_status(const struct migration *migration,
				  const struct checklist *checklist);

/* The document of each command. `checklist` is for check; `made` for new, a path, else NULL. */
struct json_t *migration_report_json(const char *tool, const struct migration *migration,
				     const struct checklist *checklist, const char *made,
				     const struct error *failure)
	__attribute__((returns_nonnull, warn_unused_result));

#endif
