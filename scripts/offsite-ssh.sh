#!/bin/bash
# offsite-ssh.sh - send a verified, compressed copy of the database to another machine. Nothing stays on this one.
#
#	offsite-ssh.sh DATABASE HOST FOLDER
#	offsite-ssh.sh /srv/bot/bot.db backup@example.net bot
#
# FOLDER is one on HOST, which needs no dblocktools. For cron: silent when it went well, else lines that say why and
# exit status 1. Back again, on this machine:
#
#	ssh backup@example.net cat bot/bot-20261122T031700Z.db.zst >/var/tmp/bot.db.zst
#	dbrestore /var/tmp/bot.db.zst /srv/bot/bot.db
#
# The part that everybody gets wrong: when dbbackup fails, zstd and ssh see nothing but the end of their input. They are
# content, and a file that looks like a backup is on the other side. So the file gets its name only after *all three*
# have said 0; until then it is called *.partial, also when this machine loses its power in the middle.
set -uo pipefail
PATH=$PATH:/usr/local/bin # cron does not have it

database=${1:?which database?} host=${2:?which host?} folder=${3:?which folder there?}
name=$(basename "$database")
name=${name%.*}-$(date -u +%Y%m%dT%H%M%SZ).db.zst

there() {
	# shellcheck disable=SC2029 # the names are meant to be those of this side
	ssh "$host" "cd ${folder@Q} && file=${name@Q} && umask 077 && $1"
}

# shellcheck disable=SC2016 # $file is for the other side
dbbackup -q "$database" - | zstd -q -T0 | there 'cat >"$file.partial" && sync "$file.partial"'
statuses=${PIPESTATUS[*]}

# shellcheck disable=SC2016
if [[ $statuses == '0 0 0' ]]; then
	there 'mv "$file.partial" "$file" && sync .' </dev/null && exit 0
	echo "offsite-ssh.sh: $host: $folder/$name.partial is whole, but could not be renamed" >&2
else
	there 'rm -f "$file.partial"' </dev/null
	echo "offsite-ssh.sh: no backup of $database on $host (dbbackup, zstd, ssh: exit status $statuses)" >&2
fi
exit 1
