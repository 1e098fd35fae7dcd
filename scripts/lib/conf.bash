# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2015 # what the libraries share, see begin.bash
# dblocktools.conf, the settings of a project: lines KEY=value, which are read and never run.
#
#	conf_read PROJECT ENVIRONMENT	dies when anything in it is wrong
#	conf KEY			$reply: its value for the environment; empty when it is not set
#	conf_yes KEY			whether it is "yes"
#	words TEXT			the array $reply_words: TEXT cut as a shell does, with quotes, and nothing expanded
#
# KEY_DEV and KEY_PROD are for one environment and go before KEY. See dblocktools.conf.example.

# A key -> what its value has to be.
declare -A conf_kinds=(
	[DATABASE]=path [ENGINE]=engine [MIGRATIONS]=path [ALEMBIC]=path [ALEMBIC_COMMAND]=text
	[MIGRATE_COMMAND]=words [DOWNGRADE_COMMAND]=words [MIGRATE_SECONDS]=number [REHEARSE]=yesno [WAIT]=number
	[BACKUP]=yesno [BACKUPS]=path [COMPRESS]=yesno
	[KEEP_LAST]=count [KEEP_DAILY]=count [KEEP_WEEKLY]=count [KEEP_MONTHLY]=count
	[COMPOSE]=words [COMPOSE_FILE]=path [COMPOSE_PROJECT]=text [COMPOSE_SERVICE]=words
	[UNIT]=text [START]=words [MATCH]=text [PROTECT]=text
	[GRACE]=number [SETTLE]=number [START_SECONDS]=number [STEADY_SECONDS]=number [HOLDS_DATABASE]=yesno
)
declare -A conf_values=()
conf_environment='' project=''

conf() {
	reply=${conf_values["$1_$conf_environment"]-${conf_values[$1]-}}
}

conf_or() {
	conf "$1"
	reply=${reply:-$2}
}

conf_yes() {
	conf "$1"
	[[ ${reply:-${2-no}} == yes ]]
}

