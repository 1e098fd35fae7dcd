#!/usr/bin/env bats
#
# botkill and those that it is asked to stop: how they end, and what it says when they do not.

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
	# Before the group goes whose members cannot be ended while it is frozen.
	[[ ! -e ${freezer-} ]] || echo THAWED >"$freezer/freezer.state"
	clients_teardown
	machine_teardown
}

rows() {
	sqlite3 -batch "$database" "SELECT count(*) FROM $1"
}

# --- bots that end cleanly ------------------------------------------------------------------------

@test "a plain Python bot gets SIGINT: its finally runs, the database is closed, its last rows are there" {
	start_bot bot --database="$database" --stdin
	tell bot broken screen
	hear bot order
	local order=${reply%%:*}

	kill_holders 0
	stopped SIGINT bot
	left_nobody
	answer_has '.released and .reopened_by == [] and
		.database_state == {hot_journal: false, wal_bytes: 0}'
	hear bot bye
	[ "$(status_of bot)" = 0 ]
	[ "$(ls "$folder")" = bot.db ]
	[ "$(sqlite3 -batch "$database" "SELECT problem FROM orders WHERE id = $order")" = 'broken screen' ]
}

@test "a bot in the middle of a transaction rolls it back and closes the database" {
	start_bot bot --database="$database" --mode=forgotten-transaction
	kill_holders 0
	stopped SIGINT bot
	hear bot bye
	[ "$(status_of bot)" = 0 ]
	[ "$(ls "$folder")" = bot.db ]
	[ "$(sqlite3 -batch "$database" "SELECT count(*) FROM orders WHERE problem LIKE 'waits for%'")" = 0 ]
}

@test "an asyncio bot with a handler gets SIGTERM and ends by itself" {
	start_bot bot --database="$database" --signals=asyncio --tick=3600
	kill_holders 0
	stopped SIGTERM bot
	hear bot bye
	[ "$(status_of bot)" = 0 ]
	[ "$(ls "$folder")" = bot.db ]
}

@test "a program with a handler of neither gets SIGTERM" {
	make_database
	start_hold bot "$database" posix:r:SHARED
	kill_holders 0
	stopped SIGTERM bot
	[ "$(status_of bot)" = 143 ]
}

@test "a bot that was started in the background of a shell, where Ctrl+C is ignored, gets SIGTERM" {
	start bot env --ignore-signal=INT "$sample_bot" --database="$database" --stdin
	kill_holders 0
	stopped SIGTERM bot
}

@test "what is in the WAL after a crash is said" {
	make_database wal
	start_sql bot "$database"
	ask bot sql 'DELETE FROM orders WHERE id = 7'
	kill_holders 0 --signal=KILL
	stopped SIGKILL bot
	answer_has --argjson size "$(stat -c %s "$database-wal")" \
		'.released and .database_state.wal_bytes == $size and $size > 0'
	[ "$(rows orders)" = 99 ]
}

@test "a journal that is left hot is said, and the next program rolls it back" {
	make_database
	start_sql bot "$database"
	ask bot sql 'PRAGMA cache_size = 1'
	ask bot sql 'BEGIN'
	ask bot sql 'UPDATE orders SET problem = hex(randomblob(2000))'
	kill_holders 0 --signal=KILL
	answer_has '.released and .database_state.hot_journal'
	[ "$(sqlite3 -batch "$database" 'SELECT max(length(problem)) FROM orders')" = 200 ]
}

@test "a bot of many processes: the master gets the signal and ends its workers" {
	start_bot master --database="$database" --workers=4
	local workers=$reply
	[ "$(wc -w <<<"$workers")" = 4 ]

	kill_holders 0
	# shellcheck disable=SC2086
	stopped SIGINT master $workers
	left_nobody
	answer_has '.released and (.restart_hint | length == 1)'
	hear master bye
	[ "$(grep -c ': sending ' <<<"$stderr")" = 1 ]
	[[ $stderr == *"$(pid master): sending SIGINT"* ]]
}

@test "workers whose master is killed are stopped by themselves, or end on their own" {
	start_bot master --database="$database" --workers=4
	local workers=$reply
	kill_holders 0 --signal=TERM
	answer_has '.released and (.stopped | length >= 1) and all(.left[]; .reason == "gone")'
	# shellcheck disable=SC2086
	ended master $workers
}

@test "a bot that left its parents is stopped like any other" {
	make_database
	start_hold daemon --grandchild "$database" posix:r:SHARED posix:w:RESERVED
	kill_holders 0
	stopped SIGTERM daemon
}

@test "a process whose first thread has exited is stopped" {
	make_database
	start_hold bot --thread-only "$database" posix:r:SHARED
	until_true has_ended "$(pid bot)" # so it looks from outside: a zombie
	kill_holders 0
	stopped SIGTERM bot
	answer_has .released
}

