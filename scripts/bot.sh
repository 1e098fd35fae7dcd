#!/bin/bash -p
# bot.sh - the bot of a project and its database, day by day: what the targets of bot.mk do. See --help.
# shellcheck disable=SC2154,SC2034,SC2015,SC2317 # what the libraries share, see lib/begin.bash; the verbs are called by their names
callers_path=${PATH-} PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
here=$(realpath -- "${BASH_SOURCE[0]}") && here=${here%/*} || exit 3
# shellcheck source=scripts/lib/begin.bash
. "$here/lib/begin.bash" || exit 3

usage() {
	cat <<'TEXT'
Usage: bot.sh [OPTION]... start|stop|status|backup|restore|history|check|logs dev|prod
Work on a project by the settings in its dblocktools.conf. (To migrate: safe_migrate.sh.)

  start     the bot, and see that it stays; not on a database that an interrupted run has left unclear
  stop      the bot, by what started it, and whoever else uses the database
  status    who has the database open, and at which revision it is
  backup    while the bot works
  restore   stop the bot, and put a backup back: the one of --backup, or one that you choose from the list
  history   the migrations, applied and not
  check     the checklist before a migration
  logs      of the last migration

      --backup=FILE    for restore
      --project=FOLDER where dblocktools.conf is (the current folder)
      --say-start=TEXT the command to name for starting the bot
  -y, --yes            restore without asking
  -h, --help           show this text

Exit status: as of all dblocktools, see safe_migrate.sh --help.
TEXT
}

usage_error() {
	printf '%s: %s (see --help)\n' "$me" "$1" >&2
	exit 2
}

parse_arguments() {
	local names=()
	arguments=("$@")
	yes='' json='' chosen='' hint='' folder=. restart='' operation=up target=head row_loss=()
	while (($# > 0)); do
		case $1 in
		-h | --help) usage && exit 0 || exit 3 ;;
		--backup=*) chosen=${1#*=} ;;
		--project=*) folder=${1#*=} ;;
		--say-start=*) hint=${1#*=} ;;
		-y | --yes) yes=yes ;;
		-*) usage_error "unknown option '$1'" ;;
		*) names+=("$1") ;;
		esac
		shift
	done
	((${#names[@]} == 2)) || usage_error "a verb and an environment are needed"
	verb=${names[0]} environment=${names[1]}
	[[ $verb =~ ^(start|stop|status|backup|restore|history|check|logs)$ ]] || usage_error "unknown verb '$verb'"
	[[ $environment == dev || $environment == prod ]] || usage_error "'$environment' is neither dev nor prod"
}

# The answer of a tool is ours, and so is its exit status.
answer_of() {
	"$@"
	status=$?
}

dbmigrate_says() {
	choose_dbmigrate_words "$1" ''
	answer_of env PATH="$callers_path" "${dbmigrate_words[@]}"
}

# --- the verbs -------------------------------------------------------------------------------------------------------

# These change something: one at a time.
alone() {
	state_open
	state_lock
	log_open "$verb-$environment"
}

go_on_unless_told_to_end() {
	[[ ! $signal ]] || die "$((128 + signal))" "interrupted"
}

# What an interrupted run has left is settled.
end_record() {
	((${#record[@]} == 0)) || record_remove || die 3 "the record of an interrupted run cannot be removed: $(plain "$state/run.json")"
}

verb_start() {
	alone
	# Not on a database that an interrupted run has left unclear.
	heal || conclude
	outcome_status=0
	bot_can_start || die 3 "the bot is not up: $reply"
	go_on_unless_told_to_end
	bot_start || die "$((status == 5 ? 5 : 3))" "the bot is not up: $reply"
	end_record
	say "the bot runs"
	status=0
}

verb_stop() {
	alone
	bot_stop && is_free || die "$status" "$reply"
	start_command
	say "the bot is stopped, and nobody uses $database_shown; to start it: $reply"
}

verb_status() {
	local held
	answer_of "$tools/dblockcheck" -- "$database"
	held=$status
	dbmigrate_says status
	# "It is in use" and "something is pending" are answers here, no failures.
	((held < 2)) || status=$held
	((status > 1)) || status=0
}

verb_backup() {
	choose_backup_options
	answer_of "$tools/dbbackup" "${backup_options[@]}"
}

verb_history() { dbmigrate_says history; }

verb_check() { dbmigrate_says check; }

# What the migration printed is in this log, too.
verb_logs() {
	local logs=("$project/.dblocktools/logs/$environment"-2*.log)
	((${#logs[@]} > 0)) || die 3 "there is no log of a migration of $environment yet"
	say "$(plain "${logs[-1]}")"
	cat -- "${logs[-1]}"
	status=$?
}

# It is also what ends a state that is not known ($unclear says why): the record of that stays until the backup is in place.
verb_restore() {
	local unclear=''
	alone
	if record_read; then
		record_get environment
		[[ $reply == "$environment" ]] || die 3 "a run for $reply was interrupted: run this for $reply first; nothing was done"
		record_get unknown
		unclear=$reply
		[[ $unclear ]] || heal || unclear=$outcome
		outcome_status=0
	fi
	choose_backup
	say "what would change:"
	run_tool dbrestore --dry-run -- "$chosen" "$database" || die "$status" "nothing was done"
	talk_of <"$work/out"
	may_restore
	operation=restore backup=$(realpath -- "$chosen") stopped=''
	new_record step 2 step_name stop unknown "$unclear" || die 3 "the record of this run cannot be written; nothing was done"
	bot_stop && is_free || stop_restoring "$reply"
	go_on_unless_told_to_end
	record_write step 5 step_name restore || stop_restoring "the record of this run cannot be written"
	run_tool dbrestore -- "$chosen" "$database" || restore_failed "$status"
	talk_of <"$work/out"
	end_record
	start_command
	say "the bot is stopped; to start it: $reply"
}

# The bot may be stopped by now; the database is as it was, also if that is not known.
stop_restoring() {
	local why=$1 how=$((status > 0 ? status : 3))
	[[ $unclear ]] || end_record
	start_command
	die "$how" "$why; the database was not changed; to start the bot: $reply"
}

# A run of dbrestore that was cut off has left the old one or the new one, and the next start looks at it.
restore_failed() {
	local reply how=$1
	start_command
	if ((how > 128)); then
		die "$how" "the restore was cut off; the database is the old one or the restored one; to start the bot: $reply"
	elif ((how == 7 || how == 2 || how > 7)); then
		record_write unknown "a restore failed with exit status $how" || complain "the record of this run cannot be written"
		die 7 "the restore failed, and what the database is now is not known: do not start the bot; the backup is $(plain "$chosen")"
	fi
	[[ $unclear ]] || end_record
	die "$how" "the restore failed; the database is as it was; to start the bot: $reply"
}

# By --backup; else from the list, the newest first, when there is somebody to ask.
choose_backup() {
	local reply backups=() number
	[[ ! $chosen ]] || return 0
	[[ -t 0 && -t 2 ]] || die 3 "without a terminal the backup has to be named: --backup=FILE (make restore-$environment BACKUP=FILE)"
	backup_folder
	local place=$reply
	"$tools/dbbackup" --json --list "$place" >"$work/list" 2>/dev/null || die 3 "there are no backups at $(plain "$place")"
	mapfile -t backups < <(jq -r '.backups | sort_by(.time) | reverse | .[:20][] | "\(.file)\t\(.time)\t\(.revision // "-")\t\(.size_bytes)"' "$work/list")
	((${#backups[@]} > 0)) || die 3 "there are no backups at $(plain "$place")"
	for number in "${!backups[@]}"; do printf '%3d  %s\n' $((number + 1)) "${backups[number]//$'\t'/  }" >&2; done
	ask "which one? [1-${#backups[@]}]"
	number=$reply
	[[ $number =~ ^[1-9][0-9]?$ ]] && ((number <= ${#backups[@]})) || die 1 "none was chosen; nothing was done"
	chosen=$place/${backups[number - 1]%%$'\t'*}
}

may_restore() {
	[[ ! $yes ]] || return 0
	[[ -t 0 && -t 2 ]] || die 3 "without a terminal it needs --yes (make restore-$environment BACKUP=FILE YES=1); nothing was done"
	says_yes "stop the bot and restore this into $database_shown?" || die 1 "the answer was no; nothing was done"
}

main() {
	local reply
	parse_arguments "$@"
	[[ $verb != start ]] || may_be_missing=yes
	open_project "$folder" "$environment"
	heed_signals
	status=0
	"verb_$verb"
	exit "$status"
}

main "$@"
