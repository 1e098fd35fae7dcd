#!/usr/bin/env bash
# check.sh - every check of this project, each by its name. See --help.
#
# A check is a function check_NAME. It runs in the top folder with what it prints going to a log that is shown if it
# fails; $out is a folder of its own. It passes or fails by its status, or calls skip. A check that runs test cases
# leaves a line for each in $out/results (see check-tap.awk), and these are counted in its place.
set -uo pipefail

checks=(
	"layers    includes point down; each library and each dangerous call has one home"
	"sizes     no file and no function is too long to read"
	"format    clang-format has nothing to change"
	"lint      shellcheck, codespell, and Python that compiles"
	"gcc       everything compiles with gcc, more warnings than usual, none given"
	"clang     the same with clang"
	"analyzer  gcc -fanalyzer finds nothing"
	"cppcheck  cppcheck finds nothing"
	"tests     the unit tests (cmocka) and the command line tests (bats)"
	"asan      the same tests, all programs built with address and undefined behaviour sanitizers"
	"valgrind  the unit tests use memory correctly and give all of it back"
	"fuzz      each fuzz target replays its corpus and then looks for more for a few seconds"
	"man       man pages are correct and explain the options that --help lists"
	"help      --help, --version and wrong command lines do what all tools promise"
	"install   install and uninstall are exact opposites; a build leaves nothing that git sees"
)

usage() {
	cat <<'END'
Usage: scripts/check.sh [OPTION]... [NAME]...
Run the checks of these names, or all of them. The last line counts the test cases; a check without test cases
counts as one.

      --list   list the checks
      --long   the long form of the suites whose counts are judged (sets DBLOCKTOOLS_LONG=1)
  -h, --help   show this text

Environment:
  BUILD                      the folder for all build trees (build)
  JOBS                       how much runs at once (the number of processors)
  DBLOCKTOOLS_FUZZ_SECONDS   how long each fuzz target runs (3; 60 with --long)

What a test finds in its environment:
  DBLOCKTOOLS_BIN            the folder of the tools to test
  DBLOCKTOOLS_HELPERS        the folder of the programs of tests/helpers and tests/bench
  DBLOCKTOOLS_LONG           1 for the long form, else unset
  DBLOCKTOOLS_SANITIZED      1 if the tools are built with sanitizers (slower, larger), else unset

A .bats file runs beside others, unless it says "# bats file_tags=alone"; one with "slow" is started before the others.
END
}

say() { printf '%s\n' "$*"; }

die() {
	printf 'check.sh: %s\n' "$*" >&2
	exit 2
}

# --- what checks are made of ---------------------------------------------------------------------------------------

skip() {
	say "$*" >"$out/skipped"
	exit 77
}

