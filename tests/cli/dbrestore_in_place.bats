#!/usr/bin/env bats
#
# dbrestore into a database that is there: one transaction into the same file, at rest and under programs.

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

journal_mode_is() {
	is_same "$1" "$(sqlite3 -batch "$database" 'PRAGMA journal_mode')"
}

# --- at rest --------------------------------------------------------------------------------------

@test "the file stays the same file, with its owner, mode, attributes and journal mode" {
	for mode in delete wal; do
		rm -rf "$folder" "$BATS_TEST_TMPDIR/backups" && mkdir "$folder"
		make_backup_and_change "$mode"
		chmod 664 "$database"
		((EUID != 0)) || chown 1000:1001 "$database" "$folder"
		setfattr -n user.note -v 'the shop' "$database"
		setfacl -m u:1234:r "$database"
		local identity
		identity=$(identity)
		restore 0 "$backup" "$database"
		answer_has '.method == "transaction"'
		is_same "$identity" "$(identity)"
		is_restored
		journal_mode_is "$mode"
		is_same '' "$(find "$folder" -name 'bot.db*' ! -user "$(stat -c %U "$database")")"
	done
}

@test "a backup of a WAL database into a rollback one and the other way round: the target's mode stays" {
	for modes in 'wal delete' 'delete wal'; do
		rm -rf "$folder" "$BATS_TEST_TMPDIR/backups" && mkdir "$folder"
		make_backup_and_change "${modes% *}"
		sqlite3 -batch "$database" "PRAGMA journal_mode = ${modes#* }" >/dev/null
		restore 0 "$backup" "$database"
		is_restored
		journal_mode_is "${modes#* }"
	done
}

@test "a larger and a smaller backup, and an empty one" {
	make_backup_and_change wal
	sqlite3 -batch "$database" 'INSERT INTO later SELECT randomblob(3000) FROM orders, orders LIMIT 300'
	restore 0 "$backup" "$database"
	is_restored
	local large
	large=$(jq -r .safety_copy <<<"$answer")
	restore 0 "$large" "$database"
	is_same 301 "$(sqlite3 -batch "$database" 'SELECT count(*) FROM later')"
	sqlite3 -batch "$folder/empty.db" 'PRAGMA user_version = 3'
	restore 0 --force "$folder/empty.db" "$database"
	is_same 3/0 "$(sqlite3 -batch "$database" "SELECT user_version || '/' || (SELECT count(*) FROM sqlite_schema)
		FROM pragma_user_version")"
}

# A backup with one page size into a database with another.
page_sizes() {
	local of_backup=$1 of_database=$2 mode=$3
	rm -rf "$folder" "$BATS_TEST_TMPDIR/backups" && mkdir "$folder"
	make_tables "page_size = $of_backup"
	backups=$BATS_TEST_TMPDIR/backups
	make_file_backup
	new=$(content "$database")
	rm "$database"
	make_tables "page_size = $of_database" "journal_mode = $mode"
	change_database 'DELETE FROM orders WHERE id > 20'
	restore 0 "$backup" "$database"
	is_restored
	journal_mode_is "$mode"
}

@test "another page size is converted, in WAL mode too" {
	page_sizes 512 65536 delete
	page_sizes 65536 512 wal
	page_sizes 4096 8192 wal
	page_sizes 8192 4096 delete
}

@test "another text encoding and another auto_vacuum come with the backup" {
	make_tables 'encoding = "UTF-16le"' 'auto_vacuum = 1'
	backups=$BATS_TEST_TMPDIR/backups
	make_file_backup
	new=$(content "$database")
	rm "$database"
	make_tables 'journal_mode = wal'
	restore 0 "$backup" "$database"
	is_restored
	is_same 'UTF-16le 1' "$(sqlite3 -batch "$database" 'PRAGMA encoding; PRAGMA auto_vacuum' | xargs)"
}

@test "user_version, application_id and the revision come with the backup" {
	make_tables 'user_version = 7' 'application_id = 77'
	sqlite3 -batch "$database" "CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('one')"
	backups=$BATS_TEST_TMPDIR/backups
	make_file_backup
	new=$(content "$database")
	change_database "PRAGMA user_version = 8; UPDATE alembic_version SET version_num = 'two'"
	restore 0 --dry-run "$backup" "$database"
	answer_has '.changes.revision == {before: "two", after: "one"}'
	restore 0 "$backup" "$database"
	is_restored
}

@test "what a crash has left in the WAL does not come back" {
	make_backup_and_change wal
	start_sql bot "$database"
	ask bot sql "UPDATE orders SET problem = 'stale'"
	crash bot
	[ -s "$database-wal" ]
	old=$(content "$database")
	restore 0 "$backup" "$database"
	is_restored
	journal_mode_is wal
	is_same "$old" "$(content "$(jq -r .safety_copy <<<"$answer")")"
}

