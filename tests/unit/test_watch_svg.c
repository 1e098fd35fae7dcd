#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/watch_svg.h"

enum { BOT = 4123, CRON = 4377 };

static const struct watch_about about = {
	.tool = "dblockcheck",
	.given = "bo<t>&.db",
	.database = "/srv/bot.db",
	.traced = true,
	.wall_offset = 1795349700,
};

static void ask(struct watch *watch, double time, pid_t pid, enum lock_slot slot, bool write,
		bool refused)
{
	const struct lock_range range = lock_slot_range(slot);
	const struct watch_event event = {
		.time = time,
		.pid = pid,
		.file = range.file,
		.act = write ? WATCH_TAKES_WRITE : WATCH_TAKES_READ,
		.first = range.start,
		.last = range.start + range.length - 1,
		.refused = refused,
	};

	watch_take_event(watch, &event);
}

static void let_go(struct watch *watch, double time, pid_t pid, enum lock_slot slot)
{
	const struct watch_event event = {
		time, pid, 0, false, lock_slot_range(slot).file, WATCH_UNLOCKS, 0, UINT64_MAX, false
	};

	watch_take_event(watch, &event);
}

static void name(struct watch *watch, pid_t pid, const char *command)
{
	struct process *process = memory_allocate(1, sizeof *process);

	process->pid = pid;
	process->known = true;
	process->command = memory_allocate(1, sizeof *process->command);
	process->command[0] = memory_copy_text(command);
	process->command_count = 1;
	watch_find(watch, pid)->process = process;
}

static size_t count_of(const char *text, const char *what)
{
	size_t count = 0;

	for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
		count++;
	return count;
}

static char *draw(const struct watch *watch, double now)
{
	struct text text = { 0 };

	watch_svg(&text, &about, watch, now);
	return text_take(&text);
}

static void the_strongest_lock_gives_the_shade(void **state)
{
	const uint16_t shared = 1 << WATCH_SHARED, write = 1 << WATCH_WRITE,
		       exclusive = 1 << WATCH_EXCLUSIVE, checkpoint = 1 << WATCH_CKPT,
		       read = 1 << WATCH_READ0;

	(void)state;
	assert_int_equal(watch_shade_of(0, false), SHADE_NONE);
	assert_int_equal(watch_shade_of(WATCH_REFUSED_BIT, false), SHADE_NONE);
	assert_int_equal(watch_shade_of(shared, false), SHADE_READING);
	assert_int_equal(watch_shade_of(shared, true), SHADE_CONNECTED);
	assert_int_equal(watch_shade_of(shared | read, true), SHADE_READING);
	assert_int_equal(watch_shade_of(read | checkpoint, true), SHADE_CHECKPOINT);
	assert_int_equal(watch_shade_of(read | checkpoint | write, true), SHADE_WRITING);
	assert_int_equal(watch_shade_of(shared | exclusive, false), SHADE_EXCLUSIVE);
	assert_int_equal(watch_shade_of(1 << WATCH_PENDING, false), SHADE_EXCLUSIVE);
}

static void a_hold_of_an_instant_has_its_column(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 100);
	watch_draw(&watch, 100.01);
	ask(&watch, 100.06, BOT, SLOT_WRITE, true, false);
	let_go(&watch, 100.0601, BOT, SLOT_WRITE);
	watch_draw(&watch, 100.08);
	watch_draw(&watch, 100.12);
	assert_int_equal(watch.columns, 3);
	assert_int_equal(watch.items[0].columns[0], 0);
	assert_int_equal(watch.items[0].columns[1], 1 << WATCH_WRITE);
	assert_int_equal(watch.items[0].columns[2], 0);
	watch_release(&watch);
}

