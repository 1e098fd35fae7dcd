#!/usr/bin/env bats
# bats file_tags=slow
#
# A whole bot's project under docker-compose, and its migrations in a container: all or nothing, as everywhere.

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

setup() {
	load_helpers
	migrate_setup
	engine_setup
	compose_setup
	copy_project "$BATS_TEST_TMPDIR/the shop: 50%, \"new\""
}

teardown() {
	compose_teardown
	migrate_teardown
}

# What the bot has made, and that it is down; as Alembic knows it.
make_bots_database() {
	make_shop "$@"
	stamp
}

# migrate in the project, with docker-compose behind it: in_container STATUS COMMAND [OPTION]... -- PROGRAM...
in_container() {
	local status_wanted=$1 arguments=()
	shift
	while [[ $1 != -- ]]; do
		arguments+=("$1")
		shift
	done
	cd "$project" || return
	migrate "$status_wanted" "${arguments[@]}" "$database" "$@"
}

is_refused() {
	remember_bytes
	in_container 3 "$@"
	error_is 3
	same_bytes
	no_trace
}

@test "the project runs wherever its copy lies, and prod comes back after a kill" {
	start_project shop
	is_same $'1\nwal' "$(sql 'SELECT count(*) > 100 FROM orders; PRAGMA journal_mode')"
	(cd "$project" && git init -q . && git add . && is_same data/.gitignore "$(git ls-files data)")
	kill -KILL "$(main_pid "$(bot_of shop)")"
	await_project shop 2

	compose shop prod down >/dev/null 2>&1
	survey "$database"
	answer_has '.can.migrate'
	start_project shop-dev dev
	kill -KILL "$(main_pid "$(bot_of shop-dev)")"
	until_true container_is "$(bot_of shop-dev)" '.State.Running == false' 2>/dev/null
}

@test "botkill stops the container that holds the file, and nothing of another project in a folder of that name" {
	local other=$BATS_TEST_TMPDIR/elsewhere/project
	copy_project "$other"
	start_project other
	copy_project "$BATS_TEST_TMPDIR/here/project"
	start_project shop
	remember_containers other
	survey "$database"
	answer_has '[.holders[].supervisor | tostring | test("shop_bot_1")] == [true]'

	botkill --grace=60 "$database"
	stopped_by 'docker stop'
	answer_has '[.restart_hint] | tostring | test("docker-compose -p shop -f docker-compose.prod.yml up -d bot")'
	same_containers
	container_is "$(bot_of shop)" '.State.Running == false and .RestartCount == 0'
	start_project shop
	same_containers
}

@test "a migration is tried beside the running bot, and goes through when the bot is down" {
	start_project shop
	stamp
	remember_containers shop
	in_container 0 rehearse -- "${migrate_up[@]}"
	answer_has '.published == false and .engine == "command" and (.schema_changes | length == 5)'
	same_containers
	alembic_is_at a1c05f3e9d20
	botkill --grace=60 "$database"
	stopped_by 'docker stop'

	local before
	before=$(stat -c '%a %u %g' "$database")
	in_container 0 up -- "${migrate_up[@]}"
	answer_has '.published and .sandbox == "overlay" and ([.schema_changes[] | select(.name == "payments")] | length == 1)'
	alembic_is_at e5a40d7c3b64
	is_same "$before" "$(stat -c '%a %u %g' "$database")"
	no_trace
	good_backup "$(jq -r .backup <<<"$answer")"
	for said in "$(cat "$(jq -r .log <<<"$answer")")" "$(compose shop-migrate migrate logs 2>&1)"; do
		[[ $said == *'Running upgrade d4f39c6b5a53 -> e5a40d7c3b64'* ]]
	done
	start_project shop
}

@test "in a container too, downgrades are all or nothing" {
	make_bots_database delete
	in_container 0 up --no-backup -- "${migrate_up[@]}"
	is_refused up --no-backup -- "${migrate_run[@]}" alembic downgrade -9
	error_says "status 255.*didn't produce 9 migrations"
	in_container 0 up --no-backup -- "${migrate_run[@]}" alembic downgrade -1
	alembic_is_at d4f39c6b5a53
	in_container 0 up --no-backup -- "${migrate_run[@]}" alembic downgrade b2d17a4f8c31
	alembic_is_at b2d17a4f8c31
	is_same delete "$(sql 'PRAGMA journal_mode')"
	is_same '' "$(containers_of shop-migrate -a --filter label=com.docker.compose.oneoff=True)"
}

