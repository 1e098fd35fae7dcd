#!/usr/bin/env bats
#
# dbbackup.service and dbbackup.timer of scripts/, run by a systemd, beside a bot that writes. The systemd is one that
# runs in a container; only the places and the user are changed to those of the test.

bats_require_minimum_version 1.5.0

load_helpers() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/engine.bash
}

setup_file() {
	load_helpers
	start_docker
	folder=$BATS_FILE_TMPDIR/shop
	mkdir "$folder"
	engine_setup
	run_systemd machine "$BATS_FILE_TMPDIR/units"
}

teardown_file() {
	load_helpers
	stop_docker
}

setup() {
	load_helpers
	backup_setup
	engine_setup
	units=$BATS_FILE_TMPDIR/units
	folder=$BATS_FILE_TMPDIR/shop/$BATS_TEST_NUMBER
	inside=/shop/$BATS_TEST_NUMBER
	database=$folder/data/bot.db
	backups=$folder/backups
	mkdir -p "$folder/data" "$backups"
	make_database wal
	chown -R nobody: "$folder"
	install_units
}

teardown() {
	in_machine systemctl stop dbbackup.timer dbbackup.service bot.service >/dev/null 2>&1 || true
	engine_teardown
	backup_teardown
}

in_machine() {
	docker exec machine "$@"
}

# There is no sysinit.target in the container that anything could wait for.
install_units() {
	local unit
	for unit in dbbackup.service dbbackup.timer; do
		sed "s|/usr/local/bin/dbbackup|$dbbackup|g; s|/srv/bot|$inside/data|g; s|/var/backups/bot|$inside/backups|g
			s|^User=bot|User=nobody|" "$repository/scripts/$unit" >"$units/$unit"
		mkdir -p "$units/$unit.d"
		printf '[Unit]\nDefaultDependencies=no\n' >"$units/$unit.d/test.conf"
	done
	in_machine systemctl daemon-reload
}

# The bot makes its own database.
start_bot_there() {
	rm "$database"
	printf '%s\n' '[Unit]' DefaultDependencies=no '[Service]' User=nobody \
		"ExecStart=/usr/bin/python3 $sample_bot --database=$inside/data/bot.db --tick=0.05" >"$units/bot.service"
	in_machine systemctl daemon-reload
	in_machine systemctl start bot.service
	until_true test -e "$database-shm"
}

service_is() {
	local wanted
	for wanted in "$@"; do
		is_same "$wanted" "${wanted%%=*}=$(in_machine systemctl show --value -p "${wanted%%=*}" dbbackup.service)"
	done
}

@test "the service backs the database up as the user of the bot, with nobody there" {
	in_machine systemctl start dbbackup.service
	service_is Result=success ExecMainStatus=0
	backup=$(echo "$backups"/bot-*.db.zst)
	is_same nobody "$(stat -c %U "$backup")"
	good_backup "$backup"
	is_same "$(content "$database")" "$(content "$copy")"
}

@test "the service backs the database up beside a bot that writes, and the bot goes on" {
	start_bot_there
	in_machine systemctl start dbbackup.service
	service_is Result=success ExecMainStatus=0
	good_backup "$(echo "$backups"/bot-*.db.zst)"
	is_same active "$(in_machine systemctl is-active bot.service)"
	is_same "nobody nobody" "$(stat -c %U "$database-wal" "$database-shm" | xargs)"
}

@test "a failure of the service is one for systemctl too" {
	rm "$database"
	run in_machine systemctl start dbbackup.service
	((status != 0))
	service_is Result=exit-code ExecMainStatus=3
	is_same '' "$(ls "$backups")"
}

@test "a place that the service may not write to is a failure, and no backup" {
	sed -i "s|^ReadWritePaths=.*|ReadWritePaths=$inside/data|" "$units/dbbackup.service"
	in_machine systemctl daemon-reload
	run in_machine systemctl start dbbackup.service
	((status != 0))
	service_is Result=exit-code ExecMainStatus=3
	is_same '' "$(ls "$backups")"
}

@test "the timer knows when it will run next" {
	in_machine systemctl start dbbackup.timer
	is_same active "$(in_machine systemctl is-active dbbackup.timer)"
	[[ $(in_machine systemctl show --value -p NextElapseUSecRealtime dbbackup.timer) == *" 03:"* ]]
}
