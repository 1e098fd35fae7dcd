#!/usr/bin/env bats
#
# dblockcheck and the ways in which a process can hold a database: kinds of locks, inherited and
# hidden descriptors, states, users, containers; and what it says about who that is.

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

# --- kinds of locks -------------------------------------------------------------------------------

@test "an OFD lock has an owner, though the kernel's list gives none" {
	make_database
	start_hold bot "$database" ofd:r:SHARED ofd:w:RESERVED

	answer_is locked read=yes write=bot migrate=bot
	holder_is bot writer -wr/-.---.----- SHARED RESERVED
	sqlite_agrees
}

@test "OFD locks in WAL mode are named as POSIX locks are" {
	make_database wal
	start_sql keeper "$database"
	ask keeper sql 'SELECT count(*) FROM orders'
	start_hold bot "$database" ofd:r:SHARED "$database-shm" ofd:r:DMS ofd:w:WRITE ofd:r:READ3

	answer_is locked read=yes write=bot migrate=bot+keeper
	holder_is bot writer --r/r.w--.---r- SHARED WRITE READ3 DMS
	sqlite_agrees
}

@test "an OFD lock belongs to a forked child as well" {
	make_database
	start_hold bot --inherited "$database" ofd:r:SHARED ofd:w:RESERVED
	local child=$reply

	answer_is locked read=yes write="bot+$child" migrate="bot+$child"
	holder_is bot writer -wr/-.---.----- SHARED RESERVED
	holder_is "$child" writer -wr/-.---.----- SHARED RESERVED
}

@test "a POSIX lock does not belong to a forked child, but the child has the file open" {
	make_database
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	ask bot fork
	local child=$reply

	answer_is locked read=yes write=bot migrate="bot+$child"
	holder_is bot writer -wr/-.---.----- SHARED RESERVED
	holder_is "$child" open ---/-.---.-----
	answer_has --argjson parent "$(pid bot)" --argjson child "$child" \
		'.holders[] | select(.pid == $child) | .ppid == $parent'
}

@test "a child keeps the database open when its parent is gone" {
	make_database
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	ask bot fork
	local child=$reply
	kill -KILL "$(pid bot)"
	until_true has_ended "$(pid bot)"

	answer_is open read=yes write=yes migrate="$child"
	holder_is "$child" open ---/-.---.-----
}

@test "a flock is seen, is named FOREIGN, and is in no SQLite program's way" {
	make_database
	start_hold backup "$database" flock:w

	answer_is open read=yes write=yes migrate=backup
	holder_is backup open ---/-.---.----- FOREIGN
	sqlite_agrees
}

@test "a lock on bytes that SQLite does not use is FOREIGN and in nobody's way" {
	make_database
	start_hold editor "$database" posix:w:0+100

	answer_is open read=yes write=yes migrate=editor
	holder_is editor open ---/-.---.----- FOREIGN
	sqlite_agrees
}

@test "a lock on the whole file is in everybody's way" {
	make_database
	start_hold copier "$database" posix:w:0+0

	survey "$database"
	answer_has '.status == "locked" and .can == {read: false, write: false, migrate: false}'
	answer_has '.blockers.read == [$pid.copier] and any(.holders[0].locks[]; . == "FOREIGN")'
	sqlite_agrees
}

@test "a merged range is taken apart into all the names that it overlaps" {
	make_database
	start_hold bot "$database" posix:w:PENDING posix:w:RESERVED posix:r:SHARED

	answer_is locked read=bot write=bot migrate=bot
	holder_is bot writer wwr/-.---.----- SHARED RESERVED PENDING
}

@test "two connections in one process are one holder" {
	make_database
	start_sql bot "$database"
	ask bot cursor 'SELECT * FROM orders'
	ask bot open "$database"
	ask bot sql 'BEGIN IMMEDIATE'

	answer_is locked read=yes write=bot migrate=bot
	holder_is bot writer -wr/-.---.----- SHARED RESERVED
	answer_has '.holders[0].fds | length >= 2'
}

