/* Waiting until a database can be used. */
#ifndef COMMON_WAIT_H
#define COMMON_WAIT_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/survey.h"
#include "common/verdict.h"

/*
 * Takes surveys until the answer to `question` is yes, or `patience` seconds have passed (0: one survey only;
 * negative: for ever). Leaves the last survey and its verdict; false when a survey failed.
 *
 * While it waits it costs next to nothing: it asks the kernel every few milliseconds, and walks over all
 * processes only when the kernel's answer may have become yes.
 */
bool wait_until_yes(struct survey *survey, struct verdict *verdict, const struct proc_root *root,
		    const char *path, const struct survey_options *options, enum question question,
		    bool visible_only, double patience, struct error *err);

#endif
