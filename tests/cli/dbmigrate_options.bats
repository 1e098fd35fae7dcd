#!/usr/bin/env bats
#
# The command line of dbmigrate: its commands, targets and options, which engine it takes, and its answers.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	migrate_setup
	make_small "$database"
}

teardown() {
	migrate_teardown
}

# --- help and usage -------------------------------------------------------------------------------

@test "--help names every command and every option, --version the tool" {
	exits_with 0 dbmigrate --help
	text=$output
	is_same '' "$stderr"
	for word in status history check up down rehearse new --engine --migrations --alembic --alembic-command \
		--backup --no-backup --in-place --allow-row-loss --timeout --wait --help --version --quiet --verbose \
		--json --color; do
		text_has "(^|[ ,=|[])$word([] ,=|[]|$)"
	done
	exits_with 0 dbmigrate --version
	[[ $output == dbmigrate* ]]
}

@test "--verbose tells each phase on standard error, as it begins" {
	exits_with 0 dbmigrate up --verbose --no-backup "$database" -- sqlite3 "$database" 'CREATE TABLE more (x)'
	is_same "$(printf 'dbmigrate: %s\n' copying verifying publishing)" "$stderr"
}

# A wrong command line in both forms.
wrong() {
	remember_bytes
	says_trouble 2 dbmigrate "$@"
	[[ $stderr == "dbmigrate: "* ]]
	migrate 2 "$@"
	error_is 2
	same_bytes
	[ ! -e "$folder/.dblocktools" ]
}

@test "a wrong command line is 2, also in JSON, and changes nothing" {
	make_sql 2
	wrong
	wrong status
	wrong sideways "$database"
	wrong status "$database" head
	wrong history "$database" head
	wrong check "$database" head
	wrong up "$database" head more
	wrong new
	wrong up "$database" --no-such-option
	wrong up --engine=magic "$database"
	wrong up --timeout=soon "$database"
	wrong up --timeout=-1 "$database"
	wrong up --wait=never "$database"
	wrong up --color=maybe "$database"
}

@test "a target that cannot be one is 2" {
	make_sql 2
	wrong up "$database" -1
	wrong up "$database" base
	wrong up "$database" +
	wrong up "$database" +0
	wrong up "$database" +x
	wrong up "$database" ''
	wrong down "$database" +1
	wrong down "$database" head
	wrong down "$database" -0
	wrong down "$database" -x
	wrong down "$database" ''
}

@test "a program goes with up and rehearse only, and with no engine but command" {
	make_sql 2
	wrong down "$database" -- /bin/true
	wrong history "$database" -- /bin/true
	wrong new thing -- /bin/true
	wrong up --engine=sql "$database" -- /bin/true
	wrong up --engine=alembic "$database" -- /bin/true
	wrong up --engine=command "$database"
	wrong up "$database" --
	wrong down --engine=command "$database"
}

@test "an in-place run without a backup is refused: nothing could be put back" {
	make_sql 2
	wrong up --in-place --no-backup "$database" -- /bin/true
}

@test "a database that is not there, is a folder, a FIFO or no database is 3" {
	make_sql 1
	mkfifo "$folder/fifo"
	echo 'this is no database, it is a letter of some length' >"$folder/letter"
	for path in "$folder/none.db" "$folder" "$folder/fifo" "$folder/letter"; do
		for command in status up rehearse; do
			says_trouble 3 dbmigrate "$command" "$path"
			migrate 3 "$command" "$path"
		done
	done
	[ ! -e "$folder/none.db" ]
}

# --- targets --------------------------------------------------------------------------------------

@test "-1 is a target wherever it stands, and is what down does without one" {
	make_sql 6
	migrate 0 up "$database"
	migrate 0 down "$database" -1
	applied_are 6
	migrate 0 down --no-backup "$database" -1
	applied_are 5
	exits_with 0 dbmigrate down "$database" -1 --json
	answer=$output
	applied_are 4
	migrate 0 down "$database"
	applied_are 3
	migrate 0 -q down "$database" -2
	applied_are 2 1
	answer_has '.from == "2" and .to == null'
}

