/*
 * Which migrations run, and where the database is then: from what there is and what the user asks for. Pure.
 *
 * A target is "head", "base", "+N" or "-N" steps, or a version; of a version so much as makes it clear.
 */
#ifndef COMMON_MIGRATION_PLAN_H
#define COMMON_MIGRATION_PLAN_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/names.h"
#include "common/revisions.h"

struct migration_plan {
	bool down;
	struct names steps; /* versions, in the order they run */
	struct names after; /* where the database is then; nothing: at the base */
	char *argument;	    /* of a graph: the one revision to go to, or "base" */
};

#define auto_migration_plan __attribute__((cleanup(migration_plan_release))) struct migration_plan

/* Whether the words can be a target at all; else a usage error. */
bool migration_target_check(const char *target, bool down, struct error *err);

/*
 * Migrations that are a list, each applied or not (dbmate, golang-migrate). Up: all that are not applied, as far as the target. Down: the newest
 * that are applied, back to the target.
 */
bool migration_plan_list(const struct revisions *revisions, const char *target, bool down,
			 struct migration_plan *plan, struct error *err);

/* Migrations that name what they come after (Alembic). */
bool migration_plan_graph(const struct revisions *revisions, const char *target, bool down,
			  struct migration_plan *plan, struct error *err);

void migration_plan_release(struct migration_plan *plan);

#endif
