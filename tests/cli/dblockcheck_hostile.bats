#!/usr/bin/env bats
#
# dblockcheck and input that wants to break it or to lie: names of processes and files, things that
# are no database, damaged files, and a machine that changes while it looks.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	machine_setup
	dblockcheck_setup
	options=(--sample=0.01)
}

teardown() {
	clients_teardown
	machine_teardown
}

# --- names ----------------------------------------------------------------------------------------

@test "a process whose name and arguments are escape sequences and newlines forges no line" {
	make_database
	local forged=$'\e[2J\e]0;owned\a\n  1      root  WRITE   free for all  init\r'
	local name=$'x\n\e[31mevil\r'
	start_hold bot --comm="$name" --argument="$forged" "$database" posix:r:SHARED posix:w:RESERVED

	answer_is locked read=yes write=bot migrate=bot
	holder_is bot writer -wr/-.---.----- SHARED RESERVED
	answer_has --arg forged "--argument=$forged" '.holders[0].command | index($forged) != null'
	answer_has --arg name "$name" '.holders[0].name == $name'
	if grep -E '^ +1 +root' <<<"$text"; then false; fi
	[ "$(grep -Ec "^ +[0-9]+ " <<<"$text")" = 1 ]
	raw_answer_is_one_clean_line
}

# JSON has no raw control character but the newline at its end.
raw_answer_is_one_clean_line() {
	local raw=$BATS_TEST_TMPDIR/raw
	"$dblockcheck" --json --sample=0 -- "$database" >"$raw" || (($? == 1))
	[ "$(LC_ALL=C tr -dc '\000-\037\177' <"$raw" | od -An -c)" = '  \n' ]
	iconv -f UTF-8 -t UTF-8 "$raw" >/dev/null
	python3 -m json.tool "$raw" >/dev/null
}

@test "a name that turns the direction of writing does so nowhere" {
	make_database
	local name=$'\u202egpj.exe' argument=$'\u2066\u202e\u200f'
	start_hold bot --comm="$name" --argument="$argument" "$database" posix:r:SHARED

	answer_is open read=yes write=yes migrate=bot
	answer_has '.holders[0].name == "\u202egpj.exe"'
}

@test "a name that is not UTF-8 is given in hexadecimal as well" {
	make_database
	start_hold bot --comm=$'b\xff\xfet' --argument=$'\xc3(\xa0\xa1' "$database" posix:r:SHARED

	answer_is open read=yes write=yes migrate=bot
	answer_has '.holders[0].name_hex == "62fffe74"'
	answer_has '.holders[0].command_hex | tostring | test("c328a0a1")'
	raw_answer_is_one_clean_line
}

