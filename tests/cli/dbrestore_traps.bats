#!/usr/bin/env bats
#
# Traps that dbrestore has been in: what happens between two of its steps, and backups that are not what they seem.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	backup_setup
	backups=$BATS_TEST_TMPDIR/backups
}

teardown() {
	[[ ! ${stopped-} ]] || kill -CONT "$stopped" 2>/dev/null || true
	backup_teardown
}

# --- a backup of nothing --------------------------------------------------------------------------

@test "a backup of an empty database needs --force, and then the safety copy has the rows" {
	for mode in delete wal; do
		rm -rf "$folder" "$backups" && mkdir "$folder"
		: >"$database"
		make_file_backup
		rm "$database"
		make_database "$mode"
		old=$(content "$database")
		refuses 1 "$backup" "$database"
		refuses 1 "$backups" "$database"
		refuses 3 --force --safety=/nonexistent "$backup" "$database"
		is_same "$old" "$(content "$database")"
		restore 0 --force "$backup" "$database"
		is_same 0 "$(sqlite3 -batch "$database" 'SELECT count(*) FROM sqlite_schema')"
		is_same "$mode" "$(sqlite3 -batch "$database" 'PRAGMA journal_mode')"
		local safety
		safety=$(jq -r .safety_copy <<<"$answer")
		is_same 100 "$(sqlite3 -batch "$safety" 'SELECT count(*) FROM orders')"
		restore 0 --force "$safety" "$database"
		is_same "$old" "$(content "$database")"
	done
}

# --- between two steps ----------------------------------------------------------------------------

# Runs dbrestore beside the test, with its system calls of these names written down: trace CALLS OPTION... -- ARGUMENT...
trace() {
	local calls=$1 options=()
	require_command strace
	[[ ! ${DBLOCKTOOLS_SANITIZED-} ]] || skip 'the sanitizers do not work beside strace'
	shift
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	log=$BATS_TEST_TMPDIR/log
	: >"$log"
	in_background exec strace -f -o "$log" -e trace="$calls" "${options[@]}" "$dbrestore" --json "${@:2}" \
		>"$BATS_TEST_TMPDIR/said" 2>"$BATS_TEST_TMPDIR/complained"
	tracing=$!
	until_true is_traced
}

is_traced() {
	[ -s "$log" ] || ! kill -0 "$tracing"
}

log_has() {
	grep -q -- "$1" "$log"
}

# dbrestore stands still right after its first call of CALL: stop_after CALL ARGUMENT...; go_on lets it.
stop_after() {
	trace "$1" -e inject="$1":signal=SIGSTOP:when=1 -- "${@:2}"
	until_true log_has 'stopped by SIGSTOP'
	stopped=$(sed -n 's/^\([0-9]*\) .*stopped by SIGSTOP.*/\1/p' "$log")
}

# Lets it go on to its end; the exit status is in $status.
go_on() {
	kill -CONT "$stopped"
	stopped=''
	its_end
}

its_end() {
	status=0
	wait "$tracing" || status=$?
	output=$(<"$BATS_TEST_TMPDIR/said")
	stderr=$(<"$BATS_TEST_TMPDIR/complained")
	judge_restore_answer
}

@test "a database that goes into WAL mode while --live waits for its lock: the safety copy has every commit" {
	make_backup_and_change
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	ask bot sql "INSERT INTO orders (id, problem) VALUES (1001, 'before')"
	trace fcntl -- --live --wait=60 "$backup" "$database"
	until_true log_has 'EAGAIN'
	stopped=$(sed -n 's/^\([0-9]*\) .*EAGAIN.*/\1/p' "$log" | tail -n 1)
	until_true stands_without_lock
	ask bot sql COMMIT
	ask bot sql 'PRAGMA journal_mode = wal'
	is_same '[["wal"]]' "$reply"
	ask bot sql 'PRAGMA wal_autocheckpoint = 0'
	local id
	for id in {2001..2020}; do
		ask bot sql "INSERT INTO orders (id, problem) VALUES ($id, 'acknowledged')"
	done
	go_on
	exit_status_is 0
	local safety
	safety=$(jq -r .safety_copy <<<"$answer")
	is_same 21 "$(sqlite3 -batch "$safety" 'SELECT count(*) FROM orders WHERE id > 1000')"
	is_same ok "$(sqlite3 -batch "$safety" 'PRAGMA integrity_check')"
	ask bot sql 'SELECT count(*) FROM orders'
	is_same '[[100]]' "$reply"
	stop bot
	is_restored
}

# Stops the process $stopped at a moment when it has no lock of the database.
stands_without_lock() {
	local times
	times=$(grep -c 'stopped by SIGSTOP' "$log" || true)
	kill -STOP "$stopped"
	until_true stopped_more_than "$times"
	grep -q " $stopped [^ ]*:$(stat -c %i "$database") " /proc/locks || return 0
	kill -CONT "$stopped"
	return 1
}

