#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/report.h"

enum { MOST_USER = 12, MOST_ACTIVITY = 40, LEAST_COMMAND = 20 };

/* One line of the table of holders, every cell printable. */
struct row {
	char *pid, *user, *locks, *doing, *command;
};

char *report_locks(const struct survey *survey, const struct holder *holder)
{
	const char *names[LOCK_NAMES];
	struct lock_bytes shown = *holder_locks(holder);
	struct text text = { 0 };

	/* Every connection in WAL mode has SHARED and DMS; they matter where there is nothing else. */
	if (survey->mode == JOURNAL_WAL) {
		const uint16_t always = (uint16_t)(1U << SLOT_SHARED | 1U << SLOT_DMS);

		if ((shown.reads & ~always) || shown.writes || shown.foreign)
			shown.reads &= (uint16_t)~always;
	}

	const size_t count = lock_bytes_names(&shown, names);

	for (size_t i = 0; i < count; i++)
		text_append(&text, "%s%s", i ? " " : "", names[i]);
	return count ? text_take(&text) : memory_copy_text("-");
}

/* How far behind the WAL's end the holder's snapshot is, or 0. */
static uint32_t frames_behind(const struct survey *survey, const struct holder *holder)
{
	uint32_t most = 0;

	for (size_t slot = 1; survey->consistent && survey->index_known && slot < READ_SLOTS;
	     slot++) {
		const uint32_t mark = survey->index.marks[slot];

		if (lock_bytes_reads(&holder->locks, (enum lock_slot)(SLOT_READ0 + slot)) &&
		    mark < survey->index.frames && survey->index.frames - mark > most)
			most = survey->index.frames - mark;
	}
	return most;
}

static void append_role(struct text *text, const struct survey *survey, const struct holder *holder)
{
	const uint32_t behind = frames_behind(survey, holder);

	switch (holder_role(holder, survey->mode)) {
	case ROLE_RECOVERING:
		text_append(text, "recovers the database");
		break;
	case ROLE_CHECKPOINTER:
		text_append(text, "checkpoints the WAL");
		break;
	case ROLE_WRITER:
		text_append(text, "write transaction");
		break;
	case ROLE_READER:
		if (behind > 0)
			text_append(text, "reads a snapshot %u frames old", behind);
		else
			text_append(text, "read transaction");
		break;
	case ROLE_CONNECTED:
		text_append(text, "connected, no transaction");
		break;
	default:
		text_append(text, "has it open, no lock");
	}
}

char *report_activity(const struct survey *survey, const struct holder *holder)
{
	const enum holder_role role = holder_role(holder, survey->mode);
	struct text text = { 0 };

	if (holder_uses_current(holder) || holder->old_locks.writes)
		append_role(&text, survey, holder);
	else
		text_append(&text, "has the file from before open");
	if (holder_is_stopped(holder))
		text_append(&text, ", stopped");
	else if (holder->after.state == PROCESS_DISK_WAIT)
		text_append(&text, ", in disk wait");
	else if (role == ROLE_WRITER && holder_is_idle(holder))
		text_append(&text, ", idle for %.1f s+", floor(holder->sampled_seconds * 10) / 10);
	else if (role == ROLE_WRITER && holder->sampled_seconds > 0)
		text_append(&text, ", working");
	return text_take(&text);
}

/* ", compose shop/bot, restart always, PID 7 in it, paused": what is known of it. */
static void append_container(struct text *text, const struct process *process)
{
	const struct supervisor *supervisor = &process->supervisor;

	if (*supervisor->service) {
		text_append(text, ", compose ");
		text_append_printable(text, supervisor->project);
		text_append(text, "/");
		text_append_printable(text, supervisor->service);
	}
	if (*supervisor->restart) {
		text_append(text, ", restart ");
		text_append_printable(text, supervisor->restart);
	}
	if (process->container_pid)
		text_append(text, ", PID %d in it", process->container_pid);
	if (supervisor->paused)
		text_append(text, ", paused");
}

