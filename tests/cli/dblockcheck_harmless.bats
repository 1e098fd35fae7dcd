#!/usr/bin/env bats
#
# dblockcheck leaves no trace: no byte, no time, no file, no lock; and it disturbs no other program.
# It measures times, so nothing else should run beside it.
# DBLOCKTOOLS_LONG=1 runs the loops a million times instead of for a few seconds.

# bats file_tags=alone
bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/dblockcheck.bash
	dblockcheck_setup
	opens=300000 commits=30000 rounds=200
	if [[ ${DBLOCKTOOLS_LONG-} ]]; then
		opens=1000000 commits=1000000 rounds=5000
	fi
}

teardown() {
	clients_teardown
}

# Runs everything that dblockcheck can do; files, times and locks are the same before and after.
nothing_changes() {
	local before locks after
	before=$(snapshot "$folder" before)
	locks=$(locks_in "$folder")
	survey "$database"
	for option in --sample=0 --no-scan --pids -q --visible-only --for=write --wait=0.1; do
		run dblockcheck "$option" "$database"
		((status < 2))
	done
	after=$(snapshot "$folder" after)
	diff <(echo "$before") <(echo "$after")
	after=$(locks_in "$folder")
	diff <(echo "$locks") <(echo "$after")
}

@test "a rollback database at rest stays as it is" {
	make_database
	nothing_changes
}

@test "a WAL database at rest stays as it is: no -wal and no -shm appear" {
	make_database wal
	nothing_changes
}

@test "a rollback database with a writer stays as it is" {
	make_database
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	ask bot sql 'DELETE FROM orders WHERE id = 7'
	nothing_changes

	ask bot sql COMMIT
	ask bot sql 'PRAGMA integrity_check'
	[ "$reply" = '[["ok"]]' ]
}

@test "a WAL database with a writer and a reader stays as it is" {
	make_database wal
	start_sql bot "$database"
	ask bot sql 'DELETE FROM orders WHERE id = 7'
	start_sql reader "$database"
	ask reader cursor 'SELECT * FROM orders'
	ask bot sql 'BEGIN IMMEDIATE'
	nothing_changes

	ask bot sql COMMIT
	ask bot sql 'PRAGMA integrity_check'
	[ "$reply" = '[["ok"]]' ]
}

@test "a hot journal stays for the next program to roll back" {
	make_database
	start_sql bot "$database"
	ask bot sql 'PRAGMA cache_size = 1'
	ask bot sql 'BEGIN IMMEDIATE'
	ask bot sql 'UPDATE orders SET problem = hex(randomblob(100))'
	crash bot
	nothing_changes
}

@test "a WAL that a crash has left behind stays for the next program to recover" {
	make_database wal
	start_sql bot "$database"
	ask bot sql 'DELETE FROM orders WHERE id = 7'
	crash bot
	nothing_changes
}

@test "a read-only file in a read-only folder stays as it is" {
	make_database
	chmod 444 "$database"
	chmod 555 "$folder"
	nothing_changes
	chmod 755 "$folder"
}

# Starts dblockcheck again and again until end_loop, and counts.
start_loop() {
	start_going_on
	in_background look_in_a_loop "$@"
	loop=$!
}

look_in_a_loop() {
	local count=0 bad=0
	while goes_on; do
		"$dblockcheck" -q "$@" "$database" || (($? == 1)) || ((++bad))
		((++count))
	done
	echo "$count $bad" >"$BATS_TEST_TMPDIR/looks"
}

# Ends the loop, and checks that it has looked often and was never in trouble.
end_loop() {
	local count bad
	stop_going_on
	wait "$loop"
	read -r count bad <"$BATS_TEST_TMPDIR/looks"
	echo "dblockcheck ran $count times, $bad of them without an answer"
	((count >= 3 && bad == 0))
}

# Each read of the list makes all programs of the machine that lock a file wait for a moment.
@test "the machine's list of locks is not read for a file that nobody has open" {
	[[ ! ${DBLOCKTOOLS_SANITIZED-} ]] || skip 'the sanitizers do not work beside strace'
	make_database
	strace -o "$BATS_TEST_TMPDIR/calls" -e trace=openat "$dblockcheck" -q "$database"
	is_same 0 "$(grep -c '"locks"' "$BATS_TEST_TMPDIR/calls")"
	start_sql other "$database"
	run strace -o "$BATS_TEST_TMPDIR/calls" -e trace=openat "$dblockcheck" -q "$database"
	[ "$status" = 1 ]
	[ "$(grep -c '"locks"' "$BATS_TEST_TMPDIR/calls")" -gt 0 ]
}

@test "another program's opens never fail and never wait for the kernel's certificate" {
	make_database
	start_loop --no-scan
	run "$helpers/open_loop" "$opens" "$database"
	end_loop
	echo "$output"
	[[ $output =~ ^opens\ $opens\ failed\ 0\ longest_us\ ([0-9]+)$ ]]
	((BASH_REMATCH[1] <= 50000))
}

@test "another program's opens are not disturbed by a look at all processes either" {
	make_database
	start_loop --sample=0
	run "$helpers/open_loop" "$opens" "$database"
	end_loop
	echo "$output"
	[[ $output =~ ^opens\ $opens\ failed\ 0\ longest_us\ ([0-9]+)$ ]]
	((BASH_REMATCH[1] <= 50000))
}

@test "a writer without patience is never refused, with a rollback journal" {
	make_database
	writer_is_not_refused
}

@test "a writer without patience is never refused, in WAL mode" {
	make_database wal
	writer_is_not_refused
}

# Opens, writes and closes by turns, so that there are moments in which the file is not open.
writer_is_not_refused() {
	local round
	start_loop --sample=0
	start_sql writer
	for ((round = 0; round < rounds; round++)); do
		ask writer open "$database"
		ask writer sql 'PRAGMA synchronous = OFF'
		ask writer sql "INSERT INTO orders (problem) VALUES ('slow')"
		ask writer sql "DELETE FROM orders WHERE problem = 'slow'"
		ask writer close
	done
	end_loop
}

@test "the longest stall of a writer that commits in a loop stays, with a rollback journal" {
	make_database
	stalls_are_the_same
}

@test "the longest stall of a writer that commits in a loop stays, in WAL mode" {
	make_database wal
	stalls_are_the_same
}

# 50 ms is what the scheduler of a busy machine may cost, and far below what a lock would.
stalls_are_the_same() {
	local alone beside
	alone=$(longest_commit)
	start_loop --sample=0
	beside=$(longest_commit)
	end_loop
	echo "longest commit: $alone us alone, $beside us beside dblockcheck"
	((beside <= alone + 50000))
}

longest_commit() {
	local answer
	answer=$("$helpers/commit_loop" "$commits" "$database")
	[[ $answer =~ ^commits\ $commits\ refused\ 0\ longest_us\ ([0-9]+)$ ]]
	echo "${BASH_REMATCH[1]}"
}
