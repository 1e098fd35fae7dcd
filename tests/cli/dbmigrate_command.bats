#!/usr/bin/env bats
#
# dbmigrate with any program: what it does is taken over whole or not at all, however it behaves.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	migrate_setup
	umask 022
	make_small "$database"
	cd "$project" || return
}

teardown() {
	migrate_teardown
}

# migrate and refuses_to with the program on standard input: program STATUS [OPTION]...
program() {
	make_program
	migrate "$1" up "${@:2}" "$database" -- "$program" "$database"
	nobody_runs
	no_trace
}

refused_program() {
	make_program
	refuses_to "$1" up --no-backup "${@:2}" "$database" -- "$program" "$database"
	nobody_runs
}

# Of the program and what it has started nothing is left.
nobody_runs() {
	! pgrep -af "$program" >&2
}

# --- what it does ---------------------------------------------------------------------------------

@test "a script with autocommit is taken over whole, in WAL and in DELETE mode" {
	for mode in wal delete; do
		rm -f "$database"*
		make_small "$database" "$mode"
		local before
		before=$(identity)
		program 0 <<-'END'
			db.execute("CREATE TABLE one (x)")
			db.execute("INSERT INTO one VALUES (1)")
			db.execute("ALTER TABLE clients ADD COLUMN email")
			db.execute("CREATE TABLE two (x)")
		END
		answer_has '.engine == "command" and .published and (.sandbox == "overlay" or .sandbox == "environment") and
			([.schema_changes[] | [.change, .name]] | sort == [["added", "one"], ["added", "two"], ["changed", "clients"]])'
		answer_has '.backup | startswith("/")'
		is_same "1 $mode" "$(sql 'SELECT * FROM one; PRAGMA journal_mode' | paste -sd ' ')"
		is_same "$before" "$(identity)"
		backup=$(jq -r .backup <<<"$answer")
		good_backup "$backup"
	done
}

@test "one that fails after half of it leaves the file byte for byte" {
	for mode in wal delete; do
		rm -f "$database"*
		make_small "$database" "$mode"
		refused_program 3 <<-'END'
			db.execute("CREATE TABLE half (x)")
			db.execute("DELETE FROM orders WHERE id > 10")
			db.execute("no such statement")
		END
		error_says '1'
		[[ $stderr == *OperationalError* ]]
	done
}

@test "exit status 0 does not make data that was lost, or is damaged, good" {
	refused_program 1 <<<'db.execute("DELETE FROM orders WHERE id = 7")'
	error_says orders
	refused_program 1 <<<'db.execute("INSERT INTO orders VALUES (99, 4711, NULL)")'
	error_says 'foreign key'
	refused_program 1 <<-'END'
		db.execute("CREATE INDEX names ON clients (name)")
		db.execute("PRAGMA writable_schema = ON")
		db.execute("UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'names'")
	END
	for broken in 'db.close(); os.truncate(sys.argv[1], 100)' 'db.close(); os.truncate(sys.argv[1], 5000)' \
		'db.close(); os.remove(sys.argv[1])' 'db.close(); os.remove(sys.argv[1]); os.mkdir(sys.argv[1])' \
		'db.close(); os.remove(sys.argv[1]); os.symlink("/etc/passwd", sys.argv[1])' \
		'db.close(); os.remove(sys.argv[1]); os.mkfifo(sys.argv[1])'; do
		remember_bytes
		make_program <<<"$broken"
		run --separate-stderr dbmigrate --json up "$database" -- "$program" "$database"
		[[ $status == 1 || $status == 3 ]]
		same_bytes
		no_trace
	done
}

@test "one that replaces the file by a new one is taken over" {
	program 0 --allow-row-loss=\* <<-'END'
		db.close()
		new = sqlite3.connect(sys.argv[1] + ".new")
		new.execute("CREATE TABLE fresh (x)")
		new.commit()
		new.close()
		os.rename(sys.argv[1] + ".new", sys.argv[1])
	END
	is_same fresh "$(sql 'SELECT name FROM sqlite_schema')"
}

