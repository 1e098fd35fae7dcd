#!/usr/bin/env bats
#
# What an attack on safe_migrate.sh and bot.sh once did: each was possible.

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

bot() {
	exits_with "$1" "$scripts/bot.sh" --project="$project" "${@:2}"
}

# The run is killed with all that it runs, once the database has been migrated.
killed_after_migrating() {
	fake dbmigrate real '*" up "*' "'$tools_here/dbmigrate' \"\$@\" >/dev/null 2>&1; kill -KILL 0"
	around=(setsid --wait)
	run safe_migrate prod "$@"
	is_same 137 "$status"
	around=()
	real dbmigrate
	revision_is "$last_revision"
}

orders() {
	sql 'SELECT count(*) FROM orders'
}

@test "what somebody has written since a killed run is not put back over when it cannot be verified" {
	local before
	killed_after_migrating
	sql "INSERT INTO clients (name, phone) VALUES ('since then', '1')"
	before=$(orders)
	fake dbbackup 3 '*--verify=quick*'
	chain 7 prod
	revision_is "$last_revision"
	is_same 1 "$(sql "SELECT count(*) FROM clients WHERE name = 'since then'")"
	is_same "$before" "$(orders)"
	never_started
	real dbbackup
	chain 0 prod
	no_record
}

@test "where it is not known what the database is, stop and restore still work, and restore ends it" {
	local made
	start_project_bot
	fake dbmigrate 7 '*" up "*' "'$tools_here/dbmigrate' \"\$@\" >/dev/null 2>&1"
	chain 7 prod
	made=$(find "$backups" -name '*.db')
	bot 7 start prod
	bot 0 stop prod
	bot_is_away
	bot 7 start prod
	is_same 1 "$(wc -l <"$bots")"
	real dbmigrate
	bot 0 restore prod --yes --backup="$made"
	no_record
	bot 0 start prod
	bot_holds
}

@test "a record of prod is not dev's to settle, or to forget" {
	killed_after_migrating
	bot 3 start dev
	chain 3 dev
	chain 3 dev --forget
	bot 3 restore dev --yes --backup="$(find "$backups" -name '*.db')"
	[[ -e $project/.dblocktools/run.json ]]
	bot 0 start prod
}

@test "there are no two bots, whatever START is called and whatever it holds" {
	# A wrapper whose words nobody's command line has.
	printf '#!/bin/bash\n./run_bot &\nwait\n' >wrapper
	chmod 755 wrapper
	conf_is START_PROD=./wrapper
	bot 0 start prod
	bot 0 start prod
	[[ $stderr == *'it runs already'* ]]
	is_same 1 "$(wc -l <"$bots")"
	bot 0 stop prod
	bot_is_away

	# One that opens the database for each request only.
	printf '#!/bin/bash\nexec tail -f /dev/null\n' >lazy
	chmod 755 lazy
	conf_is START_PROD=./lazy HOLDS_DATABASE=no
	bot 0 start prod
	local lazy
	read -r lazy _ <"$project/.dblocktools/bot-prod.pid"
	bot 0 start prod
	is_same "$lazy" "$(cut -d' ' -f1 "$project/.dblocktools/bot-prod.pid")"
	bot 0 stop prod
	has_ended "$lazy"
}

@test "beside a bot that was forgotten none is started; beside one that is spared it is" {
	start_project_bot
	conf_is 'START_PROD=/usr/bin/python3 bot.py --tick=0.07'
	bot 5 start prod
	[[ $stderr == *'is used by'*'already'* ]]
	conf_is START_PROD=./run_bot 'PROTECT=tick=0[.]05'
	bot 0 start prod
}

@test "retention leaves the backup alone that an interrupted run may need" {
	conf_is KEEP_LAST=1
	killed_after_migrating
	bot 0 backup prod
	is_same 2 "$(find "$backups" -name '*.db' | wc -l)"
	chain 0 prod
	no_record
}

@test "new files that came after a killed run are not taken for done" {
	killed_after_migrating
	sql_file 20270101000000 'CREATE TABLE later (x);' 'DROP TABLE later;'
	chain 0 prod
	is_same later "$(sql "SELECT name FROM sqlite_schema WHERE name = 'later'")"
}

@test "what root acts upon may be led to by nobody else's link or folder, in the first step or later" {
	require_root
	open_to_everybody
	local foreign=$BATS_TEST_TMPDIR/foreign
	mkdir "$foreign"
	cp run_bot "$foreign/"
	chown -R 65533 "$foreign"
	conf_is START_PROD=src/run_bot
	ln -s "$foreign" src
	nothing_begun 3 prod --restart
	talk_says 'user 65533 can write'
	bot 3 start prod

	# Good when the run was begun, somebody else's when the next one would start it.
	rm src
	mkdir src
	cp run_bot src/
	start_project_bot
	killed_after_migrating --restart
	chown 65533 src/run_bot
	chain 3 prod
	bot_is_away
	is_same 1 "$(wc -l <"$bots")"

	chown 0 src/run_bot
	bot 0 start prod
	mv dblocktools.conf "$foreign/"
	ln -s "$foreign/dblocktools.conf" .
	chain 3 --dry-run
	talk_says 'user 65533 can write'
}

@test "a failure that says much is still told, in an answer that is whole" {
	fake dbmigrate 3 '*" up "*' "printf '{\"error\":{\"status\":3,\"message\":\"%s\"}}\n' \"\$(head -c 300000 /dev/zero | tr '\\0' x)\""
	chain 3 prod
	data_is unchanged
	answer_has '.error.message | length > 200000'
	no_record
}