@test "a dotfile lock is seen, and so is that nobody is behind it any more" {
	make_database
	start_sql bot "$database"
	mkdir "$database.lock"

	survey "$database"
	answer_has 'found("dotfile-lock")'
	no_finding stale-dotfile

	stop bot
	survey "$database"
	answer_has 'found("stale-dotfile")'
	no_finding dotfile-lock
}

# --- ways to have it open -------------------------------------------------------------------------

@test "a database on standard input is open" {
	make_database
	start_hold bot --as-stdin "$database" posix:r:SHARED

	answer_is open read=yes write=yes migrate=bot
	holder_is bot reader --r/-.---.----- SHARED
	answer_has '.holders[0].fds | index(0) != null'
}

@test "a process whose first thread has exited still holds what it holds" {
	make_database
	start_hold bot --thread-only "$database" posix:r:SHARED posix:w:RESERVED
	until_true has_ended "$(pid bot)" # so it looks from outside: a zombie

	answer_is locked read=yes write=bot migrate=bot
	holder_is bot writer -wr/-.---.----- SHARED RESERVED
}

@test "a process whose first thread has exited and that holds no lock has it open all the same" {
	make_database
	start_hold bot --thread-only "$database"
	until_true has_ended "$(pid bot)"

	answer_is open read=yes write=yes migrate=bot
	holder_is bot open ---/-.---.-----
}

@test "a process that left its parents is found" {
	make_database
	start_hold daemon --grandchild "$database" posix:r:SHARED posix:w:RESERVED

	answer_is locked read=yes write=daemon migrate=daemon
	holder_is daemon writer -wr/-.---.----- SHARED RESERVED
}

@test "a file that is only mapped is in use" {
	make_database
	start_hold mapper --mapped "$database"

	survey "$database"
	exit_status_is 1
	answer_has '.can.migrate == false and .certified == false'
	answer_has '[.holders[].pid] == [$pid.mapper] or found("hidden-holder")'
}

@test "a descriptor in flight in a socket is in use" {
	make_database
	start_hold sender --in-flight "$database"

	survey "$database"
	exit_status_is 1
	answer_has '.can.migrate == false and .certified == false and found("hidden-holder")'
}

@test "who has only the -wal or the -shm open is a holder too" {
	make_database wal
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	start_hold reader --read-only "$database-wal"
	start_hold mapper --read-only "$database-shm"

	answer_is open read=yes write=yes migrate=bot+reader+mapper
	holder_is reader open ---/-.---.-----
	holder_is mapper open ---/-.---.-----
}

@test "a program that only looks at the bytes is a bystander, a bot is not" {
	make_database wal
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	start_hold editor --read-only "$database"

	answer_is open read=yes write=yes migrate=bot+editor
	holder_is editor open ---/-.---.-----
	finding_is bystander editor
}

@test "a process that still uses a replaced file is in the way of a migration only" {
	make_database
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	cp "$database" "$database.new"
	mv "$database.new" "$database"

	answer_is open read=yes write=yes migrate=bot
	answer_has '.holders[0].replaced'
	finding_is replaced-file bot
	sqlite_agrees
}

@test "a process that uses another file with the same name elsewhere is no holder" {
	make_database
	mkdir "$folder/other"
	cp "$database" "$folder/other/bot.db"
	start_sql bot "$folder/other/bot.db"
	ask bot sql 'BEGIN IMMEDIATE'

	answer_is free read=yes write=yes migrate=yes
}

@test "a file whose name ends in (deleted) is not taken for a replaced one" {
	make_database
	cp "$database" "$database (deleted)"
	start_sql bot "$database (deleted)"
	ask bot sql 'BEGIN IMMEDIATE'

	answer_is free read=yes write=yes migrate=yes
}

# --- what the process is doing --------------------------------------------------------------------

@test "a stopped holder is said to be stopped" {
	make_database wal
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	freeze bot

	answer_is locked read=yes write=bot migrate=bot
	holder_is bot writer --r/r.w--.r---- SHARED WRITE READ0 DMS
	answer_has '.holders[0].state == "stopped"'
	finding_is stopped-holder bot
}

