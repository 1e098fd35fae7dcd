#!/usr/bin/env bats
#
# dblockcheck --watch: what changed and when, and how often and how long each lock was held.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/tracing.bash
	machine_setup
	dblockcheck_setup
	heard=$BATS_TEST_TMPDIR/heard
}

teardown() {
	close_terminal
	if [[ ${watch-} ]]; then
		kill -KILL "$watch" 2>/dev/null || true
	fi
	clients_teardown
	machine_teardown
}

# Starts a watch in the background and waits until it listens; what it says is in the file $heard.
start_watch() {
	rm -f "$heard"
	"${as[@]}" env --default-signal=INT "$dblockcheck" --watch=0.1 "$@" "$database" >"$heard" \
		2>"$heard.err" 3>&- 4>&- &
	watch=$!
	until_true test -s "$heard"
}

# Ends it as Ctrl+C does; its last line, the summary, is then in $answer.
end_watch() {
	local ended=0
	kill -INT "$watch"
	wait "$watch" || ended=$?
	watch=''
	if ((ended != 130)); then
		echo "the watch ended with $ended: $(cat "$heard.err")" >&2
		return 1
	fi
	answer=$(tail -n 1 "$heard")
}

# says FILTER: one of the JSON lines so far is as the jq expression says; $pid.NAME as in answer_has.
says() {
	jq -se --argjson pid "$(client_pids)" "any(.[]; $1)" "$heard" >/dev/null
}

# held NAME LOCK: how often, by the summary.
held() {
	jq --argjson pid "${client_pid[$1]}" --arg lock "$2" \
		'[.processes[] | select(.pid == $pid) | .locks[] | select(.lock == $lock) | .count] | add // 0' \
		<<<"$answer"
}

# A bot that makes 1,000 write transactions of a millisecond each when it is told to; "anew" connects for each.
start_busy() {
	start busy /usr/bin/python3 -c 'import os, sqlite3, sys, time
def connect():
    connection = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    return connection
connection = None if sys.argv[2] == "anew" else connect()
print("ready", os.getpid(), flush=True)
sys.stdin.readline()
for _ in range(1000):
    used = connection or connect()
    used.execute("BEGIN IMMEDIATE")
    used.execute("UPDATE orders SET problem = 1 WHERE id = 1")
    end = time.monotonic() + 0.001
    while time.monotonic() < end:
        pass
    used.execute("COMMIT")
    if not connection:
        used.close()
print("ok", flush=True)
sys.stdin.readline()' "$database" "$1"
}

# watch_busy HOW: all that is heard of it.
watch_busy() {
	start_busy "$1"
	start_watch --json
	ask busy go
	end_watch
	answer_has '.event == "summary" and .source == "trace" and .lost_events == 0'
}

# --- figures --------------------------------------------------------------------------------------

@test "1,000 transactions of a millisecond in rollback mode are 1,000 holds" {
	require_tracing
	make_database
	watch_busy once
	[[ $(held busy RESERVED) == 1000 && $(held busy EXCLUSIVE) == 1000 ]]
	[[ $(held busy SHARED) == 1000 ]]
	answer_has '.writers_out | .count == 1000 and .total_seconds >= 1 and .p50_seconds >= 0.001 and
		.p50_seconds <= .p99_seconds and .p99_seconds <= .longest_seconds'
}

@test "1,000 transactions of a millisecond in WAL mode are 1,000 holds" {
	require_tracing
	make_database wal
	watch_busy once
	[[ $(held busy WRITE) == 1000 ]]
	answer_has '.writers_out.total_seconds >= 1'
}

@test "with a connection for each transaction they are 1,000 holds too" {
	require_tracing
	make_database
	watch_busy anew
	[[ $(held busy RESERVED) == 1000 ]]
}

@test "a -shm that comes and goes with each connection is listened to as well" {
	require_tracing
	make_database wal
	watch_busy anew
	# The first connection recovers the WAL under WRITE, then comes the transaction.
	[[ $(held busy WRITE) == 2000 && $(held busy RECOVER) == 1000 ]]
	[[ $(held busy EXCLUSIVE) == 1000 ]]
}

@test "locks of open files are counted one by one, each until its file is closed" {
	require_tracing
	make_database
	start files /usr/bin/python3 -c 'import fcntl, os, struct, sys
print("ready", os.getpid(), flush=True)
sys.stdin.readline()
lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0x40000001, 1, 0)
for _ in range(100):
    opened = os.open(sys.argv[1], os.O_RDWR)
    fcntl.fcntl(opened, fcntl.F_OFD_SETLK, lock)
    os.close(opened)
