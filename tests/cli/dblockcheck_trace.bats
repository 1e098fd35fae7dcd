#!/usr/bin/env bats
#
# dblockcheck --trace: who is being refused now.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/tracing.bash
	machine_setup
	dblockcheck_setup
}

teardown() {
	clients_teardown
	machine_teardown
}

start_writer() {
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
}

# waiter_is NAME WANTS BEHIND: one of waiters[], which tries again and again.
waiter_is() {
	answer_has --arg wants "$2" "[.waiters[] | select(.pid == \$pid.$1)] | length == 1 and
		(.[0] | .wants == \$wants and .behind == [\$pid.$3] and .source == \"trace\" and
		.attempts > 1 and .seconds > 0 and (.command | any(endswith(\"sql_client.py\"))))"
}

# --- with the kernel's events ---------------------------------------------------------------------

@test "--trace names who is refused RESERVED, and whom it waits behind" {
	require_tracing
	make_database
	start_writer
	start_waiter late
	survey "$database" --trace
	waiter_is late RESERVED writer
	finding_is waiting late
	exit_status_is 1
	run --separate-stderr dblockcheck --trace=0.5 -- "$database"
	text=$output
	text_has "^  waiting: $(pid late) is refused RESERVED behind $(pid writer) \([0-9]+ attempts in 0"
	[[ -z $stderr ]]
}

@test "--trace names who is refused WRITE in WAL mode" {
	require_tracing
	make_database wal
	start_writer
	start_waiter late
	survey "$database" --trace
	waiter_is late WRITE writer
	finding_is waiting late
}

@test "--trace names who cannot commit because of a reader" {
	require_tracing
	make_database
	start_sql reader "$database"
	ask reader cursor 'SELECT * FROM orders'
	start_sql late "$database"
	ask late sql 'PRAGMA busy_timeout = 60000'
	ask late sql 'BEGIN IMMEDIATE'
	ask late sql 'DELETE FROM orders'
	tell late sql COMMIT
	survey "$database" --trace
	waiter_is late EXCLUSIVE reader
}

@test "--trace names a reader who is kept out" {
	require_tracing
	make_database
	start_sql writer "$database"
	ask writer sql 'BEGIN EXCLUSIVE'
	start_waiter late 'SELECT count(*) FROM orders'
	survey "$database" --trace
	waiter_is late SHARED writer
}

# A reader that tries again and again to write, and goes on reading all the while.
start_stubborn() {
	start "$1" /usr/bin/python3 -c 'import os, select, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT * FROM orders").fetchall()
print("ready", os.getpid(), flush=True)
while not select.select([sys.stdin], [], [], 0.02)[0]:
    try:
        connection.execute("DELETE FROM orders")
    except sqlite3.OperationalError:
        pass' "$database"
}

@test "--trace finds a commit and a reader that wants to write in each other's way" {
	require_tracing
	make_database
	start_sql late "$database"
	ask late sql 'PRAGMA busy_timeout = 60000'
	ask late sql 'BEGIN IMMEDIATE'
	ask late sql 'DELETE FROM orders'
	start_stubborn reader
	tell late sql COMMIT
	survey "$database" --trace
	waiter_is late EXCLUSIVE reader
	waiter_is_refused reader RESERVED
	finding_is deadlock late reader
}

waiter_is_refused() {
	answer_has --arg wants "$2" ".waiters | any(.pid == \$pid.$1 and .wants == \$wants)"
}

@test "--trace calls nobody deadlocked who only waits" {
	require_tracing
	make_database
	start_writer
	start_stubborn reader
	survey "$database" --trace
	waiter_is_refused reader RESERVED
	answer_has '.findings | all(.id != "deadlock")'
}

@test "--trace says when the kernel could not keep all events" {
	require_tracing
	make_database
	begin_trace --trace=2 >"$folder/answer" 2>"$folder/doubt"
	kill -STOP "$job"
	until_true is_stopped "$job"
	"$helpers/commit_loop" 8000 "$database"
	kill -CONT "$job"
	wait "$job"
	grep -Eq '^dblockcheck: [0-9]+ of the kernel.s lock events were lost: some who wait may be missing$' \
		"$folder/doubt"
}

@test "--trace counts an attempt that is not repeated, as of one without a busy timeout" {
	require_tracing
	make_database
	start_writer
	start_sql late "$database"
	begin_trace --trace=1 --json >"$folder/answer"
	refused late sql 'BEGIN IMMEDIATE'
	take_answer
	answer_has '.waiters | length == 1 and .[0].pid == $pid.late and .[0].attempts == 1'
}

@test "--trace finds nobody where nobody is refused" {
	require_tracing
	make_database
	start_writer
	survey "$database" --trace=0.3
	answer_has '.waiters == []'
	no_finding waiting
}

@test "who got the lock in the end is no waiter" {
	require_tracing
	make_database wal
	start_writer
	begin_trace --trace=2 --json >"$folder/answer"
	start_waiter late
	ask writer sql COMMIT
	hear late ok
	take_answer
	answer_has '.waiters == [] and .blockers.write == [$pid.late]'
}

@test "who sleeps in the kernel until it gets the lock is a waiter, with rights and without" {
	require_root
	make_database
	start_writer
	start sleeper /usr/bin/python3 -c 'import fcntl, os, sys
opened = open(sys.argv[1], "r+b")
print("ready", os.getpid(), flush=True)
fcntl.lockf(opened, fcntl.LOCK_EX, 1, 0x40000001)' "$database"
	until_true grep -q -- "-> POSIX .* $(pid sleeper) " /proc/locks
	survey "$database" --trace=0.1
	answer_has '.waiters | length == 1 and (.[0] | .pid == $pid.sleeper and .wants == "RESERVED" and
		.behind == [$pid.writer] and .source == "locks" and .attempts == null)'
	finding_is waiting sleeper
	open_to_everybody
	chmod a+r "$database"
	dblockcheck=$(copy_for_everybody "$dblockcheck")
	as=("${nobody[@]}")
	run --separate-stderr dblockcheck --trace=0.1 --json --visible-only "$database"
	answer=$output
	answer_has '.waiters == [] or .waiters[0].source == "locks"'
}

@test "who died while it waited is no waiter" {
	require_tracing
	make_database
	start_writer
	start_sql late "$database"
	begin_trace --trace=1 --json >"$folder/answer"
	refused late sql 'BEGIN IMMEDIATE'
	crash late
	take_answer
	answer_has '.waiters == []'
}

@test "the waiters of another database are not ours" {
	require_tracing
	make_database wal
	local other=$folder/other.db
	database=$other make_database wal
	start_sql writer "$other"
	ask writer sql 'BEGIN IMMEDIATE'
	start_sql late "$other"
	ask late sql 'PRAGMA busy_timeout = 60000'
	tell late sql 'BEGIN IMMEDIATE'
	survey "$database" --trace=0.5
	answer_has '.waiters == []'
	survey "$other" --trace=0.5
	waiter_is late WRITE writer
}

# --- the instance ---------------------------------------------------------------------------------

@test "the private instance is removed at the end" {
	require_tracing
	make_database
	dblockcheck --trace=0.1 "$database"
	no_new_instance
}

@test "the private instance is removed after SIGTERM and SIGINT too" {
	require_tracing
	make_database
	local signal job ended
	for signal in TERM INT; do
		env --default-signal=INT "$dblockcheck" --trace=60 "$database" 3>&- 4>&- &
		job=$!
		until_true listens "$job"
		kill "-$signal" "$job"
		ended=0
		wait "$job" || ended=$?
		((ended == 128 + $(kill -l "$signal")))
		run ! instance_of "$job"
	done
}

@test "what a killed run left is removed by the next one" {
	require_tracing
	make_database
	begin_trace --trace=60
	kill -KILL "$job"
	wait "$job" || true
	instance_of "$job"
	dblockcheck --trace=0.1 "$database"
	run ! instance_of "$job"
}

@test "two runs at the same time leave each other's instance alone" {
	require_tracing
	make_database
	begin_trace --trace=60
	dblockcheck --trace=0.1 "$database"
	listens "$job"
	kill -TERM "$job"
	wait "$job" || true
	run ! instance_of "$job"
}

# --- without them ---------------------------------------------------------------------------------

a_guess_is_made() {
	survey "$database" --trace
	[[ $(jq '.waiters | length' <<<"$answer") == 1 ]]
}

text_tells_the_guess() {
	run --separate-stderr dblockcheck --trace -- "$database"
	text=$output
	[[ $text == *"seems to wait behind"* ]]
}

@test "where tracefs is mounted read-only it mounts its own" {
	require_tracing
	make_database
	start_writer
	start_waiter late
	as=(unshare --mount sh -c 'mount -t tracefs none /sys/kernel/tracing &&
		mount -o remount,bind,ro /sys/kernel/tracing && exec "$@"' sh)
	survey "$database" --trace=0.5
	waiter_is late RESERVED writer
	no_new_instance
}

@test "without rights it says what is missing, and guesses who waits" {
	require_root
	make_database
	open_to_everybody
	chmod a+rwx "$folder"
	chmod a+rw "$database"
	local client
	client=$(copy_for_everybody "$sql_client")
	dblockcheck=$(copy_for_everybody "$dblockcheck")
	for name in writer late idle; do
		start "$name" "${nobody[@]}" "$client"
		ask "$name" open "$database"
	done
	ask idle sql 'SELECT count(*) FROM orders'
	ask writer sql 'BEGIN IMMEDIATE'
	ask late sql 'PRAGMA busy_timeout = 60000'
	tell late sql 'BEGIN IMMEDIATE'
	as=("${nobody[@]}")
	# Between two of its naps it may be awake.
	until_true a_guess_is_made
	answer_has '.waiters == [{pid: $pid.late, command: .waiters[0].command, wants: null,
		behind: [$pid.writer], seconds: null, attempts: null, source: "guess"}]'
	finding_is waiting late
	[[ $stderr == *'no trace'*'takes root'* ]]
	until_true text_tells_the_guess
	text_has "^  waiting: $(pid late) seems to wait behind $(pid writer) \(a guess"
	run --separate-stderr dblockcheck -q --trace -- "$database"
	[[ -z $output && -z $stderr ]]
}

@test "a process that sleeps for itself is not guessed to wait" {
	require_root
	make_database
	start_writer
	start_sql sleeper "$database"
	# A long sleep is no busy handler.
	start naps python3 -c 'import os, sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT * FROM orders").fetchall()
print("ready", os.getpid(), flush=True)
time.sleep(1000)' "$database"
	as=(unshare --mount --propagation private sh -c
		'mount -t tmpfs none /sys && exec "$@"' sh setpriv "--bounding-set=-sys_admin" --)
	survey "$database" --trace
	[[ $stderr == *'no trace'* ]]
	answer_has '.waiters == []'
}

# --- the command line -----------------------------------------------------------------------------

@test "bad seconds for --trace are a wrong command line" {
	make_database
	local bad
	for bad in '' x -1 1e9 1,5 99999999999999; do
		run --separate-stderr dblockcheck --trace="$bad" "$database"
		exit_status_is 2 "$bad"
		[[ $stderr == *--trace* ]]
	done
}

@test "--trace and --wait exclude each other" {
	make_database
	run --separate-stderr dblockcheck --trace --wait "$database"
	exit_status_is 2
}

@test "--trace of several databases answers for each" {
	make_database
	database=$folder/other.db make_database
	run --separate-stderr dblockcheck --json --trace=0.1 "$database" "$folder/other.db"
	exit_status_is 0
	[[ ${#lines[@]} == 2 ]]
	run --separate-stderr dblockcheck --json --trace=0.1 "$database" "$folder/none.db"
	exit_status_is 3
}
