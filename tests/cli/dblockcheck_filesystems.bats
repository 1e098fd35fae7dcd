#!/usr/bin/env bats
# bats file_tags=slow
#
# dblockcheck finds the same holders and locks wherever a database is and whatever path leads to it.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	machine_setup
	dblockcheck_setup
	options=(--sample=0.01)
}

teardown() {
	clients_teardown
	machine_teardown
}

# A writer and a reader have $folder/bot.db open, in WAL mode and then with a rollback journal; they
# are seen at $database, which may be another path to it. Afterwards it is free, for certain.
all_is_seen() {
	local opened=$folder/bot.db
	wal_is_seen
	sqlite3 -batch "$opened" 'PRAGMA journal_mode = delete' >/dev/null
	rollback_is_seen
}

wal_is_seen() {
	start_sql writer "$opened"
	ask writer sql "INSERT INTO orders (problem) VALUES ('slow')"
	start_sql reader "$opened"
	ask reader cursor 'SELECT * FROM orders'
	ask writer sql 'BEGIN IMMEDIATE'
	answer_is locked read=yes write=writer migrate=writer+reader
	holder_is writer writer --r/r.w--.-r--- SHARED WRITE READ1 DMS
	holder_is reader reader --r/r.---.-r--- SHARED READ1 DMS
	stop reader
	stop writer
	answer_is free read=yes write=yes migrate=yes
	answer_has '.certified'
}

rollback_is_seen() {
	start_sql writer "$opened"
	ask writer sql 'BEGIN IMMEDIATE'
	start_sql idler "$opened"
	ask idler sql 'SELECT count(*) FROM orders'
	answer_is locked read=yes write=writer migrate=writer+idler
	holder_is writer writer -wr/-.---.----- SHARED RESERVED
	holder_is idler open ---/-.---.-----
	stop writer
	stop idler
	answer_is free read=yes write=yes migrate=yes
	answer_has '.certified'
}

@test "a database on a tmpfs" {
	require_root
	mount_for_test -t tmpfs tmpfs "$folder"
	make_database wal
	all_is_seen
	answer_has '.filesystem.type == "tmpfs"'
}

@test "a database on ext4" {
	require_root
	make_image 16M mkfs.ext4 -q
	mount_for_test -o loop "$image" "$folder"
	make_database wal
	all_is_seen
	answer_has '.filesystem.type == "ext4"'
}

@test "a database in a btrfs subvolume, where stat and the kernel's list disagree on the device" {
	require_root
	make_image 128M mkfs.btrfs -q
	mount_for_test -o loop "$image" "$folder"
	btrfs subvolume create "$folder/shop" >/dev/null
	folder+=/shop
	database=$folder/bot.db
	make_database wal
	all_is_seen
	answer_has '.filesystem.type == "btrfs"'
}

@test "a snapshot of a btrfs subvolume has the same inode numbers and other holders" {
	require_root
	make_image 128M mkfs.btrfs -q
	mount_for_test -o loop "$image" "$folder"
	btrfs subvolume create "$folder/shop" >/dev/null
	database=$folder/shop/bot.db
	make_database
	btrfs subvolume snapshot "$folder/shop" "$folder/copy" >/dev/null
	[ "$(stat -c %i "$database")" = "$(stat -c %i "$folder/copy/bot.db")" ]
	start_sql writer "$database"
	ask writer sql 'BEGIN IMMEDIATE'

	answer_is locked read=yes write=writer migrate=writer
	database=$folder/copy/bot.db
	answer_is free read=yes write=yes migrate=yes
}

@test "a file with the same inode number on another file system is another file" {
	require_root
	mount_for_test -t tmpfs tmpfs "$folder"
	mount_for_test -t tmpfs tmpfs "$BATS_TEST_TMPDIR/other"
	make_database
	cp "$database" "$BATS_TEST_TMPDIR/other/bot.db"
	[ "$(stat -c %i "$database")" = "$(stat -c %i "$BATS_TEST_TMPDIR/other/bot.db")" ]
	start_sql stranger "$BATS_TEST_TMPDIR/other/bot.db"
	ask stranger sql 'BEGIN IMMEDIATE'
	start_sql bot "$database"
	ask bot sql 'SELECT count(*) FROM orders'

	answer_is open read=yes write=yes migrate=bot
	holder_is bot open ---/-.---.-----
}

@test "a database on an overlay, through its merged path" {
	require_root
	make_database wal
	mount_overlay
	folder=$merged
	database=$folder/bot.db
	all_is_seen
	answer_has '.filesystem.type == "overlay"'
}

# $folder is the lower folder, as the image of a container is; $merged is what the container sees.
prepare_overlay() {
	local base=$BATS_TEST_TMPDIR
	merged=$base/merged
	mkdir "$base/upper" "$base/work" "$merged"
	layers=lowerdir=$folder,upperdir=$base/upper,workdir=$base/work
}

mount_overlay() {
	prepare_overlay
	mount_for_test -t overlay overlay -o "$layers" "$merged"
}

