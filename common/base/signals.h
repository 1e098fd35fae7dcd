/*
 * Being asked to end (SIGINT, SIGTERM, SIGHUP, SIGQUIT) in a program that has something to clean up first: the signals stay
 * blocked and pending, whoever waits looks for them, and when all is tidy the program ends by the signal itself, as
 * shells expect. One that the caller ignores (nohup, a shell's background job) stays ignored.
 */
#ifndef BASE_SIGNALS_H
#define BASE_SIGNALS_H

#include <stdbool.h>

#include "common/base/error.h"

/* Blocks them; call once, early in main. */
void signals_hold(void);

/* The signal that asks us to end, or 0. */
int signals_pending(void);

/* Fails with "interrupted by SIGTERM" when one is pending. */
bool signals_check(struct error *err);

/* From here on the program is not interrupted any more: what was begun has to be ended first. */
void signals_finish_first(void);

/* A descriptor that is readable while one is pending; -1 when there is none. Owned by this module. */
int signals_descriptor(void);

/* Ends the program by the pending signal; returns when there is none. The last call of main but one. */
void signals_obey(void);

/* In a forked child that runs a foreign program: none of them blocked. */
void signals_let_go(void);

#endif
