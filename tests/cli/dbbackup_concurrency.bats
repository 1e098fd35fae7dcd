#!/usr/bin/env bats
#
# dbbackup beside others: readers, writers, other runs, and what killed runs have left.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	backup_setup
	make_database
}

teardown() {
	backup_teardown
}

# --- locks on the database ------------------------------------------------------------------------

@test "a WAL database with a writer, a reader and a checkpointer in it is copied at once" {
	make_database_wal
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
	start_sql reader "$database"
	ask reader cursor 'SELECT * FROM orders'
	start_hold checkpointer "$database-shm" posix:w:CKPT
	for option in --verify=quick --api; do
		back_up 0 --wait=0 "$option" "$database"
		good_backup "$backup"
	done
	ask reader step
	ask writer sql COMMIT
}

make_database_wal() {
	sqlite3 -batch "$database" 'PRAGMA journal_mode = wal' >/dev/null
}

@test "a writer that has not begun to write the file is no reason to wait" {
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
	ask writer sql "UPDATE orders SET problem = 'not yet'"
	back_up 0 --wait=0 "$database"
	good_backup "$backup"
	is_same 0 "$(sqlite3 -batch "$backup" "SELECT count(*) FROM orders WHERE problem = 'not yet'")"
	ask writer sql COMMIT
}

@test "a database that is locked for longer than --wait is 5, names who it is, and leaves nothing" {
	start_sql writer "$database"
	ask writer sql 'BEGIN EXCLUSIVE'
	for option in --verify=quick --api; do
		back_up 5 --wait=0 "$option" "$database"
		answer_has '.error.status == 5 and (.error.message | test("\\b\($pid.writer)\\b"))'
		says_trouble 5 dbbackup --wait=0.2 "$option" "$database"
		[[ $stderr == *"$(pid writer)"* ]]
	done
	is_same '' "$(find "$backups" -type f 2>/dev/null)"
	nothing_left "$folder"
	ask writer sql COMMIT
	back_up 0 --wait=0 "$database"
}

@test "a connection in exclusive mode, in WAL mode too, is 5" {
	make_database_wal
	start_sql writer "$database"
	ask writer sql 'PRAGMA locking_mode = EXCLUSIVE'
	ask writer sql "UPDATE orders SET problem = 'mine'"
	back_up 5 --wait=0.1 "$database"
	answer_has '.error.message | test("\\b\($pid.writer)\\b")'
}

# Runs dbbackup in the background until it waits for the lock of a writer; its PID is in $waiting.
start_waiting() {
	start_sql writer "$database"
	ask writer sql 'BEGIN EXCLUSIVE'
	in_background exec env --default-signal=INT,HUP "$dbbackup" --json --wait=60 "$database" >"$BATS_TEST_TMPDIR/said" 2>"$BATS_TEST_TMPDIR/complained"
	waiting=$!
	until_true is_refused_a_lock "$waiting"
}

# It has the database open, and so asks for the lock that it cannot have.
is_refused_a_lock() {
	local pid
	for pid in "$1" $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		[[ $(readlink "/proc/$pid/fd/"* 2>/dev/null) == *"$database"* ]] && return
	done
	false
}

@test "--wait goes on as soon as the lock is gone" {
	start_waiting
	ask writer sql "UPDATE orders SET problem = 'last'"
	ask writer sql COMMIT
	wait "$waiting"
	output=$(<"$BATS_TEST_TMPDIR/said")
	judge_backup_answer
	good_backup "$backup"
	is_same last "$(sqlite3 -batch "$backup" 'SELECT DISTINCT problem FROM orders')"
}

@test "SIGTERM and SIGINT end it while it waits, as signals do, and nothing is left" {
	for signal in TERM INT HUP; do
		start_waiting
		kill "-$signal" "$waiting"
		local ended=0
		wait "$waiting" || ended=$?
		is_same $((128 + $(kill -l "$signal"))) "$ended"
		is_same '' "$(find "$backups" -mindepth 1 2>/dev/null)"
		nothing_left "$folder"
		ask writer sql ROLLBACK
		stop writer
	done
}

@test "what a killed run has left is gone after the next one, and does it no harm" {
	start_waiting
	kill -KILL "$waiting"
	wait "$waiting" || true
	ask writer sql ROLLBACK
	stop writer
	back_up 0 "$database"
	good_backup "$backup"
	backups_are "$backup"
	nothing_left "$folder"
}

# --- other runs -----------------------------------------------------------------------------------

