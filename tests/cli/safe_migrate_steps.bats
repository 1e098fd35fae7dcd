#!/usr/bin/env bats
#
# safe_migrate.sh: each step made to fail in each way, and what is true and said then.
#
# DBLOCKTOOLS_LONG=1 has each exit status of each tool, not only one of those that are taken alike.
#
# shellcheck disable=SC2317 # rows calls what it is given by name

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	load ../helpers/chain.bash
	chain_setup
}

teardown() {
	chain_teardown
}

# Who holds the file is not the question of most tests here; to prove that it is free takes time.
nobody_is_there() {
	fake botkill 0
	fake dblockcheck 0
}

# fails_as TOOL WHEN USUAL REST: "STATUS:WANTED ..." each; all change nothing, and never start the bot. before_it and after_it are
# the test's own.
fails_as() {
	failing=$1 pattern=$2
	# shellcheck disable=SC2086 # they are words
	rows one_fails $3 ${DBLOCKTOOLS_LONG:+$4}
}

one_fails() {
	before_it
	fake "$failing" "${1%:*}" "$pattern"
	nothing_begun "${1#*:}" prod
	data_is unchanged
	talk_says 'the database was not changed'
	never_started
	is_same '' "$(grep '^dbmigrate .* up ' "$calls" | grep -v -e --backup= || true)"
	after_it
}

before_it() { :; }

after_it() { talk_says 'the bot was not touched'; }

rehearses() { sed -i s/REHEARSE=no/REHEARSE=yes/ dblocktools.conf; }

@test "a checklist that fails in whatever way changes nothing and touches no bot" {
	fails_as dbmigrate '*" check "*' '4:4 137:3' '2:3 3:3 5:5 6:3 7:3 99:3 139:3'
}

@test "a revision that cannot be read changes nothing and touches no bot" {
	fails_as dbmigrate '*" status "*' '137:3' '2:3 3:3 4:3 5:3 6:3 7:3 99:3 139:3'
}

@test "a rehearsal that fails in whatever way changes nothing and touches no bot" {
	before_it() { rehearses; }
	fails_as dbmigrate '*" rehearse "*' '1:1 137:3' '2:3 3:3 4:4 5:5 6:3 99:3 139:3'
}

@test "a bot that cannot be stopped is a failure, and the start command is said" {
	after_it() { talk_says 'the bot is stopped; to start it: .*bot.sh'; }
	fails_as botkill '*' '1:5 4:4 137:3' '2:3 3:3 5:5 6:3 7:3 99:3 139:3'
}

@test "a file that is not proved free is not touched" {
	before_it() { fake botkill 0; }
	after_it() { :; }
	fails_as dblockcheck '*' '1:5 4:4 137:3' '2:3 3:3 5:3 6:3 7:3 99:3 139:3'
}

@test "without a backup prod is never migrated" {
	before_it() { nobody_is_there; }
	after_it() { is_same '' "$(grep '^dbmigrate .* up ' "$calls" || true)"; }
	fails_as dbbackup '*/backups/*' '0:3 1:3 5:5' '2:3 3:3 4:3 6:3 7:3 99:3 137:3 139:3'
}

@test "a backup that says it is not verified is none" {
	nobody_is_there
	: >made.db
	fake dbbackup 0 '*/backups/*' "echo '{\"backup\":\"$project/made.db\",\"verified\":\"none\"}'"
	nothing_begun 3
	is_same '' "$(grep '^dbmigrate .* up ' "$calls" || true)"
}

@test "a migration that fails in whatever way it says leaves the data as it was" {
	before_it() { nobody_is_there; }
	after_it() { answer_has '[.steps[].ok] == [true, true, true, true, false]'; }
	fails_as dbmigrate '*" up "*' '1:1 99:3' '2:3 3:3 4:4 5:5 137:3 139:3'
}

@test "a migration that was put back is 6, and the bot may be started" {
	nobody_is_there
	fake dbmigrate 6 '*" up "*'
	chain 6
	data_is put-back
	talk_says 'to start it: '
	no_record
}

@test "after 7 the bot is not started, by whoever, until the backup is back" {
	nobody_is_there
	fake dbmigrate 7 '*" up "*' "sqlite3 '$database' 'CREATE TABLE half (id)'"
	chain 7 --restart
	data_is unknown
	talk_says 'do not start the bot'
	exits_with 7 "$scripts/bot.sh" --project="$project" start prod
	real dbmigrate
	chain 7 --restart
	data_is unknown
	never_started
	# It is to start the bot again, as the run that failed was.
	real dblockcheck
	"$dbrestore" -q "$(jq -r .backup <<<"$answer")" "$database"
	chain 0
	revision_is "$last_revision"
	bot_holds
	no_record
}

@test "a state that is not known is forgotten when that is said" {
	nobody_is_there
	fake dbmigrate 7 '*" up "*' "sqlite3 '$database' 'CREATE TABLE half (id)'"
	chain 7
	real dbmigrate
	chain 0 --forget
	revision_is "$last_revision"
	no_record
}

