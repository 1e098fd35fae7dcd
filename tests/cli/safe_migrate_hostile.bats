#!/usr/bin/env bats
#
# safe_migrate.sh among what it has not chosen: the environment, names, other runs, and a full disk.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	load ../helpers/chain.bash
	chain_setup
}

teardown() {
	chain_teardown
}

# --- the environment ------------------------------------------------------------------------------

# A program, function or file of the caller that was used leaves a line in $seen.
make_evil() {
	local name
	seen=$BATS_TEST_TMPDIR/seen
	for name in awk base64 basename bash cat command cut date df dirname dbbackup dbmigrate dblockcheck botkill dbrestore env flock getent \
		grep head iconv id jq kill ls mapfile mkdir mktemp mv od paste printf read readlink realpath rm sed setsid sha256sum sleep sort \
		sqlite3 stat sync tail test tr trap wait xargs; do
		printf '#!/bin/sh\necho "program %s" >>%q\nexit 1\n' "$name" "$seen" >"$name"
		chmod 755 "$name"
		functions+=("BASH_FUNC_$name%%=() { echo function $name >>$seen; return 1; }")
	done
	echo "echo BASH_ENV >>'$seen'; exit 1" >evil.sh
	echo 'def length: 0; def keys: []; def test($x): false; def map(f): [];' >.jq
}

# The caller's environment is all that is between "env" and the script.
run_in() {
	exits_with 0 timeout --foreground -k 5 60 env "$@" "$scripts/safe_migrate.sh" --project="$project" --json </dev/null
	answer=$output
	judge_chain_answer 0
	revision_is "$last_revision"
}

@test "nothing in the caller's environment decides what is run" {
	local functions=()
	make_evil
	# shellcheck disable=SC2016 # it is not to be expanded
	run_in PATH=. HOME="$project" IFS=ab/0123 BASH_ENV="$project/evil.sh" ENV="$project/evil.sh" CDPATH=/:/tmp GLOBIGNORE='*' POSIXLY_CORRECT=1 \
		SHELLOPTS=noglob:posix:noexec BASHOPTS=failglob:nocasematch:extdebug BASH_COMPAT=3.1 BASH_XTRACEFD=1 PS4='$(touch ps4)' \
		TMPDIR=/nonexistent LC_ALL=invalid LANG=invalid TZ=:garbage "${functions[@]}"
	[[ ! -e $seen ]] || is_same '' "$(cat "$seen")"
	[[ ! -e ps4 ]]
}

@test "with cron's bare environment, no input and a mask of 000 it works, and what it makes is nobody else's" {
	umask 000
	exits_with 0 timeout --foreground -k 5 60 env -i "$scripts/safe_migrate.sh" --project="$project" --json <&-
	answer=$output
	judge_chain_answer 0
	revision_is "$last_revision"
	is_same '' "$(find .dblocktools "$backups" ! -type l -perm /077)"
}

@test "with a mask of 777 it works, too" {
	umask 777
	run_in HOME=/nonexistent
}

@test "an answer that nobody can get is a failure, and talk that nobody can hear is none" {
	local status=0
	"$scripts/safe_migrate.sh" --dry-run >/dev/full 2>"$BATS_TEST_TMPDIR/said" || status=$?
	exit_status_is 3
	status=0
	"$scripts/safe_migrate.sh" --dry-run --json >&- 2>"$BATS_TEST_TMPDIR/said" || status=$?
	exit_status_is 3
	"$scripts/safe_migrate.sh" --dry-run --json >"$BATS_TEST_TMPDIR/said" 2>&-
	answer=$(<"$BATS_TEST_TMPDIR/said")
	judge_chain_answer 0
}

# --- names ----------------------------------------------------------------------------------------

@test "a project's path may hold any byte, and the bot that was started does not keep the lock" {
	local odd=$BATS_TEST_TMPDIR/$'a "shop\'s"\n$(touch run) \xff'
	mv -T "$project" "$odd"
	project=$odd
	database=$project/data/bot.db
	cd "$project"
	chain 0 --restart
	answer_has '.bot.restarted and .data == "new"'
	is_same "$(printf %s "$database" | od -An -v -tx1 | tr -d ' \n')" "$(jq -r .database_hex <<<"$answer")"
	is_same "$(printf %s "$answer" | iconv -f UTF-8 -t UTF-8)" "$answer"
	stderr_is_printable
	revision_is "$last_revision"
	[[ ! -e run ]]
	flock --nonblock .dblocktools/run.lock true
	is_same 1 "$(wc -l <"$bots")"
}