# need_files WHAT FILE... skips the check when a pattern matched nothing.
need_files() {
	local what=$1
	shift
	(($# > 0)) || skip "there are no $what yet"
}

# find_files NAME-PATTERN... prints matching files of the project's own folders, one a line.
find_files() {
	local expression=() pattern
	for pattern; do expression+=(-o -name "$pattern"); done
	find .ci common tools tests scripts -type f \( "${expression[@]:1}" \) -not -path '*/corpus/*' 2>/dev/null | sort
}

# make_tree TREE ARG... builds in that folder.
make_tree() {
	local tree=$1
	shift
	make -s -j"$JOBS" BUILD="$tree" "$@"
}

strict="-Werror -Wconversion -Wno-sign-conversion -Wcast-qual -Wpointer-arith -Wwrite-strings \
	-Wnull-dereference -Wold-style-definition -Wmissing-declarations"
gcc_flags="-O2 -g $strict -Wredundant-decls -Wlogical-op -Wduplicated-cond -Wduplicated-branches"

# make_tested GOAL... builds what is run, in $tested: warnings change no code, so what the check gcc has built is it, if that
# passed. A build with the Makefile's own flags is part of the check install.
make_tested() {
	tested=$BUILD
	if grep -qs '^pass' "$work/gcc/results"; then
		tested=$BUILD/gcc
		make_tree "$tested" CC=gcc CFLAGS="$gcc_flags" "$@"
	else
		make_tree "$tested" "$@"
	fi
}

# for_each FUNCTION ITEM... calls the function once for each item, $JOBS at a time; fails if one call did.
for_each() {
	local function=$1 item
	shift
	rm -f "$out/for_each.failed"
	for item; do
		while (($(jobs -rp | wc -l) >= JOBS)); do wait -n || true; done
		("$function" "$item" || : >"$out/for_each.failed") &
	done
	wait
	[[ ! -e $out/for_each.failed ]]
}

# --- test cases ----------------------------------------------------------------------------------------------------

# run_test FILE runs a unit test program or a .bats file, and judges its TAP.
run_test() {
	local file=$1 name=${1##*/} status=0 start=$SECONDS runner=()
	[[ $file == *.bats ]] && runner=(bats --tap)
	# A shell's background jobs ignore SIGINT, and what they start would too: a test begins with the default.
	CMOCKA_MESSAGE_OUTPUT=TAP env --default-signal timeout -k 10 "$TEST_SECONDS" "${runner[@]}" "$file" \
		>"$out/$name.tap" 2>"$out/$name.err" </dev/null || status=$?
	printf '%d %s\n' "$((SECONDS - start))" "$name" >>"$out/times"
	awk -v program="$name" -v status="$status" -f scripts/check-tap.awk "$out/$name.tap" >"$out/$name.cases"
	! grep -q '^fail' "$out/$name.cases"
}

show_failed_test() {
	say "--- $1"
	awk '/^not ok/ && !/^not ok [0-9]+ # SKIP/ { show = 1 } /^ok/ { show = 0 } show' "$out/$1.tap" | head -n 60
	tail -n 20 "$out/$1.err"
	grep '^fail' "$out/$1.cases" | tail -n 1
}

# has_tag TAG FILE is for .bats files.
has_tag() {
	[[ $2 == *.bats ]] && grep -q "^# bats file_tags=.*\\<$1\\>" "$2"
}

# run_tests FILE... leaves the cases of all in $out/results. Fails if one failed, or if none was executed.
# Many wait for engines, timers and limits: twice as many run at once as there are processors. The longest come first, so
# that none is left over at the end.
run_tests() {
	local file name slow=() together=() alone=()
	for file; do
		if has_tag alone "$file"; then
			alone+=("$file")
		elif has_tag slow "$file"; then
			slow+=("$file")
		else
			together+=("$file")
		fi
	done
	JOBS=$((2 * JOBS)) for_each run_test "${slow[@]}" "${together[@]}" || true
	for file in "${alone[@]}"; do run_test "$file" || true; done
	for file; do
		name=${file##*/}
		[[ -s $out/$name.cases ]] || printf 'fail\t%s: left no results\n' "$name" >"$out/$name.cases"
		cat "$out/$name.cases" >>"$out/results"
		if grep -q '^fail' "$out/$name.cases"; then show_failed_test "$name"; fi
	done
	grep -qsE '^(pass|fail)' "$out/results" || printf 'fail\tno test was executed\n' >>"$out/results"
	! grep -q '^fail' "$out/results"
}

# test_tree TREE [PATTERN]... runs all tests against the programs of a tree, but for the .bats files whose names match a
# pattern; each of them counts as skipped.
test_tree() {
	local tree=$1 files=(tests/unit/test_*.c) file pattern
	shift
	files=("${files[@]/#/$tree/}")
	files=("${files[@]%.c}")
	for file in tests/cli/*.bats; do
		for pattern; do
			# shellcheck disable=SC2053 # it is a pattern
			[[ ${file##*/} == $pattern ]] || continue
			printf 'skip\t%s: only with --long, to keep the usual run short\n' "${file##*/}" >>"$out/results"
			continue 2
		done
		files+=("$file")
	done
	DBLOCKTOOLS_BIN=$(realpath "$tree")
	export DBLOCKTOOLS_BIN DBLOCKTOOLS_HELPERS=$DBLOCKTOOLS_BIN/tests/helpers
	run_tests "${files[@]}"
}

check_tests() {
	make_tested all build-tests
	test_tree "$tested"
}

# A sanitizer's report must not be taken for one of the statuses that a test expects, and must not be lost when a test
# does not look at stderr: it has a status of its own, and goes to a folder that any user may write to.
check_asan() {
	make_tree "$BUILD/asan" CC=gcc HARDENING= HARDENING_LINK= LDFLAGS='-fsanitize=address,undefined' \
		CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all' \
		all build-tests
	mkdir -m 1777 "$out/reports"
	chmod 1777 "$out/reports"
	local options=exitcode=99:log_path=$out/reports/report
	export ASAN_OPTIONS=$options:detect_stack_use_after_return=1:strict_string_checks=1
	export UBSAN_OPTIONS=$options:print_stacktrace=1 DBLOCKTOOLS_SANITIZED=1
	local status=0 report long_ones=()
	# What these do with engines, file systems and many rounds the other files do too, a few times; in the second row
	# are those without a line of C of their own, as gcov has it.
	[[ ${DBLOCKTOOLS_LONG-} ]] || long_ones=('engines_*' 'offsite*' '*_filesystems.bats' stress.bats fault.bats
		dblockcheck_never_false_free.bats 'botkill_n*.bats'
		dblockcheck_harmless.bats dblockcheck_rollback.bats dbbackup_concurrency.bats sample_bot.bats
		# More states of the same paths through the code than their _options, _hostile and _traps have.
		botkill_subjects.bats dbbackup_{contents,harmless,names,retention}.bats
		dbrestore_{broken_targets,in_place}.bats
		# The scripts run these tools as the other files do.
		'safe_migrate_*' bot_targets.bats oracle.bats
		# They wait for what happens at a time; their modules have unit tests.
		dblockcheck_watch.bats dblockcheck_trace.bats
		# Most of their time is Python's; what they reach in C the unit tests do, and dbmigrate_sql.bats.
		'dbmigrate_[!s]*')
	test_tree "$BUILD/asan" "${long_ones[@]}" || status=1
	for report in "$out"/reports/*; do
		# LeakSanitizer met a thread that was just ending. What it finds is said in other lines.
		grep -qv '==Unable to get registers from thread [0-9]*[.]$' "$report" || continue
		printf 'fail\tsanitizer report\n' >>"$out/results"
		head -n 30 "$report"
		status=1
	done
	return "$status"
}

valgrind_unit() {
	DBLOCKTOOLS_SANITIZED=1 CMOCKA_MESSAGE_OUTPUT=STDOUT valgrind -q --leak-check=full --show-leak-kinds=definite,indirect \
		--error-exitcode=99 "$tested/${1%.c}" >"$out/${1##*/}.log" 2>&1 </dev/null && return
	say "--- $1"
	grep -vE '^\[ (RUN|      OK)' "$out/${1##*/}.log"
	return 1
}

