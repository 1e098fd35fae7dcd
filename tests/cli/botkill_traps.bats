#!/usr/bin/env bats
#
# What botkill was wrong about once: false releases, second signals, words that do harm at 3 a.m.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/botkill.bash
	dblockcheck_setup
	machine_setup
	botkill=${dblockcheck%/*}/botkill
}

teardown() {
	clients_teardown
	machine_teardown
}

write_for_a_moment_each_time() {
	while goes_on; do
		sqlite3 -batch -cmd '.timeout 2000' "$database" 'UPDATE orders SET problem = random()' || true
	done
}

is_written() {
	[[ $(sqlite3 -batch -cmd '.timeout 2000' "$database" 'SELECT count(DISTINCT problem) FROM orders') -gt 50 ]]
}

@test "a bot that opens the database for a moment each time is noticed by what it writes" {
	make_database
	start_going_on
	in_background write_for_a_moment_each_time
	local storm=$!
	until_true is_written
	run --separate-stderr "$botkill" --json --protect=sqlite3 --settle=0.5 "$database"
	stop_going_on
	wait "$storm"
	answer=$output
	exit_status_is 1
	# It may have gone again at the very end, but that it came was seen.
	answer_has '(.released | not) or .reopened_by != []'
}

@test "a name that another user has taken does not keep root from its work" {
	require_root
	make_database
	open_to_everybody
	start_hold bot "$database" posix:w:RESERVED
	start squatter setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 -c '
import os, socket, sys
there = os.stat(sys.argv[1])
taken = socket.socket(socket.AF_UNIX)
taken.bind("\0dblocktools/botkill/%x:%x" % (there.st_dev, there.st_ino))
taken.listen()
print("ready", os.getpid(), flush=True)
os.read(0, 1)' "$database"
	run --separate-stderr "$botkill" --json --settle=0 "$database"
	answer=$output
	exit_status_is 0
	answer_has '.released'
}

@test "one that is named twice in the input gets one signal" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	survey "$database"
	jq -c '.holders += .holders' <<<"$answer" >"$BATS_TEST_TMPDIR/twice"
	run --separate-stderr "$botkill" --json --settle=0 - <"$BATS_TEST_TMPDIR/twice"
	answer=$output
	exit_status_is 0
	answer_has '.stopped | length == 1'
	is_same 1 "$(grep -c 'sending SIGTERM' <<<"$stderr")"
}

@test "one that lets go of the database and lives on is not killed with --force" {
	make_database
	start bot /usr/bin/python3 -c '
import os, signal, sys
held = os.open(sys.argv[1], os.O_RDWR)
signal.signal(signal.SIGTERM, lambda *_: os.close(held))
print("ready", os.getpid(), flush=True)
while not os.read(0, 1) == b"":
    pass' "$database"
	run --separate-stderr "$botkill" --json --force --grace=0.3 --settle=0 "$database"
	answer=$output
	exit_status_is 0
	answer_has '.released and .stopped == [] and .left[0].reason == "gone"'
	kill -0 "$(pid bot)"
	stop bot
}

@test "nobody is told to start again what still runs" {
	start_bot bot --database="$database" --signals=ignored --stdin
	run --separate-stderr "$botkill" --json --grace=0.2 --settle=0 "$database"
	answer=$output
	exit_status_is 1
	answer_has '.left[0].reason == "still-alive" and .restart_hint == []'
}

@test "a signal that stops a process in place of ending it is refused" {
	make_database
	for signal in STOP SIGTSTP TTIN 22 CONT; do
		run --separate-stderr "$botkill" --signal="$signal" "$database"
		exit_status_is 2
	done
}

@test "of many holders each is told from one that could not be looked at" {
	make_database
	local n
	for n in {1..20}; do
		start_hold "bot$n" "$database"
	done
	# With so few descriptors not all can be held on to: then nobody is signalled, and nobody is called gone.
	run --separate-stderr bash -c 'ulimit -n 16; exec "$@"' bash "$botkill" --json --settle=0 "$database"
	answer=$output
	exit_status_is 3
	answer_has '[.left[]? | select(.reason == "gone")] == []'
	for n in {1..20}; do
		kill -0 "$(pid "bot$n")"
	done
}
