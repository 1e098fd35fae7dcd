#!/usr/bin/env bats
# bats file_tags=slow
#
# dblockcheck and containers: a path as the container sees it, who is in which container, and the view from within.

bats_require_minimum_version 1.5.0

load_helpers() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/engine.bash
	load ../helpers/tracing.bash
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

# A container in which keep_open.py has PATH open, as a bot: hold_in NAME PATH [OPTION]...
hold_in() {
	run_container "$1" "${@:3}" -- /usr/bin/python3 "$repository/tests/helpers/keep_open.py" "$2"
	await_container "$1"
}

# A container that sleeps, and has the database of the test at /shop/bot.db.
sleep_in() {
	run_container "$1" "${@:2}" -- /usr/bin/sleep infinity
}

# fails_with MESSAGE ARGUMENT...: with status 3, and the same in JSON.
fails_with() {
	run --separate-stderr dblockcheck --json "${@:2}"
	exit_status_is 3
	answer=$output
	answer_has --arg message "$1" '.error.status == 3 and (.error.message | contains($message))'
	[[ $stderr == *"$1"* ]]
}

# --- the path -------------------------------------------------------------------------------------

@test "a path of a container is that of the same file here, and its holders are the same" {
	run_bot_in shop_bot --restart=unless-stopped
	start_sql host "$database"
	ask host sql 'PRAGMA busy_timeout = 20000'
	ask host sql 'BEGIN IMMEDIATE'

	survey "/shop/bot.db" --container=shop_bot
	exit_status_is 1
	answer_has --arg path "$database" '.database == $path and
		.container == {name: "shop_bot", path: "/shop/bot.db"} and .status == "locked"'
	answer_has ".filesystem.inode == $(stat -c %i "$database")"
	answer_has "[.holders[].pid] | sort == ([\$pid.host, $(main_pid shop_bot)] | sort)"
	answer_has '.blockers.write == [$pid.host]'

	run --separate-stderr dblockcheck --container=shop_bot /shop/bot.db
	exit_status_is 1
	text=$output
	text_has '^/shop/bot.db in container shop_bot: LOCKED'
}

@test "a database of the container's own layer is found where it is, and refused by the layer's path" {
	make_database
	run_container own -- /bin/sh -c 'mkdir /app && cp /shop/bot.db /app/bot.db &&
		exec /usr/bin/python3 "$0" /app/bot.db' "$repository/tests/helpers/keep_open.py"
	await_container own
	local main upper merged
	main=$(main_pid own)
	survey /app/bot.db --container=own
	exit_status_is 1
	answer_has --argjson main "$main" '.database == "/proc/\($main)/root/app/bot.db" and
		[.holders[].pid] == [$main] and .filesystem.type == "overlay" and .status == "open"'
	answer_has '.holders[0].locks == ["SHARED", "DMS"] and .holders[0].role == "connected"'

	upper=$(container_facts own | jq -r .GraphDriver.Data.UpperDir)
	merged=$(container_facts own | jq -r .GraphDriver.Data.MergedDir)
	fails_with "$merged/app/bot.db" "$upper/app/bot.db"
	survey "$merged/app/bot.db"
	answer_has --argjson main "$main" '[.holders[].pid] == [$main] and .status == "open"'
}

@test "links in a container lead to what they mean in there" {
	make_database
	sleep_in linked
	docker exec linked /bin/sh -c 'ln -s /shop/bot.db /tmp/abs.db && mkdir /data &&
		ln -s ../../../../../../shop /data/up && ln -s /etc/passwd /tmp/users'
	local path
	for path in /tmp/abs.db /data/up/bot.db; do
		survey "$path" --container=linked
		exit_status_is 0
		answer_has --arg path "$database" '.database == $path and .container.path == "/shop/bot.db"'
	done

	# The file of the container, not that of the machine.
	survey /tmp/users --container=linked
	answer_has --argjson main "$(main_pid linked)" '.database == "/proc/\($main)/root/etc/passwd"'
	docker exec linked /bin/sh -c 'ln -s /proc/self/root/etc/passwd /tmp/magic'
	fails_with 'container linked: /tmp/magic' --container=linked /tmp/magic
}