@test "what a crash has left in a journal does not come back" {
	make_backup_and_change
	start_sql bot "$database"
	ask bot sql 'PRAGMA cache_size = 1'
	ask bot sql 'BEGIN IMMEDIATE'
	ask bot sql "UPDATE orders SET problem = hex(randomblob(200))"
	crash bot
	[ -s "$database-journal" ]
	restore 0 "$backup" "$database"
	is_restored
	is_same "$old" "$(content "$(jq -r .safety_copy <<<"$answer")")"
}

@test "a WAL of another database that somebody has put beside it is not replayed" {
	make_backup_and_change
	sqlite3 -batch "$folder/other.db" 'PRAGMA journal_mode = wal; CREATE TABLE orders (id, problem)' >/dev/null
	start_sql other "$folder/other.db"
	ask other sql "INSERT INTO orders VALUES (1, 'stale')"
	crash other
	mv "$folder/other.db-wal" "$database-wal"
	rm "$folder"/other.db*
	run --separate-stderr dbrestore --json "$backup" "$database"
	((status == 0 || status == 3 || status == 5))
	if [[ $status == 0 ]]; then
		is_restored
	fi
}

@test "a PERSIST journal beside it is no trouble" {
	make_backup_and_change
	sqlite3 -batch "$database" "PRAGMA journal_mode = persist; UPDATE orders SET problem = 'x'" >/dev/null
	restore 0 "$backup" "$database"
	is_restored
}

@test "an empty file is a database, and is filled" {
	make_backup_and_change
	: >"$database"
	chmod 640 "$database"
	restore 0 "$backup" "$database"
	is_restored
	is_same 640 "$(stat -c %a "$database")"
}

@test "doing it twice is the same as once" {
	make_backup_and_change wal
	restore 0 "$backup" "$database"
	restore 0 "$backup" "$database"
	is_restored
}

# --- with programs that have it open --------------------------------------------------------------

@test "a database that a program has open is refused, and the program named" {
	make_backup_and_change wal
	for state in idle reader writer; do
		start_sql bot "$database"
		ask bot sql 'SELECT count(*) FROM orders'
		[[ $state != reader ]] || ask bot cursor 'SELECT * FROM orders'
		[[ $state != writer ]] || ask bot sql 'BEGIN IMMEDIATE'
		restore 5 --wait=0 "$backup" "$database"
		answer_has '.error.status == 5 and (.error.message | test("\\b\($pid.bot)\\b"))'
		says_trouble 5 dbrestore --wait=0 "$backup" "$database"
		[[ $stderr == *"$(pid bot)"* ]]
		is_same "$old" "$(content "$database")"
		[[ $state != reader ]] || ask bot finish
		[[ $state != writer ]] || ask bot sql ROLLBACK
		stop bot
	done
}

@test "an idle connection of a rollback database, which holds no lock, is a holder too" {
	make_backup_and_change
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	refuses 5 "$backup" "$database"
	answer_has '.error.message | test("\\b\($pid.bot)\\b")'
	refuses 5 --force "$backup" "$database"
}

@test "somebody who only reads the file, without SQLite, is not in the way" {
	make_backup_and_change
	start_sql editor
	ask editor raw "$database"
	restore 0 "$backup" "$database"
	is_restored
}

@test "--wait goes on when the program has let go" {
	make_backup_and_change wal
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	in_background "$dbrestore" --json --wait=60 "$backup" "$database" >"$BATS_TEST_TMPDIR/said"
	local waiting=$!
	stop bot
	wait "$waiting"
	output=$(<"$BATS_TEST_TMPDIR/said")
	judge_restore_answer
	is_restored
}

# A reader in its snapshot, an idle reader and a writer: all see the new content, and go on with it.
live() {
	local mode=$1
	make_backup_and_change "$mode"
	identity=$(identity)
	start_sql writer "$database"
	ask writer sql "UPDATE orders SET problem = 'before' WHERE id = 9"
	start_sql idler "$database"
	ask idler sql 'SELECT count(*) FROM orders'
	is_same '[[50]]' "$reply"
	start_sql reader "$database"
	if [[ $mode == wal ]]; then
		ask reader cursor 'SELECT id FROM orders'
	fi
	restore 0 --live --wait=10 "$backup" "$database"
	answer_has '.method == "transaction" and .safety_copy != null'
	if [[ $mode == wal ]]; then
		ask reader step
		ask reader finish
	fi
	is_same "$identity" "$(identity)"
	for client in reader idler writer; do
		ask "$client" sql 'SELECT count(*), (SELECT count(*) FROM sqlite_schema) FROM orders'
		is_same '[[100, 1]]' "$reply"
	done
	ask writer sql "INSERT INTO orders (id, problem) VALUES (1001, 'after')"
	ask reader sql "SELECT problem FROM orders WHERE id = 1001"
	is_same '[["after"]]' "$reply"
	ask reader sql 'PRAGMA integrity_check'
	is_same '[["ok"]]' "$reply"
	stop writer
	stop idler
	stop reader
	sqlite3 -batch "$database" 'DELETE FROM orders WHERE id = 1001'
	is_restored
	journal_mode_is "$mode"
}

