#!/usr/bin/env bats
#
# dbrestore on the file systems that people have, and on those that are full or may not be written.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	backup_setup
	require_root
	folder=$BATS_TEST_TMPDIR/disk
	database=$folder/bot.db
}

teardown() {
	chattr -i "$database" 2>/dev/null || true
	backup_teardown
}

# In place with a bot in it, in place at rest, and by rename.
all_goes_well() {
	make_backup_and_change wal
	start_sql bot "$database"
	ask bot sql "UPDATE orders SET problem = 'in the WAL'"
	restore 0 --live "$backup" "$database"
	ask bot sql 'SELECT count(*) FROM orders'
	is_same '[[100]]' "$reply"
	stop bot
	is_restored
	good_backup "$(jq -r .safety_copy <<<"$answer")"

	change_database
	restore 0 "$backup" "$database"
	is_restored

	echo text >"$database"
	restore 0 "$backup" "$database"
	answer_has '.method == "rename"'
	is_restored
	nothing_left "$folder"
}

@test "tmpfs" {
	mount_for_test -t tmpfs tmpfs "$folder"
	all_goes_well
}

@test "ext4" {
	make_image 32M mkfs.ext4 -q
	mount_for_test -o loop "$image" "$folder"
	all_goes_well
}

@test "XFS with reflink" {
	make_image 300M mkfs.xfs -q -m reflink=1
	mount_for_test -o loop "$image" "$folder"
	all_goes_well
}

@test "btrfs" {
	make_image 128M mkfs.btrfs -q
	mount_for_test -o loop "$image" "$folder"
	all_goes_well
}

@test "a file that is a mount point of its own, as in a container, is written in place" {
	mkdir "$folder"
	make_backup_and_change
	mkdir "$BATS_TEST_TMPDIR/inside"
	: >"$BATS_TEST_TMPDIR/inside/bot.db"
	mount --bind "$database" "$BATS_TEST_TMPDIR/inside/bot.db"
	mounted+=("$BATS_TEST_TMPDIR/inside/bot.db")
	restore 0 "$backup" "$BATS_TEST_TMPDIR/inside/bot.db"
	is_restored
}

@test "a read-only file system is trouble, and nothing is changed" {
	mount_for_test -t tmpfs tmpfs "$folder"
	make_backup_and_change
	mount -o remount,ro "$folder"
	refuses 3 "$backup" "$database"
	refuses 3 --no-safety-copy "$backup" "$database"
	refuses 3 --safety="$BATS_TEST_TMPDIR" "$backup" "$database"
	restore 0 --dry-run "$backup" "$database"
}

@test "a file that may not be changed (chattr +i) is trouble, and stays" {
	make_image 32M mkfs.ext4 -q
	mount_for_test -o loop "$image" "$folder"
	make_backup_and_change
	chattr +i "$database"
	before=$(files_of "$folder")
	says_trouble 3 dbrestore "$backup" "$database"
	is_same "$before" "$(files_of "$folder")"
	echo '{}' | says_trouble 3 dbrestore --no-safety-copy "$backup" "$database"
	is_same "$before" "$(files_of "$folder")"
}

@test "a disk that has no room for the safety copy, or for the new content, keeps the old" {
	mount_for_test -t tmpfs -o size=3m tmpfs "$folder"
	make_tables
	backups=$BATS_TEST_TMPDIR/backups
	make_file_backup
	change_database 'DELETE FROM orders; VACUUM'
	sqlite3 -batch "$database" 'DROP TABLE lines; VACUUM'
	old=$(content "$database")
	for mode in delete wal; do
		sqlite3 -batch "$database" "PRAGMA journal_mode = $mode" >/dev/null
		for room in 0 4096 65536 200000; do
			head -c $((3 * 1024 * 1024 - $(stat -c %s "$database") - room)) /dev/zero >"$folder/filler" 2>/dev/null || true
			for option in --live --no-safety-copy; do
				run --separate-stderr dbrestore "$option" "$backup" "$database"
				is_same 3 "$status"
				is_same 1 "${#stderr_lines[@]}"
				is_same "$old" "$(content "$database")"
				nothing_left "$folder"
				is_same '' "$(find "$folder/.dblocktools" -type f -name '*.db' 2>/dev/null)"
			done
			rm "$folder/filler"
		done
	done
}

@test "a full disk under a broken database leaves it as it was, where it was" {
	mount_for_test -t tmpfs -o size=1m tmpfs "$folder"
	make_backup_and_change
	echo text >"$database"
	head -c 40000 /dev/urandom >"$database-wal"
	head -c 2M /dev/zero >"$folder/filler" 2>/dev/null || true
	refuses 3 "$backup" "$database"
	rm "$folder/filler"
	new=$(content "$backup")
	restore 0 "$backup" "$database"
	is_restored
}

@test "a disk without a free inode is trouble, and the old stays" {
	mount_for_test -t tmpfs -o nr_inodes=3 tmpfs "$folder"
	make_backup_and_change
	: >"$folder/1"
	refuses 3 "$backup" "$database"
}

@test "the upper folder of an overlay is refused" {
	mkdir "$folder"
	make_backup_and_change
	mkdir "$BATS_TEST_TMPDIR/"{upper,work}
	mount_for_test -t overlay overlay -o \
		"lowerdir=$folder,upperdir=$BATS_TEST_TMPDIR/upper,workdir=$BATS_TEST_TMPDIR/work" "$BATS_TEST_TMPDIR/merged"
	sqlite3 -batch "$BATS_TEST_TMPDIR/merged/bot.db" 'DELETE FROM later'
	local sum
	sum=$(sha256_of "$BATS_TEST_TMPDIR/upper/bot.db")
	says_trouble 3 dbrestore "$backup" "$BATS_TEST_TMPDIR/upper/bot.db"
	is_same "$sum" "$(sha256_of "$BATS_TEST_TMPDIR/upper/bot.db")"
	restore 0 "$backup" "$BATS_TEST_TMPDIR/merged/bot.db"
	is_same "$new" "$(content "$BATS_TEST_TMPDIR/merged/bot.db")"
}