# A path of the settings is relative to the project. It never begins with a "-".
conf_path() {
	conf "$1"
	[[ ! $reply || $reply == /* ]] || reply=$project/$reply
}

# xargs knows the quotes of a shell, and nothing else of one.
words() {
	reply_words=()
	[[ $1 ]] || return 0
	mapfile -d '' -t reply_words < <(xargs -r printf '%s\0' <<<"$1" 2>/dev/null && printf 'whole\0')
	if ((${#reply_words[@]} == 0)) || [[ ${reply_words[-1]} != whole ]]; then
		reply_words=()
		return 1
	fi
	unset 'reply_words[-1]'
}

# --- whose it is -----------------------------------------------------------------------------------------------------

# Who may write what root acts upon: root, and the user who called sudo, who can become root anyway.
is_trusted_owner() {
	[[ $1 == 0 || $1 == "$EUID" ]] || [[ $EUID == 0 && ${SUDO_UID-} =~ ^[1-9][0-9]*$ && $1 == "$SUDO_UID" ]]
}

# A group that is its owner's alone, as Debian makes one for each user, is as good as the owner.
is_own_group() {
	local name
	name=$(id -un "$1" 2>/dev/null) && [[ $(getent group "$2" | cut -d: -f1,4) == "$name:" ]]
}

# is_trusted PATH [UID]: nobody but root, the user who called sudo, and UID can have written it, or put another one there: every folder and
# every link on the way, as it is written. Without root's rights only "everybody" is too many.
is_trusted() {
	local at=/ todo=$1 part target hops=0
	[[ $todo == /* ]] || todo=$PWD/$todo
	while :; do
		is_trusted_node "$at" "${2-}" || return
		todo=${todo#"${todo%%[!/]*}"}
		[[ $todo ]] || return 0
		part=${todo%%/*} todo=${todo#"$part"}
		case $part in
		.) continue ;;
		..) at=${at%/*} at=${at:-/} && continue ;;
		esac
		if [[ -L ${at%/}/$part ]]; then
			is_trusted_node "${at%/}/$part" "${2-}" || return
			target=$(readlink -n -- "${at%/}/$part" && printf x) && ((++hops < 40)) || { reply="too many links" && return 1; }
			todo=${target%x}$todo
			[[ $todo != /* ]] || at=/
		else
			at=${at%/}/$part
		fi
	done
}

is_trusted_node() {
	local uid gid mode kind listed
	IFS=: read -r uid gid mode kind < <(stat -c '%u:%g:%a:%F' -- "$1" 2>/dev/null) || { reply="$(plain "$1") is not there" && return 1; }
	if [[ $EUID == 0 && $uid != "${2-}" ]] && ! is_trusted_owner "$uid"; then
		reply="user $uid can write $(plain "$1")"
		return 1
	fi
	# In a folder like /tmp others can make files, but touch none of somebody else's.
	if [[ $kind == 'symbolic link' ]] || { [[ $kind == directory ]] && (((8#$mode & 01000) != 0)); }; then return 0; fi
	# With an access control list the group's rights are those of all who are named in it.
	# shellcheck disable=SC2012 # of stat and find neither tells
	listed=$(ls -ld -- "$1" | head -c 11)
	if (((8#$mode & 2) != 0)) || { ((EUID == 0 && (8#$mode & 020) != 0)) && { [[ $listed == *+ ]] || ! is_own_group "$uid" "$gid"; }; }; then
		reply="others can write $(plain "$1")"
		return 1
	fi
}

# --- reading ---------------------------------------------------------------------------------------------------------

conf_die() {
	die 3 "$conf_shown${2:+, line $2}: $1; nothing was done"
}

conf_read() {
	local file=$1/dblocktools.conf text line number=0 reply
	project=$1 conf_environment=${2^^}
	shown "$file"
	conf_shown=$reply
	[[ -f $file ]] || die 3 "$conf_shown: there is no such file (a commented one to start from is dblocktools.conf.example)"
	is_trusted "$file" || conf_die "$reply, and what it says would be run as user $EUID"
	[[ -r $file ]] || conf_die "cannot be read"
	# One reading, so that all lines are of one state of the file. It is to end with it, and not before.
	if IFS= read -rd '' -n 65536 text <"$file"; then conf_die "is larger than 64 KiB, or has a NUL"; fi
	text=${text#$'\ufeff'}
	while IFS= read -r line || [[ $line ]]; do
		number=$((number + 1))
		conf_line "${line%$'\r'}" "$number"
	done <<<"$text"
	conf_whole
}

conf_line() {
	local line=$1 key value
	[[ $line =~ ^[[:space:]]*($|\#) ]] && return
	if ! [[ $line =~ ^[[:space:]]*([A-Z][A-Z0-9_]*)[[:space:]]*=[[:space:]]*(.*[^[:space:]])?[[:space:]]*$ ]]; then
		shown "$line"
		conf_die "not KEY=value: $reply" "$2"
	fi
	key=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]-}
	local base=${key%_DEV}
	base=${base%_PROD}
	[[ ${conf_kinds[$base]-} ]] || conf_die "there is no setting $key" "$2"
	[[ ! ${conf_values[$key]+set} ]] || conf_die "$key is there twice" "$2"
	[[ $value != *[[:cntrl:]]* ]] || conf_die "$key has a control character" "$2"
	# A value may stand in quotes, as in a shell's file; in a command they are part of its words.
	if [[ ${conf_kinds[$base]} != words && $value =~ ^(\"[^\"]*\"|\'[^\']*\')$ ]]; then
		value=${value:1:-1}
	fi
	conf_fits "${conf_kinds[$base]}" "$value" || conf_die "$key: $reply" "$2"
	conf_values[$key]=$value
}

# Whether a value is one of its kind; else $reply says what it has to be.
conf_fits() {
	[[ $2 ]] || return 0
	case $1 in
	yesno) reply='"yes" or "no"' && [[ $2 == yes || $2 == no ]] ;;
	count) reply='a number from 0 to 99999' && [[ $2 =~ ^[0-9]{1,5}$ ]] ;;
	number) reply='a number of seconds' && [[ $2 =~ ^[0-9]{1,6}(\.[0-9]{1,3})?$ ]] ;;
	engine) reply='auto, sql, alembic or command' && [[ $2 =~ ^(auto|sql|alembic|command)$ ]] ;;
	words) reply='a quote that is not closed' && words "$2" && ((${#reply_words[@]} > 0)) ;;
	esac
}

# What only all lines together can be wrong in.
conf_whole() {
	local ways=()
	conf DATABASE
	[[ $reply ]] || conf_die "DATABASE is not set"
	conf BACKUP
	[[ $conf_environment != PROD || ${reply:-yes} == yes ]] || conf_die "prod always has its backup: BACKUP is for dev"
	conf COMPOSE_FILE
	[[ ! $reply ]] || ways+=(COMPOSE_FILE)
	conf UNIT
	[[ ! $reply ]] || ways+=(UNIT)
	conf START
	[[ ! $reply ]] || ways+=(START)
	((${#ways[@]} < 2)) || conf_die "the bot of ${conf_environment,,} is started in two ways: ${ways[*]}"
	conf COMPOSE_PROJECT
	# Its usual name is that of the file's folder, which another project may have as well.
	[[ ${ways[*]} != COMPOSE_FILE || $reply ]] || conf_die "COMPOSE_FILE needs COMPOSE_PROJECT, what docker-compose -p is given"
	[[ ! $reply || $reply =~ ^[a-z0-9][a-z0-9_-]*$ ]] || conf_die "COMPOSE_PROJECT: small letters, digits, - and _"
	conf UNIT
	[[ ! $reply || $reply =~ ^[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]*$ ]] || conf_die "UNIT: the name of a systemd unit"
	conf MIGRATE_COMMAND
	local command=$reply
	conf_or ENGINE auto
	[[ $reply != command || $command ]] || conf_die "ENGINE=command needs MIGRATE_COMMAND"
	[[ ! $command || $reply == command || $reply == auto ]] || conf_die "MIGRATE_COMMAND is for ENGINE=command"
}
