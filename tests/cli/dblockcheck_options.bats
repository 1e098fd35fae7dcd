#!/usr/bin/env bats
#
# The command line of dblockcheck: options, several databases, exit status, errors.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	machine_setup
	dblockcheck_setup
	make_database
}

teardown() {
	clients_teardown
	machine_teardown
}

# Runs dblockcheck and checks its exit status: exits_with STATUS ARGUMENT...
exits_with() {
	run --separate-stderr dblockcheck "${@:2}"
	exit_status_is "$1" "$*"
}

start_writer() {
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
}

# --- the question ---------------------------------------------------------------------------------

@test "--for picks the question that the exit status answers" {
	start_writer
	exits_with 0 --for=read "$database"
	exits_with 1 --for=write "$database"
	exits_with 1 --for=migrate "$database"
	exits_with 1 "$database"

	ask writer sql COMMIT
	exits_with 0 --for=read "$database"
	exits_with 0 --for=write "$database"
	exits_with 1 --for=migrate "$database"
	exits_with 1 "$database"

	stop writer
	exits_with 0 --for=migrate "$database"
	exits_with 0 "$database"
}

@test "--for changes the exit status and not the answer" {
	start_writer
	survey "$database" --for=read
	exit_status_is 0
	answer_has '.status == "locked" and .can == {read: true, write: false, migrate: false}'
}

@test "--quiet says nothing and answers by its exit status" {
	start_writer
	for option in -q --quiet; do
		exits_with 1 "$option" "$database"
		[ "$output$stderr" = '' ]
		exits_with 0 "$option" --for=read "$database"
		[ "$output$stderr" = '' ]
	done
}

@test "--pids prints who is in the way, one a line, and nothing else" {
	start_writer
	start_sql reader "$database"
	ask reader cursor 'SELECT * FROM orders'

	exits_with 1 --pids "$database"
	[ "$(sort -n <<<"$output")" = "$(printf '%s\n' "$(pid writer)" "$(pid reader)" | sort -n)" ]
	exits_with 1 --pids --for=write "$database"
	[ "$output" = "$(pid writer)" ]
	exits_with 0 --pids --for=read "$database"
	[ "$output" = '' ]
}

@test "--no-scan answers for a free database" {
	options=(--no-scan)
	answer_is free read=yes write=yes migrate=yes
	answer_has '.certified'
}

@test "--no-scan answers read and write for a held one, and does not call it free" {
	start_writer
	survey "$database" --no-scan
	exit_status_is 1
	answer_has '.can == {read: true, write: false, migrate: false} and .status == "locked"'
	exits_with 1 --no-scan -q --for=write "$database"
	exits_with 0 --no-scan -q --for=read "$database"

	ask writer sql COMMIT
	survey "$database" --no-scan
	exit_status_is 1
	answer_has '.can.write and .can.migrate == false'
}

@test "--sample=0 takes one look and does not guess who is idle" {
	start_writer
	survey "$database" --sample=0
	exit_status_is 1
	answer_has '.holders[0].idle == null'
	no_finding idle-writer
}

@test "--sample takes fractions, and the short option is the long one" {
	start_writer
	survey "$database" --sample=0.05
	answer_has '.holders[0].idle'
	exits_with 1 -j "$database"
	jq -e '.status == "locked"' <<<"$output" >/dev/null
}

# --- waiting --------------------------------------------------------------------------------------

# Starts "dblockcheck OPTION... $database" and waits until it sleeps: it has seen that the answer
# is no, and waits for it to change.
start_waiting() {
	in_background exec "$dblockcheck" --sample=0 "$@" "$database" >"$BATS_TEST_TMPDIR/waited"
	waiting=$!
	until_true is_sleeping "$waiting"
}

is_sleeping() {
	[[ $(process_state "$1") == S && $(<"/proc/$1/comm") == dblockcheck ]]
}

@test "--wait returns 0 as soon as the database is free for what is asked" {
	start_writer
	start_waiting --wait --for=write -q
	ask writer sql COMMIT
	wait "$waiting"
}

@test "--wait waits for the last process to close it" {
	start_writer
	start_sql reader "$database"
	ask reader sql 'SELECT count(*) FROM orders'
	start_waiting --wait -q
	stop writer
	kill -0 "$waiting"
	stop reader
	wait "$waiting"
}

@test "--wait with a limit gives up with the answer that it would have had without" {
	start_writer
	local start=${EPOCHREALTIME/./}
	exits_with 1 --wait=0.3 -q --for=write "$database"
	((${EPOCHREALTIME/./} - start >= 300000))
	exits_with 1 --wait=0 -q --for=write "$database"
}

@test "--wait does not wait when there is nothing to wait for" {
	exits_with 0 --wait -q "$database"
	exits_with 0 --wait=100 -q "$database"
}

@test "--wait says at the end how it is, once" {
	start_writer
	start_waiting --wait --for=write --json
	ask writer sql COMMIT
	wait "$waiting"
	answer=$(<"$BATS_TEST_TMPDIR/waited")
	answer_has '.status == "open" and .can.write'
}

@test "--wait ends with 128+N on a signal" {
	start_writer
	start_waiting --wait -q
	kill -TERM "$waiting"
	status=0
	wait "$waiting" || status=$?
	exit_status_is 143
}

# --- several databases ----------------------------------------------------------------------------

