#!/usr/bin/env bats
#
# dbrestore and backups that are damaged, lie, or belong to somebody else; and things that are no files.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	backup_setup
	make_backup_and_change
}

teardown() {
	backup_teardown
}

# --- backups that are not good --------------------------------------------------------------------

@test "one flipped bit of the backup, anywhere, is found, and nothing is changed" {
	local offset
	for offset in 0 24 4096 $(($(stat -c %s "$backup") - 1)); do
		flip_bit "$backup" "$offset"
		refuses 3 "$backup" "$database"
		answer_has --arg name "${backup##*/}" '.error.message | contains($name)'
		flip_bit "$backup" "$offset"
	done
	restore 0 "$backup" "$database"
	is_restored
}

@test "one flipped bit of a compressed backup is found" {
	backup=$(dbbackup --json --compress "$database" "$backups" | jq -r .backup)
	flip_bit "$backup"
	refuses 3 "$backup" "$database"
}

@test "--force does not make a damaged backup good" {
	flip_bit "$backup"
	refuses 3 --force "$backup" "$database"
	refuses 3 --force --live --no-safety-copy "$backup" "$database"
}

@test "a backup that was cut off, is empty, or is missing" {
	truncate -s -4096 "$backup"
	refuses 3 "$backup" "$database"
	: >"$backup"
	refuses 3 "$backup" "$database"
	rm "$backup"
	refuses 3 "$backup" "$database"
}

@test "a manifest that agrees with damaged bytes does not help them" {
	dd if=/dev/zero of="$backup" bs=4096 seek=1 count=2 conv=notrunc status=none
	manifest_of_bytes
	refuses 3 "$backup" "$database"
}

@test "a manifest that lies is not believed" {
	cp "$backup.json" "$BATS_TEST_TMPDIR/true.json"
	for lie in '.sha256 = .tool' '.size_bytes = 1' '.size_bytes = 1e300' '.file_size_bytes += 1' \
		'.pages = -1' '.page_size_bytes = 0' '.compression = "zstd"' '.schema = 99' '.tool = "cp"' '.sha256 = []' \
		'.file = "../../etc/passwd"'; do
		manifest "$lie"
		refuses 3 "$backup" "$database"
		cp "$BATS_TEST_TMPDIR/true.json" "$backup.json"
	done
}

@test "a manifest that is no manifest, or endless" {
	for broken in '' '{' 'null' '[]' "$(printf '[%.0s' {1..5000})"; do
		printf '%s' "$broken" >"$backup.json"
		refuses 3 "$backup" "$database"
	done
	head -c 3000000 /dev/zero >"$backup.json"
	refuses 3 "$backup" "$database"
	rm "$backup.json"
	mkfifo "$backup.json"
	refuses 3 "$backup" "$database"
	rm "$backup.json"
	ln -s /dev/zero "$backup.json"
	refuses 3 "$backup" "$database"
}

@test "a compressed backup that unpacks to far more than its manifest says does not fill the disk" {
	backup=$(dbbackup --json --compress "$database" "$backups" | jq -r .backup)
	head -c 300M /dev/zero | zstd -qcf >"$backup"
	manifest '.sha256 = $sum | .file_size_bytes = $size' --arg sum "$(sha256_of "$backup")" \
		--argjson size "$(stat -c %s "$backup")"
	refuses 3 "$backup" "$database"
	nothing_left "$folder"
}

@test "a file that is no database, or an encrypted one, is no backup" {
	for what in 'cat /etc/services' 'head -c 12288 /dev/urandom' 'printf x'; do
		$what >"$folder/mine.bak"
		refuses 3 --force "$folder/mine.bak" "$database"
	done
}

@test "an empty file without a manifest, as a failed copy leaves it, does not empty the database" {
	: >"$folder/mine.bak"
	remember
	run --separate-stderr dbrestore "$folder/mine.bak" "$database"
	((status == 1 || status == 3))
	is_as_it_was
}

@test "headers that lie end in a refusal, never in a crash" {
	cp "$backup" "$BATS_TEST_TMPDIR/good"
	for lie in '16 0000' '16 ffff' '18 ffff' '20 ff' '28 ffffffff' '56 00000009' '103 ffff'; do
		cp "$BATS_TEST_TMPDIR/good" "$folder/mine.bak"
		xxd -r -p <<<"${lie#* }" | dd of="$folder/mine.bak" bs=1 seek="${lie% *}" conv=notrunc status=none
		run --separate-stderr dbrestore --json "$folder/mine.bak" "$database"
		((status == 0 || status == 3))
		is_same ok "$(sqlite3 -batch "$database" 'PRAGMA integrity_check')"
	done
}