check_valgrind() {
	local units=(tests/unit/test_*.c)
	need_files "unit tests (tests/unit/test_*.c)" "${units[@]}"
	make_tested build-tests
	for_each valgrind_unit "${units[@]}"
}

# --- building and analysing ----------------------------------------------------------------------------------------

check_gcc() {
	need_files "tools/*.c" tools/*.c
	make_tree "$BUILD/gcc" CC=gcc all build-tests \
		CFLAGS="$gcc_flags"
}

# clang warns of the same without making any code, which takes most of its time.
check_clang() {
	need_files "tools/*.c" tools/*.c
	make_tree "$BUILD/clang" CC=clang warnings \
		CFLAGS="-O0 $strict -Wcomma -Wconditional-uninitialized -Wloop-analysis -Wunreachable-code \
			-Wmissing-variable-declarations -Wimplicit-fallthrough"
}

check_analyzer() {
	need_files "tools/*.c" tools/*.c
	make_tree "$BUILD/analyzer" CC=gcc all CFLAGS='-O1 -Werror -fanalyzer'
}

# readdir(3) is safe where each thread has a stream of its own. cppcheck 2.10 does not know __attribute__((cleanup)) and takes each auto_close for a leak; -fanalyzer and the
# sanitizers look for leaks instead.
check_cppcheck() {
	need_files "tools/*.c" tools/*.c
	cppcheck --quiet --error-exitcode=1 -j "$JOBS" --std=c11 --library=gnu --library=posix --inline-suppr \
		--suppress=resourceLeak --suppress=readdirCalled --enable=warning,performance,portability -I. -D_GNU_SOURCE '-DDBLOCKTOOLS_VERSION="0"' \
		common tools
}

check_fuzz() {
	local targets=(tests/fuzz/fuzz_*.c)
	need_files "fuzz targets (tests/fuzz/fuzz_*.c)" "${targets[@]}"
	make_tree "$BUILD" fuzz
	for_each fuzz_target "${targets[@]}"
}

# What a target finds stays out of the corpus, unless it crashes: then it is kept there, and fails until it is mended.
fuzz_target() {
	local name=${1##*/fuzz_}
	name=${name%.c}
	local corpus=tests/fuzz/corpus/$name log=$out/$name.log
	mkdir "$out/$name"
	if [[ -z $(ls -A "$corpus" 2>/dev/null) ]]; then
		say "$corpus: there is no corpus"
		return 1
	fi
	"$BUILD/fuzz/tests/fuzz/fuzz_$name" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=1024 \
		-print_final_stats=1 -artifact_prefix="$corpus/" "$out/$name" "$corpus" >"$log" 2>&1 &&
		grep -q 'number_of_executed_units: *[1-9]' "$log" && return
	say "--- fuzz_$name"
	tail -n 40 "$log"
	return 1
}

