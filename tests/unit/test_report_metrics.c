#include "tests/unit/test.h"

#include <locale.h>

#include "tests/unit/made_up.h"

#include "common/base/scope.h"
#include "common/report_metrics.h"
#include "common/transaction.h"

static int use_utf8(void **state)
{
	(void)state;
	return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

static void add(struct metrics *metrics, const struct survey *survey)
{
	auto_verdict verdict = { 0 };

	verdict_decide(survey, false, &verdict);
	metrics_add(metrics, survey, &verdict);
}

static char *metrics_of(const struct survey *survey)
{
	auto_metrics metrics = { 0 };
	struct text text = { 0 };

	add(&metrics, survey);
	metrics_text(&metrics, &text);
	return text_take(&text);
}

static size_t count(const char *text, const char *wanted)
{
	size_t found = 0;

	for (const char *at = strstr(text, wanted); at; at = strstr(at + 1, wanted))
		found++;
	return found;
}

static void assert_line(const char *text, const char *line)
{
	auto_free char *whole = memory_format("\n%s\n", line);

	if (count(text, whole) != 1)
		fail_msg("%s\n--- has not once the line\n%s", text, line);
}

static void a_free_database_has_all_that_is_known_of_it(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);

	auto_free char *text = metrics_of(&survey);

	assert_line(text, "dblockcheck_up{database=\"/srv/data/bot.db\"} 1");
	assert_line(text, "dblockcheck_state{database=\"/srv/data/bot.db\",state=\"free\"} 1");
	assert_line(text, "dblockcheck_state{database=\"/srv/data/bot.db\",state=\"locked\"} 0");
	assert_line(text, "dblockcheck_can{database=\"/srv/data/bot.db\",question=\"migrate\"} 1");
	assert_line(text, "dblockcheck_holders{database=\"/srv/data/bot.db\",role=\"writer\"} 0");
	assert_line(text, "dblockcheck_wal_bytes{database=\"/srv/data/bot.db\"} 0");
	assert_line(text, "dblockcheck_wal_pending_bytes{database=\"/srv/data/bot.db\"} 0");
	assert_line(text, "dblockcheck_oldest_reader_seconds{database=\"/srv/data/bot.db\"} 0");
	assert_line(text, "dblockcheck_write_lock_held_seconds{database=\"/srv/data/bot.db\"} 0");
	assert_line(text, "dblockcheck_hidden_processes{database=\"/srv/data/bot.db\"} 0");
}

static void holders_are_counted_by_role(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_WAL);
	(void)made_up_connection(&survey, 10);
	(void)made_up_connection(&survey, 11);
	made_up_lock(&survey, made_up_connection(&survey, 12), SLOT_READ1, false);

	struct holder *writer = made_up_connection(&survey, 13);

	made_up_lock(&survey, writer, SLOT_READ1, false);
	made_up_lock(&survey, writer, SLOT_WRITE, true);

	auto_free char *text = metrics_of(&survey);

	assert_line(text,
		    "dblockcheck_holders{database=\"/srv/data/bot.db\",role=\"connected\"} 2");
	assert_line(text, "dblockcheck_holders{database=\"/srv/data/bot.db\",role=\"reader\"} 1");
	assert_line(text, "dblockcheck_holders{database=\"/srv/data/bot.db\",role=\"writer\"} 1");
	assert_line(text, "dblockcheck_state{database=\"/srv/data/bot.db\",state=\"locked\"} 1");
	assert_line(text, "dblockcheck_can{database=\"/srv/data/bot.db\",question=\"write\"} 0");
	assert_line(text, "dblockcheck_wal_bytes{database=\"/srv/data/bot.db\"} 1285472");
	assert_line(text, "dblockcheck_wal_pending_bytes{database=\"/srv/data/bot.db\"} 1150976");
	assert_line(text,
		    "dblockcheck_write_lock_held_seconds{database=\"/srv/data/bot.db\"} 0.25");
}

static void what_is_not_known_has_no_sample(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_WAL);
	survey.index_known = false;
	survey.scanned = false;

	auto_free char *text = metrics_of(&survey);

	assert_null(strstr(text, "wal_pending_bytes"));
	assert_null(strstr(text, "holders"));
	assert_null(strstr(text, "seconds"));
	assert_null(strstr(text, "hidden_processes"));
	assert_null(strstr(text, "question=\"migrate\""));
	assert_line(text, "dblockcheck_state{database=\"/srv/data/bot.db\",state=\"unknown\"} 1");
}

