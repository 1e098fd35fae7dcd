# shellcheck shell=bash
# shellcheck disable=SC2154 # what the other helpers set
# What the tests of safe_migrate.sh and bot.mk say. Needs clients, machine, dblockcheck, backup and migrate.bash.
#
#	chain_setup			an installation in $installed, and the sample bot in $project; its database is at one of five
#	conf_is LINE...			dblocktools.conf: these lines after "DATABASE=data/bot.db" and what makes tests fast
#	chain STATUS ARGUMENT...	run safe_migrate.sh --json; the answer is in $answer, and was judged
#	nothing_begun STATUS ARGUMENT...	the same, and: the database is byte for byte as it was, and no record is left
#	rows COMMAND WORDS...		COMMAND with the words of each, three at a time, each in a project of its own
#	fake TOOL STATUS [WHEN [DO]]	TOOL runs DO, and ends with STATUS, when its arguments match WHEN; else it is the real one.
#					All its calls are in $calls, "TOOL ARGUMENTS"; STATUS "real" lets the real one do it then
#	real TOOL			the fake one goes
#	bot_holds, bot_is_away		whether the database is held by a bot that START has started
#	data_is WORD			what the answer says the data is
#	talk_says PATTERN		what was said on standard error has it
#
# START is ./run_bot: it notes its PID, by which the teardown ends it, and becomes the sample bot.

chain_setup() {
	migrate_setup
	tools_here=${DBLOCKTOOLS_BIN:-$repository/build}
	rm -r "$project"
	around=()
	project_in "$BATS_TEST_TMPDIR"
}

# An installation and a project of its own in this folder. What they are copied from is made once for each file of tests.
project_in() {
	local tool template=$BATS_FILE_TMPDIR/chain
	[[ -d $template ]] || make_template
	mkdir -p "$1"
	cp -r "$template"/* "$1/"
	paths_in "$1"
	: >"$calls"
	: >"$bots"
	for tool in dblockcheck botkill dbbackup dbmigrate dbrestore; do real "$tool"; done
	cat >"$project/run_bot" <<-END
		#!/bin/bash
		read -ra stat </proc/\$\$/stat
		echo "\$\$ \${stat[21]}" >>'$bots'
		exec /usr/bin/python3 bot.py --tick=0.05 "\$@"
	END
	chmod 755 "$project/run_bot"
	conf_is KEEP_LAST=100
	cd "$project" || return
}

paths_in() {
	installed=$1/installed
	scripts=$installed/lib/dblocktools
	calls=$1/calls
	bots=$1/bots
	project=$1/project
	folder=$project/data
	database=$folder/bot.db
	backups=$folder/backups
	migrations=$project/db/migrations
}

make_template() {
	paths_in "$BATS_FILE_TMPDIR/chain.new"
	mkdir -p "$scripts" "$installed/bin" "$folder"
	cp -r "$repository"/scripts/{safe_migrate.sh,bot.sh,bot.mk,lib} "$scripts/"
	make_shop delete
	rm "$project/alembic.ini"
	at_sql 20260105090000
	mv -T "$BATS_FILE_TMPDIR/chain.new" "$BATS_FILE_TMPDIR/chain"
}

# rows COMMAND WORDS... : COMMAND is run with the words of each, in a project of its own, three at a time.
rows() {
	local words number=0 rows_running=() rows_wrong=''
	for words in "${@:2}"; do
		number=$((number + 1))
		((${#rows_running[@]} < 3)) || row_ends
		(
			project_in "$BATS_TEST_TMPDIR/row$number"
			# shellcheck disable=SC2086 # they are words
			"$1" $words
		) >"$BATS_TEST_TMPDIR/row$number.said" 2>&1 3>&- 4>&- </dev/null &
		rows_running+=("$number $! $words")
	done
	while ((${#rows_running[@]} > 0)); do row_ends; done
	[[ ! $rows_wrong ]]
}

row_ends() {
	local number pid words
	read -r number pid words <<<"${rows_running[0]}"
	rows_running=("${rows_running[@]:1}")
	wait "$pid" || {
		echo "of the row '$words':"
		cat "$BATS_TEST_TMPDIR/row$number.said"
		rows_wrong=yes
	} >&2
}

chain_teardown() {
	local one began_then
	while read -r one began_then; do kill_if_same "$one" "$began_then"; done < <(cat "$BATS_TEST_TMPDIR"/{bots,row*/bots} 2>/dev/null)
	cd / || return
	migrate_teardown
}

