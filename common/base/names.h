/* A growing list of names: of tables, versions, files. They are owned, and may be any bytes. */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/text.h"

struct names {
	char **items;
	size_t count, capacity;
};

#define auto_names __attribute__((cleanup(names_release))) struct names

/* Appends a copy. */
void names_add(struct names *names, const char *name);
bool names_has(const struct names *names, const char *name);
/* By their bytes. */
void names_sort(struct names *names);
void names_release(struct names *names);

/* Appends them printable, with `between` in between. */
void names_append_printable(struct text *text, const struct names *names, const char *between);

#endif
