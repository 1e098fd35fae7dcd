/*
 * What went wrong, as one small value that the caller owns: nothing to allocate, nothing to free.
 *
 * A function that can fail returns bool and takes a struct error * last. False means failed, and the
 * error says what. Common code never prints and never exits; main prints the error once.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

#include "common/base/status.h"

struct error {
	enum status status; /* what the program's exit status should be */
	char text[1024];    /* one line, no full stop; hostile names in it are already printable */
};

/*
 * Of the answers about several databases, the one that the program ends with: trouble before busy, before no,
 * before cannot tell, before yes.
 */
enum status status_worse(enum status a, enum status b);

/* Fills in *err and returns false, so that a failing line is one line. */
bool fail(struct error *err, enum status status, const char *format, ...)
	__attribute__((format(printf, 3, 4), nonnull(1)));

/* The same, followed by ": " and the words for the current errno. */
bool fail_errno(struct error *err, enum status status, const char *format, ...)
	__attribute__((format(printf, 3, 4), nonnull(1)));

#endif
