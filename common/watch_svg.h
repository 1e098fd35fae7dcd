/*
 * A watch's time line as a picture that a person can put into a bug report: a row a process, coloured by the strongest
 * lock that it held, refused attempts as marks. Pure.
 */
#ifndef COMMON_WATCH_SVG_H
#define COMMON_WATCH_SVG_H

#include "common/watch_report.h"

/* What a column of the time line is drawn as; the later ones are the stronger ones. */
enum watch_shade {
	SHADE_NONE,
	SHADE_CONNECTED, /* keeps nobody out: SHARED or DMS beside a WAL */
	SHADE_READING,
	SHADE_CHECKPOINT,
	SHADE_WRITING,	 /* no other writer */
	SHADE_EXCLUSIVE, /* no reader either */
	SHADES,
};

enum watch_shade watch_shade_of(uint16_t column, bool in_wal_mode);

/* Whether anybody was seen with a lock that there is in WAL mode only. */
bool watch_uses_wal(const struct watch *watch);

/* A whole SVG document, valid whatever the processes are called. */
void watch_svg(struct text *text, const struct watch_about *about, const struct watch *watch,
	       double now);

#endif
