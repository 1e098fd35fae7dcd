/*
 * The kernel's word on whether a database is in use: leases on its files (linux/lease.h), where they mean
 * something.
 */
#ifndef COMMON_CERTIFICATE_H
#define COMMON_CERTIFICATE_H

#include <stdbool.h>

#include "common/survey.h"
#include "common/target.h"

/*
 * Asks for the main file, and when nobody has that open, for the others too. A refusal that is not `expected`
 * is asked again for up to three milliseconds: another survey has the file open for a moment as well.
 */
enum certificate certificate_ask(const struct target *target, bool expected);

#endif