@test "--live: programs that have a WAL database open see the new content and go on" {
	live wal
}

@test "--live: programs that have a rollback database open see the new content and go on" {
	live delete
}

@test "--live with another page size is converted" {
	make_tables 'page_size = 1024'
	backups=$BATS_TEST_TMPDIR/backups
	make_file_backup
	new=$(content "$database")
	rm "$database"
	make_tables 'page_size = 4096' 'journal_mode = wal'
	start_sql bot "$database"
	ask bot sql 'DELETE FROM orders'
	restore 0 --live "$backup" "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	is_same '[[300]]' "$reply"
	stop bot
	is_restored
}

@test "--live does not get past a writer in the middle of a transaction: 5, and nothing is changed" {
	for mode in wal delete; do
		rm -rf "$folder" "$BATS_TEST_TMPDIR/backups" && mkdir "$folder"
		make_backup_and_change "$mode"
		start_sql bot "$database"
		ask bot sql 'BEGIN IMMEDIATE'
		ask bot sql "INSERT INTO orders (id, problem) VALUES (1001, 'mine')"
		restore 5 --live --wait=0 "$backup" "$database"
		answer_has '.error.message | test("\\b\($pid.bot)\\b")'
		ask bot sql COMMIT
		is_same 1 "$(sqlite3 -batch "$database" 'SELECT count(*) FROM orders WHERE id = 1001')"
		stop bot
		sqlite3 -batch "$database" 'DELETE FROM orders WHERE id = 1001'
		is_same "$old" "$(content "$database")"
	done
}

@test "--live does not get past a reader of a rollback database that does not end" {
	make_backup_and_change
	start_sql bot "$database"
	ask bot cursor 'SELECT * FROM orders'
	restore 5 --live --wait=0.2 "$backup" "$database"
	answer_has '.error.message | test("\\b\($pid.bot)\\b")'
	is_same "$old" "$(content "$database")"
	ask bot finish
	ask bot sql "INSERT INTO orders (id, problem) VALUES (1001, 'mine')"
}

@test "--live loses no commit that is acknowledged after it, with writers that never pause" {
	exits_with 0 "$repository/tests/stress/live_restore" --bin="${dbbackup%/*}" --folder="$folder" \
		--rounds="$((${DBLOCKTOOLS_LONG:-0} ? 100 : 4))" --seed=1
	echo "# $output" >&3
}

@test "two at once: one after the other, or one is told that it is busy; the database is whole" {
	make_backup_and_change wal
	local run ended done=0
	for run in {1..5}; do
		in_background "$dbrestore" -q --wait=0 "$backup" "$database" 2>"$BATS_TEST_TMPDIR/complained.$run"
		jobs[run]=$!
	done
	for run in {1..5}; do
		ended=0
		wait "${jobs[run]}" || ended=$?
		((ended == 0 || ended == 5))
		[[ $ended != 0 ]] || ((++done))
	done
	((done > 0))
	is_restored
	nothing_left "$folder"
}

@test "SIGTERM while it waits for a lock changes nothing and leaves nothing" {
	make_backup_and_change wal
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	before=$(files_of "$folder")
	in_background exec env --default-signal=INT "$dbrestore" --live --wait=60 "$backup" "$database"
	local waiting=$! ended=0
	until_true has_it_open "$waiting"
	kill -TERM "$waiting"
	wait "$waiting" || ended=$?
	is_same 143 "$ended"
	is_same "$before" "$(files_of "$folder")"
	nothing_left "$folder"
	ask bot sql COMMIT
}

has_it_open() {
	local pid
	for pid in "$1" $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		[[ $(readlink "/proc/$pid/fd/"* 2>/dev/null) == *"$database"* ]] && return
	done
	false
}

@test "root's restore of a user's database leaves every file the user's" {
	require_root
	make_backup_and_change wal
	chown -R 1000:1000 "$folder"
	start_sql bot "$database"
	ask bot sql 'SELECT 1 FROM orders'
	chown 1000:1000 "$database"*
	restore 0 --live "$backup" "$database"
	is_same '' "$(find "$folder" -name 'bot.db*' ! -uid 1000)"
	stop bot
	restore 0 "$backup" "$database"
	is_same '' "$(find "$folder" -name 'bot.db*' ! -uid 1000)"
	is_restored
}
