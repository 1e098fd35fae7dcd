/* Who holds a database, in a few words for an error message. */
#ifndef COMMON_HOLDERS_TEXT_H
#define COMMON_HOLDERS_TEXT_H

#include "common/linux/proc_root.h"
#include "common/verdict.h"

/*
 * "123 (python3 bot.py) and 2 others hold it": those in the way of `question`. Takes a survey: not in a process that has the database open (target.h). free() it.
 */
char *holders_text(const struct proc_root *root, const char *path, enum question question)
	__attribute__((returns_nonnull, warn_unused_result));

/* The same from a survey and its verdict. */
char *holders_text_of(const struct survey *survey, const struct verdict *verdict,
		      enum question question) __attribute__((returns_nonnull, warn_unused_result));

/* Puts ", held by …" behind an error's text. */
void holders_add(const struct proc_root *root, const char *path, enum question question,
		 struct error *err);

#endif