@test "of many runs at once on a folder each makes a whole backup or says that it is busy" {
	local run made=0 ended
	for run in {1..8}; do
		in_background "$dbbackup" -q --wait=0 "$database" "$backups/" 2>"$BATS_TEST_TMPDIR/complained.$run"
		jobs[run]=$!
	done
	for run in {1..8}; do
		ended=0
		wait "${jobs[run]}" || ended=$?
		if [[ $ended == 0 ]]; then
			((++made))
		else
			is_same 5 "$ended"
			is_same 1 "$(wc -l <"$BATS_TEST_TMPDIR/complained.$run")"
		fi
	done
	((made > 0))
	is_same "$made" "$(find "$backups" -name '*.db' | wc -l)"
	for run in "$backups"/*.db; do good_backup "$run"; done
	nothing_left "$folder"
}

@test "a second run on the same folder is 5 and names the first, one on another folder is not disturbed" {
	sqlite3 -batch "$folder/other.db" 'CREATE TABLE orders (id)'
	start_waiting
	exits_with 5 dbbackup --wait=0 "$folder/other.db" "$backups"
	[[ $stderr == *"$waiting"* ]]
	exits_with 0 dbbackup --wait=0 "$folder/other.db" "$folder/elsewhere/"
	ask writer sql COMMIT
	wait "$waiting"
}

@test "--list and --check do not wait for a run" {
	back_up 0 "$database"
	start_waiting
	exits_with 0 dbbackup --list "$backups"
	exits_with 0 dbbackup -q --check "$backups"
	ask writer sql COMMIT
	wait "$waiting"
}

# --- leftovers ------------------------------------------------------------------------------------

make_leftover() {
	mkdir -p "$backups"
	mkdir -m 700 "$backups/$1"
	cp "$database" "$backups/$1/copy"
	echo garbage >"$backups/$1/copy-journal"
	echo '{' >"$backups/$1/manifest"
}

@test "private folders of dead runs are removed, whatever they had come to" {
	make_leftover .dbbackup.0123456789abcdef
	make_leftover .dbbackup.fedcba9876543210
	mkdir -m 700 "$backups/.dbbackup.aaaaaaaaaaaaaaaa"
	ln -s "$database" "$backups/.dbbackup.0123456789abcdef/packed"
	back_up 0 "$database"
	backups_are "$backup"
	good_backup "$backup"
	[ -e "$database" ]
}

@test "the private folder of a run that is alive stays" {
	make_leftover .dbbackup.0123456789abcdef
	start_hold sibling --read-only "$backups/.dbbackup.0123456789abcdef" flock:w
	back_up 0 "$database"
	[ -e "$backups/.dbbackup.0123456789abcdef/copy-journal" ]
	good_backup "$backup"
	stop sibling
	back_up 0 "$database"
	nothing_left "$folder"
}

@test "what only looks like a private folder stays" {
	mkdir -m 700 "$backups" "$BATS_TEST_TMPDIR/target"
	echo mine >"$BATS_TEST_TMPDIR/target/file"
	cd "$backups"
	mkdir .dbbackup .dbbackup.0123 .dbbackup.0123456789abcdef0 .dbbackup.0123456789ABCDEF .dbbackup.0123456789abcdeg \
		dbbackup.0123456789abcdef .other.0123456789abcdef
	mkdir -m 700 .dbbackup.0000000000000005
	echo mine >.dbbackup.0000000000000005/notes.txt
	echo mine >.dbbackup.0000000000000001
	mkfifo .dbbackup.0000000000000002
	ln -s "$BATS_TEST_TMPDIR/target" .dbbackup.0000000000000003
	ln -s /nowhere .dbbackup.0000000000000004
	local before
	before=$(find . -mindepth 1 -name '*.*' -printf '%p %i %l\n' | sort)
	back_up 0 "$database"
	is_same "$before" "$(find . -mindepth 1 -name '*.*' ! -name 'bot-*' -printf '%p %i %l\n' | sort)"
	is_same mine "$(cat "$BATS_TEST_TMPDIR/target/file")"
}

@test "a private folder of another user stays, or is removed by root only as what it is" {
	require_root
	open_to_everybody
	make_leftover .dbbackup.0123456789abcdef
	chmod 777 "$backups" "$folder"
	local program
	program=$(copy_for_everybody "$dbbackup")
	chmod 644 "$database"
	run "${nobody[@]}" "$program" --json "$database" "$backups"
	is_same 0 "$status"
	[ -e "$backups/.dbbackup.0123456789abcdef/copy" ]
}
