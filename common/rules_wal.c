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
#include "common/transaction.h"

bool rule_stale_snapshot(const struct survey *survey, const struct verdict *verdict,
			 struct finding *finding)
{
	uint32_t most = 0;

	(void)verdict;
	for (size_t i = 0; survey->consistent && i < survey->holders.count; i++) {
		const struct holder *holder = &survey->holders.items[i];
		const uint32_t behind = transaction_frames_behind(survey, holder);

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
			      transaction_marks_are_exact(survey) ? "" : "up to ", most, who,
			      transaction_marks_are_exact(survey) ? "gets" : "may get");
	finding->fix = memory_copy_text("end that read transaction before writing; begin writing "
					"transactions with BEGIN IMMEDIATE");
	return true;
}

static bool pins_wal(const struct survey *survey, const struct holder *holder)
{
	for (size_t slot = 0; slot < READ_SLOTS; slot++)
		if (transaction_reads_slot(holder, slot) &&
		    transaction_snapshot(&survey->index, slot) <= survey->index.checkpointed)
			return true;
	return false;
}

bool rule_pinned_wal(const struct survey *survey, const struct verdict *verdict,
		     struct finding *finding)
{
	const struct wal_index *index = &survey->index;
	auto_text size = { 0 };

	(void)verdict;
	if (!survey->consistent || !survey->index_known || index->frames == index->checkpointed)
		return false;
	if (!finding_add_those(finding, survey, pins_wal))
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
