#!/usr/bin/env bats
#
# dbmigrate with Alembic projects: the same result as plain Alembic on a stopped database, or none at all.

bats_require_minimum_version 1.5.0

first=a1c05f3e9d20 second=b2d17a4f8c31 third=c3e28b5a7f42 fourth=d4f39c6b5a53 last=e5a40d7c3b64

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	require_module alembic
	migrate_setup
	umask 022
}

teardown() {
	migrate_teardown
}

# Alembic itself, on a copy of the project; the database is in $other.
alembic_apart() {
	local project=$BATS_TEST_TMPDIR/apart
	[[ -d $project ]] || cp -r "$BATS_TEST_TMPDIR/project" "$project"
	other=$project/data/bot.db
	alembic "$@" >/dev/null
}

# --- the same as Alembic --------------------------------------------------------------------------

@test "a shop gets the same dump as from Alembic, in WAL and in DELETE mode, up and down" {
	for mode in wal delete; do
		rm -rf "$BATS_TEST_TMPDIR/apart" "${project:?}"/*
		mkdir -p "$folder"
		make_shop "$mode"
		at_alembic "$first"
		alembic_apart upgrade head 2>/dev/null
		remember_identity
		migrate 0 up "$database"
		answer_has --arg from "$first" --arg to "$last" '.engine == "alembic" and .from == $from and .to == $to and
			.published and (.sandbox == "overlay" or .sandbox == "url")'
		applied_are "$second" "$third" "$fourth" "$last"
		same_dump "$database" "$other"
		same_identity
		is_same "$mode" "$(sql 'PRAGMA journal_mode')"
		no_trace
	done
	alembic_apart downgrade "$second" 2>/dev/null
	migrate 0 down --no-backup "$database" "$second"
	applied_are "$last" "$fourth" "$third"
	same_dump "$database" "$other"
}

# All of it but how large it is.
remember_identity() { identity_before=$(identity); }

same_identity() { is_same "$identity_before" "$(identity)"; }

@test "an empty database gets the same dump as from Alembic" {
	make_shop delete
	: >"$database"
	alembic_apart upgrade head 2>/dev/null
	migrate 0 up "$database"
	answer_has '.from == null and (.applied | length == 5)'
	same_dump "$database" "$other"
}

@test "status and history tell what Alembic does, and change nothing" {
	make_shop
	remember_bytes
	migrate 1 status "$database"
	answer_has --arg last "$last" '.current == null and .heads == [$last] and (.pending | length == 5)'
	at_alembic "$third"
	remember_bytes
	migrate 1 status "$database"
	answer_has --arg third "$third" --arg last "$last" --arg fourth "$fourth" '.current == $third and
		[.pending[].version] == [$fourth, $last] and (.pending[0].name | startswith("kinds from models")) and
		.problems == [] and .leftovers == []'
	migrate 0 history "$database"
	answer_has --arg first "$first" '[.migrations[].applied] == [true, true, true, false, false] and
		.migrations[0].version == $first and (.migrations[0].file | . == null or endswith(".py"))'
	same_bytes
	no_trace
}

@test "+N, -N, versions, their beginnings, head and base go where they say" {
	make_alembic 5
	make_small "$database"
	cd "$folder"
	migrate 0 up bot.db +2
	applied_are r1 r2
	alembic_is_at r2
	migrate 0 up bot.db r3
	alembic_is_at r3
	migrate 0 up --no-backup bot.db head
	applied_are r4 r5
	migrate 0 down bot.db
	alembic_is_at r4
	migrate 0 down bot.db -2
	applied_are r4 r3
	migrate 0 down bot.db base
	applied_are r2 r1
	alembic_is_at ''
	migrate 1 status bot.db
}

@test "new makes a revision after the last one" {
	make_alembic 2
	cd "$project"
	migrate 0 new 'add phones'
	file=$(jq -r .file <<<"$answer")
	[[ $file == "$project/migrations/versions/"*add_phones.py ]]
	grep -q "^down_revision = 'r2'" "$file"
}

@test "with nothing to do the file stays byte for byte, beside a bot too" {
	make_alembic 2
	make_small "$database" wal
	migrate 0 up "$database"
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	remember_bytes
	migrate 0 up "$database"
	answer_has '.applied == [] and (.published | not) and .backup == null'
	same_bytes
}

# --- what goes wrong ------------------------------------------------------------------------------

@test "a revision that fails half-way leaves the file byte for byte, and what Alembic said is told and kept" {
	for mode in wal delete; do
		rm -rf "${project:?}"/*
		mkdir -p "$folder"
		make_shop "$mode"
		at_alembic "$first"
		add_failing_revision
		refuses_to 3 up "$database"
		error_says alembic
		[[ $stderr == *'UNIQUE constraint failed: orders.problem'* ]]
		log=$(jq -r .log <<<"$answer")
		is_same "$backups" "${log%/*}"
		[[ $log == *.migrate.log ]]
		grep -q 'UNIQUE constraint failed: orders.problem' "$log"
	done
	refuses_to 3 up --no-backup "$database"
	log=$(jq -r .log <<<"$answer")
	is_same "$folder/.dblocktools" "${log%/*}"
	migrate 0 up "$database" "$last"
}

@test "a revision that is killed in the middle leaves the file byte for byte" {
	make_alembic 1
	make_small "$database"
	revision r2 r1 $'op.execute("CREATE TABLE half (x)")\nos.kill(os.getpid(), 9)'
	refuses_to 3 up "$database"
	error_says 'KILL|9'
}

@test "more than one head is said, and a version resolves it" {
	make_alembic 2
	make_small "$database"
	revision side r1 'op.execute("CREATE TABLE side (x)")' 'op.execute("DROP TABLE side")'
	run --separate-stderr dbmigrate --json status "$database"
	answer=$output
	answer_has '(.heads | sort == ["r2", "side"]) and any(.problems[]; .kind == "multiple-heads")'
	refuses_to 3 up "$database"
	error_says head
	error_says side
	migrate 0 up "$database" side
	alembic_is_at side
}

@test "a revision that the project does not have is said" {
	make_alembic 2
	make_small "$database"
	at_alembic deadbeef
	run --separate-stderr dbmigrate --json status "$database"
	answer=$output
	answer_has '.current == "deadbeef" and any(.problems[]; .kind == "unknown-revision")'
	refuses_to 3 up "$database"
	error_says deadbeef
	refuses_to 3 up "$database" nowhere
	error_says 'nowhere|deadbeef'
}

@test "tables that an earlier accident left are named" {
	make_alembic 2
	make_small "$database"
	sql 'CREATE TABLE _alembic_tmp_orders (x)'
	migrate 1 status "$database"
	answer_has '.leftovers == ["_alembic_tmp_orders"]'
	exits_with 1 dbmigrate status "$database"
	[[ $output$stderr == *_alembic_tmp_orders* ]]
	migrate 0 up "$database" +1
	[[ $stderr == *_alembic_tmp_orders* ]]
}

@test "a rebuilt parent table that empties its children is refused, and passes with --allow-row-loss" {
	make_alembic 1
	make_small "$database"
	revision r2 r1 $'op.execute("PRAGMA foreign_keys = ON")\nwith op.batch_alter_table("clients") as clients:\n    clients.alter_column("name", nullable=False)'
	refuses_to 1 up "$database"
	error_says orders
	migrate 0 up --allow-row-loss=orders "$database"
	is_same 0 "$(sql 'SELECT count(*) FROM orders')"
}

@test "a project whose scripts are broken is 3 and told in Alembic's words" {
	make_alembic 2
	make_small "$database"
	echo 'this is no Python' >"$project/migrations/versions/r2.py"
	refuses_to 3 up "$database"
	[[ $stderr$answer == *SyntaxError* || $stderr$answer == *'invalid syntax'* ]]
	rm "$project/migrations/versions/r2.py"
	env_py <<<'raise RuntimeError("the settings are missing")'
	refuses_to 3 up "$database"
	[[ $stderr$answer == *'the settings are missing'* ]]
}

# --- the project's own Alembic --------------------------------------------------------------------

# An alembic in a folder, which says its name when it runs.
make_environment() {
	mkdir -p "$1/bin"
	printf '#!/bin/sh\necho "this is %s" >&2\nexec /usr/bin/python3 -m alembic "$@"\n' "${1##*/}" >"$1/bin/alembic"
	chmod 755 "$1/bin/alembic"
}

@test "the virtual environment of the project is found, and --alembic-command comes before it" {
	make_alembic 6
	make_small "$database"
	make_environment "$BATS_TEST_TMPDIR/active"
	VIRTUAL_ENV=$BATS_TEST_TMPDIR/active migrate 0 up --no-backup "$database" +1
	[[ $stderr == *'this is active'* ]]
	for name in venv .venv; do
		make_environment "$project/$name"
		VIRTUAL_ENV=$BATS_TEST_TMPDIR/active migrate 0 up --no-backup "$database" +1
		[[ $stderr == *"this is $name"* ]]
	done
	make_environment "$BATS_TEST_TMPDIR/mine"
	migrate 0 up --no-backup --alembic-command="$BATS_TEST_TMPDIR/mine/bin/alembic" "$database"
	[[ $stderr == *'this is mine'* ]]
	migrate 3 down --alembic-command="$BATS_TEST_TMPDIR/nowhere" "$database"
	error_says nowhere
}
