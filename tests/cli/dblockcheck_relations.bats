#!/usr/bin/env bats
#
# dblockcheck and what the processes have to do with one another: who waits for whom, who was forked by whom; and the
# names and owners of the files.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	machine_setup
	dblockcheck_setup
}

teardown() {
	clients_teardown
	machine_teardown
}

# --- deadlock -------------------------------------------------------------------------------------

waits() {
	grep -q -- "-> POSIX .* $1 " /proc/locks
}

@test "two that wait for each other's locks are a deadlock" {
	make_database
	start_hold writer "$database" posix:r:SHARED posix:w:RESERVED posix:w:PENDING
	# A connection that has SHARED already, and waits for RESERVED in the kernel.
	start reader "$helpers/hold_lock" "$database" ofd:r:SHARED wait:w:RESERVED
	until_true waits "$(pid reader)"

	survey "$database"
	finding_is deadlock writer reader
}

@test "a reader in the way of a commit is no deadlock, nor is one that waits for the writer alone" {
	make_database
	start_sql reader "$database"
	start_sql writer "$database"
	ask reader cursor 'SELECT * FROM orders'
	ask writer sql 'BEGIN IMMEDIATE'
	ask writer sql "INSERT INTO orders(problem) VALUES ('a')"
	refused writer sql COMMIT
	survey "$database"
	finding_is reader-blocks-commit reader
	no_finding deadlock

	ask reader finish
	ask writer sql COMMIT
	start_hold other "$database" posix:w:RESERVED
	start waiter "$helpers/hold_lock" "$database" wait:w:RESERVED
	until_true waits "$(pid waiter)"
	survey "$database"
	no_finding deadlock
}

# --- forks ----------------------------------------------------------------------------------------

@test "a connection that was carried through a fork is found on both sides" {
	make_database wal
	start_sql bot "$database"
	start_sql other "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	ask other sql 'SELECT count(*) FROM orders'
	survey "$database"
	no_finding forked-connection leftover-child

	ask bot fork
	client_pid[child]=$reply
	survey "$database"
	finding_is forked-connection bot child
	no_finding leftover-child
}

@test "of two children that share another connection each, both are found" {
	make_database
	# The children's locks make them known before their parent is.
	start family /usr/bin/python3 -c '
import fcntl, os, sys
files = [os.open(sys.argv[1], os.O_RDWR) for _ in range(2)]
reader, writer = os.pipe()
for mine, other in (files, files[::-1]):
    if os.fork() == 0:
        os.close(other)
        fcntl.lockf(mine, fcntl.LOCK_SH, 1, 0x40000002)
        os.write(writer, b"r")
        sys.stdin.read()
        os._exit(0)
    os.read(reader, 1)
print("ready", os.getpid(), flush=True)
sys.stdin.read()' "$database"
	survey "$database"
	answer_has '[.findings[] | select(.id == "forked-connection") | .pids[]] == ([.holders[].pid] | sort) and
		(.holders | length) == 3'
}

@test "two copies of a bot that opened it each for itself share no connection" {
	start_bot first --database="$database"
	start_bot second --database="$database"
	survey "$database"
	no_finding forked-connection leftover-child
}

@test "a child that lives on when the bot has ended is left over" {
	make_database
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	ask bot fork
	local child=$reply
	kill -KILL "$(pid bot)"
	until_true has_ended "$(pid bot)"

	survey "$database"
	finding_is leftover-child "$child"
	no_finding forked-connection
}

@test "a child that another process than the first one adopted is left over as well" {
	require_root
	make_database
	# shellcheck disable=SC2016 # for the shell, which is PID 1 there
	launch bot unshare --pid --fork --kill-child --mount-proc \
		/bin/sh -c 'exec 3<&0; "$0" <&3 & wait; exec sleep infinity' "$sql_client"
	hear bot ready
	ask bot open "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	ask bot fork
	survey "$database"
	no_finding leftover-child
	local parent child
	child=$(jq '[.holders[].pid] as $all | .holders[] | select(.ppid | IN($all[])) | .pid' <<<"$answer")
	parent=$(jq ".holders[] | select(.pid == $child) | .ppid" <<<"$answer")

	kill -KILL "$parent"
	until_true has_ended "$parent"
	survey "$database"
	finding_is leftover-child "$child"
}

# A daemon that was made in one way, "daemon" or "lead", is left over only with its parent's wal-index.
daemon_is_judged() {
	local daemon
	sqlite3 -batch "$database" 'PRAGMA journal_mode=delete' >/dev/null
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	ask bot "$1"
	daemon=$reply
	crash bot
	survey "$database"
	answer_has --argjson daemon "$daemon" '[.holders[].pid] == [$daemon]'
	no_finding leftover-child
	kill "$daemon"
	until_true has_ended "$daemon"

	sqlite3 -batch "$database" 'PRAGMA journal_mode=wal' >/dev/null
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	ask bot "$1"
	daemon=$reply
	crash bot
	survey "$database"
	finding_is leftover-child "$daemon"
	kill "$daemon"
	until_true has_ended "$daemon"
}

@test "a daemon is not left over, unless it took its parent's connection along" {
	make_database
	daemon_is_judged daemon
}

@test "a daemon that leads its session itself is judged as one that does not" {
	make_database
	daemon_is_judged lead
}

