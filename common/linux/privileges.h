/*
 * What this process may do beyond its user (capabilities(7)). The only module that uses libcap.
 *
 * A tool keeps only what its work needs. Run by root, that stays in effect; installed with file capabilities
 * (setcap …=p) it is in effect only between privileges_raise() and privileges_lower(), so that a path
 * the user names is opened with the user's own rights.
 */
#ifndef LINUX_PRIVILEGES_H
#define LINUX_PRIVILEGES_H

#include <stdbool.h>

#include "common/base/error.h"

/* Drops everything but what looking at other processes needs; for good. */
bool privileges_keep_looking(struct error *err);

/* The same, and what signalling other users' processes needs. */
bool privileges_keep_stopping(struct error *err);

/* Looking, and what working on another owner's database needs. */
bool privileges_keep_copying(struct error *err);

/* Copying, and what running a program on the copy, as the database's owner, needs. */
bool privileges_keep_migrating(struct error *err);

void privileges_raise(void);
void privileges_lower(void);

/* Whether every process can be looked at, whoever owns it. */
bool privileges_see_everything(void);

#endif
