#!/usr/bin/env bats
#
# The command line of dbrestore, its answers, and which backup it takes.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	backup_setup
	make_backup_and_change
}

teardown() {
	backup_teardown
}

# --- what is done ---------------------------------------------------------------------------------

@test "the backup is put back, and what was there is kept as a backup" {
	restore 0 "$backup" "$database"
	is_restored
	answer_has --arg backup "$backup" --arg database "$database" '.backup == $backup and .database == $database and
		.method == "transaction" and .kept_aside == [] and (.dry_run | not)'
	local safety
	safety=$(jq -r .safety_copy <<<"$answer")
	is_same "$folder/.dblocktools" "${safety%/*}"
	is_same 700 "$(stat -c %a "$folder/.dblocktools")"
	good_backup "$safety"
	is_same "$old" "$(content "$safety")"
	is_same "$database" "$(jq -r .source "$safety.json")"
}

@test "the safety copy undoes it, and its own safety copy undoes that" {
	restore 0 "$backup" "$database"
	local safety
	safety=$(jq -r .safety_copy <<<"$answer")
	restore 0 "$safety" "$database"
	is_same "$old" "$(content "$database")"
	safety=$(jq -r .safety_copy <<<"$answer")
	restore 0 "$safety" "$database"
	is_restored
}

