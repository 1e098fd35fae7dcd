#!/usr/bin/env bats
# bats file_tags=slow
#
# dbbackup and dbrestore under writers that never pause, under SIGKILL, and under an attacker. The same
# seeds every time; and each oracle is shown to find what it is there for.
#
# DBLOCKTOOLS_LONG=1 makes 2,000 backups, 500 kills and 100,000 attempts for each name, on tmpfs, ext4, XFS and btrfs.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	machine_setup
	clients_setup
	tools=${DBLOCKTOOLS_BIN:-$repository/build}
	stress=$repository/tests/stress
	careless=$stress/careless
	export PYTHONDONTWRITEBYTECODE=1
	scale=1
	if [[ ${DBLOCKTOOLS_SANITIZED-} ]]; then
		scale=4
	fi
}

teardown() {
	clients_teardown
	machine_teardown
}

# stressed PROGRAM ROUNDS OPTION...: passes, and says so in its last line.
stressed() {
	run --separate-stderr "$stress/$1" --bin="$tools" --rounds="$2" --folder="${where:-$BATS_TEST_TMPDIR}" "${@:3}"
	echo "# $1: $output" >&3
	echo "$stderr"
	[ "$status" = 0 ]
	[[ $output == "0 "* ]]
}

# finds PROGRAM ROUNDS: the same with tools that are careless.
finds() {
	tools=$careless
	run "$stress/$1" --bin="$careless" --rounds="$2" --folder="$BATS_TEST_TMPDIR" --seed=1
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"BAD: "*"again: "*"--seed=1"* ]]
}

@test "backups under four writers are right" {
	stressed consistent $((50 / scale)) --seed=1
}

@test "backups through SQLite's backup API under four writers are right" {
	stressed consistent $((20 / scale)) --seed=2 --api
}

@test "backups under four writers are right where the file system clones files" {
	require_root
	make_image 300M mkfs.xfs -q
	where=$BATS_TEST_TMPDIR/xfs
	mount_for_test -o loop "$image" "$where"
	stressed consistent $((30 / scale)) --seed=1
}

@test "a copy by cp under four writers is found to be wrong" {
	finds consistent 50
}

@test "tools that are killed leave what was, or what should be" {
	stressed kill_rounds $((40 / scale)) --seed=1
}

@test "a tool that copies straight to the final name, or onto the live file, is found" {
	finds kill_rounds 60
}

@test "nobody is led astray by names that change" {
	stressed swapper $((84 / scale)) --seed=1
}

@test "a tool that looks first and opens then is found by swapping names" {
	finds swapper 200
}

# The long form, on one file system after the other.
on_each_filesystem() {
	[[ ${DBLOCKTOOLS_LONG-} ]] || skip 'only with DBLOCKTOOLS_LONG=1'
	require_root
	local type
	for type in tmpfs ext4 xfs btrfs; do
		where=$BATS_TEST_TMPDIR/$type
		if [[ $type == tmpfs ]]; then
			mount_for_test -t tmpfs tmpfs "$where"
		else
			make_image 2G "mkfs.$type" -q
			mv "$image" "$image.$type"
			mount_for_test -o loop "$image.$type" "$where"
		fi
		"$@"
	done
}

@test "2,000 backups of files up to 50 MB are right, on every file system" {
	many_backups() {
		stressed consistent 400 --seed=3 --large
		stressed consistent 100 --seed=4 --large --api
	}
	on_each_filesystem many_backups
}

@test "500 kills on every file system" {
	many_kills() { stressed kill_rounds 500 --seed=5; }
	on_each_filesystem many_kills
}

@test "at least 100,000 attempts to lead the tools astray, on every file system" {
	many_attempts() { stressed swapper 2000 --seed=6; }
	on_each_filesystem many_attempts
}
