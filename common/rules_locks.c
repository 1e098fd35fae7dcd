/* Rules about locks: who holds what, and what that stops. See rules.h. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/rules.h"
#include "common/transaction.h"

/* WRITE in WAL mode; else the strongest of what a rollback-mode writer holds. */
static const char *write_lock_of(const struct holder *holder)
{
	if (lock_bytes_writes(&holder->locks, SLOT_WRITE))
		return "WRITE";
	if (lock_bytes_writes(&holder->locks, SLOT_SHARED))
		return "EXCLUSIVE";
	return lock_bytes_writes(&holder->locks, SLOT_PENDING) ? "PENDING" : "RESERVED";
}

/* Holds EXCLUSIVE without a transaction to show for it (rule_exclusive_mode). */
static bool keeps_exclusive(const struct survey *survey, const struct holder *holder)
{
	const struct lock_bytes *locks = &holder->locks;

	/* A commit holds EXCLUSIVE too, for a moment: only who sleeps over it keeps it. */
	if (!lock_bytes_writes(locks, SLOT_SHARED) || !holder_is_idle(holder))
		return false;
	if (survey->mode == JOURNAL_WAL)
		return true;
	/*
	 * unix-excl takes the shared range only; so does who rolls a hot journal back. locking_mode=EXCLUSIVE
	 * keeps the journal open, emptied, from one transaction to the next.
	 */
	if (!lock_bytes_writes(locks, SLOT_RESERVED))
		return !survey->exists[FILE_JOURNAL];
	return holder_has_open(holder, FILE_JOURNAL) && survey->journal_empty;
}

static bool is_writer(const struct survey *survey, const struct holder *holder)
{
	return holder_uses_current(holder) && holder_role(holder, survey->mode) == ROLE_WRITER &&
	       !keeps_exclusive(survey, holder);
}

static bool is_idle_writer(const struct survey *survey, const struct holder *holder)
{
	return is_writer(survey, holder) && holder_is_idle(holder);
}

static bool is_active_writer(const struct survey *survey, const struct holder *holder)
{
	return is_writer(survey, holder) && !holder_is_idle(holder) && !holder_is_stopped(holder);
}

bool rule_idle_writer(const struct survey *survey, const struct verdict *verdict,
		      struct finding *finding)
{
	const struct holder *first = finding_add_those(finding, survey, is_idle_writer);

	(void)verdict;
	if (!first)
		return false;

	auto_free char *who = finding_who(finding);

	finding->why = memory_format("%s opened a write transaction (%s) and all its threads have "
				     "slept for %.1f s or longer; every other writer is refused "
				     "until it commits or rolls back",
				     who, write_lock_of(first),
				     floor(transaction_write_seconds(survey, first) * 10) / 10);
	finding->fix = finding_command(survey, "botkill");
	return true;
}

bool rule_active_writer(const struct survey *survey, const struct verdict *verdict,
			struct finding *finding)
{
	const struct holder *first = finding_add_those(finding, survey, is_active_writer);

	(void)verdict;
	if (!first)
		return false;

	auto_free char *who = finding_who(finding);

	finding->why = memory_format("%s has a write transaction (%s)%s; other writers are refused "
				     "until it ends",
				     who, write_lock_of(first),
				     first->sampled_seconds > 0 ? " and is at work" : "");
	finding->fix = memory_copy_text("wait; let other connections wait too (PRAGMA "
					"busy_timeout=5000)");
	return true;
}

bool rule_reader_blocks_commit(const struct survey *survey, const struct verdict *verdict,
			       struct finding *finding)
{
	const struct holder *writer = NULL;

	(void)verdict;
	if (survey->mode == JOURNAL_WAL)
		return false;
	for (size_t i = 0; i < survey->holders.count; i++) {
		const struct holder *holder = &survey->holders.items[i];

		if (lock_bytes_writes(&holder->locks, SLOT_PENDING) &&
		    !lock_bytes_writes(&holder->locks, SLOT_SHARED))
			writer = holder;
	}
	for (size_t i = 0; writer && i < survey->holders.count; i++)
		if (&survey->holders.items[i] != writer &&
		    lock_bytes_reads(&survey->holders.items[i].locks, SLOT_SHARED))
			finding_add(finding, &survey->holders.items[i]);
	if (finding->pids.count == 0)
		return false;

