#!/usr/bin/env bats
#
# dblockcheck says "free" only when it is: with the kernel's certificate, or when everybody could be
# looked at. Whatever was hidden makes it "cannot tell" (4), and a lock that is seen means no (1).

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	machine_setup
	dblockcheck_setup
	make_database
}

teardown() {
	clients_teardown
	machine_teardown
}

# From here on dblockcheck is run by a user who does not own the database but may read it.
look_as_nobody() {
	require_root
	open_to_everybody
	chmod 755 "$folder"
	chmod 644 "$database"
	dblockcheck=$(copy_for_everybody "$dblockcheck")
	as=("${nobody[@]}")
}

# ... or by one who does.
look_as_owner() {
	look_as_nobody
	chown -R 65534:65534 "$folder"
}

# Runs it as the first process of a new PID namespace, with a /proc of that namespace: what a
# container sees.
look_from_namespace() {
	require_root
	as=(unshare --pid --fork --kill-child --mount-proc)
}

# --- another user ---------------------------------------------------------------------------------

@test "who neither owns the file nor sees the others' processes cannot tell" {
	look_as_nobody
	answer_is unknown read=yes write=yes migrate=unknown
	answer_has '.certified == false and .hidden.processes > 0'
	answer_has 'found("hidden-processes")'
}

@test "who cannot see that another user has the file open does not say that it is free" {
	look_as_nobody
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	answer_is unknown read=yes write=yes migrate=unknown
}

@test "a lock of another user is seen by everybody" {
	look_as_nobody
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'

	answer_is locked read=yes write=bot migrate=bot
	holder_is bot writer -wr/-.---.----- SHARED RESERVED
	# What cannot be known is null, not invented.
	answer_has '.holders[0] | .exe == null and .cwd == null and .path == null'
}

@test "a lock of another user in WAL mode is seen by everybody" {
	sqlite3 -batch "$database" 'PRAGMA journal_mode = wal' >/dev/null
	look_as_nobody
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	chmod 644 "$database-shm" "$database-wal"

	answer_is locked read=yes write=bot migrate=bot
	holder_is bot writer --r/r.w--.r---- SHARED WRITE READ0 DMS
}

@test "a lock in a -shm that may not be read is seen all the same" {
	sqlite3 -batch "$database" 'PRAGMA journal_mode = wal' >/dev/null
	look_as_nobody
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	chmod 600 "$database-shm" "$database-wal"

	survey "$database"
	exit_status_is 1
	answer_has '.can.migrate == false and .can.write != true and ([.holders[].pid] == [$pid.bot])'
}

@test "the owner of the file has the kernel's word for it that it is free" {
	look_as_owner
	answer_is free read=yes write=yes migrate=yes
	answer_has '.certified'
}

@test "the owner of the file learns that somebody has it open though nobody can be seen" {
	look_as_owner
	start_sql bot "$database" # root's
	ask bot sql 'SELECT count(*) FROM orders'

	answer_is open read=yes write=yes migrate=hidden
	finding_is hidden-holder
	answer_has '.certified == false and .hidden.processes > 0'
}

@test "with --visible-only a holder that cannot be seen does not count" {
	look_as_owner
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'

	options=(--visible-only)
	answer_is open read=yes write=yes migrate=yes
}

@test "with --visible-only a lock still counts" {
	look_as_owner
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'

	options=(--visible-only)
	answer_is locked read=yes write=bot migrate=bot
}

# --- a namespace ----------------------------------------------------------------------------------

@test "in a namespace a free database is certified by the kernel" {
	look_from_namespace
	answer_is free read=yes write=yes migrate=yes
	answer_has '.certified'
}

@test "in a namespace a lock of a process outside is seen, though no process is" {
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	look_from_namespace

	answer_is locked read=yes write=hidden migrate=hidden
	answer_has '.hidden.locks >= 1 and .holders == []'
	finding_is hidden-holder
}

