#!/bin/bash
# offsite-restic.sh - put a verified copy of the database into a restic repository. Nothing stays on this disk.
#
#	export RESTIC_REPOSITORY=rest:https://backup.example.net/bot RESTIC_PASSWORD_FILE=/etc/restic-password
#	offsite-restic.sh /srv/bot/bot.db
#
# For cron: silent when it went well; else lines that say why, and exit status 1. Back again:
#
#	restic dump --tag dbbackup --path /bot.db latest bot.db >/var/tmp/bot.db
#	dbrestore /var/tmp/bot.db /srv/bot/bot.db
#
# and old ones go by: restic forget --tag dbbackup --keep-daily 7 --keep-weekly 4 --keep-monthly 12 --prune
#
# The part that everybody gets wrong: when the left side of a pipe breaks off, restic sees nothing but the end of its
# input, and makes a snapshot of half a database, with exit status 0. So a snapshot is tagged "incomplete" at first and
# gets the tag "dbbackup" only when *both* have said 0. Else it is forgotten at once; and when even that cannot be
# done, or this machine loses its power in the middle, it is "incomplete" for ever and nobody takes it for a backup.
#
# restic 0.17 and later do that by themselves (Debian 12 has 0.14), and this line replaces all that follows:
#
#	restic backup --quiet --tag dbbackup --stdin-filename bot.db --stdin-from-command -- dbbackup -q /srv/bot/bot.db -
set -uo pipefail
PATH=$PATH:/usr/local/bin # cron does not have it

database=${1:?which database?}

summary=$(
	dbbackup -q "$database" - |
		restic backup --json --tag incomplete --stdin --stdin-filename "$(basename "$database")"
	echo "statuses ${PIPESTATUS[*]}"
)
statuses=${summary##*statuses }
snapshot=$(sed -n 's/.*"snapshot_id":"\([0-9a-f]*\)".*/\1/p' <<<"$summary")

if [[ $statuses == '0 0' && $snapshot ]]; then
	restic tag --quiet --set dbbackup "$snapshot" >/dev/null && exit 0
	echo "offsite-restic.sh: snapshot $snapshot is whole, but could not be tagged" >&2
else
	[[ ! $snapshot ]] || restic forget --quiet "$snapshot" >/dev/null
	echo "offsite-restic.sh: no backup of $database (dbbackup, restic: exit status $statuses)" >&2
fi
exit 1
