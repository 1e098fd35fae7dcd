#!/usr/bin/env bats
#
# What is in a backup: every kind of database, exactly what was committed, and nothing that is damaged.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	backup_setup
}

teardown() {
	backup_teardown
}

# Backed up by both methods it is what it was: comes_out_the_same [OPTION]...
comes_out_the_same() {
	local before option
	(($# > 0)) || set -- --verify=full --api
	before=$(content "$database")
	for option; do
		back_up 0 "$option" "$database"
		good_backup "$backup"
		is_same "$before" "$(content "$backup")"
	done
	is_same "$before" "$(content "$database")"
}

for_page_sizes() {
	local page_size ways=(--verify=full --api)
	for page_size; do
		rm -rf "$folder" && mkdir "$folder"
		make_tables "page_size = $page_size" "${pragmas[@]}"
		comes_out_the_same "${ways[@]:page_size % 3 == 2:1}"
		answer_has ".page_size_bytes == $page_size"
	done
}

@test "every journal mode" {
	local mode
	for mode in delete truncate persist wal; do
		make_tables "journal_mode = $mode"
		# The last one leaves a -wal; PERSIST its journal.
		start_sql bot "$database"
		ask bot sql "PRAGMA journal_mode = $mode"
		ask bot sql "INSERT INTO orders (problem) VALUES ('$mode')"
		comes_out_the_same
		is_same "$(if [[ $mode == wal ]]; then echo wal; else echo rollback; fi)" \
			"$(jq -r .journal_mode "$backup.json")"
		stop bot
		rm -rf "$folder" && mkdir "$folder"
	done
}

@test "every page size, with a rollback journal" {
	pragmas=()
	for_page_sizes 512 1024 65536
}

@test "every page size, with a WAL" {
	pragmas=('journal_mode = WAL')
	for_page_sizes 512 32768 65536
}

@test "auto_vacuum, incremental and full" {
	pragmas=('auto_vacuum = 1' 'journal_mode = WAL')
	for_page_sizes 1024
	pragmas=('auto_vacuum = 2')
	for_page_sizes 4096
	is_same 2 "$(sqlite3 -batch "$backup" 'PRAGMA auto_vacuum')"
}

@test "text in UTF-16" {
	pragmas=('encoding = "UTF-16be"')
	for_page_sizes 4096
	is_same UTF-16be "$(sqlite3 -batch "$backup" 'PRAGMA encoding')"
}

@test "bytes that are reserved in every page" {
	sqlite3 -batch "$database" '.filectrl reserve_bytes 32' 'PRAGMA journal_mode = WAL; CREATE TABLE orders (id);
		INSERT INTO orders VALUES (zeroblob(20000));' >/dev/null
	is_same ' 20' "$(od -An -tx1 -j20 -N1 "$database")"
	local before
	before=$(content "$database")
	for option in --verify=full --api; do
		back_up 0 "$option" "$database"
		is_same "$before" "$(content "$backup")"
		is_same ' 20' "$(od -An -tx1 -j20 -N1 "$backup")"
	done
}

@test "an empty file, which is a database without anything" {
	: >"$database"
	back_up 0 "$database"
	answer_has '.size_bytes == 0 and .pages == 0'
	good_backup "$backup"
	is_same 0 "$(stat -c %s "$backup")"
}

@test "a database with pages but no table" {
	sqlite3 -batch "$database" 'PRAGMA user_version = 7' >/dev/null
	comes_out_the_same
}

@test "free pages, and a file that is longer than its pages" {
	make_tables
	sqlite3 -batch "$database" 'DELETE FROM orders; DROP TABLE words'
	comes_out_the_same
}

@test "user_version and application_id, negative ones too" {
	make_tables 'user_version = -5' 'application_id = 1196444487'
	comes_out_the_same
	answer_has '.user_version == -5 and .application_id == 1196444487 and .revision == null'
}

@test "the revision of Alembic, and the last one of dbmate's table" {
	make_tables
	sqlite3 -batch "$database" 'CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY);
		INSERT INTO schema_migrations VALUES ("20260102"), ("20260301"), ("20260201")'
	back_up 0 "$database"
	answer_has '.revision == "20260301"'
	sqlite3 -batch "$database" 'CREATE TABLE alembic_version (version_num VARCHAR(32));
		INSERT INTO alembic_version VALUES ("ae10")'
	back_up 0 "$database"
	answer_has '.revision == "ae10"'
	is_same ae10 "$(jq -r .revision "$backup.json")"
}

@test "a version table that is empty, or something else, is no revision" {
	make_tables
	sqlite3 -batch "$database" 'CREATE TABLE alembic_version (version_num VARCHAR(32))'
	back_up 0 "$database"
	answer_has '.revision == null'
	sqlite3 -batch "$database" 'DROP TABLE alembic_version;
		CREATE VIEW alembic_version AS WITH RECURSIVE n(version_num) AS (SELECT 1 UNION ALL SELECT version_num + 1 FROM n)
		SELECT version_num FROM n WHERE version_num < 0'
	back_up 0 "$database"
	answer_has '.revision == null'
}

@test "rows that violate a foreign key are the owner's business" {
	sqlite3 -batch "$database" 'CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a REFERENCES a);
		INSERT INTO b VALUES (7)'
	comes_out_the_same
}

# --- what was committed ---------------------------------------------------------------------------

@test "what is in the WAL only is in the backup; what is not committed is not" {
	make_tables 'journal_mode = WAL'
	start_sql bot "$database"
	ask bot sql "INSERT INTO orders (id, problem) VALUES (1001, 'committed')"
	ask bot sql 'PRAGMA cache_size = 1'
	ask bot sql 'BEGIN'
	ask bot sql "UPDATE orders SET problem = problem || 'not yet'"
	for option in --verify=quick --api; do
		back_up 0 "$option" "$database"
		good_backup "$backup"
		is_same 301/1/0 "$(sqlite3 -batch "$backup" "SELECT count(*) || '/' || sum(id = 1001) || '/' ||
			sum(problem LIKE '%not yet') FROM orders")"
	done
	ask bot sql COMMIT
}

@test "what a crash has left in the WAL is in the backup" {
	make_tables 'journal_mode = WAL'
	start_sql bot "$database"
	ask bot sql "INSERT INTO orders (id, problem) VALUES (1001, 'committed')"
	crash bot
	comes_out_the_same
	is_same 1 "$(sqlite3 -batch "$backup" 'SELECT count(*) FROM orders WHERE id = 1001')"
}

@test "what a crash has left half done is not" {
	make_tables
	local before
	before=$(content "$database")
	start_sql bot "$database"
	ask bot sql 'PRAGMA cache_size = 1'
	ask bot sql 'BEGIN IMMEDIATE'
	ask bot sql "UPDATE orders SET problem = problem || 'not yet'"
	crash bot
	[ -s "$database-journal" ]
	back_up 0 "$database"
	good_backup "$backup"
	is_same "$before" "$(content "$backup")"
	is_same "$before" "$(content "$database")"
}

@test "a WAL whose end was torn by a power failure gives what was committed before it" {
	make_tables 'journal_mode = WAL'
	start_sql bot "$database"
	ask bot sql "INSERT INTO orders (id, problem) VALUES (1001, 'committed')"
	local committed
	committed=$(content "$database")
	ask bot sql "INSERT INTO orders (id, problem) VALUES (1002, 'torn')"
	crash bot
	truncate -s -100 "$database-wal"
	rm "$database-shm"
	comes_out_the_same
	is_same "$committed" "$(content "$backup")"
}

# --- what is not a good database ------------------------------------------------------------------

# Nothing is published: 1, and no file.
is_not_published() {
	back_up 1 "$@"
	answer_has '.error.status == 1 and (.error.message | test("bot[.]db"))'
	says_trouble 1 dbbackup "$@"
	is_same '' "$(find "$backups" -type f 2>/dev/null)"
	nothing_left "$folder"
}

@test "a database with a damaged page is not backed up, and it is said that the database is damaged" {
	make_tables
	dd if=/dev/zero of="$database" bs=4096 seek=3 count=2 conv=notrunc status=none
	is_not_published "$database"
	[[ $stderr == *damaged* ]]
	is_not_published --api "$database"
	is_not_published --compress "$database" "$backups/"
}

@test "an index that lacks a row is found by --verify=full" {
	make_tables
	sqlite3 -batch "$database" '.dbconfig defensive off' "PRAGMA writable_schema = 1;
		CREATE INDEX other ON orders (id, problem);
		UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'other')
		WHERE name = 'problems'; UPDATE sqlite_schema SET sql = 'CREATE INDEX other ON orders (problem, id)'
		WHERE name = 'other'"
	is_not_published --verify=full "$database"
}

@test "--verify=none copies a damaged database, and says that nothing was verified" {
	make_tables
	dd if=/dev/zero of="$database" bs=4096 seek=3 count=2 conv=notrunc status=none
	back_up 0 --verify=none "$database"
	answer_has '.verified == "none"'
	cmp "$database" "$backup"
}

@test "a database that ends too early is not backed up" {
	make_tables
	truncate -s -8192 "$database"
	is_not_published "$database"
}
