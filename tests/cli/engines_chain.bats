#!/usr/bin/env bats
# bats file_tags=slow
#
# The owner's day with a real engine: make prod, migrate-prod, backup-prod, restore-prod, downgrade-prod in the bot's project, beside
# another project of the same layout.

bats_require_minimum_version 1.5.0

load_helpers() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	load ../helpers/engine.bash
	load ../helpers/compose.bash
}

setup_file() {
	load_helpers
	start_compose
}

teardown_file() {
	load_helpers
	stop_docker
}

# The scripts find the tools as they do after "make install".
setup() {
	load_helpers
	migrate_setup
	engine_setup
	compose_setup
	installed=$BATS_TEST_TMPDIR/installed
	mkdir -p "$installed/lib/dblocktools" "$installed/bin"
	cp -r "$repository"/scripts/{safe_migrate.sh,bot.sh,bot.mk,lib} "$installed/lib/dblocktools/"
	ln -s "$(dirname "$dbmigrate")"/{dblockcheck,botkill,dbbackup,dbmigrate,dbrestore} "$installed/bin/"
	copy_project "$BATS_TEST_TMPDIR/the shop"
	use_name shop
	printf '%s\n' STEADY_SECONDS=0.3 REHEARSE=no >>"$project/dblocktools.conf"
	make_shop
	stamp
}

teardown() {
	compose_teardown
	migrate_teardown
}

# make_in STATUS TARGET [VARIABLE=VALUE]...; make itself ends with 2 when a target failed.
make_in() {
	exits_with "$1" make -C "$project" --no-print-directory DBLOCKTOOLS="$installed/lib/dblocktools" "${@:2}"
}

# Whether a run begins with a rehearsal, which takes a third of its time.
rehearse() {
	sed -i "s/^REHEARSE=.*/REHEARSE=$1/" "$project/dblocktools.conf"
}

is_up() {
	is_running "$(bot_of shop)"
	dblockcheck --json "$database" >"$BATS_TEST_TMPDIR/survey" || true
	jq -e '[.holders[] | select(.supervisor.name == "shop_bot_1")] | length == 1' "$BATS_TEST_TMPDIR/survey"
}

is_down() {
	! is_running "$(bot_of shop)"
}

newest_backup() {
	local all=("$backups"/*.db)
	backup=${all[-1]}
}

@test "the day of an owner: up, migrated, up, backed up, restored, and down by one and to a revision" {
	copy_project "$BATS_TEST_TMPDIR/other/project"
	start_project other
	remember_containers other
	copy_project "$BATS_TEST_TMPDIR/the shop"

	make_in 0 prod
	is_up
	rehearse yes
	make_in 0 migrate-prod
	rehearse no
	[[ $stderr == *'start the bot: make prod'* ]]
	is_down
	alembic_is_at e5a40d7c3b64
	newest_backup
	good_backup "$backup"
	make_in 0 prod
	is_up

	make_in 0 backup-prod
	is_up
	local before=$backup
	make_in 0 restore-prod BACKUP="$before" YES=1
	is_down
	alembic_is_at a1c05f3e9d20
	make_in 0 migrate-prod OPTIONS=--restart
	is_up
	alembic_is_at e5a40d7c3b64
	make_in 0 downgrade-prod
	alembic_is_at d4f39c6b5a53
	make_in 0 downgrade-prod REV=b2d17a4f8c31 OPTIONS=--restart
	alembic_is_at b2d17a4f8c31
	is_up
	make_in 0 stop-prod
	is_down
	same_containers
	is_same ok "$(sql 'PRAGMA integrity_check')"
}

@test "a forgotten bot beside the container is stopped, an editor that only looks is not" {
	start_project shop
	start_bot forgotten --database="$database" --tick=0.05
	start editor /usr/bin/python3 -c 'import os, sys
file = open(sys.argv[1], "rb")
print("ready", os.getpid(), flush=True)
sys.stdin.read()' "$database"
	make_in 0 migrate-prod
	has_ended "$(pid forgotten)"
	is_down
	[[ $stderr == *"left alone, as it only reads the file: $(pid editor) "* ]]
	alembic_is_at e5a40d7c3b64
	stop editor
}

@test "a migration that fails is found before anything is stopped" {
	start_project shop
	remember_containers shop
	add_failing_revision
	rehearse yes
	make_in 2 migrate-prod
	[[ $stderr == *'the bot was not touched'* && $stderr == *'Error 3'* ]]
	same_containers
	alembic_is_at a1c05f3e9d20
}

@test "migrations in a container go the same way, all or nothing, and down as well" {
	cat >>"$project/dblocktools.conf" <<-'CONF'
		MIGRATE_COMMAND=docker-compose -p shop-migrate -f docker/docker-compose.migrate.yml up --no-color --no-log-prefix --force-recreate --exit-code-from migrate
		DOWNGRADE_COMMAND=docker-compose -p shop-migrate -f docker/docker-compose.migrate.yml run --rm -T migrate alembic downgrade
	CONF
	start_project shop
	make_in 0 migrate-prod OPTIONS=--restart
	is_up
	alembic_is_at e5a40d7c3b64
	[[ $(compose shop-migrate migrate logs 2>&1) == *'Running upgrade d4f39c6b5a53 -> e5a40d7c3b64'* ]]
	make_in 0 logs-migrate
	[[ $output == *'Running upgrade d4f39c6b5a53 -> e5a40d7c3b64'* ]]
	make_in 0 downgrade-prod
	alembic_is_at d4f39c6b5a53

	make_in 0 prod
	add_failing_revision
	make_in 2 migrate-prod OPTIONS=--restart
	[[ $stderr == *'the database was not changed'*'the bot runs again'* ]]
	alembic_is_at d4f39c6b5a53
	is_up
}

@test "a bot that cannot live with the new schema is said not to stay up; the migration stays" {
	start_project shop
	printf '#!/usr/bin/python3\nraise SystemExit("no such column")\n' >"$BATS_TEST_TMPDIR/new"
	echo START_SECONDS=1 >>"$project/dblocktools.conf"
	# As a new version of the bot that comes with the migration.
	cp "$BATS_TEST_TMPDIR/new" "$project/bot.py"
	make_in 2 migrate-prod OPTIONS=--restart
	[[ $stderr == *'the migration is done and stays; the bot is not up'* && $stderr == *'Error 3'* ]]
	alembic_is_at e5a40d7c3b64
}

@test "an engine that does not answer is found out before anything is done" {
	DOCKER_HOST=unix://$BATS_TEST_TMPDIR/nothing make_in 2 migrate-prod
	[[ $stderr == *'the bot was not touched'* && $stderr == *'Error 3'* ]]
	alembic_is_at a1c05f3e9d20
	no_trace
}
