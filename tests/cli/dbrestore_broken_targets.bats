#!/usr/bin/env bats
#
# dbrestore where there is no database, or none that can be opened: it is replaced, and what was there is
# kept aside, so that nothing old is ever replayed onto the new one.

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

# The target is replaced; the named files that were there are aside with the bytes they had, and no
# other file is beside it: replaced FILE...
replaced() {
	local sums name aside
	sums=$(cd "$folder" && for name; do sha256sum "$name"; done)
	restore 0 "$backup" "$database"
	answer_has ".method == \"rename\" and (.kept_aside | length == $#)"
	is_restored
	is_same 'bot.db' "$(cd "$folder" && echo ./* | sed 's|[.]/||g')"
	(($# > 0)) || return 0
	aside=$(jq -r '.kept_aside[0] | sub("/[^/]*$"; "")' <<<"$answer")
	[[ $aside == "$folder/.dblocktools/aside-"* ]]
	is_same "$sums" "$(cd "$aside" && for name; do sha256sum "$name"; done)"
	is_same "$(printf '%s\n' "${@/#/"$aside/"}" | sort)" "$(jq -r '.kept_aside[]' <<<"$answer" | sort)"
	is_same 700 "$(stat -c %a "$folder/.dblocktools")"
}

make_stale_sidecars() {
	local suffix
	for suffix; do
		head -c 40000 /dev/urandom >"$database$suffix"
	done
}

# A WAL with valid frames for this very database.
make_stale_wal() {
	sqlite3 -batch "$database" 'PRAGMA journal_mode = wal' >/dev/null
	start_sql bot "$database"
	ask bot sql 'PRAGMA wal_autocheckpoint = 0'
	ask bot sql "UPDATE orders SET problem = 'stale'"
	crash bot
	[ -s "$database-wal" ]
}

# A journal that would roll back this very database.
make_hot_journal() {
	start_sql bot "$database"
	ask bot sql 'PRAGMA cache_size = 1'
	ask bot sql 'BEGIN IMMEDIATE'
	ask bot sql 'UPDATE orders SET problem = hex(randomblob(200))'
	crash bot
	[ -s "$database-journal" ]
}

@test "a missing database is made, and its backup needs no safety copy" {
	rm "$database"
	replaced
	answer_has '.safety_copy == null'
}

@test "a missing database gets the mode and the owner that its backup remembers" {
	chmod 640 "$database"
	((EUID != 0)) || chown 1000:1001 "$database"
	make_file_backup
	new=$(content "$database")
	local was
	was=$(stat -c '%a %u %g' "$database")
	rm "$database"
	replaced
	is_same "$was" "$(stat -c '%a %u %g' "$database")"
}

@test "a backup without a manifest makes a database for its owner only" {
	rm "$database" "$backup".*
	umask 022
	replaced
	is_same 600 "$(stat -c %a "$database")"
}

@test "a missing database with a WAL of its own beside it: the WAL is kept aside, never replayed" {
	make_stale_wal
	rm "$database"
	replaced bot.db-shm bot.db-wal
}

@test "a missing database with a hot journal beside it: the journal is kept aside, never rolled back" {
	make_hot_journal
	rm "$database"
	replaced bot.db-journal
}

@test "a missing database with noise in the place of all its sidecars" {
	rm "$database"
	make_stale_sidecars -wal -shm -journal
	replaced bot.db-journal bot.db-shm bot.db-wal
}

@test "a database that was cut off" {
	truncate -s 1500 "$database"
	broken
}

# In the way that fits: a broken file is replaced, or written to if SQLite can still open it. What was
# there is kept one way or the other.
broken() {
	local bytes
	bytes=$(sha256_of "$database")
	restore 0 "$backup" "$database"
	is_restored
	if [[ $(jq -r .method <<<"$answer") == rename ]]; then
		answer_has '.kept_aside | length > 0'
		is_same "$bytes" "$(sha256_of "$(jq -r '.kept_aside[] | select(endswith("bot.db"))' <<<"$answer")")"
	else
		answer_has '.safety_copy != null or (.kept_aside | length > 0)'
	fi
}

@test "a database whose first page is zero, and one that is zero from end to end" {
	dd if=/dev/zero of="$database" bs=4096 count=1 conv=notrunc status=none
	replaced bot.db
	local size
	size=$(stat -c %s "$database")
	head -c "$size" /dev/zero >"$database"
	replaced bot.db
}

@test "a file that is no database: text, noise, one byte" {
	for what in 'cat /etc/services' 'head -c 12288 /dev/urandom' 'printf x'; do
		$what >"$database"
		replaced bot.db
	done
}

@test "a database with a damaged page is replaced, and its bytes are kept" {
	dd if=/dev/urandom of="$database" bs=4096 seek=1 count=2 conv=notrunc status=none
	broken
}

@test "a database with a damaged schema is replaced, and its bytes are kept" {
	dd if=/dev/urandom of="$database" bs=1 seek=100 count=3000 conv=notrunc status=none
	broken
}

@test "a file that is no database, with a WAL and a journal that would be replayed" {
	make_stale_wal
	echo text >"$database"
	replaced bot.db bot.db-shm bot.db-wal
	make_stale_sidecars -journal
	echo text >"$database"
	replaced bot.db bot.db-journal
}

@test "a database that was cut off, with a valid WAL beside it" {
	make_stale_wal
	truncate -s 1500 "$database"
	broken
}

@test "what replaces a broken file has its owner, mode, access list and attributes" {
	echo text >"$database"
	chmod 664 "$database"
	((EUID != 0)) || chown 1000:1001 "$database"
	setfattr -n user.note -v 'the shop' "$database"
	setfacl -m u:1234:r "$database"
	local was
	was=$(identity | tail -n +2 && stat -c '%a %u %g' "$database")
	replaced bot.db
	is_same "$was" "$(identity | tail -n +2 && stat -c '%a %u %g' "$database")"
}

@test "the broken file can be put back from where it is kept" {
	echo text >"$database"
	exits_with 0 dbrestore "$backup" "$database"
	[[ $output == *.dblocktools/aside-* ]]
	is_same text "$(cat "$folder"/.dblocktools/aside-*/bot.db)"
}

@test "a broken file that a program has open is refused" {
	echo text >"$database"
	start_hold bot "$database"
	refuses 5 "$backup" "$database"
	answer_has '.error.message | test("\\b\($pid.bot)\\b")'
	refuses 5 --live "$backup" "$database"
}

@test "a missing database that a program still has open, deleted, is refused, or the program is named" {
	sqlite3 -batch "$database" 'PRAGMA journal_mode = wal' >/dev/null
	start_sql bot "$database"
	ask bot sql "UPDATE orders SET problem = 'lost'"
	rm "$database"
	restore 5 --wait=0 "$backup" "$database"
	answer_has '.error.message | test("\\b\($pid.bot)\\b")'
	[ ! -e "$database" ]
}

@test "--no-safety-copy keeps a broken file aside all the same" {
	echo text >"$database"
	restore 0 --no-safety-copy "$backup" "$database"
	is_restored
	answer_has '.kept_aside | length == 1'
}

@test "a second restore does not overwrite what the first one has kept" {
	echo first >"$database"
	replaced bot.db
	echo second >"$database"
	replaced bot.db
	is_same 'first second' "$(cat "$folder"/.dblocktools/aside-*/bot.db | xargs)"
}
