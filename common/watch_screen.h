/*
 * A watch on one screen: who holds what now, the time line of the last minute, and the latest changes. Pure: it says what
 * stands where. A narrow terminal loses columns of the table, not lines.
 */
#ifndef COMMON_WATCH_SCREEN_H
#define COMMON_WATCH_SCREEN_H

#include "common/base/screen.h"
#include "common/watch_report.h"

/* The latest changes, each printable and without a newline. */
enum { WATCH_LATEST = 64 };

struct watch_latest {
	char *items[WATCH_LATEST]; /* a ring; NULL where there is none yet. Owned. */
	size_t next;
};

void watch_latest_add(struct watch_latest *latest, const char *line);
void watch_latest_release(struct watch_latest *latest);

void watch_screen(struct screen_page *page, const struct watch_about *about,
		  const struct watch *watch, const struct watch_latest *latest, double now,
		  size_t lines, size_t columns);

#endif
