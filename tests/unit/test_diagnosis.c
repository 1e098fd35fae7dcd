#include "tests/unit/test.h"

#include "tests/unit/made_up.h"

#include "common/base/scope.h"
#include "common/diagnosis.h"
#include "common/known_programs.h"
#include "common/rules.h"

/* A made-up machine, and the finding that must be there, or must not. */
struct scene {
	const char *id;
	bool applies;
	enum journal_mode mode;
	void (*make)(struct survey *survey);
	const char *pids; /* whom the finding is about */
};

static const struct finding *find(const struct diagnosis *diagnosis, const char *id)
{
	for (size_t i = 0; i < diagnosis->count; i++)
		if (strcmp(diagnosis->items[i].id, id) == 0)
			return &diagnosis->items[i];
	return NULL;
}

/* The fix of a finding that must be there. */
static const char *fix_of(const struct diagnosis *diagnosis, const char *id)
{
	const struct finding *finding = find(diagnosis, id);

	if (!finding)
		fail_msg("no %s", id);
	return finding ? finding->fix : "";
}

static void assert_finding(const struct finding *finding, const char *pids)
{
	char joined[128] = "";
	size_t length = 0;

	for (size_t i = 0; i < finding->pids.count; i++)
		length += (size_t)snprintf(joined + length, sizeof joined - length, "%s%d",
					   i ? " " : "", finding->pids.items[i]);
	if (strcmp(joined, pids) != 0)
		fail_msg("%s is about \"%s\", not \"%s\"", finding->id, joined, pids);
	assert_true(strlen(finding->why) > 10);
	assert_non_null(finding->fix);
	/* A fix is never harmful. */
	assert_null(strstr(finding->fix, "kill -9"));
	assert_null(strstr(finding->fix, "KILL"));
	assert_null(strstr(finding->fix, "rm "));
	assert_null(strstr(finding->fix, "delete"));
}

static void run(const struct scene *scenes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		auto_survey survey = { 0 };
		auto_verdict verdict = { 0 };
		auto_diagnosis diagnosis = { 0 };

		made_up_start(&survey, scenes[i].mode);
		scenes[i].make(&survey);
		verdict_decide(&survey, false, &verdict);
		diagnosis_make(&survey, &verdict, &diagnosis);

		const struct finding *finding = find(&diagnosis, scenes[i].id);

		if (!finding && scenes[i].applies)
			fail_msg("scene %zu: no %s", i, scenes[i].id);
		if (finding && !scenes[i].applies)
			fail_msg("scene %zu: %s: %s", i, scenes[i].id, finding->why);
		if (finding)
			assert_finding(finding, scenes[i].pids);
	}
}

#define RUN(...)                                               \
	do {                                                   \
		const struct scene scenes[] = { __VA_ARGS__ }; \
		run(scenes, sizeof scenes / sizeof *scenes);   \
	} while (0)

static void make_nothing(struct survey *survey)
{
	(void)survey;
}

static void make_idle(struct survey *survey)
{
	(void)made_up_user(survey, 10);
}

static void make_idle_writer(struct survey *survey)
{
	(void)made_up_writer(survey, 10, SLOT_RESERVED);
}

static void make_busy_writer(struct survey *survey)
{
	made_up_busy(made_up_writer(survey, 10, SLOT_RESERVED));
}

static void make_stopped_writer(struct survey *survey)
{
	made_up_stopped(made_up_writer(survey, 10, SLOT_RESERVED));
}

static void make_unsampled_writer(struct survey *survey)
{
	made_up_writer(survey, 10, SLOT_RESERVED)->sampled_seconds = 0;
}

static void make_wal_writer(struct survey *survey)
{
	made_up_lock(survey, made_up_connection(survey, 10), SLOT_WRITE, true);
}

static void make_wal_reader(struct survey *survey)
{
	made_up_lock(survey, made_up_connection(survey, 10), SLOT_READ1, false);
}

static void make_reader(struct survey *survey)
{
	made_up_lock(survey, made_up_user(survey, 10), SLOT_SHARED, false);
}

static void idle_writer_needs_a_transaction_and_two_samples_asleep(void **state)
{
	(void)state;
	RUN({ "idle-writer", true, JOURNAL_ROLLBACK, make_idle_writer, "10" },
	    { "idle-writer", true, JOURNAL_WAL, make_wal_writer, "10" },
	    { "idle-writer", false, JOURNAL_ROLLBACK, make_busy_writer, NULL },
	    { "idle-writer", false, JOURNAL_ROLLBACK, make_stopped_writer, NULL },
	    { "idle-writer", false, JOURNAL_ROLLBACK, make_unsampled_writer, NULL },
	    { "idle-writer", false, JOURNAL_ROLLBACK, make_reader, NULL },
	    { "idle-writer", false, JOURNAL_ROLLBACK, make_idle, NULL },
	    { "idle-writer", false, JOURNAL_WAL, make_wal_reader, NULL });
}

static void active_writer_is_the_one_that_works(void **state)
{
	(void)state;
	RUN({ "active-writer", true, JOURNAL_ROLLBACK, make_busy_writer, "10" },
	    { "active-writer", true, JOURNAL_ROLLBACK, make_unsampled_writer, "10" },
	    { "active-writer", false, JOURNAL_ROLLBACK, make_idle_writer, NULL },
	    { "active-writer", false, JOURNAL_ROLLBACK, make_stopped_writer, NULL },
	    { "active-writer", false, JOURNAL_ROLLBACK, make_reader, NULL });
}

static void make_blocked_commit(struct survey *survey)
{
	make_reader(survey);
	(void)made_up_writer(survey, 20, SLOT_PENDING);
}

static void make_pending_alone(struct survey *survey)
{
	(void)made_up_user(survey, 10);
	(void)made_up_writer(survey, 20, SLOT_PENDING);
}

static void make_reserved_beside_reader(struct survey *survey)
{
	make_reader(survey);
	(void)made_up_writer(survey, 20, SLOT_RESERVED);
}

static void a_reader_blocks_a_commit_only_when_one_is_wanted(void **state)
{
	(void)state;
	RUN({ "reader-blocks-commit", true, JOURNAL_ROLLBACK, make_blocked_commit, "10" },
	    { "reader-blocks-commit", false, JOURNAL_ROLLBACK, make_pending_alone, NULL },
	    { "reader-blocks-commit", false, JOURNAL_ROLLBACK, make_reserved_beside_reader, NULL });
}

