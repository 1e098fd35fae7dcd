#!/usr/bin/env bash
# backup.sh - how long dbbackup takes beside cp and sqlite3's own .backup, what it does to a bot that goes on writing,
# how long it keeps its read lock, how much memory it takes, and whether that keeps to the promised limits.
set -euo pipefail
export LC_ALL=C

usage() {
	cat <<'END_OF_USAGE'
Usage: tests/bench/backup.sh [OPTION]...
Make a database, back it up with dbbackup and its peers in turns, print the medians and judge the limits. All that is
compared is on the disk when it ends. Wants a quiet machine, and four times the size of the database on the disk.

      --size=BYTES     the size of the database (1500M; the limits are for that)
      --rounds=N       how often each command runs (5)
      --commits=N      how many commits beside a copy of each kind there are to be for the 99th percentile (1000)
      --interval=MS    how often the writer commits (20)
      --folder=FOLDER  where the database is made, in a folder of its own that is removed afterwards (TMPDIR, or /tmp)
      --bin=FOLDER     where dbbackup is (DBLOCKTOOLS_BIN, or build)
      --parts=LIST     which parts: speed, writer, reflink, memory, huge (all but huge)
      --huge           the part huge, too: a database of 20 GB, most of it a hole
  -h, --help           show this text

The part reflink needs root, to mount XFS and btrfs from files. The exit status is 0 if every limit was met, 1 if one
was missed or not measured, 3 if the programs could not be run. Environment:
  DBLOCKTOOLS_BENCH  the folder of runner and beside_writer (tests/helpers below that of dbbackup)
END_OF_USAGE
}

die() {
	printf 'backup.sh: %s\n' "$*" >&2
	exit 3
}

wrong_usage() {
	printf 'backup.sh: %s (see --help)\n' "$*" >&2
	exit 2
}

parse_arguments() {
	size=1500M rounds=5 commits=1000 interval=20 folder=${TMPDIR:-/tmp} bin=${DBLOCKTOOLS_BIN:-}
	parts=speed,writer,reflink,memory
	while (($# > 0)); do
		case $1 in
		--size=*) size=${1#*=} ;;
		--rounds=*) rounds=${1#*=} ;;
		--commits=*) commits=${1#*=} ;;
		--interval=*) interval=${1#*=} ;;
		--folder=*) folder=${1#*=} ;;
		--bin=*) bin=${1#*=} ;;
		--parts=*) parts=${1#*=} ;;
		--huge) parts+=,huge ;;
		-h | --help) usage && exit 0 ;;
		*) wrong_usage "unknown argument '$1'" ;;
		esac
		shift
	done
	[[ "$rounds $commits $interval" =~ ^[1-9][0-9]*\ [1-9][0-9]*\ [1-9][0-9]*$ ]] ||
		wrong_usage "not numbers: $rounds, $commits or $interval"
	[[ ,$parts =~ ^(,(speed|writer|reflink|memory|huge))+$ ]] || wrong_usage "no such parts: $parts"
	size=$(numfmt --from=auto "$size" 2>/dev/null) || wrong_usage "not a size"
}

wants() { [[ ,$parts, == *,$1,* ]]; }

find_programs() {
	local program
	here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
	bin=$(realpath -- "${bin:-$here/../../build}")
	bench=${DBLOCKTOOLS_BENCH:-$bin/tests/helpers}
	dbbackup=$bin/dbbackup
	for program in "$dbbackup" "$bench"/{runner,beside_writer}; do
		[[ -x $program ]] || die "$program: not there (make all build-tests)"
	done
	for program in sqlite3 jq cmp /usr/bin/python3; do
		type -P "$program" >/dev/null || die "$program: not there (scripts/install-deps.sh test)"
	done
}

# --- running, and ending what runs ----------------------------------------------------------------------------------

# Runs a command and waits for it. It is a process group of its own: whatever ends this script ends all of that.
run() {
	set -m
	"$@" &
	job=$!
	set +m
	local status=0
	wait "$job" || status=$?
	job=
	return "$status"
}

