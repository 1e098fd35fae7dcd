#include "tests/unit/test.h"

#include <math.h>
#include <string.h>

#include "common/watch.h"

enum { BOT = 4123, CRON = 4377 };

static const uint64_t to_the_end = UINT64_MAX;

/* One call of a process about one slot. */
static struct watch_event call(double time, pid_t pid, enum lock_slot slot, int act)
{
	const struct lock_range range = lock_slot_range(slot);

	return (struct watch_event){
		.time = time,
		.pid = pid,
		.file = range.file,
		.act = act,
		.first = range.start,
		.last = range.start + range.length - 1,
	};
}

static void take(struct watch *watch, double time, pid_t pid, enum lock_slot slot, bool write)
{
	const struct watch_event event =
		call(time, pid, slot, write ? WATCH_TAKES_WRITE : WATCH_TAKES_READ);

	watch_take_event(watch, &event);
}

static void let_go(struct watch *watch, double time, pid_t pid, enum lock_slot slot)
{
	const struct watch_event event = call(time, pid, slot, WATCH_UNLOCKS);

	watch_take_event(watch, &event);
}

static void refuse(struct watch *watch, double time, pid_t pid, enum lock_slot slot, bool write)
{
	struct watch_event event =
		call(time, pid, slot, write ? WATCH_TAKES_WRITE : WATCH_TAKES_READ);

	event.refused = true;
	watch_take_event(watch, &event);
}

/* As SQLite gives all locks on the main file back, or a close does. */
static void let_all_go(struct watch *watch, double time, pid_t pid, enum database_file file)
{
	const struct watch_event event = { time,	  pid, 0,	   false, file,
					   WATCH_UNLOCKS, 0,   to_the_end, false };

	watch_take_event(watch, &event);
}

static const struct watch_lock *lock_of(const struct watch *watch, pid_t pid, enum watch_kind kind)
{
	const struct watch_process *process = watch_find(watch, pid);

	assert_non_null(process);
	return &process->by_kind[kind];
}

static bool is_about(double value, double expected)
{
	return fabs(value - expected) < 1e-9;
}

/* A write transaction in rollback mode, as os_unix.c takes its locks. */
static void transact(struct watch *watch, double at, double seconds, pid_t pid)
{
	take(watch, at, pid, SLOT_PENDING, false);
	take(watch, at, pid, SLOT_SHARED, false);
	let_go(watch, at, pid, SLOT_PENDING);
	take(watch, at, pid, SLOT_RESERVED, true);
	take(watch, at + seconds * 0.75, pid, SLOT_PENDING, true);
	take(watch, at + seconds * 0.75, pid, SLOT_SHARED, true);
	let_all_go(watch, at + seconds, pid, FILE_MAIN);
}

static void each_transaction_is_a_hold(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 100);
	for (int i = 0; i < 1000; i++)
		transact(&watch, 100 + i * 0.002, 0.001, BOT);
	watch_finish(&watch, 103);

	const struct watch_lock *reserved = lock_of(&watch, BOT, WATCH_RESERVED);

	assert_int_equal(reserved->durations.count, 1000);
	assert_true(fabs(reserved->durations.total - 1) < 1e-6);
	assert_true(fabs(durations_percentile(&reserved->durations, 0.5) - 0.001) < 0.00007);
	assert_int_equal(lock_of(&watch, BOT, WATCH_SHARED)->durations.count, 1000);
	assert_true(fabs(lock_of(&watch, BOT, WATCH_SHARED)->durations.total - 1) < 1e-6);
	assert_int_equal(lock_of(&watch, BOT, WATCH_PENDING)->durations.count, 1000);
	assert_int_equal(lock_of(&watch, BOT, WATCH_EXCLUSIVE)->durations.count, 1000);
	assert_true(fabs(lock_of(&watch, BOT, WATCH_EXCLUSIVE)->durations.longest - 0.00025) <
		    1e-6);
	assert_int_equal(watch.writers_out.count, 1000);
	assert_true(fabs(watch.writers_out.total - 1) < 1e-6);
	watch_release(&watch);
}

static void a_read_transaction_keeps_no_writer_out(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 0);
	take(&watch, 1, BOT, SLOT_SHARED, false);
	take(&watch, 1, BOT, SLOT_READ2, false);
	let_go(&watch, 3, BOT, SLOT_READ2);
	watch_finish(&watch, 5);
	assert_int_equal(watch.writers_out.count, 0);
	assert_true(is_about(lock_of(&watch, BOT, WATCH_READ0 + 2)->durations.total, 2));
	assert_true(is_about(lock_of(&watch, BOT, WATCH_SHARED)->durations.total, 4));
	watch_release(&watch);
}

