#!/usr/bin/env bats
#
# What dbmigrate says of SQL files that are edited, missing, odd, bad or somebody else's, before anything runs.

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

# --- what was applied and what is there -----------------------------------------------------------

# The one problem is of this kind, is named, and stops up and down: bad KIND VERSION.
bad() {
	run --separate-stderr dbmigrate --json status "$database"
	answer=$output
	answer_has --arg kind "$1" --arg version "$2" 'any(.problems[]; .kind == $kind and .version == $version)'
	refuses_to 3 up "$database"
	error_says "${3:-$2}"
	refuses_to 3 down "$database"
}

@test "a file that was edited after it was applied is said before anything runs" {
	make_small "$database"
	make_sql 3
	migrate 0 up "$database" 2
	sed -i 's/(x)/(x, y)/' "$migrations/1_t1.sql"
	bad edited 1 1_t1.sql
	sed -i 's/(x, y)/(x)/' "$migrations/1_t1.sql"
	migrate 0 up "$database"
	applied_are 3
}

@test "the hashes are beside the database, not in it" {
	make_small "$database"
	make_sql 2
	migrate 0 up "$database"
	is_same 700 "$(stat -c %a "$folder/.dblocktools")"
	[ -s "$folder/.dblocktools/migrations-bot.db.json" ]
	is_same $'clients\norders\nschema_migrations\nt1\nt2' "$(sql 'SELECT name FROM sqlite_schema WHERE type = "table" ORDER BY 1')"
}

@test "an applied file that is gone, or has another number, is missing" {
	make_small "$database"
	make_sql 3
	migrate 0 up "$database" 2
	mv "$migrations/1_t1.sql" "$migrations/4_t1.sql"
	bad missing 1
	mv "$migrations/4_t1.sql" "$migrations/1_t1.sql"
	sql "INSERT INTO schema_migrations VALUES ('20991231')"
	bad missing 20991231
}

@test "two files of one version are refused" {
	make_small "$database"
	make_sql 2
	cp "$migrations/2_t2.sql" "$migrations/2_other.sql"
	bad duplicate 2 2_other.sql
	mv "$migrations/2_other.sql" "$migrations/02_other.sql"
	refuses_to 3 up "$database"
	error_says 02_other.sql
}

@test "an order by name that is not the one by number is refused" {
	make_small "$database"
	make_sql 2
	sql_file 10_ten.sql 'CREATE TABLE t10 (x);'
	refuses_to 3 up "$database"
	error_says 10_ten.sql
}

@test "a late migration is said, and runs, as with dbmate" {
	make_small "$database"
	make_sql 3
	mv "$migrations/2_t2.sql" "$BATS_TEST_TMPDIR/"
	migrate 0 up "$database"
	mv "$BATS_TEST_TMPDIR/2_t2.sql" "$migrations/"
	migrate 1 status "$database"
	answer_has '[.problems[] | [.kind, .version]] == [["out-of-order", "2"]]'
	migrate 0 up "$database"
	applied_are 2
	[[ $stderr == *2_t2.sql* ]]
	migrate 0 status "$database"
}

# --- what is in a file ----------------------------------------------------------------------------

@test "a file that cannot be parsed is named with the reason, whatever else is pending" {
	make_small "$database"
	make_sql 1
	cd /
	for text in '' '-- only a comment\n' 'CREATE TABLE a (x);\n' '-- migrate:up\nCREATE TABLE a (x);\n' \
		'-- migrate:down\n-- migrate:up\n' 'SELECT 1;\n-- migrate:up\n-- migrate:down\n' \
		'-- migrate:up\n-- migrate:up\n-- migrate:down\n' '\xef\xbb\xbf-- migrate:up\n-- migrate:down\n' \
		"-- migrate:up\nCREATE TABLE a (x);\x00\n-- migrate:down\n"; do
		printf '%b' "$text" >"$migrations/2_bad.sql"
		refuses_to 3 up "$database"
		error_says 2_bad.sql
		run --separate-stderr dbmigrate --json status "$database"
		answer=$output
		answer_has '[.problems[] | [.kind, .version]] == [["unparsable", "2"]]'
	done
}

@test "odd files that dbmate takes are taken: CRLF, no last semicolon, no text, an open comment, no blank" {
	make_small "$database"
	mkdir -p "$migrations"
	local number=0
	for text in '-- migrate:up\r\nCREATE TABLE a (x);\r\n-- migrate:down\r\nDROP TABLE a;\r\n' \
		'-- migrate:up\nCREATE TABLE b (x)\n-- migrate:down\nDROP TABLE b' '-- migrate:up\n-- migrate:down\n' \
		'-- migrate:up\nCREATE TABLE c (x); /* and so on\n-- migrate:down\nDROP TABLE c\n' \
		'--migrate:up\nCREATE TABLE d (x);\n--migrate:down\nDROP TABLE d;;;\n' \
		"-- migrate:up\nINSERT INTO clients (name) VALUES ('\xff\xfe; -- no');\n-- migrate:down\n" \
		'-- migrate:up\nCREATE TRIGGER e AFTER INSERT ON clients BEGIN SELECT 1; SELECT 2; END;\n-- migrate:down\nDROP TRIGGER e;'; do
		((++number))
		printf '%b' "$text" >"$migrations/$number.sql"
	done
	local other=$BATS_TEST_TMPDIR/other.db
	cp "$database" "$other"
	migrate 0 up "$database"
	applied_are 1 2 3 4 5 6 7
	require_dbmate
	database=$other dbmate up >/dev/null
	same_dump "$database" "$other"
	migrate 0 down "$database" base
	applied_are 7 6 5 4 3 2 1
}

