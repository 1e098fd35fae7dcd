#include "tests/unit/test.h"

#include "tests/unit/made_up.h"

#include "common/verdict.h"

/* What a state must be answered with. */
struct expected {
	const char *can; /* a letter for read, write and migrate: y, n, or ? */
	const char *blockers[QUESTION_COUNT];
	enum database_status status;
};

static void join(const struct pid_list *pids, char *text, size_t size)
{
	size_t length = 0;

	*text = '\0';
	for (size_t i = 0; i < pids->count && length < size; i++)
		length += (size_t)snprintf(text + length, size - length, "%s%d", i ? " " : "",
					   pids->items[i]);
}

static void assert_verdict(const char *name, const struct survey *survey, bool visible_only,
			   const struct expected *expected)
{
	static const char letters[] = {
		[ANSWER_NO] = 'n', [ANSWER_YES] = 'y', [ANSWER_UNKNOWN] = '?'
	};
	auto_verdict verdict = { 0 };

	verdict_decide(survey, visible_only, &verdict);
	for (enum question question = 0; question < QUESTION_COUNT; question++) {
		const char *wanted =
			expected->blockers[question] ? expected->blockers[question] : "";
		char pids[256];

		join(&verdict.blockers[question], pids, sizeof pids);
		if (letters[verdict.can[question]] != expected->can[question])
			fail_msg("%s: can %s is %c", name, question_name(question),
				 letters[verdict.can[question]]);
		if (strcmp(pids, wanted) != 0)
			fail_msg("%s: %s is blocked by \"%s\", not \"%s\"", name,
				 question_name(question), pids, wanted);
	}
	if (verdict.status != expected->status)
		fail_msg("%s: is %s", name, database_status_name(verdict.status));
}

static void words_are_names_and_names_are_words(void **state)
{
	enum question question = CAN_READ;

	(void)state;
	for (enum question one = 0; one < QUESTION_COUNT; one++) {
		assert_true(question_parse(question_name(one), &question));
		assert_int_equal(question, one);
	}
	assert_false(question_parse("", &question));
	assert_false(question_parse("Write", &question));
	assert_false(question_parse("writes", &question));
	assert_string_equal(database_status_name(DATABASE_FREE), "free");
	assert_string_equal(database_status_name(DATABASE_OPEN), "open");
	assert_string_equal(database_status_name(DATABASE_LOCKED), "locked");
	assert_string_equal(database_status_name(DATABASE_UNKNOWN), "unknown");
}

/* One state: how to make it, starting from a database that nobody uses. */
struct scene {
	const char *name;
	enum journal_mode mode;
	void (*make)(struct survey *survey);
	struct expected expected;
};

static void run(const struct scene *scenes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		auto_survey survey = { 0 };

		made_up_start(&survey, scenes[i].mode);
		scenes[i].make(&survey);
		assert_verdict(scenes[i].name, &survey, false, &scenes[i].expected);
	}
}

#define RUN(scenes) run(scenes, sizeof(scenes) / sizeof *(scenes))

static void make_nothing(struct survey *survey)
{
	(void)survey;
}

static void make_idle(struct survey *survey)
{
	(void)made_up_user(survey, 10);
}

static void make_reader(struct survey *survey)
{
	made_up_lock(survey, made_up_user(survey, 10), SLOT_SHARED, false);
}

static void make_reserved(struct survey *survey)
{
	make_reader(survey);
	(void)made_up_writer(survey, 20, SLOT_RESERVED);
}

static void make_pending(struct survey *survey)
{
	make_reader(survey);
	(void)made_up_writer(survey, 20, SLOT_PENDING);
}

static void make_exclusive(struct survey *survey)
{
	(void)made_up_user(survey, 10);
	(void)made_up_writer(survey, 20, SLOT_SHARED);
}

static void make_hot(struct survey *survey)
{
	survey->exists[FILE_JOURNAL] = true;
	survey->journal_empty = false;
	survey->journal_hot = true;
}

