# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2015 # what the libraries share, see begin.bash
# dbmigrate and the backups as a project's settings have them, and what they have made of the database.
#
#	choose_engine			$engine
#	open_project FOLDER ENVIRONMENT	reads the settings, finds the tools and the database; dies if it cannot
#	run_dbmigrate COMMAND [TARGET] [OPTION]...
#	said				$reply: what the tool that has just failed says
#	read_status			$current, the revision, and $pending
#	backup_folder			$reply
#	make_backup			$backup; else $status and $reply
#	same_file			fails the step when the path leads to another file now
#	verify_database			fails the step, and puts the backup back, when the database is not what it has to be
#	which_is_it			$healed: "old" or "new"; else fails the step

open_project() {
	project=$(cd -- "$1" 2>/dev/null && pwd -P && printf x) || die 3 "$(plain "$1"): there is no such folder"
	project=${project%$'\n'x}
	cd -- "$project" || die 3 "$(plain "$1"): cannot be entered"
	command -v jq >/dev/null || die 3 "needs jq (Debian: apt-get install jq); nothing was done"
	tools_find
	conf_read "$project" "$2"
	database_open
	choose_engine
	bot_look
}

# --- dbmigrate, as the settings have it ------------------------------------------------------------------------------

# run_dbmigrate COMMAND [TARGET] [OPTION]...: its answer is JSON, in $work/out. The target may be empty: the usual one.
run_dbmigrate() {
	choose_dbmigrate_words "$1" "${2-}" --json "${@:3}"
	run_program env PATH="$callers_path" "${dbmigrate_words[@]}"
}

# It looks for migrations in the project's folder, where it runs; see open_project.
choose_dbmigrate_words() {
	local verb=$1 targets=() options=("${@:3}") program=() reply reply_words=() key
	[[ ! $2 ]] || targets=("$2")
	for key in MIGRATIONS:migrations ALEMBIC:alembic; do
		conf_path "${key%:*}"
		[[ ! $reply ]] || options+=("--${key#*:}=$reply")
	done
	conf ALEMBIC_COMMAND
	[[ ! $reply ]] || options+=("--alembic-command=$reply")
	conf WAIT
	[[ ! $reply ]] || options+=("--wait=$reply")
	options+=("--engine=$engine")
	if [[ $engine == command && $verb != status && $verb != history ]]; then
		# A way back is one more program that changes the copy, and is told how far.
		key=MIGRATE_COMMAND
		[[ $verb != down ]] || key=DOWNGRADE_COMMAND
		conf "$key"
		words "$reply"
		program=(-- "${reply_words[@]}")
		[[ $verb != down ]] || program+=("${targets[@]}") verb=up
		targets=()
	fi
	dbmigrate_words=("$tools/dbmigrate" "${options[@]}" "$verb" "$database" "${targets[@]}" "${program[@]}")
}

choose_engine() {
	local reply
	conf_or ENGINE auto
	engine=$reply
	conf MIGRATE_COMMAND
	[[ ! $reply ]] || engine='command'
}

# What dbmigrate has said of a failure.
said() {
	jq -c '.error // {}' "$work/out" >"$work/error" 2>/dev/null
	json_text message "$work/error"
	[[ $reply ]] || reply="exit status $status"
}

# $current is the revision, $pending how many are to be applied (-1: cannot be told).
read_status() {
	local reply
	current='' pending=-1
	# Of a program's database the revision is read all the same.
	run_dbmigrate status || ((status == 1)) || return 1
	json_text current "$work/out" || return
	current=$reply
	[[ $engine == command ]] || { pending=$(jq '.pending | length' "$work/out") && [[ $pending =~ ^[0-9]+$ ]]; }
}

# --- backups ---------------------------------------------------------------------------------------------------------

