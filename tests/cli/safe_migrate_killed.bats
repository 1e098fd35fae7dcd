#!/usr/bin/env bats
# bats file_tags=slow
#
# safe_migrate.sh is killed, with all that it runs, or told to end; the power fails; the machine starts anew: the next run heals.
#
# DBLOCKTOOLS_LONG=1 kills at every operation on the files of the record, and at each handshake for every engine.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	load ../helpers/chain.bash
	chain_setup
	record=$project/.dblocktools/run.json
	fired=$BATS_TEST_TMPDIR/fired
	around=(setsid --wait)
	options=()
	engine=sql
}

teardown() {
	chain_teardown
}

# The call of TOOL with such arguments does DO once; before it, after it or in place of it.
once() {
	rm -f "$fired"
	fake "$1" real "$2" "if [[ ! -e '$fired' ]]; then : >'$fired'; $3; fi"
}

kill_before() { once "$1" "$2" 'kill -KILL 0'; }

kill_after() { once "$1" "$2" "'$tools_here/$1' \"\$@\" >/dev/null 2>&1; kill -KILL 0"; }

# It ends with this status, and its answer is nobody's: it may have none.
run_ends() {
	local wanted=$1
	shift
	run --separate-stderr safe_migrate "$@"
	exit_status_is "$wanted"
}

is_killed() {
	run_ends 137 "$@"
	[[ -e $fired ]]
}

# The database: its schema, what is applied, and that it is sound.
state_of() {
	# A bot that runs meanwhile takes orders.
	dump_of "$1" | grep -v '^INSERT INTO \(orders\|order_events\) ' | sha256sum
}

fresh() {
	rm -rf "$project/.dblocktools" "$backups"
	cp "$BATS_TEST_TMPDIR/old.db" "$database"
	: >"$calls"
}

# What it is before, and after a run that nobody disturbs, in $old and $new.
learn() {
	cp "$database" "$BATS_TEST_TMPDIR/old.db"
	old=$(state_of "$database")
	run_ends 0 "$@"
	new=$(state_of "$database")
	[[ $new != "$old" ]]
	fresh
}

is_old_or_new() {
	local now
	now=$(state_of "$database")
	[[ $now == "$old" || $now == "$new" ]] || is_same "old or new" "neither"
}

# The same command again; and then all is as if there had been no kill.
heals() {
	is_old_or_new
	run_ends 0 "$@"
	is_same "$new" "$(state_of "$database")"
	no_record
}

handshakes=(
	'dbmigrate:*" check "*' 'dbmigrate:*" status "*' 'botkill:*' 'dblockcheck:*' 'dbbackup:*"/backups/ "*' 'dbmigrate:*" up "*'
	'dbbackup:*--verify=quick*'
)

# killed_everywhere ARGUMENT... : of the points, those that are not in $skip.
killed_everywhere() {
	local point when
	learn "$@"
	for point in "${handshakes[@]}"; do
		for when in kill_before kill_after; do
			fresh
			"$when" "${point%%:*}" "${point#*:}"
			if [[ $engine == command && $point == *check* ]]; then continue; fi
			echo "# $engine, $*: $when $point"
			is_killed "$@"
			real "${point%%:*}"
			heals "$@"
			points=$((points + 1))
		done
	done
}

quick() {
	fake botkill 0
	[[ ${DBLOCKTOOLS_LONG-} ]] || handshakes=('dbmigrate:*" up "*')
	points=0
}

told() {
	echo "# $points points, 0 failed" >&3
}

at_the_end_of_sql() {
	run_ends 0 prod
	rm -rf .dblocktools "$backups"
	handshakes=("${handshakes[@]/\" up \"/\" down \"}")
}

@test "killed at any handshake, the migration is done once, by the next run" {
	quick
	killed_everywhere prod
	told
}

@test "killed at any handshake, one step back is one step back" {
	quick
	at_the_end_of_sql
	killed_everywhere prod --down=-1
	told
}