static void make_hot_with_idle(struct survey *survey)
{
	make_hot(survey);
	(void)made_up_user(survey, 10);
}

/* Nobody can roll it back while somebody reads: readers are refused too. */
static void make_hot_with_reader(struct survey *survey)
{
	make_hot(survey);
	make_reader(survey);
}

static void make_replaced(struct survey *survey)
{
	made_up_file(made_up_process(survey, 10, "/bin/x", "x"), FILE_MAIN, 3, true)->replaced =
		true;
}

static void make_foreign(struct survey *survey)
{
	made_up_user(survey, 10)->locks.foreign = true;
}

static void rollback_mode_is_judged_by_its_locks(void **state)
{
	static const struct scene scenes[] = {
		{ "nobody", JOURNAL_ROLLBACK, make_nothing, { "yyy", { 0 }, DATABASE_FREE } },
		{ "idle", JOURNAL_ROLLBACK, make_idle, { "yyn", { 0, 0, "10" }, DATABASE_OPEN } },
		{ "reader",
		  JOURNAL_ROLLBACK,
		  make_reader,
		  { "yyn", { 0, 0, "10" }, DATABASE_OPEN } },
		{ "RESERVED",
		  JOURNAL_ROLLBACK,
		  make_reserved,
		  { "ynn", { 0, "20", "10 20" }, DATABASE_LOCKED } },
		{ "PENDING",
		  JOURNAL_ROLLBACK,
		  make_pending,
		  { "nnn", { "20", "20", "10 20" }, DATABASE_LOCKED } },
		{ "EXCLUSIVE",
		  JOURNAL_ROLLBACK,
		  make_exclusive,
		  { "nnn", { "20", "20", "10 20" }, DATABASE_LOCKED } },
		{ "hot journal", JOURNAL_ROLLBACK, make_hot, { "yyy", { 0 }, DATABASE_FREE } },
		{ "hot journal, somebody idle",
		  JOURNAL_ROLLBACK,
		  make_hot_with_idle,
		  { "yyn", { 0, 0, "10" }, DATABASE_OPEN } },
		{ "hot journal, a reader",
		  JOURNAL_ROLLBACK,
		  make_hot_with_reader,
		  { "nnn", { "10", "10", "10" }, DATABASE_LOCKED } },
		{ "replaced",
		  JOURNAL_ROLLBACK,
		  make_replaced,
		  { "yyn", { 0, 0, "10" }, DATABASE_OPEN } },
		{ "foreign lock",
		  JOURNAL_ROLLBACK,
		  make_foreign,
		  { "yyn", { 0, 0, "10" }, DATABASE_OPEN } },
	};

	(void)state;
	RUN(scenes);
}

static void make_connected(struct survey *survey)
{
	(void)made_up_connection(survey, 10);
}

static void make_wal_writer(struct survey *survey)
{
	made_up_lock(survey, made_up_connection(survey, 10), SLOT_READ2, false);
	made_up_lock(survey, made_up_connection(survey, 20), SLOT_WRITE, true);
}

static void make_checkpointer(struct survey *survey)
{
	made_up_lock(survey, made_up_connection(survey, 10), SLOT_CKPT, true);
}

static void make_exclusive_wal(struct survey *survey)
{
	struct holder *holder = made_up_user(survey, 10);

	survey->exists[FILE_SHM] = survey->index_known = false;
	made_up_lock(survey, holder, SLOT_SHARED, true);
	made_up_lock(survey, holder, SLOT_RESERVED, true);
	made_up_lock(survey, holder, SLOT_PENDING, true);
}

static void make_recovery(struct survey *survey)
{
	struct holder *holder = made_up_connection(survey, 10);

	survey->index_known = false;
	made_up_lock(survey, holder, SLOT_WRITE, true);
	made_up_lock(survey, holder, SLOT_CKPT, true);
	made_up_lock(survey, holder, SLOT_RECOVER, true);
}