static void two_writers_together_keep_others_out_once(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 0);
	take(&watch, 1, BOT, SLOT_WRITE, true);
	take(&watch, 2, CRON, SLOT_WRITE, true); /* seen before the release of the other */
	let_go(&watch, 2, BOT, SLOT_WRITE);
	let_go(&watch, 4, CRON, SLOT_WRITE);
	assert_int_equal(watch.writers_out.count, 1);
	assert_true(is_about(watch.writers_out.total, 3));
	watch_release(&watch);
}

static void closing_one_file_gives_back_the_locks_on_that_file_only(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 0);
	take(&watch, 1, BOT, SLOT_SHARED, false);
	take(&watch, 1, BOT, SLOT_DMS, false);
	let_all_go(&watch, 2, BOT, FILE_SHM);
	assert_false(lock_of(&watch, BOT, WATCH_DMS)->held);
	assert_true(lock_of(&watch, BOT, WATCH_SHARED)->held);
	watch_release(&watch);
}

static void open_files_of_a_process_hold_locks_of_their_own(void **state)
{
	struct watch watch;
	struct watch_event event = call(1, BOT, SLOT_SHARED, WATCH_TAKES_READ);

	(void)state;
	watch_start(&watch, 0);
	event.ofd = true;
	event.owner = 7;
	watch_take_event(&watch, &event);
	event.owner = 8;
	event.time = 2;
	watch_take_event(&watch, &event);
	event.act = WATCH_UNLOCKS;
	event.time = 3;
	watch_take_event(&watch, &event);
	assert_true(lock_of(&watch, BOT, WATCH_SHARED)->held); /* the other file still does */
	event.owner = 7;
	event.time = 4;
	watch_take_event(&watch, &event);
	assert_true(is_about(lock_of(&watch, BOT, WATCH_SHARED)->durations.total, 3));
	watch_release(&watch);
}

/* The kernel tells a close twice: for the process, and for the open file when that is the last of it. */
static void let_file_go(struct watch *watch, double time, pid_t pid, uint64_t owner)
{
	const struct watch_event event = {
		.time = time,
		.pid = pid,
		.owner = owner,
		.file = FILE_MAIN,
		.act = WATCH_UNLOCKS,
		.last = to_the_end,
	};

	watch_take_event(watch, &event);
}

static void closing_an_open_file_gives_back_its_own_locks(void **state)
{
	enum { PROCESS = 70, CHILD = 71, MOST = 1000 };
	struct watch watch;
	struct watch_event event = call(1, BOT, SLOT_RESERVED, WATCH_TAKES_WRITE);

	(void)state;
	watch_start(&watch, 0);
	take(&watch, 1, BOT, SLOT_SHARED, false);
	event.ofd = true;
	for (event.owner = 100; event.owner < 100 + MOST; event.owner++) {
		event.time++;
		watch_take_event(&watch, &event);
		let_file_go(&watch, event.time + 0.5, event.owner % 2 ? BOT : CRON, event.owner);
	}
	assert_int_equal(lock_of(&watch, BOT, WATCH_RESERVED)->durations.count, MOST);
	assert_true(is_about(lock_of(&watch, BOT, WATCH_RESERVED)->durations.longest, 0.5));
	assert_true(lock_of(&watch, BOT, WATCH_SHARED)->held);
	assert_true(watch_find(&watch, BOT)->owner_count < 3); /* they are not kept for ever */
	let_file_go(&watch, 5000, CRON, CHILD);
	assert_true(lock_of(&watch, BOT, WATCH_SHARED)->held);
	let_file_go(&watch, 5001, BOT, PROCESS);
	assert_false(lock_of(&watch, BOT, WATCH_SHARED)->held);
	assert_null(watch_find(&watch, CRON));
	watch_release(&watch);
}

