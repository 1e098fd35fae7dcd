/* What botkill did, or would do, shown: as text for people and as JSON for programs. */
#ifndef COMMON_STOP_REPORT_H
#define COMMON_STOP_REPORT_H

#include <stdbool.h>

#include "common/base/text.h"
#include "common/stop.h"

struct json_t;

/* The plan: who would be stopped, how, and who would be left. */
void stop_plan_text(struct text *text, const struct stop *stop);

/* What was done. */
void stop_report_text(struct text *text, const struct stop *stop);

/* Both; the plan has plan[] in place of stopped[]. */
struct json_t *stop_report_json(const char *tool, const struct stop *stop, bool is_plan)
	__attribute__((returns_nonnull, warn_unused_result));

#endif
