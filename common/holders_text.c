#include "common/holders_text.h"

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/holder.h"
#include "common/survey.h"

enum { MOST_NAMED = 3, MOST_COLUMNS = 60 };

static void append_holder(struct text *text, const struct survey *survey, pid_t pid)
{
	const struct holder *holder = survey_find(survey, pid);
	auto_free char *command = holder ? holder_command(holder) : NULL;
	auto_text cut = { 0 };

	text_append(text, "%d", pid);
	if (!command || !*command)
		return;
	text_append_cell(&cut, command, text_columns(command) > MOST_COLUMNS ? MOST_COLUMNS : 0);
	text_append(text, " (%s)", text_string(&cut));
}

char *holders_text_of(const struct survey *survey, const struct verdict *verdict,
		      enum question question)
{
	const struct pid_list *pids = &verdict->blockers[question];
	auto_text text = { 0 };

	if (pids->count == 0)
		return memory_copy_text(verdict->can[question] == ANSWER_NO
						? "held by a process that cannot be seen from here"
						: "its holder has gone by now");
	text_append(&text, "held by ");
	for (size_t i = 0; i < pids->count && i < MOST_NAMED; i++) {
		text_append(&text, i > 0 ? ", " : "");
		append_holder(&text, survey, pids->items[i]);
	}
	if (pids->count > MOST_NAMED)
		text_append(&text, " and %zu more", pids->count - MOST_NAMED);
	return text_take(&text);
}

char *holders_text(const struct proc_root *root, const char *path, enum question question)
{
	const struct survey_options options = { .scan = true };
	struct error err = { 0 };
	auto_survey survey = { 0 };
	auto_verdict verdict = { 0 };

	if (!survey_take(&survey, root, path, &options, &err))
		return memory_copy_text(err.text);
	verdict_decide(&survey, true, &verdict);
	return holders_text_of(&survey, &verdict, question);
}

void holders_add(const struct proc_root *root, const char *path, enum question question,
		 struct error *err)
{
	auto_free char *holders = holders_text(root, path, question);
	const struct error plain = *err;

	(void)fail(err, plain.status, "%s; %s", plain.text, holders);
}
