/*
 * The part of a survey that finds the holders: from the kernel's list of locks, and from a walk over /proc.
 * Only survey.c calls these, in this order.
 */
#ifndef COMMON_SURVEY_HOLDERS_H
#define COMMON_SURVEY_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/lock_view.h"
#include "common/survey.h"
#include "common/target.h"

/* Owners of locks become holders; each new one is sampled at once. */
void holders_note_owners(struct survey *survey, const struct proc_root *root,
			 const struct lock_table *table);

/*
 * Walks over all processes; those that have one of the files open become holders. *unsettled: processes came so fast
 * that one may have been missed (open_files.h).
 */
bool holders_walk(struct survey *survey, const struct proc_root *root, const struct target *target,
		  bool deep, bool *unsettled, struct error *err);

/* Reads who they are, for holders from index `from` on. */
bool holders_identify(struct survey *survey, const struct proc_root *root, size_t from,
		      struct error *err);

/*
 * Asks engines and systemd, where their programs are installed and answer at once, for the names of containers and for
 * restart policies. Takes some time: done while the second sample is waited for.
 */
void holders_ask_supervisors(struct survey *survey);

/*
 * The second look, at the holders from index `from` on: what they have open and locked now, and what they do.
 * Forgets those that have let go, or that are not the process any more that was identified; returns how many.
 */
size_t holders_look_again(struct survey *survey, const struct proc_root *root, size_t from,
			  const struct target *target, const struct lock_view *view);

/*
 * Locks that only F_GETLK reports: their owner becomes a holder where it has a PID here; else they are counted
 * as hidden.
 */
bool holders_explain_probes(struct survey *survey, const struct proc_root *root, struct error *err);

/* Marks those that have an open file in common: a connection that went through fork(2). */
void holders_find_shared(struct survey *survey);

/* Marks those that use the database by another name, and have sidecars of that name open. */
void holders_find_elsewhere(struct survey *survey, const struct proc_root *root,
			    const struct target *target);

#endif
