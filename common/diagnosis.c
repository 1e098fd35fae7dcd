#include "common/diagnosis.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/rules.h"

static const struct {
	const char *id;
	enum severity severity;
	rule *applies;
} rules[] = {
	{ "lost-locks", SEVERITY_CRITICAL, rule_lost_locks },
	{ "replaced-file", SEVERITY_CRITICAL, rule_replaced_file },
	{ "split-sidecars", SEVERITY_CRITICAL, rule_split_sidecars },
	{ "leftover-wal", SEVERITY_CRITICAL, rule_leftover_wal },
	{ "unsafe-filesystem", SEVERITY_CRITICAL, rule_unsafe_filesystem },
	{ "dotfile-lock", SEVERITY_CRITICAL, rule_dotfile_lock },
	{ "deadlock", SEVERITY_WARNING, rule_deadlock },
	{ "idle-writer", SEVERITY_WARNING, rule_idle_writer },
	{ "reader-blocks-commit", SEVERITY_WARNING, rule_reader_blocks_commit },
	{ "stopped-holder", SEVERITY_WARNING, rule_stopped_holder },
	{ "waiting", SEVERITY_WARNING, rule_waiting },
	{ "exclusive-mode", SEVERITY_WARNING, rule_exclusive_mode },
	{ "hidden-holder", SEVERITY_WARNING, rule_hidden_holder },
	{ "forked-connection", SEVERITY_WARNING, rule_forked_connection },
	{ "leftover-child", SEVERITY_WARNING, rule_leftover_child },
	{ "sidecar-permissions", SEVERITY_WARNING, rule_sidecar_permissions },
	{ "two-instances", SEVERITY_WARNING, rule_two_instances },
	{ "stale-snapshot", SEVERITY_WARNING, rule_stale_snapshot },
	{ "pinned-wal", SEVERITY_WARNING, rule_pinned_wal },
	{ "hot-journal", SEVERITY_WARNING, rule_hot_journal },
	{ "stale-dotfile", SEVERITY_WARNING, rule_stale_dotfile },
	{ "not-a-database", SEVERITY_WARNING, rule_not_a_database },
	{ "active-writer", SEVERITY_INFO, rule_active_writer },
	{ "recovering", SEVERITY_INFO, rule_recovering },
	{ "bystander", SEVERITY_INFO, rule_bystander },
	{ "hidden-processes", SEVERITY_INFO, rule_hidden_processes },
};

const char *severity_name(enum severity severity)
{
	static const char *const names[] = {
		[SEVERITY_INFO] = "info",
		[SEVERITY_WARNING] = "warning",
		[SEVERITY_CRITICAL] = "critical",
	};

	return names[severity];
}

static void finding_release(struct finding *finding)
{
	free(finding->pids.items);
	free(finding->why);
	free(finding->fix);
}

void diagnosis_release(struct diagnosis *diagnosis)
{
	for (size_t i = 0; i < diagnosis->count; i++)
		finding_release(&diagnosis->items[i]);
	free(diagnosis->items);
	*diagnosis = (struct diagnosis){ 0 };
}

void diagnosis_make(const struct survey *survey, const struct verdict *verdict,
		    struct diagnosis *diagnosis)
{
	/* The table is in the order in which findings are shown. */
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		struct finding finding = { .id = rules[i].id, .severity = rules[i].severity };

		if (rules[i].applies(survey, verdict, &finding))
			*memory_append(diagnosis) = finding;
		else
			finding_release(&finding);
	}
}

void finding_add(struct finding *finding, const struct holder *holder)
{
	*memory_append(&finding->pids) = holder->process.pid;
}

const struct holder *finding_add_those(struct finding *finding, const struct survey *survey,
				       holder_test *is_one)
{
	const struct holder *first = NULL;

	for (size_t i = 0; i < survey->holders.count; i++) {
		const struct holder *holder = &survey->holders.items[i];

		if (!is_one(survey, holder))
			continue;
		first = first ? first : holder;
		finding_add(finding, holder);
	}
	return first;
}

char *finding_who(const struct finding *finding)
{
	enum { MOST_NAMED = 4 };
	const struct pid_list *pids = &finding->pids;
	const size_t named = pids->count > MOST_NAMED ? MOST_NAMED - 1 : pids->count;
	struct text who = { 0 };

	for (size_t i = 0; i < named; i++) {
		const bool last = i + 1 == pids->count;

		text_append(&who, "%s%d", i == 0 ? "" : last ? " and " : ", ", pids->items[i]);
	}
	if (named < pids->count)
		text_append(&who, " and %zu more", pids->count - named);
	return text_take(&who);
}

char *finding_command(const struct survey *survey, const char *tool)
{
	struct text command = { 0 };

	text_append(&command, "%s ", tool);
	/* A name that starts with '-' must not become an option. */
	if (survey->given[0] == '-')
		text_append(&command, "-- ");
	text_append_shell_word(&command, survey->given);
	return text_take(&command);
}
