# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2015,SC2016 # what the libraries share, see begin.bash
# A run: its steps one after another, each announced, timed, logged and recorded; and its end, whatever it was.
#
#	step NUMBER NAME FUNCTION	one step; false: the run has failed, see failed()
#	failed STATUS TEXT		for a step's "return": what the run will end with
#	conclude			ends the run: record, bot, answer
#	heal				finds out what an interrupted run has left
#
# $data is what the database is: "unchanged", "new" (migrated, or restored), "put-back", or "unknown".

steps_in_all=7
step_number=0 step_name=''
data=unchanged
stopped=''
outcome_status=0 outcome=''
backup='' from='' to=''
recorded=''

step() {
	local reply started outcome_word=ok
	step_number=$1 step_name=$2 step_note=''
	now_us
	started=$reply
	say "$step_number/$steps_in_all $step_name"
	if [[ $recorded ]] && ! record_write step "$step_number" step_name "$step_name" data "$data"; then
		# Before the migration that is reason enough to stop. After it the record of before leads to the same end.
		if [[ $data == unchanged ]]; then failed 3 "the record of this run cannot be written (is the disk full?)"; fi
	fi
	heed_signal
	[[ $outcome_status != 0 ]] || "$3" || ((outcome_status != 0)) || failed 3 "the step failed"
	heed_signal
	((outcome_status == 0)) || outcome_word=failed
	took "$started"
	step_add "$outcome_word" "$reply"
	say "$step_number/$steps_in_all $step_name: $outcome_word, $reply s${step_note:+: $step_note}"
	((outcome_status == 0))
}

# Where one can stop: before the migration, and after it has been verified. What was running then was told to end, and has failed.
heed_signal() {
	if [[ $signal && $outcome_status != 7 ]] && { [[ $data == unchanged ]] || ((step_number == steps_in_all)); }; then
		failed $((128 + signal)) "interrupted"
	fi
}

step_add() {
	local ok=false
	[[ $json ]] || return 0
	[[ $1 != ok ]] || ok=true
	answer_is --argjson step "$step_number" --arg name "$step_name" --argjson ok "$ok" --argjson seconds "$2" \
		--rawfile note <(printf %s "$step_note") \
		'.steps += [{step: $step, name: $name, ok: $ok, seconds: $seconds, note: $note}]'
}

failed() {
	outcome_status=$1 outcome=$2
	return 1
}

# The run begins to change something: from here on a kill must not go unnoticed.
begin_record() {
	local at=1
	# The bot that an interrupted run has stopped is still this run's to start.
	[[ ! $stopped ]] || at=2
	new_record step "$at" step_name "$step_name" unknown "" ||
		failed 3 "the record of this run cannot be written (is the disk full?)" || return
	recorded=yes
}

# In place of that of an interrupted run, which was there until now.
new_record() {
	local reply
	utc "$iso_8601"
	record_write schema 1 environment "${conf_environment,,}" operation "$operation" target "$target" identity "$identity" \
		from "$from" backup "$(printf %s "$backup" | base64 -w 0)" restart "$restart" began "$reply" data "$data" "$@"
}

# Kept in base64: a path may hold any byte but one.
record_backup() {
	record_write backup "$(printf %s "$backup" | base64 -w 0)"
}

# --- the end ---------------------------------------------------------------------------------------------------------

start_command() {
	reply=${hint:-}
	[[ $reply ]] || reply=$(plain_words "$here/bot.sh" "--project=$project" start "${conf_environment,,}")
}

conclude() {
	# The bot is started again also after a signal.
	local reply restarted=false running='' command note='' signal=''
	start_command
	command=$reply
	# Not once more what has just failed: there would be two of them.
	if ((outcome_status != 0)) && [[ $restart && $stopped && $data != unknown && $step_name != start ]]; then
		say "starting the bot again, on the data $(data_words)"
		if bot_start; then
			running=yes restarted=true
		else
			note="; the bot could not be started again: $reply"
		fi
	fi
	close_record
	((outcome_status != 0)) || [[ ! $restart || $step_number != "$steps_in_all" ]] || running=yes restarted=true
	answer_is --argjson restarted "$restarted" --arg data "$data" --arg command "$command" --arg stopped "$stopped" '
		. + {data: $data, bot: {stopped: ($stopped != ""), restarted: $restarted, start_command: $command}}'
	if ((outcome_status != 0)); then
		explain_failure "$running" "$command" "$note"
	elif [[ $stopped && ! $running ]]; then
		summary+=("  the bot is stopped; to start it: $command")
	fi
	((outcome_status == 0)) || fail_answer "$outcome_status" "$outcome"
	finish "$outcome_status"
}

