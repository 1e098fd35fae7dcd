#!/usr/bin/env bats
#
# The command line of dbbackup: where the backup goes, what is said, and the exit status.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	backup_setup
	make_database wal
}

teardown() {
	backup_teardown
}

# --- where it goes --------------------------------------------------------------------------------

@test "without a destination the folder 'backups' beside the database is made, for its owner only" {
	back_up 0 "$database"
	[[ $backup =~ ^"$folder"/backups/bot-[0-9]{8}T[0-9]{6}[.][0-9]{3}Z[.]db$ ]]
	is_same 700 "$(stat -c %a "$backups")"
	good_backup "$backup"
	is_same "$(content "$database")" "$(content "$backup")"
	nothing_left "$folder"
}

@test "a folder that is there is used, and stays as it is" {
	mkdir -m 751 "$BATS_TEST_TMPDIR/safe"
	back_up 0 "$database" "$BATS_TEST_TMPDIR/safe"
	is_same "$BATS_TEST_TMPDIR/safe" "${backup%/*}"
	is_same 751 "$(stat -c %a "$BATS_TEST_TMPDIR/safe")"
	good_backup "$backup"
}

@test "a folder with a slash at its end is made" {
	back_up 0 "$database" "$BATS_TEST_TMPDIR/new/"
	is_same "$BATS_TEST_TMPDIR/new" "${backup%/*}"
	is_same 700 "$(stat -c %a "$BATS_TEST_TMPDIR/new")"
	good_backup "$backup"
}

@test "a link to a folder is a folder" {
	mkdir "$BATS_TEST_TMPDIR/disk"
	ln -s disk "$BATS_TEST_TMPDIR/safe"
	back_up 0 "$database" "$BATS_TEST_TMPDIR/safe"
	[ -L "$BATS_TEST_TMPDIR/safe" ]
	good_backup "$(echo "$BATS_TEST_TMPDIR"/disk/bot-*.db)"
}

@test "any other name is that of the backup itself" {
	back_up 0 "$database" "$BATS_TEST_TMPDIR/mine.bak"
	is_same "$BATS_TEST_TMPDIR/mine.bak" "$backup"
	good_backup "$backup"
	is_same "$(content "$database")" "$(content "$backup")"
	nothing_left "$BATS_TEST_TMPDIR"
}

@test "a relative destination and a relative database are answered with absolute paths" {
	cd "$folder"
	back_up 0 bot.db mine.bak
	is_same "$folder/mine.bak" "$backup"
	answer_has --arg path "$database" '.database == $path'
	is_same "$database" "$(jq -r .source "$backup.json")"
}

@test "a file that is there is refused and stays" {
	for there in mine.bak mine.bak.json mine.bak.sha256; do
		echo precious >"$folder/$there"
		says_trouble 3 dbbackup "$database" "$folder/mine.bak"
		[[ $stderr == *"mine.bak"* ]]
		is_same precious "$(cat "$folder/$there")"
		is_same "$there" "$(find "$folder" -mindepth 1 ! -name 'bot.db*' -printf '%f')"
		rm "$folder/$there"
	done
}

@test "a file in a folder that is not there is refused, and no folder is made" {
	says_trouble 3 dbbackup "$database" "$folder/no/such/mine.bak"
	[ ! -e "$folder/no" ]
}

@test "names that look like options come after --" {
	cd "$folder"
	mv bot.db ./-x.db
	back_up 0 -- -x.db -y.bak
	good_backup "$folder/-y.bak"
	back_up 0 -- -x.db
	[[ $backup == "$folder/backups/-x-2"* ]]
	good_backup "$backup"
}

# --- what is asked --------------------------------------------------------------------------------

@test "--verify is done and is told" {
	for verified in quick full none; do
		back_up 0 --verify="$verified" "$database"
		answer_has --arg verified "$verified" '.verified == $verified'
		is_same "$verified" "$(jq -r .verified "$backup.json")"
		good_backup "$backup"
	done
	back_up 0 "$database"
	answer_has '.verified == "quick"'
}

@test "--compress makes a zstd file that zstd unpacks to the database" {
	for option in --compress --compress=1 --compress=19; do
		back_up 0 "$option" "$database"
		[[ $backup == *Z.db.zst ]]
		zstd -qt "$backup"
		good_backup "$backup"
		is_same "$(content "$database")" "$(content "$copy")"
	done
}

@test "--compress for a file of another name compresses it all the same" {
	back_up 0 --compress "$database" "$folder/mine.zst"
	good_backup "$folder/mine.zst"
	is_same "$(content "$database")" "$(content "$copy")"
}

@test "--api copies page by page, and says so" {
	back_up 0 --api "$database"
	answer_has '.method == "api"'
	is_same api "$(jq -r .method "$backup.json")"
	good_backup "$backup"
	is_same "$(content "$database")" "$(content "$backup")"
}

@test "what --json says is what the manifest says" {
	back_up 0 "$database"
	is_same "$(jq -cS '{size_bytes, file_size_bytes, pages, page_size_bytes, sha256, user_version, application_id,
		revision, verified, method, read_lock_seconds}' <<<"$answer")" \
		"$(jq -cS '{size_bytes, file_size_bytes, pages, page_size_bytes, sha256, user_version, application_id,
		revision, verified, method, read_lock_seconds}' "$backup.json")"
	answer_has '.deleted == [] and .dry_run == false'
}

