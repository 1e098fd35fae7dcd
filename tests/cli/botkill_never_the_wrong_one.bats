#!/usr/bin/env bats
#
# botkill chooses by what is held, and never hits anybody else: not by a name, not by a PID that was
# given to another process, not its own ancestors.
#
# DBLOCKTOOLS_LONG=1 makes a thousand rounds of PIDs that are reused.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/botkill.bash
	machine_setup
	botkill_setup
}

teardown() {
	clients_teardown
	machine_teardown
}

# --- PIDs that are reused -------------------------------------------------------------------------

rounds=${DBLOCKTOOLS_LONG:+1000}
rounds=${rounds:-102}

# Rounds in which a PID is reused at the given time. What it says is in $output.
reuse_pids() {
	require_root
	unshare -pf --mount-proc true 2>/dev/null || skip 'needs a PID namespace of its own'
	make_database
	if [[ ${DBLOCKTOOLS_LONG-} ]]; then patience=3600; fi
	run --separate-stderr timeout "$patience" unshare -pf --kill-child --mount-proc \
		"$repository/tests/helpers/pid_reuse.py" "${botkill%/*}" "$helpers" "$folder" "$1" "$rounds"
	echo "# $output" >&3
	is_same 0 "$status"
	[[ $output == "0 hits in $rounds rounds,"* ]]
}

@test "a PID that is reused between dblockcheck and botkill: the new process is not hit" {
	patience=60
	reuse_pids stale
	# A third of them have nothing to do with the database; the others have it open, or locked.
	[[ $output == *" gone:$((rounds / 3)) reused:$((rounds - rounds / 3))" ]]
}

@test "a PID that is reused before any system call between the look and the signal: the new process is not hit" {
	patience=60
	reuse_pids paused
	[[ $output == *" gone:"*" reused:"* ]]
}

@test "a made-up start time is not taken for the process that has the PID" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	input=$BATS_TEST_TMPDIR/input
	for change in '- 1' '+ 1' '* 0' '+ 9007199254740993'; do
		"$dblockcheck" --json --sample=0 "$database" |
			jq -c ".holders[0].start_ticks |= . $change" >"$input"
		kill_from_input 1
		left reused bot
		lives bot
	done
}

kill_from_input() {
	local database=-
	kill_holders "$@"
}

@test "between dblockcheck and botkill another process came: it stays, and is named" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	input=$BATS_TEST_TMPDIR/input
	"$dblockcheck" --json --sample=0 "$database" >"$input" || [ $? = 1 ]
	start_hold other "$database" posix:r:SHARED

	kill_from_input 1
	stopped SIGTERM bot
	lives other
	answer_has '.released | not'
	answer_has '[.left[] | select(.reason == "not-matched") | .pid] == [$pid.other]'
}

@test "from dblockcheck, each is stopped that is still the same and still holds it" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	start_hold ended "$database" posix:r:SHARED
	start evader "$repository/tests/helpers/evader.py" leave "$database"
	input=$BATS_TEST_TMPDIR/input
	"$dblockcheck" --json --sample=0 "$database" >"$input" || [ $? = 1 ]
	local gone=${client_pid[ended]}
	stop ended
	ask evader close

	kill_from_input 0
	stopped SIGTERM bot
	left gone "$gone"
	left gone evader
	lives evader
	answer_has .released
}

# --- those that only look like the bot ------------------------------------------------------------

@test "a process with the name and the arguments of the bot that has another database lives" {
	start_bot bot --database="$database" --stdin
	start_bot brother --database="$folder/other.db" --stdin
	start_hold namesake --comm=bot.py --argument="--database=$database" "$folder/other.db" \
		posix:r:SHARED
	kill_holders 0
	stopped SIGINT bot
	left_nobody
	lives namesake brother
}