# With what the database is decided the record has done its work. Else it stays, and says so: nothing is started before
# somebody has looked.
close_record() {
	local reply
	[[ $state ]] || return 0
	if [[ $data != unknown ]]; then
		((${#record[@]} == 0)) || record_remove || complain "the record of this run cannot be removed: $(plain "$state/run.json")"
	elif [[ ! $healing ]] && record_get unknown && [[ ! $reply ]]; then
		new_record step 5 step_name "$step_name" unknown "$outcome" || complain "the record of this run cannot be written"
	fi
}

data_words() {
	case $data in
	unchanged) echo "as it was" ;;
	new) echo "as it is now, migrated" ;;
	put-back) echo "that was put back" ;;
	esac
}

explain_failure() {
	local where="step $step_number ($step_name) failed: $outcome$3"
	((step_number > 0)) || where="$outcome$3"
	complain "$where"
	case $data in
	unchanged) complain "the database was not changed" ;;
	new) complain "the database is the new one, and verified" ;;
	put-back) complain "the database is what it was before: the backup was put back" ;;
	unknown) complain "what the database is now is not known: do not start the bot${backup:+; keep $database_shown, what lies beside it, and the backup $(plain "$backup")}" ;;
	esac
	if [[ $data == unknown ]]; then
		[[ ! $backup ]] || complain "to put the backup back: $(plain_words "$tools/dbrestore" "$backup" "$database")"
	elif [[ $1 ]]; then
		complain "the bot runs again"
	elif [[ $step_name == start ]]; then
		complain "look at the bot; to start it: $2"
	elif [[ $stopped ]]; then
		complain "the bot is stopped; to start it: $2"
	else
		complain "the bot was not touched"
	fi
	[[ ! $log_fd ]] || complain "all of this run: $(plain "$log")"
}

# --- an earlier run --------------------------------------------------------------------------------------------------

# After a kill or a power loss. All that a step can leave is the old database or the new one: which, is found out here; and then it is as
# if that run had ended, or had never been. $healed is "old", "new" or empty (nothing was left). The record stays: its bot may be
# down, until this run has a record of its own, or has ended. It also stays as it is when nothing could be found out: the next run
# asks again ($healing).
healed='' healed_operation='' healed_target='' healing=''

heal() {
	local reply step began identity_then
	record_read || return 0
	record_get environment
	if [[ $reply != "${conf_environment,,}" ]]; then
		# Its database may be this one. It is that environment's to settle.
		record=()
		failed 3 "a run for $reply was interrupted: run this for $reply first, which finishes or undoes it"
		return
	fi
	record_get step
	step=$reply
	record_get began
	began=$reply
	record_get step_name
	say "the run of $began was interrupted in step $step ($reply)"
	record_get operation
	healed_operation=$reply
	record_get target
	healed_target=$reply
	record_get from
	from=$reply
	record_get identity
	identity_then=$reply
	record_get backup
	backup=$(base64 -d <<<"$reply" && printf x)
	backup=${backup%x}
	# Its wish to start the bot is as good as one of now. It may have been stopped at any time from step 2 on.
	record_get restart
	restart=${restart:-$reply}
	((step < 2)) || stopped=yes
	# The record stays: the file system may only not be mounted yet.
	[[ $identity ]] || die 3 "$database_shown, on which that run worked, is not there (safe_migrate.sh --forget, if that is right); nothing was done"
	healing=yes
	if record_get unknown && [[ $reply ]]; then
		was_put_back "$reply" || return
	elif [[ ${identity_then#*:} != "${identity#*:}" ]]; then
		# The inode's number alone: that of a device may be another one after a boot.
		say "another file is at $database_shown since then: what the interrupted run did was to the one before"
		healed=old
	elif ((step < 5)); then
		healed=old
	elif [[ $healed_operation == restore ]] || { record_get data && [[ $reply == new ]]; }; then
		# dbmigrate had ended well; or it is what dbrestore leaves, the old one or the new one, and either is what somebody wanted.
		healed=new
	else
		which_is_it || return
	fi
	case $healed in
	old) say "the database is as it was before that run" ;;
	new)
		say "the database is the one that this run made; it is verified now"
		data=new
		# Somebody may have written since: nothing is put back.
		run_verification || run_verification || { data=unknown && failed 7 "$reply; it is the database of an interrupted run"; } || return
		;;
	esac
	healing=
}

# A run that did not know what the database is has said so, and that holds until the backup is back.
was_put_back() {
	data=unknown
	is_in_backup ||
		failed 7 "$1 (said by the run before this one; when you have looked, and know that the database is good, run this with --forget)" || return
	healed=old data=unchanged
}
