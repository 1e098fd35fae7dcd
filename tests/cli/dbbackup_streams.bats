#!/usr/bin/env bats
#
# dbbackup to standard output, for zstd, ssh and restic.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	backup_setup
	make_database wal
	start_sql bot "$database"
	ask bot sql "INSERT INTO orders (id, problem) VALUES (1001, 'in the WAL')"
	streamed=$BATS_TEST_TMPDIR/streamed
	export TMPDIR=$BATS_TEST_TMPDIR/temporary
	mkdir "$TMPDIR"
}

teardown() {
	backup_teardown
}

# To standard output, into a file: stream STATUS OPTION...
stream() {
	local ended=0
	"$dbbackup" "${@:2}" "$database" - >"$streamed" 2>"$BATS_TEST_TMPDIR/complained" || ended=$?
	is_same "$1" "$ended"
	is_same '' "$(find "$TMPDIR" -mindepth 1)"
	[ ! -e "$backups" ]
}

@test "- is the whole, verified database and nothing else" {
	stream 0
	is_self_contained "$streamed"
	is_same "$(content "$database")" "$(content "$streamed")"
	stream 0 -q --api
	is_same "$(content "$database")" "$(content "$streamed")"
	is_same '' "$(cat "$BATS_TEST_TMPDIR/complained")"
	stream 0 -v
	is_same "$(content "$database")" "$(content "$streamed")"
}

@test "- with --compress is what zstd unpacks" {
	stream 0 --compress
	zstd -dqcf <"$streamed" >"$BATS_TEST_TMPDIR/unpacked"
	is_same "$(content "$database")" "$(content "$BATS_TEST_TMPDIR/unpacked")"
}

@test "- into a pipe to a slow reader holds no lock while it writes" {
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	ask bot sql "INSERT INTO orders (problem) SELECT hex(randomblob(500)) FROM orders, (SELECT 1 FROM orders LIMIT 10)"
	in_background bash -c 'exec "$1" "$2" - >"$3"' bash "$dbbackup" "$database" "$BATS_TEST_TMPDIR/pipe"
	local writing=$!
	exec {reader}<"$BATS_TEST_TMPDIR/pipe"
	head -c 1000 <&"$reader" >"$streamed"
	is_same '' "$(locks_in "$folder" | grep -w "$writing" || true)"
	# A checkpoint that needs everybody out of the WAL, and its end, is not hindered.
	ask bot sql 'PRAGMA wal_checkpoint(TRUNCATE)'
	is_same '[[0, 0, 0]]' "$reply"
	cat <&"$reader" >>"$streamed"
	exec {reader}<&-
	wait "$writing"
	is_self_contained "$streamed"
}

@test "a database that is damaged gives not a single byte" {
	stop bot
	dd if=/dev/zero of="$database" bs=4096 seek=1 count=2 conv=notrunc status=none
	stream 1
	[ ! -s "$streamed" ]
	is_same 1 "$(wc -l <"$BATS_TEST_TMPDIR/complained")"
	stream 1 --compress
	[ ! -s "$streamed" ]
}

@test "a database that is locked gives not a single byte" {
	ask bot sql 'PRAGMA journal_mode = delete'
	ask bot sql 'BEGIN EXCLUSIVE'
	stream 5 --wait=0
	[ ! -s "$streamed" ]
}

@test "a reader that goes away, or a full disk, is a failure" {
	ask bot sql "INSERT INTO orders (problem) SELECT hex(randomblob(500)) FROM orders, (SELECT 1 FROM orders LIMIT 10)"
	run --separate-stderr bash -c 'set -o pipefail; "$1" "$2" - | head -c 1 >/dev/null' bash "$dbbackup" "$database"
	is_same 3 "$status"
	is_same '' "$stderr"
	run bash -c '"$1" "$2" - >/dev/full' bash "$dbbackup" "$database"
	is_same 3 "$status"
	run bash -c '"$1" "$2" - >&-' bash "$dbbackup" "$database"
	is_same 3 "$status"
	is_same '' "$(find "$TMPDIR" -mindepth 1)"
}

@test "- is refused on a terminal, and nothing is written to it" {
	run script -qec "'$dbbackup' '$database' -" /dev/null
	is_same 2 "$status"
	[[ $output == *"dbbackup: "*terminal* && $output != *"SQLite format"* ]]
}

@test "a folder for temporary files that is not there, or is no folder, is trouble" {
	TMPDIR=$BATS_TEST_TMPDIR/nowhere says_trouble 3 dbbackup "$database" -
	: >"$BATS_TEST_TMPDIR/file"
	TMPDIR=$BATS_TEST_TMPDIR/file says_trouble 3 dbbackup "$database" -
}

@test "a file called - is made with a path" {
	cd "$folder"
	back_up 0 "$database" ./-
	is_same "$(content "$database")" "$(content "$folder/-")"
}

@test "options for a folder make no sense with -" {
	for option in --keep-daily=1 --json; do
		run --separate-stderr bash -c '"$@" | tr -d "\0"; exit "${PIPESTATUS[0]}"' bash "$dbbackup" "$option" "$database" -
		is_same 2 "$status"
		[[ $output == '' || $option == --json ]]
	done
}
