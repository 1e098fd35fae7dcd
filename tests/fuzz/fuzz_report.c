/* A survey filled from the input goes through verdict, diagnosis and both reports. */

#include "tests/fuzz/fuzz.h"

#include <jansson.h>

#include "tests/unit/made_up.h"

#include "common/base/json.h"
#include "common/diagnosis.h"
#include "common/report.h"
#include "common/verdict.h"

/* What is left of the input; zeroes when nothing is. */
struct input {
	const uint8_t *bytes;
	size_t left;
};

static uint8_t take(struct input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->bytes++;
}

static uint32_t take_word(struct input *input)
{
	const uint32_t high = (uint32_t)take(input) << 8 | take(input);

	return high == 0xffff ? UINT32_MAX : high;
}

static char *take_name(struct input *input)
{
	const size_t wanted = take(input) % 24;
	char *name = malloc(wanted + 1);
	size_t length = 0;

	CHECK(name);
	for (; length < wanted; length++) {
		name[length] = (char)take(input);
		if (!name[length])
			break;
	}
	name[length] = '\0';
	return name;
}

static void take_into(struct input *input, char **name)
{
	free(*name);
	*name = take(input) % 8 == 0 ? NULL : take_name(input);
}

static void take_activity(struct input *input, struct activity *activity)
{
	*activity = (struct activity){
		.seen = take(input) % 4 != 0,
		.state = take(input) % (PROCESS_DEAD + 1),
		.start_ticks = take(input) % 2,
		.cpu_ticks = take(input) % 4,
	};
}

static void take_process(struct input *input, struct process *process)
{
	process->known = take(input) % 4 != 0;
	process->ppid = take(input) % 8;
	take_into(input, &process->user);
	take_into(input, &process->name);
	take_into(input, &process->exe);
	take_into(input, &process->cwd);
	take_into(input, &process->tty);
	process->catches = take_word(input);
	process->container_pid = take(input);
	process->supervisor.kind = take(input) % (SUPERVISOR_KUBERNETES + 1);
	if (process->supervisor.kind == SUPERVISOR_SYSTEMD) {
		char *unit = take_name(input);

		(void)snprintf(process->supervisor.name, sizeof process->supervisor.name, "u%s",
			       unit);
		free(unit);
	} else if (process->supervisor.kind != SUPERVISOR_NONE) {
		memset(process->supervisor.id, 'a', 64);
	}
	process->ancestor_count = take(input) % (MOST_ANCESTORS + 1);
	for (size_t i = 0; i < process->ancestor_count; i++)
		for (size_t c = 0; c < 15; c++)
			process->ancestors[i].name[c] = (char)take(input);
}

static void take_holder(struct input *input, struct survey *survey, pid_t pid)
{
	static const char *const commands[] = { "", "python3 bot.py", "python3 -c x", "bot" };
	struct holder *holder =
		made_up_process(survey, pid, "/usr/bin/python3", commands[take(input) % 4]);
	char *word = take_name(input);

	made_up_word(&holder->process, word);
	free(word);
	take_process(input, &holder->process);
	for (unsigned files = take(input) % 5; files > 0; files--) {
		const enum database_file which = take(input) % FILE_COUNT;
		struct held_file *file =
			made_up_file(holder, which, take(input) - 1, take(input) % 2);

		file->replaced = take(input) % 4 == 0;
	}
	for (unsigned locks = take(input) % 6; locks > 0; locks--) {
		const enum lock_slot slot = take(input) % SLOT_COUNT;

		made_up_lock(survey, holder, slot, take(input) % 2);
	}
	holder->locks.foreign = take(input) % 4 == 0;
	holder->old_locks.writes = (uint16_t)(take_word(input) % (1U << SLOT_COUNT));
	take_activity(input, &holder->before);
	take_activity(input, &holder->after);
	holder->sampled_seconds = take(input) / 4.0;
	take_into(input, &holder->path);
}

/* A waiter need not be a holder, nor who it waits behind: both may be gone by the time of the survey. */
static void take_waiter(struct input *input, struct survey *survey)
{
	static const char *const locks[] = { NULL, "RESERVED", "EXCLUSIVE", "WRITE", "READ4" };
	const pid_t pid = 1 + take(input) % 8;
	const char *wants = locks[take(input) % (sizeof locks / sizeof *locks)];
	struct waiter *waiter = made_up_waiter(survey, pid, wants, take(input) % 8);
	char *word = take_name(input);

	made_up_word(&waiter->process, word);
	free(word);
	take_process(input, &waiter->process);
	if (wants) {
		waiter->in_kernel = take(input) % 4 == 0;
		waiter->attempts = 1 + take(input);
		waiter->seconds = take(input) / 4.0;
	}
}

static void take_index(struct input *input, struct wal_index *index)
{
	index->page_size = 512U << take(input) % 8;
	index->frames = take_word(input);
	index->checkpointed = take_word(input);
	if (index->checkpointed > index->frames)
		index->checkpointed = index->frames;
	for (size_t slot = 0; slot < READ_SLOTS; slot++)
		index->marks[slot] = take_word(input);
}

