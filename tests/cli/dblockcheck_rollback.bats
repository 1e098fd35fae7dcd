#!/usr/bin/env bats
#
# dblockcheck on a database with a rollback journal, in every state of its locks.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/dblockcheck.bash
	dblockcheck_setup
	make_database
}

teardown() {
	clients_teardown
}

@test "a database that nobody has open is free for everything" {
	answer_is free read=yes write=yes migrate=yes
	answer_has '.certified and .journal_mode == "rollback" and .wal == null and .holders == []'
	answer_has '.journal == {present: false, hot: false}'
	answer_has '[.findings[].id] - ["hidden-processes"] == []'
	answer_has '.hidden.locks == 0'
}

@test "the answer names the file and its sizes" {
	survey "$database"
	answer_has --arg path "$database" '.database == $path'
	answer_has --argjson size "$(stat -c %s "$database")" '.size_bytes == $size'
	answer_has --argjson inode "$(stat -c %i "$database")" '.filesystem.inode == $inode'
	answer_has --arg type "$(findmnt -no FSTYPE -T "$database")" '.filesystem.type == $type'
	answer_has --arg host "$(uname -n)" '.host == $host and .page_size_bytes == 4096'
	answer_has '.filesystem.network == false'
}

@test "an idle connection has the file open and holds no lock" {
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'

	answer_is open read=yes write=yes migrate=bot
	holder_is bot open ---/-.---.-----
	answer_has '.certified == false'
}

@test "a connection in a transaction that has done nothing yet holds no lock" {
	start_sql bot "$database"
	ask bot sql BEGIN

	answer_is open read=yes write=yes migrate=bot
	holder_is bot open ---/-.---.-----
}

@test "an unfinished SELECT holds SHARED and refuses nobody" {
	start_sql reader "$database"
	ask reader cursor 'SELECT * FROM orders'

	answer_is open read=yes write=yes migrate=reader
	holder_is reader reader --r/-.---.----- SHARED
	text_has "^ +$(pid reader) .*\bSHARED\b"
	sqlite_agrees

	ask reader finish
	answer_is open read=yes write=yes migrate=reader
	holder_is reader open ---/-.---.-----
}

@test "a read transaction of the sqlite3 shell holds SHARED until it ends" {
	launch shell stdbuf -oL sqlite3 -batch "$database"
	tell shell ".print ready $(pid shell)"
	await_ready shell
	tell shell "BEGIN; SELECT 'ok', count(*) FROM orders;"
	hear shell 'ok|100'

	answer_is open read=yes write=yes migrate=shell
	holder_is shell reader --r/-.---.----- SHARED
	answer_has --arg path "$database" '.holders[0].command == ["sqlite3", "-batch", $path]'

	tell shell "COMMIT; SELECT 'ok';"
	hear shell ok
	answer_is open read=yes write=yes migrate=shell
	holder_is shell open ---/-.---.-----
}

@test "BEGIN IMMEDIATE holds RESERVED: readers may read, writers are refused" {
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'

	answer_is locked read=yes write=writer migrate=writer
	holder_is writer writer -wr/-.---.----- SHARED RESERVED
	sqlite_agrees

	ask writer sql COMMIT
	answer_is open read=yes write=yes migrate=writer
	holder_is writer open ---/-.---.-----
}

@test "a reader beside a writer is in nobody's way" {
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
	start_sql reader "$database"
	ask reader cursor 'SELECT * FROM orders'

	answer_is locked read=yes write=writer migrate=writer+reader
	holder_is writer writer -wr/-.---.----- SHARED RESERVED
	holder_is reader reader --r/-.---.----- SHARED
}

@test "a COMMIT refused by a reader leaves PENDING: newcomers are refused, and the reader is why" {
	start_sql reader "$database"
	ask reader cursor 'SELECT * FROM orders'
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
	ask writer sql "INSERT INTO orders (problem) VALUES ('no sound')"
	refused writer sql COMMIT

	answer_is locked read=writer write=writer migrate=writer+reader
	holder_is writer writer wwr/-.---.----- SHARED RESERVED PENDING
	holder_is reader reader --r/-.---.----- SHARED
	sqlite_agrees
	answer_has '.findings[] | select(.id == "reader-blocks-commit") | .pids | contains([$pid.reader])'

	ask reader finish
	ask writer sql COMMIT
	answer_is open read=yes write=yes migrate=writer+reader
	no_finding reader-blocks-commit
}

@test "BEGIN EXCLUSIVE refuses everybody" {
	start_sql writer "$database"
	ask writer sql 'BEGIN EXCLUSIVE'

	answer_is locked read=writer write=writer migrate=writer
	holder_is writer writer www/-.---.----- RESERVED PENDING EXCLUSIVE
	sqlite_agrees
}

@test "locking_mode=EXCLUSIVE is told from a transaction: it does not end" {
	start_sql greedy "$database"
	ask greedy sql 'PRAGMA locking_mode = EXCLUSIVE'
	ask greedy sql 'DELETE FROM orders WHERE id = 7'

	answer_is locked read=greedy write=greedy migrate=greedy
	holder_is greedy writer www/-.---.----- RESERVED PENDING EXCLUSIVE
	finding_is exclusive-mode greedy
}

@test "an idle transaction that blocks writers is found and named" {
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	ask bot sql 'DELETE FROM orders WHERE id = 7'

	survey "$database"
	answer_has '.holders[0].idle and .holders[0].state == "sleeping"'
	answer_has '.journal == {present: true, hot: false}'
	finding_is idle-writer bot
	no_finding active-writer hot-journal
}

@test "a crash in a transaction leaves a hot journal, and the database is free" {
	start_sql bot "$database"
	ask bot sql 'PRAGMA cache_size = 1'
	ask bot sql 'BEGIN IMMEDIATE'
	ask bot sql 'UPDATE orders SET problem = hex(randomblob(100))'
	crash bot

	answer_is free read=yes write=yes migrate=yes
	answer_has '.journal == {present: true, hot: true} and .certified'
	finding_is hot-journal
	answer_has '[.findings[].fix] | any(test("(rm|delete|remove) .*journal")) | not'

	start_sql next "$database"
	ask next sql 'PRAGMA integrity_check'
	[ "$reply" = '[["ok"]]' ]
	answer_is open read=yes write=yes migrate=next
	answer_has '.journal == {present: false, hot: false}'
	no_finding hot-journal
}

@test "a journal that was kept but is not in use is not hot" {
	start_sql bot "$database"
	ask bot sql 'PRAGMA journal_mode = PERSIST'
	ask bot sql 'DELETE FROM orders WHERE id = 7'
	stop bot

	answer_is free read=yes write=yes migrate=yes
	answer_has '.journal == {present: true, hot: false}'
	no_finding hot-journal
}

@test "a database that is being rolled back lets nobody in" {
	start_sql bot "$database"
	ask bot sql 'PRAGMA cache_size = 1'
	ask bot sql 'BEGIN IMMEDIATE'
	ask bot sql 'UPDATE orders SET problem = hex(randomblob(100))'
	crash bot
	start_paused next "$database" "$((0x40000002))" 'SELECT count(*) FROM orders'

	survey "$database"
	answer_has '.status == "locked" and .can == {read: false, write: false, migrate: false}'
	answer_has '.blockers.read == [$pid.next] and any(.holders[0].locks[]; . == "EXCLUSIVE")'
	exit_status_is 1
	sqlite_agrees
}