real() {
	ln -sfT "$tools_here/$1" "$installed/bin/$1"
}

conf_is() {
	printf '%s\n' DATABASE=data/bot.db REHEARSE=no START=./run_bot SETTLE=0.05 STEADY_SECONDS=0.1 START_SECONDS=10 "$@" >"$project/dblocktools.conf"
}

fake() {
	rm -f "$installed/bin/$1"
	cat >"$installed/bin/$1" <<-END
		#!/bin/bash
		[[ \$1 != --version ]] || exec '$tools_here/$1' "\$@"
		echo "$1 \$*" >>'$calls'
		[[ " \$* " == ${3-*} ]] || exec '$tools_here/$1' "\$@"
		${4-:}
		[[ $2 != real ]] || exec '$tools_here/$1' "\$@"
		exit $2
	END
	chmod 755 "$installed/bin/$1"
}

safe_migrate() {
	"${around[@]}" timeout --foreground -k 5 60 "$scripts/safe_migrate.sh" --project="$project" "$@" </dev/null
}

chain() {
	exits_with "$1" safe_migrate --json "${@:2}"
	answer=$output
	judge_chain_answer "$1"
}

# Every answer is one line, and has every key of a run that came so far.
judge_chain_answer() {
	is_same 1 "$(wc -l <<<"$answer")"
	is_same true "$(jq -c --argjson status "$1" '
		def keys_are($names): ($names / " ") - keys == [];
		.schema == 1 and .tool == "safe_migrate" and
		(if $status == 0 then has("error") | not
			else .error.status == $status and (.error.message | length > 0) end) and
		has(if $status == 0 then "steps" else "error" end) and
		((has("steps") | not) or (keys_are("time environment database steps data bot") and
			(.time | test("^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}Z$")) and
			(.environment | IN("dev", "prod")) and (.database | startswith("/")) and
			(.steps | all(keys_are("step name ok seconds note"))) and
			(.data | IN("unchanged", "new", "put-back", "unknown")) and
			(.bot | keys_are("stopped restarted start_command"))))' <<<"$answer" 2>&1)"
}

nothing_begun() {
	remember_bytes
	chain "$@"
	same_bytes
	no_record
}

no_record() {
	is_same '' "$(find "$project/.dblocktools" -name 'run.json*' 2>/dev/null)"
}

data_is() {
	[[ $answer == *"\"data\":\"$1\""* ]] || is_same "the data is $1" "$answer"
}

talk_says() {
	if [[ ! $stderr =~ $1 ]]; then
		is_same "something like: $1" "$stderr"
	fi
}

talk_does_not_say() {
	[[ ! $stderr =~ $1 ]] || is_same "nothing like: $1" "$stderr"
}

has_bot() {
	local one rest
	while read -r one rest; do
		[[ $(began "$one") == "$rest" ]] && ! has_ended "$one" &&
			find "/proc/$one/fd" -lname "$database" 2>/dev/null | grep -q . && return
	done <"$bots"
	return 1
}

bot_holds() {
	has_bot || is_same 'a bot' "none of: $(cat "$bots")"
}

bot_is_away() {
	! has_bot || is_same 'no bot' "one of: $(cat "$bots")"
}

never_started() {
	is_same '' "$(cat "$bots")"
}

# Away from the pipes of bats; it is up when it holds the file.
start_project_bot() {
	(cd "$project" && close_pipes_of_clients && exec ./run_bot >/dev/null 2>&1 3>&- 4>&-) &
	disown $!
	until_true has_bot
}

revision_is() {
	is_same "$1" "$(sql 'SELECT max(version) FROM schema_migrations')"
}
first_revision=20260105090000
last_revision=20260530170000
