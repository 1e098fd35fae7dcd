#!/usr/bin/env bats
#
# dblockcheck on a database in WAL mode, in every state of its locks.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/dblockcheck.bash
	dblockcheck_setup
	make_database wal
}

teardown() {
	clients_teardown
}

# The frames in the WAL. Right as long as the WAL has not been begun anew.
frames_in_wal() {
	echo $((($(stat -c %s "$database-wal") - 32) / (4096 + 24)))
}

add_order() {
	ask "$1" sql "INSERT INTO orders (problem) VALUES ('no sound')"
}

@test "a WAL database that nobody has open is free for everything" {
	answer_is free read=yes write=yes migrate=yes
	answer_has '.certified and .journal_mode == "wal" and .wal == null and .holders == []'
	answer_has '[.findings[].id] - ["hidden-processes"] == []'
}

@test "a connection that has read once is connected and in nobody's way but a migration's" {
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'

	answer_is open read=yes write=yes migrate=bot
	holder_is bot connected --r/r.---.----- SHARED DMS
	sqlite_agrees
	answer_has '.wal.size_bytes == 0 and .wal.frames == 0 and .wal.pending_bytes == 0'
}

@test "a connection that has not read yet holds no lock" {
	start_sql bot "$database"

	answer_is open read=yes write=yes migrate=bot
	holder_is bot open ---/-.---.-----
}

@test "a reader of a WAL that is empty holds READ0" {
	start_sql reader "$database"
	ask reader cursor 'SELECT * FROM orders'

	answer_is open read=yes write=yes migrate=reader
	holder_is reader reader --r/r.---.r---- SHARED READ0 DMS
	answer_has '.wal.read_marks[0] | .slot == 0 and .pids == [$pid.reader]'
	sqlite_agrees

	ask reader finish
	answer_is open read=yes write=yes migrate=reader
	holder_is reader connected --r/r.---.----- SHARED DMS
}

@test "a reader of a WAL that is checkpointed to its end holds READ0" {
	start_sql writer "$database"
	add_order writer
	ask writer sql 'PRAGMA wal_checkpoint(FULL)'
	start_sql reader "$database"
	ask reader cursor 'SELECT * FROM orders'

	answer_is open read=yes write=yes migrate=reader+writer
	holder_is reader reader --r/r.---.r---- SHARED READ0 DMS
	holder_is writer connected --r/r.---.----- SHARED DMS
	answer_has '.wal | .frames > 0 and .checkpointed_frames == .frames and .pending_bytes == 0'
	no_finding pinned-wal
}

@test "readers of four different snapshots hold READ1 to READ4, each with its own mark" {
	start_sql writer "$database"
	local number form=(x --r/r.---.-r--- --r/r.---.--r-- --r/r.---.---r- --r/r.---.----r)
	local -a mark
	for number in 1 2 3 4; do
		add_order writer
		mark[number]=$(frames_in_wal)
		start_sql "reader$number" "$database"
		ask "reader$number" cursor 'SELECT * FROM orders'
	done

	answer_is open read=yes write=yes migrate=writer+reader1+reader2+reader3+reader4
	holder_is writer connected --r/r.---.----- SHARED DMS
	for number in 1 2 3 4; do
		holder_is "reader$number" reader "${form[number]}" SHARED "READ$number" DMS
		answer_has ".wal.read_marks[$number] ==
			{slot: $number, frame: ${mark[number]}, pids: [\$pid.reader$number]}"
	done
	answer_has ".wal | .frames == ${mark[4]} and .checkpointed_frames == 0
		and .pending_bytes == .frames * 4096"
	sqlite_agrees
}

@test "a mark that its reader has left behind is no reader" {
	start_sql writer "$database"
	add_order writer
	start_sql reader "$database"
	ask reader cursor 'SELECT * FROM orders'
	ask reader finish
	add_order writer

	survey "$database"
	holder_is reader connected --r/r.---.----- SHARED DMS
	answer_has '.wal.read_marks | all(.pids == [])'
	no_finding stale-snapshot pinned-wal
}

@test "BEGIN IMMEDIATE holds WRITE: readers may read, writers are refused" {
	start_sql writer "$database"
	add_order writer
	ask writer sql 'BEGIN IMMEDIATE'

	answer_is locked read=yes write=writer migrate=writer
	holder_is writer writer --r/r.w--.-r--- SHARED WRITE READ1 DMS
	sqlite_agrees

	ask writer sql COMMIT
	answer_is open read=yes write=yes migrate=writer
	holder_is writer connected --r/r.---.----- SHARED DMS
	sqlite_agrees
}

@test "a writer and a reader in two processes are told apart" {
	start_sql reader "$database"
	start_sql writer "$database"
	add_order writer
	ask reader cursor 'SELECT * FROM orders'
	add_order writer
	ask writer sql 'BEGIN IMMEDIATE'

	answer_is locked read=yes write=writer migrate=writer+reader
	holder_is writer writer --r/r.w--.--r-- SHARED WRITE READ2 DMS
	holder_is reader reader --r/r.---.-r--- SHARED READ1 DMS
	sqlite_agrees
}

@test "a writer and a reader in one process are one holder with the locks of both" {
	start_sql bot "$database"
	add_order bot
	ask bot cursor 'SELECT * FROM orders'
	ask bot open "$database"
	add_order bot
	ask bot sql 'BEGIN IMMEDIATE'

	answer_is locked read=yes write=bot migrate=bot
	holder_is bot writer --r/r.w--.-rr-- SHARED WRITE READ1 READ2 DMS
	answer_has '[.wal.read_marks[] | .pids] == [[], [$pid.bot], [$pid.bot], [], []]'
	sqlite_agrees
}

