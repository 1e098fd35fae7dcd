#include "tests/unit/child.h"
#include "tests/unit/database.h"
#include "tests/unit/tracing.h"

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/lock_listener.h"

struct fixture {
	struct tracing tracing;
	char path[PATH_MAX]; /* of the database that is listened to */
	struct lock_listener listener;
	struct watch watch;
};

static int set_up(void **state)
{
	struct fixture *fixture = memory_allocate(1, sizeof *fixture);

	*state = fixture;
	if (!tracing_make(&fixture->tracing))
		return -1;
	fixture->listener = (struct lock_listener)LOCK_LISTENER_NONE;
	(void)folder_path(fixture->tracing.folder, "bot.db", fixture->path);
	database_make(fixture->tracing.folder, "bot.db", "CREATE TABLE orders(id)");
	return 0;
}

static int tear_down(void **state)
{
	auto_free struct fixture *fixture = *state;

	listener_stop(&fixture->listener);
	watch_release(&fixture->watch);
	return tracing_remove(&fixture->tracing);
}

static void start(struct fixture *fixture, bool traced)
{
	struct error err = { 0 }, untraced = { .text = "not asked for" };

	if (!listener_start(&fixture->listener, &fixture->watch,
			    traced ? fixture->tracing.tracefs : -1, &untraced,
			    &fixture->tracing.root, fixture->path, &err))
		fail_msg("%s", err.text);
	assert_int_equal(fixture->listener.traced, traced);
}

static enum listener_news hear(struct fixture *fixture)
{
	enum listener_news news = LISTENER_SAME;
	struct error err = { 0 };

	if (!listener_hear(&fixture->listener, &fixture->watch, &news, &err))
		fail_msg("%s", err.text);
	return news;
}

static uint64_t holds(const struct fixture *fixture, pid_t pid, enum watch_kind kind)
{
	const struct watch_process *process = watch_find(&fixture->watch, pid);

	return process ? process->by_kind[kind].durations.count : 0;
}

/* Events of the last milliseconds are kept back: hears until there are so many holds at least, or for some seconds. */
static void hear_holds(struct fixture *fixture, pid_t pid, enum watch_kind kind, uint64_t count)
{
	const double end = clock_now() + 5;

	while (holds(fixture, pid, kind) < count && clock_now() < end)
		(void)hear(fixture);
	assert_true(holds(fixture, pid, kind) >= count);
}

/* Writes ten times, over one connection each; with a read transaction on bot.db around it all when it is another database. */
static void write_ten_times(const struct child_side *side, void *argument)
{
	const struct fixture *fixture = argument;
	const bool beside =
		access(folder_path(fixture->tracing.folder, "other.db", (char[PATH_MAX]){ 0 }),
		       F_OK) == 0;
	sqlite3 *bot = beside ? database_open(fixture->tracing.folder, "bot.db") : NULL;

	if (bot)
		database_run(bot, "BEGIN; SELECT * FROM orders");
	for (int i = 0; i < 10; i++) {
		sqlite3 *database =
			database_open(fixture->tracing.folder, beside ? "other.db" : "bot.db");

		database_run(database, "INSERT INTO orders VALUES (1)");
		database_close(database);
	}
	if (bot) {
		database_run(bot, "COMMIT");
		database_close(bot);
	}
	child_say_ready(side);
	child_stay(side);
}

static void begin_and_stay(const struct child_side *side, void *argument)
{
	const struct fixture *fixture = argument;
	sqlite3 *database = database_open(fixture->tracing.folder, "bot.db");

	database_run(database, "BEGIN IMMEDIATE");
	child_say_ready(side);
	child_stay(side);
	database_close(database);
}

static void without_events_it_looks(void **state)
{
	struct fixture *fixture = *state;
	struct child writer = child_start(begin_and_stay, fixture);

	start(fixture, false);
	assert_non_null(strstr(fixture->listener.untraced.text, "not asked for"));
	assert_true(watch_find(&fixture->watch, writer.pid)->by_kind[WATCH_RESERVED].from_before);
	assert_int_equal(hear(fixture), LISTENER_SAME);
	child_finish(&writer);
	assert_int_equal(hear(fixture), LISTENER_SAME);
	assert_int_equal(holds(fixture, writer.pid, WATCH_RESERVED), 1);
}

static void what_was_held_before_is_known_and_its_end_is_heard(void **state)
{
	struct fixture *fixture = *state;

	if (!tracing_works(&fixture->tracing))
		return;

	struct child writer = child_start(begin_and_stay, fixture);

	start(fixture, true);
	assert_true(watch_find(&fixture->watch, writer.pid)->by_kind[WATCH_RESERVED].held);
	child_finish(&writer);
	hear_holds(fixture, writer.pid, WATCH_RESERVED, 1);
}

static void a_shm_that_is_gone_before_the_look_is_heard(void **state)
{
	struct fixture *fixture = *state;

	if (!tracing_works(&fixture->tracing))
		return;
	database_make(fixture->tracing.folder, "bot.db", "PRAGMA journal_mode = WAL");
	start(fixture, true);

	struct child writer = child_start(write_ten_times, fixture);

	/* Each connection makes a -shm, and takes WRITE for that too. */
	hear_holds(fixture, writer.pid, WATCH_WRITE, 20);
	child_finish(&writer);
}

static void a_shm_of_another_database_is_not_taken_for_ours(void **state)
{
	struct fixture *fixture = *state;

	if (!tracing_works(&fixture->tracing))
		return;
	database_make(fixture->tracing.folder, "other.db",
		      "PRAGMA journal_mode = WAL; CREATE TABLE orders(id)");
	start(fixture, true);

	struct child writer = child_start(write_ten_times, fixture);

	hear_holds(fixture, writer.pid, WATCH_SHARED, 1);
	assert_int_equal(holds(fixture, writer.pid, WATCH_WRITE), 0);
	assert_int_equal(fixture->watch.writers_out.count, 0);
	child_finish(&writer);
}

static void it_goes_with_the_path(void **state)
{
	struct fixture *fixture = *state;
	char other[PATH_MAX];
	struct child writer = child_start(begin_and_stay, fixture);

	database_make(fixture->tracing.folder, "other.db", "CREATE TABLE orders(id)");
	(void)folder_path(fixture->tracing.folder, "other.db", other);
	start(fixture, false);
	assert_int_equal(rename(other, fixture->path), 0);
	assert_int_equal(hear(fixture), LISTENER_REPLACED);
	assert_int_equal(holds(fixture, writer.pid, WATCH_RESERVED), 1); /* on the old file */
	assert_int_equal(hear(fixture), LISTENER_SAME);
	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(hear(fixture), LISTENER_REMOVED);
	assert_int_equal(hear(fixture), LISTENER_SAME);
	database_make(fixture->tracing.folder, "bot.db", "CREATE TABLE orders(id)");
	assert_int_equal(hear(fixture), LISTENER_BACK);
	assert_int_equal(hear(fixture), LISTENER_SAME);
	child_finish(&writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_events_it_looks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_held_before_is_known_and_its_end_is_heard,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_shm_that_is_gone_before_the_look_is_heard, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_shm_of_another_database_is_not_taken_for_ours,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_goes_with_the_path, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
