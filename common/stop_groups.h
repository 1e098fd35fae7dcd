/*
 * The part of stopping that supervisors do: containers and units. Only stop_act.c calls these, in this order.
 */
#ifndef COMMON_STOP_GROUPS_H
#define COMMON_STOP_GROUPS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/stop.h"

/*
 * Starts the stop of each group that has chosen subjects; paused ones only with --force. What cannot be started is
 * left, and noted as trouble.
 */
void stop_groups_start(struct stop *stop, const struct proc_root *root);

/* Kills what is left of units whose stop is still under way. (Engines do that themselves.) */
void stop_groups_kill(struct stop *stop);

/* Collects what the supervisors said until `deadline` (clock_now()), and whether a stop became a kill. */
void stop_groups_finish(struct stop *stop, double deadline);

#endif
