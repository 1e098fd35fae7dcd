#!/usr/bin/env bats
#
# bot.mk: the targets that one line of include adds to the Makefile of a bot's project.

bats_require_minimum_version 1.5.0

# The project's path has a space and a quote; make runs in it.
setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	load ../helpers/chain.bash
	chain_setup
	mv -T "$project" "$BATS_TEST_TMPDIR/the bot's"
	project="$BATS_TEST_TMPDIR/the bot's"
	database=$project/data/bot.db
	backups=$project/data/backups
	cd "$project" || return
	echo "include $scripts/bot.mk" >Makefile
}

teardown() {
	chain_teardown
}

# target STATUS TARGET [VARIABLE=VALUE]...; make itself ends with 2 when a target failed.
target() {
	exits_with "$1" timeout --foreground -k 5 60 make --no-print-directory "${@:2}" </dev/null
}

newest_backup() {
	local all=("$backups"/*.db)
	backup=${all[-1]}
}

@test "the bot is started, seen, migrated under, and stopped" {
	target 0 prod
	talk_says 'the bot runs'
	bot_holds
	target 0 status-prod
	[[ $output == *OPEN*bot.py*"$first_revision"* ]]
	target 0 migrate-prod OPTIONS=--restart
	bot_holds
	revision_is "$last_revision"
	target 0 stop-prod
	bot_is_away
	talk_says 'to start it: make prod'
}

@test "what is taken back, backed up and restored is what was named" {
	target 0 migrate-prod
	talk_says 'to start the bot: make prod'
	target 0 backup-prod
	newest_backup
	target 0 downgrade-prod
	revision_is 20260421081000
	target 0 downgrade-prod REV="$first_revision"
	revision_is "$first_revision"
	target 2 restore-prod BACKUP="$backup"
	talk_says 'needs --yes'
	target 0 restore-prod BACKUP="$backup" YES=1
	revision_is "$last_revision"
}

@test "history, check and logs tell, and change nothing" {
	target 2 logs-migrate
	talk_says 'there is no log of a migration of prod yet'
	remember_bytes
	target 0 history
	[[ $output == *"$first_revision"*"$last_revision"* ]]
	run --separate-stderr make --no-print-directory check-prod
	[[ $output == *backup* ]]
	same_bytes
	fake dbmigrate 4 '*" check "*'
	target 2 migrate-prod
	target 0 logs-migrate
	[[ $output == *'1/7 preflight: failed'* ]]
	target 2 downgrade-prod REV="\`touch run\`'; touch run #"
	talk_says 'is not a revision'
	[[ ! -e run ]]
	same_bytes
}

@test "make alone starts nothing; a project keeps its own help and its own usual target" {
	target 0
	[[ $output == *'make migrate-dev migrate-prod'* ]]
	never_started
	printf '%s\n' 'build: ## its own' '	@echo built' 'help:' '	@echo own help' "include $scripts/bot.mk" >Makefile
	target 0
	is_same built "$output"
	target 0 help
	[[ $output == *'make restore-dev restore-prod'*'own help'* ]]
}
