#!/usr/bin/env bats
#
# safe_migrate.sh: what is asked of it, by options and by the answer on a terminal.

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

@test "--to goes up to a revision, --down goes back by a number or to one; dev has no backup of its own accord" {
	fake botkill 0
	fake dblockcheck 0
	chain 0 --to=20260421081000 dev
	revision_is 20260421081000
	answer_has '.to == "20260421081000" and (.applied | length) == 3 and (has("backup") | not)'
	chain 0 --down=-1 dev
	revision_is 20260309143000
	chain 0 --down "$first_revision" dev
	revision_is "$first_revision"
	data_is new
	[[ ! -e $backups ]]
}

@test "when there is nothing to do nothing is stopped, backed up or written" {
	"$dbmigrate" -q --no-backup --engine=sql up "$database"
	fake botkill 0
	nothing_begun 0
	answer_has '.data == "unchanged" and (.bot.stopped | not) and (.steps | length) == 1'
	is_same '' "$(cat "$calls")"
	[[ ! -e $backups ]]
}

# All files of the project, with what stat says; but not when they were read. (As root SQLite gives a -wal that it opens to the
# database's owner, who has it: that only the change time tells.)
all_files() {
	# The -shm is no data: every reader sets its mark there.
	find "$project" ! -name '*-shm' -printf '%p %i %m %U %G %n %s %T@\n' | sort
	checksums "$project" | grep -v -e '-shm$'
}

@test "--dry-run leaves every byte, makes no file, stops nobody, and says what would be done" {
	local before
	start_project_bot
	kill -STOP "$(cut -d' ' -f1 "$bots")"
	until_true is_stopped "$(cut -d' ' -f1 "$bots")"
	before=$(all_files)
	chain 0 --dry-run
	is_same "$before" "$(all_files)"
	kill -CONT "$(cut -d' ' -f1 "$bots")"
	bot_holds
	talk_says '4/7 backup would go to .*/data/backups'
	talk_says '5/7 migrate would run: dbmigrate up .*/bot.db head'
	talk_says '7/7 start would be: ./run_bot'
}

@test "--dry-run of dev tells the folder for backups if one is made" {
	chain 0 --dry-run dev
	talk_does_not_say 'backup would go'
	conf_is BACKUP_DEV=yes
	chain 0 --dry-run dev
	talk_says '4/7 backup would go to .*/data/backups'
}

@test "dev has a backup if BACKUP_DEV says so" {
	fake botkill 0
	fake dblockcheck 0
	conf_is BACKUP_DEV=yes
	chain 0 --to=+1 dev
	revision_is 20260212101500
	good_backup "$(jq -r .backup <<<"$answer")"
	is_same "$first_revision" "$(sqlite3 "$copy" 'SELECT max(version) FROM schema_migrations')"
}

@test "-q says nothing when all is well, and what is wrong when it is not" {
	exits_with 0 safe_migrate -q --to=+1 dev
	is_same '' "$output$stderr"
	fake dbmigrate 3 '*" up "*'
	exits_with 3 safe_migrate -q dev
	is_same '' "$output"
	talk_says 'step 5 \(migrate\) failed'
	talk_does_not_say '1/7'
}

@test "a wrong command line is 2, is told as JSON too, and nothing is begun" {
	local words
	for words in staging 'dev prod' --what --down '--to=a;b'; do
		# shellcheck disable=SC2086 # they are words
		nothing_begun 2 $words
		answer_has '.error.status == 2'
		talk_says 'see --help'
	done
	[[ ! -e .dblocktools ]]
}

# on_terminal STATUS ANSWER: somebody sits there and types this.
on_terminal() {
	local code=0
	printf '%s\n' "$2" | timeout --foreground -k 5 60 script -qec "'$scripts/safe_migrate.sh' --project='$project'" /dev/null >"$BATS_TEST_TMPDIR/screen" || code=$?
	output=$(tr -d '\r' <"$BATS_TEST_TMPDIR/screen")
	status=$code
	exit_status_is "$1"
	[[ $output == *'stop the bot and migrate (at 20260105090000, 4 pending)? [y/N]'* ]]
}

@test "on a terminal prod is asked about; without a yes nothing is done" {
	require_command script
	fake botkill 0
	remember_bytes
	on_terminal 1 ''
	[[ $output == *'the answer was no'*'the database was not changed'*'the bot was not touched'* ]]
	same_bytes
	no_record
	is_same '' "$(cat "$calls")"
	on_terminal 0 yes
	revision_is "$last_revision"
}

@test "a table may lose rows only when that is said" {
	printf -- '-- migrate:up\nDELETE FROM order_events;\n-- migrate:down\n' >"$migrations/20260212101500_loses.sql"
	find "$migrations" -name '*.sql' ! -name '20260105090000*' ! -name '*_loses.sql' -delete
	fake botkill 0
	nothing_begun 1
	data_is unchanged
	talk_says order_events
	fake dblockcheck 0
	chain 0 --allow-row-loss order_events
	is_same 0 "$(sql 'SELECT count(*) FROM order_events')"
}
