# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2015 # what the libraries share, see begin.bash
# The five tools, and what is known of the database through them.
#
#	tools_find			where they are; dies when one is missing or of another version
#	database_open			$database is there; its identity is in $identity
#	run_tool NAME ARGUMENT...	runs one; its answer is in $work/out (or goes to $run_output), its talk is shown; $status is how it ended
#	run_program PROGRAM ARGUMENT...	the same for any program
#	same_database			whether the path still leads to the same file
#	users_of			$users, $user_ids, $bystanders: the processes that have the database open

# The tools lie beside these scripts when they are installed, and in the build tree else.
tools_find() {
	local tool version first=''
	tools=$here/../../bin
	[[ -x $tools/dbmigrate ]] || tools=$here/../build
	tools=$(realpath -m -- "$tools")
	for tool in dblockcheck botkill dbbackup dbmigrate dbrestore; do
		[[ -f $tools/$tool && -x $tools/$tool ]] || die 3 "$tool is not at $(plain "$tools"): build or install dblocktools; nothing was done"
		version=$("$tools/$tool" --version 2>/dev/null) && [[ $version == "$tool "* ]] ||
			die 3 "$(plain "$tools/$tool"): does not say its version; nothing was done"
		version=${version#"$tool "}
		[[ ${first:=$version} == "$version" ]] ||
			die 3 "$(plain "$tools/$tool") is version $version, dblockcheck is $first: install one version of all; nothing was done"
	done
	for tool in jq flock xargs iconv sync; do
		command -v "$tool" >/dev/null || die 3 "needs $tool (Debian: apt-get install jq util-linux findutils); nothing was done"
	done
}

may_be_missing=

database_open() {
	conf_path DATABASE
	database=$reply
	database_shown=$(plain "${database#"$project/"}")
	work=$(mktemp -d "/tmp/$me.XXXXXX") || die 3 "no folder for temporary files can be made; nothing was done"
	trap 'rm -rf -- "$work"' EXIT
	identity=
	# A bot makes its database when it is started first.
	[[ -e $database || -L $database || ! $may_be_missing ]] || return 0
	[[ -f $database ]] || die 3 "$database_shown: there is no such database; nothing was done"
	identity=$(stat -L -c '%d:%i' -- "$database") || die 3 "$database_shown: cannot be looked at; nothing was done"
}

same_database() {
	[[ $(stat -L -c '%d:%i' -- "$database" 2>/dev/null) == "$identity" ]]
}

# --- running ---------------------------------------------------------------------------------------------------------

# In the background, so that a signal to this script reaches it at once (see on_signal). It finds nothing to read.
run_program() {
	local talk talker before output=${run_output:-$work/out}
	log_line "runs: $(plain_words "$@")"
	# It ends when nobody talks any more, and not before.
	exec {talk}> >(trap '' INT TERM HUP && talk_of)
	talker=$!
	if [[ $1 == "$tools"/* || $2 == PATH=* ]]; then
		"$@" >"$output" 2>&"$talk" </dev/null {talk}>&- &
	else
		# Others may leave something that lives on, and would keep our lock.
		"$@" >"$output" 2>&"$talk" </dev/null {talk}>&- {lock_fd}>&- {log_fd}>&- &
	fi
	child=$!
	exec {talk}>&-
	# A signal ends the wait, not what is waited for.
	while :; do
		before=$signals
		wait "$child"
		status=$?
		[[ $signals != "$before" ]] || break
	done
	child=
	wait "$talker"
	log_line "ended with $status"
	return "$status"
}

run_tool() {
	run_program "$tools/$1" "${@:2}"
}

# What a program says on standard error: to ours, and to the log.
talk_of() {
	local line
	while IFS= read -r line || [[ $line ]]; do
		log_line "| $line"
		[[ $quiet ]] || printf '%s\n' "$line" >&2
	done
}

# --- signals ---------------------------------------------------------------------------------------------------------

# The program that is running is told to end, and what it does then is waited for: all it can leave is the old or the new.
signals=0 signal='' child=''

on_signal() {
	signals=$((signals + 1)) signal=$1
	[[ ! $child ]] || kill -TERM "$child" 2>/dev/null
}

heed_signals() {
	trap 'on_signal 2' INT
	trap 'on_signal 15' TERM
	trap 'on_signal 1' HUP
	trap '' PIPE XFSZ
}

# --- what is true ----------------------------------------------------------------------------------------------------

# Asks dblockcheck, and keeps its answer in $work/survey. Who uses the database as SQLite does is in $users, "PID NAME" each, and in
# $user_ids, "PID:START_TICKS" each. What only reads it, with no lock, is a bystander, which a migration does not disturb: $bystanders.
# shellcheck disable=SC2016 # jq's
users_of() {
	local line
	users=() user_ids=() bystanders=()
	"$tools/dblockcheck" --json --sample=0 -- "$database" >"$work/survey" 2>/dev/null
	status=$?
	while IFS= read -r line; do
		case $line in
		user\ *) users+=("${line#* }") ;;
		id\ *) user_ids+=("${line#* }") ;;
		bystander\ *) bystanders+=("${line#* }") ;;
		esac
	done < <(holders '. != 0' 'if .pid | IN($aside[]) then "bystander \(.pid) \($name)" else "user \(.pid) \($name)", "id \(.pid):\(.start_ticks)" end')
}

# holders WHICH SHOW [ARGUMENT...]: what jq shows of each holder whose PID is such; names are for a terminal.
# shellcheck disable=SC2016 # jq's
holders() {
	jq -r "${@:3}" '([.findings[] | select(.id == "bystander").pids[]] | unique) as $aside |
		.holders[] | select(.pid | '"$1"') | ((.name // .exe // "?") | gsub("[^ -~]"; "?")) as $name | '"$2" \
		"$work/survey" 2>/dev/null
}