@test "a checkpoint in progress is in no writer's way" {
	start_sql writer "$database"
	add_order writer
	start_paused checkpointer "$database" 121 'PRAGMA wal_checkpoint(PASSIVE)'

	answer_is open read=yes write=yes migrate=writer+checkpointer
	holder_is checkpointer checkpointer --r/r.-w-.----- SHARED CKPT DMS
	sqlite_agrees

	tell checkpointer go on
	hear checkpointer ended
}

@test "a checkpoint that copies into the database holds READ0 as well" {
	start_sql writer "$database"
	add_order writer
	start_paused checkpointer "$database" 123 'PRAGMA wal_checkpoint(PASSIVE)'

	answer_is open read=yes write=yes migrate=writer+checkpointer
	holder_is checkpointer checkpointer --r/r.-w-.w---- SHARED CKPT READ0 DMS
	answer_has '.wal.read_marks[0].pids == []'
	sqlite_agrees
}

@test "a checkpoint that truncates the WAL refuses writers" {
	start_sql writer "$database"
	add_order writer
	start_paused checkpointer "$database" 120 'PRAGMA wal_checkpoint(TRUNCATE)'

	answer_is locked read=yes write=checkpointer migrate=writer+checkpointer
	holder_is checkpointer checkpointer --r/r.ww-.----- SHARED WRITE CKPT DMS
	sqlite_agrees
}

@test "a recovery in progress refuses everybody, and is said to be just that" {
	start_sql bot "$database"
	add_order bot
	crash bot
	start_paused next "$database" 122 'SELECT count(*) FROM orders'

	answer_is locked read=next write=next migrate=next
	holder_is next recovering --r/r.www.----- SHARED WRITE CKPT RECOVER DMS
	finding_is recovering next
	sqlite_agrees

	tell next go on
	hear next ended
}

@test "a crash leaves a WAL behind, and the database is free" {
	start_sql bot "$database"
	add_order bot
	crash bot

	answer_is free read=yes write=yes migrate=yes
	answer_has ".certified and .wal.size_bytes == $(stat -c %s "$database-wal")"

	start_sql next "$database"
	ask next sql 'SELECT count(*) FROM orders'
	[ "$reply" = '[[101]]' ]
}

@test "locking_mode=EXCLUSIVE from the start keeps the WAL to one process" {
	start_sql greedy "$database"
	ask greedy sql 'PRAGMA locking_mode = EXCLUSIVE'
	add_order greedy

	answer_is locked read=greedy write=greedy migrate=greedy
	holder_is greedy writer w-w/-.---.----- PENDING EXCLUSIVE
	finding_is exclusive-mode greedy
	sqlite_agrees
}

@test "locking_mode=EXCLUSIVE that comes later keeps the -shm, and refuses everybody" {
	start_sql greedy "$database"
	add_order greedy
	ask greedy sql 'PRAGMA locking_mode = EXCLUSIVE'
	add_order greedy

	answer_is locked read=greedy write=greedy migrate=greedy
	finding_is exclusive-mode greedy
	sqlite_agrees
}

@test "an idle writer is found, and so is how to end it" {
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'

	survey "$database"
	finding_is idle-writer bot
	no_finding active-writer
	answer_has '.holders[0] | .idle and .state == "sleeping"'
	answer_has '.findings[] | select(.id == "idle-writer") | .fix | test("botkill")'
}

@test "a writer that works is told from one that sleeps" {
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	# No answer: it counts until it is killed.
	tell bot sql 'WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x FROM n) SELECT max(x) FROM n'
	until_true is_running "$(pid bot)"

	survey "$database"
	finding_is active-writer bot
	no_finding idle-writer
	answer_has '.holders[0].idle == false'
}

is_running() {
	[[ $(process_state "$1") == R ]]
}

@test "a reader of an old snapshot keeps the WAL from being emptied, and is named" {
	start_sql writer "$database"
	add_order writer
	local mark
	mark=$(frames_in_wal)
	start_sql reader "$database"
	ask reader sql BEGIN
	ask reader sql 'SELECT count(*) FROM orders'
	ask writer sql 'PRAGMA wal_autocheckpoint = 0'
	ask writer sql 'UPDATE orders SET problem = hex(zeroblob(50000))'
	ask writer sql 'PRAGMA wal_checkpoint(PASSIVE)'

	survey "$database"
	holder_is reader reader --r/r.---.-r--- SHARED READ1 DMS
	answer_has ".wal | .checkpointed_frames == $mark and .frames == $(frames_in_wal)"
	answer_has '.wal | .pending_bytes == 4096 * (.frames - .checkpointed_frames)'
	finding_is pinned-wal reader
	finding_is stale-snapshot reader

	refused reader sql "INSERT INTO orders (problem) VALUES ('too late')"
	ask reader sql ROLLBACK
	survey "$database"
	no_finding stale-snapshot pinned-wal
}

@test "a process that lost its locks by closing the file is found: it can corrupt the database" {
	start_sql bot "$database"
	add_order bot
	ask bot touch-lock "$database"

	survey "$database"
	holder_is bot connected ---/r.---.----- DMS
	finding_is lost-locks bot
	answer_has '.can.migrate == false'
	exit_status_is 1
}

@test "people are told the size of the WAL in frames" {
	start_sql writer "$database"
	add_order writer
	ask writer sql 'BEGIN IMMEDIATE'

	answer_is locked read=yes write=writer migrate=writer
	text_has 'WAL'
	text_has "\b$(frames_in_wal) frames?\b"
	run -1 dblockcheck "$database"
	text=$output
	text_has "^ +idle-writer: .*\b$(pid writer)\b"
	text_has '^ +fix: '
}