static void take_survey(struct input *input, struct survey *survey)
{
	made_up_start(survey, take(input) % (JOURNAL_WAL + 1));
	for (enum database_file file = FILE_WAL; file < FILE_COUNT; file++)
		survey->exists[file] = take(input) % 2;
	survey->size[FILE_MAIN] = (uint64_t)take_word(input) << take(input) % 24;
	survey->changed[FILE_JOURNAL].tv_sec = take_word(input);
	free(survey->given);
	survey->given = take_name(input);
	free(survey->filesystem);
	survey->filesystem = take_name(input);
	survey->trust = take(input) % (FILESYSTEM_SHARED + 1);
	survey->header.is_database = take(input) % 2;
	survey->header.page_size = take(input) % 2 ? 4096 : 0;
	survey->index_known = take(input) % 2;
	take_index(input, &survey->index);
	survey->journal_empty = take(input) % 2;
	survey->journal_hot = take(input) % 2;
	survey->has_dotfile = take(input) % 2;
	survey->dotfile_age = take(input) - 5.0;
	survey->certificate = take(input) % (CERTIFICATE_IN_USE + 1);
	survey->scanned = take(input) % 4 != 0;
	survey->hidden_processes = take(input) % 3;
	survey->hidden_opener = take(input) % 4 == 0;
	survey->initial_pid_namespace = take(input) % 4 != 0;
	survey->proc_hides = take(input) % 4 == 0;
	survey->consistent = take(input) % 4 != 0;
	survey->restless = take(input) % 4 == 0;
	for (unsigned hidden = take(input) % 3; hidden > 0; hidden--) {
		const enum lock_slot slot = take(input) % SLOT_COUNT;

		made_up_hidden_lock(survey, slot, take(input) % 2);
	}
	for (pid_t pid = 1, count = take(input) % 6; pid <= count; pid++)
		take_holder(input, survey, pid);
	for (unsigned waiters = take(input) % 7; waiters > 0; waiters--)
		take_waiter(input, survey);
}

static bool is_held(const struct survey *survey)
{
	for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++)
		if (survey->probes[slot].conflict != CONFLICT_NONE)
			return true;
	return survey->holders.count > 0;
}

static void check_verdict(const struct survey *survey, const struct verdict *verdict)
{
	for (enum question question = 0; question < QUESTION_COUNT; question++) {
		const struct pid_list *pids = &verdict->blockers[question];

		for (size_t i = 0; i < pids->count; i++) {
			CHECK(survey_find(survey, pids->items[i]));
			CHECK(i == 0 || pids->items[i - 1] < pids->items[i]);
		}
		CHECK(verdict->can[question] == ANSWER_NO || pids->count == 0);
	}
	CHECK(verdict->can[CAN_READ] != ANSWER_UNKNOWN &&
	      verdict->can[CAN_WRITE] != ANSWER_UNKNOWN);
	if (verdict->can[CAN_READ] == ANSWER_NO)
		CHECK(verdict->can[CAN_WRITE] == ANSWER_NO);
	/* Never a false "free". */
	if (is_held(survey))
		CHECK(verdict->can[CAN_MIGRATE] == ANSWER_NO && verdict->status != DATABASE_FREE);
	if (verdict->can[CAN_MIGRATE] == ANSWER_YES)
		CHECK(survey->certificate == CERTIFICATE_FREE || survey_saw_everything(survey));
}

static bool is_waiter(const struct survey *survey, pid_t pid)
{
	for (size_t i = 0; i < survey->waiters.count; i++)
		if (survey->waiters.items[i].process.pid == pid)
			return true;
	return false;
}

static void check_diagnosis(const struct survey *survey, const struct diagnosis *diagnosis)
{
	for (size_t i = 0; i < diagnosis->count; i++) {
		const struct finding *finding = &diagnosis->items[i];

		CHECK(i == 0 || diagnosis->items[i - 1].severity >= finding->severity);
		fuzz_check_tame(finding->why, false);
		fuzz_check_tame(finding->fix, false);
		for (size_t p = 0; p < finding->pids.count; p++)
			CHECK(survey_find(survey, finding->pids.items[p]) ||
			      (strcmp(finding->id, "waiting") == 0 &&
			       is_waiter(survey, finding->pids.items[p])));
	}
}

static void check_json(const struct survey *survey, const struct verdict *verdict,
		       const struct diagnosis *diagnosis)
{
	char *line = json_take_line(report_json("dblockcheck", survey, verdict, diagnosis));
	json_t *parsed = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

	CHECK(parsed);
	fuzz_check_tame(line, false);
	CHECK(json_array_size(json_object_get(parsed, "holders")) == survey->holders.count);
	CHECK(json_array_size(json_object_get(parsed, "waiters")) == survey->waiters.count);
	CHECK(json_array_size(json_object_get(parsed, "findings")) == diagnosis->count);
	json_decref(parsed);
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct report_style style = { 0 };
	struct diagnosis diagnosis = { 0 };
	struct verdict verdict = { 0 };
	struct survey survey;
	struct text text = { 0 };

	fuzz_use_utf8();
	take_survey(&input, &survey);
	style.verbose = take(&input) % 2;
	style.width = take(&input);
	verdict_decide(&survey, false, &verdict);
	check_verdict(&survey, &verdict);
	diagnosis_make(&survey, &verdict, &diagnosis);
	check_diagnosis(&survey, &diagnosis);
	report_text(&text, &survey, &verdict, &diagnosis, &style);
	fuzz_check_tame(text_string(&text), true);
	check_json(&survey, &verdict, &diagnosis);
	text_release(&text);
	diagnosis_release(&diagnosis);
	verdict_release(&verdict);
	survey_release(&survey);
	return 0;
}