static void a_read_lock_on_the_whole_file_keeps_writers_out(void **state)
{
	struct watch watch;
	struct watch_event event = call(1, BOT, SLOT_SHARED, WATCH_TAKES_READ);

	(void)state;
	event.first = 0;
	event.last = to_the_end;
	watch_start(&watch, 0);
	watch_take_event(&watch, &event);
	assert_int_equal(watch.writing, 1);
	assert_true(lock_of(&watch, BOT, WATCH_RESERVED)->held);
	assert_false(lock_of(&watch, BOT, WATCH_PENDING)->held);
	let_all_go(&watch, 4, BOT, FILE_MAIN);
	assert_true(is_about(watch.writers_out.total, 3));
	watch_release(&watch);
}

static void what_was_held_at_the_first_look_is_marked(void **state)
{
	struct watch watch;
	struct watch_seen seen = { .pid = BOT };
	struct watch_event event = call(12, BOT, SLOT_SHARED, WATCH_UNLOCKS);

	(void)state;
	lock_bytes_add(&seen.locks, FILE_MAIN, 0x40000002, 0x400001ff, false);
	watch_start(&watch, 10);
	watch_take_look(&watch, 10, &seen, 1);
	assert_true(lock_of(&watch, BOT, WATCH_SHARED)->from_before);
	event.owner = 9;
	event.ofd = true; /* an open file that is not known: what the process itself holds stays */
	watch_take_event(&watch, &event);
	assert_true(lock_of(&watch, BOT, WATCH_SHARED)->held);
	event.ofd = false;
	watch_take_event(&watch, &event);
	assert_false(lock_of(&watch, BOT, WATCH_SHARED)->held);
	assert_true(is_about(lock_of(&watch, BOT, WATCH_SHARED)->durations.total, 2));
	take(&watch, 13, BOT, SLOT_SHARED, false);
	assert_false(lock_of(&watch, BOT, WATCH_SHARED)->from_before);
	watch_release(&watch);
}

static void looks_tell_what_was_taken_and_let_go(void **state)
{
	struct watch watch;
	struct watch_seen seen = { .pid = BOT };

	(void)state;
	watch_start(&watch, 0);
	watch_take_look(&watch, 0, NULL, 0);
	lock_bytes_add(&seen.locks, FILE_SHM, 120, 120, true);
	watch_take_look(&watch, 1, &seen, 1);
	watch_take_look(&watch, 2, &seen, 1);
	watch_take_look(&watch, 3, NULL, 0);
	assert_int_equal(lock_of(&watch, BOT, WATCH_WRITE)->durations.count, 1);
	assert_true(is_about(lock_of(&watch, BOT, WATCH_WRITE)->durations.total, 2));
	assert_true(is_about(watch.writers_out.total, 2));
	watch_release(&watch);
}

static void a_refused_process_waits_behind_who_holds_the_lock(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 0);
	take(&watch, 1, BOT, SLOT_WRITE, true);
	take(&watch, 1, 99, SLOT_READ1, false); /* a reader is not in the way */
	refuse(&watch, 2, CRON, SLOT_WRITE, true);
	refuse(&watch, 2.1, CRON, SLOT_WRITE, true);
	refuse(&watch, 3.5, CRON, SLOT_WRITE, true);

	const struct watch_lock *wanted = lock_of(&watch, CRON, WATCH_WRITE);

	assert_true(watch_waits(wanted, 4));
	assert_int_equal(wanted->wait.attempts, 3);
	assert_true(is_about(wanted->wait.last - wanted->wait.first, 1.5));
	assert_int_equal(wanted->wait.behind_count, 1);
	assert_int_equal(wanted->wait.behind[0], BOT);
	assert_false(watch_waits(wanted, 6)); /* given up */
	refuse(&watch, 9, CRON, SLOT_WRITE, true);
	wanted = lock_of(&watch, CRON, WATCH_WRITE);
	assert_int_equal(wanted->wait.attempts, 1); /* a new one */
	let_go(&watch, 9.1, BOT, SLOT_WRITE);
	take(&watch, 9.2, CRON, SLOT_WRITE, true);
	wanted = lock_of(&watch, CRON, WATCH_WRITE);
	assert_false(watch_waits(wanted, 9.3));
	assert_int_equal(wanted->refused, 4);
	watch_release(&watch);
}

static void a_commit_that_a_reader_refuses_waits_for_exclusive(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 0);
	take(&watch, 1, BOT, SLOT_SHARED, false);
	take(&watch, 1, CRON, SLOT_SHARED, false);
	refuse(&watch, 2, CRON, SLOT_SHARED, true);
	assert_int_equal(lock_of(&watch, CRON, WATCH_EXCLUSIVE)->wait.attempts, 1);
	assert_int_equal(lock_of(&watch, CRON, WATCH_EXCLUSIVE)->wait.behind[0], BOT);
	watch_release(&watch);
}

