/* What every main does first, before it looks at its arguments. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <stdbool.h>

#include "common/base/status.h"

/*
 * Makes the process safe to work in:
 * - descriptors 0 to 2 are open (else the next open() would become "standard output", and messages
 *   would land inside a database: reference F21);
 * - SIGPIPE and SIGXFSZ are ignored, so that a failed write is an error that is looked at;
 * - umask 077; no core dumps (a core holds other people's data);
 * - character classes of UTF-8, independent of the user's locale; everything else stays "C".
 * False when descriptors were closed and there is no /dev/null either: nothing can be said then, and nothing
 * may be risked; return STATUS_TROUBLE.
 */
bool program_start(void);

/* Whether standard output was closed when the program started: what goes there now goes nowhere. */
bool program_output_was_closed(void);

/*
 * What every main that holds signals (signals.h) does last: finishes the output (output.h), and if a signal has asked for
 * the end, ends by it. Returns what main is to return.
 */
int program_end(enum status status);

#endif
