#!/usr/bin/env bats
# bats file_tags=slow
#
# Each operation on files of dbbackup, dbrestore, dbmigrate and what that runs is broken, one at a time: killed before
# it, failed, torn, and cut off by a power loss. See tests/fault/faults.
#
# DBLOCKTOOLS_LONG=1 tries every way to fail at every point, more than 10,000 states of power losses for each of the
# four operations, and shows that the tests find bugs that were put in.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	[[ ! ${DBLOCKTOOLS_SANITIZED-} ]] || skip 'the sanitizers want to be loaded first'
	fault=$repository/tests/fault
	bin=${DBLOCKTOOLS_BIN:-$repository/build}
}

# What is not right is shown, with the command that shows it again.
never_half_done() {
	run "$fault/faults" --bin "$bin" --only "$1" ${DBLOCKTOOLS_LONG:+--long}
	echo "# $1: ${lines[-2]-}; ${lines[-1]-}" >&3
	echo "$output"
	[ "$status" -eq 0 ]
	[[ ${lines[-1]} == *' passed, 0 failed' ]]
}

@test "whatever fails, a backup that has its name is whole, and the database is as it was" {
	never_half_done 'backup-*'
}

@test "whatever fails, a restore by transaction leaves the old database or the new one" {
	never_half_done 'transaction-*'
}

@test "whatever fails, a restore by rename leaves the old files or the new database" {
	never_half_done 'rename-*'
}

@test "whatever fails, a migration in SQL leaves the old database or the new one" {
	never_half_done 'migrate-sql-*'
}

@test "whatever fails, a migration by Alembic or another program leaves the old database or the new one" {
	[[ $EUID == 0 ]] || skip 'needs root, to give a program a view of its own'
	never_half_done 'migrate-[ac]*'
}

@test "bugs that are put in are found" {
	[[ ${DBLOCKTOOLS_LONG-} ]] || skip 'only in the long form: it builds the tools for each of them'
	run "$fault/mutants/run" "$bin"
	echo "# ${lines[-1]-}" >&3
	echo "$output"
	[ "$status" -eq 0 ]
}
