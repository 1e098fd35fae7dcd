#include "tests/unit/test.h"

#include <string.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/migration_plan.h"

#define auto_revisions __attribute__((cleanup(revisions_release))) struct revisions

enum { UP, DOWN };

/* Adds each of the words. */
static void add_words(struct names *names, const char *words)
{
	auto_free char *copy = memory_copy_text(words);
	char *rest = copy;

	for (const char *word; (word = strsep(&rest, " "));)
		if (*word)
			names_add(names, word);
}

static struct revision *add(struct revisions *revisions, const char *version)
{
	struct revision *revision = memory_append(revisions);

	revision->version = memory_copy_text(version);
	revision->name = memory_copy_text("");
	revision->file = memory_copy_text("");
	return revision;
}

/* A list; what is applied begins with "*". */
static void make_list(struct revisions *revisions, const char *words)
{
	auto_names versions = { 0 };

	add_words(&versions, words);
	for (size_t i = 0; i < versions.count; i++) {
		const bool applied = *versions.items[i] == '*';

		add(revisions, versions.items[i] + applied)->applied = applied;
	}
}

/* A graph of "REVISION<PARENT<PARENT", oldest first, with its heads and where the database is. */
static void make_graph(struct revisions *revisions, const char *words, const char *heads,
		       const char *current)
{
	auto_names nodes = { 0 };

	add_words(&nodes, words);
	for (size_t i = 0; i < nodes.count; i++) {
		char *rest = nodes.items[i];
		struct revision *revision = add(revisions, strsep(&rest, "<"));

		while (rest)
			names_add(&revision->parents, strsep(&rest, "<"));
	}
	add_words(&revisions->heads, heads);
	add_words(&revisions->current, current);
}

static void assert_names(const struct names *names, const char *expected, const char *what)
{
	auto_text text = { 0 };

	names_append_printable(&text, names, " ");
	if (strcmp(text_string(&text), expected) != 0)
		fail_msg("%s: \"%s\" and not \"%s\"", what, text_string(&text), expected);
}

static void assert_list(const char *list, bool down, const char *target, const char *steps,
			const char *after)
{
	auto_revisions revisions = { 0 };
	auto_migration_plan plan = { 0 };
	struct error err = { 0 };

	make_list(&revisions, list);
	if (!migration_plan_list(&revisions, target, down, &plan, &err))
		fail_msg("%s: %s", target, err.text);
	assert_int_equal(plan.down, down);
	assert_names(&plan.steps, steps, target);
	assert_names(&plan.after, after, target);
	assert_null(plan.argument);
}

static void assert_no_list(const char *list, bool down, const char *target, const char *words)
{
	auto_revisions revisions = { 0 };
	auto_migration_plan plan = { 0 };
	struct error err = { 0 };

	make_list(&revisions, list);
	assert_false(migration_plan_list(&revisions, target, down, &plan, &err));
	assert_string_equal(err.text, words);
	assert_int_equal(err.status, STATUS_TROUBLE);
}

/* --- what can be a target ----------------------------------------------------------------------------------------- */

static void assert_target(const char *target, bool down)
{
	struct error err = { 0 };

	if (!migration_target_check(target, down, &err))
		fail_msg("%s: %s", target, err.text);
}

static void assert_no_target(const char *target, bool down, const char *words)
{
	struct error err = { 0 };

	if (migration_target_check(target, down, &err))
		fail_msg("'%s' was taken", target);
	assert_string_equal(err.text, words);
	assert_int_equal(err.status, STATUS_USAGE);
}

static void words_that_can_be_a_target_are_taken(void **state)
{
	(void)state;
	assert_target("head", UP);
	assert_target("+1", UP);
	assert_target("+1000000", UP);
	assert_target("20260101", UP);
	assert_target("base", DOWN);
	assert_target("-1", DOWN);
	assert_target("3f2a", DOWN);
	assert_target("heads", DOWN);
}

