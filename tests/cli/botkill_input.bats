#!/usr/bin/env bats
#
# botkill and input that wants to mislead it: on standard input, as the database, and in the names of
# processes and files.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/botkill.bash
	machine_setup
	botkill_setup
	input=$BATS_TEST_TMPDIR/input
	: >"$input"
	survey=$BATS_TEST_TMPDIR/survey
}

teardown() {
	clients_teardown
	machine_teardown
}

# What dblockcheck says about a bot that has the database open.
make_survey() {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	"$dblockcheck" --json --sample=0 "$database" >"$survey" || [ $? = 1 ]
}

# Standard input is refused as a whole: status 3, one line of complaint, nobody is hit.
input_is_refused() {
	run --separate-stderr timeout 10 "$botkill" --settle=0 --json - <"$input"
	exit_status_is 3 "$(head -c 300 "$input" | tr '\0' ' ')"
	is_same 1 "${#stderr_lines[@]}"
	[[ $stderr == 'botkill: standard input'* ]]
	answer_is_whole
	answer=$output
	answer_has '.error.status == 3'
	[[ ! ${client_pid[bot]-} ]] || lives bot
}

kill_from_input() {
	local database=-
	kill_holders "$@"
}

# --- standard input -------------------------------------------------------------------------------

@test "nothing on standard input is refused" {
	: >"$input"
	input_is_refused
	run --separate-stderr "$botkill" - </dev/null
	exit_status_is 3
	is_same '' "$output"
	printf '\n\n\n' >"$input"
	input_is_refused
}

@test "what is not JSON, or not an object of dblockcheck's, is refused" {
	local text
	for text in hello '{' '[]' '{}' 'null' '17' '"dblockcheck"' '[{"tool":"dblockcheck"}]' \
		'{"schema":1,"tool":"dblockcheck"}' \
		'{"schema":1,"tool":"dblockcheck","database":"","holders":[]}' \
		'{"schema":1,"tool":"dblockcheck","database":null,"holders":[]}' \
		'{"schema":1,"tool":"dblockcheck","database":["/x"],"holders":[]}' \
		'{"schema":1,"tool":"dblockcheck","database":"/x"}' \
		'{"schema":1,"tool":"dblockcheck","database":"/x","holders":{}}' \
		'{"schema":1,"tool":"dblockcheck","database":"/x","holders":[1]}' \
		'{"schema":1,"tool":"dblockcheck","database":"/x","holders":[null]}'; do
		printf '%s\n' "$text" >"$input"
		input_is_refused
	done
}

@test "bytes of every kind are refused and survived" {
	head -c 100000 /dev/urandom >"$input"
	input_is_refused
	head -c 100000 /dev/zero >"$input"
	input_is_refused
	head -c 200000 /dev/zero | tr '\0' '[' >"$input"
	input_is_refused
	printf '\xef\xbb\xbf{}\n' >"$input"
	input_is_refused
}

@test "another tool, another schema, and an answer that was an error are refused" {
	make_survey
	local change
	for change in '.tool = "botkill"' '.tool = null' 'del(.tool)' '.schema = 2' '.schema = "1"' 'del(.schema)' \
		'.error = {status: 3, message: "no"}' 'del(.holders)' 'del(.database)'; do
		jq -c "$change" "$survey" >"$input"
		input_is_refused
	done
	"$dblockcheck" --json "$folder/missing.db" >"$input" 2>/dev/null || true
	input_is_refused
}

@test "PIDs that can be none are refused, and so is the whole input" {
	make_survey
	local pid
	for pid in -1 0 -2147483648 2147483648 4294967297 99999999999999999999999 1e3 1.5 '"1"' '"12 34"' '""' true \
		null '[1]' '{}'; do
		sed "s/\"pid\":$(pid bot),\"start_ticks\"/\"pid\":$pid,\"start_ticks\"/" "$survey" >"$input"
		input_is_refused
	done
	# The second of two entries: the first must not have been acted on.
	jq -c '.holders += [.holders[0] | .pid = -1]' "$survey" >"$input"
	input_is_refused
}

@test "start times that can be none are refused" {
	make_survey
	local change
	for change in '.start_ticks = -1' '.start_ticks = null' 'del(.start_ticks)' '.start_ticks = "1"' \
		'.start_ticks = 1.5'; do
		jq -c ".holders[0] |= ($change)" "$survey" >"$input"
		input_is_refused
	done
}

@test "keys that are there twice are refused" {
	make_survey
	sed 's/"pid":/"pid":1,"pid":/' "$survey" >"$input"
	input_is_refused
	sed 's/"database":/"database":"\/x","database":/' "$survey" >"$input"
	input_is_refused
}

