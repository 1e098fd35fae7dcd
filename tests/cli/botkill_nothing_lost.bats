#!/usr/bin/env bats
# bats file_tags=alone
#
# What a bot has said to be in the database is there when botkill has stopped it; and how long that
# takes, and costs.
#
# DBLOCKTOOLS_LONG=1 makes 500 rounds.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/botkill.bash
	botkill_setup
}

teardown() {
	clients_teardown
}

rounds=${DBLOCKTOOLS_LONG:+500}
rounds=${rounds:-32}

@test "every order that a bot has acknowledged is there after botkill, with --force too" {
	run --separate-stderr "$repository/tests/helpers/nothing_lost.py" "$botkill" "$sample_bot" \
		"$folder" "$rounds"
	echo "# $output" >&3
	is_same 0 "$status"
	[[ $output == "0 lost of "*" orders in $rounds rounds; SIGINT:$((rounds / 4)) SIGKILL:$((rounds / 2)) SIGTERM:$((rounds / 4))" ]]
}

# The milliseconds that botkill takes to stop a client that ends at once.
milliseconds_for() {
	start_hold bot "$database" posix:r:SHARED
	read -r milliseconds _ ended_with < <("$helpers/runner" "$botkill" "$@" "$database")
	is_same 0 "$ended_with"
	ended bot
	forget bot
}

@test "a bot that ends at once is proved gone 50 ms after the time to settle, or sooner" {
	[[ ! ${DBLOCKTOOLS_SANITIZED-} ]] || skip 'the sanitizers are slow'
	make_database
	local best=1000000 settle milliseconds ended_with
	for settle in 0 0.2 0.5 0 0.2 0.5 0; do
		milliseconds_for --settle="$settle"
		best=$(jq -n "[$best, $milliseconds - 1000 * $settle] | min")
		echo "# --settle=$settle: $milliseconds ms" >&3
	done
	is_same true "$(jq -n "$best >= 0 and $best <= 50")"
}

@test "botkill waits without being busy: less than 20 ms of a processor" {
	[[ ! ${DBLOCKTOOLS_SANITIZED-} ]] || skip 'the sanitizers are slow'
	make_database wal
	local seconds best=1000 TIMEFORMAT='%3U + %3S'
	for _ in {1..4}; do
		start_sql bot "$database"
		ask bot sql 'SELECT count(*) FROM orders'
		seconds=$({ time "$botkill" -q "$database" </dev/null &>/dev/null 3>&- 4>&-; } 2>&1)
		ended bot
		forget bot
		echo "# $seconds s" >&3
		best=$(jq -n "[$best, $seconds] | min")
	done
	is_same true "$(jq -n "$best < 0.020")"
}