static void make_exclusive_wal(struct survey *survey)
{
	struct holder *holder = made_up_user(survey, 10);

	made_up_lock(survey, holder, SLOT_SHARED, true);
	made_up_lock(survey, holder, SLOT_RESERVED, true);
	made_up_lock(survey, holder, SLOT_PENDING, true);
}

static void make_exclusive_kept(struct survey *survey)
{
	(void)made_up_writer(survey, 10, SLOT_SHARED);
	survey->journal_empty = true; /* zeroed between two transactions */
}

static void make_committing(struct survey *survey)
{
	(void)made_up_writer(survey, 10, SLOT_SHARED);
}

static void make_unix_excl(struct survey *survey)
{
	made_up_lock(survey, made_up_user(survey, 10), SLOT_SHARED, true);
}

static void make_exclusive_at_work(struct survey *survey)
{
	make_exclusive_wal(survey);
	made_up_busy(&survey->holders.items[0]);
}

static void exclusive_mode_is_told_from_a_commit(void **state)
{
	(void)state;
	RUN({ "exclusive-mode", true, JOURNAL_WAL, make_exclusive_wal, "10" },
	    { "exclusive-mode", true, JOURNAL_ROLLBACK, make_exclusive_kept, "10" },
	    { "exclusive-mode", true, JOURNAL_ROLLBACK, make_unix_excl, "10" },
	    { "exclusive-mode", false, JOURNAL_ROLLBACK, make_committing, NULL },
	    { "exclusive-mode", false, JOURNAL_WAL, make_exclusive_at_work, NULL },
	    { "exclusive-mode", false, JOURNAL_WAL, make_wal_writer, NULL },
	    { "idle-writer", false, JOURNAL_ROLLBACK, make_exclusive_kept, NULL },
	    { "idle-writer", true, JOURNAL_ROLLBACK, make_committing, "10" });
}

static void make_recovery(struct survey *survey)
{
	struct holder *holder = made_up_connection(survey, 10);

	survey->index_known = false;
	made_up_lock(survey, holder, SLOT_WRITE, true);
	made_up_lock(survey, holder, SLOT_RECOVER, true);
}

static void make_rollback(struct survey *survey)
{
	struct holder *holder = made_up_user(survey, 10);

	survey->exists[FILE_JOURNAL] = true;
	survey->journal_empty = false;
	survey->journal_hot = true;
	made_up_lock(survey, holder, SLOT_PENDING, true);
	made_up_lock(survey, holder, SLOT_SHARED, true);
}

static void make_hot(struct survey *survey)
{
	survey->exists[FILE_JOURNAL] = true;
	survey->journal_empty = false;
	survey->journal_hot = true;
}

static void who_repairs_is_told_from_who_writes(void **state)
{
	(void)state;
	RUN({ "recovering", true, JOURNAL_WAL, make_recovery, "10" },
	    { "recovering", true, JOURNAL_ROLLBACK, make_rollback, "10" },
	    { "recovering", false, JOURNAL_ROLLBACK, make_hot, NULL },
	    { "recovering", false, JOURNAL_ROLLBACK, make_committing, NULL },
	    { "recovering", false, JOURNAL_WAL, make_wal_writer, NULL },
	    { "exclusive-mode", false, JOURNAL_ROLLBACK, make_rollback, NULL });
}

static void make_lost_wal(struct survey *survey)
{
	struct holder *holder = made_up_user(survey, 10);

	(void)made_up_file(holder, FILE_SHM, 5, true);
	made_up_lock(survey, holder, SLOT_DMS, false);
}

static void make_lost_rollback(struct survey *survey)
{
	(void)made_up_file(made_up_user(survey, 10), FILE_JOURNAL, 4, true);
	survey->exists[FILE_JOURNAL] = true;
	survey->journal_empty = false;
}

static void make_persistent_journal(struct survey *survey)
{
	make_lost_rollback(survey);
	survey->journal_empty = true;
}

static void make_dotfile_journal(struct survey *survey)
{
	make_lost_rollback(survey);
	survey->has_dotfile = true;
}

static void make_connected(struct survey *survey)
{
	(void)made_up_connection(survey, 10);
}

static void lost_locks_are_told_from_locks_that_are_not_needed(void **state)
{
	(void)state;
	RUN({ "lost-locks", true, JOURNAL_WAL, make_lost_wal, "10" },
	    { "lost-locks", true, JOURNAL_ROLLBACK, make_lost_rollback, "10" },
	    { "lost-locks", false, JOURNAL_WAL, make_connected, NULL },
	    { "lost-locks", false, JOURNAL_ROLLBACK, make_persistent_journal, NULL },
	    { "lost-locks", false, JOURNAL_ROLLBACK, make_dotfile_journal, NULL },
	    { "lost-locks", false, JOURNAL_ROLLBACK, make_idle, NULL },
	    { "lost-locks", false, JOURNAL_ROLLBACK, make_idle_writer, NULL });
}

static void make_hidden_lock(struct survey *survey)
{
	made_up_hidden_lock(survey, SLOT_RESERVED, true);
}

static void make_hidden_opener(struct survey *survey)
{
	survey->certificate = CERTIFICATE_IN_USE;
	survey->hidden_opener = true;
}

static void make_hidden_opener_unscanned(struct survey *survey)
{
	make_hidden_opener(survey);
	survey->scanned = false;
}

static void make_in_use_by_the_visible(struct survey *survey)
{
	survey->certificate = CERTIFICATE_IN_USE;
	(void)made_up_user(survey, 10);
}

static void a_hidden_holder_is_one_that_the_kernel_proves(void **state)
{
	(void)state;
	RUN({ "hidden-holder", true, JOURNAL_ROLLBACK, make_hidden_lock, "" },
	    { "hidden-holder", true, JOURNAL_ROLLBACK, make_hidden_opener, "" },
	    { "hidden-holder", true, JOURNAL_ROLLBACK, make_hidden_opener_unscanned, "" },
	    { "hidden-holder", false, JOURNAL_ROLLBACK, make_in_use_by_the_visible, NULL },
	    { "hidden-holder", false, JOURNAL_ROLLBACK, make_nothing, NULL });
}

static void make_stale_reader(struct survey *survey)
{
	made_up_lock(survey, made_up_connection(survey, 10), SLOT_READ2, false);
}

static void make_slot_zero_reader(struct survey *survey)
{
	made_up_lock(survey, made_up_connection(survey, 10), SLOT_READ0, false);
}

