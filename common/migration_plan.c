#include "common/migration_plan.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/parse.h"
#include "common/base/scope.h"
#include "common/base/text.h"

void migration_plan_release(struct migration_plan *plan)
{
	names_release(&plan->steps);
	names_release(&plan->after);
	free(plan->argument);
	*plan = (struct migration_plan){ 0 };
}

/* "+3" or "-3" with the given sign. */
static bool read_steps(const char *target, char sign, uint64_t *steps)
{
	return *target == sign && parse_whole(target + 1, 1000000, steps) && *steps > 0;
}

static void no_such(const char *shown, struct error *err)
{
	(void)fail(err, STATUS_TROUBLE, "%s: no such revision; nothing was changed", shown);
}

/* The revision that a target names: exactly, or as the only one that begins so. */
static const struct revision *resolve(const struct revisions *revisions, const char *target,
				      struct error *err)
{
	const struct revision *found = revisions_find(revisions, target);
	auto_free char *shown = text_printable(target);
	size_t count = 0;

	if (found)
		return found;
	for (size_t i = 0; i < revisions->count; i++)
		if (strncmp(revisions->items[i].version, target, strlen(target)) == 0 &&
		    ++count == 1)
			found = &revisions->items[i];
	if (count == 1)
		return found;
	if (count == 0)
		no_such(shown, err);
	else
		(void)fail(err, STATUS_TROUBLE,
			   "%s: begins more than one revision; nothing was changed", shown);
	return NULL;
}

static bool too_few(uint64_t wanted, size_t there, bool down, struct error *err)
{
	return fail(err, STATUS_TROUBLE, "%s%llu: only %zu can be %s; nothing was changed",
		    down ? "-" : "+", (unsigned long long)wanted, there,
		    down ? "taken back" : "applied");
}

/* --- a list ------------------------------------------------------------------------------------------------------ */

static size_t count_applied(const struct revisions *revisions, bool applied)
{
	size_t count = 0;

	for (size_t i = 0; i < revisions->count; i++)
		count += revisions->items[i].applied == applied;
	return count;
}

/* The one of that number: "2" for "002". */
static const struct revision *find_number(const struct revisions *revisions, const char *target,
					  struct error *err)
{
	const char *number = target + strspn(target, "0");
	auto_free char *shown = text_printable(target);

	for (const struct revision *one = revisions->items;
	     one < revisions->items + revisions->count; one++)
		if (strcmp(one->version + strspn(one->version, "0"), number) == 0)
			return one;
	no_such(shown, err);
	return NULL;
}

/* How many of the list's entries, counted from its start, the target lets stay (down) or reaches (up). */
static bool list_limit(const struct revisions *revisions, const char *target, size_t *limit,
		       struct error *err)
{
	const struct revision *wanted = NULL;

	*limit = revisions->count;
	if (strcmp(target, "head") == 0 || *target == '+' || *target == '-')
		return true;
	*limit = 0;
	if (strcmp(target, "base") == 0)
		return true;
	wanted = find_number(revisions, target, err);
	if (wanted)
		*limit = (size_t)(wanted - revisions->items) + 1;
	return wanted != NULL;
}

static bool plan_list_up(const struct revisions *revisions, const char *target,
			 struct migration_plan *plan, struct error *err)
{
	const size_t pending = count_applied(revisions, false);
	size_t limit = 0;
	uint64_t most = UINT64_MAX;

	if (!list_limit(revisions, target, &limit, err))
		return false;
	if (read_steps(target, '+', &most) && most > pending)
		return too_few(most, pending, false, err);
	for (size_t i = 0; i < limit && plan->steps.count < most; i++)
		if (!revisions->items[i].applied)
			names_add(&plan->steps, revisions->items[i].version);
	return true;
}

static bool plan_list_down(const struct revisions *revisions, const char *target,
			   struct migration_plan *plan, struct error *err)
{
	const size_t applied = count_applied(revisions, true);
	const bool counted = *target == '-';
	size_t stay = 0;
	uint64_t most = UINT64_MAX;