@test "one that fails changes nothing; why is in the kept log, and docker-compose logs says it too" {
	make_bots_database
	add_failing_revision
	is_refused up -- "${migrate_up[@]}"
	error_says 'docker-compose failed \(status 1\): .*IntegrityError.*nothing was changed'
	for said in "$(cat "$backups"/*.migrate.log)" "$(compose shop-migrate migrate logs 2>&1)"; do
		[[ $said == *'-> e5a40d7c3b64'*IntegrityError* ]]
	done
	rm "$project"/migrations/versions/f6*
	in_container 0 up -- "${migrate_up[@]}"
}

@test "without dbmigrate the compose file for migrations reaches no database" {
	make_bots_database
	in_container 0 up --no-backup -- "${migrate_run[@]}" alembic current
	remember_bytes
	run in_project env -u DBMIGRATE_FOLDER "${migrate_up[@]}"
	((status != 0))
	[[ $output == *'does not exist: /only-dbmigrate-starts-this'* ]]
	run compose shop-migrate migrate config
	[[ $status == 0 && $output != *"$folder"* ]]
	same_bytes
	in_container 0 up --no-backup -- "${migrate_up[@]}"
	alembic_is_at e5a40d7c3b64
}

@test "dbmigrate is killed while the container works: nothing was changed, and the next run goes through" {
	make_bots_database
	waiting_revision
	remember_bytes
	cd "$project"
	start_migration up --no-backup "$database" -- "${migrate_up[@]}"
	await_migration shop-migrate
	kill -KILL "$job"
	wait "$job" || true
	job=
	container_is shop-migrate_migrate_1 '.State.Running'
	same_bytes
	survey "$database"
	answer_has '.can.migrate'

	rm "$project"/migrations/versions/half.py
	in_container 0 up --no-backup -- "${migrate_up[@]}"
	alembic_is_at e5a40d7c3b64
	is_same '' "$(migration_containers)"
	no_trace
}

@test "time that is up ends the container too" {
	make_bots_database
	waiting_revision
	is_refused up --no-backup --timeout=3 -- "${migrate_up[@]}"
	error_says 'docker-compose: had not ended after 3 seconds.*nothing was changed'
	is_same '' "$(migration_containers)"
	is_refused up --no-backup --timeout=3 -- "${migrate_run[@]}" alembic upgrade head
	is_same '' "$(migration_containers)"
}

@test "a container that still works when docker-compose has ended is not believed to be done" {
	make_bots_database
	waiting_revision
	# shellcheck disable=SC2016 # for the shell that dbmigrate runs
	is_refused up --no-backup -- /bin/sh -c 'docker-compose -p shop-migrate -f docker/docker-compose.migrate.yml up -d &&
		until docker logs shop-migrate_migrate_1 2>&1 | grep -q "^stands here"; do :; done'
	error_says 'still has the copy open'
}

@test "a compose file that names the real folder finds it locked, and a rehearsal with it says what it did" {
	make_bots_database
	sed -i 's|"\${DBMIGRATE_FOLDER:-.*}"|../data|' "$project/docker/docker-compose.migrate.yml"
	is_refused up --no-backup -- "${migrate_up[@]}"
	error_says 'database is locked'
	in_container 7 rehearse -- "${migrate_up[@]}"
	error_is 7
	error_says 'has changed the real database'
}

@test "for another user's database root's DOCKER_HOST is told, but it is that user who must be let in" {
	make_bots_database
	open_to_everybody
	chown -R 65534:65534 "$project"
	chmod 755 "$engine_folder"
	is_refused up --no-backup -- "${migrate_up[@]}"
	error_says 'Permission denied'
	# As membership in the group docker would.
	chmod 666 "$engine_folder/socket"
	in_container 0 up --no-backup -- "${migrate_up[@]}"
	chmod 660 "$engine_folder/socket"
	alembic_is_at e5a40d7c3b64
	is_same '65534 65534' "$(stat -c '%u %g' "$database")"
	is_same '' "$(find "$folder" -name 'bot.db*' ! -user 65534)"
}
