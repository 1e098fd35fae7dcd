/* Who the processes of a watch are. */
#ifndef COMMON_WATCH_IDENTIFY_H
#define COMMON_WATCH_IDENTIFY_H

#include "common/linux/proc_root.h"
#include "common/watch.h"

/*
 * Reads who the new ones are; call soon after they were heard, for some do not live long. A process that came before we
 * looked and is gone already stays unknown.
 */
void watch_identify(struct watch *watch, const struct proc_root *root);

/* Forgets those that have ended, or whose PID means another process by now. */
void watch_bury(struct watch *watch, const struct proc_root *root, double now);

#endif