/* The next reader would have to make the index anew, and for that wait for the writer. */
static void make_unknown_index_with_writer(struct survey *survey)
{
	survey->index_known = false;
	made_up_lock(survey, made_up_connection(survey, 10), SLOT_WRITE, true);
}

static void make_unknown_index(struct survey *survey)
{
	survey->index_known = false;
	(void)made_up_connection(survey, 10);
}

static void make_first_opener(struct survey *survey)
{
	struct holder *holder = made_up_user(survey, 10);

	survey->index_known = false;
	made_up_lock(survey, holder, SLOT_SHARED, false);
	made_up_lock(survey, holder, SLOT_DMS, true);
}

/* All five are locked for writing: as if a checkpoint with RESTART waited for everybody. */
static void make_slots_refused(struct survey *survey)
{
	struct holder *holder = made_up_connection(survey, 10);

	for (enum lock_slot slot = SLOT_READ0; slot <= SLOT_READ4; slot++)
		made_up_lock(survey, holder, slot, true);
}

/* Everybody reads; no mark can be set, and all of them are good enough for a newcomer. */
static void make_slots_shared(struct survey *survey)
{
	static const uint32_t marks[] = { 0, 312, 31, 100, 200 };

	memcpy(survey->index.marks, marks, sizeof marks);
	for (enum lock_slot slot = SLOT_READ0; slot <= SLOT_READ4; slot++)
		made_up_lock(survey, made_up_connection(survey, 10 + (pid_t)(slot - SLOT_READ0)),
			     slot, false);
}

static void make_only_slot_zero(struct survey *survey)
{
	struct holder *holder = made_up_connection(survey, 10);

	survey->index.checkpointed = survey->index.frames;
	for (enum lock_slot slot = SLOT_READ1; slot <= SLOT_READ4; slot++)
		made_up_lock(survey, holder, slot, true);
}

static void make_slot_zero_not_enough(struct survey *survey)
{
	make_only_slot_zero(survey);
	survey->index.checkpointed = 31;
}

static void wal_mode_is_judged_by_its_locks(void **state)
{
	static const struct scene scenes[] = {
		{ "nobody", JOURNAL_WAL, make_nothing, { "yyy", { 0 }, DATABASE_FREE } },
		{ "connected",
		  JOURNAL_WAL,
		  make_connected,
		  { "yyn", { 0, 0, "10" }, DATABASE_OPEN } },
		{ "WRITE",
		  JOURNAL_WAL,
		  make_wal_writer,
		  { "ynn", { 0, "20", "10 20" }, DATABASE_LOCKED } },
		{ "CKPT",
		  JOURNAL_WAL,
		  make_checkpointer,
		  { "yyn", { 0, 0, "10" }, DATABASE_OPEN } },
		{ "exclusive mode",
		  JOURNAL_WAL,
		  make_exclusive_wal,
		  { "nnn", { "10", "10", "10" }, DATABASE_LOCKED } },
		{ "recovery",
		  JOURNAL_WAL,
		  make_recovery,
		  { "nnn", { "10", "10", "10" }, DATABASE_LOCKED } },
		{ "index unknown, WRITE held",
		  JOURNAL_WAL,
		  make_unknown_index_with_writer,
		  { "nnn", { "10", "10", "10" }, DATABASE_LOCKED } },
		{ "index unknown",
		  JOURNAL_WAL,
		  make_unknown_index,
		  { "yyn", { 0, 0, "10" }, DATABASE_OPEN } },
		{ "first opener",
		  JOURNAL_WAL,
		  make_first_opener,
		  { "nnn", { "10", "10", "10" }, DATABASE_LOCKED } },
		{ "all read slots refused",
		  JOURNAL_WAL,
		  make_slots_refused,
		  { "nnn", { "10", "10", "10" }, DATABASE_LOCKED } },
		{ "all read slots shared",
		  JOURNAL_WAL,
		  make_slots_shared,
		  { "yyn", { 0, 0, "10 11 12 13 14" }, DATABASE_OPEN } },
		{ "slot 0 alone, all checkpointed",
		  JOURNAL_WAL,
		  make_only_slot_zero,
		  { "yyn", { 0, 0, "10" }, DATABASE_OPEN } },
		{ "slot 0 alone, not all checkpointed",
		  JOURNAL_WAL,
		  make_slot_zero_not_enough,
		  { "nnn", { "10", "10", "10" }, DATABASE_LOCKED } },
	};

	(void)state;
	RUN(scenes);
}

