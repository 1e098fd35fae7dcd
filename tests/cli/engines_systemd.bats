#!/usr/bin/env bats
# bats file_tags=slow
#
# botkill with systemd: units are stopped by their manager, so that they stay down. The systemd is one that
# runs in a container, and most of this happens in there.

bats_require_minimum_version 1.5.0

load_helpers() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
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
	machine_setup
	dblockcheck_setup
	engine_setup
	units=$BATS_FILE_TMPDIR/units
	folder=$BATS_FILE_TMPDIR/shop
	database=$folder/bot$BATS_TEST_NUMBER.db
	inside=/shop/bot$BATS_TEST_NUMBER.db
	bot="/usr/bin/python3 $sample_bot --database=$inside --tick=0.05"
	keeper="/usr/bin/python3 $repository/tests/helpers/keep_open.py $inside"
	as=(docker exec machine)
	made_units=()
}

teardown() {
	local unit
	for unit in "${made_units[@]}"; do
		docker exec machine systemctl kill --signal=SIGKILL -- "$unit" >/dev/null 2>&1 || true
		docker exec machine systemctl stop -- "$unit" >/dev/null 2>&1 || true
	done
	clients_teardown
	engine_teardown
	machine_teardown
}

# Writes a service and starts it: start_unit NAME LINE...; it is up when somebody has the database open.
start_unit() {
	write_unit "$@"
	docker exec machine systemctl daemon-reload
	docker exec machine systemctl start -- "$1"
	until_true has_holders 1
}

write_unit() {
	made_units+=("$1")
	printf '%s\n' '[Unit]' DefaultDependencies=no '[Service]' "${@:2}" >"$units/$1"
}

holders() {
	"$dblockcheck" --pids -- "$database" || true
}

# So many processes have the database open, as all who run here do when they are ready.
has_holders() {
	[[ -e $database-shm ]] && (($(holders | wc -l) == $1))
}

# unit_is NAME PROPERTY=VALUE...
unit_is() {
	local wanted
	for wanted in "${@:2}"; do
		is_same "$wanted" "${wanted%%=*}=$(docker exec machine systemctl show --value -p "${wanted%%=*}" -- "$1")"
	done
}

other_holder() {
	local pids
	pids=$(holders)
	[[ $pids && $pids != "$1" ]]
}

@test "a service with Restart=always comes back after a kill, and stays down after botkill" {
	start_unit bot.service "ExecStart=$bot" Restart=always RestartSec=0
	local first
	first=$(holders)
	kill -KILL "$first"
	until_true other_holder "$first"

	botkill "$inside"
	stopped_by 'systemctl stop'
	answer_has '.restart_hint == ["systemctl start bot.service"]'
	unit_is bot.service ActiveState=inactive NRestarts=0
	database_is_well

	bash -c "docker exec machine $(jq -r '.restart_hint[0]' <<<"$answer")"
	until_true has_holders 1
}

@test "unit names that a shell or an option parser would misread" {
	local name
	for name in 'bot@a\x2db:c.service' '-bot.service'; do
		start_unit "$name" "ExecStart=$bot" Restart=always
		botkill "$inside"
		stopped_by 'systemctl stop'
		unit_is "$name" ActiveState=inactive
		# What is to be typed means the same unit.
		jq -r '.restart_hint[0]' <<<"$answer" | docker exec -i machine sh
		unit_is "$name" ActiveState=active
		docker exec machine systemctl stop -- "$name"
	done
}

@test "a unit that leaves its other processes alone (KillMode=process), as cron's: only the bot is signalled" {
	start_unit like_cron.service "ExecStart=/bin/sh -c '$bot & sleep 1000'" KillMode=process
	botkill "$inside"
	stopped_by SIGTERM # a shell's background process ignores SIGINT
	unit_is like_cron.service ActiveState=active
}

@test "a unit that runs many programs is not stopped for one of them" {
	[[ -e $folder/supervisord ]] || ln -s /bin/sh "$folder/supervisord"
	start_unit many.service "ExecStart=/shop/supervisord -c '$bot & sleep 1000'"
	botkill "$inside"
	stopped_by SIGTERM # a shell's background process ignores SIGINT
	unit_is many.service ActiveState=active
}

@test "a unit that botkill itself is in is not stopped" {
	cat >"$folder/both.sh" <<-END
		$bot &
		until [ -e $inside.go ]; do sleep 0.05; done
		$botkill --json --settle=0.3 $inside >$inside.answer
		echo \$? >$inside.status
		sleep 1000
	END
	start_unit both.service 'ExecStart=/bin/sh /shop/both.sh'
	touch "$database.go"
	until_true test -s "$database.status"
	is_same 0 "$(<"$database.status")"
	answer=$(grep '^{' "$database.answer")
	answer_has '.released and (.stopped | length == 1) and .stopped[0].how == "SIGTERM"'
	unit_is both.service ActiveState=active
}