@test "a holder with a hostile name is told in one piece, and nothing of it is run" {
	local name=$BATS_TEST_TMPDIR/$'\e[2J\n`touch x`\xff'
	cp "$helpers/hold_lock" "$name"
	fake botkill 0
	start holder "$name" "$database" posix:w:RESERVED
	nothing_begun 5
	talk_says "held by $(pid holder) "
	stderr_is_printable
	is_same "$(printf %s "$answer" | iconv -f UTF-8 -t UTF-8)" "$answer"
	[[ ! -e x ]]
	stop holder
}

# --- other runs -----------------------------------------------------------------------------------

# Ends with its number; what it has said is in files of it.
one_of_many() {
	local code=0
	safe_migrate --json >"$BATS_TEST_TMPDIR/answer.$1" 2>"$BATS_TEST_TMPDIR/said.$1" 3>&- 4>&- || code=$?
	echo "$code" >"$BATS_TEST_TMPDIR/ended.$1"
}

# The one that works stands at the handshake: as long as it does, the others have nothing to wait for but the lock.
@test "of eight runs at once one works, and seven end with 5 and leave nothing" {
	local number pids=() at go one
	mkfifo "$BATS_TEST_TMPDIR"/{at,go}
	exec {at}<>"$BATS_TEST_TMPDIR/at" {go}<>"$BATS_TEST_TMPDIR/go"
	fake botkill 0 '*' "echo here >'$BATS_TEST_TMPDIR/at'; read -r _ <'$BATS_TEST_TMPDIR/go'"
	for number in {1..8}; do
		one_of_many "$number" {at}>&- {go}>&- &
		pids+=($!)
	done
	for number in {1..7}; do wait -n "${pids[@]}"; done
	is_same '5 5 5 5 5 5 5' "$(cat "$BATS_TEST_TMPDIR"/ended.* | paste -sd ' ')"
	read -rt "$patience" -u "$at" one
	is_same 1 "$(find .dblocktools/logs -type f | wc -l)"
	is_same 7 "$(grep -l 'another run is at work in this project' "$BATS_TEST_TMPDIR"/said.* | wc -l)"
	is_same 1 "$(grep -c . .dblocktools/run.json)"
	echo >&"$go"
	# Not for all: bats has a process of its own here.
	wait "${pids[@]}" || true
	is_same '0 5 5 5 5 5 5 5' "$(sort "$BATS_TEST_TMPDIR"/ended.* | paste -sd ' ')"
	is_same 1 "$(grep -c . "$calls")"
	for number in {1..8}; do
		answer=$(<"$BATS_TEST_TMPDIR/answer.$number")
		[[ $answer == '{"schema":1,"tool":"safe_migrate",'*'}' ]]
	done
	revision_is "$last_revision"
	no_record
}

# --- a full disk ----------------------------------------------------------------------------------

# On this disk is the project, its database, or its backups; before or after TOOL has been called so it is full.
full_disk() {
	# A pattern is "quoted" but for its stars, and has "_" for a blank.
	local disk=$BATS_TEST_TMPDIR/$1 what=$2 tool=$3 pattern=${4//_/ } when=$5
	pattern='*"'${pattern//\*/}'"*'
	local fill="cat /dev/zero >'$disk/fill' 2>/dev/null"
	case $what in
	project)
		mv "$project" "$disk/project"
		project=$disk/project folder=$disk/project/data
		database=$folder/bot.db
		;;
	database)
		mv "$folder" "$disk/data"
		database=$disk/data/bot.db
		sed -i "s|^DATABASE=.*|DATABASE=$database|" dblocktools.conf
		;;
	backups) echo "BACKUPS=$disk/backups" >>dblocktools.conf ;;
	esac
	cd "$project" || return
	fake botkill 0
	fake dblockcheck 0
	case $when in
	before) fake "$tool" real "$pattern" "$fill" ;;
	after) fake "$tool" 0 "$pattern" "'$tools_here/$tool' \"\$@\" || exit; $fill" ;;
	esac
	remember_bytes
	chain 3
	[[ -e $disk/fill ]]
	data_is unchanged
	same_bytes
	talk_says 'the database was not changed'
	# It was free, and is so again: all that was lost is the run.
	rm "$disk/fill"
	for tool in botkill dblockcheck dbbackup dbmigrate; do real "$tool"; done
	chain 0
	revision_is "$last_revision"
	no_record
	nothing_left "$disk"
}

@test "a disk that becomes full loses nothing, and the next run works when there is room" {
	local number
	require_root
	for number in 1 2 3 4 5; do mount_for_test -t tmpfs -o size=12m,mode=755 tmpfs "$BATS_TEST_TMPDIR/disk$number"; done
	local all=('disk1 project botkill *--grace* before' 'disk2 database dbmigrate *_up_* before' 'disk3 backups dbbackup */backups/* before')
	[[ ! ${DBLOCKTOOLS_LONG-} ]] || all+=('disk4 project dbbackup */backups/* after' 'disk5 project dbmigrate *_up_* before')
	rows full_disk "${all[@]}"
}