static void a_target_of_the_other_direction_is_a_usage_error(void **state)
{
	(void)state;
	assert_no_target("-2", UP, "target '-2' goes down: use down");
	assert_no_target("+2", DOWN, "target '+2' goes up: use up");
	assert_no_target("base", UP, "bad target 'base' for up");
	assert_no_target("head", DOWN, "bad target 'head' for down");
}

static void steps_that_are_no_number_are_a_usage_error(void **state)
{
	static const char *const bad[] = {
		"+", "+0", "+x", "+1x", "++1", "+-1", "+ 1", "+1000001"
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		auto_free char *up = memory_format("bad target '%s': +N or -N, please", bad[i]);
		auto_free char *other = memory_format("-%s", bad[i] + 1);
		auto_free char *down = memory_format("bad target '%s': +N or -N, please", other);

		assert_no_target(bad[i], UP, up);
		assert_no_target(other, DOWN, down);
	}
}

static void nothing_is_no_target(void **state)
{
	(void)state;
	assert_no_target("", UP, "bad target '' for up");
	assert_no_target("", DOWN, "bad target '' for down");
}

static void a_hostile_target_is_shown_tame(void **state)
{
	(void)state;
	assert_no_target("+\x1b[2J\n", UP, "bad target '+\\x1b[2J\\n': +N or -N, please");
}

/* --- a list ------------------------------------------------------------------------------------------------------- */

static void up_runs_all_that_are_not_applied(void **state)
{
	(void)state;
	assert_list("*1 2 3", UP, "head", "2 3", "3");
	assert_list("1 2", UP, "head", "1 2", "2");
	assert_list("*1 *2", UP, "head", "", "2");
	assert_list("", UP, "head", "", "");
}

static void one_that_was_left_out_is_run_and_the_newest_stays_the_newest(void **state)
{
	(void)state;
	assert_list("*1 2 *3", UP, "head", "2", "3");
	assert_list("*1 2 *3 4", UP, "+1", "2", "3");
}

static void steps_up_are_counted_among_the_pending(void **state)
{
	(void)state;
	assert_list("*1 2 3 4", UP, "+2", "2 3", "3");
	assert_list("*1 2 3 4", UP, "+3", "2 3 4", "4");
	assert_no_list("*1 2 3 4", UP, "+4", "+4: only 3 can be applied; nothing was changed");
	assert_no_list("*1", UP, "+1", "+1: only 0 can be applied; nothing was changed");
}

static void up_to_a_version_runs_what_is_not_later(void **state)
{
	(void)state;
	assert_list("*1 2 3 4", UP, "3", "2 3", "3");
	assert_list("*1 *2 3", UP, "1", "", "2");
	assert_list("1 *2 3", UP, "2", "1", "2");
}

static void down_takes_the_newest_back_first(void **state)
{
	(void)state;
	assert_list("*1 *2 *3 4", DOWN, "-1", "3", "2");
	assert_list("*1 *2 *3 4", DOWN, "-3", "3 2 1", "");
	assert_list("*1 2 *3", DOWN, "-2", "3 1", "");
	assert_no_list("*1 *2 3", DOWN, "-3", "-3: only 2 can be taken back; nothing was changed");
}

static void down_ends_at_the_version(void **state)
{
	(void)state;
	assert_list("*1 *2 *3 4", DOWN, "1", "3 2", "1");
	assert_list("*1 *2 *3", DOWN, "3", "", "3");
	assert_list("*1 2 *3", DOWN, "base", "3 1", "");
	assert_list("1 2", DOWN, "base", "", "");
}

static void there_is_no_way_down_to_what_is_not_applied(void **state)
{
	(void)state;
	assert_no_list("*1 22 *3", DOWN, "22",
		       "22: is not applied, so there is no way down to it; nothing was changed");
}

static void a_number_of_a_list_is_a_number_and_no_beginning(void **state)
{
	(void)state;
	assert_list("001 002 200", UP, "2", "001 002", "002");
	assert_list("20 201 202", UP, "020", "20", "20");
	assert_no_list("201 202 310", UP, "3", "3: no such revision; nothing was changed");
	assert_no_list("201", UP, "2011", "2011: no such revision; nothing was changed");
	assert_no_list("201 3201", UP, "01", "01: no such revision; nothing was changed");
	assert_no_list("", DOWN, "a\x1b", "a\\x1b: no such revision; nothing was changed");
}

