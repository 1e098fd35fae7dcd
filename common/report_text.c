#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/report.h"

static const char *paint(const struct report_style *style, enum database_status status)
{
	static const char *const colors[] = {
		[DATABASE_FREE] = "\x1b[1;32m",
		[DATABASE_OPEN] = "\x1b[1;33m",
		[DATABASE_LOCKED] = "\x1b[1;31m",
		[DATABASE_UNKNOWN] = "\x1b[1;35m",
	};

	return style->color ? colors[status] : "";
}

static const char *headline(const struct survey *survey, const struct verdict *verdict)
{
	switch (verdict->status) {
	case DATABASE_LOCKED:
		return verdict->can[CAN_READ] == ANSWER_NO
			       ? "LOCKED, readers and writers get \"database is locked\""
			       : "LOCKED, writers get \"database is locked\"";
	case DATABASE_OPEN:
		return "OPEN, a writer would succeed now";
	case DATABASE_FREE:
		return survey->certificate == CERTIFICATE_FREE
			       ? "FREE, no process has it open (certified by the kernel)"
			       : "FREE, no process has it open";
	default:
		return "UNKNOWN, nobody was seen with it, but not everybody could be looked at";
	}
}

static void append_headline(struct text *text, const struct survey *survey,
			    const struct verdict *verdict, const struct report_style *style)
{
	const char *words = headline(survey, verdict);
	const size_t first = strcspn(words, ",");

	if (survey->container) {
		text_append_printable(text, survey->inside);
		text_append(text, " in container ");
		text_append_printable(text, survey->container);
	} else {
		text_append_printable(text, survey->given);
	}
	text_append(text, ": %s%.*s%s%s\n", paint(style, verdict->status), (int)first, words,
		    style->color ? "\x1b[0m" : "", words + first);
}

static void append_files(struct text *text, const struct survey *survey)
{
	static const char *const modes[] = {
		[JOURNAL_UNKNOWN] = "mode unknown (encrypted, or no SQLite database)",
		[JOURNAL_ROLLBACK] = "rollback mode",
		[JOURNAL_WAL] = "WAL mode",
	};

	text_append(text, "  %s, ", modes[survey->mode]);
	text_append_size(text, survey->size[FILE_MAIN]);
	if (survey->exists[FILE_WAL]) {
		text_append(text, " + ");
		text_append_size(text, survey->size[FILE_WAL]);
		text_append(text, " in the WAL");
		if (survey->index_known)
			text_append(text, " (%u frames, %u checkpointed)", survey->index.frames,
				    survey->index.checkpointed);
	}
	if (survey->exists[FILE_JOURNAL] && !survey->journal_empty) {
		text_append(text, " + a journal of ");
		text_append_size(text, survey->size[FILE_JOURNAL]);
	}
	if (survey->trust == FILESYSTEM_SHARED) {
		text_append(text, ", on ");
		text_append_printable(text, survey->filesystem);
	}
	text_append(text, "\n");
}

/* When it started, by the wall clock. */
static void append_start(struct text *text, const struct survey *survey,
			 const struct process *process)
{
	const double age =
		clock_now() - (double)process->start_ticks / (double)sysconf(_SC_CLK_TCK);
	struct timespec start = survey->taken;
	char stamp[CLOCK_STAMP_SIZE];

	start.tv_sec -= (time_t)age;
	start.tv_nsec = 0;
	clock_stamp(start, stamp);
	text_append(text, "started %.19sZ", stamp);
}

static void append_details(struct text *text, const struct survey *survey)
{
	for (size_t i = 0; i < survey->holders.count; i++) {
		const struct holder *holder = &survey->holders.items[i];
		const struct process *process = &holder->process;
		char compact[LOCK_COMPACT_SIZE];
		auto_free char *command = holder_command(holder);

		lock_bytes_compact(holder_locks(holder), compact);
		text_append(text, "\n  %d  locks %s, ", process->pid, compact);
		append_start(text, survey, process);
		text_append(text, "\n    command  %s\n    program  ", command);
		text_append_printable(text, process->exe ? process->exe : "?");
		text_append(text, "\n    folder   ");
		text_append_printable(text, process->cwd ? process->cwd : "?");
		text_append(text, "\n    file     ");
		text_append_printable(text, holder->path ? holder->path : "?");
		text_append(text, "\n    parents ");
		for (size_t p = 0; p < process->ancestor_count; p++) {
			text_append(text, " %s%d ", p ? "< " : "", process->ancestors[p].pid);
			text_append_printable(text, process->ancestors[p].name);
		}
		text_append(text, "\n");
	}
}

