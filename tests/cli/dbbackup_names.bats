#!/usr/bin/env bats
#
# What backups are called, and what stands beside them.

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

# named DATABASE BEGINNING END: a database of that name gives a backup of that name.
named() {
	database=$folder/$1
	make_database
	back_up 0 -- "$database"
	local name=${backup##*/}
	[[ $name == "$2"-2???????T??????.???Z"$3" ]] || is_same "$2-STAMP$3" "$name"
	good_backup "$backup"
}

@test "a name has the database's name, the time, and the database's ending" {
	named bot.db bot .db
	named bot.sqlite3 bot .sqlite3
	named shop.v2.sqlite shop.v2 .sqlite
	named bot bot .db
	named 'my orders.db' 'my orders' .db
	named -n.db -n .db
}

@test "a name that begins with a dot" {
	database=$folder/.orders
	make_database
	back_up 0 "$database"
	[[ ${backup##*/} == .orders-2*Z.db ]]
	good_backup "$backup"
}

@test "the time in the name is that of the snapshot, in UTC, and the one of the manifest" {
	local before after stamp
	named bot.db bot .db
	before=$(date -u +%Y%m%dT%H%M%S.%3NZ)
	back_up 0 "$database"
	after=$(date -u +%Y%m%dT%H%M%S.%3NZ)
	stamp=${backup##*/bot-}
	stamp=${stamp%.db}
	[[ ! $stamp < $before && ! $stamp > $after ]]
	is_same "$stamp" "$(jq -r '.time | gsub("[-:]"; "")' "$backup.json")"
	is_same "$(jq -r .time "$backup.json")" "$(jq -r .time <<<"$answer")"
}

@test "names sort by time, and two backups never have the same" {
	database=$folder/bot.db
	make_database
	local made=()
	for _ in {1..8}; do
		back_up 0 "$database"
		made+=("$backup")
	done
	is_same "$(printf '%s\n' "${made[@]}")" "$(printf '%s\n' "${made[@]}" | LC_ALL=C sort -u)"
	is_same 8 "$(find "$backups" -name '*.db' | wc -l)"
}

@test "two databases of the same name in one folder are kept apart" {
	mkdir "$folder/one" "$folder/two"
	local name sources=()
	for name in one two one two; do
		database=$folder/$name/bot.db
		[[ -e $database ]] || make_database
		sqlite3 -batch "$database" "UPDATE orders SET problem = '$name'"
		back_up 0 "$database" "$backups/"
		good_backup "$backup"
		is_same "$database" "$(jq -r .source "$backup.json")"
		is_same "$name" "$(sqlite3 -batch "$backup" 'SELECT DISTINCT problem FROM orders')"
		sources+=("$backup")
	done
	backups_are "${sources[@]}"
}

@test "the manifest says what the database was: mode, owner, journal" {
	database=$folder/bot.db
	make_database wal
	chmod 640 "$database"
	back_up 0 "$database"
	is_same "[\"0640\",$(id -u),$(id -g),\"wal\",\"$database\"]" \
		"$(jq -c '[.mode, .uid, .gid, .journal_mode, .source]' "$backup.json")"
	if ((EUID == 0)); then
		chown 1000:1001 "$database"
		back_up 0 "$database"
		is_same '[1000,1001]' "$(jq -c '[.uid, .gid]' "$backup.json")"
		is_same "$(id -u)" "$(stat -c %u "$backup")"
	fi
	is_same "$("$dbbackup" --version | grep -o '[0-9.]*$')" "$(jq -r .tool_version "$backup.json")"
}

@test "the manifest of a compressed backup has both sums and both sizes" {
	database=$folder/bot.db
	make_database
	back_up 0 --compress "$database"
	good_backup "$backup"
	is_same zstd "$(jq -r .compression "$backup.json")"
	is_same "$(stat -c %s "$copy")" "$(jq .size_bytes "$backup.json")"
	is_same true "$(jq '.file_size_bytes < .size_bytes' "$backup.json")"
	is_same "$(sha256_of "$copy")" "$(jq -r .database_sha256 "$backup.json")"
}

@test "sha256sum -c says that the file is good, and that a changed one is not" {
	database=$folder/bot.db
	make_database
	back_up 0 "$database"
	is_same "${backup##*/}: OK" "$(cd "$backups" && sha256sum -c ./*.sha256)"
	flip_bit "$backup"
	(cd "$backups" && run -1 sha256sum --status -c ./*.sha256)
}

@test "the files are for their owner only and have one name each" {
	database=$folder/bot.db
	make_database
	chmod 666 "$database"
	back_up 0 "$database"
	is_same '600 600 600' "$(stat -c %a "$backups"/* | xargs)"
	is_same 3 "$(find "$backups" -mindepth 1 | wc -l)"
}

@test "a name with a newline, escape sequences, quotes and a backslash is kept, and shown escaped" {
	local name=$'bot\n\e[2J"\\%s$(id)'
	database=$folder/$name.db
	make_database
	exits_with 0 dbbackup "$database"
	is_same '' "$(grep -aP '[^\P{Cc}\t]' <<<"$output$stderr")"
	back_up 0 "$database"
	[[ ${backup##*/} == "$name"-2*.db ]]
	good_backup "$backup"
	is_same "${database@Q}" "$(jq -j .source "$backup.json" | { IFS= read -rd '' all; printf %s "${all@Q}"; })"
}

@test "a name that is not UTF-8 is kept, and given in hexadecimal in the manifest" {
	database=$folder/$'b\xff\xfet.db'
	make_database
	exits_with 0 dbbackup --json "$database"
	local made
	made=$(echo "$backups"/b*.db)
	good_backup "$made"
	is_same "$(printf %s "$database" | od -An -v -tx1 | tr -d ' \n')" "$(jq -r .source_hex "$made.json")"
	is_same "$(printf %s "${made##*/}" | od -An -v -tx1 | tr -d ' \n')" "$(jq -r .file_hex "$made.json")"
	is_same "$(printf %s "$made" | od -An -v -tx1 | tr -d ' \n')" "$(jq -r .backup_hex <<<"$output")"
	iconv -f UTF-8 -t UTF-8 "$made.json" >/dev/null
}

@test "a name that is too long for its backup's name is trouble or is made to fit" {
	database=$folder/$(printf 'n%.0s' {1..240}).db
	make_database
	run --separate-stderr dbbackup -q "$database"
	((status == 0 || status == 3))
	for made in "$backups"/*.db; do
		[[ ! -e $made ]] || good_backup "$made"
	done
	nothing_left "$folder"
}