@test "two bots on one database are said to be two instances of the same program" {
	start_bot first --database="$database"
	start_bot second --database="$database"

	answer_is open read=yes write=yes migrate=first+second
	finding_is two-instances first second
}

@test "two different programs on one database are not two instances" {
	make_database wal
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	start_hold daemon "$database" posix:r:SHARED

	answer_is open read=yes write=yes migrate=bot+daemon
	no_finding two-instances
}

# --- who it is ------------------------------------------------------------------------------------

@test "a holder is described by all that is known of it" {
	make_database
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'

	survey "$database"
	answer_has ".holders[0] | .pid == \$pid.bot and .ppid == $BASHPID"
	answer_has ".holders[0].start_ticks == $(began "$(pid bot)")"
	answer_has ".holders[0] | .user == \"$(id -un)\" and .uid == $(id -u)"
	answer_has --arg script "$sql_client" '.holders[0].command == ["/usr/bin/python3", $script]'
	answer_has --arg exe "$(readlink "/proc/$(pid bot)/exe")" '.holders[0].exe == $exe'
	answer_has --arg cwd "$PWD" --arg path "$database" '.holders[0] | .cwd == $cwd and .path == $path'
	answer_has '.holders[0] | .name == "sql_client.py" and .replaced == false'
	answer_has '.holders[0] | .container_pid == null and (.fds | length == 1)'
}

@test "the signals that a holder catches are listed" {
	make_database
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'

	survey "$database"
	# Python catches Ctrl+C and not SIGTERM.
	answer_has '.holders[0].catches | (index("SIGINT") != null) and (index("SIGTERM") == null)'
}

@test "a holder of another user is named with that user" {
	require_root
	make_database
	chmod 666 "$database"
	open_to_everybody
	local program
	program=$(copy_for_everybody "$helpers/hold_lock")
	start bot "${nobody[@]}" "$program" "$database" posix:r:SHARED

	answer_is open read=yes write=yes migrate=bot
	holder_is bot reader --r/-.---.----- SHARED
	answer_has '.holders[0].user == "nobody"'
	text_has "^ +$(pid bot) +nobody "
}

@test "the terminal of a holder is named" {
	require_command script
	make_database
	# script(1) gives the client a terminal, which would repeat what it is told.
	launch bot script -qefc "stty -echo -onlcr; exec '$sql_client'" /dev/null
	hear bot ready
	local client=${reply%% *}
	ask bot open "$database"
	ask bot sql 'BEGIN IMMEDIATE'

	survey "$database"
	answer_has ".holders[0].pid == $client"
	answer_has --arg tty "$(readlink "/proc/$client/fd/0")" '"/dev/" + (.holders[0].tty | ltrimstr("/dev/")) == $tty'
}

@test "a holder in a container is found from outside, with its PID in there" {
	require_root
	make_database
	launch bot unshare --pid --fork --kill-child --mount-proc \
		"$helpers/hold_lock" "$database" posix:r:SHARED posix:w:RESERVED
	hear bot ready
	[ "$reply" = 1 ]
	local outside
	outside=$(pgrep -P "${client_job[bot]}")

	answer_is locked read=yes write="$outside" migrate="$outside"
	holder_is "$outside" writer -wr/-.---.----- SHARED RESERVED
	answer_has '.holders[0].container_pid == 1'
}

@test "a holder in a docker container is known by its control group, without docker" {
	require_root
	make_cgroup "docker/$(printf '%064d' 7)"
	make_database
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	pid bot >"$cgroup/cgroup.procs"

	survey "$database"
	answer_has '.holders[0].supervisor | .kind == "docker" and (.id | test("^0{63}7$"))'
}

@test "a holder in a systemd service is known by its control group, without systemd" {
	require_root
	make_cgroup system.slice/dblocktools-test.service
	make_database
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	pid bot >"$cgroup/cgroup.procs"

	survey "$database"
	answer_has '.holders[0].supervisor | [.kind, .name] == ["systemd", "dblocktools-test.service"]'
}
