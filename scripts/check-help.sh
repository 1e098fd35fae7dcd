#!/usr/bin/env bash
# check-help.sh BUILD - every tool keeps to what all tools promise about --help, --version and a wrong command line.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
build=$1
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

complain() {
	printf '%s %s: %s\n' "$tool" "$asked" "$*"
	failed=1
}

# ask ARG... runs the tool; its answer is in $status, $work/out and $work/err.
ask() {
	asked=$*
	"$build/$tool" "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
}

expect_status() { ((status == $1)) || complain "exit status $status, not $1"; }
expect_text() { [[ -s $work/$1 ]] || complain "nothing on std$1"; }
expect_silence() { [[ ! -s $work/$1 ]] || complain "something on std$1: $(head -n 1 "$work/$1")"; }

expect_answer() {
	expect_status 0
	expect_text out
	expect_silence err
}

expect_complaint() {
	expect_status 2
	expect_text err
	grep -q "^$tool: " "$work/err" || complain "stderr does not start with '$tool: '"
}

check_answers() {
	ask --help
	expect_answer
	(($(wc -L <"$work/out") <= 80)) || complain "a line is longer than 80 columns"
	cp "$work/out" "$work/help"
	ask -h
	cmp -s "$work/out" "$work/help" || complain "is not the same as --help"
	ask --version
	expect_answer
	grep -q '[0-9]\.[0-9]' "$work/out" || complain "names no version"
}

check_complaints() {
	ask --no-such-option
	expect_complaint
	expect_silence out
	ask --json --no-such-option
	expect_complaint
	jq -e -s 'length == 1 and .[0].error.status == 2' "$work/out" >/dev/null 2>&1 ||
		complain "stdout is not one JSON object with error.status 2"
}

check_lost_output() {
	local option
	for option in --help --version; do
		asked="$option >/dev/full"
		"$build/$tool" "$option" >/dev/full 2>"$work/err"
		status=$?
		expect_status 3
		expect_text err
	done
}

for source in tools/*.c; do
	tool=$(basename "$source" .c)
	check_answers
	check_complaints
	check_lost_output
done
exit "$failed"
