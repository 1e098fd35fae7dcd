/* Rules about what the processes are. See rules.h. */

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/names.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/known_programs.h"
#include "common/rules.h"

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Programs whose first argument says what they really are. */
static bool is_interpreter(const char *exe)
{
	static const char *const prefixes[] = { "python", "pypy", "node", "bun", "deno", "ruby",
						"perl",	  "php",  "java", "lua", "tclsh" };

	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
		if (strncmp(base_name(exe), prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/* Letters of Python's options that take no argument: they may stand before the script. */
static bool is_plain_option(const char *exe, const char *word)
{
	return strncmp(base_name(exe), "python", 6) == 0 && word[1] != '\0' &&
	       word[1 + strspn(word + 1, "bBdEiIOPqsSuvx")] == '\0';
}

/*
 * The script that an interpreter runs, as an absolute path where that can be told. NULL without one, and where an
 * option comes first that may have an argument.
 */
static char *script_of(const struct process *process)
{
	for (size_t i = 1; i < process->command_count; i++) {
		const char *word = process->command[i];

		if (*word == '-' && !is_plain_option(process->exe, word))
			return NULL;
		if (*word == '-')
			continue;
		if (*word == '/' || !process->cwd)
			return memory_copy_text(word);
		if (strncmp(word, "./", 2) == 0)
			word += 2;
		return memory_format("%s/%s", process->cwd, word);
	}
	return NULL;
}

static bool same_arguments(const struct process *a, const struct process *b)
{
	if (a->command_count != b->command_count)
		return false;
	for (size_t i = 1; i < a->command_count; i++)
		if (strcmp(a->command[i], b->command[i]) != 0)
			return false;
	return true;
}

static bool same_program(const struct process *a, const struct process *b)
{
	if (!a->exe || !b->exe || strcmp(a->exe, b->exe) != 0)
		return false;
	if (!is_interpreter(a->exe))
		return same_arguments(a, b);

	auto_free char *first = script_of(a);
	auto_free char *second = script_of(b);

	return first && second ? strcmp(first, second) == 0
			       : !first && !second && same_arguments(a, b);
}

/* A master and its workers are one program, not two. */
static bool is_family(const struct process *a, const struct process *b)
{
	return a->ppid == b->pid || b->ppid == a->pid ||
	       (a->ppid == b->ppid && a->ppid > 1 && same_arguments(a, b) && a->uid == b->uid &&
		a->tty == NULL && b->tty == NULL && a->supervisor.kind != SUPERVISOR_NONE);
}

static bool has_twin(const struct survey *survey, const struct holder *holder)
{
	if (holder_is_bystander(holder))
		return false;
	for (size_t i = 0; i < survey->holders.count; i++) {
		const struct holder *other = &survey->holders.items[i];

		if (other != holder && !holder_is_bystander(other) &&
		    same_program(&holder->process, &other->process) &&
		    !is_family(&holder->process, &other->process))
			return true;
	}
	return false;
}

bool rule_two_instances(const struct survey *survey, const struct verdict *verdict,
			struct finding *finding)
{
	(void)verdict;
	if (!finding_add_those(finding, survey, has_twin))
		return false;

	auto_free char *who = finding_who(finding);

	finding->why = memory_format("%s are copies of the same program, started separately", who);
	finding->fix = memory_copy_text("stop the one that should not run: look at their start, "
					"terminal and supervisor above");
	return true;
}

/* A paused container's processes do not look stopped; its engine knows. */
static const struct supervisor *pause_of(const struct holder *holder)
{
	const struct supervisor *supervisor = &holder->process.supervisor;

	return supervisor->paused ? supervisor : NULL;
}

/* "docker unpause NAME", or "kill -CONT PID..." when none is in a paused container. free() it. */
static char *resumption(const struct survey *survey, const struct finding *finding)
{
	struct text text = { 0 };

	for (size_t i = 0; i < finding->pids.count; i++) {
		const struct supervisor *paused =
			pause_of(survey_find(survey, finding->pids.items[i]));

		if (!paused)
			continue;
		text_append(&text, "%s unpause ", supervisor_kind_name(paused->kind));
		text_append_shell_word(&text, *paused->name ? paused->name : paused->id);
		return text_take(&text);
	}
	text_append(&text, "to let it go on: kill -CONT");
	for (size_t i = 0; i < finding->pids.count; i++)
		text_append(&text, " %d", finding->pids.items[i]);
	return text_take(&text);
}

static bool stands_still(const struct survey *survey, const struct holder *holder)
{
	(void)survey;
	return holder_is_stopped(holder) || pause_of(holder);
}

bool rule_stopped_holder(const struct survey *survey, const struct verdict *verdict,
			 struct finding *finding)
{
	(void)verdict;
	if (!finding_add_those(finding, survey, stands_still))
		return false;

	auto_free char *who = finding_who(finding);

	finding->why = memory_format(
		"%s %s stopped (Ctrl+Z, SIGSTOP, a debugger, a paused container), doing "
		"nothing and keeping every lock",
		who, finding->pids.count > 1 ? "are" : "is");
	finding->fix = resumption(survey, finding);
	return true;
}

/* Somebody's editor, indexer or database browser, between two transactions. */
static bool is_known_onlooker(const struct survey *survey, const struct holder *holder)
{
	return known_program(&holder->process) &&
	       holder_role(holder, survey->mode) <= ROLE_CONNECTED;
}

/* What they are called, or what such processes may be. free() it. */
static char *names_of_onlookers(const struct survey *survey, const struct finding *finding)
{
	auto_names names = { 0 };
	struct text text = { 0 };

	for (size_t i = 0; i < finding->pids.count; i++) {
		const struct known_program *known =
			known_program(&survey_find(survey, finding->pids.items[i])->process);

		if (known && !names_has(&names, known->name))
			names_add(&names, known->name);
	}
	if (names.count == 0)
		text_append(&text, "an editor, an indexer, a copy being made");
	names_append_printable(&text, &names, ", ");
	return text_take(&text);
}

/* Closing always helps; what is there to read every file of a folder can be told to leave one alone. */
static const char *advice_for(const struct survey *survey, const struct finding *finding)
{
	bool known[] = { [KNOWN_EDITOR] = false, [KNOWN_BROWSER] = false, [KNOWN_INDEXER] = false };

	for (size_t i = 0; i < finding->pids.count; i++) {
		const struct known_program *one =
			known_program(&survey_find(survey, finding->pids.items[i])->process);

		if (one)
			known[one->kind] = true;
	}
	if (known[KNOWN_BROWSER])
		return "before a migration save or undo what was changed there, and close the database "
		       "in it";
	if (known[KNOWN_EDITOR])
		return "before a migration close it there, or exclude the database from indexing";
	if (known[KNOWN_INDEXER])
		return "before a migration wait until it has gone on, or exclude the folder from "
		       "indexing";
	return "before a migration close it, or tell it to leave this file alone";
}

bool rule_bystander(const struct survey *survey, const struct verdict *verdict,
		    struct finding *finding)
{
	bool only_reads = true;

	(void)verdict;
	for (size_t i = 0; i < survey->holders.count; i++) {
		const struct holder *holder = &survey->holders.items[i];
		const bool reads = holder_is_bystander(holder);

		if (!holder_uses_current(holder) || !(reads || is_known_onlooker(survey, holder)))
			continue;
		only_reads = only_reads && reads;
		finding_add(finding, holder);
	}
	if (finding->pids.count == 0)
		return false;

	auto_free char *who = finding_who(finding);
	auto_free char *names = names_of_onlookers(survey, finding);

	finding->why = memory_format("opened %s by %s (%s): no reader and no writer is stopped by "
				     "that",
				     only_reads ? "for reading only and without a lock"
						: "without a transaction",
				     who, names);
	finding->fix = memory_copy_text(advice_for(survey, finding));
	return true;
}

bool rule_hidden_processes(const struct survey *survey, const struct verdict *verdict,
			   struct finding *finding)
{
	(void)verdict;
	if (survey->certificate == CERTIFICATE_FREE || !survey->scanned ||
	    survey_saw_everything(survey))
		return false;
	if (survey->hidden_processes > 0)
		finding->why =
			memory_format("%zu %s could not be looked into, and may have it open",
				      survey->hidden_processes,
				      survey->hidden_processes == 1 ? "process" : "processes");
	else if (survey->proc_hides)
		finding->why = memory_copy_text("/proc is mounted with hidepid: processes of other "
						"users do not show");
	else
		finding->why = memory_copy_text("this is not the machine's first PID namespace: "
						"processes outside of it do not show");
	finding->fix =
		memory_copy_text("run dblockcheck as root, on the host; or answer for what can "
				 "be seen with --visible-only");
	return true;
}

static bool has_pid(const struct pid_list *list, pid_t pid)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i] == pid)
			return true;
	return false;
}

