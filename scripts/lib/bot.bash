# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2015,SC2016 # what the libraries share, see begin.bash
# The bot of an environment: how it is stopped, started, and seen to be there.
#
#	bot_look			$bot is "compose", "systemd", "local" or "none"; $bot_does says how it is started
#	bot_can_start			false: $reply says why it could not be
#	bot_stop			stops it, and what else uses the database; $status, and $reply if that is not 0
#	bot_start			starts it, and sees that it stays; false: $reply says why
#	is_free				whether nobody uses the database; $status as dblockcheck's; $reply

bot=none

# Without docker-compose it may be docker's own "compose".
compose_words() {
	local reply_words
	conf_or COMPOSE "$(command -v docker-compose >/dev/null && echo docker-compose || echo 'docker compose')"
	words "$reply"
	compose=("${reply_words[@]}")
	conf COMPOSE_PROJECT
	compose+=(-p "$reply")
	conf_path COMPOSE_FILE
	compose+=(-f "$reply")
	conf COMPOSE_SERVICE
	words "$reply"
	services=("${reply_words[@]}")
}

bot_look() {
	local reply reply_words
	compose=() services=() containers=() start=() unit=''
	conf COMPOSE_FILE
	if [[ $reply ]]; then
		bot=compose
		compose_words
		bot_command=("${compose[@]}" up -d "${services[@]}")
		return
	fi
	conf UNIT
	if [[ $reply ]]; then
		bot='systemd' unit=$reply
		[[ $unit == *.* ]] || unit+=.service
		bot_command=(systemctl start -- "$unit")
		return
	fi
	conf START
	words "$reply"
	start=("${reply_words[@]}")
	bot_command=("${start[@]}")
	((${#start[@]} == 0)) || bot='local'
}

# What can be known before anything is stopped.
bot_can_start() {
	case $bot in
	compose)
		conf_path COMPOSE_FILE
		[[ -f $reply ]] || { reply="COMPOSE_FILE: there is no $(plain "$reply")" && return 1; }
		bot_is_trusted || return
		run_program "${compose[@]}" ps -q || { reply="$(plain_words "${compose[@]}") ps: exit status $status" && return 1; }
		;;
	systemd)
		systemctl cat -- "$unit" >/dev/null 2>&1 || { reply="systemd has no unit $unit" && return 1; }
		;;
	local)
		command -v -- "${start[0]}" >/dev/null || { reply="START: there is no program $(plain "${start[0]}")" && return 1; }
		bot_is_trusted
		;;
	esac
}

# What root acts upon: the compose file; of START every word that names a file.
bot_is_trusted() {
	local word owner
	if [[ $bot == compose ]]; then
		conf_path COMPOSE_FILE
		is_trusted "$reply" || { reply="COMPOSE_FILE: $reply" && return 1; }
	elif [[ $bot == 'local' && $EUID == 0 ]]; then
		read -r owner _ <<<"$(owner_of_database)"
		for word in "${start[@]}"; do
			[[ ! -e $word ]] || is_trusted "$word" "$owner" || { reply="START: $reply" && return 1; }
		done
	fi
}

# As whom the bot runs when root starts it.
owner_of_database() {
	stat -L -c '%u %g' -- "$database" 2>/dev/null || stat -L -c '%u %g' -- "${database%/*}"
}

# --- stopping --------------------------------------------------------------------------------------------------------

# By what started it, which does not start it again then; and whoever has the file open all the same.
bot_stop() {
	local grace options=()
	conf_or GRACE 10
	grace=$reply
	bot_is_trusted || { status=3 && return 1; }
	case $bot in
	compose)
		# It takes whole seconds.
		if ! run_program "${compose[@]}" stop -t "$(((10#${grace%.*}) + 1))" "${services[@]}"; then
			reply="docker-compose could not stop it"
			status=3
			return 1
		fi
		;;
	systemd)
		if ! run_program systemctl stop -- "$unit"; then
			reply="systemctl could not stop $unit"
			status=3
			return 1
		fi
		;;
	esac
	conf MATCH
	[[ ! $reply ]] || options+=("--match=$reply")
	conf PROTECT
	[[ ! $reply ]] || options+=("--protect=$reply")
	conf SETTLE
	[[ ! $reply ]] || options+=("--settle=$reply")
	run_tool botkill --color=never --grace="$grace" "${options[@]}" -- "$database"
	# How to start again what was there by mistake is not what is wanted here.
	talk_of < <(sed '/^  start it again with:/,$d' "$work/out")
	case $status in
	0)
		end_started "$grace"
		return
		;;
	1 | 5) reply="the database is still held" status=5 ;;
	4) reply="who holds the database could not be seen" ;;
	*) reply="botkill ended with $status" status=3 ;;
	esac
	return 1
}

