# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2015,SC2016 # what the libraries share, see begin.bash
# What the scripts say, and where: stdout is the answer, stderr is talk, and all of it goes to the log as well.
#
#	say TEXT			a line of talk; not with --quiet
#	complain TEXT			one that is said always
#	shown TEXT			$reply: how it can be shown, and pasted into a shell
#	finish STATUS			end, with the answer
#	die STATUS TEXT			end before anything was begun
#	now_us				$reply: microseconds since 1970
#	took SINCE_US			$reply: seconds since then, as 1.23
#	utc FORMAT			$reply: the time
#	json_put NAME VALUE...		see below
#	json_text NAME FILE		$reply: a text of a JSON file, exactly, also when it is not UTF-8; false: the file cannot be read

me=${0##*/}
me=${me%.sh}
quiet='' json=''
log=/dev/null log_failed=''
answer="{\"schema\":1,\"tool\":\"$me\"}"

log_line() {
	local reply
	[[ $log != /dev/null ]] || return 0
	utc "$iso_8601"
	{ printf '%s %s\n' "$reply" "$1" >&"$log_fd"; } 2>/dev/null || log_failed=yes
}

say() {
	log_line "$1"
	[[ $quiet ]] || printf '%s: %s\n' "$me" "$1" >&2 || true
}

complain() {
	log_line "$1"
	printf '%s: %s\n' "$me" "$1" >&2 || true
}

utc() {
	TZ=UTC0 printf -v reply "%($1)T" -1
}

iso_8601=%Y-%m-%dT%H:%M:%SZ

now_us() {
	reply=${EPOCHREALTIME//[!0-9]/}
}

took() {
	local reply_us=${EPOCHREALTIME//[!0-9]/}
	local hundredths=$(((reply_us - $1) / 10000))
	((hundredths > 0)) || hundredths=0
	printf -v reply '%d.%02d' $((hundredths / 100)) $((hundredths % 100))
}

# Plain text stays as it is; anything else as a word of the shell. What turns the direction of writing around is spelt out.
shown() {
	local LC_ALL
	if [[ $1 =~ ^[[:alnum:]_./:=,@%+-]+$ ]]; then
		reply=$1
		return
	fi
	# As %q does it in a locale that can print none of them.
	[[ $1 != *[$'\u202a'-$'\u202e'$'\u2066'-$'\u2069']* ]] || LC_ALL=C
	printf -v reply %q "$1"
}

# shown_words WORD... does so for a command.
shown_words() {
	local word line=
	for word; do
		shown "$word"
		line+=" $reply"
	done
	reply=${line# }
}

# Without the functions that somebody may have put into ~/.jq.
jq() {
	HOME=/nonexistent command jq "$@"
}

# ask QUESTION: the answer is in $reply. Nothing has been begun, so Ctrl+C is an answer, too.
ask() {
	printf '%s: %s ' "$me" "$1" >&2
	trap - INT TERM HUP
	IFS= read -r reply || reply=
	heed_signals
}

says_yes() {
	local reply
	ask "$1 [y/N]"
	[[ $reply =~ ^([yY]|[yY][eE][sS])$ ]]
}

# --- JSON ----------------------------------------------------------------------------------------------------------

# answer_is ARGUMENT...: the answer becomes what jq makes of it, unless jq fails. Nobody wants it without --json, and jq is slow to start.
answer_is() {
	local new
	[[ $json ]] || return 0
	new=$(jq -c "$@" <<<"$answer") && [[ $new ]] && answer=$new
}

# json_put NAME JSON adds a value to the answer; json_put_text NAME TEXT a text, and when that is not valid UTF-8 exactly, too,
# in hex, under NAME_hex.
json_put() {
	[[ $json ]] || return 0
	answer_is --arg name "$1" --slurpfile value <(printf %s "$2") '.[$name] = $value[0]'
}

json_put_text() {
	[[ $json ]] || return 0
	answer_is --arg name "$1" --rawfile value <(printf %s "$2") '.[$name] = $value'
	if ! printf %s "$2" | iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1; then
		json_put "$1_hex" "\"$(printf %s "$2" | od -An -v -tx1 | tr -d ' \n')\""
	fi
}

# A text as JSON. jq is slow to start, so it is asked only for what may need an escape.
json_string() {
	if [[ $1 =~ ^[A-Za-z0-9\ .,:\;/_+=?@%-]*$ ]]; then
		reply=\"$1\"
	else
		reply=$(jq -nc --arg text "$1" '$text') && [[ $reply ]]
	fi
}

# A text of an object in a file. Empty when it is not there, or null.
# shellcheck disable=SC2016 # jq's
json_text() {
	local found=() hex byte
	reply=
	mapfile -d '' -t found < <(jq -sj --arg name "$1" '.[0] | "\(.[$name + "_hex"] // "")\u0000\(.[$name] // "")\u0000"' "$2" 2>/dev/null)
	((${#found[@]} > 1)) || return
	hex=${found[0]}
	if [[ ! $hex =~ ^([0-9a-f][0-9a-f])+$ ]]; then
		reply=${found[1]}
		return
	fi
	while [[ $hex ]]; do
		printf -v byte %b "\\x${hex:0:2}"
		reply+=$byte hex=${hex:2}
	done
}

# --- the end ---------------------------------------------------------------------------------------------------------

# The answer, in the lines of $summary or as one line of JSON. A run whose log could not be written did what it says, but
# nobody can read up on it: that is trouble.
summary=()

finish() {
	local status=$1 line
	if [[ $log_failed ]]; then
		complain "the log could not be written: $log"
		if ((status == 0)); then
			status=3
			fail_answer 3 "done, but the log could not be written"
		fi
	fi
	if [[ $json ]]; then
		printf '%s\n' "$answer" || status=3
	elif [[ ! $quiet ]]; then
		for line in "${summary[@]}"; do printf '%s\n' "$line" || status=3; done
	fi 2>/dev/null
	exit "$status"
}

fail_answer() {
	[[ $json ]] || return 0
	answer_is --argjson status "$1" --rawfile message <(printf %s "$2") '.error = {status: $status, message: $message}' ||
		answer="{\"schema\":1,\"tool\":\"$me\",\"error\":{\"status\":$1,\"message\":\"failed\"}}"
}

die() {
	complain "$2"
	fail_answer "$1" "$2"
	summary=()
	finish "$1"
}