static void make_unknown_with_shm(struct survey *survey)
{
	survey->exists[FILE_SHM] = true;
	survey->index_known = true;
	made_up_lock(survey, made_up_connection(survey, 10), SLOT_WRITE, true);
}

static void an_unknown_file_is_judged_by_all_locks_there_are(void **state)
{
	static const struct scene scenes[] = {
		{ "nobody", JOURNAL_UNKNOWN, make_nothing, { "yyy", { 0 }, DATABASE_FREE } },
		{ "RESERVED",
		  JOURNAL_UNKNOWN,
		  make_reserved,
		  { "ynn", { 0, "20", "10 20" }, DATABASE_LOCKED } },
		{ "encrypted, WRITE",
		  JOURNAL_UNKNOWN,
		  make_unknown_with_shm,
		  { "ynn", { 0, "10", "10" }, DATABASE_LOCKED } },
	};

	(void)state;
	RUN(scenes);
}

static void make_dotfile_user(struct survey *survey)
{
	survey->has_dotfile = true;
	(void)made_up_user(survey, 10);
}

static void make_dotfile_alone(struct survey *survey)
{
	survey->has_dotfile = true;
}

static void make_dotfile_reader(struct survey *survey)
{
	survey->has_dotfile = true;
	make_reader(survey);
}

/* One locks with the folder, the other as everybody does; the one with the lower PID with the folder. */
static void make_dotfile_and_writer(struct survey *survey)
{
	make_dotfile_user(survey);
	(void)made_up_writer(survey, 20, SLOT_SHARED);
}

static void a_lock_folder_counts_while_somebody_may_own_it(void **state)
{
	static const struct scene scenes[] = {
		{ "folder and user",
		  JOURNAL_ROLLBACK,
		  make_dotfile_user,
		  { "nnn", { "10", "10", "10" }, DATABASE_LOCKED } },
		{ "folder alone",
		  JOURNAL_ROLLBACK,
		  make_dotfile_alone,
		  { "yyy", { 0 }, DATABASE_FREE } },
		{ "folder, and a reader with real locks",
		  JOURNAL_ROLLBACK,
		  make_dotfile_reader,
		  { "yyn", { 0, 0, "10" }, DATABASE_OPEN } },
		{ "folder and real locks",
		  JOURNAL_ROLLBACK,
		  make_dotfile_and_writer,
		  { "nnn", { "10 20", "10 20", "10 20" }, DATABASE_LOCKED } },
	};

	(void)state;
	RUN(scenes);
}

static void make_hidden_reserved(struct survey *survey)
{
	made_up_hidden_lock(survey, SLOT_RESERVED, true);
}

static void make_hidden_reader(struct survey *survey)
{
	made_up_hidden_lock(survey, SLOT_SHARED, false);
}

static void make_hidden_exclusive(struct survey *survey)
{
	made_up_hidden_lock(survey, SLOT_SHARED, true);
}

static void make_hidden_opener(struct survey *survey)
{
	survey->certificate = CERTIFICATE_IN_USE;
	survey->hidden_opener = true;
}

static void make_hidden_processes(struct survey *survey)
{
	survey->hidden_processes = 1;
}

static void make_container(struct survey *survey)
{
	survey->initial_pid_namespace = false;
}

static void make_hidepid(struct survey *survey)
{
	survey->proc_hides = true;
}

