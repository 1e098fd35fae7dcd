#include "common/verdict.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"

static const char *const question_names[QUESTION_COUNT] = {
	[CAN_READ] = "read",
	[CAN_WRITE] = "write",
	[CAN_MIGRATE] = "migrate",
};

const char *question_name(enum question question)
{
	return question_names[question];
}

bool question_parse(const char *word, enum question *question)
{
	for (enum question one = 0; one < QUESTION_COUNT; one++)
		if (strcmp(word, question_names[one]) == 0) {
			*question = one;
			return true;
		}
	return false;
}

const char *database_status_name(enum database_status status)
{
	static const char *const names[] = {
		[DATABASE_FREE] = "free",
		[DATABASE_OPEN] = "open",
		[DATABASE_LOCKED] = "locked",
		[DATABASE_UNKNOWN] = "unknown",
	};

	return names[status];
}

void verdict_release(struct verdict *verdict)
{
	for (enum question question = 0; question < QUESTION_COUNT; question++)
		free(verdict->blockers[question].items);
	*verdict = (struct verdict){ 0 };
}

/* Adds a PID where it belongs; the list stays sorted and without duplicates. */
static void add_blocker(struct verdict *verdict, enum question question,
			const struct holder *holder)
{
	struct pid_list *list = &verdict->blockers[question];
	size_t at = list->count;

	while (at > 0 && list->items[at - 1] > holder->process.pid)
		at--;
	if (at > 0 && list->items[at - 1] == holder->process.pid)
		return;
	(void)memory_append(list);
	memmove(&list->items[at + 1], &list->items[at],
		(list->count - 1 - at) * sizeof *list->items);
	list->items[at] = holder->process.pid;
}

/* One lock that a newcomer has to get. */
struct need {
	enum lock_slot slot;
	bool write; /* else a READ lock is enough */
};

static bool is_refused(const struct survey *survey, struct need need)
{
	const enum lock_conflict conflict = survey->probes[need.slot].conflict;

	return conflict == CONFLICT_WRITE || (need.write && conflict == CONFLICT_READ);
}

static bool is_in_the_way(const struct holder *holder, struct need need)
{
	return lock_bytes_writes(&holder->locks, need.slot) ||
	       (need.write && lock_bytes_reads(&holder->locks, need.slot));
}

struct needs {
	struct need items[SLOT_COUNT + 4];
	size_t count;
};

static void add_need(struct needs *needs, enum lock_slot slot, bool write)
{
	needs->items[needs->count++] = (struct need){ slot, write };
}

static bool uses_wal(const struct survey *survey)
{
	return survey->mode == JOURNAL_WAL ||
	       (survey->mode == JOURNAL_UNKNOWN && survey->exists[FILE_SHM]);
}

/*
 * Whether a reader can have one of the read slots (wal.c, walTryBeginRead): slot 0 when all of the WAL is
 * checkpointed; another one if its mark is already good, or if nobody uses it so that it can be set.
 */
static bool has_read_slot(const struct survey *survey)
{
	if (!survey->index_known)
		return true; /* the newcomer makes a new wal-index, with all slots free */
	if (survey->index.checkpointed == survey->index.frames &&
	    !is_refused(survey, (struct need){ SLOT_READ0, false }))
		return true;
	for (enum lock_slot slot = SLOT_READ1; slot <= SLOT_READ4; slot++) {
		const uint32_t mark = survey->index.marks[slot - SLOT_READ0];
		const bool settable = !is_refused(survey, (struct need){ slot, true });

		if (settable || (mark <= survey->index.frames &&
				 !is_refused(survey, (struct need){ slot, false })))
			return true;
	}
	return false;
}

/* The locks that a fresh connection needs, one after the other. */
static struct needs needs_of(const struct survey *survey, enum question question)
{
	struct needs needs = { 0 };
	const bool wal = uses_wal(survey);

	/* Whoever opens takes SHARED, by way of a READ lock on PENDING; a hot journal is rolled back under
	 * EXCLUSIVE first. */
	add_need(&needs, SLOT_PENDING, false);
	add_need(&needs, SLOT_SHARED, survey->journal_hot);
	if (wal) {
		add_need(&needs, SLOT_DMS, false);
		if (!survey->index_known) { /* recovery: by the newcomer, or by whoever is at it */
			add_need(&needs, SLOT_WRITE, true);
			add_need(&needs, SLOT_CKPT, true);
			add_need(&needs, SLOT_RECOVER, true);
		}
		if (!has_read_slot(survey))
			for (enum lock_slot slot = SLOT_READ0; slot <= SLOT_READ4; slot++)
				add_need(&needs, slot, false);
	}
	if (question == CAN_WRITE && wal)
		add_need(&needs, SLOT_WRITE, true);
	if (question == CAN_WRITE && survey->mode != JOURNAL_WAL)
		add_need(&needs, SLOT_RESERVED, true);
	return needs;
}

