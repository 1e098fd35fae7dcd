#!/usr/bin/env bash
# migrate.sh - how long dbmigrate takes beside dbmate, Alembic and cp, where its time goes, and whether that keeps to the
# promised limits.
set -euo pipefail
export LC_ALL=C

usage() {
	cat <<'END_OF_USAGE'
Usage: tests/bench/migrate.sh [OPTION]...
Run dbmigrate and its peers in turns, print the medians and judge the limits. Wants a quiet machine, and five times the
size of the large database on the disk.

      --size=BYTES     about how large the large database is (1G; the limit is for that)
      --rounds=N       how often each command runs (5)
      --folder=FOLDER  where all is made, in a folder of its own that is removed afterwards (TMPDIR, or /tmp)
      --bin=FOLDER     where dbmigrate is (DBLOCKTOOLS_BIN, or build)
      --parts=LIST     which parts: status, nothing, hundred, large (all)
  -h, --help           show this text

The exit status is 0 if every limit was met, 1 if one was missed, 3 if the programs could not be run. Environment:
  DBMATE               the real dbmate, for the parts status and hundred
END_OF_USAGE
}

die() {
	printf 'migrate.sh: %s\n' "$*" >&2
	exit "${status:-3}"
}

parse_arguments() {
	size=1G rounds=5 folder=${TMPDIR:-/tmp} bin=${DBLOCKTOOLS_BIN:-} parts=status,nothing,hundred,large
	while (($# > 0)); do
		case $1 in
		--size=*) size=${1#*=} ;;
		--rounds=*) rounds=${1#*=} ;;
		--folder=*) folder=${1#*=} ;;
		--bin=*) bin=${1#*=} ;;
		--parts=*) parts=${1#*=} ;;
		-h | --help) usage && exit 0 ;;
		*) status=2 die "unknown argument '$1' (see --help)" ;;
		esac
		shift
	done
	[[ $rounds =~ ^[1-9][0-9]*$ ]] || status=2 die "not a number: $rounds"
	[[ ,$parts =~ ^(,(status|nothing|hundred|large))+$ ]] || status=2 die "no such parts: $parts"
	size=$(numfmt --from=iec "$size" 2>/dev/null) || status=2 die "not a size"
	here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
	bin=$(realpath -- "${bin:-$here/../../build}")
	dbmigrate=$bin/dbmigrate dbmate=${DBMATE:-dbmate}
	[[ -x $dbmigrate ]] || die "$dbmigrate: not there (make all)"
}

# --- measuring ------------------------------------------------------------------------------------------------------

# timed NAME COMMAND... adds the seconds that it takes to the times of NAME; its exit status may be 1.
timed() {
	local name=$1 began=$EPOCHREALTIME ended result=0
	shift
	"$@" >"$work/out" 2>"$work/err" || result=$?
	ended=$EPOCHREALTIME
	((result <= 1)) || die "$* ended with $result: $(tail -n 1 "$work/err")"
	printf '%d\n' $((${ended/./} - ${began/./})) >>"$work/times.$name"
}

