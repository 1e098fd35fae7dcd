#!/usr/bin/env bash
# survey.sh - how long dblockcheck takes on a crowded machine, beside lsof, fuser, lslocks and the
# least that a walk over all descriptors costs, and whether that keeps to the promised limits.
set -euo pipefail
export LC_ALL=C

usage() {
	cat <<'END'
Usage: tests/bench/survey.sh [OPTION]...
Start processes with open descriptors, run dblockcheck and its peers in turns among them, print the
medians and judge the limits. Needs root, about 0.5 MB of memory a process, and a quiet machine.

      --runs=N      how often each command runs for each number of processes (7)
      --sizes=LIST  the numbers of processes (500,1000,2000,4000: the limits are for 2000 and 4000)
      --descriptors=N  how many descriptors each of them has open (50)
  -h, --help        show this text

The exit status is 0 if every limit was met, 1 if one was missed or not measured, 3 if the programs
could not be run. Environment:
  DBLOCKTOOLS_BIN    the folder of dblockcheck (build)
  DBLOCKTOOLS_BENCH  the folder of crowd, minimal_walk and runner (tests/helpers below that)
END
}

die() {
	printf 'survey.sh: %s\n' "$*" >&2
	exit 3
}

parse_arguments() {
	runs=7 sizes=500,1000,2000,4000 descriptors=50
	while (($# > 0)); do
		case $1 in
		--runs=*) runs=${1#*=} ;;
		--sizes=*) sizes=${1#*=} ;;
		--descriptors=*) descriptors=${1#*=} ;;
		-h | --help) usage && exit 0 ;;
		*) printf "survey.sh: unknown argument '%s' (see --help)\n" "$1" >&2 && exit 2 ;;
		esac
		shift
	done
	local number='[1-9][0-9]*'
	if [[ ! "$runs $descriptors $sizes" =~ ^$number\ $number\ $number(,$number)*$ ]]; then
		echo "survey.sh: not numbers: $runs, $descriptors or $sizes" >&2
		exit 2
	fi
	IFS=, read -r -a sizes <<<"$sizes"
}

find_programs() {
	local root program
	root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
	local bin=${DBLOCKTOOLS_BIN:-$root/build}
	bench=${DBLOCKTOOLS_BENCH:-$bin/tests/helpers}
	check=$bin/dblockcheck
	for program in "$check" "$bench"/{crowd,minimal_walk,runner}; do
		[[ -x $program ]] || die "$program: not there (make all build-tests)"
	done
	for program in lsof fuser lslocks sqlite3; do
		type -P "$program" >/dev/null || die "$program: not there (scripts/install-deps.sh test)"
	done
	((EUID == 0)) || die "needs root, to look into every process"
}

# --- what is measured ----------------------------------------------------------------------------

# The rows: a name without spaces, then the command.
list_commands() {
	cat <<END
lsof                 lsof $held
fuser                fuser $held
lslocks              lslocks
minimal_walk         $bench/minimal_walk $held
free                 $check $free
free-sample0         $check --sample=0 $free
free-noscan          $check --no-scan $free
held                 $check $held
held-sample0         $check --sample=0 $held
held-noscan          $check --no-scan $held
held-noscan-sample0  $check --no-scan --sample=0 $held
END
}

make_databases() {
	free=$work/free.db held=$work/held.db
	local file
	for file in "$free" "$held"; do
		sqlite3 "$file" 'PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1);' >/dev/null
	done
}

# start NAME COMMAND... starts a program that says "ready" and stays until end_all.
start() {
	local name=$1 said='' input output
	shift
	mkfifo "$work/$name.in" "$work/$name.out"
	"$@" <"$work/$name.in" >"$work/$name.out" &
	pids[$name]=$!
	exec {input}>"$work/$name.in" {output}<"$work/$name.out"
	inputs[$name]=$input
	if [[ $name == holder ]]; then echo "BEGIN IMMEDIATE; SELECT 'ready';" >&"$input"; fi
	read -r said <&"$output" || true
	exec {output}<&-
	rm "$work/$name.in" "$work/$name.out"
	[[ $said == ready ]] || die "${1##*/} did not start"
}

# end NAME ends a program that start started.
end() {
	local input=${inputs[$1]}
	exec {input}>&-
	kill "${pids[$1]}" 2>/dev/null || true
	wait "${pids[$1]}" 2>/dev/null || true
	unset "pids[$1]" "inputs[$1]"
}

clean_up() {
	local name
	for name in "${!pids[@]}"; do end "$name"; done
	rm -rf "$work"
}

# Runs every command once; one line each goes to the file of results.
run_all() {
	local size=$1 name command measured
	while read -r name command; do
		# shellcheck disable=SC2086 # the commands are lists of words
		measured=$("$bench/runner" $command)
		echo "$size $name $measured"
	done <"$work/commands"
}

measure() {
	local size=$1 run available
	available=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
	((available > size / 2 + 200)) || die "$size processes: too little memory ($available MiB)"
	start crowd "$bench/crowd" "$size" "$descriptors" "$work"
	"$bench/minimal_walk" "$held" | sed "s/[a-z,]//g; s/^/$size /" >>"$work/counts"
	run_all "$size" >/dev/null # the first walk makes the kernel's cache entries
	for ((run = 1; run <= runs; run++)); do
		run_all "$size" >>"$work/results"
		if [[ -t 2 ]]; then printf '\r%d processes: run %d of %d ' "$size" "$run" "$runs" >&2; fi
	done
	if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
	# Exit 0 and certified; pipefail sees to the first of them.
	if "$check" --no-scan --json "$free" | grep '"certified": *true' >/dev/null; then
		echo "$size" >>"$work/certified"
	fi
	end crowd
}

# --- what is said about it -----------------------------------------------------------------------

# Reads counts ("SIZE PROCESSES DESCRIPTORS MATCHES"), certified ("SIZE") and results ("SIZE NAME MS
# KIB STATUS"); prints a table for each size, then a line for each limit. Exits 1 if one was missed.
report() {
	awk -v sizes="${sizes[*]}" -v runs="$runs" -f "$(dirname "${BASH_SOURCE[0]}")/survey.awk" \
		"$work/counts" "$work/certified" "$work/results"
}

main() {
	parse_arguments "$@"
	find_programs
	declare -gA pids=() inputs=()
	work=$(mktemp -d)
	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	: >"$work/certified"
	make_databases
	list_commands >"$work/commands"
	start holder sqlite3 -batch "$held"
	local size
	for size in "${sizes[@]}"; do measure "$size"; done
	report
}

main "$@"