@test "a WAL beside a backup without a manifest is not ignored in silence" {
	sqlite3 -batch "$folder/copied.db" 'PRAGMA journal_mode = wal; CREATE TABLE orders (id, problem)' >/dev/null
	start_sql other "$folder/copied.db"
	ask other sql 'PRAGMA wal_autocheckpoint = 0'
	ask other sql "INSERT INTO orders VALUES (1, 'in the WAL')"
	crash other
	run --separate-stderr dbrestore --json "$folder/copied.db" "$database"
	((status == 0 || status == 3))
	if [[ $status == 0 ]]; then
		is_same 'in the WAL' "$(sqlite3 -batch "$database" 'SELECT problem FROM orders')"
	fi
}

# --- backups of another application ---------------------------------------------------------------

# 1, says why, changes nothing; --force does it.
needs_force() {
	refuses 1 "$1" "$database"
	refuses 1 --dry-run "$1" "$database"
	restore 0 --force "$1" "$database"
	is_same "$(content "$1")" "$(content "$database")"
}

@test "another application_id needs --force" {
	sqlite3 -batch "$database" 'PRAGMA application_id = 1'
	sqlite3 -batch "$folder/mine.bak" 'PRAGMA application_id = 2; CREATE TABLE orders (id, problem)'
	needs_force "$folder/mine.bak"
}

@test "an application_id on one side only needs --force" {
	sqlite3 -batch "$folder/mine.bak" 'PRAGMA application_id = 2; CREATE TABLE orders (id, problem)'
	needs_force "$folder/mine.bak"
}

@test "no table in common needs --force" {
	sqlite3 -batch "$folder/mine.bak" 'CREATE TABLE songs (id)'
	needs_force "$folder/mine.bak"
}

@test "one table in common, in whatever case, is enough" {
	sqlite3 -batch "$folder/mine.bak" 'CREATE TABLE songs (id); CREATE TABLE "ORDERS" (id)'
	restore 0 "$folder/mine.bak" "$database"
}

@test "a database without a table takes any backup" {
	rm "$database"
	sqlite3 -batch "$database" 'PRAGMA user_version = 1'
	restore 0 "$backup" "$database"
	is_restored
}

# --- the same file --------------------------------------------------------------------------------

@test "a database is not restored from itself, by whatever name" {
	refuses 3 "$database" "$database"
	ln -s bot.db "$folder/link.db"
	refuses 3 "$folder/link.db" "$database"
	refuses 3 "$database" "$folder/link.db"
	rm "$folder/link.db"
	refuses 3 "$folder/../shop/bot.db" "$database"
	refuses 3 --force "$database" "$database"
}

@test "a hard link of the database is not restored onto it" {
	ln "$database" "$folder/alias.db"
	refuses 3 "$folder/alias.db" "$database"
	refuses 3 "$backup" "$database"
	[[ $(jq -r .error.message <<<"$answer") == *link* ]]
}

@test "the database's own sidecars are no backup" {
	cp "$backup" "$database-wal"
	run --separate-stderr dbrestore "$database-wal" "$database"
	is_same 3 "$status"
	[ -e "$database-wal" ]
	cmp "$backup" "$database-wal"
}

# --- what is no file ------------------------------------------------------------------------------

@test "a pipe, a socket, a device or a folder in the place of the backup is trouble at once" {
	mkfifo "$folder/pipe"
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$folder/socket"
	ln -s pipe "$folder/link"
	mkdir "$folder/empty"
	for thing in "$folder/"{pipe,socket,link,empty} /dev/zero /dev/full /proc/self/maps ''; do
		refuses 3 "$thing" "$database"
	done
}

@test "a pipe, a socket, a device or a folder in the place of the database is trouble at once" {
	mkfifo "$folder/pipe"
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$folder/socket"
	ln -s pipe "$folder/link"
	mkdir "$folder/empty"
	for thing in "$folder/"{pipe,socket,link,empty} /dev/zero /dev/null "$folder/no/such/bot.db" ''; do
		refuses 3 --force "$backup" "$thing"
	done
	[ -p "$folder/pipe" ] && [ -S "$folder/socket" ] && [ -d "$folder/empty" ] && [ -c /dev/null ]
}

