#!/usr/bin/env bash
# watch.sh - what dblockcheck --watch costs: of the CPU, and of the time of a bot that commits beside it.
set -euo pipefail
export LC_ALL=C

usage() {
	cat <<'END'
Usage: tests/bench/watch.sh [OPTION]...
Let a bot commit without pause, in rounds without and with dblockcheck --watch beside it, in turns, and compare the
times of its commits; then the CPU that a watch takes in all. Once with the kernel's events, once without. Needs
root and a quiet machine.

      --rounds=N    pairs of rounds (10)
      --seconds=N   how long each round takes (6)
      --pause=N     milliseconds between two transactions of the bot (1)
  -h, --help        show this text

The exit status is 0 if the watch took less than 2 % of one CPU and slowed the bot by less than 2 %, else 1; 3 if it
could not be measured.
Environment:
  DBLOCKTOOLS_BIN    the folder of dblockcheck (build)
  DBLOCKTOOLS_BENCH  the folder of beside_writer (tests/helpers below that)
END
}

die() {
	printf 'watch.sh: %s\n' "$*" >&2
	exit 3
}

parse_arguments() {
	rounds=10 seconds=6 pause=1
	while (($# > 0)); do
		case $1 in
		--rounds=*) rounds=${1#*=} ;;
		--seconds=*) seconds=${1#*=} ;;
		--pause=*) pause=${1#*=} ;;
		-h | --help) usage && exit 0 ;;
		*) printf "watch.sh: unknown argument '%s' (see --help)\n" "$1" >&2 && exit 2 ;;
		esac
		shift
	done
	[[ "$rounds $seconds $pause" =~ ^[1-9][0-9]*\ [1-9][0-9]*\ [0-9]+$ ]] || die "not numbers"
}

find_programs() {
	local root
	root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
	local bin=${DBLOCKTOOLS_BIN:-$root/build}
	check=$bin/dblockcheck
	writer=${DBLOCKTOOLS_BENCH:-$bin/tests/helpers}/beside_writer
	[[ -x $check && -x $writer ]] || die 'not built (make all build-tests)'
	((EUID == 0)) || die 'needs root'
}

make_database() {
	folder=$(mktemp -d)
	trap 'rm -r "$folder"' EXIT
	database=$folder/bot.db
	sqlite3 -batch "$database" >/dev/null <<-END
		PRAGMA journal_mode = $1;
		CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, problem TEXT);
		WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1000)
		INSERT INTO orders SELECT n, n, hex(randomblob(100)) FROM number;
	END
}

# The microseconds of each commit beside a command, appended to a file.
commits_beside() {
	local file=$1 line
	shift
	line=$("$writer" "$database" "$pause" "$@") || die "beside_writer failed"
	cut -d ' ' -f 4- <<<"$line" | tr ' ' '\n' >>"$file"
}

# Times the watch itself: "USER SYSTEM" seconds in the file $folder/cpu, appended.
watching() {
	commits_beside "$folder/with" bash -c 'exec 2>>"$1"; shift; TIMEFORMAT="%U %S"; time "$@"' \
		sh "$folder/cpu" "${as[@]}" "$check" --watch --for-seconds="$seconds" "$database"
}

# compare NAME: the rounds, and what comes of them.
compare() {
	local round
	rm -f "$folder"/{with,without,cpu}
	for ((round = 0; round < rounds; round++)); do
		commits_beside "$folder/without" timeout "$seconds" tail -f /dev/null
		watching
	done
	sort -n -o "$folder/with" "$folder/with"
	sort -n -o "$folder/without" "$folder/without"
	awk -v name="$1" -v watched="$((rounds * seconds))" '
		FILENAME ~ /cpu$/ && NF == 2 { cpu += $1 + $2; next }
		$1 !~ /^[0-9]+$/ { next }
		FILENAME ~ /without$/ { without[n++] = $1; next }
		{ with[m++] = $1 }
		function mean(values, count,    sum, i) {
			for (i = 0; i < count; i++) sum += values[i]
			return sum / count
		}
		END {
			a = without[int(n / 2)]; b = with[int(m / 2)]
			printf "%-28s commits %d / %d; median %.0f / %.0f us (%+.1f %%); mean %.0f / %.0f us (%+.1f %%); %.2f %% of a CPU\n",
				name, n, m, a, b, 100 * (b - a) / a, mean(without, n), mean(with, m),
				100 * (mean(with, m) - mean(without, n)) / mean(without, n), 100 * cpu / watched
			exit !(cpu / watched < 0.02 && (b - a) / a < 0.02)
		}' "$folder/without" "$folder/with" "$folder/cpu"
}

main() {
	local good=0 mode
	parse_arguments "$@"
	find_programs
	echo 'without / with the watch:'
	for mode in delete wal; do
		make_database "$mode"
		as=()
		compare "$mode, the kernel's events" || good=1
		# Without CAP_SYS_ADMIN tracefs cannot be mounted.
		as=(setpriv --bounding-set=-sys_admin)
		compare "$mode, /proc/locks" || good=1
		rm -r "$folder"
	done
	trap - EXIT
	return "$good"
}

main "$@"