static void what_goes_on_for_an_unknown_time_is_not_shown_as_zero(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_WAL);

	struct holder *reader = made_up_connection(&survey, 12);
	struct holder *writer = made_up_connection(&survey, 13);

	made_up_lock(&survey, reader, SLOT_READ1, false);
	made_up_lock(&survey, writer, SLOT_WRITE, true);
	reader->sampled_seconds = writer->sampled_seconds = 0;

	auto_free char *text = metrics_of(&survey);

	assert_line(text, "dblockcheck_holders{database=\"/srv/data/bot.db\",role=\"reader\"} 1");
	assert_null(strstr(text, "seconds{"));
}

static void who_is_hidden_is_in_no_count(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_WAL);
	(void)made_up_connection(&survey, 10);
	survey.hidden_locks = 1;
	survey.initial_pid_namespace = false;

	auto_free char *text = metrics_of(&survey);

	assert_line(text,
		    "dblockcheck_holders{database=\"/srv/data/bot.db\",role=\"connected\"} 1");
	assert_null(strstr(text, "role=\"writer\""));
	assert_null(strstr(text, "seconds{"));
	assert_null(strstr(text, "hidden_processes"));
}

static void a_certified_answer_knows_without_a_walk_that_nobody_is_there(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);
	survey.scanned = false;
	survey.certificate = CERTIFICATE_FREE;

	auto_free char *text = metrics_of(&survey);

	assert_line(text, "dblockcheck_holders{database=\"/srv/data/bot.db\",role=\"writer\"} 0");
}

static void several_databases_share_each_family_and_count_once(void **state)
{
	auto_survey first = { 0 }, second = { 0 };
	auto_metrics metrics = { 0 };
	auto_text text = { 0 };

	(void)state;
	made_up_start(&first, JOURNAL_ROLLBACK);
	made_up_start(&second, JOURNAL_WAL);
	free(second.database);
	second.database = memory_copy_text("/srv/data/other.db");
	add(&metrics, &first);
	metrics_add_failure(&metrics, "/srv/data/gone.db");
	add(&metrics, &second);
	add(&metrics, &first);
	metrics_add_failure(&metrics, "/srv/data/gone.db");
	metrics_text(&metrics, &text);

	assert_int_equal(count(text.bytes, "# HELP "), METRIC_COUNT);
	assert_int_equal(count(text.bytes, "# TYPE "), METRIC_COUNT);
	assert_int_equal(count(text.bytes, "\ndblockcheck_up{"), 3);
	assert_int_equal(count(text.bytes, "/srv/data/gone.db"), 1);
	assert_line(text.bytes, "dblockcheck_up{database=\"/srv/data/gone.db\"} 0");
	assert_line(text.bytes, "dblockcheck_wal_bytes{database=\"/srv/data/other.db\"} 1285472");
	assert_line(text.bytes, "dblockcheck_wal_bytes{database=\"/srv/data/bot.db\"} 0");
}

static void nothing_at_all_gives_no_family(void **state)
{
	auto_metrics metrics = { 0 };
	auto_text text = { 0 };

	(void)state;
	metrics_text(&metrics, &text);
	assert_string_equal(text_string(&text), "");
}

/* What a path is as a label. */
static void assert_label(const char *path, const char *label)
{
	auto_metrics metrics = { 0 };
	auto_text text = { 0 };
	auto_free char *wanted = memory_format("dblockcheck_up{database=\"%s\"} 0", label);

	metrics_add_failure(&metrics, path);
	metrics_text(&metrics, &text);
	assert_line(text.bytes, wanted);
}

static void labels_are_escaped_as_the_format_wants(void **state)
{
	(void)state;
	assert_label("/a \"b\" {c} 100%", "/a \\\"b\\\" {c} 100%");
	assert_label("/back\\slash", "/back\\\\slash");
	assert_label("/two\nlines", "/two\\nlines");
	assert_label("/h\xc3\xa4user", "/h\xc3\xa4user");
}