@test "below /proc/PID/root a link means what it does in there, and none leads out" {
	make_database
	sleep_in linked
	docker exec linked /bin/sh -c 'ln -s /shop/bot.db /tmp/abs.db && ln -s /etc/passwd /tmp/users &&
		ln -s /proc/1/root/etc/passwd /tmp/magic && ln -s /shop /tmp/shop'
	local path top
	top=/proc/$(main_pid linked)/root
	for path in /tmp/abs.db /tmp/shop/bot.db; do
		survey "$top$path"
		exit_status_is 0
		answer_has ".filesystem.inode == $(stat -c %i "$database")"
	done
	survey "$top/tmp/users"
	answer_has ".filesystem.inode == $(docker exec linked /usr/bin/stat -c %i /etc/passwd)"
	fails_with 'Too many levels of symbolic links' "$top/tmp/magic"
}

@test "a file that is mounted without its folder is surveyed with the container's sidecars" {
	make_database wal
	chmod 666 "$database"
	run_container lonely -v "$database:/data/x.db" -- /usr/bin/python3 \
		"$repository/tests/helpers/keep_open.py" /data/x.db
	await_container lonely
	survey /data/x.db --container=lonely
	answer_has --argjson main "$(main_pid lonely)" '.database == "/proc/\($main)/root/data/x.db" and
		[.holders[].pid] == [$main] and .wal != null'

	# Out here its -wal is another one.
	start_sql host "$database"
	ask host sql 'SELECT count(*) FROM orders'
	survey "$database"
	finding_is split-sidecars "$(main_pid lonely)"
	survey /data/x.db --container=lonely
	finding_is split-sidecars host
}

# --- who is where ---------------------------------------------------------------------------------

@test "holders in two containers are named with container, compose service, restart policy and PID in there" {
	make_database wal
	hold_in first /shop/bot.db --restart=always --label=com.docker.compose.project=shop \
		--label=com.docker.compose.service=bot
	# Not as its PID 1.
	# shellcheck disable=SC2016 # for the shell in the container
	run_container second -v "$folder:/data" -- /bin/sh -c '"$0" "$@"; exit' \
		/usr/bin/python3 "$repository/tests/helpers/keep_open.py" /data/bot.db
	await_container second
	local first second
	first=$(main_pid first)
	second=$(pgrep -P "$(main_pid second)")

	survey "$database"
	answer_has --argjson main "$first" '.holders[] | select(.pid == $main) | .container_pid == 1 and
		(.supervisor | .kind == "docker" and .name == "first" and .restart == "always" and
			.project == "shop" and .service == "bot" and (.paused | not))'
	answer_has --argjson main "$second" '.holders[] | select(.pid == $main) | .container_pid > 1 and
		(.supervisor | .name == "second" and .restart == "no" and .project == null)'
	run dblockcheck "$database"
	text=$output
	text_has "^ +$first .*\(docker first, compose shop/bot, restart always, PID 1 in it\)"
	text_has "^ +$second .*\(docker second, restart no, PID [0-9]+ in it\)"

	survey /data/bot.db --container=second
	answer_has "[.holders[].pid] | sort == ([$first, $second] | sort)"
}

@test "from inside of a container, a holder outside is a hidden one" {
	make_database
	sleep_in inside
	start_sql host "$database"
	ask host sql 'BEGIN IMMEDIATE'
	run docker exec inside "$dblockcheck" --json /shop/bot.db
	exit_status_is 1
	answer=$output
	answer_has '.can.write == false and .status == "locked" and .holders == [] and
		found("hidden-holder") and .hidden.locks > 0'

	ask host sql ROLLBACK
	run docker exec inside "$dblockcheck" --json /shop/bot.db
	answer=$output
	exit_status_is 1
	answer_has '.can.write and .can.migrate == false and found("hidden-holder")'
}

@test "a path of a container can be traced, and watched when it has a name out here" {
	require_tracing
	make_database
	sleep_in shop_bot
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'
	start_waiter waiter
	survey /shop/bot.db --container=shop_bot --trace=0.5
	exit_status_is 1
	answer_has '.container.path == "/shop/bot.db" and [.waiters[].pid] == [$pid.waiter]'

	run --separate-stderr dblockcheck --json --container=shop_bot --watch=0.1 --for-seconds=0.3 /shop/bot.db
	exit_status_is 0
	[[ $output == *"$database"* && $output == *"$(pid writer)"* ]]

	docker exec shop_bot /bin/sh -c 'cp /shop/bot.db /tmp/own.db'
	run --separate-stderr dblockcheck --container=shop_bot --watch --for-seconds=0.3 /tmp/own.db
	exit_status_is 3
	[[ $stderr == *'only in there the file has a name: watch /proc/'* ]]
}