# --- reading -------------------------------------------------------------------------------------------------------

check_layers() { scripts/check-source.py layers; }

check_sizes() { scripts/check-source.py sizes; }

check_format() {
	local files
	mapfile -t files < <(find_files '*.c' '*.h')
	need_files "C files" "${files[@]}"
	clang-format --dry-run -Werror "${files[@]}" && return
	local file
	for file in "${files[@]}"; do
		clang-format "$file" | diff -u --label "$file" --label "$file, formatted" "$file" - || true
	done
	fail "to mend it: clang-format -i FILE"
}

# In bats, run sets $stderr, and every test is a subshell.
shellcheck_file() {
	local options=(-x)
	[[ $1 != *.bats ]] || options+=(--exclude='SC2154,SC2030,SC2031')
	shellcheck "${options[@]}" "$1"
}

check_lint() {
	local shell bats python failed=0
	mapfile -t shell < <(find_files '*.sh' '*.bash')
	shell+=(.ci/run)
	mapfile -t bats < <(find_files '*.bats')
	mapfile -t python < <(find_files '*.py')
	for_each shellcheck_file "${shell[@]}" "${bats[@]}" || failed=1
	codespell --ignore-words-list=nd --skip=./.git,./build,./tests/fuzz/corpus,./tests/fixtures . || failed=1
	PYTHONPYCACHEPREFIX=$out/pycache python3 -m py_compile "${python[@]}" || failed=1
	return "$failed"
}

# --- what tools promise --------------------------------------------------------------------------------------------

check_man() {
	need_files "tools/*.c" tools/*.c
	make_tested all
	scripts/check-man.sh "$tested"
}

check_help() {
	need_files "tools/*.c" tools/*.c
	make_tested all
	scripts/check-help.sh "$tested"
}

# In a copy of what git would take, so that it is a build from nothing, as after a clone.
check_install() {
	need_files "tools/*.c" tools/*.c
	local tree=$out/tree root=$out/root tool left
	mkdir "$tree"
	tar -cf - --exclude=./.git --exclude=./build . | tar -C "$tree" --no-same-owner -xf -
	git -C "$tree" init -q
	git -C "$tree" add -A
	git -C "$tree" clean -qfdX
	make -C "$tree" -s -j"$JOBS" BUILD=build
	make -C "$tree" -s BUILD=build DESTDIR="$root" PREFIX=/usr install
	diff <(expected_files | sort) <(cd "$root" && find . ! -type d | sort) || fail "install: not these files"
	for tool in tools/*.c; do "$root/usr/bin/$(basename "$tool" .c)" --version; done
	"$root/usr/bin/safe_migrate.sh" --version
	make -C "$tree" -s BUILD=build DESTDIR="$root" PREFIX=/usr uninstall
	left=$(find "$root" ! -type d -o -path '*dblocktools*')
	[[ -z $left ]] || fail "uninstall left: $left"
	left=$(git -C "$tree" ls-files --others --modified --exclude-standard)
	[[ -z $left ]] || fail "the build left, or changed, what git sees: $left"
}

expected_files() {
	local file
	for file in tools/*.c; do say "./usr/bin/$(basename "$file" .c)"; done
	for file in tools/*.1 scripts/*.1; do say "./usr/share/man/man1/${file##*/}"; done
	for file in scripts/{safe_migrate.sh,bot.sh,bot.mk,dblocktools.conf.example} scripts/lib/*.bash; do say "./usr/lib/dblocktools/${file#*/}"; done
	say ./usr/bin/safe_migrate.sh
}

fail() {
	say "$*"
	exit 1
}

# --- running and counting ------------------------------------------------------------------------------------------

# run_check NAME runs one check, says how it went, and adds its cases to passed, failed and skipped.
run_check() {
	local name=$1 start=$SECONDS status=0
	out=$work/$name
	mkdir "$out"
	printf '%-9s ' "$name"
	(
		set -e
		"check_$name"
	) >"$out/log" 2>&1 </dev/null
	status=$?
	if [[ -e $out/skipped ]]; then
		printf 'skip\t%s\n' "$(<"$out/skipped")" >"$out/results"
	elif [[ ! -s $out/results ]]; then
		((status == 0)) && printf 'pass\t\n' >"$out/results"
	fi
	if ((status != 0 && status != 77)) && ! grep -qs '^fail' "$out/results"; then
		printf 'fail\t%s\n' "$name" >>"$out/results"
	fi
	count_results "$((SECONDS - start))"
}

