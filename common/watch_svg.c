#include "common/watch_svg.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/scope.h"

/* Sizes in pixels: the names to the left, the time line to the right of them. */
enum {
	MARGIN = 16,
	NAMES = 330,
	LINE = 900,
	TOP = 92,
	ROW = 30,
	BAR = 16,
	NAME_COLUMNS = 42, /* characters that fit into NAMES */
	MOST_ROWS = 100,
	TICKS = 6,
	DAY = 10, /* "2026-11-22" */
};

static const struct {
	const char *colour, *words;
} shades[SHADES] = {
	[SHADE_NONE] = { "#ffffff", "nothing" },
	[SHADE_CONNECTED] = { "#d5dbe3", "connected" },
	[SHADE_READING] = { "#56b4e9", "reads" },
	[SHADE_CHECKPOINT] = { "#009e73", "checkpoint" },
	[SHADE_WRITING] = { "#e69f00", "keeps writers out" },
	[SHADE_EXCLUSIVE] = { "#b2182b", "keeps everybody out" },
};

static const char refused_colour[] = "#7b1fa2";

enum watch_shade watch_shade_of(uint16_t column, bool in_wal_mode)
{
	const unsigned reads = (1U << (WATCH_READ4 + 1)) - (1U << WATCH_READ0);

	if (column & (1U << WATCH_EXCLUSIVE | 1U << WATCH_PENDING))
		return SHADE_EXCLUSIVE;
	if (column & watch_writing)
		return SHADE_WRITING;
	if (column & (1U << WATCH_CKPT | 1U << WATCH_RECOVER))
		return SHADE_CHECKPOINT;
	if (column & reads || (!in_wal_mode && column & 1U << WATCH_SHARED))
		return SHADE_READING;
	return column & (1U << WATCH_SHARED | 1U << WATCH_DMS | 1U << WATCH_FOREIGN)
		       ? SHADE_CONNECTED
		       : SHADE_NONE;
}

bool watch_uses_wal(const struct watch *watch)
{
	for (size_t i = 0; i < watch->count; i++)
		for (size_t k = 0; watch->items[i].columns && k < watch->columns; k++)
			if (watch->items[i].columns[k] & (1U << WATCH_DMS | 1U << WATCH_WRITE))
				return true;
	return false;
}

/* Printable text as XML. What printable text keeps of Unicode's non-characters, XML does not know. */
static void append_xml(struct text *text, const char *printable)
{
	for (const char *at = printable; *at;) {
		uint32_t character = 0;
		const size_t length = text_decode(at, strlen(at), &character);

		if (character == '&')
			text_append(text, "&amp;");
		else if (character == '<')
			text_append(text, "&lt;");
		else if (character == '>')
			text_append(text, "&gt;");
		else if (character == '"')
			text_append(text, "&quot;");
		else if (length == 0 || (character & 0xfffe) == 0xfffe)
			text_append(text, "?");
		else
			text_append_bytes(text, at, length);
		at += length ? length : 1;
	}
}