/* --- a graph ------------------------------------------------------------------------------------------------------ */

/*
 *     a - b - d - e
 *      \- c -/
 */
#define DIAMOND "a b<a c<a d<b<c e<d"
#define LINE "a b<a c<b d<c"

static void assert_graph(const struct revisions *revisions, bool down, const char *target,
			 const char *steps, const char *after, const char *argument)
{
	auto_migration_plan plan = { 0 };
	struct error err = { 0 };

	if (!migration_plan_graph(revisions, target, down, &plan, &err))
		fail_msg("%s: %s", target, err.text);
	assert_int_equal(plan.down, down);
	assert_names(&plan.steps, steps, target);

	names_sort(&plan.after);
	assert_names(&plan.after, after, target);
	if (!argument || !plan.argument)
		assert_true(argument == plan.argument);
	else
		assert_string_equal(plan.argument, argument);
}

static void assert_made(const char *graph, const char *heads, const char *current, bool down,
			const char *target, const char *steps, const char *after,
			const char *argument)
{
	auto_revisions revisions = { 0 };

	make_graph(&revisions, graph, heads, current);
	assert_graph(&revisions, down, target, steps, after, argument);
}

static void assert_not_made(const char *graph, const char *heads, const char *current, bool down,
			    const char *target, const char *words)
{
	auto_revisions revisions = { 0 };
	auto_migration_plan plan = { 0 };
	struct error err = { 0 };

	make_graph(&revisions, graph, heads, current);
	if (migration_plan_graph(&revisions, target, down, &plan, &err))
		fail_msg("%s: has a plan", target);
	assert_string_equal(err.text, words);
	assert_int_equal(err.status, STATUS_TROUBLE);
}

static void a_chain_is_gone_up_from_where_the_database_is(void **state)
{
	(void)state;
	assert_made(LINE, "d", "", UP, "head", "a b c d", "d", "d");
	assert_made(LINE, "d", "b", UP, "head", "c d", "d", "d");
	assert_made(LINE, "d", "b", UP, "c", "c", "c", "c");
	assert_made(LINE, "d", "b", UP, "+1", "c", "c", "c");
	assert_made(LINE, "d", "", UP, "+3", "a b c", "c", "c");
	assert_made(LINE, "d", "d", UP, "head", "", "d", "d");
}

static void up_to_what_is_applied_does_nothing(void **state)
{
	(void)state;
	assert_made(LINE, "d", "c", UP, "a", "", "c", "a");
}

static void a_chain_is_gone_down_to_where_the_target_is(void **state)
{
	(void)state;
	assert_made(LINE, "d", "c", DOWN, "a", "c b", "a", "a");
	assert_made(LINE, "d", "c", DOWN, "-1", "c", "b", "b");
	assert_made(LINE, "d", "c", DOWN, "-3", "c b a", "", "base");
	assert_made(LINE, "d", "c", DOWN, "base", "c b a", "", "base");
	assert_made(LINE, "d", "c", DOWN, "c", "", "c", "c");
	assert_made(LINE, "d", "", DOWN, "base", "", "", "base");
}

static void more_steps_than_there_are_is_trouble(void **state)
{
	(void)state;
	assert_not_made(LINE, "d", "b", UP, "+3", "+3: only 2 can be applied; nothing was changed");
	assert_not_made(LINE, "d", "b", DOWN, "-3",
			"-3: only 2 can be taken back; nothing was changed");
	assert_not_made("", "", "", UP, "+1", "+1: only 0 can be applied; nothing was changed");
}

static void a_project_without_revisions_has_nothing_to_run(void **state)
{
	(void)state;
	assert_made("", "", "", UP, "head", "", "", NULL);
	assert_made("", "", "", DOWN, "base", "", "", "base");
}

