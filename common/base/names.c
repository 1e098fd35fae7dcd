#include "common/base/names.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"

void names_add(struct names *names, const char *name)
{
	*memory_append(names) = memory_copy_text(name);
}

bool names_has(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->items[i], name) == 0)
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_sort(struct names *names)
{
	if (names->count > 0)
		qsort(names->items, names->count, sizeof *names->items, compare);
}

void names_release(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct names){ 0 };
}

void names_append_printable(struct text *text, const struct names *names, const char *between)
{
	for (size_t i = 0; i < names->count; i++) {
		if (i > 0)
			text_append(text, "%s", between);
		text_append_printable(text, names->items[i]);
	}
}