static void make_all_checkpointed_reader(struct survey *survey)
{
	survey->index.checkpointed = survey->index.frames;
	make_slot_zero_reader(survey);
}

static void make_stale_reader_unknown_index(struct survey *survey)
{
	make_stale_reader(survey);
	survey->index_known = false;
}

static void make_mark_without_reader(struct survey *survey)
{
	survey->index.marks[3] = 5;
	(void)made_up_connection(survey, 10);
}

static void make_stale_reader_inconsistent(struct survey *survey)
{
	make_stale_reader(survey);
	survey->consistent = false;
}

static void make_stale_writer(struct survey *survey)
{
	make_stale_reader(survey);
	made_up_lock(survey, &survey->holders.items[0], SLOT_WRITE, true);
}

static void a_snapshot_is_stale_when_frames_came_after_it(void **state)
{
	(void)state;
	RUN({ "stale-snapshot", true, JOURNAL_WAL, make_stale_reader, "10" },
	    { "stale-snapshot", true, JOURNAL_WAL, make_slot_zero_reader, "10" },
	    { "stale-snapshot", false, JOURNAL_WAL, make_stale_reader_inconsistent, NULL },
	    { "stale-snapshot", false, JOURNAL_WAL, make_stale_writer, NULL },
	    { "stale-snapshot", false, JOURNAL_WAL, make_wal_reader, NULL },
	    { "stale-snapshot", false, JOURNAL_WAL, make_all_checkpointed_reader, NULL },
	    { "stale-snapshot", false, JOURNAL_WAL, make_stale_reader_unknown_index, NULL },
	    { "stale-snapshot", false, JOURNAL_WAL, make_mark_without_reader, NULL });
}

static void make_reader_ahead(struct survey *survey)
{
	survey->index.marks[2] = 100; /* behind the end, but not where the checkpoint stands */
	make_stale_reader(survey);
}

static void make_all_done_reader(struct survey *survey)
{
	survey->index.checkpointed = survey->index.frames;
	make_wal_reader(survey);
}

static void a_wal_is_pinned_by_who_reads_where_the_checkpoint_stands(void **state)
{
	(void)state;
	RUN({ "pinned-wal", true, JOURNAL_WAL, make_stale_reader, "10" },
	    { "pinned-wal", true, JOURNAL_WAL, make_slot_zero_reader, "10" },
	    { "pinned-wal", false, JOURNAL_WAL, make_stale_reader_inconsistent, NULL },
	    { "pinned-wal", false, JOURNAL_WAL, make_reader_ahead, NULL },
	    { "pinned-wal", false, JOURNAL_WAL, make_all_done_reader, NULL },
	    { "pinned-wal", false, JOURNAL_WAL, make_mark_without_reader, NULL },
	    { "pinned-wal", false, JOURNAL_WAL, make_stale_reader_unknown_index, NULL });
}

/* Two users with these command lines, by the same interpreter and from the same folder. */
static void make_two(struct survey *survey, const char *exe, const char *first, const char *second)
{
	(void)made_up_file(made_up_process(survey, 10, exe, first), FILE_MAIN, 3, true);
	(void)made_up_file(made_up_process(survey, 20, exe, second), FILE_MAIN, 3, true);
}

static void make_two_bots(struct survey *survey)
{
	make_two(survey, "/usr/bin/python3.11", "python3 bot.py", "python3 ./bot.py --verbose");
}

static void make_two_absolute(struct survey *survey)
{
	make_two(survey, "/usr/bin/python3.11", "python3 -u bot.py", "python3 /srv/bot.py");
}

static void make_two_programs(struct survey *survey)
{
	make_two(survey, "/usr/local/bin/bot", "bot --token-file /x", "bot --token-file /x");
}

static void make_two_scripts(struct survey *survey)
{
	make_two(survey, "/usr/bin/python3.11", "python3 bot.py", "python3 report.py");
}

static void make_two_scripts_with_options(struct survey *survey)
{
	make_two(survey, "/usr/bin/python3.11", "python3 -X dev bot.py",
		 "python3 -X dev report.py");
}

static void make_two_scripts_with_warnings(struct survey *survey)
{
	make_two(survey, "/usr/bin/python3.11", "python3 -W ignore bot.py",
		 "python3 -W ignore report.py");
}

static void make_two_node_scripts(struct survey *survey)
{
	make_two(survey, "/usr/bin/node", "node -r dotenv bot.js", "node -r dotenv report.js");
}

static void make_two_modules(struct survey *survey)
{
	make_two(survey, "/usr/bin/python3.11", "python3 -m bot", "python3 -m report");
}

static void make_two_shells(struct survey *survey)
{
	make_two(survey, "/usr/bin/sqlite3", "sqlite3 bot.db", "sqlite3 -readonly bot.db");
}

static void make_two_folders(struct survey *survey)
{
	make_two_bots(survey);
	free(survey->holders.items[1].process.cwd);
	survey->holders.items[1].process.cwd = memory_copy_text("/home/anna");
	/* Both relative: two scripts. */
}

static void make_family(struct survey *survey)
{
	make_two_bots(survey);
	survey->holders.items[1].process.ppid = 10;
}

static void make_workers(struct survey *survey)
{
	make_two(survey, "/usr/bin/python3.11", "python3 bot.py", "python3 bot.py");
	for (size_t i = 0; i < 2; i++) {
		struct process *process = &survey->holders.items[i].process;

		process->ppid = 5;
		process->supervisor.kind = SUPERVISOR_SYSTEMD;
	}
}

static void make_bot_and_bystander(struct survey *survey)
{
	(void)made_up_user(survey, 10);
	(void)made_up_file(made_up_process(survey, 20, "/usr/bin/python3.11", "python3 bot.py"),
			   FILE_MAIN, 3, false);
}

static void make_two_unknown(struct survey *survey)
{
	make_two_bots(survey);
	for (size_t i = 0; i < 2; i++) {
		free(survey->holders.items[i].process.exe);
		survey->holders.items[i].process.exe = NULL;
	}
}

static void two_instances_are_copies_of_one_program(void **state)
{
	(void)state;
	RUN({ "two-instances", true, JOURNAL_ROLLBACK, make_two_bots, "10 20" },
	    { "two-instances", true, JOURNAL_ROLLBACK, make_two_absolute, "10 20" },
	    { "two-instances", true, JOURNAL_ROLLBACK, make_two_programs, "10 20" });
}