@test "a unit that was masked while it runs is stopped all the same" {
	start_unit masked.service "ExecStart=$bot" Restart=always
	rm "$units/masked.service"
	ln -s /dev/null "$units/masked.service"
	docker exec machine systemctl daemon-reload
	botkill "$inside"
	stopped_by 'systemctl stop'
}

@test "a unit whose file is gone while it runs is stopped all the same" {
	start_unit gone.service "ExecStart=$bot" Restart=always
	rm "$units/gone.service"
	docker exec machine systemctl daemon-reload
	botkill "$inside"
	stopped_by 'systemctl stop'
}

@test "a service that does not end is killed by systemd after its own limit, and that is said" {
	start_unit slow.service "ExecStart=$keeper TERM=ignore" TimeoutStopSec=1 Restart=always
	botkill "$inside"
	stopped_by 'systemctl stop (killed)'
	unit_is slow.service ActiveState=failed Result=timeout
	database_is_well
}

@test "a service whose limit is longer than the grace is left still alive, and killed with --force" {
	start_unit slower.service "ExecStart=$keeper TERM=ignore" TimeoutStopSec=1000 Restart=always
	botkill --grace=0.5 --settle=0.1 "$inside"
	exit_status_is 1
	answer_has '.released == false and .stopped == [] and .left[0].reason == "still-alive"'

	botkill --grace=0.5 --force "$inside"
	stopped_by 'systemctl stop (killed)'
	database_is_well
}

@test "a service that a timer starts again: told, and not called released" {
	write_unit again.service "ExecStart=$bot"
	made_units+=(again.timer)
	printf '%s\n' '[Unit]' DefaultDependencies=no '[Timer]' OnActiveSec=0 OnUnitInactiveSec=100ms AccuracySec=1ms \
		>"$units/again.timer"
	docker exec machine systemctl daemon-reload
	docker exec machine systemctl start again.timer
	until_true has_holders 1
	botkill --settle=5 "$inside"
	exit_status_is 1
	answer_has '.released == false and (.stopped | length == 1) and (.reopened_by | length == 1)'
	docker exec machine systemctl stop again.timer
}

@test "a service of a user is stopped by the user's manager" {
	write_unit user@0.service Type=notify 'ExecStart=/lib/systemd/systemd --user --unit=test.target' Slice=user-0.slice \
		Environment=XDG_RUNTIME_DIR=/run/user/0 Environment=HOME=/root Delegate=yes KillMode=mixed
	docker exec machine mkdir -p /run/user/0 /run/systemd/user
	docker exec machine cp /etc/systemd/system/test.target /run/systemd/user
	printf '%s\n' '[Service]' "ExecStart=$bot" Restart=always RestartSec=0 |
		docker exec -i machine tee /run/systemd/user/bot.service >/dev/null
	docker exec machine systemctl daemon-reload
	docker exec machine systemctl start user@0.service
	docker exec -e XDG_RUNTIME_DIR=/run/user/0 machine systemctl --user start bot.service
	until_true has_holders 1

	as=(docker exec -e XDG_RUNTIME_DIR=/run/user/0 machine)
	botkill "$inside"
	stopped_by 'systemctl stop'
	answer_has '.restart_hint == ["systemctl --user start bot.service"]'
	unit_is user@0.service ActiveState=active
}

@test "systemd that does not answer is trouble, and nobody is signalled" {
	start_unit silent.service "ExecStart=$bot"
	docker exec machine mv /run/systemd/private /run/systemd/private.away
	botkill "$inside"
	docker exec machine mv /run/systemd/private.away /run/systemd/private
	exit_status_is 3
	answer_has '.error.message | test("systemctl") and test("--no-supervisor")'
	has_holders 1
}

@test "seen from outside, a service in a container is the container's: the outermost supervisor wins" {
	as=()
	folder=$BATS_TEST_TMPDIR/shop
	run_systemd outer "$BATS_TEST_TMPDIR/units"
	printf '%s\n' '[Unit]' DefaultDependencies=no '[Service]' Restart=always \
		"ExecStart=/usr/bin/python3 $sample_bot --database=/shop/bot.db --tick=0.05" >"$BATS_TEST_TMPDIR/units/bot.service"
	docker exec outer systemctl daemon-reload
	docker exec outer systemctl start bot.service
	database=$folder/bot.db
	until_true has_holders 1
	survey "$database"
	answer_has --arg id "$(container_facts outer | jq -r .Id)" '.holders[0] |
		.supervisor.kind == "docker" and .supervisor.id == $id and .container_pid > 1'

	botkill "$database"
	stopped_by 'docker stop'
	answer_has '.restart_hint == ["docker start outer"]'
	container_is outer '.State.Status == "exited"'
	database_is_well
}
