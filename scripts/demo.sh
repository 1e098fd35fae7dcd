#!/bin/bash -p
# The story that dblocktools is for, told with a real bot and a real lock: the "database is locked" that a forgotten
# transaction means for everybody else, who it is and why, its clean end; then the bot's own project, where "make
# migrate-prod" stops, backs up, migrates and verifies: a bad migration, a good one, a slip, and the way back.
# The bot of prod runs in a container when a docker engine of this machine answers to root, else as a process.
# On a fresh machine it installs what is missing and builds first. Changes nothing outside of a folder of its own.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$(realpath -m -- "${BUILD:-$root/build}")
scene=$(mktemp -d "${TMPDIR:-/tmp}/dblocktools-demo.XXXXXX")
name=$(basename "$scene" | tr '[:upper:].' '[:lower:]-') # of its containers, and their image
shop=$scene/shop
compose=()

# Whoever has this database open was started here: nobody else knows of it.
clean_up() {
	trap '' HUP INT TERM
	cd /
	if ((${#compose[@]} > 0)); then
		"${compose[@]}" down --timeout 2 >/dev/null 2>&1 || printf 'demo.sh: the containers of %s could not be removed\n' "$name" >&2
		docker image rm -f "$name" >/dev/null 2>&1 || true
	fi
	if [[ -e $shop/data/bot.db ]]; then
		botkill -q --force "$shop/data/bot.db" || printf 'demo.sh: a bot of %s could not be stopped\n' "$shop" >&2
	fi
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

fail() {
	printf 'demo.sh: %s\n' "$*" >&2
	exit 1
}

# Of what Alembic prints the number of lines is enough here; all of it is in the log of the run.
shorten() {
	awk 'function tell() { if (lines) printf "dbmigrate: | (%d lines of Alembic)\n", lines; lines = 0 }
		/^dbmigrate: \|/ { lines++; next }
		{ tell(); print; fflush() }
		END { tell() }'
}

# show STATUS COMMAND...: shows a command and runs it. How it ends is part of the story: another end is the end of the demo.
show() {
	local wanted=$1 status=0 word
	shift
	printf '$'
	for word; do
		[[ $word =~ ^[[:alnum:]_./=:-]+$ ]] || word=${word@Q}
		printf ' %s' "$word"
	done
	printf '\n'
	if [[ $* == *migrate-* ]]; then
		"$@" </dev/null 2>&1 | shorten || status=$?
	else
		"$@" </dev/null 2>&1 || status=$?
	fi
	((status == 0)) || printf '(exit status %d)\n' "$status"
	((status == wanted)) || fail "expected exit status $wanted from '$*', got $status"
}

start_forgetful_bot() {
	local line
	mkfifo "$scene/said"
	exec 7<>"$scene/said" # kept open, so that the bot can say goodbye
	# With job control the bot keeps its Ctrl+C, as one that is started by hand.
	set -m
	/usr/bin/python3 bot.py --mode=forgotten-transaction >"$scene/said" &
	set +m
	disown
	IFS= read -r line <&7 || true
	[[ $line == ready* ]] || fail 'the bot did not start'
}

has_docker() {
	((EUID == 0)) && [[ ${DOCKER_HOST-unix:} == unix:* ]] && docker version >/dev/null 2>&1 || return
	if command -v docker-compose >/dev/null; then
		compose=(docker-compose)
	elif docker compose version >/dev/null 2>&1; then
		compose=(docker compose)
	else
		return 1
	fi
}

# The settings of the shop are its own, but for how its bot is started here.
write_settings() {
	if has_docker; then
		compose+=(-p "$name" -f "$shop/docker/docker-compose.prod.yml")
		sed -i "s/image: repair-bot/image: $name/" docker/*.yml
		docker/make-image.sh "$name" >/dev/null || fail 'the image could not be made'
		sed "s/^COMPOSE_PROJECT_PROD=.*/COMPOSE_PROJECT_PROD=$name/; \$a STEADY_SECONDS=1" "$root/tests/sample_bot/dblocktools.conf" >dblocktools.conf
	else
		printf '%s\n' DATABASE=data/bot.db 'START=/usr/bin/python3 bot.py' STEADY_SECONDS=1 >dblocktools.conf
	fi
}

shop_is_at() {
	local now
	now=$(sqlite3 data/bot.db 'SELECT version_num FROM alembic_version')
	[[ $now == "$1" ]] || fail "the database is at '$now', not at $1"
}

bot_runs() {
	[[ $(dblockcheck --pids data/bot.db) ]] || fail 'the bot does not run'
}

bot_is_stopped() {
	[[ ! $(dblockcheck --pids data/bot.db) ]] || fail 'the bot is still there'
}

"$root/scripts/install-deps.sh" build run demo
make --no-print-directory -s -C "$root" BUILD="$build" DESTDIR= PREFIX="$scene/usr" -j"$(nproc)" install >/dev/null
export PATH=$scene/usr/bin:$PATH DBLOCKTOOLS=$scene/usr/lib/dblocktools
unset BUILD MAKEFLAGS MAKELEVEL MFLAGS
umask 022
mkdir "$shop" && cd "$shop"
cp -r "$root"/tests/sample_bot/{Makefile,bot.py,alembic.ini,migrations,docker} .
mkdir data
write_settings

say 'A bot begins to write, waits for an answer that never comes, and never commits.'
start_forgetful_bot

say 'Somebody else wants to write:'
show 5 sqlite3 data/bot.db "UPDATE orders SET status = 'collected'"

say 'Who is it, and why?'
show 1 dblockcheck data/bot.db

say 'Stop exactly that one, cleanly:'
show 0 botkill data/bot.db
bot_is_stopped
exec 7>&-
show 0 sqlite3 data/bot.db "UPDATE orders SET status = 'collected' WHERE id = 1"
# The shop as the bot makes it is the first revision.
alembic stamp a1c05f3e9d20 >/dev/null 2>&1

say 'In the project, "make" knows all that. The bot, as its clients know it:'
show 0 make prod
bot_runs

say 'A backup, while it works:'
show 0 make backup-prod
dbbackup -q --check data/backups || fail 'the backup is not good'

say 'A new migration fails half-way on real orders. It is tried on a copy first, so the bot works on:'
cp migrations/failing/*.py migrations/versions/
show 2 make migrate-prod
shop_is_at a1c05f3e9d20
bot_runs

say 'Without that one:'
rm migrations/versions/f6b51e8d2c75_*.py
show 0 make migrate-prod
shop_is_at e5a40d7c3b64
bot_is_stopped
show 0 make prod
bot_runs

say 'Somebody slips, and it is put back:'
show 0 make backup-prod
show 0 sqlite3 -cmd '.timeout 5000' data/bot.db 'DELETE FROM order_events'
newest=$(printf '%s\n' data/backups/*.db | tail -n 1)
show 0 make restore-prod YES=1 BACKUP="$newest"
(($(sqlite3 data/bot.db 'SELECT count(*) FROM order_events') > 0)) || fail 'the events are not back'
show 0 make prod
bot_runs

say 'And so it stands:'
show 0 make status-prod