/* "(systemd bot.service)", "(docker 0123456789ab)", "(pts/2)"; nothing for anything else. */
static void append_origin(struct text *text, const struct process *process)
{
	const struct supervisor *supervisor = &process->supervisor;
	const char *kind = supervisor_kind_name(supervisor->kind);

	if (kind) {
		text_append(text, "  (%s ", kind);
		if (*supervisor->name)
			text_append_printable(text, supervisor->name);
		else
			text_append(text, "%.12s", supervisor->id);
		if (supervisor->kind != SUPERVISOR_SYSTEMD)
			append_container(text, process);
		text_append(text, ")");
	} else if (process->tty) {
		text_append(text, "  (");
		text_append_printable(text, process->tty);
		text_append(text, ")");
	}
}

static struct row row_of(const struct survey *survey, const struct holder *holder)
{
	const struct process *process = &holder->process;

	return (struct row){
		.pid = memory_format("%d", process->pid),
		.user = text_printable(process->user),
		.locks = report_locks(survey, holder),
		.doing = report_activity(survey, holder),
		.command = holder_command(holder),
	};
}

static struct row heading(void)
{
	return (struct row){
		.pid = memory_copy_text("PID"),
		.user = memory_copy_text("USER"),
		.locks = memory_copy_text("LOCKS"),
		.doing = memory_copy_text("WHAT IT IS DOING"),
		.command = memory_copy_text("COMMAND"),
	};
}

static void row_release(struct row *row)
{
	free(row->pid);
	free(row->user);
	free(row->locks);
	free(row->doing);
	free(row->command);
}

static void widen(size_t *width, const char *cell, size_t most)
{
	const size_t columns = text_columns(cell);

	if (columns > *width)
		*width = columns < most ? columns : most;
}

struct widths {
	size_t pid, user, locks, doing;
};

static struct widths measure(const struct row *rows, size_t count)
{
	struct widths widths = { 0 };

	for (size_t i = 0; i < count; i++) {
		widen(&widths.pid, rows[i].pid, 12);
		widen(&widths.user, rows[i].user, MOST_USER);
		widen(&widths.locks, rows[i].locks, 40);
		widen(&widths.doing, rows[i].doing, MOST_ACTIVITY);
	}
	return widths;
}

static void append_row(struct text *text, const struct row *row, const struct widths *widths,
		       const char *origin, size_t width)
{
	const size_t before =
		2 + widths->pid + 2 + widths->user + 2 + widths->locks + 2 + widths->doing + 2;
	const size_t tail = text_columns(origin);
	const size_t room =
		width > before + tail + LEAST_COMMAND ? width - before - tail : LEAST_COMMAND;

	text_append(text, "  ");
	text_append_cell(text, row->pid, widths->pid);
	text_append(text, "  ");
	text_append_cell(text, row->user, widths->user);
	text_append(text, "  ");
	text_append_cell(text, row->locks, widths->locks);
	text_append(text, "  ");
	text_append_cell(text, row->doing, widths->doing);
	text_append(text, "  ");
	text_append_cell(text, row->command, text_columns(row->command) > room ? room : 0);
	text_append(text, "%s\n", origin);
}

void report_holders(struct text *text, const struct survey *survey,
		    const struct report_style *style)
{
	const size_t lines = survey->holders.count + 1;
	auto_free struct row *rows = memory_allocate(lines, sizeof *rows);

	if (survey->holders.count == 0)
		return;
	rows[0] = heading();
	for (size_t i = 1; i < lines; i++)
		rows[i] = row_of(survey, &survey->holders.items[i - 1]);

	const struct widths widths = measure(rows, lines);

	text_append(text, "\n");
	for (size_t i = 0; i < lines; i++) {
		auto_text origin = { 0 };

		if (i > 0)
			append_origin(&origin, &survey->holders.items[i - 1].process);
		append_row(text, &rows[i], &widths, text_string(&origin), style->width);
		row_release(&rows[i]);
	}
}
