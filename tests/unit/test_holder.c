#include "tests/unit/test.h"

#include "tests/unit/made_up.h"

#include "common/holder.h"

static void hold(struct holder *holder, enum lock_slot slot, bool write)
{
	const struct lock_range range = lock_slot_range(slot);

	lock_bytes_add(&holder->locks, range.file, range.start, range.start + range.length - 1,
		       write);
}

static void roles_have_names(void **state)
{
	(void)state;
	assert_string_equal(holder_role_name(ROLE_OPEN), "open");
	assert_string_equal(holder_role_name(ROLE_CONNECTED), "connected");
	assert_string_equal(holder_role_name(ROLE_READER), "reader");
	assert_string_equal(holder_role_name(ROLE_WRITER), "writer");
	assert_string_equal(holder_role_name(ROLE_CHECKPOINTER), "checkpointer");
	assert_string_equal(holder_role_name(ROLE_RECOVERING), "recovering");
}

static void each_lock_makes_its_role(void **state)
{
	static const struct {
		enum journal_mode mode;
		enum lock_slot slot;
		bool write;
		enum holder_role role;
	} cases[] = {
		{ JOURNAL_ROLLBACK, SLOT_SHARED, false, ROLE_READER },
		{ JOURNAL_ROLLBACK, SLOT_RESERVED, true, ROLE_WRITER },
		{ JOURNAL_ROLLBACK, SLOT_PENDING, true, ROLE_WRITER },
		{ JOURNAL_ROLLBACK, SLOT_SHARED, true, ROLE_WRITER },
		{ JOURNAL_UNKNOWN, SLOT_SHARED, false, ROLE_READER },
		{ JOURNAL_WAL, SLOT_SHARED, false, ROLE_CONNECTED },
		{ JOURNAL_WAL, SLOT_DMS, false, ROLE_CONNECTED },
		{ JOURNAL_WAL, SLOT_READ0, false, ROLE_READER },
		{ JOURNAL_WAL, SLOT_READ4, false, ROLE_READER },
		{ JOURNAL_WAL, SLOT_WRITE, true, ROLE_WRITER },
		{ JOURNAL_WAL, SLOT_CKPT, true, ROLE_CHECKPOINTER },
		{ JOURNAL_WAL, SLOT_RECOVER, true, ROLE_RECOVERING },
		{ JOURNAL_WAL, SLOT_SHARED, true, ROLE_WRITER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct holder holder = { 0 };

		hold(&holder, cases[i].slot, cases[i].write);
		assert_int_equal(holder_role(&holder, cases[i].mode), cases[i].role);
	}
}

static void the_first_role_that_fits_is_taken(void **state)
{
	struct holder holder = { 0 };

	(void)state;
	assert_int_equal(holder_role(&holder, JOURNAL_WAL), ROLE_OPEN);
	hold(&holder, SLOT_SHARED, false);
	hold(&holder, SLOT_DMS, false);
	assert_int_equal(holder_role(&holder, JOURNAL_WAL), ROLE_CONNECTED);
	hold(&holder, SLOT_READ2, false);
	assert_int_equal(holder_role(&holder, JOURNAL_WAL), ROLE_READER);
	hold(&holder, SLOT_WRITE, true);
	assert_int_equal(holder_role(&holder, JOURNAL_WAL), ROLE_WRITER);
	hold(&holder, SLOT_CKPT, true);
	assert_int_equal(holder_role(&holder, JOURNAL_WAL), ROLE_CHECKPOINTER);
	hold(&holder, SLOT_RECOVER, true);
	assert_int_equal(holder_role(&holder, JOURNAL_WAL), ROLE_RECOVERING);
}

static void a_connection_that_has_lost_its_header_still_counts_as_wal(void **state)
{
	struct holder holder = { 0 };

	(void)state;
	/* The mode is unknown (encrypted); SHARED together with DMS is what a WAL connection keeps. */
	hold(&holder, SLOT_SHARED, false);
	hold(&holder, SLOT_DMS, false);
	assert_int_equal(holder_role(&holder, JOURNAL_UNKNOWN), ROLE_CONNECTED);
}

static void who_has_only_the_old_file_is_judged_by_its_old_locks(void **state)
{
	struct survey survey;
	struct holder *holder = NULL;

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);
	holder = made_up_process(&survey, 1, "/bin/x", "x");
	made_up_file(holder, FILE_MAIN, 3, true)->replaced = true;
	lock_bytes_add(&holder->old_locks, FILE_MAIN, 0x40000001, 0x40000001, true);
	assert_true(holder_uses_replaced(holder));
	assert_false(holder_uses_current(holder));
	assert_ptr_equal(holder_locks(holder), &holder->old_locks);
	assert_int_equal(holder_role(holder, JOURNAL_ROLLBACK), ROLE_WRITER);

	/* With the file at the path open as well, that one counts. */
	(void)made_up_file(holder, FILE_MAIN, 4, true);
	assert_true(holder_uses_current(holder));
	assert_int_equal(holder_role(holder, JOURNAL_ROLLBACK), ROLE_OPEN);
	survey_release(&survey);
}

