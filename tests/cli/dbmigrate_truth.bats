#!/usr/bin/env bats
#
# What dbmigrate says is so, whatever a migration does to hide it, and whatever happens to the paths meanwhile.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	migrate_setup
	umask 022
	mkdir -p "$migrations"
	cd "$project" || return
}

teardown() {
	migrate_teardown
}

# --- paths that lead elsewhere ----------------------------------------------------------------------

@test "what --in-place put aside never goes onto another database" {
	mkdir one two
	sqlite3 one/bot.db 'CREATE TABLE t (a)'
	sqlite3 two/bot.db 'CREATE TABLE precious (a)'
	ln -s one/bot.db link.db
	migrate 7 up --in-place "$project/link.db" -- /bin/sh -c 'ln -sfn two/bot.db link.db; exit 1'
	error_says 'another file now'
	is_same precious "$(sqlite3 two/bot.db 'SELECT name FROM sqlite_schema')"
}

@test "an interrupted --in-place is forgotten when dbrestore was there, or another file" {
	require_root
	for way in restore replace; do
		rm -rf "$database" "$folder"/{.dblocktools,backups} begun
		make_small "$database"
		mkfifo begun
		"$dbmigrate" -q up --in-place "$database" -- /bin/sh -c 'echo here >begun; exec tail -f /dev/null' 3>&- 4>&- &
		read -r _ <begun
		kill -9 $!
		wait $! || true
		case $way in
		restore) "$DBLOCKTOOLS_BIN/dbrestore" -q "$backups" "$database" ;;
		replace)
			make_small "$folder/new.db"
			mv "$folder/new.db" "$database"
			;;
		esac
		sql 'CREATE TABLE later (x)'
		migrate 0 up --no-backup "$database" -- /bin/true
		is_same later "$(sql "SELECT name FROM sqlite_schema WHERE name = 'later'")"
	done
}

@test "databases whose names only begin alike have records of their own" {
	local name
	name=$(printf 'a%.0s' {1..200})
	for number in 1 2; do
		database=$folder/$name$number.db
		make_small "$database"
		sql_file 1_t.sql "CREATE TABLE t (x$number);"
		migrate 0 up --no-backup "$database"
	done
	is_same 2 "$(find "$folder/.dblocktools" -name 'migrations-*' | wc -l)"
}

# --- verification that a migration would like to switch off --------------------------------------------

@test "a temporary table, a setting or a trigger of a migration hides nothing" {
	make_small "$database"
	sql 'CREATE TABLE positive (a CHECK (a > 0))'
	for text in 'INSERT INTO orders VALUES (99, 4711, NULL); CREATE TEMP TABLE orders (id);' \
		'PRAGMA ignore_check_constraints = ON; INSERT INTO positive VALUES (-5);' \
		'CREATE TEMP TRIGGER g BEFORE INSERT ON main.schema_migrations BEGIN SELECT raise(IGNORE); END; CREATE TABLE x (a);'; do
		sql_file 1_t.sql "$text"
		refuses_to 1 up --no-backup "$database"
	done
}

@test "a migration that edits the table of versions is refused" {
	make_small "$database"
	make_sql 1
	migrate 0 up --no-backup "$database"
	sql_file 2_t.sql 'DELETE FROM schema_migrations;'
	refuses_to 1 up --no-backup "$database"
	error_says 'table of versions'
}

@test "full-text tables that triggers feed are migrated, and optimised ones have lost nothing" {
	make_small "$database"
	sql "CREATE TABLE words (k); CREATE VIRTUAL TABLE ft USING fts5(a);
		CREATE TRIGGER feed AFTER INSERT ON words BEGIN INSERT INTO ft VALUES (new.k); END;
		INSERT INTO words VALUES ('a'); INSERT INTO words VALUES ('b'); INSERT INTO words VALUES ('c')"
	sql_file 1_t.sql "INSERT INTO words VALUES ('one');"
	sql_file 2_t.sql "INSERT INTO ft(ft) VALUES ('optimize');"
	migrate 0 up --no-backup "$database"
	is_same 4 "$(sql 'SELECT count(*) FROM ft')"
}

@test "a table ordered by a collation of the application's is migrated by a program" {
	/usr/bin/python3 - "$database" <<-'END'
		import sqlite3, sys
		db = sqlite3.connect(sys.argv[1])
		db.create_collation("own", lambda a, b: (a > b) - (a < b))
		db.executescript("CREATE TABLE t (a TEXT COLLATE own); CREATE INDEX i ON t (a); INSERT INTO t VALUES ('x')")
	END
	make_program <<<'db.execute("CREATE TABLE made (x)")'
	migrate 0 up --no-backup "$database" -- "$program" "$database"
	answer_has .published
}

# --- what is said -------------------------------------------------------------------------------------

@test "a disk that is full while the result is published is 3: nothing was changed" {
	require_root
	mount_for_test -t tmpfs -o size=905k tmpfs "$BATS_TEST_TMPDIR/small"
	mkdir "$BATS_TEST_TMPDIR/small/d"
	database=$BATS_TEST_TMPDIR/small/d/bot.db
	sql 'CREATE TABLE u (a); WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 400)
		INSERT INTO u SELECT randomblob(400) FROM s'
	migrate 3 up --no-backup "$database" -- /usr/bin/sqlite3 "$database" 'UPDATE u SET a = randomblob(401);
		CREATE TABLE z AS SELECT a FROM u'
	is_same u "$(sql 'SELECT name FROM sqlite_schema')"
}

@test "a FIFO that a program leaves beside the copy holds nobody up" {
	make_small "$database"
	refuses_to 3 up --no-backup "$database" -- /bin/sh -c "mkfifo '$database-journal'"
	error_says 'no plain file'
}

@test "rehearsed is only what was rehearsed up to the head" {
	make_small "$database"
	make_sql 1
	sql_file 2_bad.sql 'this is no sql;'
	migrate 0 rehearse "$database" +1
	migrate 1 check "$database"
	answer_has '.checks[] | select(.id == "rehearsed") | .answer | not'
}

@test "a number is a number, and not the beginning of another" {
	make_small "$database"
	for number in 001 002 003 200; do sql_file "${number}_t.sql" "CREATE TABLE t$number (x);"; done
	migrate 0 up --no-backup "$database" 2
	applied_are 001 002
	migrate 3 up --no-backup "$database" 20
}