print("ok", flush=True)
sys.stdin.readline()' "$database"
	start_watch --json
	ask files go
	end_watch
	[[ $(held files RESERVED) == 100 ]]
	answer_has '.writers_out.count == 100'
}

@test "a program that locks the whole file for reading keeps writers out" {
	require_tracing
	make_database
	start reader /usr/bin/python3 -c 'import fcntl, os, sys
opened = open(sys.argv[1], "rb")
fcntl.lockf(opened, fcntl.LOCK_SH)
print("ready", os.getpid(), flush=True)
sys.stdin.readline()' "$database"
	start_watch --json
	until_true says '.event == "took" and .lock == "RESERVED" and .pid == $pid.reader and .from_before'
	end_watch
	answer_has '.writers_out.count == 1'
}

@test "transactions on another database are not counted" {
	require_tracing
	make_database wal
	local watched=$database
	database=$folder/other.db
	make_database wal
	start_busy anew
	start_sql ours "$watched"
	ask ours sql 'SELECT count(*) FROM orders'
	database=$watched start_watch --json
	ask busy go
	ask ours sql 'DELETE FROM orders WHERE id = 1'
	end_watch
	answer_has '[.processes[].pid] == [$pid.ours]'
	[[ $(held ours WRITE) == 1 ]]
}

@test "who held it for how long stands in the figures for people" {
	require_tracing
	make_database
	start_busy once
	start_watch
	ask busy go
	end_watch
	text=$(cat "$heard")
	text_has 'which miss no hold however short$'
	text_has "^[0-9:.]+Z  $(pid busy)  /usr/bin/python3 .* held RESERVED [0-9]+ times, .* in all, at most "
	text_has '^Watched for .* By the kernel.s events: no hold was missed\.$'
	text_has "^$(pid busy)  /usr/bin/python3 "
	# It holds each for a millisecond, or longer on a busy machine.
	text_has '^  RESERVED +1000 +[1-9][0-9]*\.[0-9]+ s +[1-9][0-9]*\.[0-9] ms '
	text_has '^Nobody else could write for [1-9][0-9]*\.[0-9]+ s in all '
	text_is_printable
}

@test "events that the kernel could not keep are counted, and no figure claims to be whole" {
	require_tracing
	make_database
	start_sql other "$database"
	start_watch --json
	freeze_watch
	"$helpers/commit_loop" 8000 "$database"
	kill -CONT "$watch"
	until_true says '.event == "lost" and .events > 0'
	ask other sql 'BEGIN IMMEDIATE'
	until_true says '.event == "took" and .lock == "RESERVED" and .pid == $pid.other'
	end_watch
	answer_has '.lost_events > 0'
}

freeze_watch() {
	kill -STOP "$watch"
	until_true is_stopped "$watch"
}

# --- changes --------------------------------------------------------------------------------------

@test "each change is a JSON line with its time" {
	require_tracing
	make_database
	start_sql writer "$database"
	start_watch --json
	ask writer sql 'BEGIN IMMEDIATE'
	until_true says '.event == "took" and .lock == "RESERVED" and .pid == $pid.writer'
	start_waiter late
	until_true says '.event == "refused" and .lock == "RESERVED" and .pid == $pid.late and
		.behind == [$pid.writer] and .attempts > 0'
	ask writer sql COMMIT
	hear late ok
	until_true says '.event == "released" and .lock == "RESERVED" and .pid == $pid.writer and
		.seconds > 0'
	until_true says '.event == "took" and .lock == "RESERVED" and .pid == $pid.late'
	end_watch
	jq -se 'all(.[]; .schema == 1 and .tool == "dblockcheck" and (.database | endswith("/bot.db")) and
		(.time | test("^[0-9]{4}(-[0-9]{2}){2}T[0-9:]{8}[.][0-9]{3}Z$"))) and
		.[0].event == "start" and .[0].source == "trace" and .[-1].event == "summary"' "$heard"
	answer_has '[.processes[] | select(.pid == $pid.late) | .locks[] |
		select(.lock == "RESERVED")][0].refused > 0'
}