# --- names and owners -----------------------------------------------------------------------------

@test "who uses the database by another name, with sidecars of that name, is found" {
	make_database wal
	ln "$database" "$folder/other name.db"
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	survey "$database"
	no_finding split-sidecars

	start_sql stranger "$folder/other name.db"
	ask stranger sql 'SELECT count(*) FROM orders'
	survey "$database"
	finding_is split-sidecars stranger
	answer_has '.findings[] | select(.id == "split-sidecars") | .why | contains("other name.db-")'
}

@test "who has only the file mounted, at the same path in a namespace of its own, has other sidecars" {
	require_root
	make_database wal
	# shellcheck disable=SC2016 # for the shell in the namespace
	launch stranger unshare --mount --propagation private -- /bin/sh -c '
		touch "$1.aside" && mount --bind "$1" "$1.aside" && exec 3<"$1.aside" &&
			mount -t tmpfs tmpfs "${1%/*}" && touch "$1" &&
			mount --bind /proc/self/fd/3 "$1" && exec 3<&- && exec "$0"' "$sql_client" "$database"
	hear stranger ready
	ask stranger open "$database"
	ask stranger sql 'SELECT count(*) FROM orders'
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	survey "$database"
	answer_has --arg path "$database" '[.holders[].path] == [$path, $path]'
	finding_is split-sidecars stranger
}

@test "another name by way of a symbolic link is the same name to SQLite" {
	make_database wal
	mkdir "$folder/links"
	ln -s "$database" "$folder/links/link.db"
	start_sql bot "$database"
	start_sql other "$folder/links/link.db"
	ask bot sql 'SELECT count(*) FROM orders'
	ask other sql 'SELECT count(*) FROM orders'
	survey "$database"
	no_finding split-sidecars
	survey "$folder/links/link.db"
	no_finding split-sidecars
}

@test "a sidecar of root is in the way of a bot that may write its database" {
	require_root
	open_to_everybody
	make_database wal
	start_sql bot "$database"
	ask bot sql "INSERT INTO orders(problem) VALUES ('a')"
	crash bot
	chown 65534 "$folder" "$database"*
	survey "$database"
	no_finding sidecar-permissions

	chown root "$database-wal"
	survey "$database"
	answer_has 'found("sidecar-permissions")'
	run "${nobody[@]}" sqlite3 -batch "$database" 'CREATE TABLE t(x)'
	[[ $status != 0 && $output == *readonly* ]]

	# What is advised helps.
	eval "$(jq -r '.findings[] | select(.id == "sidecar-permissions") | .fix' <<<"$answer")"
	"${nobody[@]}" sqlite3 -batch "$database" 'CREATE TABLE t(x)'
	survey "$database"
	no_finding sidecar-permissions
}

@test "a folder that its bot may not write to is in the way too" {
	require_root
	open_to_everybody
	make_database
	chown 65534 "$database"
	survey "$database"
	answer_has 'found("sidecar-permissions")'
	run "${nobody[@]}" sqlite3 -batch "$database" 'CREATE TABLE t(x)'
	[ "$status" != 0 ]
	chown 65534 "$folder"
	survey "$database"
	no_finding sidecar-permissions
}

@test "a folder that its bot may not write to does not refuse it a WAL that is there, until it goes" {
	require_root
	open_to_everybody
	make_database wal
	start_sql keeper "$database"
	ask keeper sql "INSERT INTO orders(problem) VALUES ('a')"
	chown 65534 "$database"*
	"${nobody[@]}" sqlite3 -batch "$database" 'CREATE TABLE t(x)'
	survey "$database"
	answer_has '.findings[] | select(.id == "sidecar-permissions") |
		.why | contains("only while the -wal and -shm of now are there")'

	ask keeper close # root may remove them
	run "${nobody[@]}" sqlite3 -batch "$database" 'CREATE TABLE u(x)'
	[ "$status" != 0 ]
	survey "$database"
	answer_has '.findings[] | select(.id == "sidecar-permissions") | .why | contains("writing is refused")'
}

# --- known programs -------------------------------------------------------------------------------

@test "an editor and a database browser are named, with the advice that fits" {
	make_database
	mkdir "$BATS_TEST_TMPDIR/bin"
	local name
	for name in cursor sqlitebrowser; do
		cp "$helpers/hold_lock" "$BATS_TEST_TMPDIR/bin/$name"
	done
	start editor "$BATS_TEST_TMPDIR/bin/cursor" --read-only "$database"
	survey "$database"
	finding_is bystander editor
	answer_has '.findings[] | select(.id == "bystander") |
		(.why | contains("(Cursor)")) and (.fix | contains("exclude the database from indexing"))'

	start browser "$BATS_TEST_TMPDIR/bin/sqlitebrowser" "$database"
	survey "$database"
	finding_is bystander editor browser
	answer_has '.findings[] | select(.id == "bystander") |
		(.why | contains("(Cursor, DB Browser for SQLite)")) and (.fix | contains("save or undo"))'

	stop editor
	stop browser
	start browser "$BATS_TEST_TMPDIR/bin/sqlitebrowser" "$database" posix:r:SHARED posix:w:RESERVED
	survey "$database"
	no_finding bystander
	finding_is idle-writer browser
}
