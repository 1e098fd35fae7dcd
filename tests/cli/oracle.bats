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

@test "a dblockcheck that takes stopped processes for gone is found" {
	cat >"$BATS_TEST_TMPDIR/dblockcheck" <<-END
		#!/bin/sh
		"$tools/dblockcheck" "\$@" | jq -c '.holders |= map(select(.state != "stopped"))'
	END
	chmod +x "$BATS_TEST_TMPDIR/dblockcheck"
	run "$repository/tests/oracle/run" --bin="$BATS_TEST_TMPDIR" --steps=300 --seed=1 --folder="$BATS_TEST_TMPDIR"
	[ "$status" = 1 ]
	[[ $output == *"Disagreement: holders"*"again: "*"--seed 1"* ]]
}
