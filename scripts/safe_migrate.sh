#!/bin/bash -p
# shellcheck disable=SC2154,SC2034,SC2015,SC2016 # what the libraries share, see lib/begin.bash
# safe_migrate.sh - stop the bot of a project, back its database up, migrate it all or nothing, verify, and say how it is started.
# See --help, and dblocktools.conf.example.
callers_path=${PATH-} PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
here=$(realpath -- "${BASH_SOURCE[0]}") && here=${here%/*} || exit 3
# shellcheck source=scripts/lib/begin.bash
. "$here/lib/begin.bash" || exit 3

usage() {
	cat <<'TEXT'
Usage: safe_migrate.sh [OPTION]... [dev|prod]
Migrate the database of a project, by the settings in its dblocktools.conf; prod is the usual environment.

  1 preflight  files, revision, room, tools, and a rehearsal on a copy; the bot works on
  2 stop       the bot, by what started it, then whoever still uses the file
  3 free?      proved, not assumed
  4 backup     verified; always for prod
  5 migrate    all or nothing
  6 verify     the file, and its revision
  7 start      said, or with --restart done and watched

      --down=REV       take migrations back: -1, -2, ..., a revision (it stays applied), or base
      --to=TARGET      migrate to +N or a revision instead of head
      --allow-row-loss=TABLE
                       this table may lose rows; may be given more than once
      --restart        start the bot at the end; after a failure too, unless the data is not known to be good
      --dry-run        do step 1, and say what the others would do
      --forget         an interrupted run has been looked at: forget it
      --project=FOLDER where dblocktools.conf is (the current folder)
      --say-start=TEXT the command to name for starting the bot
  -y, --yes            do not ask; without a terminal nothing is asked
  -j, --json           print one JSON object on one line
  -q, --quiet          say nothing but failures
  -h, --help           show this text
  -V, --version        show the version

Exit status:
  0  done, or nothing to do        1  refused: rows would be lost, the result is not sound, or the answer was no
  2  bad command line              3  trouble; the database was not changed unless it is said that it was
  4  cannot tell who has it open   5  the database is held, or another run is at work
  6  failed, and put back          7  what the database is now is not known: do not start the bot
  128 + N after a signal.
TEXT
}

usage_error() {
	printf '%s: %s (see --help)\n' "$me" "$1" >&2
	fail_answer 2 "$1"
	log_fd='' summary=()
	finish 2
}

parse_arguments() {
	local names=()
	arguments=("$@")
	environment=prod operation=up target=head restart='' dry_run='' yes='' forget='' hint='' folder=. row_loss=()
	# So that a wrong word before it is told as JSON, too.
	for argument; do [[ $argument != --json && $argument != -j ]] || json=yes; done
	while (($# > 0)); do
		case $1 in
		-h | --help) usage && exit 0 || exit 3 ;;
		-V | --version) here_version && exit 0 || exit 3 ;;
		--down | --to | --project | --say-start | --allow-row-loss)
			(($# > 1)) || usage_error "$1 needs a value"
			set -- "$1=$2" "${@:3}"
			continue
			;;
		--down=*) operation=down target=${1#*=} ;;
		--to=*) operation=up target=${1#*=} ;;
		--project=*) folder=${1#*=} ;;
		--say-start=*) hint=${1#*=} ;;
		--allow-row-loss=*) row_loss+=("$1") ;;
		--restart) restart=yes ;;
		--dry-run) dry_run=yes ;;
		--forget) forget=yes ;;
		-y | --yes) yes=yes ;;
		-j | --json) json=yes ;;
		-q | --quiet) quiet=yes ;;
		-*) usage_error "unknown option '$1'" ;;
		*) names+=("$1") ;;
		esac
		shift
	done
	((${#names[@]} < 2)) || usage_error "one environment at a time"
	environment=${names[0]-prod}
	[[ $environment == dev || $environment == prod ]] || usage_error "'$environment' is neither dev nor prod"
	[[ $target =~ ^(head|base|[-+]?[[:alnum:]_.@]+)$ ]] || usage_error "'$target' is not a revision"
}

here_version() {
	tools_find
	printf '%s %s\n' "$me" "$("$tools/dbmigrate" --version | cut -d' ' -f2-)"
}

# --- the steps -------------------------------------------------------------------------------------------------------

preflight() {
	local reply
	bot_can_start || failed 3 "$reply" || return
	enough_room || return
	[[ $engine == command ]] || check_files || return
	read_status || { said && failed 3 "$reply"; } || return
	from=$current
	step_note="at ${from:-the base}"
	[[ $engine == command ]] || step_note+=", $pending pending"
	is_done_already || rehearse
}

# Of the checklist only what can be right while the bot works.
check_files() {
	local reply wrong
	run_dbmigrate check
	if ((status > 1)); then
		said
		((status == 4 || status == 5)) || status=3
		failed "$status" "$reply"
		return
	fi
	wrong=$(jq -r '[.checks[] | select((.id == "revision" or .id == "files") and (.answer | not)) | "\(.question): \(.evidence)"] | join("; ")' "$work/out")
	[[ ! $wrong ]] || failed 1 "$wrong"
}

# On a copy, beside the bot: what would fail, or lose rows, is known before anything is stopped.
rehearse() {
	local reply
	local usual=yes
	# A program in a container may have the real database in place of the copy. Then it is to meet the lock of the real run.
	[[ $engine != command ]] || usual=no
	[[ $operation == up ]] && conf_yes REHEARSE "$usual" || return 0
	run_dbmigrate rehearse "${target/#head/}" "${row_loss[@]}"
	case $status in
	0)
		step_note+="; $(jq -r '"rehearsed in \([.seconds[] // 0] | add * 100 | ceil / 100) s" +
			if .would_lock_seconds then ", the real run will hold the file for \(.would_lock_seconds * 100 | ceil / 100) s" else "" end' "$work/out")"
		step_note=${step_note#; }
		;;
	1 | 3 | 4 | 5) said && failed "$status" "the rehearsal: $reply" ;;
	7) data=unknown && said && failed 7 "the rehearsal: $reply" ;;
	*) said && failed 3 "the rehearsal: $reply" ;;
	esac
}

# The copy, its verification and the journal of the publication beside the database, and the backup where that goes. Roughly:
# who runs out of room all the same changes nothing.
enough_room() {
	local size free reply
	size=$(size_of "$database") && size=$((size + $(size_of "$database-wal" || echo 0)))
	free=$(room_at "${database%/*}") || failed 3 "the room beside the database cannot be seen" || return
	((free > 3 * size + 1048576)) || failed 3 "there is room for $((free / 1048576)) MiB beside the database, and $((3 * size / 1048576 + 1)) MiB are needed" || return
	backup_folder
	[[ -d $reply ]] || return 0
	free=$(room_at "$reply") || failed 3 "the room in $(plain "$reply") cannot be seen" || return
	((free > size + 1048576)) || failed 3 "there is room for $((free / 1048576)) MiB in $(plain "$reply"), and the backup needs $((size / 1048576 + 1)) MiB"
}

size_of() {
	stat -L -c %s -- "$1" 2>/dev/null | grep -x '[0-9]*'
}

room_at() {
	df --output=avail -B1 -- "$1" 2>/dev/null | grep -x ' *[0-9]*'
}

stop_bot() {
	same_file || return
	stopped=yes
	bot_stop || failed "$status" "$reply"
}

see_free() {
	is_free || failed "$status" "$reply"
}

# The last moment before the migration: the backup has to be of this state, and dbmigrate sees under its lock that it is.
back_up() {
	local reply
	same_file || return
	if [[ $environment == dev ]] && ! conf_yes BACKUP no; then
		step_note="none (BACKUP_DEV=yes makes one)"
		return
	fi
	make_backup || failed "$status" "the backup: $reply" || return
	step_note=$(plain "$backup")
	record_backup || failed 3 "the record of this run cannot be written (is the disk full?)"
}

migrate() {
	local reply options=("${row_loss[@]}") published=''
	same_file || return
	[[ $backup || $environment == dev ]] || failed 3 "there is no backup" || return
	if [[ $backup ]]; then options+=("--backup=$backup"); else options+=(--no-backup); fi
	conf MIGRATE_SECONDS
	[[ ! $reply ]] || options+=("--timeout=$reply")
	data=unknown
	run_dbmigrate "$operation" "${target/#head/}" "${options[@]}"
	keep_answer
	case $status in
	0) data=new ;;
	1 | 3 | 4 | 5)
		said
		data=unchanged
		published=$(jq -r '.published // false' "$work/out" 2>/dev/null)
		[[ $published != true ]] || data=unknown
		failed "$status" "$reply"
		;;
	6) data=put-back && said && failed 6 "$reply" ;;
	7) said && failed 7 "$reply" ;;
	*) migrate_was_cut_off "$status" ;;
	esac
}

# What dbmigrate did, for the answer. Who was killed has said nothing.
keep_answer() {
	local reply
	answer_is --slurpfile out "$work/out" '. + ($out[0] // {} | {from, to, applied, schema_changes, tables, locked_seconds, migrate_log: .log} |
		with_entries(select(.value != null)))' 2>/dev/null || return
	json_text to "$work/out" && to=$reply
	# It made another one if somebody had written since the first.
	json_text backup "$work/out" && backup=${reply:-$backup}
	step_note=$(jq -r 'if (.applied // []) == [] then "" else "\(.applied | length) applied, \(.from // "base") to \(.to // "base")" end' "$work/out" 2>/dev/null)
}

start_or_say() {
	local reply
	if [[ ! $restart ]]; then
		start_command
		step_note="to start the bot: $reply"
		return
	fi
	bot_start || failed 3 "the migration is done and stays; the bot is not up: $reply"
}

# --- the whole -------------------------------------------------------------------------------------------------------

plan() {
	local reply
	say "2/7 stop would run: $( ((${#compose[@]} == 0)) || plain_words "${compose[@]}" stop "${services[@]}"; [[ ! $unit ]] || echo "systemctl stop $unit")"
	run_tool botkill --color=never --dry-run -- "$database" || :
	talk_of <"$work/out"
	if [[ $environment == prod ]] || conf_yes BACKUP no; then
		backup_folder
		say "4/7 backup would go to $(plain "$reply")"
	fi
	say "5/7 migrate would run: dbmigrate $operation $(plain "$database") $target"
	say "7/7 start would be: $(plain_words "${bot_command[@]}")"
	summary=("$database_shown: nothing was done (--dry-run)${step_note:+; $step_note}")
}

may_go_on() {
	[[ ! $yes && $environment == prod && -t 0 && -t 2 ]] || return 0
	says_yes "$database_shown: stop the bot and migrate ($step_note)?" || failed 1 "the answer was no"
}

is_done_already() {
	[[ $operation == up && $target == head && $engine != command && $pending == 0 ]]
}

# The same that an interrupted run has done, and was told to do; there may be more to do since.
was_healed() {
	[[ $healed == new && $healed_operation == "$operation" && $healed_target == "$target" ]] &&
		{ [[ $operation != up || $target != head || $engine == command ]] || ((pending == 0)); }
}

run_steps() {
	heal || return
	if was_healed; then
		summary=("$database_shown: the interrupted run is finished; the database is at ${current:-its new state}")
		# Its record goes on: one that begins anew would say that nothing has been done yet, and --down=-1 went back twice.
		[[ ! $restart ]] || record_write restart "$restart" || failed 3 "the record of this run cannot be written (is the disk full?)" || return
		recorded=$restart
		step 7 start start_or_say
		return
	fi
	data=unchanged backup='' healed=''
	step 1 preflight preflight || return
	if is_done_already; then
		summary=("$database_shown: nothing to do, it is at ${from:-the base}")
		# An interrupted run has left the bot stopped, and was to start it.
		[[ $stopped && $restart ]] || return 0
		step 7 start start_or_say
		return
	fi
	may_go_on && begin_record || return
	step 2 stop stop_bot && step 3 'free?' see_free && step 4 backup back_up && step 5 migrate migrate && step 6 verify verify_database || return
	summary=("$database_shown: migrated${from:+ from $from}${to:+ to $to}${backup:+; to undo: $(plain_words "$tools/dbrestore" "$backup" "$database")}")
	step 7 start start_or_say
}

# Of another environment's nothing is known here, and a record that cannot be read is anybody's.
forget_record() {
	if [[ $(jq -r '.environment?' "$state/run.json" 2>/dev/null) == $([[ $environment == prod ]] && echo dev || echo prod) ]]; then
		failed 3 "the interrupted run was not for $environment; nothing was done"
		return
	fi
	record_remove
}

can_do_it() {
	local reply
	[[ $engine == command ]] || return 0
	conf DOWNGRADE_COMMAND
	[[ $operation == up || $reply ]] || conf_die "--down needs DOWNGRADE_COMMAND, with MIGRATE_COMMAND"
	[[ $operation == down || $target == head ]] || usage_error "--to does not go with MIGRATE_COMMAND"
}

main() {
	local reply
	parse_arguments "$@"
	open_project "$folder" "$environment"
	can_do_it
	utc "$iso_8601"
	answer_is --arg time "$reply" --arg environment "$environment" '. + {time: $time, environment: $environment, steps: []}'
	json_put_text database "$database"
	heed_signals
	if [[ $dry_run ]]; then
		step 1 preflight preflight && plan
	else
		state_open
		state_lock
		log_open "$environment"
		json_put_text log "$log"
		{ [[ ! $forget ]] || forget_record; } && run_steps || :
	fi
	[[ ! $backup ]] || json_put_text backup "$backup"
	conclude
}

main "$@"
