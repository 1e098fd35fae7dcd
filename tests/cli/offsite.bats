#!/usr/bin/env bats
# bats file_tags=slow
#
# The examples in scripts/, as they are: a crontab, a service with its timer, and copies that go to another machine.
# Only the places in them are changed to those of the test.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	backup_setup
	make_database wal
	scripts=$repository/scripts
	export RESTIC_PASSWORD=secret RESTIC_CACHE_DIR=$BATS_TEST_TMPDIR/cache
}

teardown() {
	backup_teardown
}

# An example with the places of this test.
example() {
	sed "s|/usr/local/bin/dbbackup|$dbbackup|g; s|/srv/bot|$folder|g; s|/var/backups/bot|$backups|g" "$scripts/$1"
}

# --- cron -----------------------------------------------------------------------------------------

# The line of the crontab with this text, as cron would run it: without the five times, up to a % that is not \%.
cron_runs() {
	local line
	line=$(example dbbackup.crontab | sed 's/^#\([0-9*]\)/\1/' | grep -E '^[0-9*]' | grep -F -e "$1")
	[[ $line =~ ^([0-9*/,-]+\ ){5}(/.*)$ ]]
	local command=${BASH_REMATCH[2]}
	[[ ! ${command//\\%/} == *%* ]]
	run env -i -C / HOME="$BATS_TEST_TMPDIR" LOGNAME=bot SHELL=/bin/sh PATH=/usr/bin:/bin \
		/bin/sh -c "${command//\\%/%}"
}

nightly=--keep-daily
weekly=--check
yearly=--verify=full

@test "the crontab has nothing but comments, variables and lines with a time and an absolute path" {
	is_same '' "$(grep -vE '^$|^#|^[A-Z]+=[^ ]+$|^([0-9*/,-]+ ){5}/[^%]+$' "$scripts/dbbackup.crontab")"
	is_same 2 "$(grep -cE '^[0-9*]' "$scripts/dbbackup.crontab")"
}

@test "the nightly line of the crontab makes a backup and says nothing" {
	cron_runs "$nightly"
	is_same '0 ' "$status $output"
	backup=$(echo "$backups"/bot-*.db.zst)
	good_backup "$backup"
	is_same "$(content "$database")" "$(content "$copy")"
}

@test "the nightly line of the crontab keeps a backup a day" {
	make_file_backup
	copy_backup 20260105T100000.000Z
	copy_backup 20260105T110000.000Z
	cron_runs "$nightly"
	is_same '0 ' "$status $output"
	backups_are "$backups"/bot-20260105T110000.000Z.db "$backups"/*.zst
}

@test "when the nightly line fails, cron has one line to mail, and a status" {
	rm "$database"
	cron_runs "$nightly"
	is_same '3 1' "$status ${#lines[@]}"
	[[ $output == "dbbackup: "*bot.db* ]]
	[ ! -e "$backups" ]
}

@test "of a damaged database the nightly line makes no backup, and says so" {
	damage_database
	cron_runs "$nightly"
	is_same '1 1' "$status ${#lines[@]}"
	[[ $output == "dbbackup: "*bot.db* ]]
	is_same '' "$(find "$backups" -name 'bot*')"
}

# The header and the schema are well; the rows are not.
damage_database() {
	sqlite3 -batch "$database" 'PRAGMA journal_mode = DELETE' >/dev/null
	dd if=/dev/zero of="$database" bs=1 seek=$(($(stat -c %s "$database") - 5000)) count=4000 conv=notrunc status=none
	[[ $(sqlite3 -batch "$database" 'PRAGMA quick_check') != ok ]]
}

@test "while another dbbackup works in the folder, the nightly line gives up with a line" {
	mkdir "$backups"
	make_file_backup
	flock "$backups" "$BASH" -c "$(declare -f cron_runs example)
		run() { \"\$@\"; }
		scripts='$scripts' dbbackup='$dbbackup' folder='$folder' backups='$backups'
		cron_runs '$nightly'" >"$BATS_TEST_TMPDIR/said" 2>&1 || status=$?
	[[ ${status-0} != 0 ]] || skip 'the folder is locked in another way'
	is_same '5 1' "$status $(wc -l <"$BATS_TEST_TMPDIR/said")"
	backups_are "$backup"
}

@test "the weekly line of the crontab says nothing while all is well, and names the backup that is not" {
	make_file_backup
	copy_backup 20260105T100000.000Z
	cron_runs "$weekly"
	is_same '0 ' "$status $output"
	flip_bit "$reply"
	cron_runs "$weekly"
	is_same '1 1' "$status ${#lines[@]}"
	[[ $output == "dbbackup: "*bot-20260105T100000.000Z.db* ]]
}

@test "the line of the crontab with a % makes a folder a year" {
	cron_runs "$yearly"
	is_same '0 ' "$status $output"
	good_backup "$(echo "$backups-$(date -u +%Y)"/bot-*.db.zst)"
}

# --- systemd --------------------------------------------------------------------------------------

make_units() {
	units=$BATS_TEST_TMPDIR/units
	mkdir "$units"
	for unit in dbbackup.service dbbackup.timer; do example "$unit" >"$units/$unit"; done
}

@test "systemd takes the service and the timer without a word" {
	require_command systemd-analyze
	make_units
	run systemd-analyze verify --man=no "$units/dbbackup.timer" "$units/dbbackup.service"
	is_same '0 ' "$status $output"
}

@test "the service and the crontab run the same command, and it makes a backup" {
	make_units
	local command
	command=$(sed -n 's/^ExecStart=//p' "$units/dbbackup.service")
	[[ $(example dbbackup.crontab) == *" $command"$'\n'* ]]
	# systemd splits it into words, and there is no shell.
	read -ra command <<<"$command"
	run env -i -C / "${command[@]}"
	is_same '0 ' "$status $output"
	good_backup "$(echo "$backups"/bot-*.db.zst)"
}

@test "the service can write to the two folders of its command, and they are the only ones" {
	make_units
	is_same "$folder $backups" "$(sed -n 's/^ReadWritePaths=//p' "$units/dbbackup.service")"
	is_same "$folder $backups" "$(sed -n 's/^RequiresMountsFor=//p' "$units/dbbackup.service")"
	grep -qx 'ProtectSystem=strict' "$units/dbbackup.service"
}

@test "with everything read only but these two folders the command of the service makes a backup" {
	require_root
	make_units
	mkdir "$backups"
	local command status=0
	command=$(sed -n 's/^ExecStart=//p' "$units/dbbackup.service")
	unshare --mount --propagation private -- /bin/sh -c '
		for folder in "$1" "$2"; do mount --bind "$folder" "$folder" || exit 77; done
		mount -o remount,bind,ro / || exit 77
		! touch "$1/../never" 2>/dev/null && exec $0' "$command" "$folder" "$backups" || status=$?
	[[ $status != 77 ]] || skip 'cannot mount'
	is_same 0 "$status"
	good_backup "$(echo "$backups"/bot-*.db.zst)"
}

# --- ssh ------------------------------------------------------------------------------------------

# Puts a program (standard input) before all others of its name.
program() {
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	cat >"$BATS_TEST_TMPDIR/bin/$1"
	chmod 755 "$BATS_TEST_TMPDIR/bin/$1"
}

# Runs an example as cron would, with what is in bin/ and the tools in PATH.
offsite() {
	run env HOME="$BATS_TEST_TMPDIR" PATH="$BATS_TEST_TMPDIR/bin:${dbbackup%/*}:/usr/bin:/bin" \
		"$scripts/offsite-$1.sh" "${@:2}" </dev/null
}

# An ssh that stays here: the other machine is $there.
make_ssh() {
	there="$BATS_TEST_TMPDIR/other machine"
	mkdir -p "$there/my bot"
	program ssh <<-END
		#!/bin/sh
		cd '$there' && shift && exec /bin/sh -c "\$*"
	END
}

files_there() {
	(cd "$there/my bot" && find . -type f)
}

@test "dbbackup - | zstd | ssh leaves a whole backup on the other side, and nothing here" {
	require_command zstd
	make_ssh
	local before
	before=$(files_of "$folder")
	offsite ssh "$database" backup@example.net 'my bot'
	is_same '0 ' "$status $output"
	is_same "$before" "$(files_of "$folder")"
	[ ! -e "$backups" ]
	is_there_and_comes_back
}

is_there_and_comes_back() {
	[[ $(files_there) =~ ^./bot-[0-9]{8}T[0-9]{6}Z[.]db[.]zst$ ]]
	local sent=$there/my\ bot/${BASH_REMATCH[0]}
	is_same 600 "$(stat -c %a "$sent")"
	zstd -dqf "$sent" -o "$BATS_TEST_TMPDIR/unpacked.db"
	is_self_contained "$BATS_TEST_TMPDIR/unpacked.db"
	is_same "$(content "$database")" "$(content "$BATS_TEST_TMPDIR/unpacked.db")"
	[[ -x $dbrestore ]] || return 0
	exits_with 0 dbrestore -q "$sent" "$BATS_TEST_TMPDIR/restored.db"
	is_same "$(content "$database")" "$(content "$BATS_TEST_TMPDIR/restored.db")"
}

@test "what dbbackup could not make has no name on the other side" {
	make_ssh
	mv "$database" "$database.gone"
	offsite ssh "$database" host 'my bot'
	is_same '1 2' "$status ${#lines[@]}"
	[[ ${lines[0]} == "dbbackup: "* && ${lines[1]} == "offsite-ssh.sh: "*"status 3 0 0)" ]]
	is_same '' "$(files_there)"

	mv "$database.gone" "$database"
	damage_database
	offsite ssh "$database" host 'my bot'
	is_same '1 2' "$status ${#lines[@]}"
	[[ ${lines[1]} == *"status 1 0 0)" ]]
	is_same '' "$(files_there)"
}

@test "a dbbackup that breaks off in the middle leaves no name on the other side" {
	make_ssh
	program dbbackup <<-END
		#!/bin/sh
		head -c 8192 '$database'
		exit 3
	END
	offsite ssh "$database" host 'my bot'
	is_same 1 "$status"
	is_same '' "$(files_there)"
}

@test "a connection that breaks off leaves no name on the other side" {
	make_ssh
	program ssh <<-END
		#!/bin/sh
		cd '$there' && shift && head -c 100 | /bin/sh -c "\$*"
		exit 255
	END
	offsite ssh "$database" host 'my bot'
	is_same 1 "$status"
	[[ $output == *"offsite-ssh.sh: no backup of $database on host"* ]]
	is_same '' "$(files_there)"
}

@test "a backup that could not be removed on the other side is called .partial" {
	make_ssh
	program ssh <<-END
		#!/bin/sh
		cd '$there' && shift && case \$* in *cat*) /bin/sh -c "\$*" ;; esac
		exit 255
	END
	offsite ssh "$database" host 'my bot'
	is_same 1 "$status"
	[[ $(files_there) == ./bot-*.db.zst.partial ]]
}

# An sshd of our own that a client starts for itself and talks to by a pipe: no port, no daemon. Root's needs a folder
# in /run, and gets it in a mount namespace.
make_sshd() {
	require_command ssh
	require_command ssh-keygen
	[[ -x /usr/sbin/sshd ]] || skip 'needs sshd'
	local place=$BATS_TEST_TMPDIR/sshd
	mkdir -m 700 "$place"
	ssh-keygen -q -t ed25519 -N '' -f "$place/host"
	ssh-keygen -q -t ed25519 -N '' -f "$place/key"
	printf '%s\n' "HostKey $place/host" "AuthorizedKeysFile $place/key.pub" 'StrictModes no' 'UsePAM no' 'UseDNS no' \
		'PermitRootLogin yes' 'PasswordAuthentication no' 'PidFile none' >"$place/sshd_config"
	printf '#!/bin/sh\n%s -i -f %s -E %s\n' /usr/sbin/sshd "$place/sshd_config" "$place/log" >"$place/start"
	((EUID != 0)) || printf '#!/bin/sh\nexec unshare --mount --propagation private -- /bin/sh -c "%s; %s"\n' \
		'mount -t tmpfs -o mode=755 none /run && mkdir /run/sshd' \
		"exec /usr/sbin/sshd -i -f $place/sshd_config -E $place/log" >"$place/start"
	chmod 755 "$place/start"
	printf 'other %s\n' "$(<"$place/host.pub")" >"$place/known"
	program ssh <<-END
		#!/bin/sh
		exec /usr/bin/ssh -F none -o BatchMode=yes -i '$place/key' -o UserKnownHostsFile='$place/known' \
			-o ProxyCommand='$place/start' "\$@"
	END
	PATH=$BATS_TEST_TMPDIR/bin:$PATH ssh other true 2>"$place/said" ||
		skip "sshd cannot run here: $(tail -n 1 "$place/said")"
}

@test "a real ssh to a real sshd brings a whole backup over, and only a whole one" {
	require_command zstd
	make_sshd
	there="$BATS_TEST_TMPDIR/other machine"
	mkdir -p "$there/my bot"
	offsite ssh "$database" other "$there/my bot"
	is_same '0 ' "$status $output"
	is_there_and_comes_back
	rm "$there/my bot/"*
	damage_database
	offsite ssh "$database" other "$there/my bot"
	is_same 1 "$status"
	is_same '' "$(files_there)"
}

# --- restic ---------------------------------------------------------------------------------------

make_repository() {
	require_command restic
	export RESTIC_REPOSITORY=${1-$BATS_TEST_TMPDIR/repository}
	restic init -q
}

# The tags of all snapshots, one a line.
snapshots() {
	restic snapshots --json | jq -r '.[] | .tags | join(" ")'
}

a_snapshot_comes_back() {
	is_same dbbackup "$(snapshots)"
	restic dump --tag dbbackup --path /bot.db latest bot.db >"$BATS_TEST_TMPDIR/dumped.db"
	is_self_contained "$BATS_TEST_TMPDIR/dumped.db"
	is_same "$(content "$database")" "$(content "$BATS_TEST_TMPDIR/dumped.db")"
	restic check -q --read-data
	[[ -x $dbrestore ]] || return 0
	exits_with 0 dbrestore -q "$BATS_TEST_TMPDIR/dumped.db" "$BATS_TEST_TMPDIR/restored.db"
	is_same "$(content "$database")" "$(content "$BATS_TEST_TMPDIR/restored.db")"
}

@test "restic from standard input: what comes back is what was there" {
	make_repository
	offsite restic "$database"
	is_same '0 ' "$status $output"
	a_snapshot_comes_back
}

@test "restic through its REST protocol, by rclone on loopback" {
	require_command restic
	require_command rclone
	mkdir "$BATS_TEST_TMPDIR/remote"
	launch rclone /bin/sh -c 'exec rclone serve restic --config=/dev/null --addr=127.0.0.1:0 "$0" 2>"$0.log"' \
		"$BATS_TEST_TMPDIR/remote"
	until_true grep -q 'Serving restic REST API on http' "$BATS_TEST_TMPDIR/remote.log"
	make_repository "rest:$(grep -o 'http://[0-9.:]*/' "$BATS_TEST_TMPDIR/remote.log")"
	offsite restic "$database"
	is_same '0 ' "$status $output"
	a_snapshot_comes_back
	[ -s "$BATS_TEST_TMPDIR/remote/config" ]

	damage_database
	offsite restic "$database"
	is_same 1 "$status"
	is_same dbbackup "$(snapshots)"
}

@test "what dbbackup could not make is no snapshot" {
	make_repository
	mv "$database" "$database.gone"
	offsite restic "$database"
	is_same 1 "$status"
	[[ $output == *"dbbackup: "*bot.db*"offsite-restic.sh: no backup of $database (dbbackup, restic: exit status 3 "* ]]
	is_same '' "$(snapshots)"

	mv "$database.gone" "$database"
	damage_database
	offsite restic "$database"
	is_same 1 "$status"
	is_same '' "$(snapshots)"
}

@test "a dbbackup that breaks off in the middle leaves no snapshot" {
	make_repository
	program dbbackup <<-END
		#!/bin/sh
		head -c 8192 '$database'
		exit 3
	END
	offsite restic "$database"
	is_same 1 "$status"
	is_same '' "$(snapshots)"
}

@test "a snapshot that could not be forgotten is tagged as incomplete, and latest is the one before" {
	make_repository
	offsite restic "$database"
	is_same 0 "$status"
	program restic <<-END
		#!/bin/sh
		[ "\$1" = forget ] && exit 1
		exec /usr/bin/restic "\$@"
	END
	program dbbackup <<-END
		#!/bin/sh
		head -c 8192 '$database'
		exit 3
	END
	offsite restic "$database"
	is_same 1 "$status"
	is_same $'dbbackup\nincomplete' "$(snapshots)"
	restic dump --tag dbbackup --path /bot.db latest bot.db >"$BATS_TEST_TMPDIR/dumped.db"
	is_same "$(content "$database")" "$(content "$BATS_TEST_TMPDIR/dumped.db")"
}

@test "a restic that fails is told" {
	make_repository
	offsite restic "$database"
	export RESTIC_PASSWORD=wrong
	offsite restic "$database"
	is_same 1 "$status"
	[[ $output == *"wrong password"*"offsite-restic.sh: no backup of $database (dbbackup, restic: exit status "* ]]
}