/* In WAL mode a yes needs the -shm's locks, all of them. */
static bool is_certain(const struct survey *survey)
{
	return !survey->shm_hidden || !uses_wal(survey) || survey->certificate == CERTIFICATE_FREE;
}

static void judge_locks(const struct survey *survey, enum question question,
			struct verdict *verdict)
{
	const struct needs needs = needs_of(survey, question);
	bool refused[SLOT_COUNT + 4] = { false };

	verdict->can[question] = ANSWER_YES;
	for (size_t i = 0; i < needs.count; i++) {
		refused[i] = is_refused(survey, needs.items[i]);
		if (refused[i] && verdict->can[question] == ANSWER_YES) {
			verdict->can[question] = ANSWER_NO;
			verdict->blocking[question] = needs.items[i].slot;
		}
	}
	if (verdict->can[question] == ANSWER_YES && !is_certain(survey))
		verdict->can[question] = ANSWER_UNKNOWN;
	for (size_t h = 0; h < survey->holders.count; h++)
		for (size_t i = 0; i < needs.count; i++)
			if (refused[i] && is_in_the_way(&survey->holders.items[h], needs.items[i]))
				add_blocker(verdict, question, &survey->holders.items[h]);
}

/*
 * SQLite's unix-dotfile VFS takes one lock for everything: a folder beside the database. Clients of that VFS
 * are refused; the others would not see them, and would do damage.
 */
static void judge_dotfile(const struct survey *survey, enum question question,
			  struct verdict *verdict)
{
	if (!survey->has_dotfile)
		return;
	for (size_t h = 0; h < survey->holders.count; h++) {
		const struct holder *holder = &survey->holders.items[h];

		if (!holder_uses_current(holder) || !lock_bytes_none(&holder->locks) ||
		    !holder_can_write(holder, FILE_MAIN))
			continue;
		verdict->can[question] = ANSWER_NO;
		add_blocker(verdict, question, holder);
	}
}

static bool any_conflict(const struct survey *survey)
{
	for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++)
		if (survey->probes[slot].conflict != CONFLICT_NONE)
			return true;
	return false;
}

static enum answer judge_migration(const struct survey *survey, bool visible_only)
{
	if (survey->holders.count > 0 || any_conflict(survey))
		return ANSWER_NO;
	if (survey->certificate == CERTIFICATE_FREE)
		return ANSWER_YES;
	if (visible_only && survey->scanned && !survey->restless)
		return ANSWER_YES;
	if (survey->hidden_opener)
		return ANSWER_NO;
	return survey_saw_everything(survey) ? ANSWER_YES : ANSWER_UNKNOWN;
}

static enum database_status status_of(const struct survey *survey, const struct verdict *verdict)
{
	if (verdict->can[CAN_WRITE] == ANSWER_NO)
		return DATABASE_LOCKED;
	if (survey->holders.count > 0 || survey->hidden_opener)
		return DATABASE_OPEN;
	switch (verdict->can[CAN_MIGRATE]) {
	case ANSWER_YES:
		return DATABASE_FREE;
	case ANSWER_NO: /* a lock that only F_GETLK sees, and that stops nobody from writing */
		return DATABASE_OPEN;
	default:
		return DATABASE_UNKNOWN;
	}
}

void verdict_decide(const struct survey *survey, bool visible_only, struct verdict *verdict)
{
	*verdict = (struct verdict){ 0 };
	for (enum question question = CAN_READ; question <= CAN_WRITE; question++) {
		judge_locks(survey, question, verdict);
		judge_dotfile(survey, question, verdict);
	}
	verdict->can[CAN_MIGRATE] = judge_migration(survey, visible_only);
	for (size_t h = 0; h < survey->holders.count; h++)
		add_blocker(verdict, CAN_MIGRATE, &survey->holders.items[h]);
	verdict->status = status_of(survey, verdict);
}

enum status verdict_exit_status(const struct verdict *verdict, enum question question)
{
	switch (verdict->can[question]) {
	case ANSWER_YES:
		return STATUS_OK;
	case ANSWER_NO:
		return STATUS_NO;
	default:
		return STATUS_UNKNOWN;
	}
}
