#!/usr/bin/env bats
#
# dbbackup leaves the database as it is: no byte, no time, no sidecar, no checkpoint, no lock, no owner.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	backup_setup
}

teardown() {
	backup_teardown
}

# Every way of copying leaves the folder of the database as it was.
nothing_changes() {
	local before locks option
	before=$(files_of "$folder")
	locks=$(locks_in "$folder")
	for option in --dry-run --compress --api --verify=quick; do
		back_up 0 "$option" "$database" "$BATS_TEST_TMPDIR/safe/"
		diff <(echo "$before") <(files_of "$folder")
		is_same "$locks" "$(locks_in "$folder")"
	done
}

@test "a rollback database at rest" {
	make_database
	nothing_changes
}

@test "a WAL database at rest: no -wal and no -shm appear" {
	make_database wal
	nothing_changes
}

@test "a WAL database with a reader and a writer in it: nothing is checkpointed" {
	make_database wal
	start_sql bot "$database"
	ask bot sql 'PRAGMA wal_autocheckpoint = 0'
	ask bot sql "UPDATE orders SET problem = 'new'"
	start_sql reader "$database"
	ask reader cursor 'SELECT * FROM orders'
	ask bot sql 'BEGIN IMMEDIATE'
	nothing_changes
	ask bot sql COMMIT
	ask bot sql 'PRAGMA wal_checkpoint'
	[[ $reply =~ ^'[[0, '([0-9]+)', '([0-9]+)']]'$ ]]
	((BASH_REMATCH[2] > 0 && BASH_REMATCH[1] >= BASH_REMATCH[2]))
}

@test "an idle connection finds its WAL where it was, and goes on" {
	make_database wal
	start_sql bot "$database"
	ask bot sql "UPDATE orders SET problem = 'new'"
	nothing_changes
	ask bot sql "INSERT INTO orders (id, problem) VALUES (1001, 'later')"
	is_same 1 "$(sqlite3 -batch "$database" 'SELECT count(*) FROM orders WHERE id = 1001')"
}

@test "a WAL that a crash has left stays for the next program to recover" {
	make_database wal
	start_sql bot "$database"
	ask bot sql "UPDATE orders SET problem = 'new'"
	crash bot
	nothing_changes
	is_same new "$(sqlite3 -batch "$database" 'SELECT DISTINCT problem FROM orders')"
}

@test "a WAL that is left without its -shm stays" {
	make_database wal
	start_sql bot "$database"
	ask bot sql "UPDATE orders SET problem = 'new'"
	crash bot
	rm "$database-shm"
	local before
	before=$(files_of "$folder")
	for option in --verify=quick --api; do
		back_up 0 "$option" "$database" "$BATS_TEST_TMPDIR/safe/"
		# What a reader makes of it: another one takes it over, or makes it anew.
		is_same "$before" "$(files_of "$folder" | grep -v 'bot[.]db-shm')"
	done
	is_same new "$(sqlite3 -batch "$database" 'SELECT DISTINCT problem FROM orders')"
}

@test "an empty -wal and a -shm that somebody has left stay" {
	make_database wal
	: >"$database-wal"
	head -c 32768 /dev/zero >"$database-shm"
	nothing_changes
}

@test "a journal of PERSIST or TRUNCATE mode stays" {
	make_database
	sqlite3 -batch "$database" "PRAGMA journal_mode = persist; UPDATE orders SET problem = 'new'" >/dev/null
	[ -s "$database-journal" ]
	nothing_changes
	sqlite3 -batch "$database" "PRAGMA journal_mode = truncate; UPDATE orders SET problem = 'newer'" >/dev/null
	[ -e "$database-journal" ]
	nothing_changes
}

@test "the journal of a transaction that goes on stays, and the transaction with it" {
	make_database
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	ask bot sql "UPDATE orders SET problem = 'new'"
	[ -s "$database-journal" ]
	nothing_changes
	ask bot sql COMMIT
	is_same new "$(sqlite3 -batch "$database" 'SELECT DISTINCT problem FROM orders')"
}