stopped_more_than() {
	(($(grep -c 'stopped by SIGSTOP' "$log") > $1))
}

@test "a new database that is made while an old WAL is taken away does not get it, and nothing is lost" {
	local mode
	for mode in delete wal; do
		rm -rf "$folder" "$backups" && mkdir "$folder"
		make_backup_and_change wal
		start_sql old "$database"
		ask old sql 'PRAGMA wal_autocheckpoint = 0'
		ask old sql "UPDATE orders SET problem = 'stale'"
		crash old
		rm "$database" "$database-shm"
		local sum
		sum=$(sha256_of "$database-wal")
		stop_after unlinkat "$backup" "$database"
		[ ! -e "$database-wal" ]
		start_sql bot "$database"
		ask bot sql "PRAGMA journal_mode = $mode"
		ask bot sql 'CREATE TABLE fresh (id)'
		ask bot sql "INSERT INTO fresh VALUES (1), (2), (3)"
		go_on
		[[ $status != 0 ]]
		[[ ! -e $database-wal || $(sha256_of "$database-wal") != "$sum" ]]
		ask bot sql 'SELECT count(*) FROM fresh'
		is_same '[[3]]' "$reply"
		stop bot
		is_same '3|ok' "$(sqlite3 -batch "$database" 'SELECT count(*), (SELECT * FROM pragma_integrity_check) FROM fresh')"
		[ ! -e "$database-wal" ]
		is_same "$sum" "$(sha256_of "$folder"/.dblocktools/aside-*/bot.db-wal)"
		answer_has '.kept_aside | map(endswith("bot.db-wal")) == [true]'
	done
}

@test "a bot that opens the broken file while it is replaced is told that it is locked" {
	make_backup_and_change
	echo text >"$database"
	stop_after linkat "$backup" "$database"
	start_sql bot "$database"
	refused bot sql 'SELECT count(*) FROM orders'
	[[ $reply == *locked* ]]
	refused bot sql 'CREATE TABLE lost (id)'
	[[ $reply == *locked* ]]
	ask bot close
	go_on
	is_same text "$(cat "$folder"/.dblocktools/aside-*/bot.db)"
	is_restored
}

@test "a broken or empty file that somebody has open, without a lock and for whatever, is not replaced" {
	make_backup_and_change
	for what in 'echo text' true; do
		$what >"$database"
		[ -s "$database" ] || echo journal >"$database-journal"
		for how in '' --read-only; do
			# shellcheck disable=SC2086 # an option or none
			start_hold bot $how "$database"
			refuses 5 --live --force "$backup" "$database"
			answer_has '.error.message | test("\\b\($pid.bot)\\b")'
			stop bot
		done
	done
	restore 0 "$backup" "$database"
}

@test "a dry run that was killed leaves nothing for longer than to the next one" {
	make_backup_and_change
	export TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir "$TMPDIR"
	start_sql writer "$database"
	ask writer sql 'BEGIN EXCLUSIVE'
	in_background exec "$dbrestore" --dry-run --wait=60 "$backup" "$database" >/dev/null 2>&1
	local run=$! worker
	until_true waits_for_the_database "$run"
	worker=$(<"/proc/$run/task/$run/children")
	kill -KILL "$run"
	wait "$run" || true
	for worker in $worker; do
		until_true has_ended "$worker"
	done
	ask writer sql ROLLBACK
	[ -n "$(ls -A "$TMPDIR")" ]
	restore 0 --dry-run "$backup" "$database"
	is_same '' "$(ls -A "$TMPDIR")"
	is_same "$old" "$(content "$database")"
}

# It has a copy of the backup, and a child that has the database open.
waits_for_the_database() {
	local child children
	[ -n "$(find "$TMPDIR" -name copy)" ] || return
	read -ra children <"/proc/$1/task/$1/children" || true
	for child in "${children[@]}"; do
		[[ $(readlink "/proc/$child/fd/"* 2>/dev/null) == *"$database"* ]] && return
	done
	false
}

# --- what was there -------------------------------------------------------------------------------

@test "a database with one byte of its header damaged that SQLite does not forgive is replaced" {
	make_backup_and_change
	for byte in 18 19 21 22 23 47; do
		printf '\xee' | dd of="$database" bs=1 seek="$byte" conv=notrunc status=none
		local sum
		sum=$(sha256_of "$database")
		restore 0 "$backup" "$database"
		answer_has '.method == "rename" and (.kept_aside | length == 1)'
		is_same "$sum" "$(sha256_of "$(jq -r '.kept_aside[0]' <<<"$answer")")"
		cmp "$backup" "$database"
	done
	is_restored
}

@test "an empty database with a journal or a WAL that is not empty: both are kept aside as they are" {
	make_backup_and_change
	for suffix in -journal -wal; do
		: >"$database"
		head -c 5000 /dev/urandom >"$database$suffix"
		local sum
		sum=$(sha256_of "$database$suffix")
		restore 0 "$backup" "$database"
		answer_has --arg suffix "$suffix" '.method == "rename" and
			([.kept_aside[] | split("/")[-1]] | sort) == ["bot.db", "bot.db" + $suffix]'
		is_same "$sum" "$(sha256_of "$(jq -r '.kept_aside[] | select(endswith("l"))' <<<"$answer")")"
		[ ! -e "$database$suffix" ]
		is_restored
	done
}

