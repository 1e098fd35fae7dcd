/*
 * Rules about the WAL: what readers of an old state do to it. See rules.h.
 *
 * A read mark is not a reader: SQLite leaves it behind. Only a mark together with the lock on its byte
 * (123 + k) is a live reader, and it may still need frames after the mark.
 */

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/rules.h"

static bool reads_slot(const struct holder *holder, size_t slot)
{
	return lock_bytes_reads(&holder->locks, (enum lock_slot)(SLOT_READ0 + slot));
}

/* Up to which frame a reader in this slot sees the WAL; in slot 0 only what is in the main file. */
static uint32_t snapshot_of(const struct wal_index *index, size_t slot)
{
	if (slot == 0)
		return index->checkpointed;
	return index->marks[slot] == WAL_MARK_UNUSED ? index->frames : index->marks[slot];
}

/* How many frames the oldest snapshot that a holder reads is behind the end of the WAL; 0: not at all. */
static uint32_t frames_behind(const struct survey *survey, const struct holder *holder)
{
	uint32_t most = 0;

	for (size_t slot = 0; survey->index_known && slot < READ_SLOTS; slot++) {
		const uint32_t seen = snapshot_of(&survey->index, slot);

		if (reads_slot(holder, slot) && seen < survey->index.frames &&
		    survey->index.frames - seen > most)
			most = survey->index.frames - seen;
	}
	return most;
}

/*
 * A mark is where its slot's oldest reader may be. When all the slots for snapshots are taken a new reader shares
 * one, and sees more than the mark says.
 */
static bool marks_are_exact(const struct survey *survey)
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

bool rule_stale_snapshot(const struct survey *survey, const struct verdict *verdict,
			 struct finding *finding)
{
	uint32_t most = 0;

	(void)verdict;
	for (size_t i = 0; survey->consistent && i < survey->holders.count; i++) {
		const struct holder *holder = &survey->holders.items[i];
		const uint32_t behind = frames_behind(survey, holder);

		/* Who could begin to write had the newest state. */
		if (behind == 0 || lock_bytes_writes(&holder->locks, SLOT_WRITE))
			continue;
		most = behind > most ? behind : most;
		finding_add(finding, holder);
	}
	if (most == 0)
		return false;

	auto_free char *who = finding_who(finding);

	finding->why =
		memory_format("a snapshot %s%u frames old is read by %s; writing in that same "
			      "transaction %s \"database is locked\" (SQLITE_BUSY_SNAPSHOT) at "
			      "once, whatever the timeout",
			      marks_are_exact(survey) ? "" : "up to ", most, who,
			      marks_are_exact(survey) ? "gets" : "may get");
	finding->fix = memory_copy_text("end that read transaction before writing; begin writing "
					"transactions with BEGIN IMMEDIATE");
	return true;
}

bool rule_pinned_wal(const struct survey *survey, const struct verdict *verdict,
		     struct finding *finding)
{
	const struct wal_index *index = &survey->index;
	auto_text size = { 0 };

	(void)verdict;
	if (!survey->consistent || !survey->index_known || index->frames == index->checkpointed)
		return false;
	for (size_t i = 0; i < survey->holders.count; i++)
		for (size_t slot = 0; slot < READ_SLOTS; slot++)
			if (reads_slot(&survey->holders.items[i], slot) &&
			    snapshot_of(index, slot) <= index->checkpointed) {
				finding_add(finding, &survey->holders.items[i]);
				break;
			}
	if (finding->pids.count == 0)
		return false;

	auto_free char *who = finding_who(finding);

	text_append_size(&size, (uint64_t)(index->frames - index->checkpointed) * index->page_size);
	finding->why =
		memory_format("the WAL cannot be checkpointed beyond frame %u of %u (%s wait) "
			      "because of a reader there: %s",
			      index->checkpointed, index->frames, text_string(&size), who);
	finding->fix =
		memory_format("end the read transaction in %s (finish the SELECT, or commit)", who);
	return true;
}