/* "4377 is refused WRITE behind 4123 (12 attempts in 1.3 s)" */
static void append_wait(struct text *why, const struct waiter *waiter)
{
	struct finding behind = { 0 };

	for (size_t i = 0; i < waiter->behind_count; i++)
		*memory_append(&behind.pids) = waiter->behind[i];

	auto_free char *who = finding_who(&behind);

	free(behind.pids.items);
	text_append(why, "%d ", waiter->process.pid);
	if (waiter->guessed)
		text_append(why, "seems to wait");
	else
		text_append(why, waiter->in_kernel ? "waits for %s" : "is refused %s",
			    waiter->wants);
	if (*who)
		text_append(why, " behind %s", who);
	if (waiter->guessed)
		text_append(why, " (a guess: it sleeps for short times, again and again, as SQLite "
				 "does between two attempts)");
	else if (waiter->in_kernel)
		text_append(why, " (asleep until it gets the lock)");
	else if (waiter->attempts == 1)
		text_append(why, " (one attempt)");
	else
		text_append(why, " (%u attempts in %.1f s)", waiter->attempts, waiter->seconds);
}

bool rule_waiting(const struct survey *survey, const struct verdict *verdict,
		  struct finding *finding)
{
	enum { MOST_TOLD = 4 };
	const struct waiters *waiters = &survey->waiters;
	struct finding behind = { 0 };
	auto_text why = { 0 };
	bool guessed = false;

	(void)verdict;
	if (waiters->count == 0)
		return false;
	for (size_t i = 0; i < waiters->count; i++) {
		const struct waiter *waiter = &waiters->items[i];

		*memory_append(&finding->pids) = waiter->process.pid;
		guessed |= waiter->guessed;
		for (size_t k = 0; k < waiter->behind_count; k++)
			if (!has_pid(&behind.pids, waiter->behind[k]))
				*memory_append(&behind.pids) = waiter->behind[k];
		if (i < MOST_TOLD)
			text_append(&why, "%s", i ? "; " : "");
		if (i < MOST_TOLD)
			append_wait(&why, waiter);
	}
	if (waiters->count > MOST_TOLD)
		text_append(&why, "; and %zu more", waiters->count - MOST_TOLD);

	auto_free char *who = finding_who(&behind);

	finding->why = text_take(&why);
	finding->fix = guessed ? memory_copy_text("run dblockcheck --trace as root, to be sure")
		       : *who  ? memory_format("they go on when the transaction of %s ends", who)
			       : memory_copy_text("");
	free(behind.pids.items);
	return true;
}
