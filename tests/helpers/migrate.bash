# shellcheck shell=bash
# What the tests of dbmigrate say about it. Needs clients.bash, machine.bash, dblockcheck.bash and backup.bash.
#
#	migrate STATUS ARGUMENT...	run dbmigrate --json; the answer is in $answer
#	refuses_to STATUS ARGUMENT...	the same; and it is an error in one line, and nothing was changed
#	error_says PATTERN		the error's message matches this regular expression
#	applied_are VERSION...		what was applied, in this order
#
#	make_shop [MODE]		make $project: the sample bot with its migrations, and a shop of 600 clients in $database
#	at_alembic VERSION		say that Alembic has brought $database there
#	at_sql VERSION...		say that dbmate has applied these to $database
#	alembic ARGUMENT...		run Alembic in $project
#	require_module NAME		skip the test if Python has it not
#
#	make_alembic COUNT		make $project: an Alembic project of COUNT revisions, r1 r2 ..., each of which makes a table
#	revision NAME AFTER UP [DOWN]	add a revision; UP and DOWN are Python
#	env_py < SCRIPT			write its env.py anew
#	make_sql COUNT			make $project: COUNT SQL files, 1_t1.sql ..., each of which makes a table
#	sql_file NAME UP [DOWN]		add one
#	make_small DATABASE [MODE]	make a database with clients, and their orders with ON DELETE CASCADE
#
#	make_program < SCRIPT		make $program: a Python script that gets the database's path; see there
#	dump_of FILE			its .dump; the file and its sidecars stay as they are
#	same_dump FILE FILE
#	sql STATEMENT			run it on $database
#	remember_bytes, same_bytes	$database is byte for byte as it was, with its owner, mode, inode and attributes
#
# The project is $project, its database $database in $folder.

dbmigrate=${DBLOCKTOOLS_BIN:-$repository/build}/dbmigrate

migrate_setup() {
	if [[ ! -x $dbmigrate ]]; then
		echo 'not built yet; run: make all build-tests' >&2
		return 1
	fi
	backup_setup
	project=$BATS_TEST_TMPDIR/project
	folder=$project/data
	database=$folder/bot.db
	backups=$folder/backups
	migrations=$project/db/migrations
	mkdir -p "$folder"
}

dbmigrate() {
	"${as[@]}" timeout --foreground -k 5 60 "$dbmigrate" "$@"
}

migrate() {
	exits_with "$1" dbmigrate --json "${@:2}"
	answer=$output
	judge_migrate_answer "$1"
}

# Every answer is one line and has every key of its command.
judge_migrate_answer() {
	is_same 1 "$(wc -l <<<"$answer")"
	is_same true "$(jq -c --argjson status "$1" '
		def keys_are($names): ($names / " ") - keys == [];
		def is_names: type == "array" and all(type == "string");
		def is_version: . == null or type == "string";
		def is_run:
			keys_are("from to applied published backup log schema_changes tables seconds locked_seconds" +
				" sandbox") and
			(.from | is_version) and (.to | is_version) and (.applied | is_names) and
			(.published | type == "boolean") and
			(.backup == null or (.backup | startswith("/"))) and
			(.log == null or (.log | startswith("/"))) and
			(.schema_changes | all(keys_are("change type name table") and
				(.change | IN("added", "removed", "changed")))) and
			(.tables | all(keys_are("name rows_before rows_after"))) and
			(.seconds | keys_are("copy run verify publish") and all(.[]; . == null or . >= 0)) and
			(.sandbox | IN("overlay", "url", "environment", "in-place", null));
		def is_answer:
			if .command == "status" then
				keys_are("current heads pending problems leftovers") and (.current | is_version) and
				(.heads | is_names) and (.pending | all(keys_are("version name"))) and
				(.problems | all(keys_are("kind version message"))) and (.leftovers | is_names)
			elif .command == "history" then
				.migrations | all(keys_are("version name applied file"))
			elif .command == "check" then
				(.checks | all(keys_are("id question answer evidence") and (.answer | type == "boolean")))
				and [.checks[].id] == ["backup", "containers", "holders", "revision", "files", "rehearsed"]
			elif .command == "new" then .file | startswith("/")
			elif .command == "rehearse" then is_run and has("would_lock_seconds") and (.published | not)
			else is_run end;
		.schema == 1 and .tool == "dbmigrate" and
		(if has("error") then
			.error.status == $status and (.error.message | length > 0)
		else
			$status < 2 and keys_are("time command engine") and (.engine | IN("sql", "alembic", "command")) and
			(.time | test("^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}([.][0-9]+)?Z$")) and
			(.command == "new" or (.database | startswith("/"))) and is_answer
		end)' <<<"$answer" 2>&1)"
}