static void a_reader_that_pending_refuses_wants_shared(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 0);
	take(&watch, 1, BOT, SLOT_PENDING, true);
	refuse(&watch, 2, CRON, SLOT_PENDING, false);
	assert_int_equal(lock_of(&watch, CRON, WATCH_SHARED)->wait.attempts, 1);
	assert_int_equal(lock_of(&watch, CRON, WATCH_SHARED)->wait.behind[0], BOT);
	watch_release(&watch);
}

static void moving_a_readers_mark_is_not_waiting(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 0);
	take(&watch, 1, BOT, SLOT_READ1, false);
	refuse(&watch, 2, CRON, SLOT_READ1, true);
	for (enum watch_kind kind = 0; kind < WATCH_KINDS; kind++)
		assert_int_equal(lock_of(&watch, CRON, kind)->refused, 0);
	watch_release(&watch);
}

static void a_child_that_closes_what_it_inherited_is_nobody(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 0);
	let_all_go(&watch, 1, BOT, FILE_MAIN);
	assert_int_equal(watch.count, 0);
	watch_release(&watch);
}

static void a_pid_that_is_used_again_is_another_process(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 0);
	take(&watch, 1, BOT, SLOT_WRITE, true);
	watch_forget(&watch, BOT, 2);
	assert_null(watch_find(&watch, BOT));
	take(&watch, 3, BOT, SLOT_WRITE, true);
	assert_int_equal(watch.count, 2);
	assert_int_equal(lock_of(&watch, BOT, WATCH_WRITE)->durations.count, 0);
	assert_int_equal(watch.items[0].by_kind[WATCH_WRITE].durations.count, 1);
	assert_true(is_about(watch.writers_out.total, 1));
	watch_release(&watch);
}

static void a_crowd_of_short_lives_is_counted_in_bounded_memory(void **state)
{
	struct watch watch;
	uint64_t holds = 0;

	(void)state;
	watch_start(&watch, 0);
	take(&watch, 0, 1, SLOT_SHARED, false); /* holds on all the while */
	for (pid_t pid = 2; pid < 1500; pid++) {
		take(&watch, pid, pid, SLOT_WRITE, true);
		let_go(&watch, pid + 0.5, pid, SLOT_WRITE);
	}
	assert_true(watch.count < 600);
	assert_int_equal(watch.items[0].pid, 0);
	for (size_t i = 0; i < watch.count; i++)
		holds += watch.items[i].by_kind[WATCH_WRITE].durations.count;
	assert_int_equal(holds, 1498);
	assert_true(lock_of(&watch, 1, WATCH_SHARED)->held);
	watch_release(&watch);
}

/* As above, in one interval: the lines and the time line leave nobody out either. */
static void a_crowd_is_told_and_drawn_whole(void **state)
{
	enum { CROWD = 1500 };
	struct watch watch;
	struct watch_changes changes = { 0 };
	uint64_t told = 0, refused = 0;
	bool drawn = false;

	(void)state;
	watch_start(&watch, 0);
	take(&watch, 0.1, 1, SLOT_WRITE, true);
	watch_changes(&watch, 0.2, &changes);
	assert_int_equal(changes.count, 1); /* took it */
	watch_changes_release(&changes);
	let_go(&watch, 0.3, 1, SLOT_WRITE);
	watch_draw(&watch, 0.35);
	for (pid_t pid = 2; pid <= CROWD; pid++) {
		take(&watch, 1 + pid * 0.001, pid, SLOT_WRITE, true);
		refuse(&watch, 1 + pid * 0.001, pid, SLOT_CKPT, true);
		let_go(&watch, 1 + pid * 0.001, pid, SLOT_WRITE);
	}
	watch_changes(&watch, 4, &changes);
	for (size_t i = 0; i < changes.count; i++)
		*(changes.items[i].what == WATCH_REFUSED ? &refused : &told) +=
			changes.items[i].count;
	assert_int_equal(told, CROWD);
	assert_int_equal(refused, CROWD - 1);
	watch_changes_release(&changes);
	watch_draw(&watch, 4);
	assert_int_equal(watch.items[0].pid, 0);
	for (size_t i = 0; i < watch.columns; i++)
		drawn |= (double)i * watch.column_width < 0.5 && watch.items[0].columns[i];
	assert_true(drawn);
	watch_release(&watch);
}

