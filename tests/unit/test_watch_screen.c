#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/watch_screen.h"

enum { BOT = 4123, CRON = 4377, MOST_LINES = 60, MOST_COLUMNS = 300 };

static const struct watch_about about = { .given = "bot.db", .traced = true };

static void ask(struct watch *watch, double time, pid_t pid, bool refused)
{
	const struct watch_event event = { time, pid, 0,      false, FILE_SHM, WATCH_TAKES_WRITE,
					   120,	 120, refused };

	watch_take_event(watch, &event);
}

static void name(struct watch *watch, pid_t pid, const char *program, const char *script)
{
	struct process *process = memory_allocate(1, sizeof *process);

	process->pid = pid;
	process->known = true;
	process->command = memory_allocate(2, sizeof *process->command);
	process->command[0] = memory_copy_text(program);
	process->command[1] = memory_copy_text(script);
	process->command_count = 2;
	watch_find(watch, pid)->process = process;
}

/* One that has written for half a minute, and one that is refused. */
static void start_scene(struct watch *watch)
{
	watch_start(watch, 0);
	watch_draw(watch, 0);
	watch_draw(watch, 30);
	ask(watch, 30.01, BOT, false);
	for (double now = 30.02; now < 59.9; now += 0.05)
		watch_draw(watch, now);
	ask(watch, 59.9, CRON, true);
	watch_draw(watch, 59.95);
	name(watch, BOT, "/usr/local/venv/bin/python3", "bot.py");
	name(watch, CRON, "cron\x1b[31m\n", "/srv/x y");
}

static char canvas[MOST_LINES][MOST_COLUMNS + 1];

/* Puts the page on a canvas; no piece may lie outside of it. ASCII only here. */
static void draw(const struct watch *watch, const struct watch_latest *latest, size_t lines,
		 size_t columns)
{
	struct screen_page page = { 0 };

	memset(canvas, 0, sizeof canvas);
	for (size_t i = 0; i < MOST_LINES; i++)
		memset(canvas[i], ' ', columns);
	watch_screen(&page, &about, watch, latest, 60, lines, columns);
	for (size_t i = 0; i < page.count; i++) {
		const struct screen_span *span = &page.items[i];

		assert_in_range(span->line, 0, lines ? lines - 1 : 0);
		assert_true(span->column + text_columns(span->text) <= columns);
		for (size_t k = 0; span->text[k] && span->column + k < columns; k++)
			canvas[span->line][span->column + k] = span->text[k];
	}
	screen_page_release(&page);
}

/* The line of a process, which must be there. */
static const char *line_of(const char *pid)
{
	for (size_t i = 0; i < MOST_LINES; i++)
		if (strncmp(canvas[i], pid, strlen(pid)) == 0)
			return canvas[i];
	fail_msg("no line of %s", pid);
	return "";
}

static void the_page_fits_and_names_everybody_at_any_size(void **state)
{
	static const size_t sizes[][2] = { { 24, 80 }, { 50, 200 }, { 24, 40 }, { 10, 60 },
					   { 24, 28 }, { 12, 100 }, { 8, 8 } };
	struct watch_latest latest = { 0 };
	struct watch watch;

	(void)state;
	start_scene(&watch);
	for (int i = 0; i < 100; i++)
		watch_latest_add(&latest, "12:15:00.123Z  4123  python3  took WRITE\n");
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		draw(&watch, &latest, sizes[i][0], sizes[i][1]);
		(void)line_of("4123");
		(void)line_of("4377");
		assert_int_equal(strncmp(canvas[0], "bot.db: writers", sizes[i][1] < 15 ? 7 : 15),
				 0);
	}
	watch_latest_release(&latest);
	watch_release(&watch);
}

static void even_the_smallest_terminal_is_drawn_on(void **state)
{
	struct watch_latest latest = { 0 };
	struct watch watch;

	(void)state;
	start_scene(&watch);
	for (size_t lines = 4; lines < 20; lines++)
		for (size_t columns = 1; columns < 100; columns++)
			draw(&watch, &latest, lines, columns);
	watch_release(&watch);
}

static void the_last_minute_stands_behind_the_name(void **state)
{
	struct watch_latest latest = { 0 };
	struct watch watch;

	(void)state;
	start_scene(&watch);
	draw(&watch, &latest, 24, 80);

	const char *bot = line_of("4123"), *cron = line_of("4377");
	size_t written = 0;

	assert_non_null(strstr(bot, " WRITE "));
	assert_non_null(strstr(bot, " python3 bot.py "));
	for (const char *at = bot; *at; at++)
		written += *at == 'w';
	/* Of the 36 characters for a minute, the later half. */
	assert_in_range(written, 16, 20);
	assert_int_equal(bot[79], 'w');
	assert_int_equal(cron[79], '!');
	assert_non_null(strstr(cron, "! WRITE"));
	assert_non_null(strstr(cron, "cron\\x1b"));
	watch_release(&watch);
}

static void a_narrow_terminal_loses_columns_and_no_lines(void **state)
{
	struct watch_latest latest = { 0 };
	struct watch watch;

	(void)state;
	start_scene(&watch);
	draw(&watch, &latest, 24, 45);
	assert_null(strstr(line_of("4123"), "python3"));
	assert_int_equal(line_of("4123")[44], 'w');
	draw(&watch, &latest, 24, 30);
	assert_null(strstr(line_of("4123"), "WRITE"));
	assert_int_equal(line_of("4123")[29], 'w');
	watch_release(&watch);
}

static void a_crowd_is_counted_where_there_is_no_room(void **state)
{
	struct watch_latest latest = { 0 };
	struct watch watch;

	(void)state;
	watch_start(&watch, 0);
	for (pid_t pid = 1000; pid < 1100; pid++)
		ask(&watch, 1, pid, false);
	watch_draw(&watch, 1);
	draw(&watch, &latest, 24, 80);
	(void)line_of("and ");
	(void)line_of("1099");
	watch_release(&watch);
}

static void the_latest_changes_are_kept_in_order(void **state)
{
	struct watch_latest latest = { 0 };
	struct watch watch;

	(void)state;
	start_scene(&watch);
	for (int i = 0; i < 200; i++) {
		char line[32];

		(void)snprintf(line, sizeof line, "change %d\n", i);
		watch_latest_add(&latest, line);
	}
	draw(&watch, &latest, 24, 80);
	assert_int_equal(strncmp(canvas[22], "change 199 ", 11), 0);
	assert_int_equal(strncmp(canvas[21], "change 198 ", 11), 0);
	watch_latest_release(&latest);
	watch_release(&watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_fits_and_names_everybody_at_any_size),
		cmocka_unit_test(even_the_smallest_terminal_is_drawn_on),
		cmocka_unit_test(the_last_minute_stands_behind_the_name),
		cmocka_unit_test(a_narrow_terminal_loses_columns_and_no_lines),
		cmocka_unit_test(a_crowd_is_counted_where_there_is_no_room),
		cmocka_unit_test(the_latest_changes_are_kept_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
