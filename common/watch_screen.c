#include "common/watch_screen.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/watch_svg.h"

/* Where the table begins, and how wide its columns are with the blanks behind them. */
enum { TABLE = 3, PID = 8, LOCKS = 20, COMMAND = 30, LEAST_LINE = 20, LEAST_COMMAND = 14 };

static const struct {
	char letter;
	enum screen_style style;
} shades[SHADES] = {
	[SHADE_NONE] = { ' ', SCREEN_PLAIN },	  [SHADE_CONNECTED] = { '-', SCREEN_GREY },
	[SHADE_READING] = { 'r', SCREEN_BLUE },	  [SHADE_CHECKPOINT] = { 'c', SCREEN_GREEN },
	[SHADE_WRITING] = { 'w', SCREEN_YELLOW }, [SHADE_EXCLUSIVE] = { 'X', SCREEN_RED },
};

/* How the width is shared out; 0 for what there is no room for. */
struct layout {
	size_t locks, command, line; /* columns */
	size_t width;
};

void watch_latest_add(struct watch_latest *latest, const char *line)
{
	char **place = &latest->items[latest->next++ % WATCH_LATEST];

	free(*place);
	*place = memory_copy(line, strcspn(line, "\n"));
}

void watch_latest_release(struct watch_latest *latest)
{
	for (size_t i = 0; i < WATCH_LATEST; i++)
		free(latest->items[i]);
	*latest = (struct watch_latest){ 0 };
}

static struct layout share_out(size_t columns)
{
	struct layout layout = { .width = columns };
	size_t left = columns > PID ? columns - PID : 0;

	if (left >= LEAST_LINE + LOCKS) {
		layout.locks = LOCKS;
		left -= LOCKS;
	}
	if (layout.locks && left >= LEAST_LINE + LEAST_COMMAND) {
		const size_t third = left / 3;

		layout.command = third < LEAST_COMMAND ? LEAST_COMMAND
				 : third > COMMAND     ? COMMAND
						       : third;
		left -= layout.command;
	}
	layout.line = left;
	return layout;
}

/* Printable text, cut where the room ends. */
static void put_cut(struct screen_page *page, size_t line, size_t column, enum screen_style style,
		    const char *printable, size_t room)
{
	auto_text cut = { 0 };

	if (room == 0)
		return;
	text_append_cell(&cut, printable, text_columns(printable) > room ? room : 0);
	screen_put(page, line, column, style, text_string(&cut));
}

static void put_head(struct screen_page *page, const struct watch_about *about,
		     const struct watch *watch, double now, size_t columns)
{
	auto_text title = { 0 }, how = { 0 };
	auto_free char *given = text_printable(about->given);

	text_append(&title, "%s: ", given);
	if (watch->writing > 0) {
		text_append(&title, "writers have been kept out for ");
		watch_append_seconds(&title, fmax(now - watch->writing_since, 0));
	} else {
		text_append(&title, "%s",
			    about->unseen ? "nothing that can be seen keeps writers out"
					  : "a writer would succeed");
	}
	put_cut(page, 0, 0, SCREEN_TITLE, text_string(&title), columns);
	if (about->lost)
		text_append(&how, "kernel events, of which %" PRIu64 " are lost: holds are missed",
			    about->lost);
	else
		text_append(&how, "%s",
			    about->traced ? "kernel events: no hold is missed"
					  : "looks at /proc/locks: short holds are missed");
	text_append(&how, "; watched for ");
	watch_append_seconds(&how, now - watch->began);
	text_append(&how, "; q ends");
	put_cut(page, 1, 0, SCREEN_PLAIN, text_string(&how), columns);
}

static void append_locks(struct text *text, const struct watch_process *process)
{
	const struct watch_lock *locks = process->by_kind;

	for (enum watch_kind kind = 0; kind < WATCH_KINDS; kind++)
		if (process->kinds & 1U << kind && kind != WATCH_DMS)
			text_append(text, "%s%s", text->length ? " " : "", watch_kind_name(kind));
	for (enum watch_kind kind = 0; kind < WATCH_KINDS; kind++)
		if (locks[kind].wait.attempts && !text->length)
			text_append(text, "! %s", watch_kind_name(kind));
}

/* What the columns of the last minute that one character stands for held. */
static uint16_t past_of(const struct watch *watch, const struct watch_process *process,
			size_t place, size_t places)
{
	const size_t from = WATCH_RECENT * place / places,
		     end = WATCH_RECENT * (place + 1) / places;
	uint16_t all = 0;

	for (size_t i = from; process->recent && (i < end || i == from); i++)
		all |= process->recent[(watch->recent_column + 1 + i) % WATCH_RECENT];
	return all;
}