@test "a rehearsal that ends with 7 starts no bot" {
	sed -i s/REHEARSE=no/REHEARSE=yes/ dblocktools.conf
	fake dbmigrate 7 '*" rehearse "*'
	chain 7 --restart
	data_is unknown
	never_started
}

@test "a migration that was killed after it was published is seen, verified and kept" {
	nobody_is_there
	fake dbmigrate 137 '*" up "*' "'$tools_here/dbmigrate' \"\$@\""
	chain 0
	data_is new
	revision_is "$last_revision"
	talk_says 'the migration is in the database'
}

unverified() {
	nobody_is_there
	fake dbbackup "$1" '*--verify=quick*'
	chain 6
	is_put_back
}

is_put_back() {
	data_is put-back
	talk_says 'the backup was put back'
	same_dump "$BATS_FILE_TMPDIR/chain/project/data/bot.db" "$database"
	no_record
	never_started
}

@test "a verification that fails in whatever way puts the backup back" {
	# shellcheck disable=SC2086 # they are words
	rows unverified 1 ${DBLOCKTOOLS_LONG:+3 7 137}
}

@test "a revision that is another one after the migration puts the backup back" {
	nobody_is_there
	fake dbmigrate 0 '*" up "*' "'$tools_here/dbmigrate' \"\$@\" && sqlite3 '$database' \"DELETE FROM schema_migrations WHERE version = '$last_revision'\""
	chain 6
	is_put_back
}

not_put_back() {
	nobody_is_there
	fake dbbackup 1 '*--verify=quick*'
	fake dbrestore "$1"
	chain 7 --restart
	data_is unknown
	talk_says 'do not start the bot'
	talk_says 'to put the backup back: .*dbrestore'
	never_started
}

@test "a backup that cannot be put back is 7, whatever dbrestore says" {
	# shellcheck disable=SC2086 # they are words
	rows not_put_back 0 1 ${DBLOCKTOOLS_LONG:+5 137}
}

# --- the bot --------------------------------------------------------------------------------------

@test "with --restart the bot is stopped, migrated under, and holds the file again" {
	start_project_bot
	chain 0 --restart
	bot_holds
	is_same 2 "$(wc -l <"$bots")"
	revision_is "$last_revision"
	answer_has '.bot.stopped and .bot.restarted and .data == "new" and (.steps | length) == 7'
	no_record
}

@test "with --restart a failing migration leaves the bot running on the data as it was" {
	fake dbmigrate 3 '*" up "*'
	start_project_bot
	chain 3 --restart
	bot_holds
	data_is unchanged
	talk_says 'the bot runs again'
	answer_has '.bot.restarted'
	revision_is "$first_revision"
}

@test "a supervisor that starts the bot again and again ends in 5" {
	fake botkill 0
	start_project_bot
	nothing_begun_but_writes 5
	bot_holds
	talk_says 'held by [0-9]+'
}

# The bot works on; the schema is what is compared.
nothing_begun_but_writes() {
	chain "$@"
	revision_is "$first_revision"
	data_is unchanged
	no_record
}

led_elsewhere() {
	nobody_is_there
	fake "$1" 0 "$2" "'$tools_here/$1' \"\$@\"; cp '$database' '$database.new'; mv -T '$database.new' '$database'"
	chain 3
	data_is unchanged
	talk_says 'another file is at data/bot.db now'
	same_dump "$BATS_FILE_TMPDIR/chain/project/data/bot.db" "$database"
}

@test "a path that leads to another file between the steps is refused" {
	rows led_elsewhere 'botkill *--grace*' 'dbbackup */backups/*'
}

@test "a bot that does not come up after the migration is 3, and the migration stays" {
	nobody_is_there
	sed -i 's/START=.*run_bot/START=false/' dblocktools.conf
	chain 3 --restart
	data_is new
	revision_is "$last_revision"
	talk_says 'the migration is done and stays; the bot is not up: it does not stay up'
	no_record
}

@test "a bot that crashes after a moment is not up" {
	nobody_is_there
	sed -i "s/START=.*run_bot/START=sh -c 'echo goes wrong; exec timeout 0.05 cat <> never'/" dblocktools.conf
	mkfifo never
	chain 3 --restart
	talk_says 'the bot is not up: it does not stay up; the end of its output: goes wrong'
}

@test "a bot that runs and does not open the database is not up" {
	sed -i "s/START=.*run_bot/START=.\/idle/; s/START_SECONDS=.*/START_SECONDS=0.2/" dblocktools.conf
	printf '#!/bin/bash\nread -ra stat </proc/$$/stat\necho "$$ ${stat[21]}" >>%q\nexec tail -f /dev/null\n' "$bots" >idle
	chmod 755 idle
	chain 3 --restart
	talk_says 'does not keep the database open'
	echo HOLDS_DATABASE=no >>dblocktools.conf
	chain 0 --down=-1 --restart
}
