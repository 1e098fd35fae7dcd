#!/usr/bin/env bats
#
# States in which dblockcheck was wrong once, or could easily be. Where SQLite can be asked, it is.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	dblockcheck_setup
	machine_setup
}

teardown() {
	clients_teardown
	machine_teardown
}

@test "a write transaction in a WAL that has no frame yet stops no reader" {
	make_database wal
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'

	answer_is locked read=yes write=bot migrate=bot
	sqlite_agrees
}

@test "a -wal that lies beside a rollback database is used by SQLite, and so are its locks" {
	make_database wal
	start_sql bot "$database"
	ask bot sql 'UPDATE orders SET problem = 1'
	cp "$database-wal" "$folder/left"
	stop bot
	sqlite3 -batch "$database" 'PRAGMA journal_mode = delete' >/dev/null
	mv "$folder/left" "$database-wal"
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	ask bot sql 'BEGIN IMMEDIATE'

	survey "$database"
	exit_status_is 1
	answer_has '.journal_mode == "wal" and .can.write == false and .blockers.write == [$pid.bot]'
	sqlite_agrees
	finding_is leftover-wal
}

@test "a hot journal of a database that was to become a WAL database is hot" {
	make_database
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	ask bot sql 'UPDATE orders SET problem = 1'
	ask bot sql 'PRAGMA cache_spill = 1'
	cp "$database-journal" "$folder/journal"
	crash bot
	# Byte for byte a journal that was synced, beside a header that says WAL already.
	printf '\xd9\xd5\x05\xf9\x20\xa1\x63\xd7' | dd of="$folder/journal" conv=notrunc status=none
	printf '\x02\x02' | dd of="$database" bs=1 seek=18 conv=notrunc status=none
	mv "$folder/journal" "$database-journal"

	survey "$database"
	answer_has '.journal.hot'
	finding_is hot-journal
}

@test "a fifth reader shares a slot, and is not blamed for the age of the slot's mark" {
	local n
	make_database wal
	start_sql writer "$database"
	ask writer sql 'UPDATE orders SET problem = 0'
	for n in 1 2 3 4; do
		start_sql "reader$n" "$database"
		ask "reader$n" sql 'BEGIN'
		ask "reader$n" sql 'SELECT count(*) FROM orders'
		ask writer sql "UPDATE orders SET problem = $n"
	done
	start_sql newest "$database"
	ask newest sql 'BEGIN'
	ask newest sql 'SELECT count(*) FROM orders'

	survey "$database"
	answer_has '[.findings[] | select(.id == "stale-snapshot") | .why | contains("up to ")] == [true]'

	# It could begin to write, so its snapshot was the newest; now it is certainly not accused.
	ask newest sql 'UPDATE orders SET problem = 5'
	survey "$database"
	answer_has '[.findings[] | select(.id == "stale-snapshot") | .pids[]] | index($pid.newest) == null'
}

@test "a process that lost its locks in a rollback transaction is found" {
	local mode
	for mode in delete persist truncate; do
		rm -rf "$folder" && mkdir "$folder"
		make_database "$mode"
		start_sql bot "$database"
		ask bot sql "PRAGMA journal_mode = $mode"
		ask bot sql 'BEGIN IMMEDIATE'
		ask bot sql 'UPDATE orders SET problem = 1'
		ask bot touch-lock "$database"

		survey "$database"
		finding_is lost-locks bot
		stop bot
	done
}

@test "capabilities in a user namespace of one's own do not see through hidepid" {
	require_root
	make_database
	open_to_everybody
	local mount='mount -t proc -o hidepid=invisible proc /proc'
	as=(unshare --mount sh -c "$mount && exec \"\$@\"" sh
		setpriv --reuid=65534 --regid=65534 --clear-groups unshare --map-root-user)
	"${as[@]}" true || skip 'no user namespaces here'
	start_hold other "$database"

	survey "$database"
	answer_has '.can.migrate != true and .status != "free"'
	((status == 4 || status == 1))
}

@test "the access time of somebody else's database stays" {
	require_root
	make_database
	chown nobody "$folder" "$database"
	touch -a -d '2001-01-01 UTC' "$database"
	survey "$database"
	exit_status_is 0
	is_same '2001-01-01 00:00:00' "$(TZ=UTC stat -c %x "$database" | cut -c1-19)"
}

@test "a database that is replaced by rename all the time is looked at all the same" {
	make_database
	cp "$database" "$folder/other"
	start_going_on
	in_background replace_in_a_loop
	local storm=$!

	for _ in {1..40}; do
		run --separate-stderr dblockcheck --json --sample=0 "$database"
		# On a slow machine it is replaced under each look: then that is what is said.
		((status == 0)) || [[ $status == 3 && $stderr == *'is being replaced all the time' ]]
	done
	stop_going_on
	wait "$storm"
}

replace_in_a_loop() {
	while goes_on; do
		cp "$folder/other" "$folder/next"
		mv "$folder/next" "$database"
	done
}

@test "one who hands the open file on and ends is not overlooked where the kernel does not certify" {
	[[ ! ${DBLOCKTOOLS_SANITIZED-} ]] || skip 'the sanitizers are too slow for this race'
	require_root
	[[ $(stat -f -c %T /dev) == tmpfs ]] || skip 'no devtmpfs at /dev'
	grep -q ' /dev devtmpfs ' /proc/mounts || skip 'no devtmpfs at /dev'
	make_database
	local there=/dev/dblocktools-test-$$.db
	cp "$database" "$there"
	start_going_on
	in_background hand_on "$there"
	local storm=$! free=0
	until_true test -e "$BATS_TEST_TMPDIR/is_open"

	for _ in {1..20}; do
		run --separate-stderr dblockcheck -q --visible-only --sample=0.05 "$there"
		((status != 0)) || free=$((free + 1))
	done
	stop_going_on
	wait "$storm"
	rm -f "$there"
	is_same 0 "$free"
}

# A chain of processes, each of which has the file open, starts the next one with it, and ends.
hand_on() {
	/usr/bin/python3 - "$1" "$BATS_TEST_TMPDIR/go_on" "$BATS_TEST_TMPDIR/is_open" <<-'END'
		import os, signal, sys
		os.open(sys.argv[1], os.O_RDWR)
		os.close(os.open(sys.argv[3], os.O_CREAT))
		signal.signal(signal.SIGCHLD, signal.SIG_IGN)
		while os.path.exists(sys.argv[2]):
		    for _ in range(3000):
		        os.sched_yield()
		    if os.fork():
		        os._exit(0)
	END
}

@test "a holder beside a file on a mount that refuses even root is found" {
	require_root
	require_command bindfs
	[[ -c /dev/fuse ]] || skip 'no FUSE here'
	make_database
	open_to_everybody
	mkdir "$folder/seen" "$folder/real"
	chown nobody "$folder/seen" "$folder/real"
	touch "$folder/real/file" && chmod 666 "$folder/real/file" "$database"
	setpriv --reuid=65534 --regid=65534 --clear-groups bindfs "$folder/real" "$folder/seen" ||
		skip 'nobody may not mount FUSE here'
	launch holder setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$helpers/hold_lock" "$folder/seen/file" "$database"
	await_ready holder

	survey "$database"
	answer_has '[.holders[].pid] == [$pid.holder]'
	stop holder
	fusermount -u "$folder/seen" || umount -l "$folder/seen"
}