@test "it is said how to undo it, in words that a shell can run" {
	exits_with 0 dbrestore "$backup" "$database"
	text=$output
	text_is_printable
	local undo
	undo=$(grep -o 'dbrestore .*' <<<"$output" | tail -n 1)
	[[ $undo == *.dblocktools* ]]
	PATH=${dbrestore%/*}:$PATH bash -c "$undo"
	is_same "$old" "$(content "$database")"
}

@test "a compressed backup is unpacked and put back" {
	backup=$(dbbackup --json --compress "$database" "$backups" | jq -r .backup)
	change_database 'DROP TABLE later'
	restore 0 "$backup" "$database"
	is_same "$old" "$(content "$database")"
	nothing_left "$folder"
}

@test "--safety puts the safety copy into another folder" {
	mkdir "$BATS_TEST_TMPDIR/safe"
	restore 0 --safety="$BATS_TEST_TMPDIR/safe" "$backup" "$database"
	local safety
	safety=$(jq -r .safety_copy <<<"$answer")
	is_same "$BATS_TEST_TMPDIR/safe" "${safety%/*}"
	good_backup "$safety"
	is_same "$old" "$(content "$safety")"
	is_restored
}

@test "--no-safety-copy makes none" {
	restore 0 --no-safety-copy "$backup" "$database"
	answer_has '.safety_copy == null'
	is_restored
	is_same '' "$(find "$folder" -name '*.json')"
}

@test "a safety copy that cannot be made stops it" {
	remember
	says_trouble 3 dbrestore --safety="$BATS_TEST_TMPDIR/nowhere" "$backup" "$database"
	: >"$BATS_TEST_TMPDIR/file"
	says_trouble 3 dbrestore --safety="$BATS_TEST_TMPDIR/file" "$backup" "$database"
	is_as_it_was
}

@test "--dry-run says what would change, and changes nothing" {
	remember
	restore 0 --dry-run "$backup" "$database"
	is_as_it_was
	[ ! -e "$folder/.dblocktools" ]
	answer_has --argjson before "$(stat -c %s "$database")" --argjson after "$(stat -c %s "$backup")" '.dry_run and
		.changes.size_bytes == {before: $before, after: $after} and
		.changes.pages == {before: ($before / 4096), after: ($after / 4096)} and
		.changes.revision == {before: null, after: null} and
		(.changes.tables | sort_by(.name)) == [{name: "later", rows_before: 1, rows_after: null},
			{name: "orders", rows_before: 50, rows_after: 100}]'
	exits_with 0 dbrestore --dry-run "$backup" "$database"
	text=$output
	text_has '50 .*100 .*orders|orders .*50 .*100'
	text_has later
	is_as_it_was
}

@test "--dry-run for a missing database says that all of it is new" {
	mv "$database" "$BATS_TEST_TMPDIR/away"
	restore 0 --dry-run "$backup" "$database"
	answer_has '.changes.size_bytes.before == null and .method == "rename" and
		.changes.tables == [{name: "orders", rows_before: null, rows_after: 100}]'
	is_same '' "$(find "$folder" -mindepth 1)"
}

@test "--dry-run looks beside a program that has the database open, and disturbs nothing" {
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	remember
	restore 0 --dry-run --wait=0 "$backup" "$database"
	is_as_it_was
	ask bot sql 'DELETE FROM orders'
	ask bot sql ROLLBACK
}

@test "--dry-run says no to a backup that is damaged" {
	flip_bit "$backup"
	refuses 3 --dry-run "$backup" "$database"
}

@test "--verbose tells each phase on standard error, as it begins" {
	exits_with 0 dbrestore -v --no-safety-copy "$backup" "$database"
	is_same $'dbrestore: reading the backup\ndbrestore: restoring' "$stderr"
}

@test "--quiet says nothing, a failure is one line" {
	exits_with 0 dbrestore -q "$backup" "$database"
	is_same '' "$output$stderr"
	is_restored
	refuses 3 "$folder/missing.bak" "$database"
}

@test "a wrong command line is 2 and changes nothing" {
	remember
	for wrong in '' 'BACKUP' 'BACKUP DB x' '--nonsense BACKUP DB' '--at=yesterday BACKUPS DB' '--at= BACKUPS DB' \
		'--at=2026-13-01 BACKUPS DB' '--at=2026-02-30 BACKUPS DB' '--at=2026-11-22T25:00:00Z BACKUPS DB' \
		'--wait=-1 BACKUP DB' '--wait=x BACKUP DB' '--safety= BACKUP DB' '--safety=x --no-safety-copy BACKUP DB'; do
		# shellcheck disable=SC2046 # these are words
		exits_with 2 dbrestore $(sed "s|BACKUPS|$backups|; s|BACKUP|$backup|; s|DB|$database|" <<<"$wrong")
		is_same '' "$output"
		[[ $stderr == "dbrestore: "* ]]
	done
	restore 2 --wait=x "$backup" "$database"
	is_as_it_was
}

@test "an answer that cannot be written is a failure, and the database is whole" {
	run bash -c '"$1" "$2" "$3" >/dev/full' bash "$dbrestore" "$backup" "$database"
	is_same 3 "$status"
	[[ $(content "$database") == "$new" || $(content "$database") == "$old" ]]
}

@test "with descriptors 0, 1 and 2 closed nothing that is said lands in a file" {
	for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
		change_database
		run bash -c "\"\$1\" -v \"\$2\" \"\$3\" $closed" bash "$dbrestore" "$backup" "$database"
		((status == 0 || status == 3))
		is_same ok "$(sqlite3 -batch "$database" 'PRAGMA integrity_check')"
		[[ $status == 3 ]] || is_restored
	done
}

@test "relative paths and names that look like options" {
	cd "$folder"
	cp "$backup" ./-b.bak
	mv bot.db ./-x.db
	database=$folder/-x.db
	restore 0 -- -b.bak -x.db
	is_restored
	answer_has --arg database "$database" --arg backup "$folder/-b.bak" '.database == $database and .backup == $backup'
}

@test "names with newlines and escape sequences are restored, and shown escaped" {
	local name=$folder/$'b\n\e[2J"$(id)'
	mv "$database" "$name.db"
	cp "$backup" "$name.bak"
	database=$name.db
	exits_with 0 dbrestore "$name.bak" "$database"
	text=$output
	text_is_printable
	stderr_is_printable
	is_restored
	change_database
	restore 0 "$name.bak" "$database"
	is_restored
	good_backup "$(jq -j '.safety_copy + "x"' <<<"$answer" | { IFS= read -rd '' all; printf %s "${all%x}"; })"
}

@test "a name that is not UTF-8" {
	mv "$database" "$folder/"$'b\xff.db'
	database=$folder/$'b\xff.db'
	exits_with 0 dbrestore --json "$backup" "$database"
	is_restored
	is_same "$(printf %s "$database" | od -An -v -tx1 | tr -d ' \n')" "$(jq -r .database_hex <<<"$output")"
}

@test "a backup without a manifest is checked in full, which is said" {
	rm "$backup".*
	exits_with 0 dbrestore "$backup" "$database"
	[[ $output$stderr == *manifest* ]]
	is_restored
}

@test "a backup that was not verified when it was made is checked now" {
	backup=$(dbbackup --json --verify=none "$database" "$backups" | jq -r .backup)
	change_database 'DROP TABLE later'
	restore 0 "$backup" "$database"
	is_same "$old" "$(content "$database")"
	dd if=/dev/zero of="$backup" bs=4096 seek=1 count=2 conv=notrunc status=none
	manifest_of_bytes
	refuses 3 "$backup" "$database"
}

# --- which backup of a folder ---------------------------------------------------------------------

# Makes backups in which the one order says when it was made: backups_of TIME...
backups_of() {
	local time
	rm -r "$backups"
	for time; do
		sqlite3 -batch "$database" "UPDATE orders SET problem = '$time' WHERE id = 7"
		make_file_backup
		time=${time//-/}
		copy_backup "${time//:/}.000Z"
		rm "$backup"*
	done
	change_database
}

# takes TIME OPTION...: with these options that backup is put back.
takes() {
	restore 0 "${@:2}" "$backups" "$database"
	is_same "$1" "$(sqlite3 -batch "$database" 'SELECT problem FROM orders WHERE id = 7')"
	local time=${1//-/}
	answer_has --arg backup "$backups/bot-${time//:/}.000Z.db" '.backup == $backup'
}

@test "of a folder the newest is taken" {
	backups_of 2026-01-02T10:00:00 2026-01-05T10:00:00 2026-01-03T10:00:00
	takes 2026-01-05T10:00:00
}

@test "--at takes the newest that is not after that time, in UTC" {
	backups_of 2026-01-02T10:00:00 2026-01-03T10:00:00 2026-01-03T23:59:59 2026-01-05T10:00:00
	export TZ=Pacific/Kiritimati
	takes 2026-01-03T10:00:00 --at=2026-01-03T12:00:00Z
	takes 2026-01-03T10:00:00 --at=2026-01-03T10:00:00Z
	takes 2026-01-02T10:00:00 --at=2026-01-03T09:59:59Z
	takes 2026-01-03T23:59:59 --at=2026-01-03
	takes 2026-01-05T10:00:00 --at=2027-01-01
	refuses 3 --at=2026-01-01 "$backups" "$database"
}

@test "backups that were not verified are not taken by themselves" {
	backups_of 2026-01-02T10:00:00 2026-01-05T10:00:00
	backup=$backups/bot-20260105T100000.000Z.db
	manifest '.verified = "none"'
	takes 2026-01-02T10:00:00
}

@test "the newest that is damaged is refused, and the newest good one named" {
	backups_of 2026-01-02T10:00:00 2026-01-03T10:00:00 2026-01-04T10:00:00 2026-01-05T10:00:00
	flip_bit "$backups/bot-20260105T100000.000Z.db"
	: >"$backups/bot-20260104T100000.000Z.db"
	refuses 3 "$backups" "$database"
	answer_has '.error.message | test("bot-20260103T100000.000Z.db")'
	[[ $stderr == '' || $stderr == *bot-20260103T100000.000Z.db* ]]
	takes 2026-01-03T10:00:00 --at=2026-01-03
}

@test "of several sources that of the database is taken" {
	backups_of 2026-01-02T10:00:00 2026-01-05T10:00:00
	backup=$backups/bot-20260105T100000.000Z.db
	manifest '.source = "/srv/other/bot.db"'
	takes 2026-01-02T10:00:00
}

@test "for a database that has no backup of its own, one other source is taken and two are refused" {
	backups_of 2026-01-02T10:00:00 2026-01-05T10:00:00
	cp "$database" "$folder/other.db"
	database=$folder/other.db
	takes 2026-01-05T10:00:00
	backup=$backups/bot-20260105T100000.000Z.db
	manifest '.source = "/srv/other/bot.db"'
	refuses 3 "$backups" "$database"
}

@test "a folder without backups, or with things that only look like them, is trouble" {
	mkdir "$BATS_TEST_TMPDIR/empty"
	refuses 3 "$BATS_TEST_TMPDIR/empty" "$database"
	mkfifo "$BATS_TEST_TMPDIR/empty/bot-20260102T100000.000Z.db"{,.json}
	cp "$backup" "$BATS_TEST_TMPDIR/empty/bot-20260103T100000.000Z.db"
	refuses 3 "$BATS_TEST_TMPDIR/empty" "$database"
}

@test "a folder's manifest that leads to a file elsewhere is not followed" {
	cp "$backup" "$BATS_TEST_TMPDIR/elsewhere.db"
	manifest '.file = "../elsewhere.db"'
	refuses 3 "$backups" "$database"
}

@test "--at is for folders" {
	refuses 2 --at=2026-01-01 "$backup" "$database"
}