@test "what was held before the watch is told as such" {
	require_tracing
	make_database
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
	start_watch --json
	until_true says '.event == "took" and .lock == "RESERVED" and .from_before'
	until_true says '.event == "opened" and .pid == $pid.writer'
	crash writer
	until_true says '.event == "released" and .lock == "RESERVED"'
	end_watch
}

@test "an OFD lock that was held before is said to be unknown" {
	require_tracing
	make_database
	start before /usr/bin/python3 -c 'import fcntl, os, struct, sys
opened = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(opened, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0x40000001, 1, 0))
print("ready", os.getpid(), flush=True)
sys.stdin.readline()' "$database"
	start_watch
	end_watch
	head -n 1 "$heard" | grep -q 'OFD locks that were held already are not known until they change$'
	grep -q '^Nothing that was seen kept writers out\.$' "$heard"
}

@test "it survives that the database is replaced" {
	require_tracing
	make_database
	start_watch --json
	cp "$database" "$folder/new"
	mv "$folder/new" "$database"
	until_true says '.event == "replaced"'
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
	until_true says '.event == "took" and .lock == "RESERVED" and .pid == $pid.writer'
	end_watch
}

@test "what was held on a new file before it was noticed is said to be missing" {
	require_tracing
	make_database
	start_watch
	cp "$database" "$database.new"
	mv "$database.new" "$database"
	until_true grep -q 'replaced by another file' "$heard"
	end_watch
	grep -q 'no hold was missed, but for those on a new file before it was noticed\.$' "$heard"
	grep -q '^Nothing that was seen kept writers out\.$' "$heard"
}

@test "it survives that the database is removed, and goes on with the next one" {
	require_tracing
	make_database
	start_watch --json
	rm "$database"
	until_true says '.event == "removed"'
	make_database
	until_true says '.event == "back"'
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
	until_true says '.event == "took" and .lock == "RESERVED" and .pid == $pid.writer'
	end_watch
}

@test "hostile names do nothing to a terminal or to the JSON" {
	require_tracing
	make_database
	local hostile=$BATS_TEST_TMPDIR/$'evil\e[31m\n\u202e"<&>'
	cp /usr/bin/python3 "$hostile"
	start writer "$hostile" "$sql_client"
	ask writer open "$database"
	start_watch --json
	ask writer sql 'BEGIN IMMEDIATE'
	until_true says '.event == "took" and .pid == $pid.writer'
	end_watch
	ask writer sql COMMIT
	start_watch
	ask writer sql 'BEGIN IMMEDIATE'
	until_true grep -q 'took RESERVED' "$heard"
	end_watch
	text=$(cat "$heard")
	text_is_printable
}

# --- the picture ----------------------------------------------------------------------------------

# shapes ELEMENT: how many the picture has; fails when it is no XML.
shapes() {
	/usr/bin/python3 -c 'import sys, xml.dom.minidom
print(len(xml.dom.minidom.parse(sys.argv[1]).getElementsByTagName(sys.argv[2])))' "$folder/watch.svg" "$1"
}

@test "--svg draws a row a process and a mark for refused attempts, whatever the processes are called" {
	require_tracing
	make_database
	local hostile=$BATS_TEST_TMPDIR/$'evil\e[31m\n\u202e"<&>]]>'
	cp /usr/bin/python3 "$hostile"
	start writer "$hostile" "$sql_client"
	ask writer open "$database"
	ask writer sql 'BEGIN IMMEDIATE'
	start_watch --json --svg="$folder/watch.svg"
	start_waiter late
	until_true says '.event == "refused" and .pid == $pid.late'
	end_watch
	(($(shapes path) >= 2))
	text=$(cat "$folder/watch.svg")
	text_is_printable
	text_has ">$(pid writer) "
	text_has ">$(pid late) "
}

@test "--svg never writes over a file, and says before the watch that it could not" {
	make_database
	local before
	before=$(sha256sum "$database")
	run --separate-stderr dblockcheck --watch --svg="$database" "$database"
	exit_status_is 3
	[[ $(sha256sum "$database") == "$before" ]]
	run --separate-stderr dblockcheck --watch --svg="$folder/none/watch.svg" "$database"
	exit_status_is 3
	[[ $stderr == *watch.svg* ]]
	run --separate-stderr dblockcheck --watch --for-seconds=0.1 --svg="$folder/watch.svg" "$database"
	exit_status_is 0
	(($(shapes text) > 0))
	[[ $(find "$folder" -name 'watch.svg*') == "$folder/watch.svg" ]]
}

