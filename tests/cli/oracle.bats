#!/usr/bin/env bats
# bats file_tags=slow
#
# dblockcheck's answers beside the truth, after each of many random steps of real programs; see tests/oracle/run.

bats_require_minimum_version 1.5.0

setup() {
	repository=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	tools=${DBLOCKTOOLS_BIN:-$repository/build}
	export PYTHONDONTWRITEBYTECODE=1
}

@test "dblockcheck and SQLite agree after each of 300 random steps" {
	steps=300
	if [[ ${DBLOCKTOOLS_LONG-} ]]; then
		steps=100000
	fi
	run --separate-stderr "$repository/tests/oracle/run" --bin="$tools" --steps="$steps" --seed=1 \
		--folder="$BATS_TEST_TMPDIR"
	echo "$output" "$stderr"
	[ "$status" = 0 ]
	[[ $output == *"0 disagreements in $steps steps, seed 1"* ]]
}

@test "dblockcheck and SQLite agree where the oracle itself was once wrong" {
	run --separate-stderr "$repository/tests/oracle/run" --bin="$tools" --folder="$BATS_TEST_TMPDIR" \
		"$repository"/tests/oracle/cases/*.steps
	echo "$output" "$stderr"
	[ "$status" = 0 ]
	[[ $output == *"0 disagreements in 36 steps, 4 files"* ]]
}

@test "the oracle leaves no process behind when it is killed" {
	printf '%s\n' 'mode wal' 'python1 open DATABASE' 'python1 fork' 'perl1 open DATABASE' 'perl1 fork' \
		>"$BATS_TEST_TMPDIR/steps"
	# It has to say what it knows, and is killed in the last step, by the dblockcheck that it calls.
	cat >"$BATS_TEST_TMPDIR/dblockcheck" <<-END
		#!/bin/sh
		"$tools/dblockcheck" "\$@" >"$BATS_TEST_TMPDIR/answer"
		if [ "\$(jq '.holders | length' "$BATS_TEST_TMPDIR/answer")" = 4 ]; then
			jq '.holders[].pid' "$BATS_TEST_TMPDIR/answer" >"$BATS_TEST_TMPDIR/pids"
			kill -KILL \$PPID
		fi
		cat "$BATS_TEST_TMPDIR/answer"
	END
	chmod +x "$BATS_TEST_TMPDIR/dblockcheck"
	run "$repository/tests/oracle/run" --bin="$BATS_TEST_TMPDIR" --folder="$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/steps"
	[ "$status" = 137 ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/pids")" = 4 ]
	while read -r pid; do
		tail --pid="$pid" -f /dev/null
	done <"$BATS_TEST_TMPDIR/pids"
}

@test "a dblockcheck that takes stopped processes for gone is found" {
	cat >"$BATS_TEST_TMPDIR/dblockcheck" <<-END
		#!/bin/sh
		"$tools/dblockcheck" "\$@" | jq -c '.holders |= map(select(.state != "stopped"))'
	END
	chmod +x "$BATS_TEST_TMPDIR/dblockcheck"
	run "$repository/tests/oracle/run" --bin="$BATS_TEST_TMPDIR" --steps=60 --seed=3 --folder="$BATS_TEST_TMPDIR"
	[ "$status" = 1 ]
	[[ $output == *"Disagreement: holders"*"again: "*"--seed 3"* ]]
}