@test "a file of many statements runs whole, a huge one is refused" {
	make_small "$database"
	mkdir -p "$migrations"
	{
		printf -- '-- migrate:up\nCREATE TABLE many (x);\n'
		yes "INSERT INTO many VALUES ('one of a lot');" | head -n 20000
		printf -- '-- migrate:down\nDROP TABLE many;\n'
	} >"$migrations/1_many.sql"
	migrate 0 up "$database"
	is_same 20000 "$(sql 'SELECT count(*) FROM many')"
	truncate -s 1G "$migrations/2_huge.sql"
	refuses_to 3 up "$database"
	error_says 2_huge.sql
}

# --- names and kinds of files ---------------------------------------------------------------------

@test "odd names are what dbmate takes them for, and are shown escaped" {
	make_small "$database"
	local name number=0
	for name in '1_a;rm -rf ~.sql' '2.sql' '3 ü.sql' '4_$(id)`id`.sql' "5_'quote\".sql" "7$(printf 'x%.0s' {1..250}).sql"; do
		sql_file "$name" "CREATE TABLE t$((++number)) (x);" "DROP TABLE t$number;"
	done
	sql_file 90000000000000000000000000000_big.sql 'CREATE TABLE big (x);'
	# These are no migrations.
	for name in a1.sql 1_a.SQL .1_a.sql '#8_x.sql#' 8_x.sql~ '8_x.sql ' $'\u0663_x.sql' -8_x.sql README; do
		echo nonsense >"$migrations/$name"
	done
	cp "$database" "$BATS_TEST_TMPDIR/other.db"
	migrate 0 up "$database"
	applied_are 1 2 3 4 5 7 90000000000000000000000000000
	exits_with 0 dbmigrate history "$database"
	text=$output
	text_is_printable
	require_dbmate
	database=$BATS_TEST_TMPDIR/other.db dbmate up >/dev/null
	same_dump "$database" "$BATS_TEST_TMPDIR/other.db"
}

@test "a name with control characters is refused and shown escaped" {
	make_small "$database"
	make_sql 1
	for name in $'2_\e[31m.sql' $'2_\n.sql' $'2_\u009b.sql'; do
		sql_file "$name" 'CREATE TABLE t2 (x);'
		refuses_to 3 up "$database"
		rm "$migrations/$name"
	done
}

# The file $migrations/2_t2.sql is refused by name.
odd_file() {
	refuses_to 3 up "$database"
	error_says 2_t2.sql
	rm -rf "$migrations/2_t2.sql"
}

@test "a migration that is a link, a folder, a FIFO, a device, or that others can write, is refused" {
	make_small "$database"
	make_sql 1
	ln -s 1_t1.sql "$migrations/2_t2.sql"
	odd_file
	mkdir "$migrations/2_t2.sql"
	odd_file
	mkfifo "$migrations/2_t2.sql"
	odd_file
	sql_file 2 'CREATE TABLE t2 (x);'
	chmod 666 "$migrations/2_t2.sql"
	odd_file
	require_root
	mknod "$migrations/2_t2.sql" c 1 5
	odd_file
	sql_file 2 'CREATE TABLE t2 (x);'
	chown 12345 "$migrations/2_t2.sql"
	odd_file
}

@test "a folder of migrations that cannot be read is 3" {
	make_small "$database"
	make_sql 1
	: >"$BATS_TEST_TMPDIR/file"
	refuses_to 3 up --migrations="$BATS_TEST_TMPDIR/file" "$database"
	mkdir "$BATS_TEST_TMPDIR/empty"
	run --separate-stderr dbmigrate --json up --migrations="$BATS_TEST_TMPDIR/empty" "$database"
	[[ $status == 0 || $status == 3 ]]
	is_same '' "$(sql "SELECT name FROM sqlite_schema WHERE name GLOB 't[0-9]*'")"
}

@test "a down file of a pair that is alone, and a number that is too large, are refused" {
	make_small "$database"
	migrations=$project/migrations
	mkdir "$migrations"
	echo 'CREATE TABLE a (x);' >"$migrations/1_a.up.sql"
	echo 'DROP TABLE b;' >"$migrations/2_b.down.sql"
	refuses_to 3 up "$database"
	error_says 2_b.down.sql
	rm "$migrations/2_b.down.sql"
	echo 'CREATE TABLE b (x);' >"$migrations/99999999999999999999_b.up.sql"
	refuses_to 3 up "$database"
	error_says 99999999999999999999_b.up.sql
	rm "$migrations/99999999999999999999_b.up.sql"
	migrate 0 up "$database"
	rm "$migrations/1_a.up.sql"
	echo 'CREATE TABLE b (x);' >"$migrations/2_b.up.sql"
	refuses_to 3 up "$database"
}