static void a_long_watch_keeps_its_beginning_in_fewer_columns(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 0);
	ask(&watch, 0, BOT, SLOT_WRITE, true, false);
	watch_draw(&watch, 0.01);
	let_go(&watch, 1, BOT, SLOT_WRITE);
	ask(&watch, 7200, CRON, SLOT_RESERVED, true, false);
	for (double now = 1; now < 7201; now += 0.5)
		watch_draw(&watch, now);
	assert_true(watch.columns > WATCH_COLUMNS / 2 && watch.columns <= WATCH_COLUMNS);
	assert_int_equal(watch.items[0].columns[0], 1 << WATCH_WRITE);
	for (size_t i = 1; i < watch.columns; i++)
		assert_int_equal(watch.items[0].columns[i], 0);
	assert_true((double)watch.columns * watch.column_width >= 7200);
	watch_release(&watch);
}

static void a_process_has_a_row_and_a_refused_attempt_a_mark(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 0);
	ask(&watch, 0, BOT, SLOT_RESERVED, true, false);
	ask(&watch, 0.2, CRON, SLOT_RESERVED, true, true);
	watch_draw(&watch, 0.21);
	name(&watch, BOT, "bot");
	name(&watch, CRON, "cron");

	auto_free char *picture = draw(&watch, 0.3);

	assert_int_equal(count_of(picture, ">4123  bot<"), 1);
	assert_int_equal(count_of(picture, ">4377  cron<"), 1);
	assert_int_equal(count_of(picture, "<path"), 2); /* one of them in the legend */
	assert_int_equal(count_of(picture, "#e69f00"), 2);
	watch_release(&watch);
}

static void hostile_names_cannot_leave_their_place(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 0);
	ask(&watch, 0, BOT, SLOT_WRITE, true, false);
	watch_draw(&watch, 0.1);
	name(&watch, BOT, "]]><script>&\"'\x01\n\xff\xef\xbf\xbf");

	auto_free char *picture = draw(&watch, 0.2);

	assert_int_equal(count_of(picture, "<script"), 0);
	assert_int_equal(count_of(picture, "]]&gt;&lt;script&gt;&amp;&quot;'"), 1);
	assert_int_equal(count_of(picture, "bo&lt;t&gt;&amp;.db"), 1);
	assert_null(strchr(picture, 1));
	assert_null(strstr(picture, "\xef\xbf\xbf"));
	assert_true(text_is_utf8(picture, strlen(picture)));
	watch_release(&watch);
}

static void more_rows_than_are_drawn_are_counted(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 100);
	for (pid_t pid = 1; pid <= 130; pid++)
		ask(&watch, 100, pid, SLOT_SHARED, false, false);
	watch_draw(&watch, 100.01);

	char *picture = draw(&watch, 100.02);

	assert_int_equal(count_of(picture, "? (not known)"), 100);
	assert_non_null(strstr(picture, ">and 30 more processes<"));
	free(picture);
	watch_release(&watch);
}

static void what_was_lost_stands_in_the_picture(void **state)
{
	struct watch_about lossy = about;
	struct text text = { 0 };
	struct watch watch;

	(void)state;
	lossy.lost = 17;
	watch_start(&watch, 100);
	watch_draw(&watch, 100.01);
	watch_svg(&text, &lossy, &watch, 101);
	assert_non_null(strstr(text_string(&text), "lock events, of which 17 were lost;"));
	assert_non_null(strstr(text_string(&text), ">2026-11-22: watched for 1.00 s"));
	text_release(&text);
	watch_release(&watch);
}

static void a_watch_that_saw_nothing_is_a_picture_too(void **state)
{
	struct watch watch;

	(void)state;
	watch_start(&watch, 0);
	watch_draw(&watch, 0);

	auto_free char *picture = draw(&watch, 0);

	assert_int_equal(count_of(picture, "nobody held a lock"), 1);
	assert_null(strstr(picture, "nan"));
	watch_release(&watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_strongest_lock_gives_the_shade),
		cmocka_unit_test(a_hold_of_an_instant_has_its_column),
		cmocka_unit_test(a_long_watch_keeps_its_beginning_in_fewer_columns),
		cmocka_unit_test(a_process_has_a_row_and_a_refused_attempt_a_mark),
		cmocka_unit_test(hostile_names_cannot_leave_their_place),
		cmocka_unit_test(more_rows_than_are_drawn_are_counted),
		cmocka_unit_test(what_was_lost_stands_in_the_picture),
		cmocka_unit_test(a_watch_that_saw_nothing_is_a_picture_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
