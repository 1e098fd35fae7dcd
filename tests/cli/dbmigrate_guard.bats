#!/usr/bin/env bats
#
# dbmigrate beside others: bots that start too early or too late, holders, other runs, kills, and rehearsals.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	migrate_setup
	make_small "$database"
	cd "$project" || return
}

teardown() {
	migrate_teardown
}

wal_or_delete() {
	rm -rf "$database"* "$backups"
	make_small "$database" "$1"
}

# A migration that stands still half-way.
make_waiting_program() {
	make_program <<-'END'
		db.execute("CREATE TABLE half (x)")
		wait("half")
		db.execute("ALTER TABLE orders ADD COLUMN urgent DEFAULT 'no'")
		wait("whole")
	END
}

start_waiting_migration() {
	make_waiting_program
	start_migration up "$@" "$database" -- "$program" "$database"
	migration_is_at half
}

# --- those who come too late ----------------------------------------------------------------------

@test "who opens the database while the migration runs is told that it is locked, and works afterwards" {
	for mode in wal delete; do
		wal_or_delete "$mode"
		start_waiting_migration
		start_sql early "$database"
		refused early sql 'SELECT count(*) FROM orders'
		is_same 'database is locked' "$reply"
		refused early sql "INSERT INTO orders (problem) VALUES ('lost?')"
		is_same 'database is locked' "$reply"
		go_on
		migration_is_at whole
		start_sql late "$database"
		refused late sql 'SELECT count(*) FROM half'
		is_same 'database is locked' "$reply"
		refused early sql 'BEGIN IMMEDIATE'
		go_on
		migration_ends 0
		answer_has '.published and .locked_seconds > 0'
		for bot in early late; do
			ask "$bot" sql "INSERT INTO orders (problem) VALUES ('mine') RETURNING urgent"
			is_same '[["no"]]' "$reply"
			stop "$bot"
		done
		is_same '22|ok' "$(sql 'SELECT count(*) FROM orders')|$(sql 'PRAGMA integrity_check')"
	done
}

@test "a bot that tries again and again in every phase loses nothing" {
	for mode in wal delete; do
		wal_or_delete "$mode"
		make_program <<<'db.execute("ALTER TABLE orders ADD COLUMN urgent"); wait("half")'
		start_going_on
		in_background keep_ordering
		local bot=$!
		until_true has_orders 5
		start_migration up --wait=20 "$database" -- "$program" "$database"
		migration_is_at half
		go_on
		migration_ends 0
		local orders
		orders=$(wc -l <"$BATS_TEST_TMPDIR/ordered")
		until_true has_orders $((orders + 5))
		stop_going_on
		wait "$bot"
		is_same "$(sort -n "$BATS_TEST_TMPDIR/ordered")" \
			"$(sql "SELECT id FROM orders WHERE problem = 'again' ORDER BY 1")"
		sql 'SELECT urgent FROM orders' >/dev/null
		grep -q 'database is locked' "$BATS_TEST_TMPDIR/refused"
		is_same '' "$(grep -v 'database is locked' "$BATS_TEST_TMPDIR/refused" || true)"
		rm "$BATS_TEST_TMPDIR/ordered" "$BATS_TEST_TMPDIR/refused"
	done
}

# Each order is a connection of its own, and is noted when it is in the database.
keep_ordering() {
	exec /usr/bin/python3 - "$database" "$BATS_TEST_TMPDIR" <<-'END'
		import os, sqlite3, sys
		database, folder = sys.argv[1:]
		with open(folder + "/ordered", "w") as ordered, open(folder + "/refused", "w") as refused:
		    while os.path.exists(folder + "/go_on") and os.getppid() != 1:
		        try:
		            bot = sqlite3.connect(database, timeout=0, isolation_level=None)
		            print(bot.execute("INSERT INTO orders (problem) VALUES ('again')").lastrowid, file=ordered, flush=True)
		        except sqlite3.Error as error:
		            print(error, file=refused, flush=True)
		        bot.close()
	END
}