@test "--dry-run says what would be made, and makes nothing" {
	local before
	before=$(files_of "$folder")
	back_up 0 --dry-run "$database"
	answer_has '.dry_run'
	[[ $backup == "$backups/bot-"*.db ]]
	is_same "$before" "$(files_of "$folder")"
	[ ! -e "$backups" ]
	exits_with 0 dbbackup --dry-run --compress "$database" "$folder/other/"
	[[ $output == *"$folder/other/bot-"*.db.zst* ]]
	[ ! -e "$folder/other" ]
}

@test "success is said in a few lines that name the backup; --quiet says nothing" {
	exits_with 0 dbbackup "$database"
	local made
	made=$(echo "$backups"/bot-*.db)
	[[ $output == *"$made"* ]]
	((${#lines[@]} <= 5))
	for option in -q --quiet; do
		exits_with 0 dbbackup "$option" "$database"
		is_same '' "$output$stderr"
	done
}

@test "--verbose tells each phase on standard error, as it begins" {
	exits_with 0 dbbackup -v --compress "$database"
	is_same $'dbbackup: copying\ndbbackup: checking\ndbbackup: packing' "$stderr"
	exits_with 0 dbbackup "$database"
	is_same '' "$stderr"
}

@test "a failure is one line on standard error, with --quiet too, and an object with --json" {
	says_trouble 3 dbbackup "$folder/missing.db"
	says_trouble 3 dbbackup -q "$folder/missing.db"
	back_up 3 "$folder/missing.db"
	answer_has '.error.status == 3 and (.error.message | test("missing[.]db"))'
	[ ! -e "$backups" ]
}

@test "a wrong command line is 2, names what is wrong, and changes nothing" {
	local before
	before=$(files_of "$folder")
	for wrong in '' '--nonsense DB' 'DB a b' '--verify=half DB' '--verify DB' '--compress=99 DB' '--compress=x DB' \
		'--keep-last=-1 DB' '--keep-last=x DB' '--keep-daily=1.5 DB' '--keep-weekly= DB' \
		'--keep-monthly=99999999999999999999 DB' '--wait=-1 DB' '--wait=soon DB' '--list' '--list a b' '--check' \
		'--list --check a' '--json DB -' '--keep-last=1 DB -'; do
		# shellcheck disable=SC2086 # these are words
		exits_with 2 dbbackup ${wrong//DB/"$database"}
		[[ $wrong == *--json* ]] || is_same '' "$output"
		[[ $stderr == "dbbackup: "* ]]
	done
	is_same "$before" "$(files_of "$folder")"
	[ ! -e "$backups" ]
}

@test "after --json a wrong command line is an object too" {
	back_up 2 "$database" --verify=half
	answer_has '.error.status == 2'
	back_up 2
	answer_has '.error.status == 2'
}

# --- how it is run --------------------------------------------------------------------------------

@test "an answer that cannot be written is a failure" {
	run bash -c '"$1" "$2" >/dev/full' bash "$dbbackup" "$database"
	is_same 3 "$status"
	run bash -c '"$1" --json "$2" >/dev/full' bash "$dbbackup" "$database"
	is_same 3 "$status"
}

@test "with descriptors 0, 1 and 2 closed nothing that is said lands in a file" {
	for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
		run bash -c "\"\$1\" -v \"\$2\" $closed" bash "$dbbackup" "$database"
		((status == 0 || status == 3))
		for made in "$backups"/*.db; do good_backup "$made"; done
		rm -rf "$backups"
	done
	is_same ok "$(sqlite3 -batch "$database" 'PRAGMA integrity_check')"
}

@test "files are for their owner only, whatever the umask" {
	for mask in 000 077 777; do
		run bash -c 'umask "$1"; "$2" --json "$3" "$4/$1/"' bash "$mask" "$dbbackup" "$database" "$folder"
		is_same 0 "$status"
		is_same 700 "$(stat -c %a "$folder/$mask")"
		good_backup "$(echo "$folder/$mask"/*.db)"
	done
}

@test "nothing in the environment changes what is done" {
	run --separate-stderr env -i TMPDIR=/nonexistent SQLITE_TMPDIR=/nonexistent TZ=Garbage/Zone LC_ALL=tr_TR.UTF-8 \
		"$dbbackup" --json "$database"
	is_same 0 "$status"
	judge_backup_answer
	good_backup "$backup"
	answer_has --arg today "$(date -u +%Y)" '.time | startswith($today)'
}

@test "a relative database is found, and a folder that is gone is trouble" {
	mkdir "$BATS_TEST_TMPDIR/gone"
	run bash -c 'cd "$1" && rmdir "$1" && "$2" --json "$3" && "$2" bot.db' bash \
		"$BATS_TEST_TMPDIR/gone" "$dbbackup" "$database"
	is_same 3 "$status"
	[[ $output == *'"backup"'*"dbbackup: "* ]]
}

@test "few file descriptors, or a small limit of the file size, leave no backup that is not whole" {
	for limit in --nofile={5,7,9,12} --fsize={1024,8192,20480}; do
		run --separate-stderr prlimit "$limit" "$dbbackup" "$database"
		# 127: the program could not even be loaded.
		((status == 0 || status == 3 || status == 127))
		for made in "$backups"/*.db; do
			[[ ! -e $made ]] || good_backup "$made"
		done
		[[ $status != 3 ]] || is_same 1 "${#stderr_lines[@]}"
	done
	nothing_left "$folder"
}