static void bytes_that_cannot_be_shown_do_not_reach_the_label_and_stay_distinct(void **state)
{
	(void)state;
	assert_label("/a\x1b[2J", "escaped:/a\\\\x1b[2J");
	assert_label("/a\\x1b[2J", "/a\\\\x1b[2J");
	assert_label("/a\xff", "escaped:/a\\\\xff");
	assert_label("/a\xe2\x80\xae", "escaped:/a\\\\u{202e}");
	assert_label("/a\x1b\n\"", "escaped:/a\\\\x1b\\\\n\\\"");
}

/* --- how long at least -------------------------------------------------------------------------------------------- */

static void who_slept_through_the_sampling_held_its_lock_all_the_time(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_WAL);

	struct holder *holder = made_up_connection(&survey, 10);

	assert_true(transaction_write_seconds(&survey, holder) == 0);
	assert_true(transaction_read_seconds(&survey, holder) == 0);
	made_up_lock(&survey, holder, SLOT_READ1, false);
	assert_true(transaction_read_seconds(&survey, holder) == 0.25);
	made_up_lock(&survey, holder, SLOT_WRITE, true);
	assert_true(transaction_write_seconds(&survey, holder) == 0.25);
	made_up_stopped(holder);
	assert_true(transaction_write_seconds(&survey, holder) == 0.25);
	made_up_busy(holder);
	assert_true(transaction_write_seconds(&survey, holder) == 0);
}

static void a_writer_is_older_than_its_journal(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);

	struct holder *holder = made_up_writer(&survey, 10, SLOT_RESERVED);

	made_up_busy(holder);
	survey.changed[FILE_JOURNAL].tv_sec -= 60;
	assert_true(transaction_write_seconds(&survey, holder) == 60);
	survey.changed[FILE_JOURNAL].tv_sec += 120; /* the clock was set back */
	assert_true(transaction_write_seconds(&survey, holder) == 0);
}

static void a_reader_of_an_old_state_is_older_than_the_last_commit(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_WAL);
	survey.changed[FILE_WAL] = survey.taken;
	survey.changed[FILE_WAL].tv_sec -= 60;

	struct holder *holder = made_up_connection(&survey, 10);

	made_up_busy(holder);
	made_up_lock(&survey, holder, SLOT_READ2, false); /* frame 31 of 312 */
	assert_true(transaction_read_seconds(&survey, holder) == 60);
	survey.index.frames = 31; /* the last one: it may have begun just now */
	assert_true(transaction_read_seconds(&survey, holder) == 0);
}

static void a_slot_that_two_share_does_not_tell_how_old_its_readers_are(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_WAL);
	survey.changed[FILE_WAL] = survey.taken;
	survey.changed[FILE_WAL].tv_sec -= 60;
	for (pid_t pid = 10; pid < 12; pid++) {
		struct holder *holder = made_up_connection(&survey, pid);

		made_up_busy(holder);
		made_up_lock(&survey, holder, SLOT_READ2, false);
	}
	assert_true(transaction_read_seconds(&survey, &survey.holders.items[0]) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_free_database_has_all_that_is_known_of_it),
		cmocka_unit_test(holders_are_counted_by_role),
		cmocka_unit_test(what_is_not_known_has_no_sample),
		cmocka_unit_test(what_goes_on_for_an_unknown_time_is_not_shown_as_zero),
		cmocka_unit_test(who_is_hidden_is_in_no_count),
		cmocka_unit_test(a_certified_answer_knows_without_a_walk_that_nobody_is_there),
		cmocka_unit_test(several_databases_share_each_family_and_count_once),
		cmocka_unit_test(nothing_at_all_gives_no_family),
		cmocka_unit_test(labels_are_escaped_as_the_format_wants),
		cmocka_unit_test(
			bytes_that_cannot_be_shown_do_not_reach_the_label_and_stay_distinct),
		cmocka_unit_test(who_slept_through_the_sampling_held_its_lock_all_the_time),
		cmocka_unit_test(a_writer_is_older_than_its_journal),
		cmocka_unit_test(a_reader_of_an_old_state_is_older_than_the_last_commit),
		cmocka_unit_test(a_slot_that_two_share_does_not_tell_how_old_its_readers_are),
	};

	return cmocka_run_group_tests(tests, use_utf8, NULL);
}