static void a_merge_is_reached_over_both_of_its_sides(void **state)
{
	(void)state;
	assert_made(DIAMOND, "e", "", UP, "head", "a b c d e", "e", "e");
	assert_made(DIAMOND, "e", "b", UP, "head", "c d e", "e", "e");
	assert_made(DIAMOND, "e", "b c", UP, "head", "d e", "e", "e");
	assert_made(DIAMOND, "e", "b", UP, "d", "c d", "d", "d");
}

static void a_branch_leaves_the_database_at_two(void **state)
{
	(void)state;
	assert_made(DIAMOND, "e", "b", UP, "c", "c", "b c", "c");
	assert_made("a b<a c<a", "b c", "b", UP, "c", "c", "b c", "c");
	assert_made("a b<a f", "b f", "b", UP, "f", "f", "b f", "f");
}

static void several_heads_are_no_head(void **state)
{
	(void)state;
	assert_not_made(
		"a b<a c<a", "b c", "a", UP, "head",
		"there is more than one head: b, c; merge them (alembic merge), or name one; nothing was changed");
}

static void steps_do_not_choose_a_branch(void **state)
{
	(void)state;
	assert_not_made(
		DIAMOND, "e", "a", UP, "+1",
		"steps lead to more than one revision: b, c; name the one; nothing was changed");
	assert_not_made(
		"a f", "a f", "", UP, "+1",
		"steps lead to more than one revision: a, f; name the one; nothing was changed");
	assert_not_made(
		DIAMOND, "e", "d", DOWN, "-1",
		"steps lead down to more than one revision: b, c; name the one; nothing was changed");
}

static void steps_from_several_revisions_are_trouble(void **state)
{
	static const char words[] =
		"the database is at more than one revision: b, c; name the one to go to; nothing was changed";

	(void)state;
	assert_not_made(DIAMOND, "e", "b c", UP, "+1", words);
	assert_not_made(DIAMOND, "e", "b c", DOWN, "-1", words);
}

static void down_from_several_revisions_takes_back_what_comes_after_the_target(void **state)
{
	(void)state;
	assert_made(DIAMOND, "e", "b c", DOWN, "a", "c b", "a", "a");
	assert_made(DIAMOND, "e", "b c", DOWN, "base", "c b a", "", "base");
}

/* As Alembic does it: only what comes after the target is taken back. */
static void down_leaves_other_branches_alone(void **state)
{
	(void)state;
	assert_made("a b<a f g<f", "b g", "b g", DOWN, "f", "g", "b f", "f");
	assert_made("a b<a f", "b f", "b f", DOWN, "f", "", "b f", "f");
	assert_made("a b<a c<a d<c", "b d", "b d", DOWN, "c", "d", "b c", "c");
}

static void down_from_a_merge_leaves_its_other_side(void **state)
{
	(void)state;
	assert_made(DIAMOND, "e", "e", DOWN, "b", "e d", "b c", "b");
	assert_made(DIAMOND, "e", "d", DOWN, "c", "d", "b c", "c");
}

static void a_graph_has_no_way_down_to_what_is_not_applied(void **state)
{
	(void)state;
	assert_not_made(LINE, "d", "b", DOWN, "c",
			"c: is not applied, so there is no way down to it; nothing was changed");
	assert_not_made(DIAMOND, "e", "b", DOWN, "c",
			"c: is not applied, so there is no way down to it; nothing was changed");
}

static void the_beginning_of_a_revision_will_do_when_it_is_clear(void **state)
{
	(void)state;
	assert_made("3f2a 3f2b<3f2a 4c<3f2b", "4c", "", UP, "3f2b", "3f2a 3f2b", "3f2b", "3f2b");
	assert_made("3f2a 3f2b<3f2a 4c<3f2b", "4c", "4c", DOWN, "3f2a", "4c 3f2b", "3f2a", "3f2a");
	assert_made("3f2a 4c<3f2a", "4c", "", UP, "3f", "3f2a", "3f2a", "3f2a");
	assert_not_made("3f2a 3f2b<3f2a", "3f2b", "", UP, "3f",
			"3f: begins more than one revision; nothing was changed");
	assert_not_made("3f2a", "3f2a", "", UP, "5", "5: no such revision; nothing was changed");
	assert_not_made("3f2a", "3f2a", "3f2a", DOWN, "5",
			"5: no such revision; nothing was changed");
}

