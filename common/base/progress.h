/*
 * Progress of something long, on standard error: on a terminal how much, how fast, how long still; with --verbose also a
 * line for each phase.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool drawn; /* a person watches: standard error is a terminal, and --quiet was not given */
	bool told;  /* a line for each phase: --verbose was given */
	const char *phase; /* "copying"; what the numbers speak of */
	double began;	   /* of the phase, on clock_now() */
	bool shown;	   /* a line stands there that must be taken away */
};

/* As these two options ask for. */
struct progress progress_start(bool quiet, bool verbose);

/*
 * To be called again and again. The first time with a new phase tells it and starts its clock; then the line is drawn anew,
 * with `total` 0 only the phase. So a phase that is over at once is not drawn.
 */
void progress_show(struct progress *progress, const char *phase, uint64_t done, uint64_t total);

/* Takes the line away. */
void progress_clear(struct progress *progress);

#endif