static void programs_that_only_look_alike_are_not_two_instances(void **state)
{
	(void)state;
	RUN({ "two-instances", false, JOURNAL_ROLLBACK, make_two_scripts, NULL },
	    { "two-instances", false, JOURNAL_ROLLBACK, make_two_modules, NULL },
	    { "two-instances", false, JOURNAL_ROLLBACK, make_two_shells, NULL },
	    { "two-instances", false, JOURNAL_ROLLBACK, make_two_folders, NULL },
	    { "two-instances", false, JOURNAL_ROLLBACK, make_family, NULL },
	    { "two-instances", false, JOURNAL_ROLLBACK, make_workers, NULL },
	    { "two-instances", false, JOURNAL_ROLLBACK, make_bot_and_bystander, NULL },
	    { "two-instances", false, JOURNAL_ROLLBACK, make_two_unknown, NULL },
	    { "two-instances", false, JOURNAL_ROLLBACK, make_idle, NULL });
}

static void the_word_of_an_interpreters_option_is_no_script(void **state)
{
	(void)state;
	RUN({ "two-instances", false, JOURNAL_ROLLBACK, make_two_scripts_with_options, NULL },
	    { "two-instances", false, JOURNAL_ROLLBACK, make_two_scripts_with_warnings, NULL },
	    { "two-instances", false, JOURNAL_ROLLBACK, make_two_node_scripts, NULL });
}

static void make_traced(struct survey *survey)
{
	make_idle(survey);
	survey->holders.items[0].after.state = PROCESS_TRACED;
}

static void make_stopped(struct survey *survey)
{
	make_idle(survey);
	made_up_stopped(&survey->holders.items[0]);
}

static void a_stopped_holder_is_said_whatever_it_holds(void **state)
{
	(void)state;
	RUN({ "stopped-holder", true, JOURNAL_ROLLBACK, make_stopped_writer, "10" },
	    { "stopped-holder", true, JOURNAL_ROLLBACK, make_stopped, "10" },
	    { "stopped-holder", true, JOURNAL_ROLLBACK, make_traced, "10" },
	    { "stopped-holder", false, JOURNAL_ROLLBACK, make_idle_writer, NULL });
}

static void make_bystander(struct survey *survey)
{
	(void)made_up_file(made_up_process(survey, 10, "/usr/bin/cp", "cp"), FILE_MAIN, 3, false);
}

static void make_old_bystander(struct survey *survey)
{
	made_up_file(made_up_process(survey, 10, "/usr/bin/cp", "cp"), FILE_MAIN, 3, false)
		->replaced = true;
}

static void a_bystander_only_reads(void **state)
{
	(void)state;
	RUN({ "bystander", true, JOURNAL_ROLLBACK, make_bystander, "10" },
	    { "bystander", false, JOURNAL_ROLLBACK, make_idle, NULL },
	    { "bystander", false, JOURNAL_ROLLBACK, make_reader, NULL },
	    { "bystander", false, JOURNAL_ROLLBACK, make_old_bystander, NULL });
}

/* --- relations ---------------------------------------------------------------------------------------------------- */

static struct holder *made_up_wanted(struct survey *survey, struct holder *holder,
				     enum lock_slot slot)
{
	const struct lock_range range = lock_slot_range(slot);

	(void)survey;
	lock_bytes_add(&holder->wanted, range.file, range.start, range.start + range.length - 1,
		       true);
	return holder;
}

static void make_deadlock(struct survey *survey)
{
	make_blocked_commit(survey);
	made_up_wanted(survey, &survey->holders.items[0], SLOT_RESERVED);
}

static void make_deadlock_unsteady(struct survey *survey)
{
	make_deadlock(survey);
	survey->consistent = false;
}

static void make_waiter(struct survey *survey)
{
	(void)made_up_writer(survey, 10, SLOT_RESERVED);
	made_up_wanted(survey, made_up_user(survey, 11), SLOT_RESERVED);
}

static void make_deadlock_in_wal(struct survey *survey)
{
	struct holder *writer = made_up_connection(survey, 10);
	struct holder *checkpointer = made_up_connection(survey, 11);

	made_up_lock(survey, writer, SLOT_WRITE, true);
	made_up_lock(survey, checkpointer, SLOT_CKPT, true);
	made_up_wanted(survey, writer, SLOT_CKPT);
	made_up_wanted(survey, checkpointer, SLOT_WRITE);
}

static void a_deadlock_is_two_that_are_seen_waiting_for_each_other(void **state)
{
	(void)state;
	RUN({ "deadlock", true, JOURNAL_ROLLBACK, make_deadlock, "10 20" },
	    { "deadlock", true, JOURNAL_WAL, make_deadlock_in_wal, "10 11" },
	    { "deadlock", false, JOURNAL_ROLLBACK, make_blocked_commit, NULL },
	    { "deadlock", false, JOURNAL_ROLLBACK, make_pending_alone, NULL },
	    { "deadlock", false, JOURNAL_ROLLBACK, make_waiter, NULL },
	    { "deadlock", false, JOURNAL_ROLLBACK, make_deadlock_unsteady, NULL },
	    { "deadlock", false, JOURNAL_ROLLBACK, make_reserved_beside_reader, NULL });
}

static void make_orphan(struct survey *survey)
{
	struct process *process = &made_up_user(survey, 10)->process;

	process->forked = process->orphaned = true;
}

static void make_daemon(struct survey *survey)
{
	make_orphan(survey);
	survey->holders.items[0].process.daemon = true;
}

static void make_daemon_connected(struct survey *survey)
{
	struct process *process = &made_up_connection(survey, 10)->process;

	process->forked = process->orphaned = process->daemon = true;
}

/* A daemon that carried its connection along when it left its parent. */
static void make_daemon_inherited(struct survey *survey)
{
	make_daemon(survey);
	(void)made_up_file(&survey->holders.items[0], FILE_SHM, 5, true);
}

static void make_orphan_bystander(struct survey *survey)
{
	make_bystander(survey);
	survey->holders.items[0].process.forked = survey->holders.items[0].process.orphaned = true;
}

static void make_worker(struct survey *survey)
{
	made_up_user(survey, 10)->process.forked = true;
}

