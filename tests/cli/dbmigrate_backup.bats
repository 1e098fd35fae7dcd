#!/usr/bin/env bats
#
# dbmigrate --backup=FILE: a backup that was just made is enough when it holds exactly what the database is, under the guard.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	migrate_setup
	make_small "$database" wal
	make_sql 2
}

teardown() {
	migrate_teardown
}

back_up_now() {
	back_up 0 "$@" "$database" "$backups/"
}

count_of_backups_is() {
	is_same "$1" "$(find "$backups" -name '*.db' -o -name '*.zst' | wc -l)"
}

# What the run went by, and the way back that it names.
the_backup_is() {
	answer_has --arg path "$1" '.backup == $path'
}

@test "a backup of just this state is taken, in place of another one" {
	local mode
	for mode in wal delete; do
		sql "PRAGMA journal_mode = $mode" >/dev/null
		back_up_now
		cd "$project"
		migrate 0 --backup="$backup" up "$database" +1
		the_backup_is "$backup"
	done
	count_of_backups_is 2
	good_backup "$backup"
	restore 0 "$backup" "$database"
	is_same '' "$(sql "SELECT name FROM sqlite_schema WHERE name = 't2'")"
}

@test "a packed one too, and for the way back, and for a program" {
	back_up_now --compress
	cd "$project"
	migrate 0 --backup="$backup" up "$database"
	the_backup_is "$backup"
	back_up_now
	migrate 0 --backup="$backup" down "$database"
	the_backup_is "$backup"
	back_up_now
	migrate 0 --backup="$backup" up "$database" -- /bin/true
	the_backup_is "$backup"
	back_up_now
	migrate 0 --in-place --backup="$backup" up "$database" -- /bin/true
	the_backup_is "$backup"
	count_of_backups_is 4
}

@test "when somebody has written since, another one is made, and that is said" {
	local mode old
	for mode in wal delete; do
		sql "PRAGMA journal_mode = $mode" >/dev/null
		back_up_now
		old=$backup
		# In WAL mode this changes nothing in the first page: only all bytes tell.
		sql "UPDATE clients SET name = 'another' || '$mode' WHERE id = 7"
		cd "$project"
		migrate 0 --backup="$backup" up "$database" +1
		answer_has --arg old "$old" '.backup != $old'
		[[ $stderr == *'written after that backup was made'* ]]
		backup=$(jq -r .backup <<<"$answer")
		is_same "$backups" "${backup%/*}"
		good_backup "$backup"
		is_same "another$mode" "$(sqlite3 -batch "$copy" 'SELECT name FROM clients WHERE id = 7')"
	done
}

@test "what is no backup of this database is refused, and nothing is changed" {
	cd "$project"
	back_up_now
	local good=$backup
	cp "$database" "$backups/plain.db"
	refuses_to 3 --backup="$backups/plain.db" up "$database"
	error_says 'no backup'

	mkfifo "$backups/pipe.db"
	cp "$good.json" "$backups/pipe.db.json"
	refuses_to 3 --backup="$backups/pipe.db" up "$database"
	error_says 'no backup'

	ln -s "$good" "$backups/link.db"
	jq -c '.file = "link.db"' "$good.json" >"$backups/link.db.json"
	refuses_to 3 --backup="$backups/link.db" up "$database"
	error_says 'no backup'

	make_small "$folder/other.db" wal
	back_up 0 "$folder/other.db" "$backups/"
	refuses_to 3 --backup="$backup" up "$database"
	error_says 'another database'

	back_up 0 --verify=none "$database" "$backups/"
	refuses_to 3 --backup="$backup" up "$database"
	error_says 'no verified backup'

	cp "$good" "$BATS_TEST_TMPDIR/kept"
	flip_bit "$good" 5000
	refuses_to 3 --backup="$good" up "$database"
	error_says 'damaged'
	cp "$BATS_TEST_TMPDIR/kept" "$good"

	truncate -s +1 "$good"
	refuses_to 3 --backup="$good" up "$database"
	error_says 'no backup'
	is_same '' "$(sql "SELECT name FROM sqlite_schema WHERE name = 't1'")"
}

@test "a file that is not there yet is made, as ever" {
	cd "$project"
	mkdir -p "$backups"
	migrate 0 --backup="$backups/before.db" up "$database"
	the_backup_is "$backups/before.db"
	[[ -f $backups/before.db.json ]]
}
