# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2015 # what the libraries share, see begin.bash
# What is remembered in a project's .dblocktools: the lock that keeps two runs apart, the logs, and the record of a run that
# has begun, by which the next one knows what a kill or a power loss has cut off.
#
#	state_open			makes the folder; dies when it is not ours
#	state_lock			dies with 5 when another run is at work
#	log_open			the log of this run is in $log
#	record_write NAME VALUE...	changes the record and makes that durable; false: it is as it was
#	record_read			the array $record is what an earlier run has left; false: nothing
#	record_get NAME			$reply: a text of it
#	record_remove
#
# The record is one JSON object, replaced as a whole: rename(2) of a file that is on the disk, in a folder that is.

state=''
declare -A record=()
# Until they are opened; what is told to close them then always can.
exec {lock_fd}</dev/null {log_fd}>/dev/null
most_logs=100

state_open() {
	local owner mode
	state=$project/.dblocktools
	mkdir -m 700 -- "$state" 2>/dev/null
	[[ -d $state && ! -L $state ]] || die 3 "$(plain "$state"): this folder cannot be made; nothing was done"
	read -r owner mode < <(stat -c '%u %a' -- "$state")
	is_trusted_owner "$owner" && (((8#$mode & 022) == 0)) && [[ -w $state ]] ||
		die 3 "$(plain "$state"): belongs to user $owner: run these tools always as the same user; nothing was done"
}

plain() {
	local reply
	shown "$1"
	printf %s "$reply"
}

# Whoever has the file open has the lock: this script, and for as long as they run the tools that it has started.
state_lock() {
	exec {lock_fd}<>"$state/run.lock" || die 3 "$(plain "$state/run.lock"): cannot be opened; nothing was done"
	flock --nonblock "$lock_fd" && return
	die 5 "another run is at work in this project ($(plain "$project")); nothing was done"
}

log_open() {
	local reply folder=$state/logs old
	[[ -d $folder ]] || mkdir -m 700 -- "$folder" || die 3 "$(plain "$folder"): cannot be made; nothing was done"
	utc %Y%m%dT%H%M%SZ
	log=$folder/$1-$reply-$$.log
	exec {log_fd}>>"$log" || die 3 "$(plain "$log"): cannot be made; nothing was done"
	# Their names sort by time.
	old=("$folder"/"$1"-2*.log)
	((${#old[@]} <= most_logs)) || rm -f -- "${old[@]:0:${#old[@]}-most_logs}"
	log_line "begins: $me $(plain_words "${arguments[@]}")"
	[[ ! $log_failed ]] || die 3 "$(plain "$log"): cannot be written (is the disk full?); nothing was done"
}

plain_words() {
	local reply
	shown_words "$@"
	printf %s "$reply"
}

# --- the record ------------------------------------------------------------------------------------------------------

# record_write NAME TEXT [NAME TEXT]...
record_write() {
	local file=$state/run.json name reply new=
	local -A all=()
	for name in "${!record[@]}"; do all[$name]=${record[$name]}; done
	while (($# > 0)); do
		# A program may say much, and a command line is limited.
		all[$1]=${2:0:8000}
		shift 2
	done
	for name in "${!all[@]}"; do
		json_string "${all[$name]}" || return
		new+=${new:+,}\"$name\":$reply
	done
	{ printf '{%s}\n' "$new" >"$file.new"; } 2>/dev/null && sync -- "$file.new" && mv -T -- "$file.new" "$file" && sync -- "$state" || {
		rm -f -- "$file.new"
		return 1
	}
	for name in "${!all[@]}"; do record[$name]=${all[$name]}; done
}

# Whole, or not at all: half of it would be another record.
record_read() {
	local file=$state/run.json all=() index
	record=()
	rm -f -- "$file.new"
	[[ -e $file || -L $file ]] || return
	if [[ -f $file && ! -L $file ]]; then
		mapfile -d '' -t all < <(jq -sj 'select(length == 1) | .[0] | select(.schema == "1" and (.step | test("^[1-7]$")) and all(.[]; type == "string")) |
			(to_entries[] | "\(.key)\u0000\(.value)\u0000"), "whole\u0000"' "$file" 2>/dev/null)
	fi
	if ((${#all[@]} < 3)) || [[ ${all[-1]} != whole ]]; then
		die 3 "$(plain "$file"), which an interrupted run has left, cannot be read: look at the database with \
dbmigrate status and dblockcheck, then run safe_migrate.sh with --forget; nothing was done"
	fi
	for ((index = 0; index + 1 < ${#all[@]}; index += 2)); do record[${all[index]}]=${all[index + 1]}; done
}

record_get() {
	reply=${record[$1]-}
}

record_remove() {
	record=()
	rm -f -- "$state/run.json" "$state/run.json.new" && sync -- "$state"
}
