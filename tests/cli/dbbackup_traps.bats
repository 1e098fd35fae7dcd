#!/usr/bin/env bats
#
# Traps that dbbackup has been in: whose backup is whose, when a copy is from, and what opening a database does to it.

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

# --- whose backup it is ---------------------------------------------------------------------------

# A backup of one minute past midnight that says of itself what the jq filter makes of it; its path is in $reply.
older_backup() {
	copy_backup "${2:-20260101T000100.000Z}" "$1"
}

@test "a database of the same path on another host, in the same folder of backups, keeps its backups" {
	make_database
	make_file_backup
	older_backup '.host = "elsewhere" | .inode += 1'
	local others=$reply
	for run in 1 2; do
		back_up 0 --keep-last=1 "$database" "$backups/"
		backups_are "$others" "$backup"
		answer_has --arg others "${others##*/}" '.deleted | map(endswith($others)) | any | not'
	done
}

@test "a database that was made anew on the same host is still the same one for --keep-last" {
	make_database
	make_file_backup
	older_backup '.inode += 1'
	back_up 0 --keep-last=1 "$database" "$backups/"
	backups_are "$backup"
}

@test "a host that was given another name still has the same database for --keep-last" {
	make_database
	make_file_backup
	older_backup '.host = "before"'
	back_up 0 --keep-last=1 "$database" "$backups/"
	backups_are "$backup"
}

@test "however the path of the database is spelled, it is the same one for --keep-last" {
	make_database
	ln -s shop "$BATS_TEST_TMPDIR/link"
	backups=$BATS_TEST_TMPDIR/backups
	cd "$folder"
	for spelling in "$database" ./bot.db ../link/bot.db "$BATS_TEST_TMPDIR/link/bot.db"; do
		back_up 0 --keep-last=1 "$spelling" "$backups/"
		backups_are "$backup"
		is_same "$database" "$(jq -r .source "$backup.json")"
	done
}

@test "a database that was emptied does not push out the last backup that has anything in it" {
	make_database
	make_file_backup
	local full=$backup
	: >"$database"
	for run in 1 2 3 4; do
		back_up 0 --keep-last=2 "$database" "$backups/"
		[ -e "$full" ] && [ -e "$full.json" ] && [ -e "$full.sha256" ]
	done
	is_same 3 "$(find "$backups" -name '*.db' | wc -l)"
	exits_with 0 dbbackup -q --check "$backups"
}

# --- other runs -----------------------------------------------------------------------------------

# Starts dbbackup in the background until it waits for the lock of a writer; its PID is in $waiting.
start_waiting() {
	start_sql writer "$database"
	ask writer sql 'BEGIN EXCLUSIVE'
	in_background exec "$dbbackup" --json --wait=60 "$database" "$1" >"$BATS_TEST_TMPDIR/said" 2>"$BATS_TEST_TMPDIR/complained"
	waiting=$!
	until_true has_open "$waiting" "$database"
}

has_open() {
	local pid
	for pid in "$1" $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		[[ $(readlink "/proc/$pid/fd/"* 2>/dev/null) == *"$2"* ]] && return
	done
	false
}

@test "a backup to a FILE does not begin while another run works in its folder, and says which one" {
	make_database
	mkdir "$backups"
	start holder flock "$backups" sh -c 'echo "ready $$"; read -r line || true'
	local owner
	owner=$(sed -n 's/^PPid:\t//p' "/proc/$(pid holder)/status")
	back_up 5 --wait=0 "$database" "$backups/mine.db"
	answer_has --arg owner "$owner" '.error.message | test("\\b\($owner)\\b")'
	is_same '' "$(find "$backups" -mindepth 1)"
	stop holder
	back_up 0 --wait=0 "$database" "$backups/mine.db"
	good_backup "$backups/mine.db"
}

@test "of two runs to one FILE exactly one makes it, with a manifest and a sum that are its own" {
	make_database
	mkdir "$backups"
	sqlite3 -batch "$folder/other.db" 'CREATE TABLE other (id)'
	start_waiting "$backups/mine.db"
	back_up 5 --wait=0 "$folder/other.db" "$backups/mine.db"
	answer_has --argjson first "$waiting" '.error.message | test("\\b\($first)\\b")'
	in_background exec "$dbbackup" -q --wait=60 "$folder/other.db" "$backups/mine.db" 2>/dev/null
	local second=$! ended=0
	ask writer sql COMMIT
	wait "$waiting"
	wait "$second" || ended=$?
	is_same 3 "$ended"
	is_same "$database" "$(jq -r .source "$backups/mine.db.json")"
	good_backup "$backups/mine.db"
	backups_are "$backups/mine.db"
}

# --- when, and what opening does ------------------------------------------------------------------

