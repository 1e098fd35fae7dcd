/* A mount namespace of a process's own (namespaces(7)). */
#ifndef LINUX_NAMESPACE_H
#define LINUX_NAMESPACE_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/error.h"

/*
 * Gives this process, for good, mounts of its own: what it mounts is seen by itself and its children only. Without
 * CAP_SYS_ADMIN it gets a user namespace too (*in_user_namespace), in which it has the one user and group that it had;
 * that is refused when what it is for has to be done as another user, `owner`. For a forked child.
 */
bool namespace_own_mounts(uid_t owner, bool *in_user_namespace, struct error *err);

#endif