@test "up goes to head, some steps, or to a version; down some steps, to a version, or to the base" {
	make_sql 6
	migrate 0 up "$database" +2
	applied_are 1 2
	answer_has '.from == null and .to == "2"'
	migrate 0 up "$database" 4
	applied_are 3 4
	migrate 0 up "$database" head
	applied_are 5 6
	migrate 0 down "$database" 4
	applied_are 6 5
	answer_has '.from == "6" and .to == "4"'
	migrate 0 down "$database" base
	applied_are 4 3 2 1
	answer_has '.to == null'
}

@test "a version that is not there is 3 and named" {
	make_sql 3
	migrate 0 up "$database" 2
	refuses_to 3 up "$database" 77
	error_says 77
	refuses_to 3 down "$database" 77
	error_says 77
}

@test "more steps than there are is 3, or as far as it goes, but never something else" {
	make_sql 3
	remember_bytes
	run --separate-stderr dbmigrate --json up "$database" +9
	answer=$output
	case $status in
	0) applied_are 1 2 3 ;;
	3) same_bytes ;;
	*) exit_status_is 3 ;;
	esac
}

# --- which engine ---------------------------------------------------------------------------------

engine_is() {
	migrate "${status_wanted:-1}" status "${@:2}" "$database"
	answer_has --arg engine "$1" '.engine == $engine'
}

@test "SQL files are found in db/migrations or migrations of the current, the database's and its parent folder" {
	for place in "$project" "$folder" "$BATS_TEST_TMPDIR/elsewhere"; do
		for name in db/migrations migrations; do
			migrations=$place/$name
			make_sql 2
			cd "$place"
			[[ $place == */elsewhere ]] || cd /
			engine_is sql
			answer_has '[.pending[].version] == ["1", "2"]'
			rm -r "$migrations"
		done
	done
}

@test "alembic.ini is found in the same places, and comes before SQL files beside it" {
	make_alembic 2
	make_sql 3
	cd /
	engine_is alembic
	engine_is sql --engine=sql
	answer_has '.pending | length == 3'
	engine_is sql --migrations="$migrations"
	mkdir "$BATS_TEST_TMPDIR/elsewhere"
	mv "$project"/{alembic.ini,migrations} "$BATS_TEST_TMPDIR/elsewhere/"
	engine_is sql
	engine_is alembic --alembic="$BATS_TEST_TMPDIR/elsewhere/alembic.ini"
	engine_is alembic --alembic="$BATS_TEST_TMPDIR/elsewhere"
}

@test "the current folder comes first" {
	make_sql 3
	migrations=$BATS_TEST_TMPDIR/here/migrations
	make_sql 1
	cd "$BATS_TEST_TMPDIR/here"
	engine_is sql
	answer_has '.pending | length == 1'
}

@test "a program is run whatever else is there" {
	make_alembic 1
	make_sql 1
	migrate 0 up "$database" -- /usr/bin/sqlite3 "$database" 'CREATE TABLE by_program (x)'
	answer_has '.engine == "command"'
	is_same 0 "$(sql 'SELECT count(*) FROM by_program')"
}

@test "where nothing is found, it is said where it was looked for" {
	cd "$BATS_TEST_TMPDIR"
	for engine in auto sql alembic; do
		refuses_to 3 status --engine="$engine" "$database"
		error_says "$folder"
		error_says "$project"
	done
	refuses_to 3 up --migrations="$project/nowhere" "$database"
	error_says nowhere
	refuses_to 3 up --alembic="$project/nowhere.ini" "$database"
	error_says nowhere.ini
}

# --- answers --------------------------------------------------------------------------------------

