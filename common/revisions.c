#include "common/revisions.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"

void revisions_release(struct revisions *revisions)
{
	for (size_t i = 0; i < revisions->count; i++) {
		free(revisions->items[i].version);
		free(revisions->items[i].name);
		free(revisions->items[i].file);
		names_release(&revisions->items[i].parents);
		names_release(&revisions->items[i].needs);
	}
	free(revisions->items);
	for (size_t i = 0; i < revisions->problems.count; i++) {
		free(revisions->problems.items[i].version);
		free(revisions->problems.items[i].message);
	}
	free(revisions->problems.items);
	names_release(&revisions->heads);
	names_release(&revisions->current);
	*revisions = (struct revisions){ 0 };
}

const struct revision *revisions_find(const struct revisions *revisions, const char *version)
{
	for (size_t i = 0; i < revisions->count; i++)
		if (strcmp(revisions->items[i].version, version) == 0)
			return &revisions->items[i];
	return NULL;
}

void revisions_complain(struct revisions *revisions, const char *kind, bool fatal,
			const char *version, const char *format, ...)
{
	char words[900];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(words, sizeof words, format, arguments);
	va_end(arguments);
	*memory_append(&revisions->problems) = (struct revision_problem){
		.kind = kind,
		.version = memory_copy_text(version),
		.message = memory_copy_text(words),
		.fatal = fatal,
	};
}

bool revisions_are_sound(const struct revisions *revisions, struct error *err)
{
	const struct revision_problem *first = NULL;
	size_t count = 0;

	for (size_t i = 0; i < revisions->problems.count; i++) {
		if (!revisions->problems.items[i].fatal)
			continue;
		if (count++ == 0)
			first = &revisions->problems.items[i];
	}
	if (count == 0)
		return true;
	if (count == 1)
		return fail(err, STATUS_TROUBLE, "%s", first->message);
	return fail(err, STATUS_TROUBLE, "%s (and %zu more; see dbmigrate status)", first->message,
		    count - 1);
}

char *revisions_text(const struct names *versions)
{
	auto_names sorted = { 0 };
	auto_text text = { 0 };

	for (size_t i = 0; i < versions->count; i++)
		names_add(&sorted, versions->items[i]);
	names_sort(&sorted);
	for (size_t i = 0; i < sorted.count; i++) {
		text_append(&text, "%s", i > 0 ? "," : "");
		text_append_bytes(&text, sorted.items[i], strlen(sorted.items[i]));
	}
	return sorted.count > 0 ? text_take(&text) : NULL;
}