static void make_restless(struct survey *survey)
{
	survey->restless = true;
}

static void make_no_scan(struct survey *survey)
{
	survey->scanned = false;
}

static void make_certified(struct survey *survey)
{
	survey->certificate = CERTIFICATE_FREE;
	survey->scanned = false;
	survey->hidden_processes = 9;
	survey->initial_pid_namespace = false;
	survey->proc_hides = true;
}

static void make_certified_but_replaced(struct survey *survey)
{
	make_certified(survey);
	make_replaced(survey);
}

static void make_hidden_processes_and_user(struct survey *survey)
{
	make_hidden_processes(survey);
	(void)made_up_user(survey, 10);
}

static void what_is_hidden_is_never_called_free(void **state)
{
	static const struct scene scenes[] = {
		{ "hidden RESERVED",
		  JOURNAL_ROLLBACK,
		  make_hidden_reserved,
		  { "ynn", { 0 }, DATABASE_LOCKED } },
		{ "hidden reader",
		  JOURNAL_ROLLBACK,
		  make_hidden_reader,
		  { "yyn", { 0 }, DATABASE_OPEN } },
		{ "hidden EXCLUSIVE",
		  JOURNAL_ROLLBACK,
		  make_hidden_exclusive,
		  { "nnn", { 0 }, DATABASE_LOCKED } },
		{ "hidden opener",
		  JOURNAL_ROLLBACK,
		  make_hidden_opener,
		  { "yyn", { 0 }, DATABASE_OPEN } },
		{ "hidden processes",
		  JOURNAL_ROLLBACK,
		  make_hidden_processes,
		  { "yy?", { 0 }, DATABASE_UNKNOWN } },
		{ "in a container",
		  JOURNAL_ROLLBACK,
		  make_container,
		  { "yy?", { 0 }, DATABASE_UNKNOWN } },
		{ "hidepid", JOURNAL_ROLLBACK, make_hidepid, { "yy?", { 0 }, DATABASE_UNKNOWN } },
		{ "users came and went",
		  JOURNAL_ROLLBACK,
		  make_restless,
		  { "yy?", { 0 }, DATABASE_UNKNOWN } },
		{ "not scanned",
		  JOURNAL_ROLLBACK,
		  make_no_scan,
		  { "yy?", { 0 }, DATABASE_UNKNOWN } },
		{ "certified in spite of all",
		  JOURNAL_ROLLBACK,
		  make_certified,
		  { "yyy", { 0 }, DATABASE_FREE } },
		{ "certified, but somebody has the file from before",
		  JOURNAL_ROLLBACK,
		  make_certified_but_replaced,
		  { "yyn", { 0, 0, "10" }, DATABASE_OPEN } },
		{ "hidden processes beside a user",
		  JOURNAL_ROLLBACK,
		  make_hidden_processes_and_user,
		  { "yyn", { 0, 0, "10" }, DATABASE_OPEN } },
	};

	(void)state;
	RUN(scenes);
}

static void asked_for_the_visible_only_the_hidden_do_not_count(void **state)
{
	static const struct scene scenes[] = {
		{ "hidden processes",
		  JOURNAL_ROLLBACK,
		  make_hidden_processes,
		  { "yyy", { 0 }, DATABASE_FREE } },
		{ "in a container",
		  JOURNAL_ROLLBACK,
		  make_container,
		  { "yyy", { 0 }, DATABASE_FREE } },
		{ "hidepid", JOURNAL_ROLLBACK, make_hidepid, { "yyy", { 0 }, DATABASE_FREE } },
		{ "user", JOURNAL_ROLLBACK, make_idle, { "yyn", { 0, 0, "10" }, DATABASE_OPEN } },
		/* A lock is a lock, whoever holds it. */
		{ "hidden RESERVED",
		  JOURNAL_ROLLBACK,
		  make_hidden_reserved,
		  { "ynn", { 0 }, DATABASE_LOCKED } },
		{ "not scanned",
		  JOURNAL_ROLLBACK,
		  make_no_scan,
		  { "yy?", { 0 }, DATABASE_UNKNOWN } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
		auto_survey survey = { 0 };

		made_up_start(&survey, scenes[i].mode);
		scenes[i].make(&survey);
		assert_verdict(scenes[i].name, &survey, true, &scenes[i].expected);
	}
}

static void a_hidden_opener_does_not_stop_who_asks_for_the_visible_only(void **state)
{
	auto_survey survey = { 0 };
	auto_verdict verdict = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);
	make_hidden_opener(&survey);
	verdict_decide(&survey, true, &verdict);
	assert_int_equal(verdict.can[CAN_MIGRATE], ANSWER_YES);
	assert_int_equal(verdict_exit_status(&verdict, CAN_MIGRATE), STATUS_OK);
}