	if (!list_limit(revisions, target, &stay, err))
		return false;
	if (read_steps(target, '-', &most) && most > applied)
		return too_few(most, applied, true, err);
	if (!counted && stay > 0 && !revisions->items[stay - 1].applied)
		return fail(
			err, STATUS_TROUBLE,
			"%s: is not applied, so there is no way down to it; nothing was changed",
			revisions->items[stay - 1].version);
	for (size_t i = revisions->count; i-- > (counted ? 0 : stay) && plan->steps.count < most;)
		if (revisions->items[i].applied)
			names_add(&plan->steps, revisions->items[i].version);
	return true;
}

bool migration_plan_list(const struct revisions *revisions, const char *target, bool down,
			 struct migration_plan *plan, struct error *err)
{
	plan->down = down;
	if (!(down ? plan_list_down(revisions, target, plan, err)
		   : plan_list_up(revisions, target, plan, err)))
		return false;
	/* The newest that is applied then says where the database is. */
	for (size_t i = revisions->count; i-- > 0 && plan->after.count == 0;) {
		const struct revision *revision = &revisions->items[i];

		if (names_has(&plan->steps, revision->version) ? !down : revision->applied)
			names_add(&plan->after, revision->version);
	}
	return true;
}

/* --- a graph ----------------------------------------------------------------------------------------------------- */

static void add_missing(const struct names *from, struct names *to)
{
	for (size_t i = 0; i < from->count; i++)
		if (!names_has(to, from->items[i]))
			names_add(to, from->items[i]);
}

/* Adds a revision and all that come before it. */
static void add_ancestors(const struct revisions *revisions, const char *version,
			  struct names *ancestors)
{
	const size_t first = ancestors->count;

	if (!names_has(ancestors, version))
		names_add(ancestors, version);
	for (size_t i = first; i < ancestors->count; i++) {
		const struct revision *revision = revisions_find(revisions, ancestors->items[i]);

		if (revision) {
			add_missing(&revision->parents, ancestors);
			add_missing(&revision->needs, ancestors);
		}
	}
}

static void add_all_ancestors(const struct revisions *revisions, const struct names *versions,
			      struct names *ancestors)
{
	for (size_t i = 0; i < versions->count; i++)
		add_ancestors(revisions, versions->items[i], ancestors);
}

/* The revisions of a set that no other of the set comes after. */
static void find_heads(const struct revisions *revisions, const struct names *set,
		       struct names *heads)
{
	for (size_t i = 0; i < set->count; i++) {
		bool is_parent = false;

		for (size_t j = 0; j < set->count && !is_parent; j++) {
			const struct revision *other = revisions_find(revisions, set->items[j]);

			is_parent = other && (names_has(&other->parents, set->items[i]) ||
					      names_has(&other->needs, set->items[i]));
		}
		if (!is_parent)
			names_add(heads, set->items[i]);
	}
}

static bool many(const char *what, const struct names *names, const char *advice, struct error *err)
{
	auto_text list = { 0 };

	names_append_printable(&list, names, ", ");
	return fail(err, STATUS_TROUBLE, "%s: %s; %s; nothing was changed", what,
		    text_string(&list), advice);
}

/* The one that comes next after `version` (NULL: the first one), which must be one. */
static const struct revision *next_one(const struct revisions *revisions, const char *version,
				       struct error *err)
{
	const struct revision *next = NULL;
	auto_names children = { 0 };

	for (size_t i = 0; i < revisions->count; i++) {
		const struct revision *revision = &revisions->items[i];

		if (version ? !names_has(&revision->parents, version) : revision->parents.count > 0)
			continue;
		next = revision;
		names_add(&children, revision->version);
	}
	if (children.count <= 1)
		return next;
	(void)many("steps lead to more than one revision", &children, "name the one", err);
	return NULL;
}

static bool step_up(const struct revisions *revisions, uint64_t steps, const char **to,
		    struct error *err)
{
	const char *at = revisions->current.count > 0 ? revisions->current.items[0] : NULL;

	if (revisions->current.count > 1)
		return many("the database is at more than one revision", &revisions->current,
			    "name the one to go to", err);
	for (uint64_t i = 0; i < steps; i++) {
		const struct revision *next = next_one(revisions, at, err);

		if (!next)
			return err->status == STATUS_OK && too_few(steps, (size_t)i, false, err);
		at = next->version;
	}
	*to = at;
	return true;
}