# --- how it ends ----------------------------------------------------------------------------------

@test "--svg onto a full disk is trouble, before the watch and after it, and leaves no part of it" {
	require_root
	make_database
	local disk=$BATS_TEST_TMPDIR/disk
	mount_for_test -t tmpfs -o size=16k none "$disk"
	run --separate-stderr dblockcheck --watch --for-seconds=0 --svg="$disk/bot.svg" "$database"
	exit_status_is 0
	rm "$disk/bot.svg"
	start_watch --svg="$disk/bot.svg"
	head -c 1M /dev/zero >"$disk/full" || true
	kill -INT "$watch"
	local ended=0
	wait "$watch" || ended=$?
	watch=''
	((ended != 0))
	grep -q '/bot.svg: cannot write: No space left on device$' "$heard.err"
	grep -q '^Watched for ' "$heard"
	[[ $(ls "$disk") == full ]]
}

@test "--for-seconds ends it with its figures" {
	require_tracing
	make_database
	run --separate-stderr dblockcheck --watch --for-seconds=0.3 "$database"
	exit_status_is 0
	[[ $output == *'Watched for '*'A writer would have succeeded all the time.' && -z $stderr ]]
	no_new_instance
	run --separate-stderr dblockcheck --watch --for-seconds=0.3 --quiet --json "$database"
	exit_status_is 0
	[[ ${#lines[@]} == 1 && $(jq -r .event <<<"$output") == summary ]]
}

@test "SIGINT and SIGTERM end it with its figures, and leave no instance" {
	require_tracing
	make_database
	start_watch
	until_true listens "$watch"
	end_watch
	grep -q '^Watched for ' "$heard"
	no_new_instance
	start_watch
	kill -TERM "$watch"
	local ended=0
	wait "$watch" || ended=$?
	watch=''
	((ended == 143))
	grep -q '^Watched for ' "$heard"
	no_new_instance
}

@test "it ends when nobody reads what it says, without a word" {
	require_tracing
	make_database
	start_sql writer "$database"
	local ended=0
	mkfifo "$folder/pipe"
	"$dblockcheck" --watch=0.1 "$database" >"$folder/pipe" 2>"$heard.err" 3>&- 4>&- &
	watch=$!
	head -n 1 "$folder/pipe" >/dev/null
	ask writer sql 'BEGIN IMMEDIATE'
	wait "$watch" || ended=$?
	watch=''
	((ended == 3))
	[[ ! -s $heard.err ]]
	no_new_instance
}

@test "a full disk under its answer is trouble" {
	make_database
	run --separate-stderr bash -c '"$1" --watch --for-seconds=5 "$2" >/dev/full' sh "$dblockcheck" "$database"
	exit_status_is 3
	[[ $stderr == *'cannot write the answer'* ]]
}

# --- without the kernel's events ------------------------------------------------------------------

@test "without rights it looks at /proc/locks, and says what that can miss" {
	require_root
	make_database
	open_to_everybody
	chmod a+rwx "$folder"
	chmod a+rw "$database"
	dblockcheck=$(copy_for_everybody "$dblockcheck")
	as=("${nobody[@]}")
	start_sql writer "$database"
	start_watch --json
	says '.event == "start" and .source == "samples" and (.missing | test("takes root"))'
	ask writer sql 'BEGIN IMMEDIATE'
	until_true says '.event == "took" and .lock == "RESERVED" and .pid == $pid.writer'
	ask writer sql COMMIT
	until_true says '.event == "released" and .lock == "RESERVED"'
	end_watch
	answer_has '.source == "samples" and .lost_events == null and .period_seconds > 0 and
		.writers_out.count >= 1'
	run --separate-stderr dblockcheck --watch --for-seconds=0.1 "$database"
	text=$output
	text_has 'looking at /proc/locks every few milliseconds; holds that are shorter.*can be missed \(it takes root'
	text_has '^Watched for .* By looks .* apart: shorter holds.* can be missing'
}

@test "where /proc hides other users' processes, who cannot be seen is not said to be gone" {
	require_root
	make_database
	open_to_everybody
	chmod a+r "$database"
	dblockcheck=$(copy_for_everybody "$dblockcheck")
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
	run --separate-stderr unshare --mount sh -c 'mount -t proc -o hidepid=2 proc /proc &&
		exec "$@"' sh "${nobody[@]}" "$dblockcheck" --watch=0.1 --for-seconds=1.3 --json "$database"
	exit_status_is 0
	jq -se --argjson pid "$(pid writer)" 'last | .writers_out.count == 1 and
		([.processes[] | select(.pid == $pid).locks[] | select(.lock == "RESERVED").count] == [1])' \
		<<<"$output"
}

@test "in a PID namespace of its own it never says that all writers would have succeeded" {
	require_root
	make_database
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
	as=(unshare --fork --pid --mount-proc)
	run --separate-stderr "${as[@]}" "$dblockcheck" --watch --for-seconds=0.1 "$database"
	exit_status_is 0
	text=$output
	text_has 'locks held outside of this PID namespace cannot be seen from here\)?$'
	text_has '^Nothing that was seen kept writers out\.$'
	run --separate-stderr "${as[@]}" "$dblockcheck" --watch --for-seconds=0.1 --json "$database"
	jq -se 'all(.[] | select(.event == "start" or .event == "summary");
		.unseen | contains("PID namespace"))' <<<"$output"
}

# --- the command line -----------------------------------------------------------------------------

@test "bad seconds are a wrong command line" {
	make_database
	local bad option
	for option in --watch --for-seconds; do
		for bad in '' x -1 1e9 1,5 99999999999999; do
			run --separate-stderr dblockcheck --watch "$option=$bad" "$database"
			exit_status_is 2 "$option=$bad"
			[[ $stderr == *"$option"* ]]
		done
	done
}

@test "what cannot go with --watch is a wrong command line" {
	make_database
	local arguments
	for arguments in --pids --no-scan --wait --trace "$database"; do
		run --separate-stderr dblockcheck --watch "$arguments" "$database"
		exit_status_is 2 "$arguments"
	done
	for arguments in --for-seconds=1 --svg=watch.svg; do
		run --separate-stderr dblockcheck "$arguments" "$database"
		exit_status_is 2 "$arguments"
	done
}

@test "a database that is not there cannot be watched" {
	run --separate-stderr dblockcheck --watch --json "$folder/none.db"
	exit_status_is 3
	jq -e '.error.status == 3' <<<"$output"
	mkfifo "$folder/pipe"
	run --separate-stderr dblockcheck --watch "$folder/pipe"
	exit_status_is 3
}

# --- on a terminal --------------------------------------------------------------------------------

# on_terminal WIDTH HEIGHT: the watch in a terminal of that size; see is what stands on it.
on_terminal() {
	require_command tmux
	socket=$BATS_TEST_TMPDIR/tmux
	tmux -S "$socket" -f /dev/null new-session -d -x "$1" -y "$2" \
		"'$dblockcheck' --watch=0.1 '$database'; echo ended with \$?; exec cat" 3>&- 4>&-
}

see() {
	tmux -S "$socket" capture-pane -p
}

shows() {
	see | grep -Eq -- "$1"
}

close_terminal() {
	if [[ ${socket-} ]]; then
		tmux -S "$socket" kill-server 2>/dev/null || true
	fi
}

@test "on a terminal it keeps one screen, at 80x24 and 200x50, and q ends it with the figures" {
	require_tracing
	make_database
	local size
	for size in '80 24' '200 50'; do
		start_sql writer "$database"
		# shellcheck disable=SC2086 # two words
		on_terminal $size
		until_true shows '^PID +HOLDS NOW +COMMAND +THE LAST MINUTE'
		ask writer sql 'BEGIN IMMEDIATE'
		until_true shows "^$(pid writer) +SHARED RESERVED .*w"
		until_true shows "Z  $(pid writer)  .* took RESERVED"
		shows '^- connected  r reads .*! is refused$'
		tmux -S "$socket" send-keys q
		until_true shows '^ended with 0'
		shows '^  RESERVED +1 '
		close_terminal
		stop writer
	done
}

@test "a terminal that gets narrower loses columns and not lines" {
	require_tracing
	make_database
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
	on_terminal 100 24
	until_true shows "^$(pid writer) +SHARED RESERVED +python"
	tmux -S "$socket" set-option -g window-size manual
	tmux -S "$socket" resize-window -x 36 -y 24
	until_true shows '^PID +THE LAST MINUTE'
	until_true shows "^$(pid writer) .*w"
	run ! shows "^$(pid writer) .*python"
	close_terminal
}
