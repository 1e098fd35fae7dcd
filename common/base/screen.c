#include "common/base/screen.h"

#include <fcntl.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"

static SCREEN *taken;
static FILE *from, *to;

void screen_page_release(struct screen_page *page)
{
	for (size_t i = 0; i < page->count; i++)
		free(page->items[i].text);
	free(page->items);
	*page = (struct screen_page){ 0 };
}

void screen_put(struct screen_page *page, size_t line, size_t column, enum screen_style style,
		const char *text)
{
	if (*text)
		*memory_append(page) =
			(struct screen_span){ line, column, style, memory_copy_text(text) };
}

/* A stream of its own: ncurses closes what it is given on no way that we know of. */
static FILE *stream_on(int fd, const char *mode)
{
	const int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	FILE *stream = own >= 0 ? fdopen(own, mode) : NULL;

	if (!stream && own >= 0)
		(void)close(own);
	return stream;
}

static void start_colours(void)
{
	static const short backgrounds[SCREEN_STYLES] = {
		[SCREEN_GREY] = COLOR_WHITE,  [SCREEN_BLUE] = COLOR_CYAN,
		[SCREEN_GREEN] = COLOR_GREEN, [SCREEN_YELLOW] = COLOR_YELLOW,
		[SCREEN_RED] = COLOR_RED,
	};

	if (!has_colors() || start_color() == ERR)
		return;
	(void)use_default_colors();
	for (short style = SCREEN_GREY; style <= SCREEN_RED; style++)
		(void)init_pair(style, COLOR_BLACK, backgrounds[style]);
	(void)init_pair(SCREEN_PURPLE, COLOR_MAGENTA, -1);
}

bool screen_start(void)
{
	const char *terminal = getenv("TERM");

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !terminal ||
	    strcmp(terminal, "dumb") == 0)
		return false;
	from = stream_on(STDIN_FILENO, "r");
	to = stream_on(STDOUT_FILENO, "w");
	taken = from && to ? newterm(NULL, to, from) : NULL;
	if (!taken) {
		screen_end();
		return false;
	}
	(void)cbreak();
	(void)noecho();
	(void)nodelay(stdscr, TRUE);
	(void)keypad(stdscr, TRUE);
	(void)curs_set(0);
	start_colours();
	return true;
}

void screen_size(size_t *lines, size_t *columns)
{
	*lines = (size_t)getmaxy(stdscr);
	*columns = (size_t)getmaxx(stdscr);
}

static attr_t attribute_of(enum screen_style style)
{
	if (style == SCREEN_TITLE)
		return A_BOLD;
	if (style == SCREEN_FAINT)
		return A_DIM;
	return style >= SCREEN_GREY && has_colors() ? (attr_t)COLOR_PAIR(style) : A_NORMAL;
}

void screen_show(const struct screen_page *page)
{
	(void)erase();
	for (size_t i = 0; i < page->count; i++) {
		const struct screen_span *span = &page->items[i];

		if (span->line >= (size_t)getmaxy(stdscr) ||
		    span->column >= (size_t)getmaxx(stdscr))
			continue;
		(void)attrset(attribute_of(span->style));
		(void)mvaddstr((int)span->line, (int)span->column, span->text);
	}
	(void)attrset(A_NORMAL);
	(void)refresh();
}

bool screen_wants_end(void)
{
	bool end = false;

	/* KEY_RESIZE comes this way too: ncurses has taken note of it then. */
	for (int key = getch(); key != ERR; key = getch())
		end |= key == 'q' || key == 'Q';
	return end;
}

void screen_end(void)
{
	if (taken) {
		(void)endwin();
		delscreen(taken);
	}
	if (from)
		(void)fclose(from);
	if (to)
		(void)fclose(to);
	taken = NULL;
	from = to = NULL;
}
