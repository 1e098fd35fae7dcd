#!/usr/bin/env bats
# bats file_tags=slow
#
# botkill and dblockcheck with docker: containers are stopped by their engine, so that they stay down.

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
	options=(--sample=0.01)
}

teardown() {
	clients_teardown
	engine_teardown
	machine_teardown
}

keep_open=$BATS_TEST_DIRNAME/../helpers/keep_open.py

# A container whose PID 1 treats signals as told: keep_open_in NAME [OPTION]... -- [SIGNAL=HOW]...
keep_open_in() {
	local name=$1 options=()
	shift
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	run_container "$name" "${options[@]}" -- \
		/usr/bin/python3 "$repository/tests/helpers/keep_open.py" /shop/bot.db "${@:2}"
	await_container "$name"
}

@test "a bot in a container with --restart=always comes back after a kill, and stays down after botkill" {
	run_bot_in shop_bot --restart=always
	kill -KILL "$(main_pid shop_bot)"
	await_container shop_bot 2

	botkill --grace=60 "$database"
	stopped_by 'docker stop'
	answer_has '.restart_hint == ["docker start shop_bot"] and .stopped[0].seconds < 5'
	container_is shop_bot '.State.Status == "exited" and .State.ExitCode == 0'
	is_same 2 "$(readies shop_bot)"
	[[ $(docker logs shop_bot | tail -n 1) == bye ]]
	database_is_well
	[ ! -e "$database-wal" ]

	bash -c "$(jq -r '.restart_hint[0]' <<<"$answer")"
	await_container shop_bot 3
}

@test "a bot in a container with --restart=unless-stopped or on-failure stays down too" {
	local policy
	for policy in unless-stopped on-failure; do
		run_bot_in "bot_$policy" --restart=$policy
		botkill "$database"
		stopped_by 'docker stop'
		container_is "bot_$policy" '.State.Status == "exited" and .State.ExitCode == 0 and .RestartCount == 0'
	done
}

@test "--dry-run says that the container would be stopped, and stops nothing" {
	run_bot_in shop_bot
	botkill --dry-run "$database"
	exit_status_is 0
	answer_has '.released == false and .plan[0].how == "docker stop" and .restart_hint == ["docker start shop_bot"]'
	container_is shop_bot .State.Running
}

@test "a PID 1 that handles SIGTERM gets just that" {
	keep_open_in shop_bot --restart=always -- TERM=slow INT=slow
	botkill "$database"
	stopped_by 'docker stop'
	container_is shop_bot '.State.ExitCode == 0'
	is_same 1 "$(sqlite3 -batch "$database" 'SELECT signals FROM ends')"
}

@test "a PID 1 that handles only SIGINT gets it once" {
	keep_open_in shop_bot --restart=always -- INT=slow
	botkill "$database"
	stopped_by 'docker stop'
	container_is shop_bot '.State.ExitCode == 0 and .RestartCount == 0'
	is_same 1 "$(sqlite3 -batch "$database" 'SELECT signals FROM ends')"
}

@test "a container whose stop signal is SIGINT gets it once" {
	keep_open_in shop_bot --stop-signal=SIGINT -- INT=slow
	botkill "$database"
	stopped_by 'docker stop'
	is_same 1 "$(sqlite3 -batch "$database" 'SELECT signals FROM ends')"
}

@test "a PID 1 that ignores both signals is killed by docker after the grace, and that is said" {
	keep_open_in shop_bot --restart=always -- TERM=ignore INT=ignore
	botkill --grace=1 "$database"
	stopped_by 'docker stop (killed)'
	answer_has '.stopped[0].seconds | . >= 1 and . < 5'
	container_is shop_bot '.State.Status == "exited" and .State.ExitCode == 137 and .RestartCount == 0'
	database_is_well
}

@test "an engine that is slow does not start the container again in between" {
	run_bot_in shop_bot --restart=always
	put_program docker <<-END
		#!/bin/sh
		if [ "\$1" = stop ]; then sleep 1; fi
		exec $(command -v docker) "\$@"
	END
	botkill --grace=4 "$database"
	stopped_by 'docker stop'
	container_is shop_bot '.State.Status == "exited" and .State.ExitCode == 0 and .RestartCount == 0'
	is_same 1 "$(readies shop_bot)"
}

@test "a container that is removed when it ends: the kill is said, and no command that cannot work" {
	keep_open_in shop_bot --rm -- TERM=ignore INT=ignore
	botkill --grace=1 "$database"
	stopped_by 'docker stop (killed)'
	answer_has '.restart_hint | all(startswith("docker start") | not)'
}

