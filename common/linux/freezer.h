/*
 * Frozen control groups: docker pause, systemctl freeze. A frozen process does nothing, not even end: signals wait
 * until it is thawed, SIGKILL too (cgroup v1).
 */
#ifndef LINUX_FREEZER_H
#define LINUX_FREEZER_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/linux/proc_root.h"

/* Whether the process is in a frozen group. False too when that cannot be told. */
bool freezer_holds(const struct proc_root *root, pid_t pid);

/* Thaws the group that the process is in, and those above it, and waits a moment for that to be done. */
bool freezer_thaw(const struct proc_root *root, pid_t pid, struct error *err);

#endif