static void a_leftover_child_is_no_daemon(void **state)
{
	(void)state;
	RUN({ "leftover-child", true, JOURNAL_ROLLBACK, make_orphan, "10" },
	    { "leftover-child", true, JOURNAL_WAL, make_daemon_inherited, "10" },
	    { "leftover-child", false, JOURNAL_ROLLBACK, make_daemon, NULL },
	    { "leftover-child", false, JOURNAL_WAL, make_daemon_connected, NULL },
	    { "leftover-child", false, JOURNAL_ROLLBACK, make_orphan_bystander, NULL },
	    { "leftover-child", false, JOURNAL_ROLLBACK, make_worker, NULL },
	    { "leftover-child", false, JOURNAL_ROLLBACK, make_idle, NULL });
}

static void make_shared(struct survey *survey)
{
	made_up_user(survey, 10)->shares = true;
	(void)made_up_user(survey, 11);
	made_up_user(survey, 12)->shares = true;
}

static void a_forked_connection_names_all_who_share_it(void **state)
{
	(void)state;
	RUN({ "forked-connection", true, JOURNAL_ROLLBACK, make_shared, "10 12" },
	    { "forked-connection", false, JOURNAL_ROLLBACK, make_worker, NULL });
}

static void make_elsewhere(struct survey *survey)
{
	(void)made_up_user(survey, 10);
	made_up_user(survey, 11)->elsewhere = memory_copy_text("/app/\x1b[2J-wal");
}

static void sidecars_of_another_name_are_critical(void **state)
{
	(void)state;
	RUN({ "split-sidecars", true, JOURNAL_WAL, make_elsewhere, "11" },
	    { "split-sidecars", false, JOURNAL_WAL, make_two_bots, NULL });
}

static void make_owned(struct survey *survey, uid_t uid, mode_t mode)
{
	survey->access[FILE_MAIN] = (struct file_access){ 1000, 0644 };
	survey->folder_access = (struct file_access){ 1000, 0755 };
	survey->exists[FILE_WAL] = true;
	survey->access[FILE_WAL] = (struct file_access){ uid, mode };
	survey->access[FILE_SHM] = (struct file_access){ 1000, 0644 };
}

static void make_own_sidecar(struct survey *survey)
{
	make_owned(survey, 1000, 0644);
}

static void make_roots_sidecar(struct survey *survey)
{
	make_owned(survey, 0, 0644);
}

static void make_roots_group_sidecar(struct survey *survey)
{
	make_owned(survey, 0, 0664);
}

static void make_readonly_sidecar(struct survey *survey)
{
	make_owned(survey, 1000, 0444);
}

static void make_roots_sidecar_gone(struct survey *survey)
{
	make_roots_sidecar(survey);
	survey->exists[FILE_WAL] = false;
}

static void make_roots_sidecar_used(struct survey *survey)
{
	make_roots_sidecar(survey);
	(void)made_up_user(survey, 10);
}

static void make_roots_database(struct survey *survey)
{
	make_roots_sidecar(survey);
	survey->access[FILE_MAIN] = (struct file_access){ 0, 0644 };
	(void)made_up_process(survey, 10, "/usr/bin/cp", "cp");
}

static void make_roots_folder(struct survey *survey)
{
	make_own_sidecar(survey);
	survey->folder_access = (struct file_access){ 0, 0755 };
}

static void make_readonly_database(struct survey *survey)
{
	make_roots_sidecar(survey);
	survey->access[FILE_MAIN].mode = 0444;
}

static void sidecars_are_to_be_writable_for_who_may_write_the_database(void **state)
{
	(void)state;
	RUN({ "sidecar-permissions", true, JOURNAL_WAL, make_roots_sidecar, "" },
	    { "sidecar-permissions", true, JOURNAL_WAL, make_roots_sidecar_used, "10" },
	    { "sidecar-permissions", true, JOURNAL_WAL, make_readonly_sidecar, "" },
	    { "sidecar-permissions", true, JOURNAL_WAL, make_roots_folder, "" },
	    { "sidecar-permissions", false, JOURNAL_WAL, make_own_sidecar, NULL },
	    { "sidecar-permissions", false, JOURNAL_WAL, make_roots_group_sidecar, NULL },
	    { "sidecar-permissions", false, JOURNAL_WAL, make_roots_sidecar_gone, NULL },
	    { "sidecar-permissions", false, JOURNAL_WAL, make_roots_database, NULL },
	    { "sidecar-permissions", false, JOURNAL_WAL, make_readonly_database, NULL });
}

/* What a finding on that scene advises; free() it. */
static char *advice(void (*make)(struct survey *survey), const char *id)
{
	auto_survey survey = { 0 };
	auto_verdict verdict = { 0 };
	auto_diagnosis diagnosis = { 0 };

	made_up_start(&survey, JOURNAL_WAL);
	make(&survey);
	verdict_decide(&survey, false, &verdict);
	diagnosis_make(&survey, &verdict, &diagnosis);
	return memory_copy_text(fix_of(&diagnosis, id));
}

static void the_owner_or_the_mode_of_a_sidecar_is_put_right(void **state)
{
	auto_free char *owner = advice(make_roots_sidecar, "sidecar-permissions");
	auto_free char *mode = advice(make_readonly_sidecar, "sidecar-permissions");

	(void)state;
	assert_string_equal(owner, "chown -h --reference=/srv/data/bot.db /srv/data/bot.db-wal");
	assert_string_equal(mode, "chmod --reference=/srv/data/bot.db /srv/data/bot.db-wal");
}

/* --- known programs ----------------------------------------------------------------------------------------------- */

static void assert_known(const char *exe, const char *command, const char *name)
{
	auto_survey survey = { 0 };

	made_up_start(&survey, JOURNAL_ROLLBACK);

	const struct known_program *known =
		known_program(&made_up_process(&survey, 10, exe, command)->process);

	if (!name && known)
		fail_msg("%s is taken for %s", exe, known->name);
	if (name && (!known || strcmp(known->name, name) != 0))
		fail_msg("%s is not %s", exe, name);
}