@test "a truncated answer is refused wherever it was cut" {
	make_survey
	local size length
	size=$(stat -c %s "$survey")
	for length in 1 2 10 100 $((size / 2)) $((size - 20)) $((size - 2)); do
		head -c "$length" "$survey" >"$input"
		input_is_refused
	done
	# The last line, without its newline, is whole.
	head -c "$((size - 1))" "$survey" >"$input"
	kill_from_input 0
	stopped SIGTERM bot
}

@test "a second line that is bad: the first is not acted on either" {
	make_survey
	{
		cat "$survey"
		head -c 100 "$survey"
	} >"$input"
	input_is_refused
	[[ $stderr == *'line 2'* ]]
	{
		tr -d '\n' <"$survey"
		cat "$survey"
	} >"$input"
	input_is_refused
}

@test "two databases in two lines are both released" {
	make_survey
	local first=$database
	database=$folder/second.db
	make_database
	start_hold second "$database" posix:w:RESERVED
	{
		cat "$survey"
		"$dblockcheck" --json --sample=0 "$database" || true
	} >"$input"
	run --separate-stderr "$botkill" --settle=0.1 --json - <"$input"
	exit_status_is 0
	ended bot second
	is_same "$first $database true true" "$(jq -rs '[.[].database, .[].released] | join(" ")' <<<"$output")"
}

@test "a line for a database that is gone does not keep the next one from being released" {
	make_survey
	{
		jq -c '.database = "/nonexistent/bot.db" | .holders = []' "$survey"
		cat "$survey"
	} >"$input"
	run --separate-stderr "$botkill" --settle=0.1 --json - <"$input"
	exit_status_is 3
	is_same 2 "${#lines[@]}"
	ended bot
}

@test "a command that was not dblockcheck's to tell does not matter: who it is, is looked up" {
	make_survey
	jq -c '.holders[0] |= (.command = ["\u001b[2J"] | .name = "x" | .exe = null | .locks = [])' \
		"$survey" >"$input"
	kill_from_input 0
	stopped SIGTERM bot
	answer_has '.stopped[0].command | contains("hold_lock")'
}

@test "PID 1, a kernel thread and any process that does not hold the database are left alone" {
	require_root
	make_survey
	local pid ticks
	for pid in 1 2 "$$"; do
		ticks=$(began "$pid")
		[[ $ticks ]] || continue
		jq -c --argjson pid "$pid" --argjson ticks "$ticks" \
			'.holders[0] |= (.pid = $pid | .start_ticks = $ticks)' "$survey" >"$input"
		no_signal "$botkill" --json --settle=0 --force --grace=0 - <"$input"
		answer=$output
		answer_has --argjson it "$pid" '.stopped == [] and .left[0].pid == $it and
			(.left[0].reason | IN("gone", "pid-1", "ancestor"))'
		# The bot, which the input does not name, holds it still.
		exit_status_is 1
	done
	lives bot
}

@test "its own PID is left alone, though it has the database open" {
	make_survey
	# shellcheck disable=SC2016
	run --separate-stderr bash -c '
		exec 9<>"$3"
		ticks=$(sed "s/.*) //" "/proc/$$/stat" | cut -d " " -f 20)
		jq -c --argjson pid "$$" --argjson ticks "$ticks" \
			".holders[0] |= (.pid = \$pid | .start_ticks = \$ticks)" "$1" >"$2"
		exec "$4" --json --settle=0 --force --grace=0 - <"$2"' \
		bash "$survey" "$input" "$database" "$botkill"
	exit_status_is 1
	answer=$output
	answer_has '.stopped == [] and (.left | any(.reason | IN("self", "gone")))'
	lives bot
}

@test "the same process twice is signalled once, or at least stopped once" {
	make_survey
	jq -c '.holders += .holders' "$survey" >"$input"
	kill_from_input 0
	ended bot
	answer_has .released
}

@test "ten thousand entries are no trouble" {
	make_survey
	jq -c '.holders[0] as $one | .holders = [range(10000) | $one + {pid: (. + 5000000)}] + [$one]' \
		"$survey" >"$input"
	run --separate-stderr timeout 60 "$botkill" -q --settle=0.1 - <"$input"
	exit_status_is 0
	ended bot
}

# --- the database ---------------------------------------------------------------------------------

database_is_refused() {
	run --separate-stderr timeout 5 "$botkill" -- "$1"
	exit_status_is 3
	is_same '' "$output"
	is_same 1 "${#stderr_lines[@]}"
	[[ $stderr == 'botkill: '* ]]
	run --separate-stderr timeout 5 "$botkill" --json -- "$1"
	exit_status_is 3
	answer_is_whole
	answer=$output
	answer_has '.error.status == 3'
}

