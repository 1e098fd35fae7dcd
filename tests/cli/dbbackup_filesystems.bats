#!/usr/bin/env bats
#
# dbbackup on the file systems that people have, and on those that are full, read-only or not there.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	backup_setup
	require_root
	disk=$BATS_TEST_TMPDIR/disk
}

teardown() {
	backup_teardown
}

# The database is on the disk, and so are its backups: plain, compressed, by the API, from its WAL.
all_goes_well() {
	database=$disk/bot.db
	backups=$disk/backups
	make_tables 'journal_mode = wal'
	start_sql bot "$database"
	ask bot sql "INSERT INTO orders (id, problem) VALUES (1001, 'in the WAL')"
	local expected
	expected=$(content "$database")
	for option in --api --compress --verify=full; do
		back_up 0 "$option" "$database"
		good_backup "$backup"
		is_same "$expected" "$(content "$copy")"
	done
	stop bot
	sqlite3 -batch "$database" 'PRAGMA journal_mode = delete' >/dev/null
	back_up 0 --keep-last=2 "$database"
	good_backup "$backup"
	is_same "$expected" "$(content "$backup")"
	is_same 2 "$(find "$backups" -name '*.json' | wc -l)"
	nothing_left "$disk"
}

@test "tmpfs" {
	mount_for_test -t tmpfs tmpfs "$disk"
	all_goes_well
}

@test "ext4" {
	make_image 32M mkfs.ext4 -q
	mount_for_test -o loop "$image" "$disk"
	all_goes_well
	answer_has '.method == "copy_file_range" or .method == "read_write"'
}

@test "XFS with reflink, where the copy takes no time and no space" {
	make_image 300M mkfs.xfs -q -m reflink=1
	mount_for_test -o loop "$image" "$disk"
	all_goes_well
	answer_has '.method == "reflink"'
}

@test "btrfs, where it does as well" {
	make_image 128M mkfs.btrfs -q
	mount_for_test -o loop "$image" "$disk"
	all_goes_well
	answer_has '.method == "reflink"'
}

@test "from one file system to another" {
	mount_for_test -t tmpfs tmpfs "$disk"
	make_database wal
	back_up 0 "$database" "$disk"
	good_backup "$backup"
	is_same "$(content "$database")" "$(content "$backup")"
}

@test "an overlay, as in a container" {
	make_database wal
	mkdir "$BATS_TEST_TMPDIR/"{upper,work}
	mount_for_test -t overlay overlay -o \
		"lowerdir=$folder,upperdir=$BATS_TEST_TMPDIR/upper,workdir=$BATS_TEST_TMPDIR/work" "$disk"
	database=$disk/bot.db
	backups=$disk/backups
	start_sql bot "$database"
	ask bot sql "INSERT INTO orders (id, problem) VALUES (1001, 'in the WAL')"
	back_up 0 "$database"
	good_backup "$backup"
	is_same "$(content "$database")" "$(content "$backup")"
}

@test "a source on a read-only file system" {
	mount_for_test -t tmpfs tmpfs "$disk"
	database=$disk/bot.db
	make_database
	local expected
	expected=$(content "$database")
	mount -o remount,ro "$disk"
	back_up 0 "$database" "$folder"
	good_backup "$backup"
	is_same "$expected" "$(content "$backup")"
}

@test "a WAL database on a read-only file system is copied, or is trouble; never without its WAL" {
	mount_for_test -t tmpfs tmpfs "$disk"
	database=$disk/bot.db
	make_database wal
	start_sql bot "$database"
	ask bot sql "UPDATE orders SET problem = 'in the WAL'"
	crash bot
	mount -o remount,ro "$disk"
	run --separate-stderr dbbackup --json "$database" "$folder/mine.bak"
	((status == 0 || status == 3))
	if [[ $status == 0 ]]; then
		is_same 'in the WAL' "$(sqlite3 -batch "$folder/mine.bak" 'SELECT DISTINCT problem FROM orders')"
	else
		is_same '' "$(find "$folder" -mindepth 1)"
	fi
}

