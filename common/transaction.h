/*
 * Transactions as they show from outside: how old their snapshots are, and how long they have been open at least. Pure
 * functions of a survey. The kernel does not tell since when a lock is held, so all times are lower bounds.
 */
#ifndef COMMON_TRANSACTION_H
#define COMMON_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/survey.h"

/* Whether it holds the READ lock of that slot, 0 to READ_SLOTS - 1. */
bool transaction_reads_slot(const struct holder *holder, size_t slot);

/* Up to which frame a reader in this slot sees the WAL; in slot 0 only what is in the main file. */
uint32_t transaction_snapshot(const struct wal_index *index, size_t slot);

/* How many frames the oldest snapshot that a holder reads is behind the end of the WAL; 0: not at all, or not known. */
uint32_t transaction_frames_behind(const struct survey *survey, const struct holder *holder);

/*
 * A mark is where its slot's oldest reader may be. When all the slots for snapshots are taken a new reader shares
 * one, and sees more than the mark says: then this is false.
 */
bool transaction_marks_are_exact(const struct survey *survey);

/* Whether it holds a lock that keeps others from writing. */
bool transaction_writes(const struct holder *holder);

/*
 * For how many seconds at least a holder has had the lock to write. A process that slept through the sampling held it all
 * that time; in rollback mode the journal is older than its last change. 0 when that cannot be told, or it holds none.
 */
double transaction_write_seconds(const struct survey *survey, const struct holder *holder);

/*
 * The same for a read transaction. A reader that does not see the last commit began before it, so before the -wal was last
 * written to.
 */
double transaction_read_seconds(const struct survey *survey, const struct holder *holder);

#endif