# median NAME, in microseconds
median() { sort -n "$work/times.$1" | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

missed=0

# judge WHAT MEASURED LIMIT, in microseconds
judge() {
	local word=ok
	(($2 <= $3)) || word=MISSED missed=1
	awk -v what="$1" -v one="$2" -v two="$3" -v word="$word" \
		'BEGIN { printf "%-64s %9.1f ms  limit %9.1f ms  %s\n", what, one / 1000, two / 1000, word }'
}

# --- the parts ------------------------------------------------------------------------------------------------------

# make_migrations FOLDER COUNT
make_migrations() {
	local i
	mkdir -p "$1/db/migrations"
	for ((i = 0; i < $2; i++)); do
		printf -- '-- migrate:up\nCREATE TABLE t%d (id INTEGER PRIMARY KEY, words TEXT);\n\n-- migrate:down\nDROP TABLE t%d;\n' \
			"$i" "$i" >"$1/db/migrations/$((20200101000000 + i))_m$i.sql"
	done
}

# shellcheck disable=SC2317 # timed calls it
peer() { "$dbmate" --no-dump-schema --url "sqlite:$1" "${@:2}"; }

part_status() {
	make_migrations "$work/thousand" 1000
	cd "$work/thousand"
	: >bot.db
	"$dbmigrate" -q --no-backup up bot.db +500
	for ((i = 0; i < rounds; i++)); do
		timed peer-status peer bot.db status
		timed status "$dbmigrate" status bot.db
	done
	judge 'status, 1,000 migrations (2 x dbmate)' "$(median status)" $((2 * $(median peer-status)))
}

part_nothing() {
	make_migrations "$work/few" 100
	cd "$work/few"
	: >bot.db
	"$dbmigrate" -q --no-backup up bot.db
	for ((i = 0; i < rounds; i++)); do timed nothing "$dbmigrate" up bot.db; done
	judge 'up with nothing to do, sql (30 ms)' "$(median nothing)" 30000
}

part_hundred() {
	make_migrations "$work/hundred" 100
	cd "$work/hundred"
	for ((i = 0; i < rounds; i++)); do
		rm -rf bot.db other.db .dblocktools
		: >bot.db
		: >other.db
		timed peer-hundred peer other.db up
		timed hundred "$dbmigrate" --no-backup up bot.db
	done
	judge '100 small migrations (1.5 x dbmate)' "$(median hundred)" $((3 * $(median peer-hundred) / 2))
}

make_large() {
	mkdir -p "$work/large/data" "$work/large/migrations/versions"
	cp "$here/../sample_bot/alembic.ini" "$work/large/"
	cp "$here"/../sample_bot/migrations/{env.py,script.py.mako} "$work/large/migrations/"
	printf '%s\n' 'from alembic import op' 'import sqlalchemy as sa' "revision = 'aaaa1111'" 'down_revision = None' '' \
		'def upgrade():' "    op.add_column('orders', sa.Column('notes', sa.Text))" '' 'def downgrade():' '    pass' \
		>"$work/large/migrations/versions/aaaa1111_notes.py"
	sqlite3 "$work/large/data/bot.db" >/dev/null <<END
CREATE TABLE clients (id INTEGER PRIMARY KEY, name TEXT, number INT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, client INT REFERENCES clients (id), words TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $((size / 680)))
INSERT INTO clients SELECT i, hex(randomblob(150)), i FROM n;
INSERT INTO orders SELECT id, id, hex(randomblob(150)) FROM clients;
CREATE INDEX clients_by_number ON clients (number);
END
	cp "$work/large/data/bot.db" "$work/pristine.db"
	sync
}

put_back() {
	cp "$work/pristine.db" "$work/large/data/bot.db"
	sync
}

# shellcheck disable=SC2317
copy_durably() { cp "$work/pristine.db" "$work/copy.db" && sync -f "$work/copy.db"; }

part_large() {
	make_large
	cd "$work/large"
	for ((i = 0; i < rounds; i++)); do
		timed copy copy_durably
		rm "$work/copy.db"
		timed alembic /usr/bin/alembic upgrade head
		put_back
		timed large "$dbmigrate" --json --no-backup up data/bot.db
		jq -c '{seconds, locked_seconds}' "$work/out"
		put_back
	done
	judge "one column, $(numfmt --to=iec "$(stat -c %s data/bot.db)"), by Alembic (5 x (cp + sync) + Alembic)" \
		"$(median large)" $((5 * $(median copy) + $(median alembic)))
}

main() {
	parse_arguments "$@"
	work=$(mktemp -d -- "$folder/bench-migrate.XXXXXX")
	trap 'rm -rf -- "$work"' EXIT
	local part
	for part in ${parts//,/ }; do
		case $part in
		status) part_status ;;
		nothing) part_nothing ;;
		hundred) part_hundred ;;
		large) part_large ;;
		esac
	done
	exit "$missed"
}

main "$@"
