#!/usr/bin/env bats
# bats file_tags=slow
#
# botkill with an engine that lies, babbles or says nothing. The engine is a program named docker that is put
# before all others, and the container a control group named like one.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/engine.bash
	machine_setup
	dblockcheck_setup
	require_root
	make_database wal
}

teardown() {
	clients_teardown
	# The group above may be in use by a daemon that was started meanwhile.
	machine_teardown 2>/dev/null || true
}

id=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

# A client in what looks like a docker container.
start_contained() {
	make_cgroup "docker/$id"
	# It has no handler of its own, so that only what the engine does ends it.
	start bot env --ignore-signal=INT "$sql_client"
	ask bot open "$database"
	pid bot >"$cgroup/cgroup.procs"
}

# The engine answers "container inspect" with the file $1, and to "stop" does what standard input says.
put_engine() {
	local stop
	stop=$(cat)
	put_program docker <<-END
		#!/bin/sh
		echo "\$*" >>$BATS_TEST_TMPDIR/asked
		case \$1 in
		container) exec cat $1 ;;
		stop) $stop ;;
		esac
	END
}

# What an engine says of a container: its PID 1, and more or other facts as jq has them.
make_facts() {
	jq -n --arg id "$id" --argjson pid "$1" '[{Id: $id, Name: "/shop_bot", State: {Running: true, Paused: false, Pid: $pid, ExitCode: 0},
		HostConfig: {RestartPolicy: {Name: "always"}}, Config: {Labels: {}}}]' | jq "${2:-.}" >"$BATS_TEST_TMPDIR/facts"
}