@test "a backup that had to wait is dated when it had the lock, not when it was asked for" {
	make_database
	start_waiting "$backups/"
	ask writer sql "UPDATE orders SET problem = 'last'"
	local committed
	committed=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
	ask writer sql COMMIT
	wait "$waiting"
	output=$(<"$BATS_TEST_TMPDIR/said")
	judge_backup_answer
	good_backup "$backup"
	is_same last "$(sqlite3 -batch "$backup" 'SELECT DISTINCT problem FROM orders')"
	local time
	time=$(jq -r .time "$backup.json")
	is_same "${#committed}" "${#time}"
	[[ ! $time < $committed ]]
	time=${time//[-:]/}
	is_same "bot-$time.db" "${backup##*/}"
}

@test "an empty database with a journal or a WAL beside it that is not empty is refused, and both stay" {
	: >"$database"
	for suffix in -journal -wal; do
		head -c 5000 /dev/urandom >"$database$suffix"
		local before
		before=$(files_of "$folder")
		for option in --verify=quick --api; do
			back_up 3 "$option" "$database" "$BATS_TEST_TMPDIR/backups/"
			answer_has --arg suffix "$suffix" '.error.message | contains($suffix)'
			is_same "$before" "$(files_of "$folder")"
		done
		rm "$database$suffix"
	done
	back_up 0 "$database" "$BATS_TEST_TMPDIR/backups/"
}

@test "who may only read a WAL database leaves no sidecar of their own that locks its owner out" {
	require_root
	make_database wal
	[ ! -e "$database-wal" ] && [ ! -e "$database-shm" ]
	chown 1000:2000 "$folder" "$database"
	chmod 770 "$folder"
	chmod 640 "$database"
	install -d -o 1001 -g 2000 "$BATS_TEST_TMPDIR/mine"
	dbbackup=$(copy_for_everybody "$dbbackup")
	open_to_everybody
	local before
	before=$(files_of "$folder")
	as=(setpriv --reuid=1001 --regid=2000 --clear-groups --)
	for option in --verify=quick --api; do
		back_up 3 "$option" "$database" "$BATS_TEST_TMPDIR/mine/"
		one_line_of_trouble
		is_same "$before" "$(files_of "$folder")"
	done
	as=(setpriv --reuid=1000 --regid=2000 --clear-groups --)
	"${as[@]}" sqlite3 -batch "$database" 'DELETE FROM orders WHERE id = 1'
}

@test "nowhere to write to is trouble, though it is the standard output that is closed" {
	make_database
	# shellcheck disable=SC2016 # for that shell
	exits_with 3 bash -c '"$0" "$1" - >&-' "$dbbackup" "$database"
	one_line_of_trouble
	is_same 'bot.db' "$(ls -A "$folder")"
}

# --- what is in it --------------------------------------------------------------------------------

# Backup, --check and restore of $database all work.
goes_round() {
	back_up 0 "$@" "$database" "$backups/"
	exits_with 0 dbbackup -q --check "$backup"
	exits_with 0 dbbackup --json --list "$backups"
	jq -e .backups >/dev/null <<<"$output"
	restore 0 "$backups" "$database"
}

@test "a revision that is not UTF-8, or is cut within a character, does not make a backup useless" {
	backups=$BATS_TEST_TMPDIR/backups
	for value in "CAST(x'66ff67' AS TEXT)" "replace(hex(zeroblob(600)), '00', 'é')" "'x' || replace(hex(zeroblob(600)), '00', 'é')" \
		"'a' || char(10, 27, 8238)"; do
		rm -rf "$folder" "$backups" && mkdir "$folder"
		sqlite3 -batch "$database" "CREATE TABLE alembic_version (version_num);
			INSERT INTO alembic_version VALUES ($value)"
		goes_round
	done
}

@test "an index ordered by a collation of the application's is not checked in full, but is backed up" {
	python3 - "$database" <<-'END'
		import sqlite3, sys
		database = sqlite3.connect(sys.argv[1], isolation_level=None)
		database.create_collation("house", lambda a, b: (a < b) - (a > b))
		database.execute("CREATE TABLE orders (problem TEXT COLLATE house)")
		database.execute("CREATE INDEX problems ON orders (problem)")
		database.executemany("INSERT INTO orders VALUES (?)", [(str(n),) for n in range(50)])
	END
	backups=$BATS_TEST_TMPDIR/backups
	goes_round --verify=full
	is_same quick "$(jq -r .verified "$backup.json")"
	exits_with 0 dbbackup --verify=full "$database" "$backups/"
	[[ $output == *quick* ]]
	is_same ok "$(python3 - "$database" <<-'END'
		import sqlite3, sys
		database = sqlite3.connect(sys.argv[1], isolation_level=None)
		database.create_collation("house", lambda a, b: (a < b) - (a > b))
		print(database.execute("PRAGMA integrity_check").fetchone()[0])
	END
	)"
}