static void put_line(struct screen_page *page, size_t line, size_t column,
		     const struct watch *watch, const struct watch_process *process, size_t places,
		     bool wal)
{
	for (size_t i = 0; i < places; i++) {
		const uint16_t past = past_of(watch, process, i, places);
		const enum watch_shade shade = watch_shade_of(past, wal);
		const bool refused = past & WATCH_REFUSED_BIT && shade < SHADE_CHECKPOINT;
		const char letter[2] = { refused ? '!' : shades[shade].letter, 0 };

		if (letter[0] != ' ')
			screen_put(page, line, column + i,
				   refused ? SCREEN_PURPLE : shades[shade].style, letter);
	}
}

static void put_process(struct screen_page *page, size_t line, const struct layout *layout,
			const struct watch *watch, const struct watch_process *process, bool wal)
{
	auto_free char *command = process->process && process->process->known
					  ? watch_short_command(process->process)
					  : memory_copy_text("? (not known)");
	auto_text pid = { 0 }, locks = { 0 };

	if (process->pid > 0)
		text_append(&pid, "%d", process->pid);
	else
		text_append(&pid, "%s", process->pid ? "OFD" : "earlier");
	append_locks(&locks, process);
	put_cut(page, line, 0, SCREEN_PLAIN, text_string(&pid),
		layout->width < PID ? layout->width : PID - 1);
	if (layout->locks)
		put_cut(page, line, PID, SCREEN_PLAIN, text_string(&locks), layout->locks - 1);
	if (layout->command)
		put_cut(page, line, PID + layout->locks, SCREEN_PLAIN, command,
			layout->command - 1);
	put_line(page, line, PID + layout->locks + layout->command, watch, process, layout->line,
		 wal);
}

static void put_headings(struct screen_page *page, const struct layout *layout)
{
	const size_t line_at = PID + layout->locks + layout->command;

	put_cut(page, TABLE - 1, 0, SCREEN_FAINT, "PID", layout->width);
	if (layout->locks)
		screen_put(page, TABLE - 1, PID, SCREEN_FAINT, "HOLDS NOW");
	if (layout->command)
		screen_put(page, TABLE - 1, PID + layout->locks, SCREEN_FAINT, "COMMAND");
	put_cut(page, TABLE - 1, line_at, SCREEN_FAINT, "THE LAST MINUTE", layout->line);
}

/* The latest come first, and are the ones that are shown where there is not room for all. */
static size_t put_table(struct screen_page *page, const struct layout *layout,
			const struct watch *watch, size_t most)
{
	const bool wal = watch_uses_wal(watch);
	size_t rows = 0, left_out = 0;

	for (size_t i = watch->count; i > 0; i--) {
		const struct watch_process *process = &watch->items[i - 1];

		if (process->gone && !past_of(watch, process, 0, 1))
			continue;
		/* The last line is kept for how many more there are. */
		if (rows + (i > 1 || left_out > 0) >= most) {
			left_out++;
			continue;
		}
		put_process(page, TABLE + rows++, layout, watch, process, wal);
	}
	if (left_out > 0 && rows < most) {
		auto_free char *more = memory_format("and %zu more", left_out);

		put_cut(page, TABLE + rows++, 0, SCREEN_FAINT, more, layout->width);
	}
	return rows;
}

static void put_latest(struct screen_page *page, const struct watch_latest *latest, size_t from,
		       size_t end, size_t columns)
{
	const size_t have = latest->next < WATCH_LATEST ? latest->next : WATCH_LATEST;
	const size_t shown = end > from ? (end - from < have ? end - from : have) : 0;

	for (size_t i = 0; i < shown; i++)
		put_cut(page, from + i, 0, SCREEN_PLAIN,
			latest->items[(latest->next - shown + i) % WATCH_LATEST], columns);
}

void watch_screen(struct screen_page *page, const struct watch_about *about,
		  const struct watch *watch, const struct watch_latest *latest, double now,
		  size_t lines, size_t columns)
{
	static const char legend[] =
		"- connected  r reads  c checkpoint  w writes  X keeps all out  ! is refused";
	const struct layout layout = share_out(columns);
	const size_t for_table = lines > 12	     ? (lines - TABLE - 2) * 2 / 3
				 : lines > TABLE + 1 ? lines - TABLE - 1
						     : 0;

	put_head(page, about, watch, now, columns);
	put_headings(page, &layout);

	const size_t rows = put_table(page, &layout, watch, for_table);

	if (lines > 12)
		put_latest(page, latest, TABLE + rows + 1, lines - 1, columns);
	if (lines > TABLE)
		put_cut(page, lines - 1, 0, SCREEN_FAINT, legend, columns);
}
