/*
 * The rules behind diagnosis.h; only diagnosis.c calls them, through its table. Each looks at a survey and its
 * verdict, and when it applies fills in pids, why and fix and returns true.
 */
#ifndef COMMON_RULES_H
#define COMMON_RULES_H

#include <stdbool.h>

#include "common/diagnosis.h"

typedef bool rule(const struct survey *survey, const struct verdict *verdict,
		  struct finding *finding);

/* rules_locks.c: who holds what, and what that stops. */
rule rule_idle_writer, rule_active_writer, rule_reader_blocks_commit, rule_exclusive_mode,
	rule_recovering, rule_lost_locks, rule_hidden_holder;

/* rules_wal.c: what readers do to a WAL. */
rule rule_stale_snapshot, rule_pinned_wal;

/* rules_processes.c: what the processes are. */
rule rule_two_instances, rule_stopped_holder, rule_bystander, rule_hidden_processes, rule_waiting;

/* rules_files.c: what lies on the disk. */
rule rule_leftover_wal, rule_replaced_file, rule_hot_journal, rule_unsafe_filesystem,
	rule_stale_dotfile, rule_dotfile_lock, rule_not_a_database;

/* rules_relations.c: what they have to do with one another, and with the files' names and owners. */
rule rule_deadlock, rule_leftover_child, rule_forked_connection, rule_split_sidecars,
	rule_sidecar_permissions;

/* Adds a holder to the finding's PIDs. */
void finding_add(struct finding *finding, const struct holder *holder);

/* Adds all of whom that is true. Returns the first of them, NULL when there is none. */
typedef bool holder_test(const struct survey *survey, const struct holder *holder);
const struct holder *finding_add_those(struct finding *finding, const struct survey *survey,
				       holder_test *is_one);

/* "4123", "4123 and 4377", "4123, 4377 and 5 more". free() it. */
char *finding_who(const struct finding *finding);

/* "TOOL DATABASE", ready to be pasted into a shell. free() it. */
char *finding_command(const struct survey *survey, const char *tool);

#endif