@test "a link to the database is followed, and stays a link" {
	mkdir "$BATS_TEST_TMPDIR/links"
	ln -s "$database" "$BATS_TEST_TMPDIR/links/bot.db"
	restore 0 "$backup" "$BATS_TEST_TMPDIR/links/bot.db"
	is_restored
	is_same bot.db "$(find "$BATS_TEST_TMPDIR/links" -mindepth 1 -printf '%f\n')"
	[ -L "$BATS_TEST_TMPDIR/links/bot.db" ]
	answer_has --arg folder "$folder/.dblocktools/" '.safety_copy | startswith($folder)'
}

@test "a link to the backup is followed with its manifest, or refused; never taken for one without a manifest" {
	ln -s "$backup" "$folder/latest.db"
	run --separate-stderr dbrestore "$folder/latest.db" "$database"
	((status == 0 || status == 3))
	[[ $output != *manifest* ]]
	flip_bit "$backup"
	refuses 3 "$folder/latest.db" "$database"
}

@test "a link that leads nowhere is no missing database" {
	rm "$database"
	ln -s "$BATS_TEST_TMPDIR/victim" "$database"
	refuses 3 "$backup" "$database"
	[ -L "$database" ] && [ ! -e "$BATS_TEST_TMPDIR/victim" ]
}

@test "sidecars of the database that are links, pipes or folders are never written through" {
	echo precious >"$BATS_TEST_TMPDIR/victim"
	for broken in false true; do
		for suffix in -wal -shm -journal; do
			for kind in 'mkfifo' 'mkdir' "ln -s $BATS_TEST_TMPDIR/victim"; do
				[[ $broken == false ]] || echo text >"$database"
				$kind "$database$suffix"
				run --separate-stderr dbrestore --wait=0 "$backup" "$database"
				((status == 0 || status == 3))
				is_same precious "$(cat "$BATS_TEST_TMPDIR/victim")"
				rm -rf "$folder/.dblocktools" "$database$suffix"
				[[ $status == 3 || $suffix != -wal ]] || is_restored
			done
		done
	done
}

@test ".dblocktools that is a link, a file or a pipe is not used" {
	mkdir "$BATS_TEST_TMPDIR/target"
	for kind in "ln -s $BATS_TEST_TMPDIR/target" 'mkfifo' 'touch' "ln -s nowhere"; do
		$kind "$folder/.dblocktools"
		before=$(sha256_of "$database")
		says_trouble 3 dbrestore "$backup" "$database"
		is_same "$before" "$(sha256_of "$database")"
		is_same '' "$(find "$BATS_TEST_TMPDIR/target" -mindepth 1)"
		rm "$folder/.dblocktools"
	done
}

@test "a schema that wants to run code or to loop is restored and runs nothing" {
	sqlite3 -batch "$folder/mine.bak" <<-'END'
		CREATE TABLE orders (id INTEGER PRIMARY KEY, problem CHECK (length(randomblob(100000000)) > 0));
		CREATE VIEW alembic_version AS WITH RECURSIVE n(version_num) AS (SELECT 1 UNION ALL SELECT version_num FROM n)
			SELECT version_num FROM n;
		CREATE TRIGGER boom AFTER INSERT ON orders BEGIN SELECT load_extension('/tmp/evil.so'); END;
	END
	restore 0 --dry-run "$folder/mine.bak" "$database"
	answer_has '.changes.revision.after == null'
	restore 0 "$folder/mine.bak" "$database"
	is_same "$(content "$folder/mine.bak")" "$(content "$database")"
}

@test "table names with escape sequences are shown escaped" {
	sqlite3 -batch "$folder/mine.bak" "CREATE TABLE orders (id); CREATE TABLE \"x$(printf '\033[2J\n0 lost')\" (id)"
	exits_with 0 dbrestore --dry-run "$folder/mine.bak" "$database"
	text=$output
	text_is_printable
	restore 0 --dry-run "$folder/mine.bak" "$database"
	is_same 1 "$(wc -l <<<"$answer")"
}

@test "few file descriptors, or a small limit of the file size, leave the old or the new database" {
	for limit in --nofile={5,7,9,12,16} --fsize={1024,8192,16384}; do
		run --separate-stderr prlimit "$limit" "$dbrestore" "$backup" "$database"
		((status == 0 || status == 3 || status == 6 || status == 127))
		if [[ $status == 0 ]]; then
			is_restored
			change_database 'DELETE FROM orders WHERE id > 50; CREATE TABLE IF NOT EXISTS later (x); INSERT INTO later VALUES (1)'
		else
			is_same "$old" "$(content "$database")"
		fi
	done
	nothing_left "$folder"
}