refuses_to() {
	local status_wanted=$1
	remember_bytes
	migrate "$@"
	error_is "$status_wanted"
	stderr_is_printable
	same_bytes
	no_trace
}

error_says() {
	answer_has --arg pattern "$1" '.error.message | test($pattern)'
}

applied_are() {
	answer_has --arg versions "$*" '.applied == ($versions / " " | map(select(. != "")))'
}

# --- databases ------------------------------------------------------------------------------------

sql() {
	sqlite3 -batch -cmd '.timeout 5000' "$database" "$@"
}

dump_of() {
	local plain suffix
	plain=$(mktemp -d -p "$BATS_TEST_TMPDIR")
	for suffix in '' -wal -journal; do
		[[ ! -f $1$suffix ]] || cp -- "$1$suffix" "$plain/db$suffix"
	done
	sqlite3 -batch "$plain/db" .dump 'PRAGMA user_version; PRAGMA integrity_check; PRAGMA foreign_key_check'
	rm -r "$plain"
}

same_dump() {
	diff <(dump_of "$1") <(dump_of "$2") | head -n 20
	return "${PIPESTATUS[0]}"
}

# An empty -wal is nothing: whoever locks a WAL database may leave one.
bytes_of() {
	local file
	stat -c '%i %a %u %g %h %s' "$1"
	getfattr -d --absolute-names -m - "$1" | LC_ALL=C sort
	for file in "$1" "$1-wal" "$1-journal"; do
		[[ ! -s $file ]] || sha256sum "$file"
	done
}

remember_bytes() {
	bytes_before=$(bytes_of "$database")
}

same_bytes() {
	is_same "$bytes_before" "$(bytes_of "$database")"
}

# No work folder is left, and no mount.
no_trace() {
	is_same '' "$(find "$BATS_TEST_TMPDIR" -name '.dbmigrate*' -o -name '.dbbackup.*' -o -name '*.partial')"
	is_same '' "$(grep -F "$BATS_TEST_TMPDIR" /proc/self/mounts | grep -v "${mounted[0]:-$BATS_TEST_TMPDIR/disk}" || true)"
}

make_small() {
	sqlite3 -batch "$1" >/dev/null <<-END
		PRAGMA synchronous = OFF;
		PRAGMA journal_mode = ${2:-delete};
		CREATE TABLE clients (id INTEGER PRIMARY KEY, name TEXT);
		CREATE TABLE orders (id INTEGER PRIMARY KEY, client_id INTEGER REFERENCES clients (id) ON DELETE CASCADE,
			problem TEXT);
		WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 20)
		INSERT INTO clients SELECT n, 'client ' || n FROM number;
		INSERT INTO orders SELECT id, id, 'slow' FROM clients;
	END
}

# --- the sample bot -------------------------------------------------------------------------------

# The shop is made once for each file of tests.
make_shop() {
	local template=$BATS_FILE_TMPDIR/shop.db
	[[ -f $template ]] || "$sample_bot" --database="$template" --journal-mode=delete --stdin </dev/null >/dev/null
	cp -r "$repository"/tests/sample_bot/{bot.py,alembic.ini,migrations,db} "$project/"
	cp "$template" "$database"
	sql "PRAGMA journal_mode = ${1:-wal}" >/dev/null
}

at_alembic() {
	sql "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
		INSERT INTO alembic_version VALUES ('$1')"
}

at_sql() {
	local version
	sql 'CREATE TABLE IF NOT EXISTS "schema_migrations" (version varchar(128) primary key)'
	for version; do sql "INSERT INTO schema_migrations VALUES ('$version')"; done
}

# One of the system's Python; to import it takes much longer.
require_module() {
	/usr/bin/python3 -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec(sys.argv[1]))' "$1" ||
		skip "needs python3-$1"
}

alembic() {
	(cd "$project" && timeout 30 /usr/bin/python3 -m alembic "$@" 3>&- 4>&-)
}

