#include "common/transaction.h"

bool transaction_reads_slot(const struct holder *holder, size_t slot)
{
	return lock_bytes_reads(&holder->locks, (enum lock_slot)(SLOT_READ0 + slot));
}

uint32_t transaction_snapshot(const struct wal_index *index, size_t slot)
{
	if (slot == 0)
		return index->checkpointed;
	return index->marks[slot] == WAL_MARK_UNUSED ? index->frames : index->marks[slot];
}

uint32_t transaction_frames_behind(const struct survey *survey, const struct holder *holder)
{
	uint32_t most = 0;

	for (size_t slot = 0; survey->index_known && slot < READ_SLOTS; slot++) {
		const uint32_t seen = transaction_snapshot(&survey->index, slot);

		if (transaction_reads_slot(holder, slot) && seen < survey->index.frames &&
		    survey->index.frames - seen > most)
			most = survey->index.frames - seen;
	}
	return most;
}

bool transaction_marks_are_exact(const struct survey *survey)
{
	size_t taken = 0;

	for (enum lock_slot slot = SLOT_READ1; slot <= SLOT_READ4; slot++) {
		size_t readers = 0;

		for (size_t i = 0; i < survey->holders.count; i++)
			readers += lock_bytes_reads(&survey->holders.items[i].locks, slot);
		if (readers > 1)
			return false;
		taken += readers > 0;
	}
	return taken < READ_SLOTS - 1;
}

/* Since a file was last changed; 0 when the clock was set back meanwhile. */
static double seconds_since(const struct survey *survey, enum database_file file)
{
	const struct timespec *then = &survey->changed[file];
	const double age = (double)(survey->taken.tv_sec - then->tv_sec) +
			   (double)(survey->taken.tv_nsec - then->tv_nsec) / 1e9;

	return age > 0 ? age : 0;
}

/* It slept all the time between the two looks, so it neither took a lock then nor let one go. */
static double slept_seconds(const struct holder *holder)
{
	const bool stopped = holder->before.state == PROCESS_STOPPED && holder_is_stopped(holder);

	return holder_is_idle(holder) || stopped ? holder->sampled_seconds : 0;
}

bool transaction_writes(const struct holder *holder)
{
	const struct lock_bytes *locks = &holder->locks;

	return lock_bytes_writes(locks, SLOT_WRITE) || lock_bytes_writes(locks, SLOT_RESERVED) ||
	       lock_bytes_writes(locks, SLOT_PENDING) || lock_bytes_writes(locks, SLOT_SHARED);
}

double transaction_write_seconds(const struct survey *survey, const struct holder *holder)
{
	double age = slept_seconds(holder);

	if (!transaction_writes(holder))
		return 0;
	if (survey->mode == JOURNAL_ROLLBACK && survey->exists[FILE_JOURNAL] &&
	    !survey->journal_empty) {
		const double journal = seconds_since(survey, FILE_JOURNAL);

		age = journal > age ? journal : age;
	}
	return age;
}

double transaction_read_seconds(const struct survey *survey, const struct holder *holder)
{
	double age = slept_seconds(holder);

	if (holder_role(holder, survey->mode) != ROLE_READER)
		return 0;
	if (survey->consistent && transaction_marks_are_exact(survey) &&
	    transaction_frames_behind(survey, holder) > 0) {
		const double wal = seconds_since(survey, FILE_WAL);

		age = wal > age ? wal : age;
	}
	return age;
}