@test "several databases get an answer each, in their order" {
	start_writer
	cp "$database" "$folder/other.db"

	exits_with 1 --json "$folder/other.db" "$database"
	[ "${#lines[@]}" = 2 ]
	[ "$(jq -r '.database + " is " + .status' <<<"$output")" = "$folder/other.db is free
$database is locked" ]

	exits_with 1 "$folder/other.db" "$database"
	[[ $output == *"$folder/other.db"*"$database"*LOCKED* ]]
}

@test "of several databases trouble comes first, then no, then cannot tell, then yes" {
	require_root
	open_to_everybody
	chmod 755 "$folder"
	dblockcheck=$(copy_for_everybody "$dblockcheck")
	as=("${nobody[@]}")
	local held=$database
	local missing=$folder/missing.db unknown=$folder/unknown.db free=$folder/free.db
	cp "$database" "$unknown"
	cp "$database" "$free"
	chown 65534:65534 "$free"
	start_writer

	exits_with 0 -q "$free"
	exits_with 4 -q "$unknown"
	exits_with 1 -q "$held"
	exits_with 3 -q "$missing"

	exits_with 4 -q "$free" "$unknown"
	exits_with 4 -q "$unknown" "$free"
	exits_with 1 -q "$unknown" "$held" "$free"
	exits_with 1 -q "$held" "$unknown"
	exits_with 3 -q "$free" "$missing" "$held"
	exits_with 3 -q "$missing" "$unknown"
	exits_with 3 -q "$held" "$missing"
}

@test "one database that is trouble does not hide the answers for the others" {
	start_writer
	exits_with 3 --json "$folder/missing.db" "$database"
	[ "${#lines[@]}" = 2 ]
	jq -se '(.[0].error.status == 3) and .[1].status == "locked"' <<<"$output" >/dev/null
	[[ $stderr == *missing.db* ]]

	exits_with 3 "$database" "$folder/missing.db"
	[[ $output == *"$database"*LOCKED* ]]
}

# --- errors ---------------------------------------------------------------------------------------

@test "a wrong command line is 2, with a word on standard error and nothing on standard output" {
	local arguments
	for arguments in '' --nonsense -Z --for=dance --for= --color=pink --json=yes --wait=x \
		--wait=-1 --sample=x --sample=-1 --sample= --sample=nan --sample=inf --sample=1e999; do
		# shellcheck disable=SC2086 # an argument or none
		exits_with 2 $arguments ${arguments:+"$database"}
		[ "$output" = '' ]
		[[ $stderr == 'dblockcheck: '* ]]
	done
}

@test "output options that exclude each other are a wrong command line" {
	exits_with 2 --pids --json "$database"
}

@test "a wrong command line after --json is told in JSON as well" {
	exits_with 2 --json --nonsense "$database"
	answer=$output
	judge_answer
	answer_has '.error.status == 2'
	[[ $stderr == 'dblockcheck: '* ]]

	exits_with 2 --json
	answer=$output
	answer_has '.error.status == 2'
}

@test "an answer that cannot be written is trouble" {
	exits_with 0 "$database"
	for option in --color=auto --json --pids --help --version; do
		if [ "$option" = --pids ]; then
			start_writer
		fi
		run bash -c '"$@" 2>&1 >/dev/full' bash "$dblockcheck" "$option" "$database"
		exit_status_is 3 "$option"
		[[ $output == 'dblockcheck: '* ]]
	done
}

@test "a reader that has gone away is trouble without a word" {
	run python3 -c '
import os, signal, sys
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
reader, writer = os.pipe()
os.close(reader)
os.dup2(writer, 1)
os.execv(sys.argv[1], sys.argv[1:])' "$dblockcheck" --json "$database" 2>"$BATS_TEST_TMPDIR/stderr"
	exit_status_is 3
	[ ! -s "$BATS_TEST_TMPDIR/stderr" ]
}

# --- help, version, colour ------------------------------------------------------------------------

@test "--help and --version answer on standard output" {
	for option in -h --help; do
		exits_with 0 "$option"
		[ "$stderr" = '' ]
		for word in DATABASE --for --wait --no-scan --sample --visible-only --pids --json \
			--quiet --verbose --color --help --version; do
			[[ $output == *"$word"* ]]
		done
		[ "$(LC_ALL=C.UTF-8 wc -L <<<"$output")" -le 100 ]
	done
	for option in -V --version; do
		exits_with 0 "$option"
		[[ $output =~ ^dblockcheck\ .*[0-9]+\.[0-9]+ ]]
	done
}

@test "colour is for terminals, and for whoever insists" {
	start_writer
	exits_with 1 "$database"
	[[ $output != *$'\e'* ]]
	exits_with 1 --color=always "$database"
	[[ $output == *$'\e['* ]]
	exits_with 1 --color=never "$database"
	[[ $output != *$'\e'* ]]
	exits_with 1 --color=always --json "$database"
	[[ $output != *$'\e'* ]]
	as=(env NO_COLOR=1)
	exits_with 1 --color=auto "$database"
	[[ $output != *$'\e'* ]]
}

@test "on a terminal there is colour, and NO_COLOR takes it away" {
	require_command script
	start_writer
	run env TERM=xterm script -qefc "'$dblockcheck' '$database'" /dev/null
	[[ $output == *$'\e['* ]]
	run env TERM=xterm NO_COLOR=1 script -qefc "'$dblockcheck' '$database'" /dev/null
	[[ $output != *$'\e['* ]]
}

@test "what people read fits into 100 columns where names allow" {
	start_writer
	cd "$folder"
	exits_with 1 bot.db
	[ "$(LC_ALL=C.UTF-8 wc -L <<<"$output")" -le 100 ]
}