# What START has started, and does not hold the file now, or is what held it is a child of.
end_started() {
	local limit
	is_started || return 0
	say "  telling $started_pid to end, which START has started"
	kill -TERM "$started_pid" 2>/dev/null
	now_us
	limit=$((reply / 1000 + $(milliseconds "$1")))
	while is_started; do
		now_us
		if ((reply / 1000 > limit)); then
			reply="$started_pid, which START has started, does not end" status=5
			return 1
		fi
		sleep 0.1
	done
}

# The last one of this environment, by PID and start time; nobody else gets both.
is_started() {
	local ticks
	[[ $bot == 'local' && -f $state/bot-${conf_environment,,}.pid ]] || return
	read -r started_pid ticks <"$state/bot-${conf_environment,,}.pid"
	[[ $started_pid =~ ^[1-9][0-9]*$ && $ticks && $(start_ticks "$started_pid") == "$ticks" ]]
}

# Empty when it has ended. After the name, which may hold anything, the state comes first and the start time is the 20th.
start_ticks() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return
	read -ra stat <<<"${stat##*) }"
	[[ ${stat[0]} == [ZX] ]] || echo "${stat[19]}"
}

# Bystanders may stay: a file that is only read, without a lock, is migrated in place, and they see it.
is_free() {
	local held=
	users_of
	case $status in
	0) return ;;
	1)
		# No answer at all is none of these: without --slurp jq would be content with it.
		if ((${#users[@]} == 0)) && jq -se 'length == 1 and (.[0] | .can.read and .can.write and .hidden.locks == 0 and
			(.certified_no_writer or all(.findings[]; .id != "hidden-holder" and .id != "hidden-processes")))' "$work/survey" >/dev/null; then
			printf -v held ', %s' "${bystanders[@]}"
			say "  left alone, as it only reads the file: ${held#, }"
			status=0
			return
		fi
		((${#users[@]} == 0)) || printf -v held ', %s' "${users[@]}"
		held=${held#, }
		reply="the database is held by ${held:-somebody who cannot be seen}" status=5
		;;
	4) reply="it cannot be told whether somebody has the database open: run this as root" ;;
	*) reply="dblockcheck ended with $status" status=3 ;;
	esac
	return 1
}

# --- starting --------------------------------------------------------------------------------------------------------

bot_start() {
	status=3
	if [[ $bot == none ]]; then
		reply="how it is started is not in dblocktools.conf"
		return 1
	fi
	bot_is_trusted || return
	bot_containers
	users_of
	ids_before=" ${user_ids[*]} "
	if is_running_already; then
		say "  $reply"
		status=0
		return
	fi
	if is_used_by_strangers; then
		status=5
		return 1
	fi
	if [[ $bot == 'local' ]]; then
		start_detached || return
	elif ! run_program "${bot_command[@]}"; then
		reply="$(plain_words "${bot_command[@]}") ended with $status"
		status=3
		return 1
	fi
	bot_containers
	status=3
	bot_stays || return
	status=0
}

bot_containers() {
	containers=()
	[[ $bot != compose ]] || mapfile -t containers < <("${compose[@]}" ps -q "${services[@]}" 2>/dev/null {lock_fd}>&- {log_fd}>&-)
}

# Two of one bot are what nobody wants. It is the one that was started from here last, or was started by the same words. (The engine
# and systemd know that by themselves.)
is_running_already() {
	local same found
	[[ $bot == 'local' ]] || return
	if is_started; then
		reply="it runs already: $started_pid"
		return
	fi
	same=$(jq -nc '$ARGS.positional' --args -- "${start[@]}")
	mapfile -t found < <(holders '. != 0' 'select((.command // []) == $same) | "\(.pid)"' --argjson same "$same")
	((${#found[@]} > 0)) && reply="it runs already: ${found[*]}"
}

# Anybody else who uses the database may be a bot that was forgotten. Who is not what MATCH is for, or is spared by PROTECT, is meant
# to be there.
is_used_by_strangers() {
	local match protect id command own names=()
	conf MATCH
	match=$reply
	conf PROTECT
	protect=$reply
	own=" $(bot_holders_now | tr '\n' ' ') "
	while IFS= read -r -d '' id && IFS= read -r -d '' command; do
		[[ " ${user_ids[*]} " == *" $id "* && $own != *" $id "* ]] || continue
		[[ ! $match || $command =~ $match ]] || continue
		[[ ! $protect || ! $command =~ $protect ]] || continue
		names+=("${id%:*}")
	done < <(jq -j '.holders[] | "\(.pid):\(.start_ticks)\u0000\((.command // []) | join(" "))\u0000"' "$work/survey" 2>/dev/null)
	((${#names[@]} > 0)) && reply="the database is used by ${names[*]} already: stop that first (or name it in PROTECT)"
}

# As the owner of the database, so that what it makes beside it is that owner's; with its own Ctrl+C, the caller's locale, mask and
# (without root's rights) PATH; and without our lock, which would be held for as long as it runs. It is known by its PID before it
# runs: a kill of ours in between must not leave a bot that nobody knows.
start_detached() {
	local as=() out=$state/bot-${conf_environment,,}.log owner group groups=--init-groups
	read -r owner group <<<"$(owner_of_database)"
	getent passwd "$owner" >/dev/null || groups=--clear-groups
	if ((EUID == 0 && owner != 0)); then as=(setpriv "--reuid=$owner" "--regid=$group" "$groups" --); fi
	[[ ! -f $out || $(stat -c %s -- "$out") -lt 10000000 ]] || mv -T -- "$out" "$out.1"
	{ : >>"$out"; } 2>/dev/null || {
		reply="$(plain "$out"): cannot be written"
		return 1
	}
	say "  its output goes to $(plain "$out")"
	(
		bot_pid=$BASHPID
		echo "$bot_pid $(start_ticks "$bot_pid")" 2>/dev/null >"$state/bot-${conf_environment,,}.pid" || :
		cd -- "$project" || exit
		umask "$callers_umask"
		exec {lock_fd}>&- {log_fd}>&- </dev/null >>"$out" 2>&1
		exec setsid env "${callers_locale[@]}" --default-signal=HUP,INT,QUIT,TERM,PIPE,XFSZ PATH="$callers_path" "${as[@]}" "${start[@]}"
	) &
	bot_pid=$!
	disown "$bot_pid"
}

# What says that it is the same run of the bot: containers and how often they were restarted, the unit's main process, or
# the process that was started. Empty when it does not run.
bot_run() {
	local facts
	case $bot in
	compose)
		((${#containers[@]} > 0)) || return
		facts=$(docker inspect -f '{{.Id}} {{.State.Status}} {{.RestartCount}} {{.State.StartedAt}}' "${containers[@]}" 2>/dev/null) &&
			! grep -qv ' running ' <<<"$facts" && echo "$facts"
		;;
	systemd)
		[[ $(systemctl is-active -- "$unit") == active ]] && systemctl show -p MainPID -p NRestarts -- "$unit"
		;;
	local)
		facts=$(start_ticks "$bot_pid") && [[ $facts ]] && echo "$bot_pid $facts"
		;;
	esac
}

# Those of the processes with the database that are the bot: its containers', its unit's, or who was not there before.
bot_holders() {
	users_of
	bot_holders_now
}

bot_holders_now() {
	local id
	case $bot in
	compose)
			holders '. != 0' 'select(.supervisor.id as $id | $ids | index($id)) | "\(.pid):\(.start_ticks)"' \
			--argjson ids "$(jq -nc '$ARGS.positional' --args -- "${containers[@]}")"
		;;
	systemd)
			holders '. != 0' 'select(.supervisor.name == $unit) | "\(.pid):\(.start_ticks)"' --arg unit "$unit"
		;;
	local)
		for id in "${user_ids[@]}"; do
			[[ $ids_before == *" $id "* ]] || printf '%s\n' "$id"
		done
		;;
	esac
}

# It is up when it has had the database open, the same processes of the same run, for STEADY_SECONDS on end.
bot_stays() {
	local limit steady now seen='' is since=0 run=''
	conf_or START_SECONDS 30
	limit=$(milliseconds "$reply")
	conf_or STEADY_SECONDS 3
	steady=$(milliseconds "$reply")
	now_us
	limit=$((reply / 1000 + limit + steady))
	while :; do
		now_us
		now=$((reply / 1000))
		run=$(bot_run) || run=
		is=$run
		if [[ $run ]] && conf_yes HOLDS_DATABASE yes; then
			is=$(bot_holders)
			is=${is:+$run $is}
		fi
		if [[ ! $is || $is != "$seen" ]]; then
			seen=$is since=$now
		elif ((now - since >= steady)); then
			return 0
		fi
		if ((now > limit)) || [[ $signal || ($bot == local && ! $run) ]]; then break; fi
		sleep 0.2
	done
	bot_complaint "$run" "$is"
	return 1
}

milliseconds() {
	local whole=${1%.*} rest=
	[[ $1 != *.* ]] || rest=${1#*.}
	rest=${rest}000
	echo $((10#$whole * 1000 + 10#${rest:0:3}))
}

bot_complaint() {
	if [[ $signal ]]; then
		reply="interrupted before it was seen to stay up"
	elif [[ ! $1 ]]; then
		reply="it does not stay up"
	elif [[ ! $2 ]]; then
		reply="it runs, but does not keep the database open (if that is right, set HOLDS_DATABASE=no)"
	else
		reply="it is restarted again and again"
	fi
	[[ $bot != local ]] || reply+="; the end of its output: $(tail -n 3 -- "$state/bot-${conf_environment,,}.log" | tr -c '[:print:]\n' '?' | paste -sd ' ')"
}