	auto_free char *who = finding_who(finding);

	finding->why =
		memory_format("%d wants to commit (PENDING) and waits for %s to end reading; "
			      "until then nobody else can even begin to read",
			      writer->process.pid, who);
	finding->fix = memory_format("finish that SELECT (fetch all its rows, or close the cursor) "
				     "in %s",
				     who);
	return true;
}

bool rule_exclusive_mode(const struct survey *survey, const struct verdict *verdict,
			 struct finding *finding)
{
	(void)verdict;
	if (!finding_add_those(finding, survey, keeps_exclusive))
		return false;

	auto_free char *who = finding_who(finding);

	finding->why = memory_format(
		"the database is kept by %s alone (PRAGMA locking_mode=EXCLUSIVE, or the "
		"unix-excl VFS), also between transactions",
		who);
	finding->fix = memory_copy_text("set locking_mode=NORMAL in that program, or stop it while "
					"others need the database");
	return true;
}

static bool repairs(const struct survey *survey, const struct holder *holder)
{
	const bool rolls_back =
		survey->journal_hot && lock_bytes_writes(&holder->locks, SLOT_SHARED);

	return rolls_back || holder_role(holder, survey->mode) == ROLE_RECOVERING;
}

bool rule_recovering(const struct survey *survey, const struct verdict *verdict,
		     struct finding *finding)
{
	(void)verdict;
	if (!finding_add_those(finding, survey, repairs))
		return false;

	auto_free char *who = finding_who(finding);

	finding->why = memory_format("after a crash the database is being repaired by %s", who);
	finding->fix = memory_copy_text("wait until it is done");
	return true;
}

/*
 * A process that closes any other descriptor on the database loses its POSIX locks without noticing
 * (sqlite.org/howtocorrupt.html, "posix advisory locks canceled"). In WAL mode its DMS lock on the -shm stays
 * behind; in rollback mode it has the journal open for writing and no lock.
 */
static bool lost_its_locks(const struct survey *survey, const struct holder *holder)
{
	const struct lock_bytes *locks = &holder->locks;

	if (!holder_can_write(holder, FILE_MAIN) || lock_bytes_holds(locks, SLOT_SHARED))
		return false;
	if (survey->mode == JOURNAL_WAL)
		return lock_bytes_holds(locks, SLOT_DMS);
	return holder_can_write(holder, FILE_JOURNAL) && !survey->journal_empty &&
	       lock_bytes_none(locks) && !survey->has_dotfile;
}

bool rule_lost_locks(const struct survey *survey, const struct verdict *verdict,
		     struct finding *finding)
{
	(void)verdict;
	if (!finding_add_those(finding, survey, lost_its_locks))
		return false;

	auto_free char *who = finding_who(finding);

	finding->why = memory_format(
		"the lock of %s on the database is lost, probably because it opened and "
		"closed the file besides SQLite: what it and others write now can destroy the database",
		who);
	finding->fix = memory_copy_text("stop it before anybody else writes, then check the "
					"database (PRAGMA integrity_check)");
	return true;
}

bool rule_hidden_holder(const struct survey *survey, const struct verdict *verdict,
			struct finding *finding)
{
	(void)verdict;
	if (survey->hidden_locks > 0)
		finding->why =
			memory_copy_text("somebody who cannot be seen from here holds a lock: a "
					 "process in another PID namespace (a container, or "
					 "outside of this one)");
	else if (survey->hidden_opener && !survey->scanned)
		finding->why =
			memory_copy_text("somebody has it open, without a lock; --no-scan did "
					 "not look for them");
	else if (survey->hidden_opener)
		finding->why =
			memory_copy_text("the kernel says that somebody has it open, and no "
					 "process that can be seen has: it is in another PID "
					 "namespace, or may not be looked at");
	else
		return false;
	finding->fix = memory_copy_text(survey->hidden_opener && !survey->scanned
						? "run dblockcheck without --no-scan"
						: "run dblockcheck as root, on the host");
	return true;
}
