#include "common/sqlite/integrity.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/scope.h"
#include "common/base/text.h"

static const char *const names[] = {
	[INTEGRITY_NONE] = "none",
	[INTEGRITY_QUICK] = "quick",
	[INTEGRITY_FULL] = "full",
};

const char *integrity_name(enum integrity level)
{
	return names[level];
}

bool integrity_parse(const char *word, enum integrity *level)
{
	for (enum integrity i = INTEGRITY_NONE; i <= INTEGRITY_FULL; i++) {
		if (strcmp(word, names[i]) == 0) {
			*level = i;
			return true;
		}
	}
	return false;
}

/* Runs one of the two; *answer is SQLite's first line. */
static bool ask(struct connection *connection, enum integrity level, char **answer,
		struct error *err)
{
	return connection_text(connection,
			       level == INTEGRITY_QUICK ? "PRAGMA quick_check(1)"
							: "PRAGMA integrity_check(1)",
			       answer, err);
}

bool integrity_check(struct connection *connection, enum integrity *level, struct error *err)
{
	auto_free char *answer = NULL;

	if (*level == INTEGRITY_NONE)
		return true;
	if (!ask(connection, *level, &answer, err))
		return false;
	if (*level == INTEGRITY_FULL && connection->stand_in) {
		*level = INTEGRITY_QUICK;
		free(take_pointer(&answer));
		if (!ask(connection, *level, &answer, err))
			return false;
	}
	if (answer && strcmp(answer, "ok") == 0)
		return true;

	auto_free char *shown = text_printable(answer ? answer : "no answer");
	const char *says =
		strncmp(shown, "*** in database main ***\\n", 26) == 0 ? shown + 26 : shown;

	return fail(err, STATUS_NO, "%s: is damaged: %s", connection->shown, says);
}
