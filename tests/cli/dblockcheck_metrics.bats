#!/usr/bin/env bats
#
# dblockcheck --metrics: what Prometheus reads, judged by promtool, and by what the other answers say.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	require_command promtool
	machine_setup
	dblockcheck_setup
	make_database wal
}

teardown() {
	clients_teardown
	machine_teardown
}

# metrics STATUS ARGUMENT...: runs dblockcheck --metrics; the answer, which Prometheus must like, is in $output.
metrics() {
	run --separate-stderr dblockcheck --metrics "${@:2}"
	exit_status_is "$1" "$*"
	promtool check metrics <<<"$output"
}

# sample NAME VALUE [LABEL...]: there is exactly one such sample about $database.
sample() {
	local labels="database=\"$database\"" label
	for label in "${@:3}"; do
		labels+=",${label%%=*}=\"${label#*=}\""
	done
	if [[ $(grep -cxF "dblockcheck_$1{$labels} $2" <<<"$output") != 1 ]]; then
		printf 'there is not one sample %s{%s} %s in:\n%s\n' "$1" "$labels" "$2" "$output" >&2
		return 1
	fi
}

@test "a database that nobody uses is up and free" {
	metrics 0 "$database"
	sample up 1
	sample state 1 state=free
	sample state 0 state=locked
	sample can 1 question=migrate
	sample holders 0 role=writer
	sample wal_bytes 0
	sample wal_pending_bytes 0
	sample oldest_reader_seconds 0
	sample write_lock_held_seconds 0
	[ "$stderr" = '' ]
}

@test "holders, their roles, and what stands in the WAL are the same as in JSON" {
	start_sql reader "$database"
	ask reader sql 'BEGIN'
	ask reader cursor 'SELECT * FROM orders'
	start_sql writer "$database"
	ask writer sql "INSERT INTO orders(problem) VALUES ('a')"
	ask writer sql 'BEGIN IMMEDIATE'
	start_sql idle "$database"
	ask idle sql 'SELECT count(*) FROM orders'

	survey "$database"
	metrics 1 "$database"
	sample state 1 state=locked
	sample can 1 question=read
	sample can 0 question=write
	sample can 0 question=migrate
	sample holders 1 role=reader
	sample holders 1 role=writer
	sample holders 1 role=connected
	sample holders 0 role=open
	answer_has '.wal.pending_bytes > 0'
	sample wal_bytes "$(jq .wal.size_bytes <<<"$answer")"
	sample wal_pending_bytes "$(jq .wal.pending_bytes <<<"$answer")"
}

# seconds NAME: the value of the only sample of that name.
seconds() {
	sed -n "s/^dblockcheck_$1{[^}]*} //p" <<<"$output"
}

@test "a reader that misses a commit is at least as old as that" {
	start_sql reader "$database"
	ask reader cursor 'SELECT * FROM orders'
	sqlite3 -batch "$database" 'PRAGMA wal_autocheckpoint=0' \
		"INSERT INTO orders(problem) VALUES ('a')" >/dev/null
	touch -d '10 minutes ago' "$database-wal"
	metrics 1 "$database"
	[[ $(seconds oldest_reader_seconds) == 60[0-9].* ]]
}

@test "a transaction that sleeps holds the lock at least as long as it was looked at" {
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
	metrics 1 --sample=0.4 "$database"
	jq -en "$(seconds write_lock_held_seconds) > 0.3"
}

@test "several databases are several samples of one family, one that fails is not up, and none comes twice" {
	local gone=$folder/gone.db other=$folder/other.db
	sqlite3 -batch "$other" 'CREATE TABLE t(x)'
	metrics 3 "$database" "$gone" "$other" "$database" "$gone"
	sample up 1
	database=$other sample up 1
	database=$gone sample up 0
	[ "$(grep -c gone.db <<<"$output")" = 1 ]
	[ "$(grep -c '^# TYPE dblockcheck_up gauge' <<<"$output")" = 1 ]
	[[ $stderr == *gone.db:\ No\ such\ file* ]]
}

@test "hostile paths are labels that stand for exactly these paths" {
	local name path label
	for name in 'a "quote".db' 'back\slash.db' $'two\nlines.db' '{x="y"} 1 # TYPE.db' $'h\xc3\xa4user.db'; do
		path=$folder/$name
		cp "$database" "$path"
		metrics 0 "$path"
		label=${path//\\/\\\\}
		label=${label//\"/\\\"}
		database=${label//$'\n'/\\n} sample up 1
	done
	for name in $'escape\x1b[2J.db' $'not\xffutf8.db' $'right\xe2\x80\xaeleft.db'; do
		path=$folder/$name
		cp "$database" "$path"
		metrics 0 "$path"
		[[ $output == *'dblockcheck_up{database="escaped:/'*'"} 1'* ]]
		text=$output text_is_printable
	done
}

@test "--metrics is an answer of its own: not with --json or --pids, nothing with --quiet" {
	run --separate-stderr dblockcheck --metrics --json "$database"
	exit_status_is 2
	run --separate-stderr dblockcheck --metrics --pids "$database"
	exit_status_is 2
	run --separate-stderr dblockcheck --metrics --quiet "$database"
	exit_status_is 0
	[ "$output$stderr" = '' ]
}

@test "what could not be written is a failure" {
	run --separate-stderr bash -c '"$0" --metrics "$1" >/dev/full' "$dblockcheck" "$database"
	exit_status_is 3
}

@test "what is hidden from a user is counted" {
	require_root
	open_to_everybody
	chmod 644 "$database"
	local program
	program=$(copy_for_everybody "$dblockcheck")
	run --separate-stderr "${nobody[@]}" "$program" --metrics "$database"
	exit_status_is 4
	promtool check metrics <<<"$output"
	jq -en "$(seconds hidden_processes) > 0"
	[[ $output != *question=\"migrate\"* ]]
	sample state 1 state=unknown
}

@test "where a writer is hidden, its role and its time are unknown, not zero" {
	require_root
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
	as=(unshare --pid --fork --mount-proc --)
	metrics 1 --sample=0.01 "$database"
	sample state 1 state=locked
	sample can 0 question=write
	[[ $output != *'{'*'role='* && $output != *seconds* && $output != *hidden_processes* ]]

	# Seen, but not watched.
	as=()
	metrics 1 --sample=0 "$database"
	sample holders 1 role=writer
	sample oldest_reader_seconds 0
	[[ $output != *write_lock_held_seconds* ]]
}