# --- what goes wrong ------------------------------------------------------------------------------

@test "a container that is not there, does not run, or has no such file is trouble" {
	make_database
	fails_with 'No such container: nobody' --container=nobody /shop/bot.db
	sleep_in shop_bot
	fails_with 'container shop_bot: /shop/none.db: No such file' --container=shop_bot /shop/none.db
	fails_with 'is a folder, not a database' --container=shop_bot /shop
	docker kill shop_bot >/dev/null
	fails_with 'container shop_bot: does not run' --container=shop_bot /shop/bot.db
}

@test "a paused container is looked into, and its holders are said to be paused" {
	make_database wal
	hold_in shop_bot /shop/bot.db
	docker pause shop_bot >/dev/null
	survey /shop/bot.db --container=shop_bot
	exit_status_is 1
	answer_has --argjson main "$(main_pid shop_bot)" '[.holders[].pid] == [$main] and
		.holders[0].supervisor.paused'
	finding_is stopped-holder "$(main_pid shop_bot)"
	answer_has '.findings[] | select(.id == "stopped-holder") | .fix == "docker unpause shop_bot"'
	docker unpause shop_bot >/dev/null
}

@test "a container that ends while it is looked for is trouble, and no other process is taken for it" {
	make_database
	sleep_in shop_bot
	put_program docker <<-'END'
		#!/bin/sh
		# After the first answer the container is gone.
		/usr/bin/env PATH=/usr/local/bin:/usr/bin:/bin docker "$@"
		status=$?
		/usr/bin/env PATH=/usr/local/bin:/usr/bin:/bin docker rm -f shop_bot >/dev/null 2>&1
		exit $status
	END
	fails_with 'container shop_bot: has ended meanwhile' --container=shop_bot /shop/bot.db
}

@test "an engine of another machine, whose numbers are other processes here, is not believed" {
	make_database wal
	start_sql host "$database"
	ask host sql 'BEGIN IMMEDIATE'
	run_container far -v "$folder:/other" -- /usr/bin/sleep infinity
	run_container near -- /usr/bin/sleep infinity
	local other
	# Of this machine; of another container.
	for other in "$(pid host)" "$(main_pid near)"; do
		put_program docker <<-END
			#!/bin/sh
			exec /usr/bin/env PATH=/usr/local/bin:/usr/bin:/bin docker "\$@" |
				sed 's/"Pid": [0-9]*/"Pid": $other/'
		END
		fails_with "container far: process $other is none of its own" --container=far "$database"
		fails_with "container far: process $other is none of its own" --container=far /shop/bot.db
	done
}

@test "without an engine it is said that there is none" {
	make_database
	local DOCKER_HOST=unix://$BATS_TEST_TMPDIR/nobody
	fails_with 'docker' --container=shop_bot /shop/bot.db
}

@test "what is no name of a container, or no path in one, is a bad command line" {
	local name
	for name in '' --help -x 'a b' '../x' $'a\nb' 'a/b' $'\x1b[2J' 'a;b'; do
		run --separate-stderr dblockcheck --container="$name" /shop/bot.db
		exit_status_is 2 "$name"
		text=$stderr text_is_printable
	done
	run --separate-stderr dblockcheck --container=shop_bot bot.db
	exit_status_is 2
	[[ $stderr == *'starts with /'* ]]
}

@test "a container that does not answer to a hostile label does no harm to the terminal" {
	make_database wal
	hold_in shop_bot /shop/bot.db --label=com.docker.compose.project=$'\x1b[2J"x' \
		--label=com.docker.compose.service=$'two\nlines'
	run dblockcheck --sample=0.01 "$database"
	text=$output
	text_is_printable
	text_has 'compose .*\\x1b\[2J"x/two\\nlines'
	survey "$database"
	answer_has '.holders[0].supervisor.service == "two\nlines"'
}

@test "metrics of a container's path say so in a label" {
	make_database
	sleep_in shop_bot
	run --separate-stderr dblockcheck --metrics --container=shop_bot /shop/bot.db /none.db
	exit_status_is 3
	grep -qxF 'dblockcheck_up{database="/shop/bot.db",container="shop_bot"} 1' <<<"$output"
	grep -qxF 'dblockcheck_up{database="/none.db",container="shop_bot"} 0' <<<"$output"
}