has_orders() { [[ -e $BATS_TEST_TMPDIR/ordered ]] && (($(wc -l <"$BATS_TEST_TMPDIR/ordered") >= $1)); }

@test "readers that stay connected in rollback mode see the new schema, the SQL way and the program's" {
	start_sql reader "$database"
	ask reader sql 'SELECT * FROM orders LIMIT 1'
	make_sql 1
	sql_file 2 "ALTER TABLE orders ADD COLUMN later DEFAULT 'yes';"
	migrate 0 up "$database"
	ask reader sql 'SELECT later FROM orders LIMIT 1'
	is_same '[["yes"]]' "$reply"
	make_program <<<"db.execute(\"ALTER TABLE orders ADD COLUMN urgent DEFAULT 'no'\")"
	migrate 0 up "$database" -- "$program" "$database"
	ask reader sql 'SELECT urgent, later FROM orders LIMIT 1'
	is_same '[["no", "yes"]]' "$reply"
}

@test "inode, owner, mode and attributes of the database stay, for every engine" {
	((EUID != 0)) || chown 65534:65533 "$database"
	chmod 640 "$database"
	setfattr -n user.note -v 'the shop' "$database" || skip 'no extended attributes here'
	local before
	before=$(identity)
	make_program <<<'db.execute("CREATE TABLE t (x)")'
	((EUID != 0)) || chown 65534 "$folder"
	open_to_everybody
	migrate 0 up "$database" -- "$program" "$database"
	is_same "$before" "$(identity)"
	make_sql 2
	migrate 0 up "$database"
	migrate 0 down "$database"
	is_same "$before" "$(identity)"
}

# --- those who are there already ------------------------------------------------------------------

@test "a database that somebody works in is 5, names who it is, and stays byte for byte" {
	make_sql 2
	make_program <<<'db.execute("CREATE TABLE t (x)")'
	for mode in wal delete; do
		wal_or_delete "$mode"
		start_sql writer "$database"
		ask writer sql 'BEGIN IMMEDIATE'
		for arguments in '' "$program"; do
			remember_bytes
			migrate 5 up --wait=0 "$database" ${arguments:+-- "$program" "$database"}
			error_is 5
			answer_has '.error.message | test("\\b\($pid.writer)\\b")'
			same_bytes
			no_trace
		done
		says_trouble 5 dbmigrate up --wait=0.2 "$database"
		ask writer sql COMMIT
		ask writer cursor 'SELECT * FROM orders'
		migrate 5 up --wait=0 "$database"
		answer_has '.error.message | test("\\b\($pid.writer)\\b")'
		stop writer
	done
}

@test "a WAL database that a bot only has open is 5, too" {
	wal_or_delete wal
	make_sql 2
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	migrate 5 up --wait=0 "$database"
	answer_has '.error.message | test("\\b\($pid.bot)\\b")'
	migrate 1 status "$database"
	stop bot
	migrate 0 up --wait=0 "$database"
}

@test "of two runs at once one migrates, and the other says that it is busy" {
	start_waiting_migration
	make_sql 1
	migrate 5 up --wait=0 "$database"
	says_trouble 5 dbmigrate up --wait=0.2 "$database" -- "$program" "$database"
	go_on
	migration_is_at whole
	go_on
	migration_ends 0
	migrate 0 up "$database"
	applied_are 1
}

# --- kills ----------------------------------------------------------------------------------------

@test "kill -9 in the middle leaves the old database, and the next run sweeps up" {
	for mode in wal delete; do
		wal_or_delete "$mode"
		local before
		before=$(dump_of "$database")
		start_waiting_migration
		kill -KILL "$job"
		migration_ends 137
		until_true nobody_runs
		is_same "$before" "$(dump_of "$database")"
		is_same "$before" "$(sqlite3 -batch "$database" .dump 'PRAGMA user_version; PRAGMA integrity_check; PRAGMA foreign_key_check')"
		make_program <<<'db.execute("CREATE TABLE after (x)")'
		migrate 0 up "$database" -- "$program" "$database"
		no_trace
		is_same 0 "$(sql 'SELECT count(*) FROM after')"
	done
}