static void a_parent_that_is_not_known_does_no_harm(void **state)
{
	(void)state;
	assert_made("b<a c<b", "c", "", UP, "head", "b c", "c", "c");
}

static void a_long_ladder_of_merges_is_planned_in_time(void **state)
{
	enum { RUNGS = 60 };
	auto_revisions revisions = { 0 };
	auto_migration_plan plan = { 0 };
	struct error err = { 0 };

	/* Each merge doubles the ways from the top to the bottom. */
	(void)state;
	names_add(&revisions.heads, "m59");
	for (int i = 0; i < RUNGS; i++)
		for (const char *kind = "lrm"; *kind; kind++) {
			auto_free char *version = memory_format("%c%d", *kind, i);
			auto_free char *left = memory_format("l%d", i);
			auto_free char *right = memory_format("r%d", i);
			auto_free char *before = memory_format("m%d", i - 1);
			struct names *parents = &add(&revisions, version)->parents;

			if (*kind == 'm') {
				names_add(parents, left);
				names_add(parents, right);
			} else if (i > 0) {
				names_add(parents, before);
			}
		}
	assert_true(migration_plan_graph(&revisions, "head", UP, &plan, &err));
	assert_int_equal(plan.steps.count, 3 * RUNGS);
	assert_names(&plan.after, "m59", "head");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_that_can_be_a_target_are_taken),
		cmocka_unit_test(a_target_of_the_other_direction_is_a_usage_error),
		cmocka_unit_test(steps_that_are_no_number_are_a_usage_error),
		cmocka_unit_test(nothing_is_no_target),
		cmocka_unit_test(a_hostile_target_is_shown_tame),
		cmocka_unit_test(up_runs_all_that_are_not_applied),
		cmocka_unit_test(one_that_was_left_out_is_run_and_the_newest_stays_the_newest),
		cmocka_unit_test(steps_up_are_counted_among_the_pending),
		cmocka_unit_test(up_to_a_version_runs_what_is_not_later),
		cmocka_unit_test(down_takes_the_newest_back_first),
		cmocka_unit_test(down_ends_at_the_version),
		cmocka_unit_test(there_is_no_way_down_to_what_is_not_applied),
		cmocka_unit_test(a_number_of_a_list_is_a_number_and_no_beginning),
		cmocka_unit_test(a_chain_is_gone_up_from_where_the_database_is),
		cmocka_unit_test(up_to_what_is_applied_does_nothing),
		cmocka_unit_test(a_chain_is_gone_down_to_where_the_target_is),
		cmocka_unit_test(more_steps_than_there_are_is_trouble),
		cmocka_unit_test(a_project_without_revisions_has_nothing_to_run),
		cmocka_unit_test(a_merge_is_reached_over_both_of_its_sides),
		cmocka_unit_test(a_branch_leaves_the_database_at_two),
		cmocka_unit_test(several_heads_are_no_head),
		cmocka_unit_test(steps_do_not_choose_a_branch),
		cmocka_unit_test(steps_from_several_revisions_are_trouble),
		cmocka_unit_test(
			down_from_several_revisions_takes_back_what_comes_after_the_target),
		cmocka_unit_test(down_leaves_other_branches_alone),
		cmocka_unit_test(down_from_a_merge_leaves_its_other_side),
		cmocka_unit_test(a_graph_has_no_way_down_to_what_is_not_applied),
		cmocka_unit_test(the_beginning_of_a_revision_will_do_when_it_is_clear),
		cmocka_unit_test(a_parent_that_is_not_known_does_no_harm),
		cmocka_unit_test(a_long_ladder_of_merges_is_planned_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