@test "all processes of a container end with it, and so do all containers that use the database" {
	run_container both -- /bin/sh -c "$(printf '/usr/bin/python3 %q --database=/shop/bot.db --tick=9 &\n' \
		"$sample_bot" "$sample_bot") wait"
	await_container both 2
	run_bot_in other
	run_container bystander -- /bin/sleep 1000
	botkill --grace=3 "$database"
	exit_status_is 0
	answer_has '.released and .left == [] and (.stopped | length == 3 and all(.how | startswith("docker stop")))'
	answer_has '.restart_hint | sort == ["docker start both", "docker start other"]'
	container_is bystander .State.Running
}

@test "a process that is to be spared is not ended with the container that it shares" {
	run_container both -- /bin/sh -c "/usr/bin/python3 $sample_bot --database=/shop/bot.db --tick=9 &
		/usr/bin/python3 $repository/tests/helpers/keep_open.py /shop/bot.db TERM=end & wait"
	await_container both 2
	botkill --grace=1 --protect=keep_open "$database"
	exit_status_is 1
	answer_has '.stopped == [] and (.left | length == 2 and all(.reason == "protected"))'
	container_is both .State.Running
	[ -d "/proc/$(jq '.left[0].pid' <<<"$answer")" ]
	[ -d "/proc/$(jq '.left[1].pid' <<<"$answer")" ]
}

@test "a paused container is left and said to be frozen; with --force it is unpaused and stopped" {
	run_bot_in shop_bot --restart=always
	docker pause shop_bot >/dev/null
	botkill "$database"
	exit_status_is 1
	answer_has '.released == false and .stopped == [] and (.left | length == 1) and .left[0].reason == "frozen"'
	container_is shop_bot '.State.Paused'

	botkill --force "$database"
	stopped_by 'docker stop'
	container_is shop_bot '.State.Status == "exited" and .State.ExitCode == 0'
}

@test "DOCKER_HOST is obeyed when it is a unix socket, and no network is asked otherwise" {
	[[ ! ${DBLOCKTOOLS_SANITIZED-} ]] || skip 'the sanitizers do not work under strace'
	run_bot_in shop_bot
	local tool=$botkill
	run --separate-stderr env DOCKER_HOST=tcp://127.0.0.1:9 strace -f -o "$BATS_TEST_TMPDIR/calls" -e trace=connect \
		"$tool" --json --settle=0.3 "$database"
	[[ $status == 3 ]] || [[ -S /var/run/docker.sock ]]
	run ! grep -E 'AF_INET' "$BATS_TEST_TMPDIR/calls"
	container_is shop_bot .State.Running

	botkill "$database"
	stopped_by 'docker stop'
}

@test "an engine that cannot be reached is trouble, and nobody is signalled; --no-supervisor does it directly" {
	run_bot_in shop_bot --restart=always
	as=(env "DOCKER_HOST=unix://$BATS_TEST_TMPDIR/nothing")
	botkill "$database"
	exit_status_is 3
	answer_has '.error.status == 3 and (.error.message | test("docker") and test("--no-supervisor"))'
	container_is shop_bot '.State.Running and .RestartCount == 0'
	is_same 1 "$(readies shop_bot)"

	# Without the engine it comes back, and that is told.
	botkill --settle=3 --no-supervisor "$database"
	exit_status_is 1
	answer_has '(.stopped | length == 1) and .stopped[0].how == "SIGINT" and (.reopened_by | length == 1)'
	await_container shop_bot 2
}

@test "a warning that docker prints is not taken for its answer" {
	run_bot_in shop_bot
	mkdir -p "$BATS_TEST_TMPDIR/home/.docker"
	echo 'not JSON' >"$BATS_TEST_TMPDIR/home/.docker/config.json"
	as=(env "HOME=$BATS_TEST_TMPDIR/home")
	HOME=$BATS_TEST_TMPDIR/home run env -u DOCKER_CONFIG docker container inspect shop_bot
	[[ $output == WARNING* ]]
	botkill "$database"
	stopped_by 'docker stop'
}

@test "dblockcheck tells what container a holder is in, and how it sees the database there" {
	run_bot_in shop_bot --restart=always
	local container
	container=$(container_facts shop_bot)
	survey "$database" "${options[@]}"
	exit_status_is 1
	answer_has --argjson container "$container" '.holders | length == 1 and (.[0] |
		.pid == $container.State.Pid and .container_pid == 1 and .path == "/shop/bot.db" and
		.supervisor.kind == "docker" and .supervisor.id == $container.Id)'
	answer_has '.holders[0].supervisor | .name == "shop_bot" and .restart == "always"'
}