static void append_who(struct text *text, const struct pid_list *pids)
{
	enum { MOST_NAMED = 5 };

	for (size_t i = 0; i < pids->count && i < MOST_NAMED; i++)
		text_append(text, "%s%d", i ? ", " : "", pids->items[i]);
	if (pids->count > MOST_NAMED)
		text_append(text, " and %zu more", pids->count - MOST_NAMED);
}

static const char *slot_name(enum lock_slot slot, bool written)
{
	static const char *const names[SLOT_COUNT] = { "PENDING", "RESERVED", "SHARED",	 "DMS",
						       "WRITE",	  "CKPT",     "RECOVER", "READ0",
						       "READ1",	  "READ2",    "READ3",	 "READ4" };

	return slot == SLOT_SHARED && written ? "EXCLUSIVE" : names[slot];
}

static void append_reason(struct text *text, const struct survey *survey,
			  const struct verdict *verdict, enum question question)
{
	const struct pid_list *pids = &verdict->blockers[question];

	if (question == CAN_MIGRATE && pids->count == 1) {
		text_append(text, "%d has it open", pids->items[0]);
	} else if (question == CAN_MIGRATE && pids->count > 1) {
		text_append(text, "%zu processes have it open", pids->count);
	} else if (pids->count == 0) {
		text_append(text, "somebody who cannot be seen from here %s",
			    question == CAN_MIGRATE ? "has it open" : "holds a lock");
	} else {
		const enum lock_slot slot = verdict->blocking[question];
		const bool written = survey->probes[slot].conflict == CONFLICT_WRITE;

		append_who(text, pids);
		if (survey->probes[slot].conflict == CONFLICT_NONE)
			text_append(text, " %s the lock folder", pids->count > 1 ? "have" : "has");
		else
			text_append(text, " %s %s", pids->count > 1 ? "hold" : "holds",
				    slot_name(slot, written));
	}
}

static void append_answers(struct text *text, const struct survey *survey,
			   const struct verdict *verdict)
{
	text_append(text, "\n");
	for (enum question question = 0; question < QUESTION_COUNT; question++) {
		text_append(text, "  %-8s ", question_name(question));
		switch (verdict->can[question]) {
		case ANSWER_YES:
			text_append(text, "yes");
			break;
		case ANSWER_NO:
			text_append(text, "no   ");
			append_reason(text, survey, verdict, question);
			break;
		default:
			text_append(text, "?    cannot tell: see below");
		}
		text_append(text, "\n");
	}
}

/* A sentence, broken at blanks before `width` columns; lines after the first are indented. */
static void append_wrapped(struct text *text, const char *sentence, size_t used, size_t width)
{
	const size_t indent = 4;
	bool first = true;

	for (; *sentence; first = false) {
		const size_t length = strcspn(sentence, " ");
		auto_free char *word = memory_copy(sentence, length);
		const size_t columns = text_columns(word);

		if (!first && used + 1 + columns > width) {
			text_append(text, "\n%*s%s", (int)indent, "", word);
			used = indent + columns;
		} else {
			text_append(text, "%s%s", first ? "" : " ", word);
			used += columns + !first;
		}
		sentence += length;
		sentence += *sentence == ' ';
	}
}

static void append_findings(struct text *text, const struct diagnosis *diagnosis,
			    const struct report_style *style)
{
	for (size_t i = 0; i < diagnosis->count; i++) {
		const struct finding *finding = &diagnosis->items[i];

		text_append(text, "\n  %s: ", finding->id);
		/* One column is kept for the full stop. */
		append_wrapped(text, finding->why, strlen(finding->id) + 4, style->width - 1);
		text_append(text, ".\n");
		if (*finding->fix)
			text_append(text, "    fix: %s\n", finding->fix);
	}
}

void report_text(struct text *text, const struct survey *survey, const struct verdict *verdict,
		 const struct diagnosis *diagnosis, const struct report_style *style)
{
	append_headline(text, survey, verdict, style);
	append_files(text, survey);
	report_holders(text, survey, style);
	if (style->verbose)
		append_details(text, survey);
	append_answers(text, survey, verdict);
	append_findings(text, diagnosis, style);
}

void report_pids(struct text *text, const struct pid_list *pids)
{
	for (size_t i = 0; i < pids->count; i++)
		text_append(text, "%d\n", pids->items[i]);
}
