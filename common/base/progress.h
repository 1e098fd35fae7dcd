/* Progress of something long, on a terminal's standard error only: how much, how fast, how long still. */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool wanted; /* a person watches: standard error is a terminal, and --quiet was not given */
	const char *phase; /* "copying"; what the numbers speak of */
	double began;	   /* of the phase, on clock_now() */
	bool shown;	   /* a line stands there that must be taken away */
};

/* Whether somebody would see it. */
bool progress_wanted(void);

/* Draws the line anew; with `total` 0 only the phase. The clock starts with each new phase. */
void progress_show(struct progress *progress, const char *phase, uint64_t done, uint64_t total);

/* Takes the line away. */
void progress_clear(struct progress *progress);

#endif