@test "a database that is missing, a folder, a FIFO, a device or a loop is refused" {
	database_is_refused "$folder/missing.db"
	[ ! -e "$folder/missing.db" ]
	database_is_refused "$folder"
	mkfifo "$folder/fifo"
	database_is_refused "$folder/fifo"
	database_is_refused /dev/zero
	ln -s loop "$folder/loop"
	database_is_refused "$folder/loop"
	database_is_refused ''
}

@test "a database in the input that is gone, or is another kind of thing now, is refused" {
	make_survey
	cp "$survey" "$input"
	rm "$database"
	kill_from_input 3
	lives bot
	mkfifo "$database"
	run --separate-stderr timeout 5 "$botkill" --json - <"$survey"
	exit_status_is 3
	lives bot
}

@test "a database that was replaced since dblockcheck: who uses the old file is stopped, or left and said" {
	make_survey
	cp "$database" "$database.new"
	mv "$database.new" "$database"
	cp "$survey" "$input"
	kill_from_input 0
	stopped SIGTERM bot
}

@test "a database whose name is not UTF-8 is taken from dblockcheck exactly" {
	database=$folder/$'b\xff\xfet\n.db'
	make_survey
	cp "$survey" "$input"
	kill_from_input 0
	stopped SIGTERM bot
	ended bot
}

# --- names ----------------------------------------------------------------------------------------

@test "a command line and a path with escapes and newlines forge no line, in no form" {
	database=$folder/$'bot\e[2J\n  stopped  1 root.db'
	make_database
	local forged=$'\e]0;owned\a\n  stopped  1  by SIGKILL after 0.00 s: init\r\u202e'
	start_hold bot --comm=$'x\n\e[31mevil' --argument="$forged" "$database" posix:r:SHARED

	run --separate-stderr "$botkill" --dry-run "$database"
	exit_status_is 0
	text=$output$stderr
	text_is_printable
	is_same 2 "${#lines[@]}"

	run --separate-stderr "$botkill" --settle=0 "$database"
	exit_status_is 0
	text=$output
	text_is_printable
	is_same 0 "$(grep -Ec '^ +stopped +1 ' <<<"$text")"
	is_same 1 "$(grep -Ec '^ +stopped ' <<<"$text")"
	text=$stderr
	text_is_printable
	is_same 2 "${#stderr_lines[@]}"
	is_same 2 "$(grep -c "^botkill: $(pid bot): " <<<"$stderr")"
}

@test "JSON is clean whatever the names are" {
	database=$folder/$'b\xff\xfe\e\n.db'
	make_database
	start_hold bot --argument=$'\xc3(\xa0\xa1\e\n' "$database" posix:r:SHARED
	"$botkill" --json --settle=0 "$database" >"$BATS_TEST_TMPDIR/raw"
	is_same '  \n' "$(LC_ALL=C tr -dc '\000-\037\177' <"$BATS_TEST_TMPDIR/raw" | od -An -c)"
	iconv -f UTF-8 -t UTF-8 "$BATS_TEST_TMPDIR/raw" >/dev/null
	answer=$(cat "$BATS_TEST_TMPDIR/raw")
	answer_has --arg hex "$(printf %s "$database" | od -An -tx1 | tr -d ' \n')" '.database_hex == $hex'
}

@test "a hint to start it again is one line for a shell, whatever the arguments are" {
	make_database
	# shellcheck disable=SC2016
	local argument=$'$(touch forged) `touch forged`; "\'\n\e[2J\\'
	start_hold bot --argument="$argument" "$database" posix:r:SHARED
	kill_holders 0
	local hint
	hint=$(jq -r '.restart_hint[0]' <<<"$answer")
	is_same 1 "$(wc -l <<<"$hint")"
	text=$hint
	text_is_printable
	cd "$folder"
	is_same "--argument=$argument" "$(bash -c "hold() { printf '%s' \"\$1\"; }; ${hint//"$helpers/hold_lock"/hold}")"
	[ ! -e forged ]
}

@test "an argument of 100 KB floods nobody" {
	make_database
	start_hold bot --argument="$(head -c 100000 /dev/zero | tr '\0' x)" "$database" posix:r:SHARED
	run --separate-stderr "$botkill" --settle=0 "$database"
	exit_status_is 0
	# The hint to start it again has to be whole, and comes last.
	echo "${#stderr} bytes of audit" >&2
	((${#stderr} < 20000))
	((${#output} < 20000 + 100000))
}