@test "killed at any handshake, a program's migration is done once" {
	quick
	engine='command'
	printf '#!/bin/bash\nexec sqlite3 "$DBMIGRATE_DATABASE" "CREATE TABLE once (x); UPDATE schema_migrations SET version = version + 1"\n' >go
	chmod 755 go
	echo 'MIGRATE_COMMAND=./go' >>dblocktools.conf
	killed_everywhere prod
	told
}

@test "after a kill between its steps the bot is there again, as one of the runs wanted it" {
	local point
	for point in 'dbbackup:*"/backups/ "*' 'dbmigrate:*" up "*'; do
		[[ -e $BATS_TEST_TMPDIR/old.db ]] || learn prod
		fresh
		start_project_bot
		kill_after "${point%%:*}" "${point#*:}"
		is_killed prod --restart
		bot_is_away
		real "${point%%:*}"
		run_ends 0 prod
		bot_holds
		no_record
		revision_is "$last_revision"
		run "$tools_here/botkill" -q "$database"
	done
}

@test "bot.sh starts the bot after a kill on a database that is the old or the new one" {
	local when
	learn prod
	for when in kill_before kill_after; do
		fresh
		"$when" dbmigrate '*" up "*'
		is_killed prod
		is_old_or_new
		exits_with 0 "$scripts/bot.sh" --project="$project" start prod
		bot_holds
		no_record
		run "$tools_here/botkill" -q "$database"
	done
}

# --- the record -----------------------------------------------------------------------------------

shims() {
	inject=${DBLOCKTOOLS_BIN:-$repository/build}/tests/fault/inject.so
	[[ -e $inject && ! ${DBLOCKTOOLS_SANITIZED-} ]] || skip 'needs tests/fault/inject.so'
	log_of_faults=$BATS_TEST_TMPDIR/faults
}

# fault_at NUMBER MODE: what is run then has it.
fault_at() {
	rm -f "$log_of_faults"
	truncate -s 4M "$log_of_faults"
	around=(setsid --wait env "LD_PRELOAD=$inject" "FAULT_ROOT=$project/.dblocktools" "FAULT_LOG=$log_of_faults" "FAULT_AT=$1" "FAULT_MODE=$2")
}

operations() {
	od -An -t u8 -j 8 -N 8 "$log_of_faults" | tr -d ' '
}

@test "killed at any operation on the record, one step back is one step back" {
	shims
	quick
	at_the_end_of_sql
	learn prod --down=-1
	fault_at 0 kill
	run_ends 0 prod --down=-1
	local count number step=1
	count=$(operations)
	((count > 20))
	[[ ${DBLOCKTOOLS_LONG-} ]] || step=13
	for ((number = count; number > 0; number -= step)); do
		fresh
		fault_at "$number" kill
		run_ends 137 prod --down=-1
		around=(setsid --wait)
		echo "# operation $number of $count"
		# With the record gone the run had ended: the same command again means one more step.
		if [[ -e $record || $(state_of "$database") == "$old" ]]; then
			heals prod --down=-1
		else
			is_same "$new" "$(state_of "$database")"
			((number > count - 3))
		fi
		points=$((points + 1))
	done
	told
}

@test "the run that heals may be killed at any operation on the record, too" {
	shims
	quick
	at_the_end_of_sql
	learn prod --down=-1
	local number=3 step=9
	[[ ! ${DBLOCKTOOLS_LONG-} ]] || number=1 step=1
	while :; do
		fresh
		around=(setsid --wait)
		kill_after dbmigrate '*" down "*'
		is_killed prod --down=-1
		real dbmigrate
		is_same "$new" "$(state_of "$database")"
		fault_at "$number" kill
		run --separate-stderr safe_migrate prod --down=-1 --restart
		[[ $status == 137 ]] || break
		around=(setsid --wait)
		is_same "$new" "$(state_of "$database")"
		echo "# operation $number"
		# Where the record was gone the run had ended: one more step back is what is asked for then.
		if [[ -e $record ]]; then
			heals prod --down=-1
		fi
		run "$tools_here/botkill" -q "$database"
		points=$((points + 1))
		number=$((number + step))
	done
	((points > 1))
	told
}

