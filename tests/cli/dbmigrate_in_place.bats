#!/usr/bin/env bats
#
# dbmigrate --in-place: the migration works on the real file, and what goes wrong is put back from the backup.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	migrate_setup
	make_small "$database"
	cd "$project" || return
}

teardown() {
	migrate_teardown
}

in_place() {
	make_program
	migrate "$1" up --in-place "${@:2}" "$database" -- "$program" "$database"
}

# The run fails and puts everything back.
put_back() {
	local before identity_before
	before=$(dump_of "$database") identity_before=$(identity)
	in_place 6 "$@"
	error_is 6
	stderr_is_printable
	is_same "$before" "$(dump_of "$database")"
	is_same "$identity_before" "$(identity)"
	is_same '' "$(find "$folder" -name '*-journal' -o -name '*-wal' -size +0 -o -name 'in-place-*')"
	answer_has '.backup | startswith("/")'
}

@test "a migration that goes well stays, and it is said that it was weaker" {
	for mode in wal delete; do
		rm -f "$database"*
		make_small "$database" "$mode"
		in_place 0 <<<'db.execute("CREATE TABLE t (x)")'
		answer_has '.sandbox == "in-place" and .published and (.backup | startswith("/"))'
		is_same "0 $mode" "$(sql 'SELECT count(*) FROM t; PRAGMA journal_mode' | paste -sd ' ')"
		is_same '' "$(find "$folder" -name 'in-place-*')"
	done
}

@test "an Alembic project works in place, too" {
	make_alembic 2
	migrate 0 up --in-place "$database"
	alembic_is_at r2
	revision r3 r2 $'op.execute("CREATE TABLE half (x)")\nraise RuntimeError("no")'
	before=$(dump_of "$database")
	migrate 6 up --in-place "$database"
	is_same "$before" "$(dump_of "$database")"
}

@test "one that fails, crashes, hangs or loses rows is put back" {
	for mode in wal delete; do
		rm -rf "$database"* "$backups"
		make_small "$database" "$mode"
		put_back <<<$'db.execute("CREATE TABLE half (x)")\ndb.execute("no")'
		put_back <<<$'db.execute("BEGIN")\ndb.execute("DELETE FROM orders")\nos.kill(os.getpid(), 9)'
		put_back <<<'db.execute("DELETE FROM orders")'
	done
	put_back --timeout=0.5 <<<$'db.execute("DROP TABLE orders")\nsignal.pause()'
}

@test "what cannot be put back is 7, and the files to keep are named" {
	make_program <<-'END'
		import glob
		db.execute("CREATE TABLE half (x)")
		for name in glob.glob(os.path.dirname(sys.argv[1]) + "/backups/*.db"):
		    with open(name, "r+b") as backup:
		        backup.seek(4096)
		        backup.write(b"not what it was" * 100)
		sys.exit(1)
	END
	migrate 7 up --in-place "$database" -- "$program" "$database"
	error_is 7
	error_says "$backups"
	is_same 0 "$(sql 'SELECT count(*) FROM half')"
}

@test "a run that was killed is undone by the next one" {
	local before
	before=$(dump_of "$database")
	make_program <<-'END'
		db.execute("CREATE TABLE half (x)")
		wait("half")
	END
	start_migration up --in-place "$database" -- "$program" "$database"
	migration_is_at half
	[ -s "$folder/.dblocktools/in-place-bot.db.json" ]
	kill -KILL "$job"
	migration_ends 137
	# It may have outlived its master.
	if grep -qsF "$program" "/proc/$reply/cmdline"; then kill -KILL "$reply"; fi
	until_true nobody_runs
	is_same 0 "$(sql 'SELECT count(*) FROM half')"

	migrate 6 up --no-backup "$database" -- /bin/true
	error_says interrupted
	error_says 'put back'
	is_same "$before" "$(dump_of "$database")"
	migrate 0 up --no-backup "$database" -- /bin/true
	[ ! -e "$folder/.dblocktools/in-place-bot.db.json" ]
}

nobody_runs() { ! pgrep -f "$program" >/dev/null; }

@test "--in-place is not for the sql engine, or is the same there: all or nothing" {
	make_sql 1
	sql_file 2_bad.sql 'CREATE TABLE half (x); no;'
	remember_bytes
	run --separate-stderr dbmigrate --json up --in-place "$database"
	[[ $status == 2 || $status == 3 || $status == 6 ]]
	is_same '' "$(sql "SELECT name FROM sqlite_schema WHERE name IN ('half', 't1')")"
}