static bool find_up(const struct revisions *revisions, const char *target, const char **to,
		    struct error *err)
{
	const struct revision *wanted = NULL;
	uint64_t steps = 0;

	*to = NULL;
	if (read_steps(target, '+', &steps))
		return step_up(revisions, steps, to, err);
	if (strcmp(target, "head") == 0) {
		if (revisions->heads.count > 1)
			return many("there is more than one head", &revisions->heads,
				    "merge them (alembic merge), or name one", err);
		*to = revisions->heads.count > 0 ? revisions->heads.items[0] : NULL;
		return true;
	}
	wanted = resolve(revisions, target, err);
	if (wanted)
		*to = wanted->version;
	return wanted != NULL;
}

static bool plan_graph_up(const struct revisions *revisions, const char *target,
			  struct migration_plan *plan, struct error *err)
{
	auto_names applied = { 0 }, all = { 0 };
	const char *to = NULL;

	if (!find_up(revisions, target, &to, err))
		return false;
	add_all_ancestors(revisions, &revisions->current, &applied);
	add_all_ancestors(revisions, &revisions->current, &all);
	if (to)
		add_ancestors(revisions, to, &all);
	for (size_t i = 0; i < revisions->count; i++) {
		const char *version = revisions->items[i].version;

		if (names_has(&all, version) && !names_has(&applied, version))
			names_add(&plan->steps, version);
	}
	find_heads(revisions, &all, &plan->after);
	plan->argument = memory_copy_text(to);
	return true;
}

static bool step_down(const struct revisions *revisions, uint64_t steps, const char **to,
		      struct error *err)
{
	const char *at = revisions->current.count > 0 ? revisions->current.items[0] : NULL;

	if (revisions->current.count > 1)
		return many("the database is at more than one revision", &revisions->current,
			    "name the one to go to", err);
	for (uint64_t i = 0; i < steps; i++) {
		const struct revision *revision = at ? revisions_find(revisions, at) : NULL;

		if (!revision)
			return too_few(steps, (size_t)i, true, err);
		if (revision->parents.count > 1)
			return many("steps lead down to more than one revision", &revision->parents,
				    "name the one", err);
		at = revision->parents.count > 0 ? revision->parents.items[0] : NULL;
	}
	*to = at;
	return true;
}

static bool find_down(const struct revisions *revisions, const char *target,
		      const struct names *applied, const char **to, struct error *err)
{
	const struct revision *wanted = NULL;
	uint64_t steps = 0;

	*to = NULL;
	if (strcmp(target, "base") == 0)
		return true;
	if (read_steps(target, '-', &steps))
		return step_down(revisions, steps, to, err);
	wanted = resolve(revisions, target, err);
	if (!wanted)
		return false;
	*to = wanted->version;
	return names_has(applied, wanted->version) ||
	       fail(err, STATUS_TROUBLE,
		    "%s: is not applied, so there is no way down to it; nothing was changed",
		    wanted->version);
}

static bool comes_after(const struct revisions *revisions, const char *version, const char *to)
{
	auto_names ancestors = { 0 };

	add_ancestors(revisions, version, &ancestors);
	return strcmp(version, to) != 0 && names_has(&ancestors, to);
}

/* What comes after the target is taken back; other branches, and the other side of a merge, stay. */
static bool plan_graph_down(const struct revisions *revisions, const char *target,
			    struct migration_plan *plan, struct error *err)
{
	auto_names applied = { 0 }, stay = { 0 };
	const char *to = NULL;

	add_all_ancestors(revisions, &revisions->current, &applied);
	if (!find_down(revisions, target, &applied, &to, err))
		return false;
	plan->argument = memory_copy_text(to ? to : "base");
	for (size_t i = revisions->count; i-- > 0;) {
		const char *version = revisions->items[i].version;

		if (names_has(&applied, version))
			names_add(!to || comes_after(revisions, version, to) ? &plan->steps : &stay,
				  version);
	}
	find_heads(revisions, &stay, &plan->after);
	return true;
}

bool migration_plan_graph(const struct revisions *revisions, const char *target, bool down,
			  struct migration_plan *plan, struct error *err)
{
	plan->down = down;
	return down ? plan_graph_down(revisions, target, plan, err)
		    : plan_graph_up(revisions, target, plan, err);
}