/* Text whose baseline starts, ends or has its middle there. */
static void append_words(struct text *text, double x, double y, const char *anchor,
			 const char *words)
{
	text_append(text, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
	append_xml(text, words);
	text_append(text, "</text>\n");
}

static void append_box(struct text *text, double x, double y, double width, double height,
		       const char *colour)
{
	text_append(text,
		    "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" fill=\"%s\"/>\n", x,
		    y, width, height, colour);
}

static void append_mark(struct text *text, double x, double y)
{
	text_append(text, "<path d=\"M%.2f %.1fl-3 -7h6z\" fill=\"%s\"/>\n", x, y, refused_colour);
}

static double left_of(const struct watch *watch, size_t column)
{
	return MARGIN + NAMES + (double)LINE * (double)column / (double)watch->columns;
}

/* Neighbouring columns of one colour are one box. */
static void append_bar(struct text *text, const struct watch *watch,
		       const struct watch_process *process, double y, bool wal)
{
	size_t start = 0;

	while (start < watch->columns) {
		const enum watch_shade shade = watch_shade_of(process->columns[start], wal);
		size_t end = start + 1;

		while (end < watch->columns && watch_shade_of(process->columns[end], wal) == shade)
			end++;
		if (shade != SHADE_NONE)
			append_box(text, left_of(watch, start), y,
				   left_of(watch, end) - left_of(watch, start), BAR,
				   shades[shade].colour);
		start = end;
	}
	for (size_t i = 0; i < watch->columns; i++)
		if (process->columns[i] & WATCH_REFUSED_BIT)
			append_mark(text, (left_of(watch, i) + left_of(watch, i + 1)) / 2, y);
}

static void append_name(struct text *text, const struct watch_process *process, double y)
{
	auto_free char *command = process->process && process->process->known
					  ? watch_short_command(process->process)
					  : NULL;
	auto_text whole = { 0 }, cut = { 0 };

	if (process->pid > 0)
		text_append(&whole, "%d  %s", process->pid, command ? command : "? (not known)");
	else
		text_append(&whole, "%s", process->pid ? "an OFD lock" : "earlier processes");
	text_append_cell(&cut, text_string(&whole),
			 text_columns(text_string(&whole)) > NAME_COLUMNS ? NAME_COLUMNS : 0);
	append_words(text, MARGIN, y, "start", text_string(&cut));
}

static bool was_seen(const struct watch *watch, const struct watch_process *process)
{
	for (size_t i = 0; process->columns && i < watch->columns; i++)
		if (process->columns[i])
			return true;
	return false;
}

static size_t append_rows(struct text *text, const struct watch *watch)
{
	const bool wal = watch_uses_wal(watch);
	auto_text more = { 0 };
	size_t rows = 0, seen = 0;

	for (size_t i = 0; i < watch->count; i++) {
		const double y = TOP + (double)rows * ROW;

		if (!was_seen(watch, &watch->items[i]) || seen++ >= MOST_ROWS)
			continue;
		append_name(text, &watch->items[i], y + BAR - 3);
		append_box(text, MARGIN + NAMES, y + BAR, LINE, 0.5, "#c0c0c0");
		append_bar(text, watch, &watch->items[i], y, wal);
		rows++;
	}
	if (seen > rows)
		text_append(&more, "and %zu more processes", seen - rows);
	else if (seen == 0)
		text_append(&more, "nobody held a lock");
	if (more.length)
		append_words(text, MARGIN, TOP + (double)rows++ * ROW + BAR - 3, "start",
			     text_string(&more));
	return rows;
}

/* "2026-11-22T12:15:00.123Z" */
static void stamp_of(const struct watch_about *about, double time, char stamp[CLOCK_STAMP_SIZE])
{
	const double wall = time + about->wall_offset;

	clock_stamp((struct timespec){ .tv_sec = (time_t)floor(wall),
				       .tv_nsec = (long)((wall - floor(wall)) * 1e9) },
		    stamp);
}

/* "12:15:00.123Z" under lines through all rows. */
static void append_axis(struct text *text, const struct watch_about *about,
			const struct watch *watch, double bottom)
{
	const double shown = (double)watch->columns * watch->column_width;

	for (int tick = 0; tick <= TICKS; tick++) {
		const double x = MARGIN + NAMES + (double)LINE * tick / TICKS;
		char stamp[CLOCK_STAMP_SIZE], *at = stamp + DAY + 1;

		stamp_of(about, watch->began + shown * tick / TICKS, stamp);
		append_box(text, x, TOP - 10, 0.5, bottom - TOP + 10, "#c0c0c0");
		append_words(text, x, bottom + 16, "middle", at);
	}
}

static void append_legend(struct text *text, double y)
{
	enum { WIDE = 170, SQUARE = 12 };
	double x = MARGIN + NAMES;

	for (enum watch_shade shade = SHADE_CONNECTED; shade < SHADES; shade++, x += WIDE - 20) {
		append_box(text, x, y - SQUARE + 2, SQUARE, SQUARE, shades[shade].colour);
		append_words(text, x + SQUARE + 5, y, "start", shades[shade].words);
	}
	x += 10; /* the longest words stand before it */
	append_mark(text, x + 6, y);
	append_words(text, x + SQUARE + 5, y, "start", "is refused a lock");
}

static void append_title(struct text *text, const struct watch_about *about,
			 const struct watch *watch, double now)
{
	auto_text title = { 0 }, how = { 0 };
	char stamp[CLOCK_STAMP_SIZE];
	auto_free char *given = text_printable(about->given);

	text_append(&title, "%s: who held which lock", given);
	text_append(text, "<g font-size=\"17\" font-weight=\"bold\">");
	append_words(text, MARGIN, MARGIN + 14, "start", text_string(&title));
	text_append(text, "</g>\n");
	stamp_of(about, watch->began, stamp);
	text_append(&how, "%.*s: watched for ", DAY, stamp);
	watch_append_seconds(&how, now - watch->began);
	text_append(&how, about->traced ? " by the kernel's lock events"
					: " by looks at /proc/locks, which miss short holds");
	if (about->lost)
		text_append(&how, ", of which %" PRIu64 " were lost", about->lost);
	text_append(&how, "; each ");
	watch_append_seconds(&how, watch->column_width);
	text_append(&how, " has the colour of the strongest lock held in it; nobody else could "
			  "write for ");
	watch_append_seconds(&how, watch->writers_out.total);
	text_append(&how, " in all");
	append_words(text, MARGIN, MARGIN + 34, "start", text_string(&how));
}

void watch_svg(struct text *text, const struct watch_about *about, const struct watch *watch,
	       double now)
{
	enum { FOOT = 32 };
	const double width = 2 * MARGIN + NAMES + LINE + 30;
	auto_text rows = { 0 };
	const double bottom = TOP + (double)append_rows(&rows, watch) * ROW;

	text_append(text,
		    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		    "viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" font-size=\"12\">\n",
		    width, bottom + FOOT, width, bottom + FOOT);
	append_box(text, 0, 0, width, bottom + FOOT, shades[SHADE_NONE].colour);
	append_title(text, about, watch, now);
	append_legend(text, TOP - 22);
	append_axis(text, about, watch, bottom);
	text_append(text, "%s</svg>\n", text_string(&rows));
}