@test "the answer tells what was done, how long it took, and where the backup is" {
	make_sql 2
	sql_file 3 "INSERT INTO clients (name) VALUES ('new'); DROP TABLE t1; ALTER TABLE t2 ADD COLUMN y;"
	migrate 0 up "$database" 1
	migrate 0 up "$database"
	answer_has --arg database "$database" '.command == "up" and .engine == "sql" and .database == $database and
		.published and .sandbox == null and .from == "1" and .to == "3" and .applied == ["2", "3"] and
		(.locked_seconds > 0) and (.seconds.run >= 0) and .log == null'
	answer_has '[.schema_changes[] | [.change, .type, .name, .table]] | sort ==
		[["added", "table", "t2", "t2"], ["removed", "table", "t1", "t1"]]'
	answer_has '(.tables | map(select(.name == "clients")) ==
		[{name: "clients", rows_before: 20, rows_after: 21}]) and
		(.tables | map(select(.name == "t1")) == [{name: "t1", rows_before: 0, rows_after: null}]) and
		(.tables | map(select(.name == "t2")) == [{name: "t2", rows_before: null, rows_after: 0}])'
	backup=$(jq -r .backup <<<"$answer")
	is_same "$backups" "${backup%/*}"
	good_backup "$backup"
	is_same '' "$(sqlite3 -batch "$backup" "SELECT name FROM sqlite_schema WHERE name = 't2'")"
}

@test "for people it is said what was applied, and what changed" {
	make_sql 2
	exits_with 0 dbmigrate up "$database"
	text=$output
	text_is_printable
	text_has '1_t1|t1'
	text_has '\b2\b'
	exits_with 0 dbmigrate status "$database"
	text=$output
	text_has '\b2\b'
	exits_with 0 dbmigrate history "$database"
	text=$output
	text_has '\b1\b.*t1'
	exits_with 0 dbmigrate -q down "$database"
	is_same '' "$output$stderr"
}

@test "--backup is another folder, and --no-backup makes none" {
	make_sql 3
	mkdir "$BATS_TEST_TMPDIR/safe"
	migrate 0 up --backup="$BATS_TEST_TMPDIR/safe" "$database" +1
	backup=$(jq -r .backup <<<"$answer")
	is_same "$BATS_TEST_TMPDIR/safe" "${backup%/*}"
	good_backup "$backup"
	migrate 0 up --no-backup "$database"
	answer_has '.backup == null'
	[ ! -e "$backups" ]
}

@test "a backup that cannot be made stops it" {
	make_sql 2
	: >"$BATS_TEST_TMPDIR/file"
	refuses_to 3 up --backup="$BATS_TEST_TMPDIR/file" "$database"
	if ((EUID == 0)); then
		mount_for_test -t tmpfs -o size=4k tmpfs "$BATS_TEST_TMPDIR/disk"
		refuses_to 3 up --backup="$BATS_TEST_TMPDIR/disk" "$database"
	fi
}

@test "a full standard output is 3, whatever was done" {
	make_sql 1
	for command in status history check up; do
		run --separate-stderr bash -c '"$0" "$@" >/dev/full' "$dbmigrate" "$command" "$database"
		exit_status_is 3 "$command"
	done
}

@test "status is 1 while something is pending and 0 when nothing is, and changes nothing" {
	make_sql 2
	remember_bytes
	migrate 1 status "$database"
	answer_has '.current == null and .heads == ["2"] and .problems == [] and .leftovers == [] and
		.pending == [{version: "1", name: "t1"}, {version: "2", name: "t2"}]'
	same_bytes
	migrate 0 up "$database"
	remember_bytes
	migrate 0 status "$database"
	answer_has '.current == "2" and .pending == []'
	same_bytes
}

@test "history tells every migration, oldest first, with its file and whether it is applied" {
	make_sql 3
	migrate 0 up "$database" 2
	migrate 0 history "$database"
	answer_has '[.migrations[] | [.version, .name, .applied]] ==
		[["1", "t1", true], ["2", "t2", true], ["3", "t3", false]] and
		(.migrations[2].file | endswith("3_t3.sql"))'
}

@test "status and history of a program's database tell where it is" {
	at_alembic cafe
	cd /
	migrate 0 status --engine=command "$database"
	answer_has '.current == "cafe" and .pending == []'
}

@test "a hostile name of a database is printed escaped, in text and in JSON" {
	make_sql 1
	mv "$database" "$folder/"$'b\e[31m\nx.db'
	exits_with 0 dbmigrate up "$folder/"$'b\e[31m\nx.db'
	text=$output
	text_is_printable
	stderr_is_printable
	migrate 0 status "$folder/"$'b\e[31m\nx.db'
	mv "$folder/"$'b\e[31m\nx.db' "$folder/-x.db"
	cd "$folder"
	migrate 0 down ./-x.db
}