@test "an empty file stays empty" {
	: >"$database"
	nothing_changes
}

@test "a read-only file in a read-only folder, for a user who may only read" {
	require_root
	open_to_everybody
	make_database
	chmod 444 "$database"
	chmod 555 "$folder"
	mkdir -m 777 "$BATS_TEST_TMPDIR/safe"
	as=("${nobody[@]}")
	dbbackup=$(copy_for_everybody "$dbbackup")
	nothing_changes
	good_backup "$backup"
	is_same 65534 "$(stat -c %u "$backup")"
	chmod 755 "$folder"
}

@test "a WAL database that the user may only read, with its bot alive, is copied or is trouble" {
	require_root
	open_to_everybody
	make_database wal
	start_sql bot "$database"
	ask bot sql "UPDATE orders SET problem = 'new'"
	chmod 644 "$database"*
	mkdir -m 777 "$BATS_TEST_TMPDIR/safe"
	as=("${nobody[@]}")
	dbbackup=$(copy_for_everybody "$dbbackup")
	local before
	before=$(files_of "$folder")
	run --separate-stderr dbbackup -q "$database" "$BATS_TEST_TMPDIR/safe"
	((status == 0 || status == 3))
	for made in "$BATS_TEST_TMPDIR/safe"/*.db; do
		[[ ! -e $made ]] || is_same new "$(sqlite3 -batch "$made" 'SELECT DISTINCT problem FROM orders')"
	done
	is_same "$before" "$(files_of "$folder")"
}

@test "root's backup of a user's database leaves every sidecar the user's" {
	require_root
	local left
	for left in rest live crash; do
		rm -rf "$folder" && mkdir "$folder"
		make_database wal
		chown -R 1000:1000 "$folder"
		if [[ $left != rest ]]; then
			start_sql bot "$database"
			ask bot sql "UPDATE orders SET problem = 'new'"
			chown 1000:1000 "$database"*
			[[ $left == live ]] || crash bot
		fi
		nothing_changes
		is_same '' "$(find "$folder" ! -uid 1000)"
		[[ $left != live ]] || stop bot
	done
}

@test "root without the right to give files away leaves the user no file of root" {
	require_root
	make_database wal
	chown -R 1000:1000 "$folder"
	mkdir "$BATS_TEST_TMPDIR/safe"
	run --separate-stderr capsh --drop=cap_chown,cap_fowner -- -c '"$0" -q "$1" "$2"' "$dbbackup" "$database" \
		"$BATS_TEST_TMPDIR/safe"
	((status == 0 || status == 3))
	is_same '' "$(find "$folder" ! -uid 1000)"
	is_same "$database" "$(echo "$folder"/*)"
}

@test "no lock is left, and a writer finds none a moment later" {
	make_database
	for option in --verify=quick --api; do
		back_up 0 "$option" "$database"
		is_same '' "$(locks_in "$folder")"
		sqlite3 -batch "$database" "BEGIN EXCLUSIVE; COMMIT"
	done
}

@test "a program that uses the database is not disturbed by one backup after the other" {
	make_database wal
	start_going_on
	in_background back_up_in_a_loop
	local loop=$!
	run "$helpers/commit_loop" 1500 "$database"
	stop_going_on
	wait "$loop"
	echo "$output"
	[[ $output =~ ^commits\ 1500\ refused\ 0 ]]
	read -r count bad <"$BATS_TEST_TMPDIR/looks"
	echo "$count backups, $bad failed"
	((count > 0 && bad == 0))
	is_same ok "$(sqlite3 -batch "$database" 'PRAGMA integrity_check')"
}

back_up_in_a_loop() {
	local count=0 bad=0
	while goes_on || ((count == 0)); do
		"$dbbackup" -q --keep-last=2 "$database" "$BATS_TEST_TMPDIR/safe/" || ((++bad))
		((++count))
	done
	echo "$count $bad" >"$BATS_TEST_TMPDIR/looks"
}
