#!/usr/bin/env bats
#
# dbmigrate with SQL files: the same as dbmate and golang-migrate, but all or nothing.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	load ../helpers/dbmate.bash
	migrate_setup
	cd "$project" || return
}

teardown() {
	migrate_teardown
}

# --- the same as dbmate ---------------------------------------------------------------------------

# The shop twice: $database, and $other that dbmate migrates.
make_shops() {
	require_dbmate
	make_sql_shop "${1:-delete}"
	at_sql 20260105090000
	other=$BATS_TEST_TMPDIR/other.db
	cp "$database" "$other"
}

# Its Alembic project would come first.
make_sql_shop() {
	make_shop "$1"
	rm "$project/alembic.ini"
}

dbmate_other() {
	database=$other dbmate "$@" >/dev/null
}

@test "an empty database and a shop get the same dump as from dbmate, up and down" {
	make_shops
	migrate 0 up "$database"
	applied_are 20260212101500 20260309143000 20260421081000 20260530170000
	dbmate_other up
	same_dump "$database" "$other"
	for step in 1 2 3 4; do
		migrate 0 down --no-backup "$database"
		dbmate_other down
		same_dump "$database" "$other"
	done
	rm "$database" "$other"
	: >"$database"
	: >"$other"
	migrate 0 up "$database"
	dbmate_other up
	same_dump "$database" "$other"
}

@test "dbmate and dbmigrate take turns on one database, up and down" {
	make_shops wal
	migrate 0 up "$database" +1
	dbmate up >/dev/null
	dbmate down >/dev/null
	migrate 0 down "$database" -1
	migrate 1 status "$database"
	answer_has '[.pending[].version] == ["20260421081000", "20260530170000"]'
	dbmate up >/dev/null
	migrate 0 up "$database"
	applied_are
	is_same 'Pending: 0' "$(dbmate status | tail -n 1)"
	dbmate_other up
	same_dump "$database" "$other"
}

