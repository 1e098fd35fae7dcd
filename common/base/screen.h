/* A whole terminal, drawn anew again and again, with ncurses; no other file calls it. */
#ifndef BASE_SCREEN_H
#define BASE_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

enum screen_style {
	SCREEN_PLAIN,
	SCREEN_TITLE,
	SCREEN_FAINT,
	SCREEN_GREY, /* these four fill their place with their colour, where there are colours */
	SCREEN_BLUE,
	SCREEN_GREEN,
	SCREEN_YELLOW,
	SCREEN_RED,
	SCREEN_PURPLE, /* letters in that colour */
	SCREEN_STYLES,
};

/* A piece of a line. */
struct screen_span {
	size_t line, column;
	enum screen_style style;
	char *text; /* printable */
};

struct screen_page {
	struct screen_span *items;
	size_t count, capacity;
};

void screen_page_release(struct screen_page *page);

/* Appends a copy of `text`, unless it is empty. */
void screen_put(struct screen_page *page, size_t line, size_t column, enum screen_style style,
		const char *text);

/*
 * Takes over the terminal on standard input and output; false where there is none that can be drawn on, and then nothing
 * has happened to it.
 */
bool screen_start(void);

/* Its size now, in characters. */
void screen_size(size_t *lines, size_t *columns);

/* Shows the page; what does not fit is left out. */
void screen_show(const struct screen_page *page);

/* Whether the user has pressed q since the last call. */
bool screen_wants_end(void);

/* Gives the terminal back as it was; does nothing when it was not taken. */
void screen_end(void);

#endif