static void editors_and_browsers_are_known(void **state)
{
	(void)state;
	assert_known("/usr/share/cursor/cursor", "cursor", "Cursor");
	assert_known("/tmp/.mount_CursorX1/cursor", "cursor --type=utility", "Cursor");
	assert_known("/home/me/.cursor-server/bin/abc/node", "node x.js", "Cursor");
	assert_known("/usr/share/code/code", "/usr/share/code/code --type=utility", "VS Code");
	assert_known("/usr/bin/python3.11",
		     "python3 -u /home/me/.vscode/extensions/ms-python/server.py", "VS Code");
	assert_known("/root/.vscode-server/bin/1/node", "node server.js", "VS Code");
	assert_known("/opt/pycharm-2026.2/bin/pycharm", "pycharm", "a JetBrains IDE");
	assert_known("/opt/pycharm/bin/pycharm64", "pycharm", "a JetBrains IDE");
	assert_known("/usr/lib/jvm/bin/java", "java -Xmx2g -Didea.paths.selector=PyCharm main",
		     "a JetBrains IDE");
	assert_known("/usr/bin/sqlitebrowser", "sqlitebrowser bot.db", "DB Browser for SQLite");
	assert_known("/usr/share/dbeaver-ce/jre/bin/java", "java -jar x", "DBeaver");
	assert_known("/usr/lib/jvm/bin/java", "java -jar /usr/share/dbeaver/plugins/launcher.jar",
		     "DBeaver");
	assert_known("/usr/libexec/tracker-miner-fs-3", "x", "the desktop's indexer");
	assert_known("/usr/bin/updatedb.plocate", "updatedb", "updatedb");
}

static void what_lies_in_a_folder_of_such_a_name_is_not_taken_for_one(void **state)
{
	(void)state;
	assert_known("/home/me/code/bot", "bot", NULL);
	assert_known("/home/me/cursor/venv/bin/python3", "python3 /home/me/idea/bot.py", NULL);
	assert_known("/usr/bin/python3", "python3 /srv/share/code/bot.py", NULL);
	assert_known("/srv/share/cursor/bot", "bot", NULL);
	assert_known("/usr/bin/codec", "codec", NULL);
	assert_known("/usr/bin/idea-bot", "idea-bot", NULL);
	assert_known("/usr/bin/python3", "python3 bot.py /home/me/.vscode/extensions/x", NULL);
	assert_known("/usr/bin/cp", "cp a b", NULL);
}

static void make_cursor(struct survey *survey)
{
	(void)made_up_file(made_up_process(survey, 10, "/usr/share/cursor/cursor", "cursor"),
			   FILE_MAIN, 3, false);
}

static void make_browser(struct survey *survey)
{
	(void)made_up_connection(survey, 9);
	(void)made_up_connection(survey, 10);
	free(survey->holders.items[1].process.exe);
	survey->holders.items[1].process.exe = memory_copy_text("/usr/bin/sqlitebrowser");
}

static void make_writing_browser(struct survey *survey)
{
	make_browser(survey);
	made_up_lock(survey, &survey->holders.items[1], SLOT_WRITE, true);
}

static void a_known_onlooker_is_named_with_the_advice_that_fits(void **state)
{
	auto_free char *editor = advice(make_cursor, "bystander");
	auto_free char *browser = advice(make_browser, "bystander");
	auto_free char *other = advice(make_bystander, "bystander");

	(void)state;
	RUN({ "bystander", true, JOURNAL_WAL, make_cursor, "10" },
	    { "bystander", true, JOURNAL_WAL, make_browser, "10" },
	    { "bystander", false, JOURNAL_WAL, make_writing_browser, NULL });
	assert_non_null(strstr(editor, "exclude the database from indexing"));
	assert_non_null(strstr(browser, "save or undo"));
	assert_null(strstr(other, "indexing"));
}

static void make_hidden_processes(struct survey *survey)
{
	survey->hidden_processes = 3;
}

static void make_one_hidden_process(struct survey *survey)
{
	survey->hidden_processes = 1;
}

static void make_hidepid(struct survey *survey)
{
	survey->proc_hides = true;
}

static void make_container(struct survey *survey)
{
	survey->initial_pid_namespace = false;
}

static void make_certified(struct survey *survey)
{
	make_hidden_processes(survey);
	survey->certificate = CERTIFICATE_FREE;
}

static void make_unscanned(struct survey *survey)
{
	make_hidden_processes(survey);
	survey->scanned = false;
}

static void hidden_processes_matter_unless_the_kernel_certifies(void **state)
{
	(void)state;
	RUN({ "hidden-processes", true, JOURNAL_ROLLBACK, make_hidden_processes, "" },
	    { "hidden-processes", true, JOURNAL_ROLLBACK, make_one_hidden_process, "" },
	    { "hidden-processes", true, JOURNAL_ROLLBACK, make_hidepid, "" },
	    { "hidden-processes", true, JOURNAL_ROLLBACK, make_container, "" },
	    { "hidden-processes", false, JOURNAL_ROLLBACK, make_certified, NULL },
	    { "hidden-processes", false, JOURNAL_ROLLBACK, make_unscanned, NULL },
	    { "hidden-processes", false, JOURNAL_ROLLBACK, make_nothing, NULL });
}

static void make_replaced(struct survey *survey)
{
	make_idle(survey);
	survey->holders.items[0].files[0].replaced = true;
}

static void a_replaced_file_is_critical_for_who_has_it(void **state)
{
	(void)state;
	RUN({ "replaced-file", true, JOURNAL_ROLLBACK, make_replaced, "10" },
	    { "replaced-file", false, JOURNAL_ROLLBACK, make_idle, NULL });
}

static void make_leftover_wal(struct survey *survey)
{
	survey->header.mode = JOURNAL_ROLLBACK;
}

static void a_wal_beside_a_rollback_database_is_said(void **state)
{
	(void)state;
	RUN({ "leftover-wal", true, JOURNAL_WAL, make_leftover_wal, "" },
	    { "leftover-wal", false, JOURNAL_WAL, make_nothing, NULL },
	    { "leftover-wal", false, JOURNAL_ROLLBACK, make_nothing, NULL });
}

static void how_old_a_snapshot_is_is_exact_while_no_slot_is_shared(void **state)
{
	(void)state;
	for (int readers = 1; readers <= 2; readers++) {
		auto_survey survey = { 0 };
		auto_verdict verdict = { 0 };
		auto_diagnosis diagnosis = { 0 };

		made_up_start(&survey, JOURNAL_WAL);
		for (pid_t pid = 1; pid <= readers; pid++)
			made_up_lock(&survey, made_up_connection(&survey, pid), SLOT_READ2, false);
		verdict_decide(&survey, false, &verdict);
		diagnosis_make(&survey, &verdict, &diagnosis);

		const struct finding *finding = find(&diagnosis, "stale-snapshot");

		assert_non_null(finding);
		if (!finding) /* for the compiler, which does not know that the assertion does not return */
			return;
		assert_non_null(strstr(finding->why, "281 frames old"));
		assert_int_equal(strstr(finding->why, "up to ") != NULL, readers == 2);
	}
}

