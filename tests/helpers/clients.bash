# shellcheck shell=bash
# Clients: the programs that a test starts, talks to line by line, and ends.
#
# A client says "ready PID" when it is in the wanted state, answers what it is asked, and ends with
# its standard input. Nobody sleeps and hopes: every step waits for an answer. A test file has
#
#	setup() { clients_setup; }
#	teardown() { clients_teardown; }
#
# and then, with a name of its choice for each client:
#
#	start NAME COMMAND...	start it and wait until it is ready
#	launch NAME COMMAND...	start it only
#	start_sql NAME [PATH]	start a sql_client.py (and connect it to the database at PATH)
#	start_bot NAME OPTION...	start the sample bot
#	start_hold NAME ...	start hold_lock
#	start_paused NAME ...	start pause_sqlite
#	ask NAME LINE...	send a line and wait for "ok"; the rest of the answer is in $reply
#	refused NAME LINE...	send a line and wait for "error"; its text is in $reply
#	stop NAME		end its input and wait until it has ended, with exit status 0
#	crash NAME		kill -9 it, and wait
#	pid NAME		its PID
#	in_background COMMAND...	run something else beside the test; its PID is in $!

# bats notes the line of each command, also in our functions, which takes a quarter of all the time. The line of the
# test tells enough of what failed.
trap 'case ${FUNCNAME[0]-} in test_* | setup* | teardown*) bats_debug_trap "$BASH_SOURCE" ;; esac' DEBUG

repository=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
helpers=${DBLOCKTOOLS_HELPERS:-$repository/build/tests/helpers}
sample_bot=$repository/tests/sample_bot/bot.py
sql_client=$repository/tests/helpers/sql_client.py

# How long a client may take to answer before the test fails.
patience=20

clients_setup() {
	declare -gA client_pid=() client_job=() client_in=() client_out=() client_began=()
	mkdir "$BATS_TEST_TMPDIR/clients"
	# A pipe that nobody writes to: to read from it with a limit is to pass the time.
	mkfifo "$BATS_TEST_TMPDIR/clients/never"
	exec {never}<>"$BATS_TEST_TMPDIR/clients/never"
}

# Ends exactly the processes that this test has started: a PID that means somebody else by now is
# left alone.
clients_teardown() {
	local name
	stop_going_on
	disown -a
	for name in "${!client_job[@]}"; do
		kill_if_same "${client_pid[$name]}" "${client_began[$name]-}"
		kill_if_same "${client_job[$name]}" "${client_began["$name job"]-}"
	done
}

# The start time of a process in clock ticks since boot: with its PID, its identity.
began() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
	# After the name, which may hold anything, the state is the 3rd field and this is the 22nd.
	read -ra stat <<<"${stat##*) }"
	echo "${stat[19]}"
}

kill_if_same() {
	if [[ $1 && $2 && $(began "$1") == "$2" ]]; then
		kill -KILL "$1" 2>/dev/null || true
		until_true has_ended "$1"
	fi
}

has_ended() {
	[[ ! -e /proc/$1 || $(process_state "$1") == Z ]]
}

process_state() {
	sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null
}

# Repeats CONDITION until it is true; for the few states that nobody announces.
until_true() {
	local deadline=$((SECONDS + patience))
	until "$@"; do
		if ((SECONDS > deadline)); then
			echo "still not true after $patience s: $*" >&2
			return 1
		fi
		read -rt 0.01 -u "$never" || true
	done
}

launch() {
	local name=$1 pipe=$BATS_TEST_TMPDIR/clients/$1 to from
	shift
	rm -f "$pipe.in" "$pipe.out"
	mkfifo "$pipe.in" "$pipe.out"
	# A shell's background processes ignore Ctrl+C, and they inherit the pipes of other clients.
	(
		close_pipes_of_clients
		exec env --default-signal=INT,QUIT "$@"
	) <"$pipe.in" >"$pipe.out" 2>"$pipe.err" 3>&- 4>&- &
	client_job[$name]=$!
	client_began["$name job"]=$(began $!)
	client_pid[$name]=$!
	exec {to}>"$pipe.in" {from}<"$pipe.out"
	client_in[$name]=$to
	client_out[$name]=$from
}

close_pipes_of_clients() {
	local fd
	for fd in "$never" "${client_in[@]}" "${client_out[@]}"; do
		exec {fd}>&-
	done
}

# For a loop in the background: true from start_going_on until stop_going_on, or until the test ends.
goes_on() {
	[[ -e $BATS_TEST_TMPDIR/go_on ]] && kill -0 $$ 2>/dev/null
}

start_going_on() {
	touch "$BATS_TEST_TMPDIR/go_on"
}

stop_going_on() {
	rm -f "$BATS_TEST_TMPDIR/go_on"
}

# Runs a command in the background, away from the pipes of clients and bats; its PID is in $!.
in_background() {
	(
		close_pipes_of_clients
		"$@"
	) 3>&- 4>&- &
}

start() {
	launch "$@"
	await_ready "$1"
}

# Waits for "ready PID [CHILD]"; the child's PID is then in $reply.
await_ready() {
	hear "$1" ready
	client_pid[$1]=${reply%% *}
	client_began[$1]=$(began "${client_pid[$1]}")
	reply=${reply#"${client_pid[$1]}"}
	reply=${reply# }
}

# Waits for the line "WORD ..." and leaves what follows the word in $reply.
hear() {
	local name=$1 word=$2 line=''
	if ! IFS= read -rt "$patience" -u "${client_out[$name]}" line; then
		echo "$name says nothing; its standard error:" >&2
		cat "$BATS_TEST_TMPDIR/clients/$name.err" >&2
		return 1
	fi
	if [[ ${line%% *} != "$word" ]]; then
		echo "$name says '$line' instead of '$word'" >&2
		return 1
	fi
	reply=${line#"$word"}
	reply=${reply# }
}

tell() {
	echo "${*:2}" >&"${client_in[$1]}"
}

ask() {
	tell "$@"
	hear "$1" ok
}

refused() {
	tell "$@"
	hear "$1" error
}

start_sql() {
	start "$1" "$sql_client"
	if [[ ${2-} ]]; then
		ask "$1" open "$2"
	fi
}

start_bot() {
	start "$1" "$sample_bot" "${@:2}"
}

start_hold() {
	start "$1" "$helpers/hold_lock" "${@:2}"
}

start_paused() {
	start "$1" "$helpers/pause_sqlite" "${@:2}"
}

pid() {
	echo "${client_pid[$1]}"
}

end_input() {
	local fd=${client_in[$1]}
	exec {fd}>&-
}

stop() {
	end_input "$1"
	wait "${client_job[$1]}"
	forget "$1"
}

crash() {
	kill -KILL "${client_pid[$1]}"
	wait "${client_job[$1]}" 2>/dev/null || true
	forget "$1"
}

forget() {
	local fd=${client_out[$1]}
	exec {fd}<&-
	unset "client_job[$1]" "client_pid[$1]" "client_in[$1]" "client_out[$1]"
}

# Stops a client as Ctrl+Z does, and waits until it stands.
freeze() {
	kill -STOP "${client_pid[$1]}"
	until_true is_stopped "${client_pid[$1]}"
}

is_stopped() {
	[[ $(process_state "$1") == T ]]
}