static void a_lock_alone_is_use(void **state)
{
	struct holder holder = { 0 };

	(void)state;
	assert_false(holder_uses_current(&holder));
	hold(&holder, SLOT_SHARED, false);
	assert_true(holder_uses_current(&holder));
}

static void only_a_reader_without_locks_and_sidecars_is_a_bystander(void **state)
{
	static const enum database_file sidecars[] = { FILE_WAL, FILE_SHM, FILE_JOURNAL };
	struct survey survey;
	struct holder *holder = NULL;

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);
	holder = made_up_process(&survey, 1, "/bin/cp", "cp");
	(void)made_up_file(holder, FILE_MAIN, 3, false);
	assert_true(holder_is_bystander(holder));
	hold(holder, SLOT_SHARED, false);
	assert_false(holder_is_bystander(holder));

	for (size_t i = 0; i < sizeof sidecars / sizeof *sidecars; i++) {
		holder = made_up_process(&survey, 2, "/bin/x", "x");
		(void)made_up_file(holder, FILE_MAIN, 3, false);
		(void)made_up_file(holder, sidecars[i], 4, false);
		assert_false(holder_is_bystander(holder));
	}
	holder = made_up_process(&survey, 3, "/bin/x", "x");
	(void)made_up_file(holder, FILE_MAIN, 3, false);
	(void)made_up_file(holder, FILE_MAIN, 4, true);
	assert_false(holder_is_bystander(holder));
	assert_true(holder_can_write(holder, FILE_MAIN));
	assert_false(holder_can_write(holder, FILE_WAL));
	survey_release(&survey);
}

static void idle_needs_two_samples(void **state)
{
	struct survey survey;
	struct holder *holder = NULL;

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);
	holder = made_up_user(&survey, 1);
	assert_true(holder_is_idle(holder));
	assert_false(holder_is_stopped(holder));
	holder->sampled_seconds = 0;
	assert_false(holder_is_idle(holder));
	made_up_stopped(holder);
	holder->sampled_seconds = 0.25;
	assert_false(holder_is_idle(holder));
	assert_true(holder_is_stopped(holder));
	survey_release(&survey);
}

static void assert_command(const struct holder *holder, const char *expected)
{
	char *command = holder_command(holder);

	assert_string_equal(command, expected);
	free(command);
}

static void commands_are_shown_printable(void **state)
{
	struct survey survey;
	struct holder *holder = NULL;

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);
	holder = made_up_process(&survey, 1, "/bin/x", "x --a\x1b[31m b\nc \xff");
	assert_command(holder, "x --a\\x1b[31m b\\nc \\xff");
	survey_release(&survey);
}

static void what_has_no_command_line_is_shown_by_its_name(void **state)
{
	struct survey survey;
	struct holder *holder = NULL, unknown = { .process.pid = 9 };

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);
	holder = made_up_process(&survey, 1, "/bin/x", "");
	assert_command(holder, "[python3]");
	assert_command(&unknown, "? (its locks are all that can be seen)");
	survey_release(&survey);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roles_have_names),
		cmocka_unit_test(each_lock_makes_its_role),
		cmocka_unit_test(the_first_role_that_fits_is_taken),
		cmocka_unit_test(a_connection_that_has_lost_its_header_still_counts_as_wal),
		cmocka_unit_test(who_has_only_the_old_file_is_judged_by_its_old_locks),
		cmocka_unit_test(a_lock_alone_is_use),
		cmocka_unit_test(only_a_reader_without_locks_and_sidecars_is_a_bystander),
		cmocka_unit_test(idle_needs_two_samples),
		cmocka_unit_test(commands_are_shown_printable),
		cmocka_unit_test(what_has_no_command_line_is_shown_by_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