@test "the upper folder of an overlay is refused: locks there are not those of the container" {
	require_root
	make_database wal
	mount_overlay
	start_sql bot "$merged/bot.db"
	ask bot sql 'BEGIN IMMEDIATE'
	[ -e "$BATS_TEST_TMPDIR/upper/bot.db" ]

	survey "$BATS_TEST_TMPDIR/upper/bot.db"
	exit_status_is 3
	answer_has '.error.status == 3 and (.error.message | test("overlay"))'
}

# A bot that writes in the mounts of a container: outside of it there is no $merged/bot.db.
start_bot_in_container() {
	prepare_overlay
	start bot unshare --mount --propagation private \
		sh -c 'mount -t overlay overlay -o "$1" "$2" && exec "$3"' \
		sh "$layers" "$merged" "$sql_client"
	ask bot open "$merged/bot.db"
	ask bot sql 'BEGIN IMMEDIATE'
}

@test "a process on the overlay of a container is seen from inside" {
	require_root
	make_database wal
	start_bot_in_container

	as=(nsenter --mount --target "$(pid bot)")
	database=$merged/bot.db
	answer_is locked read=yes write=bot migrate=bot
	holder_is bot writer --r/r.w--.r---- SHARED WRITE READ0 DMS
}

@test "a process on the overlay of a container is seen from outside, through its root folder" {
	require_root
	make_database wal
	start_bot_in_container

	database=/proc/$(pid bot)/root$merged/bot.db
	answer_is locked read=yes write=bot migrate=bot
	holder_is bot writer --r/r.w--.r---- SHARED WRITE READ0 DMS
	answer_has --arg path "$merged/bot.db" '.holders[0].path == $path'
}

@test "a path through a symbolic link to the file" {
	make_database wal
	database=$BATS_TEST_TMPDIR/link.db
	ln -s shop/bot.db "$database"
	all_is_seen
}

@test "a path through a symbolic link to the folder" {
	make_database wal
	ln -s shop "$BATS_TEST_TMPDIR/link"
	database=$BATS_TEST_TMPDIR/link/bot.db
	all_is_seen
}

@test "a bot that came through a symbolic link" {
	make_database wal
	ln -s shop/bot.db "$BATS_TEST_TMPDIR/link.db"
	local opened=$BATS_TEST_TMPDIR/link.db
	wal_is_seen
}

@test "a relative path is answered with an absolute one" {
	make_database wal
	cd "$BATS_TEST_TMPDIR"
	local absolute=$database
	database=shop/bot.db
	all_is_seen
	answer_has --arg path "$absolute" '.database == $path'
}

@test "a relative path with dots and repeated slashes" {
	make_database wal
	cd "$folder"
	database=..//shop/./bot.db
	all_is_seen
}

@test "a name that looks like an option" {
	cd "$folder"
	database=-x.db
	sqlite3 -batch ./-x.db 'CREATE TABLE orders (id)'
	start_sql bot ./-x.db
	ask bot sql 'BEGIN IMMEDIATE'
	answer_is locked read=yes write=bot migrate=bot
}

@test "a path through a bind mount" {
	require_root
	make_database wal
	mount_for_test --bind "$folder" "$BATS_TEST_TMPDIR/bound"
	database=$BATS_TEST_TMPDIR/bound/bot.db
	all_is_seen
}

@test "a bot that came through a bind mount" {
	require_root
	make_database wal
	mount_for_test --bind "$folder" "$BATS_TEST_TMPDIR/bound"
	local opened=$BATS_TEST_TMPDIR/bound/bot.db
	wal_is_seen
}

@test "a hard link to a database with a rollback journal" {
	make_database
	local opened=$database
	ln "$database" "$folder/alias.db"
	database=$folder/alias.db
	rollback_is_seen
}

@test "a hard link to a WAL database: whoever came by the other name is in a migration's way" {
	make_database wal
	start_sql bot "$database"
	ask bot sql 'BEGIN IMMEDIATE'
	ln "$database" "$folder/alias.db"

	survey "$folder/alias.db"
	exit_status_is 1
	answer_has '.can.migrate == false and .blockers.migrate == [$pid.bot]'
}

@test "a name of 255 bytes, too long for sidecars" {
	database=$folder/$(printf 'n%.0s' {1..252}).db
	sqlite3 -batch "$database" 'PRAGMA journal_mode = OFF; CREATE TABLE orders (id)' >/dev/null
	local opened=$database
	rollback_is_seen
}

@test "a name so long that its journal's has 255 bytes" {
	database=$folder/$(printf 'n%.0s' {1..244}).db
	make_database wal
	local opened=$database
	wal_is_seen
	sqlite3 -batch "$opened" 'PRAGMA journal_mode = delete' >/dev/null
	rollback_is_seen
}

@test "a path of 4,000 bytes" {
	make_database
	local short=$database
	while ((${#folder} < 3900)); do
		folder+=/$(printf 'd%.0s' {1..99})
	done
	mkdir -p "$folder"
	cp "$short" "$folder/bot.db"
	# SQLite itself takes no path over 512 bytes.
	start_hold bot "$folder/bot.db" posix:r:SHARED posix:w:RESERVED

	database=$folder/bot.db
	answer_is locked read=yes write=bot migrate=bot
	answer_has --arg path "$database" '.database == $path and .holders[0].path == $path'
}