# Trouble is said, and the client has not been signalled: it still answers.
is_refused() {
	exit_status_is 3
	answer_has '.error.status == 3 and (.error.message | test("docker"))'
	((${#output} < 4096 && ${#stderr} < 4096))
	ask bot sql 'SELECT 1'
}

@test "the engine is asked, and told to stop, by an argument list" {
	start_contained
	make_facts "$(pid bot)"
	put_engine "$BATS_TEST_TMPDIR/facts" <<<"kill -KILL $(pid bot)"
	botkill --grace=7.2 "$database"
	stopped_by 'docker stop'
	is_same "container inspect $id stop -t 8 $id container inspect $id" "$(xargs <"$BATS_TEST_TMPDIR/asked")"
}

@test "who is in a container by its cgroup's name only is not stopped through the engine" {
	start_contained
	start elsewhere unshare --mount --propagation private "$sql_client"
	make_facts "$(pid elsewhere)"
	put_engine "$BATS_TEST_TMPDIR/facts" <<<"kill -KILL $(pid elsewhere)"
	botkill "$database"
	exit_status_is 0
	is_same "container inspect $id" "$(xargs <"$BATS_TEST_TMPDIR/asked")"
	has_ended "$(pid bot)"
	stop elsewhere
}

@test "answers that make no sense are refused" {
	start_contained
	local answers=('' ' ' 'null' '[]' '{}' '[[]]' '[{}]' '[{"Name":"x","State":{"Pid":7}}]'
		'[{"Id":"1","Name":"x"}]' '[{"Id":"1","Name":1,"State":{"Pid":1}}]'
		'[{"Id":"1","Name":"x","State":{"Pid":-1}}]' '[{"Id":"1","Name":"x","State":{"Pid":99999999999}}]' '[{"Id":"1","Name":"x","State":{"Pid":"7"}}]'
		'[{"Id":"1","Name":"x","State":[]}]' '[{"Id":"1","Name":"x","State":{"Pid":7}}] x' '[{"Id":"1","Name":"\ud800","State":{"Pid":7}}]' $'\xff\xfe')
	local text
	printf '%0.s[' {1..100000} >"$BATS_TEST_TMPDIR/deep"
	head -c 100000 /dev/urandom >"$BATS_TEST_TMPDIR/noise"
	for text in "${answers[@]}"; do
		printf '%s' "$text" >"$BATS_TEST_TMPDIR/facts"
		put_engine "$BATS_TEST_TMPDIR/facts" <<<'exit 0'
		botkill "$database"
		is_refused
	done
	for text in deep noise; do
		put_engine "$BATS_TEST_TMPDIR/$text" <<<'exit 0'
		botkill "$database"
		is_refused
	done
}

@test "an answer of 1 GiB, or one without end, costs neither memory nor time" {
	[[ ! ${DBLOCKTOOLS_SANITIZED-} ]] || skip 'the sanitizers need more address space'
	start_contained
	local words start
	for words in 'head -c 1G /dev/zero' 'cat /dev/zero' 'yes'; do
		put_program docker <<-END
			#!/bin/sh
			exec $words
		END
		as=(prlimit --as=200000000 -- "${as[@]}")
		start=$SECONDS
		botkill "$database"
		((SECONDS - start < 5))
		is_refused
	done
}

@test "an engine that never answers is given up after some seconds, with all that it has started" {
	start_contained
	put_program docker <<-END
		#!/bin/sh
		sleep 1000 &
		echo \$! >$BATS_TEST_TMPDIR/child
		echo '['
		wait
	END
	local start=$SECONDS
	botkill "$database"
	((SECONDS - start < 20))
	is_refused
	until_true has_ended "$(<"$BATS_TEST_TMPDIR/child")"
}

@test "an engine that is not installed is trouble" {
	start_contained
	# shellcheck disable=SC2016 # for the shell in the namespace
	as=(unshare --mount --propagation private -- /bin/sh -c '
		for docker in /usr/local/sbin/docker /usr/local/bin/docker /usr/sbin/docker /usr/bin/docker; do
			[ ! -e $docker ] || mount --bind /dev/null $docker || exit 99
		done
		exec "$0" "$@"')
	botkill "$database"
	is_refused
	answer_has '.error.message | test("not installed")'
}

@test "a process that the engine names, but that is not in the container, is not touched" {
	start_contained
	start innocent /usr/bin/python3 -c 'import os; print("ready", os.getpid(), flush=True); os.read(0, 1)'
	make_facts "$(pid innocent)"
	put_engine "$BATS_TEST_TMPDIR/facts" <<<"kill -KILL $(pid bot)"
	botkill "$database"
	stop innocent
}

@test "an engine whose stop fails is trouble, with its own words" {
	start_contained
	make_facts "$(pid bot)"
	put_engine "$BATS_TEST_TMPDIR/facts" <<<'echo "no such luck" >&2; exit 1'
	botkill --grace=0.5 "$database"
	exit_status_is 3
	answer_has '(.error.message | test("no such luck")) and .stopped == [] and .left[0].reason == "still-alive"'
	ask bot sql 'SELECT 1'
}

@test "an engine that says stopped but has stopped nobody is not believed" {
	start_contained
	make_facts "$(pid bot)"
	put_engine "$BATS_TEST_TMPDIR/facts" <<<'exit 0'
	botkill --grace=0.5 "$database"
	exit_status_is 1
	answer_has '.released == false and .stopped == [] and .left[0].reason == "still-alive"'
	ask bot sql 'SELECT 1'
}

@test "hostile names and labels are shown escaped, and quoted in what is to be typed" {
	start_contained
	make_facts "$(pid bot)" '.[0].Name = "/a\u001b[2J\n$(touch owned)\u202e" | .[0].State.Paused = true'
	put_engine "$BATS_TEST_TMPDIR/facts" <<<"kill -KILL $(pid bot)"
	botkill --force "$database"
	exit_status_is 0
	text=$stderr text_is_printable
	text=$(jq -r '.restart_hint[]' <<<"$answer") text_is_printable

	start_contained
	make_facts "$(pid bot)" '.[0].Config.Labels = {
		"com.docker.compose.project": "-p; touch owned", "com.docker.compose.service": "`touch owned`",
		"com.docker.compose.project.working_dir": "'"$BATS_TEST_TMPDIR"'/$(touch owned)",
		"com.docker.compose.project.config_files": "a'"'"'; touch owned,b\ntouch owned"}'
	put_engine "$BATS_TEST_TMPDIR/facts" <<<"kill -KILL $(pid bot)"
	botkill "$database"
	exit_status_is 0
	run "${as[@]}" sh -c "cd '$BATS_TEST_TMPDIR'; mkdir '\$(touch owned)'; $(jq -r '.restart_hint[0]' <<<"$answer")"
	[[ ! $(find "$BATS_TEST_TMPDIR" -name owned) ]]
}