@test "what new makes, dbmate can run" {
	require_dbmate
	make_small "$database"
	mkdir -p "$migrations"
	sql_file 1 'CREATE TABLE t1 (x);'
	migrate 0 new 'Add the Phone-numbers; now'
	file=$(jq -r .file <<<"$answer")
	is_same "$migrations" "${file%/*}"
	[[ ${file##*/} =~ ^20[0-9]{12}_add_the_phone_numbers_now[.]sql$ ]]
	dbmate up >/dev/null
	migrate 0 status "$database"
	answer_has '.pending == []'
	migrate 2 new '..'
	migrate 2 new ''
}

@test "new in a folder of pairs makes a pair" {
	mkdir "$project/migrations"
	echo 'CREATE TABLE a (x);' >"$project/migrations/1_a.up.sql"
	echo 'DROP TABLE a;' >"$project/migrations/1_a.down.sql"
	migrate 0 new second
	is_same 2 "$(find "$project/migrations" -name '*_second.*.sql' | wc -l)"
}

# --- pairs ----------------------------------------------------------------------------------------

make_pairs() {
	local number
	mkdir -p "$project/migrations"
	for number in 1 2 10; do
		echo "CREATE TABLE t$number (x);" >"$project/migrations/${number}_t.up.sql"
		echo "DROP TABLE t$number;" >"$project/migrations/${number}_t.down.sql"
	done
	make_small "$database"
}

@test "pairs run by number, and keep golang-migrate's table" {
	make_pairs
	migrate 0 up "$database"
	applied_are 1 2 10
	is_same '10|0' "$(sql 'SELECT version, dirty FROM schema_migrations')"
	is_same 'CREATE TABLE schema_migrations (version uint64,dirty bool)' \
		"$(sql "SELECT sql FROM sqlite_schema WHERE name = 'schema_migrations'")"
	migrate 0 down "$database"
	is_same '2|0' "$(sql 'SELECT version, dirty FROM schema_migrations')"
	migrate 0 down "$database" base
	applied_are 2 1
	is_same '' "$(sql "SELECT name FROM sqlite_schema WHERE name GLOB 't[0-9]*'")"
}

@test "a database that golang-migrate left dirty is refused and named" {
	make_pairs
	sql 'CREATE TABLE schema_migrations (version uint64, dirty bool); INSERT INTO schema_migrations VALUES (2, 1)'
	refuses_to 3 up "$database"
	error_says dirty
	run --separate-stderr dbmigrate --json status "$database"
	answer=$output
	answer_has 'any(.problems[]; .kind == "dirty")'
}

# --- errors ---------------------------------------------------------------------------------------

@test "an error is told with the file, its line and the statement" {
	make_small "$database"
	make_sql 1
	sql_file 2_bad.sql $'CREATE TABLE fine (x);\n\n-- and then\nINSERT INTO fine\n  SELECT unheard_of;\nCREATE TABLE more (x);'
	refuses_to 3 up "$database"
	error_says '2_bad[.]sql:[56]'
	error_says 'no such column: unheard_of'
	error_says 'INSERT INTO fine'
	for text in "INSERT INTO clients VALUES ('open);" 'CREATE TABLE a (x' 'CREATE TRIGGER e AFTER INSERT ON clients BEGIN SELECT 1;' \
		'nonsense;' '.read /etc/passwd' '.shell true'; do
		sql_file 2_bad.sql "$text"
		refuses_to 3 up "$database"
		error_says '2_bad[.]sql:2'
	done
}

# --- statements -----------------------------------------------------------------------------------

@test "statements that leave the file or the transaction are refused by name" {
	make_small "$database"
	make_sql 1
	while read -r name statement; do
		sql_file 2_bad.sql $'CREATE TABLE fine (x);\n'"$statement;"$'\nCREATE TABLE after (x);'
		refuses_to 3 up "$database"
		error_says '2_bad[.]sql:3'
		error_says "$name"
	done <<-END
		ATTACH ATTACH '$BATS_TEST_TMPDIR/stolen.db' AS stolen
		DETACH DETACH main
		VACUUM VACUUM
		VACUUM VACUUM INTO '$BATS_TEST_TMPDIR/stolen.db'
		BEGIN BEGIN IMMEDIATE
		COMMIT COMMIT
		COMMIT END
		ROLLBACK ROLLBACK
		SAVEPOINT SAVEPOINT s
		RELEASE RELEASE s
		load_extension SELECT load_extension('/tmp/x.so')
		fts3_tokenizer SELECT fts3_tokenizer('simple')
		writefile SELECT writefile('$BATS_TEST_TMPDIR/stolen.db', 'x')
		journal_mode PRAGMA journal_mode = WAL
		locking_mode PRAGMA locking_mode = NORMAL
		writable_schema PRAGMA writable_schema = ON
		schema_version PRAGMA schema_version = 7
		temp_store_directory PRAGMA temp_store_directory = '/tmp'
		data_store_directory PRAGMA data_store_directory = '/tmp'
		hard_heap_limit PRAGMA hard_heap_limit = 1
	END
	[ ! -e "$BATS_TEST_TMPDIR/stolen.db" ]
}

@test "transaction:false may VACUUM, begin and commit, and is all or nothing all the same" {
	make_sql_shop wal
	rm "$migrations"/*
	printf -- '-- migrate:up transaction:false\nBEGIN;\nDELETE FROM order_events;\nCOMMIT;\nVACUUM;\n-- migrate:down\n' >"$migrations/1_v.sql"
	printf -- '-- migrate:up transaction:false\nCREATE TABLE half (x);\nno;\n-- migrate:down\n' >"$migrations/2_v.sql"
	refuses_to 1 up "$database" +1
	error_says order_events
	refuses_to 3 up --allow-row-loss=order_events "$database"
	error_says '2_v[.]sql:3'
	migrate 0 up --allow-row-loss=order_events "$database" +1
	is_same $'0\nwal' "$(sql 'SELECT count(*) FROM order_events; PRAGMA journal_mode')"
	rm "$migrations/2_v.sql"
	printf -- '-- migrate:up transaction:false\nATTACH "%s" AS a;\n-- migrate:down\n' "$BATS_TEST_TMPDIR/stolen.db" >"$migrations/3_v.sql"
	refuses_to 3 up "$database"
	printf -- '-- migrate:up transaction:false\nBEGIN;\nCREATE TABLE open (x);\n-- migrate:down\n' >"$migrations/3_v.sql"
	refuses_to 3 up "$database"
	[ ! -e "$BATS_TEST_TMPDIR/stolen.db" ]
}

@test "transaction:false may change the size of pages; a WAL database cannot take that, and it is said so" {
	make_small "$database"
	mkdir -p "$migrations"
	printf -- '-- migrate:up transaction:false\nPRAGMA page_size = 8192;\nVACUUM;\n-- migrate:down\n' >"$migrations/1_p.sql"
	migrate 0 up "$database"
	is_same $'8192\nok' "$(sql 'PRAGMA page_size; PRAGMA integrity_check')"
	rm -r "$database" "$folder/.dblocktools"
	make_small "$database" wal
	refuses_to 3 up "$database"
	error_says 'page'
}

@test "one bad migration of many takes all of the run back" {
	make_small "$database" wal
	make_sql 5
	sql_file 6_bad.sql 'no;'
	refuses_to 3 up "$database"
	is_same '' "$(sql "SELECT name FROM sqlite_schema WHERE name GLOB 't[0-9]*'")"
	migrate 0 up "$database" 5
}

@test "a migration without an end is stopped at --timeout" {
	make_small "$database"
	sql_file 1_endless.sql 'CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n;'
	refuses_to 3 up --timeout=0.3 "$database"
	error_says 'time|0[.]3'
}

@test "with nothing to do the file stays byte for byte, and no backup is made" {
	make_small "$database" wal
	make_sql 2
	migrate 0 up "$database"
	rm -r "$backups"
	remember
	remember_bytes
	migrate 0 up "$database"
	answer_has '.applied == [] and .backup == null and (.published | not) and .from == "2" and .to == "2"'
	same_bytes
	is_as_it_was
	[ ! -e "$backups" ]
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	migrate 0 up "$database"
}

# --- data -----------------------------------------------------------------------------------------

rebuild='CREATE TABLE new_clients (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO new_clients SELECT id, name FROM clients;
DROP TABLE clients;
ALTER TABLE new_clients RENAME TO clients;'

@test "a parent table is rebuilt in SQLite's 12 steps, and its children keep their rows" {
	make_small "$database"
	sql_file 1_r.sql "$rebuild"
	sql_file 2_r.sql "PRAGMA foreign_keys = ON; ${rebuild//NOT NULL/}"
	migrate 0 up "$database"
	is_same 20 "$(sql 'SELECT count(*) FROM orders')"
	is_same '' "$(sql 'PRAGMA foreign_key_check')"
}

@test "a table that loses rows stops it and is named; --allow-row-loss lets it pass, up and down" {
	make_small "$database"
	sql_file 1_r.sql 'DELETE FROM orders WHERE id > 5; DELETE FROM clients WHERE id > 15;' 'DELETE FROM orders;'
	for allowed in '' --allow-row-loss=orders --allow-row-loss=clients --allow-row-loss=other; do
		refuses_to 1 up ${allowed:+"$allowed"} "$database"
		[[ $allowed == *clients ]] || error_says clients
		[[ $allowed == *orders ]] || error_says orders
	done
	migrate 0 up --allow-row-loss=orders --allow-row-loss=clients "$database"
	answer_has '.tables | map(select(.name == "orders"))[0] | .rows_before == 20 and .rows_after == 5'
	refuses_to 1 down "$database"
	migrate 0 down --allow-row-loss='*' "$database"
}

@test "a new foreign key violation is refused, one that was there before is not" {
	make_small "$database"
	sql 'INSERT INTO orders VALUES (100, 777, NULL)'
	sql_file 1 'CREATE TABLE t1 (x);'
	migrate 0 up "$database"
	sql_file 2_v.sql 'INSERT INTO orders VALUES (101, 778, NULL);'
	refuses_to 1 up "$database"
	error_says 'foreign key'
	error_says orders
}

# --- version tables that cannot be believed -------------------------------------------------------

@test "a version table that is a view, has triggers or holds NULL is refused" {
	make_sql 2
	for schema in "CREATE VIEW schema_migrations AS SELECT '1' AS version" \
		'CREATE VIRTUAL TABLE schema_migrations USING fts5(version)' \
		'CREATE TABLE schema_migrations (version varchar(128) primary key); INSERT INTO schema_migrations VALUES (NULL)' \
		'CREATE TABLE schema_migrations (version varchar(128) primary key);
			CREATE TRIGGER x AFTER INSERT ON schema_migrations BEGIN DELETE FROM orders; END'; do
		rm -f "$database"
		make_small "$database"
		sql "$schema"
		refuses_to 3 up "$database"
		error_says schema_migrations
		migrate 3 status "$database"
	done
}
