# shellcheck shell=bash
# What the tests of botkill say about it. Needs clients.bash and dblockcheck.bash.
#
#	kill_holders STATUS [OPTION]...	run botkill --json on $database (or with its input from $input);
#					the answer is in $answer, for answer_has, and its audit in $stderr
#	stopped HOW NAME...		exactly these were stopped, in this way
#	left REASON NAME		this one was left, for this reason
#	left_nobody
#	lives NAME...			these have not ended
#	ended NAME...			these have
#	no_signal COMMAND...		run a command that must send no signal to anybody
#
# NAME is a client, or a PID.

botkill=${DBLOCKTOOLS_BIN:-$repository/build}/botkill

botkill_setup() {
	dblockcheck_setup
	quickly=(--settle=0.1)
	input=/dev/null
}

botkill() {
	"${as[@]}" "$botkill" "$@"
}

kill_holders() {
	local expected=$1
	shift
	run --separate-stderr botkill --json "${quickly[@]}" "$@" "$database" <"$input"
	answer=$output
	answer_is_whole
	exit_status_is "$expected"
}

# One line, every key and no other.
answer_is_whole() {
	[ "${#lines[@]}" = 1 ] || is_same 'one line of JSON' "$output"
	is_same true "$(jq -c '
		def keys_are($names): keys == ($names / " " | sort);
		def identity: "pid start_ticks command";
		def is_text: type == "string";
		def is_stopped:
			keys_are(identity + " how seconds") and (.how | is_text) and .seconds >= 0;
		def is_planned: keys_are(identity + " how") and (.how | is_text);
		def is_left:
			keys_are(identity + " reason") and
			(.reason | IN("bystander", "protected", "ancestor", "self", "pid-1", "not-matched",
				"not-blocking", "gone", "reused", "no-permission", "still-alive", "frozen",
				"disk-wait"));
		def is_return:
			keys_are(identity + " restarted_by") and
			(.restarted_by == null or (.restarted_by | keys_are("pid command")));
		def is_answer:
			(has("stopped") != has("plan")) and
			((keys - ["error", "stopped", "plan", "database_hex"]) == ("schema tool time database released left" +
				" reopened_by restart_hint database_state" | split(" ") | sort)) and
			(.database | startswith("/")) and (.released | type == "boolean") and
			(.stopped // [] | all(is_stopped)) and (.plan // [] | all(is_planned)) and
			(.left | all(is_left)) and (.reopened_by | all(is_return)) and
			(.restart_hint | all(is_text)) and
			(.database_state | keys_are("hot_journal wal_bytes")) and
			(.database_state | (.hot_journal | type == "boolean") and .wal_bytes >= 0);
		.schema == 1 and .tool == "botkill" and
			if has("error") then .error.status >= 2 and (.error.message | length > 0)
			else is_answer end' <<<"$output")"
}

stopped() {
	local how=$1 names
	shift
	names=$*
	is_same "$(pids_of "${names// /+}" | sed "s/$/ $how/")" \
		"$(jq -r '.stopped | sort_by(.pid)[] | "\(.pid) \(.how)"' <<<"$answer")"
	ended "$@"
}

left() {
	is_same "$1" "$(jq -r --argjson pid "$(pids_of "$2")" \
		'.left[] | select(.pid == $pid) | .reason' <<<"$answer")"
}

left_nobody() {
	answer_has '.left == []'
}

lives() {
	local pid
	for pid in $(for name; do pids_of "$name"; done); do
		if has_ended "$pid"; then
			echo "$pid has ended" >&2
			return 1
		fi
	done
}

ended() {
	local pid
	for pid in $(for name; do pids_of "$name"; done); do
		if ! has_ended "$pid"; then
			echo "$pid has not ended" >&2
			return 1
		fi
	done
}

# No system call that sends a signal, by nothing that the command starts.
no_signal() {
	require_command strace
	if [[ ${DBLOCKTOOLS_SANITIZED-} ]]; then
		skip 'the sanitizers do not work beside strace'
	fi
	local trace=$BATS_TEST_TMPDIR/trace
	local calls=kill,tkill,tgkill,pidfd_send_signal,rt_sigqueueinfo,rt_tgsigqueueinfo
	run --separate-stderr strace -f -qqq -e "trace=$calls" -e signal=none -o "$trace" "$@"
	is_same '' "$(cat "$trace")"
}

# The status of a test's own client that has ended by itself; it is forgotten.
status_of() {
	local status=0
	wait "${client_job[$1]}" || status=$?
	end_input "$1"
	forget "$1"
	echo "$status"
}