end_job() {
	local deadline=$((SECONDS + 10)) signal=TERM
	[[ $job ]] || return 0
	while kill -"$signal" -- "-$job" 2>/dev/null; do
		read -rt 0.05 -u "$never" || true
		if ((SECONDS > deadline)); then signal=KILL; fi
	done
	wait "$job" 2>/dev/null || true
	job=
}

clean_up() {
	trap '' INT TERM HUP
	end_job
	local point
	for point in "${mounted[@]}"; do umount "$point" 2>/dev/null || umount --lazy "$point"; done
	rm -rf --one-file-system "$work"
}

progress() {
	if [[ -t 2 ]]; then printf '\r\033[K%s ' "$*" >&2; fi
}

# Each command has a fresh disk before it: nothing is left to be written by the one before.
fresh() {
	rm -f -- "$1"/copy*
	sync -f "$1"
}

# find_command NAME FOLDER: sets `command` to the one that copies $database to FOLDER/copy.
# shellcheck disable=SC2016 # the words in '' are for another shell
find_command() {
	local target=$2/copy
	case $1 in
	cp) command=(cp "$database" "$target") ;;
	cp-sync) command=(sh -c 'cp "$0" "$1" && sync "$1"' "$database" "$target") ;;
	sqlite3) command=(sqlite3 "$database" ".backup '$target'") ;;
	sqlite3-limited) command=(timeout --foreground 20 sqlite3 "$database" ".backup '$target'") ;;
	none | quick | full) command=("$dbbackup" -q --verify="$1" "$database" "$target") ;;
	compress) command=("$dbbackup" -q --verify=none --compress "$database" "$target") ;;
	api) command=("$dbbackup" -q --verify=none --api "$database" "$target") ;;
	stdout) command=("$dbbackup" -q --verify=none "$database" -) ;;
	esac
}

# measure idle|busy NAME: one line more in the results, "idle|busy NAME MS KIB STATUS [US...]".
measure() {
	local kind=$1 name=$2 runner=("$bench/runner") command
	[[ $kind == idle ]] || runner=("$bench/beside_writer" "$database" "$interval")
	find_command "$name" "$work"
	fresh "$work"
	run "${runner[@]}" "${command[@]}" >"$work/measured" || die "${runner[0]##*/}: failed"
	echo "$kind $name $(<"$work/measured")" >>"$work/results"
}

# --- the parts ------------------------------------------------------------------------------------------------------

make_database() {
	local need=$((size * 4)) available
	available=$(($(df --output=avail -B1 "$work" | tail -n 1)))
	((available > need)) || die "$folder: too small ($((need / 1000000)) MB are needed)"
	progress "making a database of $((size / 1000000)) MB"
	database=$work/bot.db
	run /usr/bin/python3 "$here/make_database.py" "$database" "$size"
	sync "$database"
}