@test "one that does nothing changes nothing" {
	make_program <<<''
	local before
	before=$(dump_of "$database")
	migrate 0 up "$database" -- "$program" "$database"
	answer_has '.schema_changes == []'
	is_same "$before" "$(dump_of "$database")"
	migrate 0 up "$database" -- /bin/true
	is_same "$before" "$(dump_of "$database")"
}

# --- how it behaves -------------------------------------------------------------------------------

@test "a program that is not there, or is none, is named" {
	: >"$project/no-program"
	for name in "$project/nowhere" "$project/no-program" "$project" no-such-program-anywhere; do
		refuses_to 3 up "$database" -- "$name"
		error_says "${name##*/}"
	done
}

@test "arguments reach it as they are, and it starts in the current folder without standard input" {
	make_program <<<'db.execute("CREATE TABLE said AS SELECT ? AS a, ? AS b, ? AS c, ? AS d", (sys.argv[2], sys.argv[3], os.getcwd(), sys.stdin.read()))'
	mkdir "$BATS_TEST_TMPDIR/here"
	cd "$BATS_TEST_TMPDIR/here"
	migrate 0 up "$database" -- "$program" "$database" '$(id); *' '' < <(echo typed)
	is_same "\$(id); *||$BATS_TEST_TMPDIR/here|" "$(sql 'SELECT * FROM said')"
}

@test "one that hangs is ended at --timeout, with all that it has started" {
	refused_program 3 --timeout=0.5 <<-'END'
		signal.signal(signal.SIGTERM, signal.SIG_IGN)
		db.execute("CREATE TABLE half (x)")
		if os.fork() == 0 and os.fork() == 0:
		    os.setsid()
		signal.pause()
	END
	error_says 'time|0[.]5'
}

@test "one that crashes or is killed is 3 and told by the signal's name" {
	refused_program 3 <<<$'db.execute("CREATE TABLE half (x)")\nos.kill(os.getpid(), signal.SIGSEGV)'
	error_says 'SEGV|Segm|11'
	refused_program 3 <<<$'db.execute("CREATE TABLE half (x)")\nos.kill(os.getpid(), signal.SIGKILL)'
	error_says 'KILL|Kill|9'
}

@test "a daemon that it leaves is ended, and what it does later counts for nothing" {
	program 0 <<-'END'
		db.execute("CREATE TABLE done (x)")
		if os.fork() == 0:
		    os.setsid()
		    if os.fork() == 0:
		        daemon = sqlite3.connect(sys.argv[1], isolation_level=None)
		        daemon.execute("BEGIN IMMEDIATE")
		        signal.signal(signal.SIGTERM, signal.SIG_IGN)
		        while True:
		            signal.pause()
		    os._exit(0)
		os.wait()
	END
	is_same '' "$(sql 'SELECT * FROM done')"
	start_sql bot "$database"
	ask bot sql 'BEGIN EXCLUSIVE'
}

