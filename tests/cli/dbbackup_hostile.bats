#!/usr/bin/env bats
#
# dbbackup and input that wants to hang, mislead or abuse it. Everything else stays as it is, always.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	backup_setup
	options=()
}

teardown() {
	backup_teardown
}

# Trouble, at once, that names the file; nothing is made and nothing is changed.
is_trouble() {
	local before
	before=$(files_of "$folder")
	back_up 3 --wait=0 "${options[@]}" -- "$@"
	error_is 3
	one_line_of_trouble
	is_same "$before" "$(files_of "$folder")"
	nothing_left "$folder"
	is_same '' "$(find "$backups" -mindepth 1 2>/dev/null)"
}

# --- the source -----------------------------------------------------------------------------------

@test "a missing file is trouble, and is not made" {
	is_trouble "$folder/missing.db"
	[ ! -e "$folder/missing.db" ]
}

@test "a folder, a pipe, a socket, a device: trouble at once" {
	mkfifo "$folder/pipe.db"
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$folder/socket.db"
	ln -s pipe.db "$folder/link.db"
	for thing in "$folder" "$folder/pipe.db" "$folder/socket.db" "$folder/link.db" /dev/zero /dev/null; do
		is_trouble "$thing" "$folder/safe/"
		[ ! -e "$folder/safe" ]
	done
}

@test "what is not a database: text, noise, half a header, an encrypted file" {
	local content
	for content in 'head -c 5000 /etc/services' 'head -c 8192 /dev/urandom' 'printf "SQLite format 3\0"' \
		'printf x' 'head -c 4096 /dev/zero' 'printf "SQLite format 3\0%4000s" x'; do
		eval "$content" >"$database"
		for option in --verify=quick --api --verify=none; do
			options=("$option")
			is_trouble "$database"
		done
	done
}