static void the_exit_status_is_the_answer(void **state)
{
	const struct verdict verdict = {
		.can = { [CAN_READ] = ANSWER_YES,
			 [CAN_WRITE] = ANSWER_NO,
			 [CAN_MIGRATE] = ANSWER_UNKNOWN },
	};

	(void)state;
	assert_int_equal(verdict_exit_status(&verdict, CAN_READ), STATUS_OK);
	assert_int_equal(verdict_exit_status(&verdict, CAN_WRITE), STATUS_NO);
	assert_int_equal(verdict_exit_status(&verdict, CAN_MIGRATE), STATUS_UNKNOWN);
}

static void the_lock_that_is_in_the_way_is_named(void **state)
{
	auto_survey survey = { 0 };
	auto_verdict verdict = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_WAL);
	make_wal_writer(&survey);
	verdict_decide(&survey, false, &verdict);
	assert_int_equal(verdict.blocking[CAN_WRITE], SLOT_WRITE);
	verdict_release(&verdict);

	survey_release(&survey);
	made_up_start(&survey, JOURNAL_ROLLBACK);
	make_pending(&survey);
	verdict_decide(&survey, false, &verdict);
	assert_int_equal(verdict.blocking[CAN_READ], SLOT_PENDING);
}

/* Whatever one slot's conflict: what stops a reader stops a writer, and free means that nothing is held. */
static void no_single_lock_makes_the_answers_disagree(void **state)
{
	(void)state;
	for (int mode = JOURNAL_UNKNOWN; mode <= JOURNAL_WAL; mode++)
		for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++)
			for (int write = 0; write <= 1; write++) {
				auto_survey survey = { 0 };
				auto_verdict verdict = { 0 };

				made_up_start(&survey, (enum journal_mode)mode);
				made_up_hidden_lock(&survey, slot, write);
				verdict_decide(&survey, false, &verdict);
				if (verdict.can[CAN_READ] == ANSWER_NO)
					assert_int_equal(verdict.can[CAN_WRITE], ANSWER_NO);
				assert_int_equal(verdict.can[CAN_MIGRATE], ANSWER_NO);
				assert_int_not_equal(verdict.status, DATABASE_FREE);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_names_and_names_are_words),
		cmocka_unit_test(rollback_mode_is_judged_by_its_locks),
		cmocka_unit_test(wal_mode_is_judged_by_its_locks),
		cmocka_unit_test(an_unknown_file_is_judged_by_all_locks_there_are),
		cmocka_unit_test(a_lock_folder_counts_while_somebody_may_own_it),
		cmocka_unit_test(what_is_hidden_is_never_called_free),
		cmocka_unit_test(asked_for_the_visible_only_the_hidden_do_not_count),
		cmocka_unit_test(a_hidden_opener_does_not_stop_who_asks_for_the_visible_only),
		cmocka_unit_test(the_exit_status_is_the_answer),
		cmocka_unit_test(the_lock_that_is_in_the_way_is_named),
		cmocka_unit_test(no_single_lock_makes_the_answers_disagree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