# --- which backup ---------------------------------------------------------------------------------

@test "a folder with backups of databases of this path on two other hosts is ambiguous" {
	make_backup_and_change
	copy_backup 20260101T000000.000Z '.host = "one" | .inode = 1'
	local stranger=$reply
	copy_backup 20260102T000000.000Z '.host = "two" | .inode = 2'
	restore 0 --dry-run "$backups" "$database"
	answer_has --arg own "$backup" '.backup == $own'
	rm "$backup" "$backup".*
	refuses 3 "$backups" "$database"
	rm "$stranger" "$stranger".*
	restore 0 "$backups" "$database"
	is_restored
}

@test "a database that was made anew, on the same host, is restored from its own backups" {
	make_backup_and_change
	copy_backup 20260101T000000.000Z '.host = "one" | .inode = 1'
	rm "$database"
	restore 0 "$backups" "$database"
	is_restored
	answer_has --arg own "$backup" '.backup == $own'
}

@test "however the path of the database is spelled, the newest backup of it is taken" {
	make_database
	ln -s shop "$BATS_TEST_TMPDIR/link"
	cd "$folder"
	sqlite3 -batch other.db 'CREATE TABLE orders (id)'
	back_up 0 other.db "$backups/"
	local made
	for made in ./bot.db "$BATS_TEST_TMPDIR/link/bot.db"; do
		change_database "INSERT INTO orders (problem) VALUES ('$made')"
		back_up 0 "$made" "$backups/"
		for spelling in bot.db "$BATS_TEST_TMPDIR/link/bot.db"; do
			restore 0 --dry-run "$backups" "$spelling"
			is_same "${backup##*/}" "$(jq -r '.backup | split("/")[-1]' <<<"$answer")"
		done
	done
	rm bot.db
	restore 0 "$backups" ../link/bot.db
	is_same "${backup##*/}" "$(jq -r '.backup | split("/")[-1]' <<<"$answer")"
}

@test "a backup that is dated in the future is not taken for the newest one silently" {
	make_backup_and_change
	copy_backup 20990101T000000.000Z
	refuses 3 "$backups" "$database"
	answer_has --arg name "${reply##*/}" '.error.message | contains($name)'
	refuses 3 --dry-run "$backups" "$database"
	restore 0 "$backup" "$database"
	is_restored
}

@test "a file without a manifest that somebody has open for writing is no backup" {
	make_backup_and_change
	rm "$backup".*
	start_hold other "$backup"
	refuses 3 --force "$backup" "$database"
	stop other
	start_hold reader --read-only "$backup"
	restore 0 "$backup" "$database"
	is_restored
}

@test "a file without a manifest that has a journal or a WAL beside it is no backup" {
	make_backup_and_change
	rm "$backup".*
	for suffix in -journal -wal; do
		echo some >"$backup$suffix"
		refuses 3 --force "$backup" "$database"
		answer_has --arg suffix "$suffix" '.error.message | contains($suffix)'
		is_same some "$(cat "$backup$suffix")"
		rm "$backup$suffix"
	done
	restore 0 "$backup" "$database"
	is_restored
}

# --- what is said ---------------------------------------------------------------------------------

# Does what $output says would undo it, in a shell and in the folder of the database.
undo() {
	local line
	line=$(sed -n 's/^ *to undo: //p' <<<"$output")
	[[ $line == 'dbrestore '* ]]
	(cd "$folder" && PATH=${dbrestore%/*}:$PATH bash -ec "$line")
}

@test "what is said to undo it undoes it, also where --force was needed" {
	make_backup_and_change
	sqlite3 -batch "$folder/mine.bak" 'PRAGMA application_id = 2; CREATE TABLE songs (id)'
	exits_with 0 dbrestore --force "$folder/mine.bak" "$database"
	undo
	is_same "$old" "$(content "$database")"
}

@test "what is said to undo it undoes it, whatever the name of the database" {
	make_backup_and_change
	cd "$folder"
	for name in -x.db --force "it's \$HOME; \"x\".db" '~' $'two\nlines.db'; do
		cp "$database" "./$name"
		exits_with 0 dbrestore -- "$backup" "$name"
		is_same "$new" "$(content "$folder/$name")"
		undo
		is_same "$old" "$(content "$folder/$name")"
	done
}

@test "what is said to undo it undoes it under programs, after --live" {
	make_backup_and_change wal
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	exits_with 0 dbrestore --live "$backup" "$database"
	undo
	ask bot sql 'SELECT count(*) FROM later'
	is_same '[[1]]' "$reply"
	stop bot
	is_same "$old" "$(content "$database")"
}