static void a_hot_journal_is_said_with_and_without_users(void **state)
{
	(void)state;
	RUN({ "hot-journal", true, JOURNAL_ROLLBACK, make_hot, "" },
	    { "hot-journal", false, JOURNAL_ROLLBACK, make_committing, NULL },
	    { "hot-journal", false, JOURNAL_ROLLBACK, make_nothing, NULL });
}

static void make_shared_filesystem(struct survey *survey)
{
	survey->trust = FILESYSTEM_SHARED;
	free(survey->filesystem);
	survey->filesystem = memory_copy_text("nfs4");
}

static void make_unknown_filesystem(struct survey *survey)
{
	survey->trust = FILESYSTEM_UNKNOWN;
}

static void only_a_shared_file_system_is_unsafe(void **state)
{
	(void)state;
	RUN({ "unsafe-filesystem", true, JOURNAL_WAL, make_shared_filesystem, "" },
	    { "unsafe-filesystem", false, JOURNAL_WAL, make_unknown_filesystem, NULL },
	    { "unsafe-filesystem", false, JOURNAL_WAL, make_nothing, NULL });
}

static void make_dotfile(struct survey *survey)
{
	survey->has_dotfile = true;
	survey->dotfile_age = 90;
}

static void make_dotfile_user(struct survey *survey)
{
	make_dotfile(survey);
	make_idle(survey);
}

static void make_dotfile_reader(struct survey *survey)
{
	make_dotfile(survey);
	make_reader(survey);
}

static void make_dotfile_unseen(struct survey *survey)
{
	make_dotfile(survey);
	make_hidden_processes(survey);
}

static void make_dotfile_hidden_opener(struct survey *survey)
{
	make_dotfile(survey);
	make_hidden_opener(survey);
}

static void make_dotfile_certified(struct survey *survey)
{
	make_dotfile(survey);
	make_certified(survey);
}

static void a_lock_folder_is_stale_only_when_that_is_proved(void **state)
{
	(void)state;
	RUN({ "stale-dotfile", true, JOURNAL_ROLLBACK, make_dotfile, "" },
	    { "stale-dotfile", true, JOURNAL_ROLLBACK, make_dotfile_certified, "" },
	    { "stale-dotfile", false, JOURNAL_ROLLBACK, make_dotfile_user, NULL },
	    { "stale-dotfile", false, JOURNAL_ROLLBACK, make_dotfile_unseen, NULL },
	    { "stale-dotfile", false, JOURNAL_ROLLBACK, make_dotfile_hidden_opener, NULL },
	    { "stale-dotfile", false, JOURNAL_ROLLBACK, make_nothing, NULL },
	    { "dotfile-lock", true, JOURNAL_ROLLBACK, make_dotfile_user, "10" },
	    { "dotfile-lock", false, JOURNAL_ROLLBACK, make_dotfile, NULL },
	    { "dotfile-lock", false, JOURNAL_ROLLBACK, make_dotfile_reader, NULL },
	    { "dotfile-lock", false, JOURNAL_ROLLBACK, make_idle, NULL });
}

static void make_no_database(struct survey *survey)
{
	survey->header = (struct database_header){ 0 };
}

static void what_is_no_database_is_said(void **state)
{
	(void)state;
	RUN({ "not-a-database", true, JOURNAL_UNKNOWN, make_no_database, "" },
	    { "not-a-database", false, JOURNAL_ROLLBACK, make_nothing, NULL });
}

static void a_database_that_nobody_uses_has_no_findings(void **state)
{
	(void)state;
	for (int mode = JOURNAL_ROLLBACK; mode <= JOURNAL_WAL; mode++) {
		auto_survey survey = { 0 };
		auto_verdict verdict = { 0 };
		auto_diagnosis diagnosis = { 0 };

		made_up_start(&survey, (enum journal_mode)mode);
		verdict_decide(&survey, false, &verdict);
		diagnosis_make(&survey, &verdict, &diagnosis);
		assert_int_equal(diagnosis.count, 0);
	}
}

static void the_most_severe_comes_first(void **state)
{
	auto_survey survey = { 0 };
	auto_verdict verdict = { 0 };
	auto_diagnosis diagnosis = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);
	make_no_database(&survey);
	make_shared_filesystem(&survey);
	make_dotfile_user(&survey);
	make_hidden_lock(&survey);
	make_busy_writer(&survey);
	make_bystander(&survey);
	make_replaced(&survey);
	make_hidden_processes(&survey);
	verdict_decide(&survey, false, &verdict);
	diagnosis_make(&survey, &verdict, &diagnosis);
	assert_in_range(diagnosis.count, 6, 20);
	for (size_t i = 1; i < diagnosis.count; i++)
		assert_true(diagnosis.items[i - 1].severity >= diagnosis.items[i].severity);
	assert_string_equal(severity_name(SEVERITY_INFO), "info");
	assert_string_equal(severity_name(SEVERITY_WARNING), "warning");
	assert_string_equal(severity_name(SEVERITY_CRITICAL), "critical");
}

static void commands_in_fixes_can_be_pasted_into_a_shell(void **state)
{
	static const struct {
		const char *given, *command;
	} cases[] = {
		{ "data/bot.db", "botkill data/bot.db" },
		{ "my bot.db", "botkill 'my bot.db'" },
		{ "-bot.db", "botkill -- -bot.db" },
		{ "$(reboot).db", "botkill '$(reboot).db'" },
		{ "a\n\x1b.db", "botkill $'a\\012\\033.db'" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		auto_survey survey = { 0 };
		auto_verdict verdict = { 0 };
		auto_diagnosis diagnosis = { 0 };

		made_up_start(&survey, JOURNAL_ROLLBACK);
		free(survey.given);
		survey.given = memory_copy_text(cases[i].given);
		make_idle_writer(&survey);
		verdict_decide(&survey, false, &verdict);
		diagnosis_make(&survey, &verdict, &diagnosis);
		assert_string_equal(fix_of(&diagnosis, "idle-writer"), cases[i].command);
	}
}

static void the_lock_folder_in_the_fix_is_the_one_beside_the_database(void **state)
{
	auto_survey survey = { 0 };
	auto_verdict verdict = { 0 };
	auto_diagnosis diagnosis = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);
	free(survey.given);
	survey.given = memory_copy_text("my bot.db");
	make_dotfile(&survey);
	verdict_decide(&survey, false, &verdict);
	diagnosis_make(&survey, &verdict, &diagnosis);
	assert_string_equal(fix_of(&diagnosis, "stale-dotfile"), "rmdir 'my bot.db'.lock");
}

