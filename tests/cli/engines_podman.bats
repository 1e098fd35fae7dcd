#!/usr/bin/env bats
#
# botkill and dblockcheck with podman.

bats_require_minimum_version 1.5.0

load_helpers() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/engine.bash
}

setup_file() {
	load_helpers
	start_podman
}

teardown_file() {
	load_helpers
	stop_podman
}

setup() {
	load_helpers
	machine_setup
	dblockcheck_setup
	engine_setup
	podman_setup
}

teardown() {
	clients_teardown
	engine_teardown
	machine_teardown
}

try_run() {
	"$@" 2>"$BATS_TEST_TMPDIR/trouble" || skip "no podman container can be started here: $(<"$BATS_TEST_TMPDIR/trouble")"
}

@test "a bot in a podman container with --restart=always stays down after botkill" {
	try_run run_container shop_bot --restart=always -- /usr/bin/python3 "$sample_bot" --database=/shop/bot.db --tick=0.05
	await_container shop_bot
	survey "$database"
	answer_has --argjson container "$(container_facts shop_bot)" '.holders | length == 1 and (.[0] |
		.pid == $container.State.Pid and .container_pid == 1 and .path == "/shop/bot.db" and
		.supervisor.kind == "podman" and .supervisor.id == $container.Id)'

	botkill "$database"
	stopped_by 'podman stop'
	answer_has '.restart_hint == ["podman start shop_bot"]'
	container_is shop_bot '.State.Running == false and .State.ExitCode == 0'
	is_same 1 "$(readies shop_bot)"
	database_is_well
}

@test "a podman container that does not end is killed by podman after the grace, and that is said" {
	try_run run_container shop_bot --restart=always -- \
		/usr/bin/python3 "$repository/tests/helpers/keep_open.py" /shop/bot.db TERM=ignore INT=ignore
	await_container shop_bot
	botkill --grace=1 "$database"
	stopped_by 'podman stop (killed)'
	container_is shop_bot '.State.Running == false and .State.ExitCode == 137'
	database_is_well
}

@test "a paused podman container is left; with --force it is unpaused and stopped" {
	try_run run_container shop_bot -- \
		/usr/bin/python3 "$repository/tests/helpers/keep_open.py" /shop/bot.db TERM=end
	await_container shop_bot
	"${engine[@]}" pause shop_bot >/dev/null
	botkill "$database"
	exit_status_is 1
	answer_has '.stopped == [] and .left[0].reason == "frozen"'
	botkill --force "$database"
	stopped_by 'podman stop'
}

@test "a podman container that this podman does not know (another user's) is trouble, and is not signalled" {
	try_run run_container shop_bot -- \
		/usr/bin/python3 "$repository/tests/helpers/keep_open.py" /shop/bot.db TERM=end
	await_container shop_bot
	as=(unshare --mount --propagation private -- /bin/sh -c '
		for folder in /var/lib/containers /run/containers /run/libpod; do
			mount -t tmpfs tmpfs $folder || exit 99
		done
		exec "$0" "$@"')
	botkill "$database"
	exit_status_is 3
	answer_has '.error.message | test("podman") and test("--no-supervisor")'
	container_is shop_bot .State.Running
}

@test "a path of a podman container is that of the same file here, or of its own layer" {
	make_database
	local shared=$database main
	try_run run_container shop_bot -- /bin/sh -c 'ln -s /shop/bot.db /tmp/link.db && mkdir /tmp/own &&
		cp /shop/bot.db /tmp/own/bot.db && exec /usr/bin/python3 "$0" /tmp/own/bot.db TERM=end' \
		"$repository/tests/helpers/keep_open.py"
	await_container shop_bot
	main=$(main_pid shop_bot)
	start_sql host "$shared"
	ask host sql 'BEGIN IMMEDIATE'

	survey /tmp/link.db --container=shop_bot
	exit_status_is 1
	answer_has --arg path "$shared" '.database == $path and .status == "locked" and
		.container == {name: "shop_bot", path: "/shop/bot.db"} and [.holders[].pid] == [$pid.host]'

	survey /tmp/own/bot.db --container=shop_bot
	exit_status_is 1
	answer_has --argjson main "$main" '.database == "/proc/\($main)/root/tmp/own/bot.db" and
		[.holders[].pid] == [$main] and .holders[0].supervisor.kind == "podman" and
		.holders[0].supervisor.name == "shop_bot"'

	"${engine[@]}" pause shop_bot >/dev/null
	survey /tmp/own/bot.db --container=shop_bot
	finding_is stopped-holder "$main"
	"${engine[@]}" unpause shop_bot >/dev/null
	"${engine[@]}" kill shop_bot >/dev/null
	survey /tmp/own/bot.db --container=shop_bot
	exit_status_is 3
	answer_has '.error.message | contains("container shop_bot: does not run")'
	survey /shop/bot.db --container=nobody
	exit_status_is 3
}