add_failing_revision() {
	cp "$project"/migrations/failing/*.py "$project/migrations/versions/"
}

alembic_is_at() {
	is_same "$1" "$(sqlite3 -batch "$database" 'SELECT version_num FROM alembic_version ORDER BY 1' | paste -sd ,)"
}

# --- projects made up -----------------------------------------------------------------------------

make_alembic() {
	local number
	mkdir -p "$project/migrations/versions"
	cp "$repository"/tests/sample_bot/migrations/{env.py,script.py.mako} "$project/migrations/"
	cp "$repository/tests/sample_bot/alembic.ini" "$project/"
	for ((number = 1; number <= $1; number++)); do
		revision "r$number" "$( ((number == 1)) || echo "r$((number - 1))")" \
			"op.execute('CREATE TABLE t$number (x)')" "op.execute('DROP TABLE t$number')"
	done
}

revision() {
	local after=None
	[[ ! $2 ]] || after="'$2'"
	cat >"$project/migrations/versions/$1.py" <<-END
		"""revision $1"""
		import os, sqlite3, sys, time
		from alembic import op
		revision = "$1"
		down_revision = $after
		def upgrade():
		    ${3//$'\n'/$'\n    '}
		def downgrade():
		    ${4:-pass}
	END
}

env_py() {
	cat >"$project/migrations/env.py"
}

make_sql() {
	local number
	mkdir -p "$migrations"
	for ((number = 1; number <= $1; number++)); do
		sql_file "$number" "CREATE TABLE t$number (x);" "DROP TABLE t$number;"
	done
}

# The name may be a number alone.
sql_file() {
	local name=$1
	[[ $name == *[!0-9]* ]] || name=${1}_t$1.sql
	mkdir -p "$migrations"
	printf -- '-- migrate:up\n%s\n\n-- migrate:down\n%s\n' "$2" "${3-}" >"$migrations/$name"
}

# --- programs -------------------------------------------------------------------------------------

# The script on standard input, with `db`, a connection in autocommit to the database of the first argument, and
# wait(WORD), which tells the test where it is and stands still until the test says go_on.
make_program() {
	program=$BATS_TEST_TMPDIR/migration.py
	{
		cat <<-END
			#!/usr/bin/python3
			import os, signal, sqlite3, subprocess, sys, time
			db = sqlite3.connect(sys.argv[1], isolation_level=None)
			def wait(word):
			    with open("$BATS_TEST_TMPDIR/at", "w") as pipe:
			        pipe.write(f"{word} {os.getpid()}\n")
			    with open("$BATS_TEST_TMPDIR/go") as pipe:
			        pipe.readline()
		END
		cat
	} >"$program"
	chmod 755 "$program"
}

# Starts dbmigrate --json beside the test, which may wait for a word of its migration; the job is $job.
start_migration() {
	rm -f "$BATS_TEST_TMPDIR/at" "$BATS_TEST_TMPDIR/go"
	mkfifo -m 666 "$BATS_TEST_TMPDIR/at" "$BATS_TEST_TMPDIR/go"
	exec {at}<>"$BATS_TEST_TMPDIR/at" {go}<>"$BATS_TEST_TMPDIR/go"
	in_background exec env --default-signal=INT,HUP,TERM "$dbmigrate" --json "$@" >"$BATS_TEST_TMPDIR/said" \
		2>"$BATS_TEST_TMPDIR/complained" {at}>&- {go}>&- </dev/null
	job=$!
	job_began=$(began "$job")
}

# Waits until the migration says the word; its PID, as it sees it, is in $reply.
migration_is_at() {
	local line
	if ! IFS= read -rt "$patience" -u "$at" line; then
		echo 'the migration says nothing; of dbmigrate:' >&2
		cat "$BATS_TEST_TMPDIR/said" "$BATS_TEST_TMPDIR/complained" >&2
		return 1
	fi
	is_same "$1" "${line%% *}"
	reply=${line##* }
}

go_on() {
	echo >&"$go"
}

# Waits for the end of the run of start_migration, with this exit status; its answer is in $answer.
migration_ends() {
	status=0
	wait "$job" || status=$?
	job=
	answer=$(<"$BATS_TEST_TMPDIR/said")
	stderr=$(<"$BATS_TEST_TMPDIR/complained")
	output=$answer
	exit_status_is "$1"
	((status > 128)) || judge_migrate_answer "$1"
}

migrate_teardown() {
	[[ ! ${job-} ]] || kill_if_same "$job" "$job_began"
	backup_teardown
}