@test "headers that lie end in trouble or damage, never in a crash" {
	make_database
	cp "$database" "$BATS_TEST_TMPDIR/good"
	local lie
	for lie in '16 0000' '16 0003' '16 ffff' '18 ff' '19 ff' '20 ff' '28 ffffffff' '36 ffffffff' '44 ffffffff' '56 00000009' \
		'103 ffff'; do
		cp "$BATS_TEST_TMPDIR/good" "$database"
		xxd -r -p <<<"${lie#* }" | dd of="$database" bs=1 seek="${lie% *}" conv=notrunc status=none
		run --separate-stderr dbbackup -q --wait=0 "$database"
		((status == 0 || status == 1 || status == 3))
		for made in "$backups"/*.db; do
			[[ ! -e $made ]] || good_backup_in "$backups"
		done
		rm -rf "$backups"
	done
}

@test "a database with two names is refused: its sidecars would be looked for at one of them only" {
	make_database
	ln "$database" "$folder/alias.db"
	is_trouble "$database"
	[[ $(jq -r .error.message <<<"$answer") == *link* ]]
	is_trouble "$folder/alias.db"
}

@test "a link to a database is followed, and its WAL found where the database is" {
	make_database wal
	start_sql bot "$database"
	ask bot sql "INSERT INTO orders (id, problem) VALUES (1001, 'in the WAL')"
	ln -s shop/bot.db "$BATS_TEST_TMPDIR/link.db"
	back_up 0 "$BATS_TEST_TMPDIR/link.db" "$folder/backups/"
	good_backup "$backup"
	is_same 1 "$(sqlite3 -batch "$backup" 'SELECT count(*) FROM orders WHERE id = 1001')"
	is_same "$(echo "$BATS_TEST_TMPDIR"/*.db*)" "$BATS_TEST_TMPDIR/link.db"
}

@test "a name that SQLite would take for something else is a file name" {
	make_database
	cd "$folder"
	for name in :memory: file:bot.db 'file:bot.db?mode=memory' 'file:///etc/passwd' '' ; do
		exits_with 3 dbbackup --wait=0 -- "$name"
		is_same '' "$(find . -mindepth 1 ! -name 'bot.db')"
	done
	cp bot.db 'file:x?mode=memory'
	back_up 0 'file:x?mode=memory'
	good_backup "$backup"
	is_same "$(content bot.db)" "$(content "$backup")"
}

@test "a sidecar that is a pipe, a folder, a link or a device is trouble, and stays" {
	make_database wal
	local kind
	for sidecar in wal shm journal; do
		for kind in 'mkfifo' 'mkdir' 'ln -s /etc/passwd' 'ln -s nowhere'; do
			[[ "$sidecar $kind" != *'journal '* ]] || sqlite3 -batch "$database" 'PRAGMA journal_mode = delete' >/dev/null
			$kind "$database-$sidecar"
			is_trouble "$database"
			rm -r "$database-$sidecar"
		done
	done
}

@test "a path to the upper folder of an overlay is refused: a container's locks do not count there" {
	require_root
	make_database wal
	mkdir "$BATS_TEST_TMPDIR/"{upper,work}
	mount_for_test -t overlay overlay -o \
		"lowerdir=$folder,upperdir=$BATS_TEST_TMPDIR/upper,workdir=$BATS_TEST_TMPDIR/work" "$BATS_TEST_TMPDIR/merged"
	sqlite3 -batch "$BATS_TEST_TMPDIR/merged/bot.db" "INSERT INTO orders (problem) VALUES ('x')"
	is_trouble "$BATS_TEST_TMPDIR/upper/bot.db" "$folder/backups/"
	back_up 0 "$BATS_TEST_TMPDIR/merged/bot.db" "$backups/"
	good_backup "$backup"
}

# --- what is in the database ----------------------------------------------------------------------

@test "a schema that wants to run code, loop or flood is copied and runs nothing" {
	make_database
	sqlite3 -batch "$database" >/dev/null <<-'END'
		.dbconfig defensive off
		CREATE VIEW alembic_version AS SELECT load_extension('/tmp/evil.so') AS version_num;
		CREATE VIEW schema_migrations AS WITH RECURSIVE n(version) AS (SELECT 1 UNION ALL SELECT version FROM n)
			SELECT version FROM n;
		CREATE TABLE checked (a CHECK (length(randomblob(1000000)) > 0), b AS (hex(zeroblob(a))));
		CREATE TRIGGER boom AFTER INSERT ON orders BEGIN SELECT hex(randomblob(1000000000)); END;
		PRAGMA writable_schema = 1;
		INSERT INTO sqlite_schema VALUES ('table', 'ghost', 'ghost', 0, 'CREATE VIRTUAL TABLE ghost USING nosuchmodule(x)');
	END
	exits_with 0 dbbackup --json --wait=0 "$database"
	judge_backup_answer
	cmp -i 100 "$database" "$backup"
}

@test "a revision of a megabyte, or with escape sequences, floods nobody" {
	make_database
	sqlite3 -batch "$database" "CREATE TABLE alembic_version (version_num);
		INSERT INTO alembic_version VALUES (char(27) || '[2J' || char(10) || hex(zeroblob(500000)))"
	exits_with 0 dbbackup "$database"
	text=$output
	text_is_printable
	((${#text} < 5000))
	back_up 0 "$database"
	is_same 1 "$(wc -l <"$backup.json")"
}

@test "a table in the version table's place that is damaged is no crash" {
	make_database
	sqlite3 -batch "$database" "CREATE TABLE alembic_version (version_num BLOB);
		INSERT INTO alembic_version VALUES (x'00ff1b00')"
	back_up 0 "$database"
	good_backup "$backup"
}

# --- the destination ------------------------------------------------------------------------------

@test "a destination that is there, whatever it is, is never written through" {
	make_database
	echo precious >"$BATS_TEST_TMPDIR/victim"
	cd "$folder"
	ln -s ../victim link
	ln -s nowhere dangling
	ln "$BATS_TEST_TMPDIR/victim" hard
	mkfifo pipe
	ln -s pipe link-to-pipe
	for there in link dangling hard pipe link-to-pipe bot.db /dev/null /dev/full; do
		is_trouble "$database" "$there"
		is_same precious "$(cat "$BATS_TEST_TMPDIR/victim")"
	done
	[ ! -e nowhere ]
}

@test "links in the place of the manifest or the checksum are not written through either" {
	make_database
	for suffix in json sha256; do
		ln -s "$BATS_TEST_TMPDIR/victim" "$folder/mine.$suffix"
		is_trouble "$database" "$folder/mine"
		[ ! -e "$BATS_TEST_TMPDIR/victim" ]
		rm "$folder/mine.$suffix"
	done
}

@test "the names that SQLite keeps for the database's sidecars are refused as a destination" {
	for mode in delete wal; do
		rm -f "$database"
		make_database "$mode"
		for suffix in -wal -shm -journal; do
			is_trouble "$database" "$database$suffix"
			is_trouble "$database" "$folder/../shop/bot.db$suffix"
		done
		is_trouble "$database" "$database"
	done
}

@test "a folder that cannot be one: a file, a pipe, a device" {
	make_database
	: >"$folder/file"
	mkfifo "$folder/pipe"
	for there in "$folder/file/" "$folder/pipe/" "$folder/file/x" /dev/null/; do
		is_trouble "$database" "$there"
	done
}

@test "'backups' beside the database that is a file or a pipe is trouble; one that is a link to a folder is not" {
	make_database
	: >"$backups"
	says_trouble 3 dbbackup "$database"
	rm "$backups"
	mkfifo "$backups"
	says_trouble 3 dbbackup "$database"
	rm "$backups"
	mkdir "$BATS_TEST_TMPDIR/disk"
	ln -s "$BATS_TEST_TMPDIR/disk" "$backups"
	exits_with 0 dbbackup "$database"
	good_backup "$(echo "$BATS_TEST_TMPDIR"/disk/*.db)"
}

@test "names with escape sequences and newlines forge no line of a message" {
	database=$folder/$'x\e[2J\n0 errors\u202e.db'
	says_trouble 3 dbbackup "$database"
	echo text >"$database"
	says_trouble 3 dbbackup "$database"
	back_up 3 "$database"
	make_database_anew
	says_trouble 3 dbbackup "$database" $'/nowhere\n/a\e[2Jb'
}

make_database_anew() {
	rm "$database"
	make_database
}

@test "paths as long as the system allows work or are trouble" {
	make_database
	local deep=$folder
	while ((${#deep} < 3900)); do
		deep+=/$(printf 'd%.0s' {1..99})
	done
	mkdir -p "$deep"
	cp "$database" "$deep/bot.db"
	back_up 0 "$database" "$deep"
	good_backup_in "$deep"
	run --separate-stderr dbbackup -q "$deep/bot.db" "$backups/"
	((status == 0 || status == 3))
	says_trouble 3 dbbackup "$database" "/$(printf 'x%.0s' {1..5000})"
}

good_backup_in() (
	cd "$1" && sha256sum --status -c ./*.sha256
)

@test "another user's folder that he may not enter, or may not write to, is trouble" {
	require_root
	open_to_everybody
	make_database
	mkdir -m 700 "$folder/mine"
	mkdir -m 755 "$folder/readable"
	chmod 644 "$database"
	local program
	program=$(copy_for_everybody "$dbbackup")
	for there in mine readable; do
		run "${nobody[@]}" "$program" "$database" "$folder/$there"
		is_same 3 "$status"
		is_same '' "$(find "$folder/$there" -mindepth 1)"
	done
	chmod 600 "$database"
	run "${nobody[@]}" "$program" "$database" /tmp
	is_same 3 "$status"
}