@test "in a namespace the locks of a WAL are seen as well" {
	sqlite3 -batch "$database" 'PRAGMA journal_mode = wal' >/dev/null
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	look_from_namespace

	answer_is locked read=yes write=hidden migrate=hidden
	answer_has '.hidden.locks >= 1'
	finding_is hidden-holder
}

@test "in a namespace a lock that stops readers is seen" {
	start_sql bot "$database"
	ask bot sql 'BEGIN EXCLUSIVE'
	look_from_namespace

	answer_is locked read=hidden write=hidden migrate=hidden
}

@test "in a namespace an OFD lock of a process outside has no owner" {
	start_hold bot "$database" ofd:r:SHARED ofd:w:RESERVED
	look_from_namespace

	answer_is locked read=yes write=hidden migrate=hidden
	finding_is hidden-holder
}

@test "in a namespace a process outside that holds no lock is noticed by the kernel" {
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	look_from_namespace

	answer_is open read=yes write=yes migrate=hidden
	finding_is hidden-holder

	options=(--visible-only)
	answer_is open read=yes write=yes migrate=yes
}

@test "in a namespace --visible-only does not overlook a lock" {
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	look_from_namespace

	survey "$database" --visible-only
	exit_status_is 1
	answer_has '.can.write == false and .can.migrate == false'
}

@test "in a namespace without the certificate nobody can tell" {
	look_from_namespace
	without_certificate
	answer_is unknown read=yes write=yes migrate=unknown
	options=(--visible-only)
	answer_is free read=yes write=yes migrate=yes
}

# --- a /proc that hides or lies -------------------------------------------------------------------

# The database belongs to somebody else and the right to take leases is gone: only the walk decides.
without_certificate() {
	chown 12345:12345 "$database"
	as+=(setpriv --bounding-set=-lease --)
}

@test "root without the right to look into others' processes cannot tell" {
	require_root
	chown 12345:12345 "$database"
	start other "${nobody[@]}" sh -c 'echo ready $$; read -r line'
	as=(setpriv "--bounding-set=-lease,-sys_ptrace,-dac_read_search,-dac_override" --)

	answer_is unknown read=yes write=yes migrate=unknown
	answer_has '.hidden.processes > 0'
}

@test "--no-scan cannot tell without the certificate" {
	require_root
	without_certificate
	options=(--no-scan)
	answer_is unknown read=yes write=yes migrate=unknown
}

hide_processes() {
	local mount='mount -t proc -o hidepid=invisible proc /proc'
	as=(unshare --mount sh -c "$mount && exec \"\$@\"" sh "${as[@]}")
}

@test "a /proc with hidepid does not make a database free" {
	look_as_nobody
	hide_processes
	"${as[@]}" true || skip 'no hidepid here'

	answer_is unknown read=yes write=yes migrate=unknown
	answer_has 'found("hidden-processes")'
}

@test "a /proc with hidepid does not hide a lock" {
	look_as_nobody
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	hide_processes

	survey "$database"
	exit_status_is 1
	answer_has '.status == "locked" and .can.write == false'
}

require_proc_free_program() {
	[[ ! ${DBLOCKTOOLS_SANITIZED-} ]] || skip 'a sanitizer does not start without /proc'
}

@test "without /proc nothing is said to be free, but for the kernel's certificate" {
	require_root
	require_proc_free_program
	as=(unshare --mount sh -c 'mount -t tmpfs none /proc && exec "$@"' sh)
	for question in read write migrate; do
		start_sql bot "$database"
		ask bot sql 'BEGIN EXCLUSIVE'
		run dblockcheck -q --for="$question" "$database"
		[[ $status == [134] ]]
		stop bot
	done
	without_certificate
	run dblockcheck -q "$database"
	[[ $status == [34] ]]
}

@test "an empty folder in place of /proc is not taken for a machine without processes" {
	require_root
	require_proc_free_program
	without_certificate
	local empty=$BATS_TEST_TMPDIR/empty
	mkdir "$empty"
	as=(unshare --mount sh -c 'mount --bind "$0" /proc && exec "$@"' "$empty" "${as[@]}")
	run dblockcheck -q "$database"
	[[ $status == [34] ]]
}
