#!/usr/bin/env bats
#
# dbmigrate, run by root, on the files of a bot's user who means harm: nobody gets rights that they had not.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	require_root
	migrate_setup
	umask 022
	open_to_everybody
	bot=12345
	victim=$BATS_TEST_TMPDIR/victim
	cd "$project" || return
}

teardown() {
	migrate_teardown
}

# The bot's own project, with an Alembic of its own that says who it runs as.
bots_project() {
	make_alembic 1
	mkdir -p "$project/.venv/bin"
	printf '#!/bin/sh\nid -u >>"%s"\nexec /usr/bin/alembic "$@"\n' "$project/ran" >"$project/.venv/bin/alembic"
	chmod +x "$project/.venv/bin/alembic"
	make_small "$database"
	chown -R "$bot:$bot" "$project"
}

@test "a bot's code never runs as root, or as another user, through a link to their database" {
	bots_project
	for owner in 0 777; do
		rm -f "$database" "$victim"
		make_small "$victim"
		chown "$owner" "$victim"
		ln -s "$victim" "$database"
		chown -h "$bot" "$database"
		for command in status up rehearse; do
			migrate 3 "$command" "$database"
			error_says "user $bot can write .*would run as user $owner"
		done
		[ ! -e "$project/ran" ]
	done
}

@test "the same project is run as its own user" {
	bots_project
	migrate 1 status "$database"
	is_same "$bot" "$(cat "$project/ran")"
}

@test "a project of the user who called sudo is run, and only of that one" {
	bots_project
	chown 777 "$database" "$folder"
	local word
	for word in "" 0 778 "0$bot" "+$bot" "-1" " $bot" "$bot " "${bot}x" 0x3039 "$((bot + 4294967296))" 4294967295; do
		SUDO_UID=$word migrate 3 status "$database"
		error_says "user $bot can write .*would run as user 777"
	done
	[ ! -e "$project/ran" ]
	install -o 777 /dev/null "$project/ran"
	SUDO_UID=$bot migrate 1 status "$database"
	is_same 777 "$(cat "$project/ran")"
}

@test "a journal that names another file does not get it deleted" {
	bots_project
	echo precious >"$victim"
	"$repository/tests/helpers/super_journal.py" "$database" "$victim"
	migrate 3 status "$database"
	error_says 'unable to open'
	is_same precious "$(cat "$victim")"
	"$repository/tests/helpers/super_journal.py" "$database" "$victim"
	run "$DBLOCKTOOLS_BIN/dbbackup" "$database" "$BATS_TEST_TMPDIR/copy.db"
	[ "$status" -ne 0 ]
	is_same precious "$(cat "$victim")"
}

@test "a folder of backups that is another user's link is refused" {
	bots_project
	mkdir "$victim"
	ln -s "$victim" "$backups"
	chown -h "$bot" "$backups"
	refuses_to 3 up "$database"
	error_says 'link of another user'
	is_same '' "$(ls -A "$victim")"
	migrate 0 up --backup="$BATS_TEST_TMPDIR/elsewhere/" "$database"
}

@test "a program of another user gets neither our secrets, nor root's group, nor a way back" {
	bots_project
	chgrp 0 "$database"
	make_program <<-'END'
		import os
		db.execute("CREATE TABLE found (name, value)")
		status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines())
		for name, value in {"secret": os.environ.get("BACKUP_TOKEN"), "gid": os.getgid(),
		                    "groups": ",".join(map(str, os.getgroups())), "privileges": status["CapPrm"],
		                    "no new": status["NoNewPrivs"], "language": os.environ.get("LANG")}.items():
			    db.execute("INSERT INTO found VALUES (?, ?)", (name, str(value)))
	END
	BACKUP_TOKEN=secret LANG=C.UTF-8 migrate 0 up "$database" -- "$program" "$database"
	is_same "secret None gid $bot groups $bot privileges 0000000000000000 no new 1 language C.UTF-8" \
		"$(sql 'SELECT name, value FROM found' | tr '|\n' '  ' | sed 's/ $//')"
}

@test "a rehearsal whose program finds the real file says so" {
	bots_project
	mount_for_test --bind "$folder" "$BATS_TEST_TMPDIR/alias"
	make_program <<-'END'
		import os, sqlite3
		other = sqlite3.connect(os.path.dirname(sys.argv[0]) + "/alias/bot.db")
		other.execute("CREATE TABLE real (x)")
	END
	migrate 7 rehearse "$database" -- "$program" "$database"
	error_says 'changed the real database'
	is_same real "$(sql "SELECT name FROM sqlite_schema WHERE name = 'real'")"
}

@test "a FIFO or a link in place of the copy is refused, and nobody hangs" {
	bots_project
	for thing in 'os.mkfifo(path)' 'os.symlink("/etc/passwd", path)' 'os.mkdir(path)'; do
		make_program <<-END
			import os, sys
			path = sys.argv[1]
			db.close()
			os.unlink(path)
			$thing
			os._exit(0)
		END
		migrate 3 up --no-backup "$database" -- "$program" "$database"
		is_same 0 "$(sql "SELECT count(*) FROM sqlite_schema WHERE name = 'real'")"
	done
}