@test "a zombie that nobody collects is as good as gone" {
	make_database
	start_hold bot "$database" posix:r:SHARED
	# Its parent is this shell, which collects it only when the test ends.
	kill_holders 0
	stopped SIGTERM bot
	answer_has '.released and .stopped[0].seconds < 5'
}

@test "a child that only inherited the database is stopped too" {
	make_database
	start_hold bot --inherited "$database" posix:w:RESERVED
	local child=$reply
	kill_holders 0
	stopped SIGTERM bot "$child"
	answer_has .released
}

@test "many bots are stopped at once" {
	make_database wal
	local number
	for number in {1..8}; do
		start_sql "bot$number" "$database"
		ask "bot$number" sql 'SELECT count(*) FROM orders'
	done
	kill_holders 0
	stopped SIGINT bot1 bot2 bot3 bot4 bot5 bot6 bot7 bot8
	answer_has .released
}

# --- bots that do not end -------------------------------------------------------------------------

@test "a bot that ignores SIGTERM is still alive after the grace, and is left alone" {
	start_bot bot --database="$database" --signals=ignored --stdin
	kill_holders 1 --grace=0.2
	left still-alive bot
	answer_has '.stopped == [] and (.released | not) and .reopened_by == []'
	lives bot
	tell bot broken screen
	hear bot order
}

@test "a bot that ignores SIGTERM is killed with --force after the grace, and its rows are there" {
	start_bot bot --database="$database" --signals=ignored --stdin
	tell bot broken screen
	hear bot order
	local order=${reply%%:*}

	kill_holders 0 --grace=0.2 --force
	stopped SIGKILL bot
	answer_has '.released and .stopped[0].seconds >= 0.2'
	[ "$(status_of bot)" = 137 ]
	[ "$(sqlite3 -batch "$database" "SELECT problem FROM orders WHERE id = $order")" = 'broken screen' ]
	[[ $stderr == *"$(pid_before): sending SIGTERM"*"$(pid_before): sending SIGKILL"* ]]
}

pid_before() {
	jq '.stopped[0].pid' <<<"$answer"
}

@test "--force is patient: who ends in time is not killed" {
	start_bot bot --database="$database" --signals=asyncio --tick=3600
	kill_holders 0 --force
	stopped SIGTERM bot
}

@test "a bot that was stopped with Ctrl+Z gets its signal and SIGCONT, and ends cleanly" {
	start_bot bot --database="$database" --stdin
	freeze bot
	kill_holders 0
	stopped SIGINT bot
	hear bot bye
	[ "$(ls "$folder")" = bot.db ]
}

@test "a bot that was stopped with Ctrl+Z and ignores signals is still alive, and killed with --force" {
	start_bot bot --database="$database" --signals=ignored --stdin
	freeze bot
	kill_holders 1 --grace=0.2
	left still-alive bot
	freeze bot
	kill_holders 0 --grace=0.2 --force
	stopped SIGKILL bot
}

# A control group of its own for the client NAME, frozen.
freeze_group_of() {
	freezer=/sys/fs/cgroup/freezer/dblocktools-test-$$-$BATS_TEST_NUMBER
	[[ -w /sys/fs/cgroup/freezer/tasks ]] || skip 'needs the freezer of control groups (version 1)'
	mkdir "$freezer" || skip 'no control group can be made here'
	made_cgroups+=("$freezer")
	pid "$1" >"$freezer/cgroup.procs"
	echo FROZEN >"$freezer/freezer.state"
	until_true grep -qx FROZEN "$freezer/freezer.state"
}

@test "a bot in a frozen control group gets no signal that would wait for it, and the reason is frozen" {
	require_root
	start_bot bot --database="$database" --stdin
	freeze_group_of bot
	kill_holders 1 --grace=0.2
	left frozen bot
	answer_has '.stopped == [] and (.released | not)'

	echo THAWED >"$freezer/freezer.state"
	tell bot broken screen
	hear bot order
	lives bot
}

@test "a bot in a frozen control group is thawed with --force, and ends cleanly" {
	require_root
	start_bot bot --database="$database" --stdin
	freeze_group_of bot
	kill_holders 0 --force
	stopped SIGINT bot
	hear bot bye
	[ "$(ls "$folder")" = bot.db ]
	[[ $stderr == *'thawing its control group'* ]]
	[ "$(cat "$freezer/freezer.state")" = THAWED ]
}