@test "an argument of 100 KB floods nobody" {
	make_database
	local argument
	argument=$(head -c 100000 /dev/zero | tr '\0' x)
	start_hold bot --argument="$argument" "$database" posix:r:SHARED

	answer_is open read=yes write=yes migrate=bot
	((${#text} < 20000))
	raw_answer_is_one_clean_line
}

@test "a name made to confuse a parser of /proc/PID/stat does not" {
	make_database
	start_hold bot --comm=') R 1 1 1 0 -1' "$database" posix:r:SHARED posix:w:RESERVED

	answer_is locked read=yes write=bot migrate=bot
	answer_has '.holders[0] | .name == ") R 1 1 1 0 -1" and .state == "sleeping"'
	answer_has --argjson parent "$BASHPID" '.holders[0].ppid == $parent'
}

@test "an empty command line is no trouble" {
	make_database
	# A zombie's threads live on, and its command line is gone.
	start_hold bot --thread-only "$database" posix:r:SHARED
	until_true has_ended "$(pid bot)"

	answer_is open read=yes write=yes migrate=bot
	answer_has '.holders[0].name == "hold_lock"'
}

@test "a program whose path has a newline in it forges no line" {
	make_database
	local program=$BATS_TEST_TMPDIR/$'evil\n  1      root  WRITE (deleted)'
	cp "$helpers/hold_lock" "$program"
	start bot "$program" "$database" posix:r:SHARED

	answer_is open read=yes write=yes migrate=bot
	answer_has --arg exe "$program" '.holders[0].exe == $exe'
	if grep -E '^ +1 +root' <<<"$text"; then false; fi
}

@test "a database whose name has escape sequences and newlines forges no line" {
	database=$folder/$'bot\e[2J\n  1 root.db'
	make_database
	start_hold bot "$database" posix:r:SHARED posix:w:RESERVED

	answer_is locked read=yes write=bot migrate=bot
	answer_has --arg path "$database" '.database == $path and .holders[0].path == $path'
	if grep -E '^ +1 +root' <<<"$text"; then false; fi
	raw_answer_is_one_clean_line
}

@test "a database whose name is not UTF-8 is found, and given in hexadecimal as well" {
	database=$folder/$'b\xff\xfet.db'
	make_database
	start_hold bot "$database" posix:r:SHARED

	answer_is open read=yes write=yes migrate=bot
	local hex
	hex=$(printf %s "$database" | od -An -tx1 | tr -d ' \n')
	answer_has ".database_hex == \"$hex\""
	raw_answer_is_one_clean_line
}

# --- things that are no database ------------------------------------------------------------------

# An error: exit status 3, a message of one line on standard error that names the file, nothing on
# standard output; and the same as JSON. In no time, whatever would block.
is_trouble() {
	run --separate-stderr timeout 5 "${as[@]}" "$dblockcheck" -- "$1"
	exit_status_is 3
	[ "$output" = '' ]
	[ "${#stderr_lines[@]}" = 1 ]
	[[ $stderr == "dblockcheck: "*"${1##*/}"* ]]

	run --separate-stderr timeout 5 "${as[@]}" "$dblockcheck" --json -- "$1"
	exit_status_is 3
	answer=$output
	judge_answer
	answer_has '.error.status == 3'
}

@test "a missing file is trouble" {
	is_trouble "$folder/missing.db"
	[ ! -e "$folder/missing.db" ]
}

@test "a file in a missing folder is trouble" {
	is_trouble "$folder/missing/bot.db"
}

@test "a folder is trouble" {
	mkdir "$folder/bot.db"
	is_trouble "$folder/bot.db"
}

@test "a FIFO is trouble and nobody waits for it" {
	mkfifo "$folder/bot.db"
	is_trouble "$folder/bot.db"
}

@test "a socket is trouble" {
	cd "$folder"
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("bot.db")'
	is_trouble "$folder/bot.db"
}

@test "a device is trouble" {
	is_trouble /dev/zero
	is_trouble /dev/full
}

@test "a symbolic link to itself is trouble" {
	ln -s bot.db "$folder/bot.db"
	is_trouble "$folder/bot.db"
}

@test "a name that is too long for any file is trouble" {
	is_trouble "$folder/$(printf 'n%.0s' {1..256})"
}

@test "a database that may not be read is trouble" {
	require_root
	make_database
	open_to_everybody
	chmod 755 "$folder"
	chmod 600 "$database"
	dblockcheck=$(copy_for_everybody "$dblockcheck")
	as=("${nobody[@]}")
	is_trouble "$database"
}

@test "a database in a folder that may not be entered is trouble" {
	require_root
	make_database
	open_to_everybody
	chmod 700 "$folder"
	dblockcheck=$(copy_for_everybody "$dblockcheck")
	as=("${nobody[@]}")
	is_trouble "$database"
}

@test "an empty file is a database" {
	: >"$database"
	answer_is free read=yes write=yes migrate=yes
	answer_has '.size_bytes == 0 and .certified'
}

@test "an empty file that SQLite is about to fill is held like any other" {
	: >"$database"
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	answer_is locked read=yes write=bot migrate=bot
	holder_is bot writer -wr/-.---.----- SHARED RESERVED
}

@test "a file that is no database is looked at all the same: it may be encrypted" {
	head -c 20000 /dev/urandom >"$database"
	answer_is free read=yes write=yes migrate=yes
	answer_has '.journal_mode == "unknown" and found("not-a-database")'

	start_hold bot "$database" posix:r:SHARED posix:w:RESERVED
	answer_is locked read=yes write=bot migrate=bot
}

@test "a database shorter than its header is no trouble" {
	for size in 1 16 99 511; do
		make_database
		truncate -s "$size" "$database"
		answer_is free read=yes write=yes migrate=yes
		rm "$database"
	done
}

@test "a header of nonsense is not believed" {
	make_database
	printf '\xff\xff' | dd of="$database" bs=1 seek=16 conv=notrunc status=none # page size
	answer_is free read=yes write=yes migrate=yes
	answer_has '.page_size_bytes | . == null or (. >= 512 and . <= 65536)'
}

# --- damaged sidecars -----------------------------------------------------------------------------

@test "a -shm of any length and content is survived, and not believed" {
	make_database wal
	start_hold bot "$database" posix:r:SHARED
	for size in 0 1 3 95 96 135 136 137 4096 32768; do
		head -c "$size" /dev/urandom >"$database-shm"
		survey "$database"
		exit_status_is 1
		answer_has '.can.read and .can.write and (.wal == null or .wal.frames == null)'
	done
}

@test "a -wal of any length and content is survived" {
	make_database wal
	start_hold bot "$database" posix:r:SHARED
	for size in 0 1 31 32 33 56 4152 100000; do
		head -c "$size" /dev/urandom >"$database-wal"
		survey "$database"
		exit_status_is 1
		answer_has --argjson size "$size" '.wal.size_bytes == $size'
	done
	truncate -s 1T "$database-wal"
	survey "$database"
	exit_status_is 1
}

@test "a wal-index with one wrong bit is not believed" {
	make_database wal
	start_sql bot "$database"
	ask bot sql 'DELETE FROM orders WHERE id = 7'
	cp "$database-shm" "$folder/good"
	survey "$database"
	answer_has '.wal.frames > 0'
	crash bot

	for offset in 0 8 16 40 48 64 88; do
		cp "$folder/good" "$database-shm"
		printf '\xa5' | dd of="$database-shm" bs=1 seek="$offset" conv=notrunc status=none
		start_hold "bot$offset" "$database" posix:r:SHARED "$database-shm" posix:r:DMS
		survey "$database"
		exit_status_is 1
		answer_has '.wal.frames == null'
		stop "bot$offset"
	done
}

@test "a journal of any content is survived" {
	make_database
	for size in 0 1 8 512 100000; do
		head -c "$size" /dev/urandom >"$database-journal"
		survey "$database"
		answer_has '.journal.present and .can.read and .can.write'
		exit_status_is 0
	done
}

@test "sidecars that are no files are survived" {
	make_database wal
	for sidecar in wal shm journal; do
		mkfifo "$database-$sidecar"
		run timeout 5 "$dblockcheck" --json "$database"
		[[ $status == [0134] ]]
		rm "$database-$sidecar"

		mkdir "$database-$sidecar"
		run timeout 5 "$dblockcheck" --json "$database"
		[[ $status == [0134] ]]
		rmdir "$database-$sidecar"

		ln -s "bot.db-$sidecar" "$database-$sidecar"
		run timeout 5 "$dblockcheck" --json "$database"
		[[ $status == [0134] ]]
		rm "$database-$sidecar"
	done
}

# --- a machine that changes -----------------------------------------------------------------------

# Surveys the database fifty times beside COMMAND in a loop; a jq expression is true of each answer.
# (All are judged at the end, so that there is always something going on while dblockcheck looks.)
survives() {
	local command=$1 filter=$2 answers=$BATS_TEST_TMPDIR/answers storm
	start_going_on
	in_background repeat "$command"
	storm=$!
	for _ in {1..50}; do
		"$dblockcheck" --json --sample=0.01 "$database" >>"$answers" || (($? == 1))
	done
	stop_going_on
	wait "$storm"
	jq -se --argjson pid "$(client_pids)" "length == 50 and all($filter)" "$answers" >/dev/null
}

repeat() {
	while goes_on; do
		"$@"
	done
}

@test "processes that come and go by the hundred are survived" {
	make_database
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	survives come_and_go '.blockers.write == [$pid.bot] and any(.holders[]; .pid == $pid.bot)'
}

# Many short processes that have the database open.
come_and_go() {
	for _ in {1..40}; do
		(exec 9<"$database") &
	done
	wait
}

@test "locks that come and go are not taken for somebody else's" {
	make_database wal
	start_sql keeper "$database"
	ask keeper sql 'SELECT count(*) FROM orders'
	survives write_much '.holders[] | select(.pid == $pid.keeper) | .locks == ["SHARED", "DMS"]'
}

write_much() {
	"$helpers/commit_loop" 500 "$database" >/dev/null
}

# --- how it is started ----------------------------------------------------------------------------

@test "without a name of its own it is no other program" {
	make_database
	run --separate-stderr bash -c 'exec -a "" "$1" --json "$2"' bash "$dblockcheck" "$database"
	exit_status_is 0
	answer=$output
	answer_has '.tool == "dblockcheck"'
}

@test "standard descriptors that are closed are not mixed up with the database" {
	make_database
	local before
	before=$(sha256sum "$database")
	"$dblockcheck" -q "$database" <&- >&- 2>&-
	run "$dblockcheck" "$database" 0<&-
	exit_status_is 0
	start_hold bot "$database" posix:r:SHARED
	run bash -c '"$1" "$2" >&- 2>&- <&-' bash "$dblockcheck" "$database"
	[[ $status == [13] ]]
	[ "$(sha256sum "$database")" = "$before" ]
}

@test "odd environments change nothing" {
	make_database
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	as=(env -i LC_ALL=tr_TR.UTF-8 TZ=nonsense LIBPROC_HIDE_KERNEL=x COLUMNS=-1 TERM=)
	answer_is locked read=yes write=bot migrate=bot
}

@test "a limit of few descriptors is enough, or is trouble, and never a wrong answer" {
	make_database
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	for limit in 8 9 10 12 16 24; do
		run bash -c 'ulimit -n "$0" && exec "$@"' "$limit" "$dblockcheck" -q "$database"
		[[ $status == [134] ]]
	done
}