@test "a parent shell with the name of the file in its arguments lives" {
	make_database
	start bot bash -c '"$@"; echo "ended $?"; read -r _' bot.db "$helpers/hold_lock" "$database" \
		posix:w:RESERVED
	local parent=${client_job[bot]}
	kill_holders 0
	stopped SIGTERM bot
	hear bot ended
	lives "$parent"
	[[ $(tr '\0' ' ' <"/proc/$parent/cmdline") == *bot.db* ]]
}

@test "an editor that has the file open for reading lives, and the database is released all the same" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	start_hold editor --read-only "$database"
	kill_holders 0
	stopped SIGTERM bot
	left bystander editor
	lives editor
	answer_has '.released and .reopened_by == []'
}

@test "who has the file open for reading and reads it by SQLite's rules is no bystander" {
	make_database
	start_hold reader --read-only "$database" posix:r:SHARED
	kill_holders 0
	stopped SIGTERM reader
}

@test "--all stops bystanders too" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	start_hold editor --read-only "$database"
	kill_holders 0 --all
	stopped SIGTERM bot editor
	left_nobody
	answer_has .released
}

@test "who has the file by another name, by a hard link or a symbolic one, is found" {
	make_database
	ln "$database" "$folder/hard.db"
	ln -s bot.db "$folder/soft.db"
	start_hold hard "$folder/hard.db" posix:r:SHARED
	start_hold soft "$folder/soft.db" posix:r:SHARED
	database=$folder/soft.db
	kill_holders 0
	stopped SIGTERM hard soft
}

@test "who has the file that was there before, by the same name, is a user of the database too" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	cp "$database" "$database.new"
	mv "$database.new" "$database"
	kill_holders 0
	stopped SIGTERM bot
	answer_has .released
}

# --- itself and its ancestors ---------------------------------------------------------------------

# botkill as the child of a process that has the database open, on a descriptor that it does not pass on.
ancestor() {
	python3 -c '
import os, subprocess, sys
os.open(sys.argv[1], os.O_RDWR)
sys.exit(subprocess.run(sys.argv[2:], check=False).returncode)' "$database" "$@"
}

@test "an ancestor that holds the database is spared, and that is said" {
	make_database
	start_hold bot "$database" posix:r:SHARED
	as=(ancestor)
	kill_holders 1
	stopped SIGTERM bot
	answer_has '.left | length == 1 and .[0].reason == "ancestor"'
	answer_has '(.released | not) and .reopened_by == []'
}

@test "an ancestor is spared with --all and --force and --signal=KILL too" {
	make_database
	as=(ancestor)
	kill_holders 1 --all --force --signal=KILL --no-supervisor --grace=0
	answer_has '.stopped == [] and [.left[].reason] == ["ancestor"]'
}

@test "a descriptor that botkill was given by its parent does not make it stop itself" {
	make_database
	start_hold bot "$database" posix:r:SHARED
	exec 9<>"$database"
	kill_holders 1
	exec 9>&-
	stopped SIGTERM bot
	answer_has '[.left[].reason] - ["ancestor", "self"] == []'
}

# In a PID namespace of its own: the command's first process is PID 1, the next one PID 2.
in_a_container() {
	unshare -pf --kill-child --mount-proc "$@"
}

@test "in a container, PID 1 is spared and that is said" {
	require_root
	in_a_container true 2>/dev/null || skip 'needs a PID namespace of its own'
	make_database
	# shellcheck disable=SC2016
	as=(in_a_container bash -c 'exec 9<>"$0"; "$@" 9>&-; exit' "$database")
	kill_holders 1
	answer_has '.stopped == [] and (.left | length == 1 and .[0].pid == 1 and .[0].reason == "pid-1")'
}