@test "dblockcheck inside of a container: a holder outside of it is hidden, and the answer is no" {
	make_database wal
	start_sql outside "$database"
	ask outside sql 'BEGIN IMMEDIATE'
	run_container inside -- /bin/sleep 1000
	as=(docker exec inside)
	survey /shop/bot.db
	exit_status_is 1
	answer_has '.status == "locked" and .can.write == false and .can.migrate == false and
		([.findings[].id] | index("hidden-holder"))'

	stop outside
	survey /shop/bot.db
	answer_has '.status == "free" and .can.write'
}

@test "botkill inside of a container stops what it sees there, by a signal" {
	run_container inside -- /bin/sh -c "/usr/bin/python3 $sample_bot --database=/shop/bot.db --tick=9; sleep 1000"
	await_container inside
	as=(docker exec inside)
	botkill /shop/bot.db
	exit_status_is 0
	answer_has '.released and (.stopped | length == 1) and .stopped[0].how == "SIGINT"'
	container_is inside .State.Running
}

@test "a path below the overlay upper folder of a container is refused, by both tools" {
	run_container shop_bot -- /usr/bin/python3 "$sample_bot" --database=/inside/bot.db --tick=9
	await_container shop_bot
	local upper first
	upper=$(container_facts shop_bot | jq -r .GraphDriver.Data.UpperDir)
	[[ -e $upper/inside/bot.db ]] || skip "the storage driver here is not overlay2"
	first=$(main_pid shop_bot)
	survey "$upper/inside/bot.db"
	exit_status_is 3
	botkill "$upper/inside/bot.db"
	exit_status_is 3
	container_is shop_bot .State.Running

	# Through the mounts of the process it is the same file.
	survey "/proc/$first/root/inside/bot.db"
	exit_status_is 1
	answer_has --argjson first "$first" '.holders | length == 1 and .[0].pid == $first'
}

# --- docker-compose -------------------------------------------------------------------------------------------------

# compose FILE PROJECT ARG...: of version 1.29 or 2.
compose() {
	docker-compose -f "$1" -p "$2" "${@:3}" >/dev/null 2>&1
}

# A compose file with the bot and its neighbour, at $1.
make_compose_file() {
	mkdir -p "$(dirname "$1")"
	jq -n --arg bot "$sample_bot" --arg tests "$repository/tests:$repository/tests:ro" --arg shop "$folder:/shop" '
		{image: "bot", network_mode: "none", restart: "always", volumes: ["/usr:/usr:ro", $tests, $shop]} as $service |
		{version: "2.4", services: {
			"order-bot": ($service + {command: ["/usr/bin/python3", $bot, "--database=/shop/bot.db", "--tick=0.05"]}),
			neighbour: ($service + {command: ["/bin/sleep", "1000"]})}}' >"$1"
}

@test "a docker-compose service: the hint names file, project and service, and it works" {
	require_command docker-compose
	local project="$BATS_TEST_TMPDIR/my project"
	make_compose_file "$project/docker-compose.yml"
	made_containers+=(shop_order-bot_1 shop_neighbour_1 other_neighbour_1)
	compose "$project/docker-compose.yml" shop up -d
	compose "$project/docker-compose.yml" other up -d neighbour
	await_container shop_order-bot_1

	botkill "$database"
	stopped_by 'docker stop'
	answer_has --arg folder "$project" '.restart_hint | length == 1 and (.[0] |
		contains($folder) and contains("docker-compose.yml") and contains("-p shop") and endswith("up -d order-bot"))'
	container_is shop_order-bot_1 '.State.Status == "exited" and .State.ExitCode == 0'
	container_is shop_neighbour_1 .State.Running
	container_is other_neighbour_1 .State.Running

	run bash -c "cd / && $(jq -r '.restart_hint[0]' <<<"$answer")"
	exit_status_is 0
	await_container shop_order-bot_1 2
}

@test "the hint works too if compose was given its file by a relative path" {
	require_command docker-compose
	make_compose_file "$BATS_TEST_TMPDIR/deploy/production.yml"
	made_containers+=(shop_order-bot_1)
	(cd "$BATS_TEST_TMPDIR" && compose deploy/production.yml shop up -d order-bot)
	await_container shop_order-bot_1

	botkill "$database"
	stopped_by 'docker stop'
	run bash -c "cd / && $(jq -r '.restart_hint[0]' <<<"$answer")"
	exit_status_is 0
	await_container shop_order-bot_1 2
}