static void many_are_named_with_the_number_of_the_rest(void **state)
{
	static const char *const expected[] = { "",
						"1",
						"1 and 2",
						"1, 2 and 3",
						"1, 2, 3 and 4",
						"1, 2, 3 and 2 more",
						"1, 2, 3 and 3 more" };

	(void)state;
	for (pid_t count = 0; count <= 6; count++) {
		struct finding finding = { 0 };

		for (pid_t pid = 1; pid <= count; pid++) {
			const struct holder holder = { .process.pid = pid };

			finding_add(&finding, &holder);
		}

		auto_free char *who = finding_who(&finding);

		assert_string_equal(who, expected[count]);
		free(finding.pids.items);
	}
}

static void make_refused_waiter(struct survey *survey)
{
	(void)made_up_waiter(survey, 20, "WRITE", 10);
}

static void make_guessed_waiter(struct survey *survey)
{
	(void)made_up_waiter(survey, 20, NULL, 10);
}

static void make_sleeping_waiter(struct survey *survey)
{
	made_up_waiter(survey, 20, "WRITE", 10)->in_kernel = true;
}

static void make_a_queue(struct survey *survey)
{
	for (pid_t pid = 20; pid < 26; pid++)
		made_up_waiter(survey, pid, "SHARED", pid == 20 ? 0 : 10)->attempts = 1;
}

static void waiting_names_who_is_refused_what_behind_whom(void **state)
{
	static const struct {
		void (*make)(struct survey *survey);
		const char *why, *fix;
	} cases[] = {
		{ make_refused_waiter, "20 is refused WRITE behind 10 (12 attempts in 1.2 s)",
		  "they go on when the transaction of 10 ends" },
		{ make_sleeping_waiter,
		  "20 waits for WRITE behind 10 (asleep until it gets the lock)",
		  "they go on when the transaction of 10 ends" },
		{ make_guessed_waiter,
		  "20 seems to wait behind 10 (a guess: it sleeps for short times, again and "
		  "again, as SQLite does between two attempts)",
		  "run dblockcheck --trace as root, to be sure" },
		{ make_a_queue,
		  "20 is refused SHARED (one attempt); 21 is refused SHARED behind 10 (one "
		  "attempt); 22 is refused SHARED behind 10 (one attempt); 23 is refused SHARED "
		  "behind 10 (one attempt); and 2 more",
		  "they go on when the transaction of 10 ends" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		auto_survey survey = { 0 };
		auto_verdict verdict = { 0 };
		auto_diagnosis diagnosis = { 0 };

		made_up_start(&survey, JOURNAL_WAL);
		cases[i].make(&survey);
		diagnosis_make(&survey, &verdict, &diagnosis);

		const struct finding *finding = find(&diagnosis, "waiting");

		assert_non_null(finding);
		assert_string_equal(finding ? finding->why : "", cases[i].why);
		assert_string_equal(finding ? finding->fix : "", cases[i].fix);
	}
	RUN({ "waiting", false, JOURNAL_WAL, make_nothing, "" },
	    { "waiting", true, JOURNAL_WAL, make_refused_waiter, "20" },
	    { "waiting", true, JOURNAL_ROLLBACK, make_a_queue, "20 21 22 23 24 25" });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_writer_needs_a_transaction_and_two_samples_asleep),
		cmocka_unit_test(active_writer_is_the_one_that_works),
		cmocka_unit_test(a_reader_blocks_a_commit_only_when_one_is_wanted),
		cmocka_unit_test(waiting_names_who_is_refused_what_behind_whom),
		cmocka_unit_test(exclusive_mode_is_told_from_a_commit),
		cmocka_unit_test(who_repairs_is_told_from_who_writes),
		cmocka_unit_test(lost_locks_are_told_from_locks_that_are_not_needed),
		cmocka_unit_test(a_hidden_holder_is_one_that_the_kernel_proves),
		cmocka_unit_test(a_snapshot_is_stale_when_frames_came_after_it),
		cmocka_unit_test(a_wal_is_pinned_by_who_reads_where_the_checkpoint_stands),
		cmocka_unit_test(two_instances_are_copies_of_one_program),
		cmocka_unit_test(programs_that_only_look_alike_are_not_two_instances),
		cmocka_unit_test(the_word_of_an_interpreters_option_is_no_script),
		cmocka_unit_test(a_stopped_holder_is_said_whatever_it_holds),
		cmocka_unit_test(a_bystander_only_reads),
		cmocka_unit_test(a_deadlock_is_two_that_are_seen_waiting_for_each_other),
		cmocka_unit_test(a_leftover_child_is_no_daemon),
		cmocka_unit_test(a_forked_connection_names_all_who_share_it),
		cmocka_unit_test(sidecars_of_another_name_are_critical),
		cmocka_unit_test(sidecars_are_to_be_writable_for_who_may_write_the_database),
		cmocka_unit_test(the_owner_or_the_mode_of_a_sidecar_is_put_right),
		cmocka_unit_test(editors_and_browsers_are_known),
		cmocka_unit_test(what_lies_in_a_folder_of_such_a_name_is_not_taken_for_one),
		cmocka_unit_test(a_known_onlooker_is_named_with_the_advice_that_fits),
		cmocka_unit_test(hidden_processes_matter_unless_the_kernel_certifies),
		cmocka_unit_test(a_replaced_file_is_critical_for_who_has_it),
		cmocka_unit_test(a_wal_beside_a_rollback_database_is_said),
		cmocka_unit_test(how_old_a_snapshot_is_is_exact_while_no_slot_is_shared),
		cmocka_unit_test(a_hot_journal_is_said_with_and_without_users),
		cmocka_unit_test(only_a_shared_file_system_is_unsafe),
		cmocka_unit_test(a_lock_folder_is_stale_only_when_that_is_proved),
		cmocka_unit_test(what_is_no_database_is_said),
		cmocka_unit_test(a_database_that_nobody_uses_has_no_findings),
		cmocka_unit_test(the_most_severe_comes_first),
		cmocka_unit_test(commands_in_fixes_can_be_pasted_into_a_shell),
		cmocka_unit_test(the_lock_folder_in_the_fix_is_the_one_beside_the_database),
		cmocka_unit_test(many_are_named_with_the_number_of_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