# The order changes from round to round, so that nobody always comes after the same neighbour.
measure_rounds() {
	local round position steps=()
	if wants speed; then steps+=("idle cp-sync" "idle none" "idle sqlite3" "idle quick"); fi
	if wants writer; then steps+=("busy none" "busy cp-sync" "busy cp"); fi
	((${#steps[@]} > 0)) || return 0
	for ((round = 0; round < rounds; round++)); do
		for ((position = 0; position < ${#steps[@]}; position++)); do
			progress "round $((round + 1)) of $rounds"
			# shellcheck disable=SC2086 # two words
			measure ${steps[(position + round) % ${#steps[@]}]}
		done
	done
	if wants writer; then
		measure_more_commits
		progress 'sqlite3 .backup beside the writer'
		measure busy sqlite3-limited
	fi
}

commits_of() {
	awk -v name="$1" '$1 == "busy" && $2 == name { n += NF - 5 } END { print n + 0 }' "$work/results"
}

measure_more_commits() {
	local name few=true
	while "$few"; do
		few=false
		for name in none cp-sync cp; do
			if (($(commits_of "$name") < commits)); then
				progress "commits beside $name: $(commits_of "$name") of $commits"
				measure busy "$name"
				few=true
			fi
		done
	done
}

# measure_reflink TYPE MKFS-OPTION...: "lock TYPE SECONDS METHOD MS STATUS", for each round.
measure_reflink() {
	local type=$1 point=$work/$1 image=$work/$1.image original=$database round command ms status rest
	shift
	progress "$type"
	truncate -s $((size * 3 + 1000000000)) "$image"
	mkdir "$point"
	"mkfs.$type" "$@" "$image" >/dev/null 2>&1 || die "mkfs.$type: failed"
	mount -o loop "$image" "$point" || die "cannot mount $type"
	mounted+=("$point")
	run cp "$original" "$point/bot.db"
	database=$point/bot.db
	for ((round = 0; round < rounds; round++)); do
		find_command none "$point"
		fresh "$point"
		run "$bench/beside_writer" "$database" "$interval" "${command[@]}" >"$work/measured"
		read -r ms rest status rest <"$work/measured"
		echo "lock $type $(jq -r '"\(.read_lock_seconds) \(.method)"' "$point/copy.json") $ms $status" >>"$work/results"
	done
	database=$original
	umount "$point"
	mounted=()
	rm "$image"
}

# "memory NAME PRIVATE SHARE LARGEST STATUS"
measure_memory() {
	local name command
	for name; do
		progress "memory of $name"
		find_command "$name" "$work"
		fresh "$work"
		run /usr/bin/python3 "$here/memory.py" "${command[@]}" >"$work/measured"
		echo "memory $label$name $(<"$work/measured")" >>"$work/results"
	done
}

# Content that only the -wal has, and a connection that keeps it from being folded in, until end_holder.
start_holder() {
	local said=
	mkfifo "$work/in" "$work/out"
	sqlite3 -batch "$database" <"$work/in" >"$work/out" &
	holder=$!
	exec {holder_input}>"$work/in" {holder_output}<"$work/out"
	printf '%s;\n' 'PRAGMA wal_autocheckpoint = 0' 'UPDATE orders SET customer = -1 WHERE id % 7 = 0' "SELECT 'ready'" \
		>&"$holder_input"
	while [[ $said != ready ]]; do
		read -r said <&"$holder_output" || die "sqlite3 did not start"
	done
}

end_holder() {
	exec {holder_input}>&- {holder_output}<&-
	wait "$holder"
	rm "$work/in" "$work/out"
}

content_of() { sqlite3 -batch -readonly "$1" .dump | sha256sum; }

huge_is() { echo "huge $1 $2" >>"$work/results"; }

measure_huge() {
	local said=different
	label=huge- database=$work/huge.db
	progress 'a huge database'
	rm -f "$work/bot.db"
	run /usr/bin/python3 "$here/make_database.py" "$database" 20000000000 sparse
	start_holder
	measure_memory quick
	progress 'comparing'
	local wanted found
	wanted=$(content_of "$database")
	found=$(content_of "$work/copy")
	if [[ $found == "$wanted" ]]; then said=same; fi
	end_holder
	huge_is wal-content "$said"
	huge_is integrity "$(sqlite3 -batch "$work/copy" 'PRAGMA integrity_check')"

	sqlite3 -batch "$database" 'PRAGMA journal_mode = DELETE' >/dev/null
	measure_memory none
	progress 'comparing'
	said=different
	if run cmp -s "$database" "$work/copy"; then said=same; fi
	huge_is bytes "$said"
}

main() {
	parse_arguments "$@"
	find_programs
	mounted=() job='' label=''
	work=$(mktemp -d -- "$folder/dbbackup-bench.XXXXXX")
	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	mkfifo "$work/never"
	exec {never}<>"$work/never"
	: >"$work/results"
	if [[ $parts != huge ]]; then make_database; fi
	measure_rounds
	if wants reflink; then
		((EUID == 0)) || die "reflink needs root, to mount"
		measure_reflink xfs -m reflink=1
		measure_reflink btrfs
	fi
	if wants memory; then measure_memory none quick full compress api stdout; fi
	if wants huge; then measure_huge; fi
	progress ''
	awk -v size="$size" -v rounds="$rounds" -v parts="$parts" -v interval="$interval" \
		-v where="$(df --output=fstype "$work" | tail -n 1)" -f "$here/backup.awk" "$work/results"
}

main "$@"