count_results() {
	local pass fail skip outcome=ok
	pass=$(grep -c '^pass' "$out/results")
	fail=$(grep -c '^fail' "$out/results")
	skip=$(grep -c '^skip' "$out/results")
	((pass > 0)) || outcome=skipped
	((fail == 0)) || outcome=FAILED
	printf '%-8s %4d s' "$outcome" "$1"
	((pass + fail + skip < 2)) || printf '   %d passed, %d failed, %d skipped' "$pass" "$fail" "$skip"
	printf '\n'
	[[ ! -s $out/times ]] || printf '          longest: %s\n' "$(sort -rn "$out/times" | head -n 6 | awk '{ printf "%s%s %d s", comma, $2, $1; comma = ", " }')"
	((fail == 0)) || show_log
	sed -n "s/^skip\t/${out##*/}: /p" "$out/results" >>"$work/skips"
	((passed += pass, failed += fail, skipped += skip))
}

# The beginning of a long log tells the cause, its end the effect.
show_log() {
	if (($(wc -l <"$out/log") <= 150)); then
		sed 's/^/    /' "$out/log"
	else
		head -n 100 "$out/log" | sed 's/^/    /'
		say "    [...]"
		tail -n 40 "$out/log" | sed 's/^/    /'
	fi
}

names_of_checks() { printf '%s\n' "${checks[@]%% *}"; }

parse_arguments() {
	names=() long=
	while (($# > 0)); do
		case $1 in
		-h | --help) usage && exit 0 ;;
		--list) printf '%s\n' "${checks[@]}" && exit 0 ;;
		--long) long=1 ;;
		-*) die "unknown option '$1' (see --help)" ;;
		*)
			names_of_checks | grep -qxF "$1" || die "there is no check '$1' (see --list)"
			names+=("$1")
			;;
		esac
		shift
	done
	((${#names[@]} > 0)) || mapfile -t names < <(names_of_checks)
}

# The same for everybody: no flags, locale or terminal of the caller changes what a check finds.
settle_environment() {
	cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
	shopt -s nullglob
	umask 022
	ulimit -c 0
	unset CC CFLAGS CPPFLAGS LDFLAGS LDLIBS MAKEFLAGS MFLAGS MAKELEVEL PREFIX DESTDIR NO_COLOR CDPATH
	unset DBLOCKTOOLS_SANITIZED DBLOCKTOOLS_LONG
	export LC_ALL=C.UTF-8 TZ=UTC TERM=${TERM:-dumb} HOME=${HOME:-/root} PATH=$PATH:/usr/sbin:/sbin
	BUILD=${BUILD:-build} JOBS=${JOBS:-$(nproc)}
	FUZZ_SECONDS=${DBLOCKTOOLS_FUZZ_SECONDS:-${long:+60}} TEST_SECONDS=900
	FUZZ_SECONDS=${FUZZ_SECONDS:-3}
	export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-300}
	if [[ $long ]]; then
		export DBLOCKTOOLS_LONG=1 BATS_TEST_TIMEOUT=7200
		TEST_SECONDS=21600
	fi
}

# In a chroot whose root is no mount point nobody can make a mount namespace, which tests do: go on in a view of the
# same tree that is mounted.
enter_mounted_root() {
	local inside status=0
	[[ ! ${DBLOCKTOOLS_MOUNTED_ROOT-} ]] && ((EUID == 0)) && ! mountpoint -q / || return 0
	inside=$(mktemp -d)
	if mount --rbind / "$inside" && mount --make-rslave "$inside"; then
		chroot "$inside" env DBLOCKTOOLS_MOUNTED_ROOT=1 "$PWD/scripts/check.sh" "$@" || status=$?
		umount -R -l "$inside"
		rmdir "$inside"
		exit "$status"
	fi
	rmdir "$inside"
}

main() {
	parse_arguments "$@"
	enter_mounted_root "$@"
	settle_environment
	scripts/install-deps.sh --quiet || say "going on without; checks that need what is missing will fail"
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	chmod 755 "$work"
	: >"$work/skips"
	passed=0 failed=0 skipped=0
	local name
	for name in "${names[@]}"; do run_check "$name"; done
	if ((skipped > 0)); then
		say "skipped:"
		sed 's/^/  /' "$work/skips"
		say "$passed passed, $failed failed, $skipped skipped"
	else
		say "$passed passed, $failed failed"
	fi
	((failed == 0 && passed > 0))
}

main "$@"