@test "a read-only destination is trouble" {
	mount_for_test -t tmpfs tmpfs "$disk"
	make_database
	mkdir "$disk/old"
	mount -o remount,ro "$disk"
	for there in "$disk" "$disk/old" "$disk/new/" "$disk/mine.bak"; do
		says_trouble 3 dbbackup "$database" "$there"
	done
}

# Not enough room for a backup: trouble, what was there stays, and nothing else remains.
is_trouble_when_full() {
	local before
	before=$(find "$disk" -mindepth 1 -printf '%p %i %s %T@\n' | sort)
	for option in --verify=quick --api --verify=none "$@"; do
		says_trouble 3 dbbackup "$option" --keep-last=1 "$database" "$disk"
		is_same "$before" "$(find "$disk" -mindepth 1 -printf '%p %i %s %T@\n' | sort)"
	done
	[[ $stderr == *space* || $stderr == *full* || $stderr == *inode* || $stderr == *room* ]]
}

@test "a full disk is trouble, old backups stay, and nothing remains" {
	mount_for_test -t tmpfs -o size=2400k tmpfs "$disk"
	make_tables
	back_up 0 "$database" "$disk"
	local old=$backup
	head -c 10M /dev/zero >"$disk/filler" || true
	is_trouble_when_full --compress=1
	good_backup "$old"
	rm "$disk/filler"
	back_up 0 --keep-last=1 "$database" "$disk"
	[ ! -e "$old" ]
}

@test "a disk that has room for some of it is trouble as well" {
	mount_for_test -t tmpfs -o size=2m tmpfs "$disk"
	make_tables
	local size room
	size=$(stat -c %s "$database")
	for room in 4096 16384 $((size / 2)) $((size - 8192)) "$size"; do
		head -c $((2 * 1024 * 1024 - room)) /dev/zero >"$disk/filler"
		run --separate-stderr dbbackup "$database" "$disk"
		if [[ $status == 0 ]]; then
			good_backup "$(echo "$disk"/*.db)"
			rm "$disk"/bot-*
		else
			is_same 3 "$status"
			is_same filler "$(find "$disk" -mindepth 1 -printf '%P\n')"
		fi
	done
}

@test "a full ext4 is trouble" {
	make_image 4M mkfs.ext4 -q -m 0
	mount_for_test -o loop "$image" "$disk"
	make_tables
	head -c 10M /dev/zero >"$disk/filler" 2>/dev/null || true
	is_trouble_when_full
}

@test "a disk without a free inode is trouble" {
	mount_for_test -t tmpfs -o nr_inodes=4 tmpfs "$disk"
	make_database
	: >"$disk/1"
	: >"$disk/2"
	is_trouble_when_full
	rm "$disk/2"
	is_trouble_when_full
}

@test "a full disk under the database's own -shm is trouble or no reason, and loses nothing" {
	mount_for_test -t tmpfs -o size=1m tmpfs "$disk"
	database=$disk/bot.db
	make_database wal
	head -c 10M /dev/zero >"$disk/filler" 2>/dev/null || true
	before=$(sha256_of "$database")
	run --separate-stderr dbbackup --json "$database" "$folder/mine.bak"
	((status == 0 || status == 3))
	[[ $status == 3 ]] || good_backup "$folder/mine.bak"
	# SQLite cannot take back the empty -wal and -shm that it could not use.
	is_same "$before" "$(sha256_of "$database")"
	[ ! -s "$database-wal" ]
}

@test "a file that may not be changed (chattr +i) is backed up" {
	make_image 32M mkfs.ext4 -q
	mount_for_test -o loop "$image" "$disk"
	database=$disk/bot.db
	make_database
	chattr +i "$database"
	run --separate-stderr dbbackup --json "$database" "$disk/safe/"
	chattr -i "$database"
	is_same 0 "$status"
	good_backup "$(echo "$disk"/safe/*.db)"
}