@test "a record that a power loss has brought back, or left beside its place, is of no harm" {
	quick
	learn prod
	kill_after dbmigrate '*" up "*'
	is_killed prod
	real dbmigrate
	cp "$record" "$BATS_TEST_TMPDIR/kept.json"
	heals prod
	# The run has ended, and its record is there again.
	cp "$BATS_TEST_TMPDIR/kept.json" "$record"
	heals prod
	# Its successor was not renamed yet, or is half there; or the record is of a step before.
	printf '{"schema":"1","st' >"$record.new"
	heals prod
	jq -c '.step = "4" | .backup = ""' "$BATS_TEST_TMPDIR/kept.json" >"$record"
	heals prod
	# The database is new, and the record is gone.
	heals prod
	is_same 1 "$(sql "SELECT count(*) FROM schema_migrations WHERE version = '$last_revision'")"
}

@test "a record that is cut off, empty or something else is 3, and said" {
	local text
	mkdir -m 700 .dblocktools
	for text in '' '{"schema":"1","st' 'garbage' '[]' 'null' '{"schema":"2","step":"5"}'; do
		printf %s "$text" >"$record"
		remember_bytes
		run_ends 3 prod --restart
		talk_says 'cannot be read: look at the database with'
		same_bytes
		exits_with 3 "$scripts/bot.sh" --project="$project" start prod
	done
	never_started
	fake botkill 0
	run_ends 0 prod --forget
}

@test "a record is understood after the machine started anew: another device, PIDs that are others', no lock" {
	quick
	at_the_end_of_sql
	learn prod --down=-1
	kill_after dbmigrate '*" down "*'
	is_killed prod --down=-1
	real dbmigrate
	jq -c '.identity = "9999:" + (.identity | split(":")[1])' "$record" >"$record.x"
	mv "$record.x" "$record"
	rm -f .dblocktools/run.lock
	is_same "$new" "$(state_of "$database")"
	heals prod --down=-1
}

@test "a database that is not there is no reason to forget, or to start" {
	quick
	kill_after dbmigrate '*" up "*'
	is_killed prod --restart
	real dbmigrate
	mv "$database" away.db
	exits_with 3 "$scripts/bot.sh" --project="$project" start prod
	never_started
	[[ -e $record ]]
	mv away.db "$database"
	run_ends 0 prod --down=-1
}

# --- signals --------------------------------------------------------------------------------------

# signalled NUMBER WHOM TOOL WHEN: to the script alone, or to its group, when the tool is reached.
@test "a signal before the migration ends in 128 + N, the data as it was and the bot running" {
	local one signal whom some=('1:HUP "$PPID"' '2:INT 0' '15:TERM "$PPID"')
	[[ ! ${DBLOCKTOOLS_LONG-} ]] || some+=('1:HUP 0' '2:INT "$PPID"' '15:TERM 0')
	for one in "${some[@]}"; do
		signal=${one% *} whom=${one#* }
		start_project_bot
		once dbbackup '*"/backups/ "*' "kill -${signal#*:} $whom; trap - INT"
		around=(setsid --wait env "--default-signal=INT,HUP,TERM")
		run_ends $((128 + ${signal%:*})) prod --restart
		revision_is "$first_revision"
		bot_holds
		no_record
		run "$tools_here/botkill" -q "$database"
	done
}

@test "a signal after the migration ends with it finished, and another one changes nothing" {
	fake botkill 0
	learn prod
	local name
	for name in HUP INT TERM; do
		fresh
		once dbmigrate '*" up "*' "'$tools_here/dbmigrate' \"\$@\"; kill -$name \"\$PPID\"; kill -$name \"\$PPID\"; exit 0"
		around=(setsid --wait env "--default-signal=INT,HUP,TERM")
		run --separate-stderr safe_migrate prod
		is_same "$new" "$(state_of "$database")"
		no_record
		((status == 0 || status > 128))
	done
}
