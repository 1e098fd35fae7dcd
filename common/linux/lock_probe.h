/*
 * Asks the kernel whether a lock could be had now, without taking it (fcntl(2), F_GETLK). This is the
 * truth about locks: it also sees holders that /proc/locks hides, in other PID namespaces.
 */
#ifndef LINUX_LOCK_PROBE_H
#define LINUX_LOCK_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"

enum lock_conflict { CONFLICT_NONE, CONFLICT_READ, CONFLICT_WRITE };

struct lock_probe {
	enum lock_conflict conflict; /* the strongest lock that somebody else holds there */
	pid_t pid; /* its holder; 0 in another PID namespace, -1 an OFD lock, other negative: remote */
};

/*
 * Probes `length` bytes from `start` on a descriptor opened for reading. Our own POSIX locks do not
 * count. `name` is for the error, already printable.
 */
bool lock_probe(int fd, uint64_t start, uint64_t length, const char *name, struct lock_probe *probe,
		struct error *err);

#endif