/* What is told at `now`, as "TIME PID KIND what count total" lines. */
static void assert_told(struct watch *watch, double now, const char *expected)
{
	static const char *const words[] = { "took", "released", "held", "refused" };
	struct watch_changes changes = { 0 };
	char lines[4096] = "";

	watch_changes(watch, now, &changes);
	for (size_t i = 0; i < changes.count; i++) {
		const struct watch_change *change = &changes.items[i];
		const size_t used = strlen(lines);

		(void)snprintf(lines + used, sizeof lines - used, "%.1f %d %s %s %d %.1f\n",
			       change->time, watch->items[change->process].pid,
			       watch_kind_name(change->kind), words[change->what],
			       (int)change->count, change->total);
	}
	assert_string_equal(lines, expected);
	watch_changes_release(&changes);
}

static void short_holds_are_told_together_and_long_ones_at_both_ends(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 0);
	take(&watch, 1.1, BOT, SLOT_WRITE, true);
	let_go(&watch, 1.2, BOT, SLOT_WRITE);
	take(&watch, 1.3, BOT, SLOT_WRITE, true);
	let_go(&watch, 1.6, BOT, SLOT_WRITE);
	take(&watch, 1.7, CRON, SLOT_WRITE, true);
	refuse(&watch, 1.8, BOT, SLOT_WRITE, true);
	refuse(&watch, 1.9, BOT, SLOT_WRITE, true);
	assert_told(&watch, 2,
		    "1.1 4123 WRITE held 2 0.4\n"
		    "1.7 4377 WRITE took 0 0.3\n"
		    "1.8 4123 WRITE refused 2 0.1\n");
	assert_told(&watch, 3, "");
	let_go(&watch, 4, CRON, SLOT_WRITE);
	take(&watch, 4.1, CRON, SLOT_WRITE, true);
	let_go(&watch, 4.2, CRON, SLOT_WRITE);
	assert_told(&watch, 5,
		    "4.0 4377 WRITE released 0 2.3\n"
		    "4.1 4377 WRITE held 1 0.1\n");
	watch_release(&watch);
}

static void every_kind_has_the_name_that_lock_bytes_gives_it(void **state)
{
	(void)state;
	for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++) {
		const struct lock_range range = lock_slot_range(slot);
		struct lock_bytes locks = { 0 };
		const char *names[LOCK_NAMES];

		lock_bytes_add(&locks, range.file, range.start, range.start, true);

		const unsigned kinds = watch_kinds_of(&locks);

		assert_int_equal(lock_bytes_names(&locks, names), 1);
		for (enum watch_kind kind = 0; kind < WATCH_KINDS; kind++)
			if (kinds & 1U << kind && (kind != WATCH_SHARED || kinds == 1U))
				assert_string_equal(watch_kind_name(kind), names[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_transaction_is_a_hold),
		cmocka_unit_test(a_read_transaction_keeps_no_writer_out),
		cmocka_unit_test(two_writers_together_keep_others_out_once),
		cmocka_unit_test(closing_one_file_gives_back_the_locks_on_that_file_only),
		cmocka_unit_test(open_files_of_a_process_hold_locks_of_their_own),
		cmocka_unit_test(closing_an_open_file_gives_back_its_own_locks),
		cmocka_unit_test(a_read_lock_on_the_whole_file_keeps_writers_out),
		cmocka_unit_test(what_was_held_at_the_first_look_is_marked),
		cmocka_unit_test(looks_tell_what_was_taken_and_let_go),
		cmocka_unit_test(a_refused_process_waits_behind_who_holds_the_lock),
		cmocka_unit_test(a_commit_that_a_reader_refuses_waits_for_exclusive),
		cmocka_unit_test(a_reader_that_pending_refuses_wants_shared),
		cmocka_unit_test(moving_a_readers_mark_is_not_waiting),
		cmocka_unit_test(a_child_that_closes_what_it_inherited_is_nobody),
		cmocka_unit_test(a_pid_that_is_used_again_is_another_process),
		cmocka_unit_test(a_crowd_of_short_lives_is_counted_in_bounded_memory),
		cmocka_unit_test(a_crowd_is_told_and_drawn_whole),
		cmocka_unit_test(short_holds_are_told_together_and_long_ones_at_both_ends),
		cmocka_unit_test(every_kind_has_the_name_that_lock_bytes_gives_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