@test "what it prints is escaped for the terminal and kept as it is in a log beside the backup" {
	program 0 <<<'print("\x1b[31mred\x1b]0;title\x07 \u202e", flush=True); os.write(2, b"bytes \xff\xfe\n"); db.execute("CREATE TABLE t (x)")'
	stderr_is_printable
	[[ $stderr == *red* && $stderr == *bytes* ]]
	log=$(jq -r .log <<<"$answer")
	is_same "$backups" "${log%/*}"
	[[ ${log##*/} == bot-*.migrate.log || ${log##*/} == bot.db-*.migrate.log ]]
	grep -aq $'\e\\[31mred' "$log"
	grep -aq $'bytes \xff\xfe' "$log"
	is_same 600 "$(stat -c %a "$log")"
}

@test "one that prints without end fills neither the terminal nor the disk" {
	local megabytes=200
	[[ ! ${DBLOCKTOOLS_LONG-} ]] || megabytes=1024
	make_program <<<"
for _ in range($megabytes):
    os.write(2, b'x' * 79 * 13000 + b'\n')
db.execute('CREATE TABLE t (x)')"
	dbmigrate -q --json up "$database" -- "$program" "$database" >"$BATS_TEST_TMPDIR/said" 2>/dev/null
	log=$(jq -r .log "$BATS_TEST_TMPDIR/said")
	(($(stat -c %s "$log") < megabytes * 500000))
	is_same 0 "$(sql 'SELECT count(*) FROM t')"
}

@test "another database is no reason to take anything over" {
	make_alembic 2
	sed -i "s,sqlite:.*,sqlite:///$BATS_TEST_TMPDIR/elsewhere.db," "$project/alembic.ini"
	refuses_to 1 up "$database"
	error_says 'r2'
	# And one that says that all went well, and has done nothing.
	printf '#!/bin/sh\ncase "$*" in *upgrade*) exit 0 ;; esac\nexec /usr/bin/python3 -m alembic "$@"\n' >"$project/nothing"
	chmod 755 "$project/nothing"
	refuses_to 1 up --alembic-command="$project/nothing" "$database"
	error_says 'r2'
}

@test "a hostile environment of Python does no harm" {
	make_alembic 1
	mkdir "$BATS_TEST_TMPDIR/poison"
	echo "open('$BATS_TEST_TMPDIR/poisoned', 'w'); raise SystemExit('poison')" >"$BATS_TEST_TMPDIR/poison/sitecustomize.py"
	remember_bytes
	PYTHONHOME=/nonexistent PYTHONSTARTUP=/nonexistent PYTHONPATH=$BATS_TEST_TMPDIR/poison \
		run --separate-stderr dbmigrate --json up "$database"
	if [[ $status == 0 ]]; then
		alembic_is_at r1
	else
		exit_status_is 3
		same_bytes
	fi
}

# --- where it works -------------------------------------------------------------------------------

@test "DBMIGRATE_DATABASE and DBMIGRATE_FOLDER name the copy" {
	program 0 <<-'END'
		copy = os.environ["DBMIGRATE_DATABASE"]
		assert os.path.dirname(copy) == os.environ["DBMIGRATE_FOLDER"], copy
		assert os.path.isabs(copy) and os.path.basename(copy) == "bot.db", copy
		assert not os.path.exists(copy + "-journal") and not os.path.exists(copy + "-wal")
		sqlite3.connect(copy, isolation_level=None).execute("CREATE TABLE by_copy (x)")
	END
	is_same 0 "$(sql 'SELECT count(*) FROM by_copy')"
}

@test "it runs as the owner of the database, without groups and without capabilities" {
	require_root
	open_to_everybody
	chown -R 65534:65534 "$project"
	program 0 <<-'END'
		status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
		db.execute("CREATE TABLE who AS SELECT ? AS uid, ? AS gid, ? AS caps",
			   (status["Uid"].split()[0], status["Gid"].split()[0], int(status["CapEff"], 16) & ~0))
	END
	is_same '65534|65534' "$(sql 'SELECT uid, gid FROM who')"
}

# In a place like a container: root there, but without further namespaces.
without_namespaces() {
	as=(unshare --user --map-root-user /bin/sh -c 'cd /proc/sys/user && echo 0 >max_user_namespaces &&
		echo 0 >max_mnt_namespaces && cd "$0" && exec "$@"' "$project")
	"${as[@]}" true 2>/dev/null || skip 'needs a user namespace'
}

@test "where namespaces are refused, a program is told by its environment where the copy is" {
	without_namespaces
	program 0 <<<'sqlite3.connect(os.environ["DBMIGRATE_DATABASE"], isolation_level=None).execute("CREATE TABLE t (x)")'
	answer_has '.sandbox == "environment" and .published'
	is_same 0 "$(sql 'SELECT count(*) FROM t')"
	refused_program 3 <<<'db.execute("CREATE TABLE straight (x)")'
	[[ $stderr == *'database is locked'* ]]
}

@test "where namespaces are refused, Alembic gets another URL" {
	without_namespaces
	make_alembic 2
	migrate 0 up "$database"
	answer_has '.sandbox == "url" and .published'
	alembic_is_at r2
	revision r3 r2 $'op.execute("CREATE TABLE half (x)")\nraise RuntimeError("no")'
	refuses_to 3 up "$database"
}
