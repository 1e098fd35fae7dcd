#!/usr/bin/env bats
#
# Which backups dbbackup deletes, and that it never deletes anything else; and what --list and --check say.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	backup_setup
	make_database
	make_file_backup
	first=$backup
}

teardown() {
	backup_teardown
}

# Makes backups of these times: 2026-01-31T0930 becomes 20260131T093000.000Z.
backups_of() {
	local time
	for time; do
		time=${time//-/}
		copy_backup "${time}00.000Z" "${filter-}"
	done
	rm -f "$first" "$first".*
}

# The next backup deletes all but itself and the backups of these times.
keeps() {
	local options=() wanted=() time
	while [[ $1 == --* ]]; do
		options+=("$1")
		shift
	done
	for time; do
		time=${time//-/}
		wanted+=("$backups/bot-${time}00.000Z.db")
	done
	local before
	before=$(find "$backups" -name '*.db' | sort)
	back_up 0 "${options[@]}" --dry-run "$database"
	is_same "$before" "$(find "$backups" -name '*.db' | sort)"
	local planned
	planned=$(jq -c '.deleted | sort' <<<"$answer")
	back_up 0 "${options[@]}" "$database"
	backups_are "${wanted[@]}" "$backup"
	is_same "$planned" "$(jq -c '.deleted | sort' <<<"$answer")"
	is_same "$(comm -23 <(echo "$before") <(find "$backups" -name '*.db' | sort))" \
		"$(jq -r '.deleted[]' <<<"$answer" | sort)"
	(cd "$backups" && sha256sum --status -c ./*.sha256)
	good_backup "$backup"
}

@test "without a --keep option nothing is deleted" {
	backups_of 2020-01-01T1200 2021-01-01T1200 2026-01-01T1200
	keeps 2020-01-01T1200 2021-01-01T1200 2026-01-01T1200
}

@test "--keep-last keeps that many, the new one among them" {
	backups_of 2026-01-01T1000 2026-01-01T1100 2026-01-01T1200 2026-01-01T1300
	keeps --keep-last=3 2026-01-01T1200 2026-01-01T1300
}

@test "--keep-last=1 leaves the new one alone" {
	backups_of 2026-01-01T1000 2026-01-01T1100
	keeps --keep-last=1
}

@test "--keep-daily keeps the last one of each day in UTC that has one" {
	export TZ=Pacific/Kiritimati
	backups_of 2026-01-01T0001 2026-01-01T2359 2026-01-02T0000 2026-01-02T1200 2026-01-09T0900 2026-01-09T0800
	keeps --keep-daily=3 2026-01-02T1200 2026-01-09T0900
}

@test "--keep-weekly goes by ISO weeks, across the year's end" {
	# 2025-12-29 (Monday) to 2026-01-04 (Sunday) is week 1 of 2026.
	backups_of 2025-12-28T1200 2025-12-29T1200 2025-12-31T1200 2026-01-04T2359 2026-01-05T0000
	keeps --keep-weekly=4 2025-12-28T1200 2026-01-04T2359 2026-01-05T0000
}

@test "--keep-weekly=3 leaves the week before them" {
	backups_of 2025-12-28T1200 2025-12-29T1200 2025-12-31T1200 2026-01-04T2359 2026-01-05T0000
	keeps --keep-weekly=3 2026-01-04T2359 2026-01-05T0000
}

@test "--keep-monthly keeps the last one of each month" {
	backups_of 2025-11-30T1200 2025-12-01T0000 2025-12-31T2359 2026-01-01T0000 2026-01-15T1200
	keeps --keep-monthly=3 2025-12-31T2359 2026-01-15T1200
}

@test "what one of several --keep options keeps is kept" {
	backups_of 2025-10-05T1200 2025-11-10T1200 2025-11-20T1200 2026-01-01T1000 2026-01-01T1100
	keeps --keep-last=2 --keep-monthly=3 2025-11-20T1200 2026-01-01T1100
}

@test "compressed backups count like others" {
	rm "$first"*
	back_up 0 --compress "$database"
	first=$backup
	copy_backup 20260101T120000.000Z
	local old=$reply
	copy_backup 20260102T120000.000Z
	backup=$first
	back_up 0 --keep-last=2 "$database"
	backups_are "$first" "$backup"
	[ ! -e "$old" ] && [ ! -e "$old.json" ] && [ ! -e "$old.sha256" ]
}

@test "backups that were not verified do not count and are not deleted" {
	filter='.verified = "none"' backups_of 2026-01-01T1000
	back_up 0 --verify=none "$database"
	local unverified=$backup
	back_up 0 --keep-last=1 "$database"
	backups_are bot-20260101T100000.000Z.db "$unverified" "$backup"
	answer_has '.deleted == []'
}

@test "a new backup that was not verified deletes nothing, or at least not the last verified one" {
	back_up 0 --verify=none --keep-last=1 "$database"
	backups_are "$first" "$backup"
}

@test "a backup that could not be made deletes nothing" {
	backups_of 2026-01-01T1000 2026-01-01T1100 2026-01-01T1200
	dd if=/dev/zero of="$database" bs=4096 seek=1 count=2 conv=notrunc status=none
	back_up 1 --keep-last=1 "$database"
	backups_are bot-20260101T1{0,1,2}0000.000Z.db
}

@test "backups of another database are not deleted, though it had the same name" {
	filter='.source = "/srv/other/bot.db"' backups_of 2026-01-01T1000 2026-01-01T1100
	keeps --keep-last=1 2026-01-01T1000 2026-01-01T1100
}

@test "backups that seem to come from the future are kept, and the new one as well" {
	backups_of 2026-01-01T1000 2099-01-01T1000 2099-02-01T1000
	back_up 0 --keep-last=1 "$database"
	[ -e "$backup" ]
	good_backup "$backup"
	[ -e "$backups/bot-20990201T100000.000Z.db" ]
}

@test "what dbbackup did not make stays: names, folders, links, pipes, manifests that lie" {
	local victim=$BATS_TEST_TMPDIR/victim.db before
	cp "$database" "$victim"
	cp "$database" "$victim.json"
	backups_of 2026-01-01T1000 2026-01-01T1100
	before=$(
		cd "$backups"
		echo mine >bot-20260101T090000.000Z.db
		mkdir bot-20260101T080000.000Z.db
		ln -s "$victim" bot-20260101T070000.000Z.db
		mkfifo bot-20260101T060000.000Z.db.json bot-20260101T050000.000Z.db
		ln -s bot-20260101T100000.000Z.db.json bot-20260101T070000.000Z.db.json
		jq -c '.file = "../../victim.db"' bot-20260101T100000.000Z.db.json >bot-20260101T030000.000Z.db.json
		jq -c '.file = "/etc/passwd"' bot-20260101T100000.000Z.db.json >bot-20260101T020000.000Z.db.json
		cp "$database" bot-20260101T020000.000Z.db
		echo '{"schema":1,"tool":"dbbackup"}' >broken.json
		head -c 300000 /dev/zero >zeros.json
		cp "$database" notes.db
		: >$'bot-2\n.db'
		find . -printf '%p %y %i\n' | grep -v '20260101T1[01]0000' | tail -n +2 | LC_ALL=C sort
	)

	exits_with 0 dbbackup --json --keep-last=1 "$database"
	is_same "$before" "$(cd "$backups" && find . -printf '%p %y %i\n' | tail -n +2 |
		grep -vF "$(jq -r '.backup / "/" | .[-1]' <<<"$output")" | LC_ALL=C sort)"
	cmp "$database" "$victim"
}

@test "a leftover without its manifest is not taken for a backup" {
	backups_of 2026-01-01T1000 2026-01-01T1100
	rm "$backups/bot-20260101T110000.000Z.db.json"
	back_up 0 --keep-last=2 "$database"
	[ -e "$backups/bot-20260101T100000.000Z.db" ] && [ -e "$backups/bot-20260101T110000.000Z.db" ]
}

# --- --list ---------------------------------------------------------------------------------------

list() {
	exits_with "$1" dbbackup --json --list "$2"
	answer=$output
}

@test "--list shows all backups, oldest first, with time, size, verification and name" {
	backups_of 2026-01-02T1000 2026-01-01T1100
	exits_with 0 dbbackup --list "$backups"
	[[ $output =~ 2026-01-01.*bot-20260101T110000.000Z.db.*2026-01-02.*bot-20260102T100000.000Z.db ]]
	[[ $output == *quick* ]]
	list 0 "$backups"
	answer_has --arg folder "$backups" '.schema == 1 and .tool == "dbbackup" and .folder == $folder and
		[.backups[].file] == ["bot-20260101T110000.000Z.db", "bot-20260102T100000.000Z.db"] and
		[.backups[].path] == ["\($folder)/bot-20260101T110000.000Z.db", "\($folder)/bot-20260102T100000.000Z.db"]'
	is_same "$(jq -cS 'del(.schema, .tool)' "$backups/bot-20260101T110000.000Z.db.json")" \
		"$(jq -cS '.backups[0] | del(.path, .schema, .tool)' <<<"$answer")"
}

@test "--list of a folder without backups is 1, of none 3" {
	mkdir "$folder/empty"
	exits_with 1 dbbackup --list "$folder/empty"
	list 1 "$folder/empty"
	says_trouble 3 dbbackup --list "$folder/missing"
	says_trouble 3 dbbackup --list "$first"
	list 3 "$folder/missing"
	answer_has '.error.status == 3'
}

@test "--list shows hostile names and manifests escaped, and hangs on no pipe" {
	local name=$'evil\e[2J\n\u202e.db'
	cp "$first" "$backups/$name"
	jq -c --arg name "$name" '.file = $name | .source = "/srv/\u001b]0;owned\u0007\n/bot.db"' "$first.json" >"$backups/$name.json"
	mkfifo "$backups/pipe.json" "$backups/pipe"
	exits_with 0 dbbackup --list "$backups"
	text=$output
	text_is_printable
	stderr_is_printable
	list 0 "$backups"
	is_same 1 "$(wc -l <<<"$answer")"
	answer_has --arg first "${first##*/}" '[.backups[].file] | index($first) != null'
}

# --- --check --------------------------------------------------------------------------------------

# check STATUS FILE-OR-FOLDER [OPTION]...
check() {
	exits_with "$1" dbbackup --json --check "${@:2}"
	answer=$output
	[[ $answer == '{"schema":1,"tool":"dbbackup",'* && $answer != *$'\n'* ]]
}

is_damaged() {
	check 1 "$backup"
	answer_has --arg path "$backup" '.checked == [{path: $path, good: false, reason: .checked[0].reason}]'
}

@test "--check says in words which one is damaged" {
	flip_bit "$backup"
	exits_with 1 dbbackup --check "$backup"
	[[ $output$stderr == *"${backup##*/}"* ]]
	exits_with 1 dbbackup -q --check "$backup"
}

@test "--check of a good backup is 0, plain and compressed, and changes nothing" {
	back_up 0 --compress "$database"
	local before
	before=$(find "$backups" -printf '%p %i %T@ %C@\n' | sort)
	for option in quick full none; do
		check 0 "$backup" --verify="$option"
	done
	check 0 "$backups"
	answer_has '[.checked[].good] == [true, true] and (.checked | all(.path | startswith("/")))'
	is_same "$before" "$(find "$backups" -printf '%p %i %T@ %C@\n' | sort)"
	exits_with 0 dbbackup -q --check "$backups"
	is_same '' "$output$stderr"
}

@test "--check finds one flipped bit, wherever it is" {
	local whole=$first offset
	for offset in 0 40 5000 $(($(stat -c %s "$first") - 1)); do
		copy_backup 20260101T000000.000Z
		backup=$reply
		flip_bit "$backup" "$offset"
		is_damaged
		backup=$whole
	done
}

@test "--check finds one flipped bit in a compressed backup" {
	back_up 0 --compress "$database"
	flip_bit "$backup"
	is_damaged
}

@test "--check finds a file that is too short, too long or empty" {
	truncate -s -1 "$backup"
	is_damaged
	truncate -s +9 "$backup"
	is_damaged
	: >"$backup"
	is_damaged
}

@test "--check of a folder misses a file that has only its manifest left" {
	backups_of 2026-01-01T1000 2026-01-02T1000
	rm "$backups/bot-20260102T100000.000Z.db"
	check 1 "$backups"
	answer_has '[.checked[] | select(.good | not) | .path / "/" | .[-1]] == ["bot-20260102T100000.000Z.db"]'
}

@test "--check believes SQLite more than a manifest that agrees with damaged bytes" {
	dd if=/dev/zero of="$backup" bs=4096 seek=1 count=2 conv=notrunc status=none
	manifest_of_bytes
	(cd "$backups" && sha256sum --status -c ./*.sha256)
	is_damaged
}

@test "--check finds a manifest that lies about sizes, sums or pages" {
	for lie in '.sha256 = (.sha256 | explode | reverse | implode)' '.size_bytes += 1' '.file_size_bytes = 1' \
		'.database_sha256 = "00"' '.sha256 = null' '.size_bytes = -1' '.pages = 99999999'; do
		copy_backup 20260101T000000.000Z "$lie"
		backup=$reply
		is_damaged
		backup=$first
	done
}

@test "--check of a file whose manifest is broken is damage" {
	for broken in '' '{' '[]' 'null' '{"schema":99}' "$(printf '[%.0s' {1..5000})"; do
		printf '%s\n' "$broken" >"$backup.json"
		is_damaged
	done
	head -c 3000000 /dev/zero >"$backup.json"
	is_damaged
}

@test "--check of a file without a manifest is a full check, and says so" {
	rm "$backup".*
	exits_with 0 dbbackup --check "$backup"
	[[ $output$stderr == *manifest* ]]
	check 0 "$database"
	dd if=/dev/zero of="$backup" bs=4096 seek=1 count=2 conv=notrunc status=none
	is_damaged
	head -c 8192 /dev/urandom >"$backup"
	is_damaged
}

@test "--check of a folder names each, and one that is damaged makes it 1" {
	backups_of 2026-01-01T1000 2026-01-02T1000 2026-01-03T1000
	flip_bit "$backups/bot-20260102T100000.000Z.db"
	check 1 "$backups"
	answer_has '[.checked[] | [(.path / "/" | .[-1]), .good]] | sort == [["bot-20260101T100000.000Z.db", true],
		["bot-20260102T100000.000Z.db", false], ["bot-20260103T100000.000Z.db", true]]'
}

@test "--check of nothing is trouble, and of a folder without backups not 0" {
	check 3 "$folder/missing"
	mkdir "$folder/empty"
	exits_with 1 dbbackup --check "$folder/empty"
}

@test "--check of a pipe, a device or a socket is trouble at once" {
	mkfifo "$folder/pipe"
	for thing in "$folder/pipe" /dev/zero /dev/full; do
		check 3 "$thing"
	done
}

@test "a manifest's path to another file is not followed by --check" {
	echo precious >"$folder/secret"
	manifest '.file = "../secret"'
	is_damaged
}

@test "a compressed backup that unpacks to far more than its manifest says is damaged" {
	back_up 0 --compress "$database"
	head -c 300M /dev/zero | zstd -qcf >"$backup"
	manifest '.sha256 = $sum | .file_size_bytes = $size' --arg sum "$(sha256_of "$backup")" \
		--argjson size "$(stat -c %s "$backup")"
	is_damaged
	nothing_left "$folder"
}