@test "in a container, the children of PID 2 are no kernel threads, and are stopped" {
	require_root
	in_a_container true 2>/dev/null || skip 'needs a PID namespace of its own'
	make_database
	mkfifo "$BATS_TEST_TMPDIR/said" "$BATS_TEST_TMPDIR/asked"
	# timeout is PID 1 and bash PID 2, an ancestor; hold_lock is a child of PID 2, and has one itself.
	# shellcheck disable=SC2016
	as=(in_a_container timeout 20 bash -c '
		"$0" --inherited "$1" posix:r:SHARED <>"$2/asked" >"$2/said" 3>&- 4>&- &
		read -r _ <"$2/said"
		shift 2
		"$@"
		exit' "$helpers/hold_lock" "$database" "$BATS_TEST_TMPDIR")
	kill_holders 0
	answer_has '.left == [] and (.stopped | length == 2) and .released'
}

# --- narrowed by the user -------------------------------------------------------------------------

@test "--protect spares who matches, and says that it stands in the way" {
	make_database
	start_hold bot --argument=one "$database" posix:r:SHARED
	start_hold other --argument=two "$database" posix:r:SHARED
	kill_holders 1 --protect='--argument=(two|three) '
	stopped SIGTERM bot
	left protected other
	lives other
	answer_has '(.released | not) and .reopened_by == []'
}

@test "--protect of a bystander is no news" {
	make_database
	start_hold bot --argument=one "$database" posix:r:SHARED
	start_hold editor --read-only --argument=two "$database"
	kill_holders 0 --protect=two
	stopped SIGTERM bot
	left bystander editor
}

@test "--match stops only who matches, by its full command line" {
	make_database
	start_hold bot --argument=one "$database" posix:r:SHARED
	start_hold other --argument=two "$database" posix:r:SHARED
	kill_holders 0 --match='^[^ ]*/hold_lock --argument=o.e '
	stopped SIGTERM bot
	left not-matched other
	lives other
	answer_has '(.released | not) and .reopened_by == []'
}

@test "--match that nobody matches stops nobody" {
	make_database
	start_hold bot "$database" posix:r:SHARED
	kill_holders 0 --match='^hold_lock'
	answer_has '.stopped == []'
	left not-matched bot
	lives bot
}

@test "--protect is stronger than --match" {
	make_database
	start_hold bot "$database" posix:r:SHARED
	kill_holders 1 --match=hold_lock --protect="$database"
	left protected bot
	lives bot
}

@test "an expression that is none is a wrong command line" {
	make_database
	start_hold bot "$database" posix:r:SHARED
	for option in --match='(' --protect='[' --match='*' --match='a{2,1}'; do
		run --separate-stderr botkill "$option" "$database"
		exit_status_is 2 "$option"
		[ "${#stderr_lines[@]}" = 1 ]
	done
	lives bot
}

@test "--blockers stops only those in the way of a writer" {
	make_database wal
	start_sql reader "$database"
	ask reader cursor 'SELECT * FROM orders'
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
	kill_holders 0 --blockers
	stopped SIGINT writer
	left not-blocking reader
	ask reader step
	sqlite3 -batch "$database" 'DELETE FROM orders WHERE id = 1'
}

@test "--blockers where nobody is in the way stops nobody" {
	make_database wal
	start_sql reader "$database"
	ask reader cursor 'SELECT * FROM orders'
	kill_holders 0 --blockers
	answer_has '.stopped == []'
	lives reader
}

@test "in a rollback journal, --blockers stops the reader that a writer waits for" {
	make_database
	start_sql reader "$database"
	ask reader cursor 'SELECT * FROM orders'
	start_sql writer "$database"
	ask writer sql 'BEGIN'
	ask writer sql 'DELETE FROM orders'
	refused writer sql 'COMMIT'
	"$dblockcheck" --json --sample=0 "$database" >"$BATS_TEST_TMPDIR/survey" || true
	kill_holders 0 --blockers
	is_same "$(jq -c '.blockers.write | sort' "$BATS_TEST_TMPDIR/survey")" \
		"$(jq -c '[.stopped[].pid] | sort' <<<"$answer")"
}