@test "a bot below a frozen control group is frozen too" {
	require_root
	start_bot bot --database="$database" --stdin
	freeze_group_of bot
	echo THAWED >"$freezer/freezer.state"
	mkdir "$freezer/inner"
	made_cgroups+=("$freezer/inner")
	pid bot >"$freezer/inner/cgroup.procs"
	echo FROZEN >"$freezer/freezer.state"
	until_true grep -qx FROZEN "$freezer/inner/freezer.state"

	kill_holders 1 --grace=0.2
	left frozen bot
	kill_holders 0 --grace=0.5 --force
	stopped SIGINT bot
}

# --- bots that come back, or go by themselves -----------------------------------------------------

@test "a bot in a shell loop comes back, and the loop that restarts it is named" {
	make_database
	local loop=$BATS_TEST_TMPDIR/loop.sh
	cat >"$loop" <<-'END'
		trap 'exit 0' HUP
		while true; do "$@"; done
	END
	start bot bash "$loop" "$helpers/hold_lock" "$database" posix:r:SHARED
	local first=${client_pid[bot]} parent=${client_job[bot]}

	kill_holders 1 --settle=10
	answer_has --argjson first "$first" --argjson parent "$parent" '(.released | not) and
		[.stopped[].pid] == [$first] and (.reopened_by | length == 1) and
		(.reopened_by[0] | .pid != $first and .restarted_by.pid == $parent and
			(.command | contains("hold_lock")) and (.restarted_by.command | contains("loop.sh")))'
	hear bot ready
	[ "$(jq '.reopened_by[0].pid' <<<"$answer")" = "$reply" ]
	lives "$parent" "$reply"
	client_pid[bot]=$reply
	client_began[bot]=$(began "$reply")
	kill -HUP "$parent"
	kill -KILL "$reply"
}

@test "a bot that leaves a child behind when it ends is stopped, and the child is named" {
	make_database
	start evader "$repository/tests/helpers/evader.py" fork "$database"
	local first=${client_pid[evader]}
	kill_holders 1
	answer_has --argjson first "$first" '(.released | not) and [.stopped[].pid] == [$first] and
		(.reopened_by | length == 1 and .[0].pid != $first)'
	lives "$(jq '.reopened_by[0].pid' <<<"$answer")"
	end_input evader
}

@test "a process that goes on as its own child all the time ends in bounded time, with the truth" {
	make_database
	start evader "$repository/tests/helpers/evader.py" hop "$database"
	run --separate-stderr timeout 20 "$botkill" --json --settle=0.5 --grace=1 "$database"
	answer=$output
	answer_is_whole
	# The signal may have hit it between two forks: then it is really gone.
	if ((status == 0)); then
		answer_has '.released'
		run --separate-stderr dblockcheck -q "$database"
		exit_status_is 0
	else
		exit_status_is 1
		answer_has '.released | not'
	fi
	end_input evader
}

@test "a database that nobody has open is released already" {
	make_database
	kill_holders 0
	answer_has '.released and .stopped == [] and .left == [] and .reopened_by == []'
	run --separate-stderr botkill "${quickly[@]}" "$database"
	exit_status_is 0
	[[ $output == *RELEASED* ]]
}

@test "a bot that ends by itself just before its turn is gone, and that is fine" {
	require_root
	make_database
	start evader "$repository/tests/helpers/evader.py" leave "$database"
	pause_before pidfd_open
	tell evader end
	until_true has_ended "$(pid evader)"
	go_on 0
	left gone evader
	answer_has '.stopped == []'
}

@test "a bot that lets go of the database just before its turn is left alone" {
	require_root
	make_database
	start evader "$repository/tests/helpers/evader.py" leave "$database"
	pause_before pidfd_open
	ask evader close
	go_on 0
	left gone evader
	answer_has '.stopped == [] and .released'
	lives evader
}

# botkill stands still right before a system call. (As another user it would have lost its rights to a tracer.)
pause_before() {
	launch botkill "$helpers/pause_at" --output="$BATS_TEST_TMPDIR/answer" "$1" 0 \
		"$botkill" --json "${quickly[@]}" "$database"
	hear botkill paused
}

# ... and goes on to its end, with this exit status.
go_on() {
	status=0
	end_input botkill
	wait "${client_job[botkill]}" || status=$?
	forget botkill
	output=$(cat "$BATS_TEST_TMPDIR/answer")
	answer=$output
	lines=("$output")
	exit_status_is "$1"
	answer_is_whole
}

@test "the way to start it again is one that works" {
	cd "$folder"
	start bot "$sample_bot" --database='bot.db' --tick=3600
	local first=${client_pid[bot]}
	kill_holders 0
	local hint
	hint=$(jq -r '.restart_hint[0]' <<<"$answer")
	[ "$(jq '.restart_hint | length' <<<"$answer")" = 1 ]
	cd /
	start again bash -c "trap : INT; $hint"
	answer=null
	[ "$(pid again)" != "$first" ]
	kill_holders 0
	stopped SIGINT again
}