backup_folder() {
	conf_path BACKUPS
	reply=${reply:-${database%/*}/backups}
}

# What dbbackup is given: $backup_options, the database and its folder for backups at the end.
choose_backup_options() {
	local reply key rules=(LAST DAILY WEEKLY MONTHLY)
	backup_options=()
	if conf_yes COMPRESS; then backup_options+=(--compress); fi
	# An interrupted run may need the backup that it has made.
	[[ $state || ! -e $project/.dblocktools/run.json ]] || rules=()
	for key in "${rules[@]}"; do
		conf "KEEP_$key"
		[[ ! $reply ]] || backup_options+=("--keep-${key,,}=$reply")
	done
	conf WAIT
	[[ ! $reply ]] || backup_options+=("--wait=$reply")
	backup_folder
	# With the "/" it is a folder that is made if need be.
	backup_options+=(-- "$database" "${reply%/}/")
}

make_backup() {
	choose_backup_options
	if ! run_tool dbbackup --json "${backup_options[@]}"; then
		((status == 5)) || status=3
		said
		return 1
	fi
	json_text backup "$work/out"
	if [[ ! -f $reply || $(jq -r .verified "$work/out") == none ]]; then
		reply="dbbackup names no verified backup" status=3
		return 1
	fi
	backup=$reply
}

# --- what it is now --------------------------------------------------------------------------------------------------

# Between the steps the path may have been led elsewhere.
same_file() {
	same_database || failed 3 "another file is at $database_shown now"
}

# What is not sound, or is not where it was to go, is put back. If that only could not be found out, it is tried once more: a signal
# or a full disk may be over.
verify_database() {
	local reply
	run_verification || run_verification || {
		say "  $reply"
		put_back "$reply"
	}
}

run_verification() {
	local run_output=/dev/null
	same_database || { reply="another file is at $database_shown now" && return 1; }
	run_tool dbbackup -q --verify=quick -- "$database" - || {
		reply="the database does not verify (dbbackup ended with $status)"
		return 1
	}
	run_output=
	# A program's database may have no revision.
	[[ $engine != command || $to ]] || return 0
	read_status || { reply="the revision cannot be read (dbmigrate ended with $status)" && return 1; }
	if [[ $engine != command && $operation == up && $target == head && ! $healed && $pending != 0 ]] || [[ $to && $current != "$to" ]]; then
		reply="the database is at ${current:-the base}, which is not where it was to go"
		return 1
	fi
	step_note="at ${current:-the base}, quick_check ok"
}

put_back() {
	data=unknown
	[[ $backup ]] || failed 7 "$1, and there is no backup" || return
	if run_tool dbrestore --json -- "$backup" "$database" && is_in_backup; then
		data=put-back
		failed 6 "$1"
	else
		failed 7 "$1, and the backup could not be put back (dbrestore ended with $status)"
	fi
}

# An exit status that says nothing (a signal, a crash): the database is the old or the new one, and which can be seen.
migrate_was_cut_off() {
	local how=$1
	which_is_it || failed "$outcome_status" "dbmigrate ended with $how; $outcome" || return
	if [[ $healed == new ]]; then
		data=new
		say "  dbmigrate ended with $how, but the migration is in the database"
		return
	fi
	((how > 128 && how < 160)) && [[ $signal ]] || how=3
	failed "$how" "dbmigrate was cut off; the database is as it was"
}

# From step 5 on. The backup is exactly of the state before. If the database is not that any more, it is the new one, or somebody has
# started the bot by hand; a revision tells.
which_is_it() {
	local before now
	data=unknown
	before=$(backup_content) || before=
	now=$(database_content) || failed 7 "an interrupted run may have changed the database, and it cannot be read" || return
	if [[ $before && $before == "$now" ]]; then
		healed=old data=unchanged
		return
	fi
	# A program may have left the revision as it was.
	if ! read_status || [[ $engine == command && $current == "$from" ]]; then
		failed 7 "an interrupted run may have changed the database${backup:+, which is not what it was in $(plain "$backup")}: look whether the migration is in \
it; if it is, or if it is not needed, run this with --forget, else restore the backup first"
		return
	fi
	healed=old data=unchanged
	[[ $current == "$from" ]] || healed=new
}

# As a backup would have it, with the WAL in it; and which database it is, not how often it was written: SQLite counts on when what was
# there before is put back (change counter, schema cookie, version-valid-for and version: sqlite.org/fileformat2.html, 1.3).
content_sum() {
	{
		head -c 24
		head -c 4 >/dev/null
		head -c 12
		head -c 4 >/dev/null
		head -c 48
		head -c 8 >/dev/null
		cat
	} | sha256sum
}

backup_content() {
	local sum file=$backup
	[[ $backup && -f $backup.json ]] || return
	if [[ $backup == *.zst ]]; then
		file=$work/unpacked.db
		rm -f -- "$file"
		"$tools/dbrestore" -q -- "$backup" "$file" >/dev/null 2>&1 || return
	fi
	[[ -s $file ]] && sum=$(content_sum <"$file") && echo "${sum%% *}"
}

database_content() {
	local sum
	sum=$(set -o pipefail && "$tools/dbbackup" -q --verify=none -- "$database" - 2>/dev/null | content_sum) && echo "${sum%% *}"
}

# Two that cannot be read are not the same.
is_in_backup() {
	local before now
	before=$(backup_content) && now=$(database_content) && [[ $before && $before == "$now" ]]
}
