#!/bin/bash -p
# The story that dblocktools is for, told with a real bot and a real lock: a forgotten transaction, the
# "database is locked" that somebody else gets, who it is and why, its clean end, and the proof that it is over; then a
# backup of the live database, a slip, and the way back; and migrations of Alembic, a bad one and a good one.
# On a fresh machine it installs what is missing and builds first. Changes nothing outside of a folder of its own.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${BUILD:-$root/build}
scene=$(mktemp -d "${TMPDIR:-/tmp}/dblocktools-demo.XXXXXX")
bot=

end_bot() {
	[ -n "$bot" ] || return 0
	kill -TERM "$bot" 2>/dev/null || true
	wait "$bot" 2>/dev/null || true
	bot=
}

clean_up() {
	end_bot
	rm -rf -- "$scene"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

say() {
	local bold='' plain=''
	[ ! -t 1 ] || bold=$'\033[1m' plain=$'\033[0m'
	printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

# Shows a command and runs it; its exit status is part of the story.
show() {
	local status=0 word
	printf '$'
	for word; do
		[[ $word =~ ^[[:alnum:]_./=-]+$ ]] || word=${word@Q}
		printf ' %s' "$word"
	done
	printf '\n'
	"$@" 2>&1 || status=$?
	[ "$status" -eq 0 ] || printf '(exit status %d)\n' "$status"
}

fail() {
	printf 'demo.sh: %s\n' "$*" >&2
	exit 1
}

expect_status() {
	local wanted=$1 status=0
	shift
	"$@" >"$scene/again" 2>&1 || status=$?
	[ "$status" -eq "$wanted" ] || fail "expected exit status $wanted from '$*', got $status"
}

start_bot() {
	rm -f "$scene/said"
	mkfifo "$scene/said"
	exec 7<>"$scene/said" # kept open, so that the bot can say goodbye
	# With job control the bot keeps its Ctrl+C, as one that is started by hand.
	set -m
	/usr/bin/python3 "$root/tests/sample_bot/bot.py" --database data/bot.db "$@" >"$scene/said" &
	set +m
	bot=$!
	local line=
	IFS= read -r line <&7 || true
	[[ $line == ready* ]] || fail 'the bot did not start'
	printf 'bot: %s\n' "$line"
}

"$root/scripts/install-deps.sh" build demo
make --no-print-directory -s -C "$root" BUILD="$build" -j"$(nproc)" all
PATH=$build:$PATH
cd "$scene"
mkdir data

say 'A bot begins to write, waits for an answer that never comes, and never commits.'
start_bot --mode=forgotten-transaction

say 'Somebody else wants to write, a migration for example:'
show sqlite3 -cmd '.timeout 500' data/bot.db 'ALTER TABLE orders ADD COLUMN paid_at TEXT'

say 'Who is it?'
show dblockcheck data/bot.db
expect_status 1 dblockcheck --for=write data/bot.db

say 'Stop exactly that one, cleanly. First only the plan:'
show botkill --dry-run data/bot.db

say 'And now really:'
show botkill data/bot.db
kill -0 "$bot" 2>/dev/null && fail 'the bot is still there'
bot=

say 'Is the database free now?'
show dblockcheck data/bot.db
expect_status 0 dblockcheck data/bot.db

say 'And the migration goes through:'
show sqlite3 data/bot.db 'ALTER TABLE orders ADD COLUMN paid_at TEXT' \
	'SELECT count(*) FROM orders' 'PRAGMA quick_check'

say 'The bot works again. A backup, while it does:'
start_bot --mode=well-behaved
show dbbackup data/bot.db
expect_status 0 dbbackup -q --check data/backups

say 'Somebody slips:'
show sqlite3 -cmd '.timeout 5000' data/bot.db 'DELETE FROM order_events' 'SELECT count(*) FROM order_events'

say 'Put it back. Not under the feet of the bot, unless that is what you want (--live):'
show dbrestore data/backups data/bot.db
expect_status 5 dbrestore data/backups data/bot.db
show botkill data/bot.db
kill -0 "$bot" 2>/dev/null && fail 'the bot is still there'
bot=
show dbrestore data/backups data/bot.db
show sqlite3 data/bot.db 'SELECT count(*) > 0 FROM order_events' 'PRAGMA quick_check'

if ! command -v alembic >/dev/null; then
	say 'There is no Alembic here, so no migrations; that is all.'
	exit
fi
cp -r "$root"/tests/sample_bot/{alembic.ini,migrations} .
# The shop as the bot makes it is the first revision.
expect_status 0 alembic stamp a1c05f3e9d20
content_of() { sqlite3 data/bot.db .dump | sha256sum; }

say 'The project has a new migration, which fails half-way on real orders. First, the bot works:'
start_bot --mode=well-behaved
cp migrations/failing/*.py migrations/versions/
show dbmigrate --wait=1 -q up data/bot.db
expect_status 5 dbmigrate --wait=1 -q up data/bot.db
show botkill data/bot.db
kill -0 "$bot" 2>/dev/null && fail 'the bot is still there'
bot=
before=$(content_of)
show dbmigrate -q up data/bot.db
[[ $(content_of) == "$before" ]] || fail 'the failed migration has changed the database'
printf 'No table, no column, no revision of it is in the database: its dump is the same.\n'

say 'Without that one it goes through, all or nothing:'
rm migrations/versions/f6b51e8d2c75_*.py
show dbmigrate up data/bot.db
expect_status 0 dbmigrate status data/bot.db