nobody_runs() { ! pgrep -f "$program" >/dev/null; }

@test "Ctrl+C and SIGTERM end it with its migration, and leave the file byte for byte" {
	for signal in INT TERM; do
		remember_bytes
		start_waiting_migration --no-backup
		kill "-$signal" "$job"
		migration_ends $((128 + $(kill -l "$signal")))
		nobody_runs
		same_bytes
		no_trace
	done
}

# --- rehearsals and the checklist -----------------------------------------------------------------

@test "rehearse beside a running bot disturbs nobody and leaves the file byte for byte" {
	for mode in wal delete; do
		wal_or_delete "$mode"
		start_sql bot "$database"
		ask bot sql "INSERT INTO orders (problem) VALUES ('fresh')"
		[[ $mode == delete ]] || ask bot sql 'BEGIN IMMEDIATE'
		make_program <<-'END'
			db.execute("CREATE TABLE t AS SELECT * FROM orders")
			wait("half")
		END
		remember_bytes
		start_migration rehearse "$database" -- "$program" "$database"
		migration_is_at half
		[[ $mode == wal ]] || ask bot sql 'BEGIN IMMEDIATE'
		ask bot sql "UPDATE orders SET problem = 'while it rehearses'"
		ask bot sql ROLLBACK
		go_on
		migration_ends 0
		same_bytes
		answer_has '(.published | not) and .would_lock_seconds > 0 and .backup == null and
			any(.tables[]; .name == "t" and .rows_after == 21)'
		stop bot
	done
}

@test "rehearse tells what would fail or be refused" {
	make_sql 1
	refuses_to 3 rehearse "$database" 7
	sql_file 2_bad.sql 'no;'
	refuses_to 3 rehearse "$database"
	error_says 2_bad.sql
	sql_file 2_bad.sql 'DELETE FROM orders;'
	refuses_to 1 rehearse "$database"
	error_says orders
	migrate 0 rehearse --allow-row-loss=orders "$database"
	applied_are 1 2
	refused_rehearsal_of_a_program
}

refused_rehearsal_of_a_program() {
	make_program <<<'db.execute("DELETE FROM orders")'
	refuses_to 1 rehearse "$database" -- "$program" "$database"
	make_program <<<'db.execute("no")'
	refuses_to 3 rehearse "$database" -- "$program" "$database"
}

# The answers of check, as a line: backup, containers, holders, revision, files, rehearsed.
checks_are() {
	migrate "$1" check "$database"
	is_same "${*:2}" "$(jq -r '[.checks[].answer] | map(if . then "yes" else "no" end) | join(" ")' <<<"$answer")"
	answer_has 'all(.checks[]; .question != "" and .evidence != "")'
}

@test "check is 0 when everything is ready, and says what is not" {
	make_sql 2
	checks_are 1 no yes yes yes yes no
	exits_with 0 "$dbbackup" -q "$database"
	checks_are 1 yes yes yes yes yes no
	migrate 0 rehearse "$database"
	checks_are 0 yes yes yes yes yes yes
	exits_with 0 dbmigrate check "$database"
	text=$output
	is_same 6 "$(grep -cw yes <<<"$text")"
	echo '-- one more line' >>"$migrations/2_t2.sql"
	checks_are 1 yes yes yes yes yes no
	migrate 0 rehearse "$database"
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	checks_are 1 yes yes no yes yes yes
	answer_has '.checks[2].evidence | test("\\b\($pid.bot)\\b")'
	stop bot
	echo 'nonsense' >"$migrations/3_bad.sql"
	checks_are 1 yes yes yes yes no no
	answer_has '.checks[4].evidence | test("3_bad.sql")'
}

@test "an old backup is no fresh one" {
	make_sql 1
	make_file_backup
	copy_backup 20260101T000000.000Z
	rm "$backup" "$backup".*
	migrate 1 check "$database"
	answer_has '.checks[0].answer == false and (.checks[0].evidence | contains("20260101T000000.000Z"))'
}
