# shellcheck shell=bash
# What the tests of dblockcheck say about its answers. Needs clients.bash.
#
#	make_database [wal]		make $database
#	survey DATABASE [OPTION]...	run dblockcheck --json; the answer is in $answer
#	answer_is STATUS read=WHO write=WHO migrate=WHO
#					the verdict on $database, in JSON, as text, and as exit status
#	holder_is NAME ROLE FORM LOCK...	what one holder has
#	finding_is ID [NAME]...		a finding, and whom it names
#	no_finding ID...
#	sqlite_agrees			a new connection is refused just what the verdict says
#	answer_has FILTER		a jq expression that must be true; in it, $pid.NAME is the PID of a
#					client, and found("ID") says whether there is that finding
#
# The database in question is $database, unless DATABASE says another one. WHO is "yes", "unknown",
# "hidden" (no, because of somebody who cannot be named), or the clients in the way: reader+writer.
# FORM is SQLite's AAA/B.CCC.DDDDD: PENDING RESERVED SHARED / DMS . WRITE CKPT RECOVER . READ0-4.

dblockcheck=${DBLOCKTOOLS_BIN:-$repository/build}/dblockcheck

# jq 1.6 takes 30 ms to start, a quarter of what all tests took together; gojq, the same language, takes 5. It sorts an
# object's keys, so no test may go by their order.
if type -P gojq >/dev/null; then
	jq() { gojq "$@"; }
fi

# How dblockcheck is run: as=(unshare ...) puts it into a namespace, options=(...) are for all runs.
as=()
options=()

# For setup(): clients, and a folder of its own for the database, which is not made yet.
dblockcheck_setup() {
	if [[ ! -x $dblockcheck || ! -x $helpers/hold_lock ]]; then
		echo 'not built yet; run: make all build-tests' >&2
		return 1
	fi
	clients_setup
	folder=$BATS_TEST_TMPDIR/shop
	mkdir "$folder"
	database=$folder/bot.db
}

dblockcheck() {
	"${as[@]}" "$dblockcheck" "$@"
}

# A small database with a table "orders" of 100 rows.
make_database() {
	local journal_mode=${1:-delete}
	sqlite3 -batch "$database" >/dev/null <<-END
		PRAGMA synchronous = OFF;
		PRAGMA journal_mode = $journal_mode;
		CREATE TABLE orders (id INTEGER PRIMARY KEY, problem TEXT);
		WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 100)
		INSERT INTO orders SELECT n, hex(randomblob(100)) FROM number;
	END
}

survey() {
	run --separate-stderr dblockcheck --json "${@:2}" -- "$1"
	answer=$output
	text=''
	if ((status > 127)); then
		echo "dblockcheck ended with status $status" >&2
		return 1
	fi
	judge_answer
}

# Every answer has every key, whatever the state; keys that a later version adds are no error. Leaves
# the verdict in $summary.
judge_answer() {
	local well_formed
	{
		read -r well_formed
		read -r summary
	} < <(jq -c '
		def keys_are($names): ($names / " ") - keys == [];
		def names: "SHARED RESERVED PENDING EXCLUSIVE WRITE CKPT RECOVER" +
			" READ0 READ1 READ2 READ3 READ4 DMS FOREIGN";
		def in_order: . as $have | (names / " ") | map(select(IN($have[]))) == $have;
		def is_holder:
			keys_are("pid start_ticks ppid user uid name command exe tty cwd supervisor" +
				" container_pid locks locks_text role state idle replaced fds path catches") and
			(.locks | in_order) and
			(.locks_text | test("^[-rw]{3}/[-rw][.][-rw]{3}[.][-rw]{5}$")) and
			(.role | IN("recovering", "checkpointer", "writer", "reader", "connected",
				"open"));
		def is_finding:
			keys_are("id severity pids why fix") and
			(.severity | IN("info", "warning", "critical")) and
			(.why | length > 0) and (.fix | type == "string");
		def is_mark: keys_are("slot frame pids");
		def is_wal:
			keys_are("size_bytes frames checkpointed_frames pending_bytes read_marks") and
			(.read_marks == null or (.read_marks | length == 5 and all(is_mark)));
		def is_answer:
			keys_are("schema tool host time database status certified can blockers" +
				" journal_mode size_bytes page_size_bytes wal journal filesystem holders" +
				" waiters hidden findings") and
			(.time | test("^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}([.][0-9]+)?Z$")) and
			(.database | startswith("/")) and
			(.status | IN("free", "open", "locked", "unknown")) and
			(.certified | type == "boolean") and
			(.can | keys_are("read write migrate")) and
			([.can.read, .can.write] | all(type == "boolean")) and
			(.blockers | keys_are("read write migrate") and all(type == "array")) and
			(.journal_mode | IN("wal", "rollback", "unknown")) and
			(.wal == null or (.wal | is_wal)) and
			(.journal | keys_are("present hot")) and
			(.filesystem | keys_are("type inode network")) and
			(.hidden | keys_are("processes locks")) and
			(.holders | all(is_holder)) and
			(.findings | all(is_finding));
		def is_error: .error | .status >= 2 and (.message | length > 0);
		def verdict($question): [.can[$question], (.blockers[$question] | sort)];
		.schema == 1 and .tool == "dblockcheck" and
			if has("error") then is_error else is_answer end,
		if has("error") then .error else
			[.status, verdict("read", "write", "migrate"), ([.holders[].pid] | sort)]
		end' <<<"$answer")
	is_same true "$well_formed"
}

answer_has() {
	local filter=${*: -1} found='def found($id): any(.findings[]; .id == $id);'
	if ! jq -se --argjson pid "$(client_pids)" "${@:1:$#-1}" \
		"$found length == 1 and (.[0] | ($filter))" <<<"$answer" >/dev/null; then
		printf 'this is not so: %s\nanswer: %s\nstandard error: %s\n' "$filter" \
			"$(jq . <<<"$answer" 2>/dev/null || echo "$answer")" "${stderr-}" >&2
		return 1
	fi
}

# {"NAME": PID, ...}
client_pids() {
	local name list=''
	for name in "${!client_pid[@]}"; do
		list+=",\"$name\":${client_pid[$name]}"
	done
	echo "{${list:1}}"
}

# The PIDs of clients, sorted, one a line. WHO: names joined by "+"; a number stands for itself.
pids_of() {
	local name
	case $1 in
	yes | unknown | hidden) return ;;
	esac
	for name in ${1//+/ }; do
		echo "${client_pid[$name]-$name}"
	done | sort -n
}

# The same as JSON.
list_of() {
	echo "[$(pids_of "$1" | paste -sd ,)]"
}

# "true", "false" or "null" for WHO.
can_for() {
	case $1 in
	yes) echo true ;;
	unknown) echo null ;;
	*) echo false ;;
	esac
}

exit_status_for() {
	case $1 in
	yes) echo 0 ;;
	unknown) echo 4 ;;
	*) echo 1 ;;
	esac
}

# Everybody who has the file open stands in the way of a migration, so migrate=WHO also says who
# the holders are; holders=WHO does where that is different.
answer_is() {
	local verdict=$1 question
	local -A can=()
	shift
	for question in "$@"; do
		can[${question%%=*}]=${question#*=}
	done
	: "${can[holders]:=${can[migrate]}}"

	survey "$database" "${options[@]}"
	summary_is "$verdict"
	exit_status_is "$(exit_status_for "${can[migrate]}")"
	text_answer_is "$verdict"
	exit_status_is "$(exit_status_for "${can[migrate]}")"
	for question in read write; do
		run --separate-stderr dblockcheck -q --for="$question" --sample=0 "${options[@]}" \
			-- "$database"
		exit_status_is "$(exit_status_for "${can[$question]}")" "--for=$question"
	done
}

# The verdict is the one in $can of answer_is.
summary_is() {
	local expected question who
	expected="[\"$1\""
	for question in read write migrate; do
		who=${can[$question]}
		expected+=",[$(can_for "$who"),$(list_of "$who")]"
	done
	expected+=",$(list_of "${can[holders]}")]"
	is_same "$expected" "$summary"
}

# Fails, and shows the whole answer, if what is expected and what is there are different.
is_same() {
	if [[ $1 != "$2" ]]; then
		printf 'expected: %s\nactual:   %s\nanswer: %s\nstandard error: %s\n' "$1" "$2" \
			"$(jq . <<<"$answer" 2>/dev/null || echo "$answer")" "${stderr-}" >&2
		return 1
	fi
}

exit_status_is() {
	if [[ $status != "$1" ]]; then
		printf 'exit status %s instead of %s %s\nanswer: %s\nstandard error: %s\n' \
			"$status" "$1" "${2-}" "${output-}" "${stderr-}" >&2
		return 1
	fi
}

# Asks SQLite itself, as a newcomer without patience: it must be refused what the last answer says.
sqlite_agrees() {
	local reads=false writes=false
	sqlite3 -batch "$database" 'SELECT count(*) FROM sqlite_schema' &>/dev/null && reads=true
	sqlite3 -batch "$database" 'BEGIN IMMEDIATE; ROLLBACK' &>/dev/null && writes=true
	answer_has ".can.read == $reads and .can.write == $writes"
}

# What is said to people is the same: the verdict with the PIDs in the way, and a line for each
# holder. Uses $can of answer_is, and leaves the text in $text.
text_answer_is() {
	local question pid
	run --separate-stderr dblockcheck --sample=0 "${options[@]}" -- "$database"
	text=$output
	text_is_printable
	for question in read write migrate; do
		text_has "^ +$question +$(word_for "${can[$question]}")"
	done
	for question in read write; do
		for pid in $(pids_of "${can[$question]}"); do
			text_has "^ +$question +no .*\b$pid\b"
		done
	done
	for pid in $(pids_of "${can[holders]}"); do
		text_has "^ +$pid "
	done
	if [[ $1 == locked ]]; then
		text_has 'LOCKED'
	fi
}

word_for() {
	case $1 in
	yes) echo yes ;;
	unknown) echo '(unknown|[?])' ;;
	*) echo no ;;
	esac
}

text_has() {
	if ! grep -Eq -- "$1" <<<"$text"; then
		printf 'no line matches %s\ntext: %s\n' "$1" "$text" >&2
		return 1
	fi
}

text_is_printable() {
	local unprintable='[^\P{Cc}]|[\x{200E}\x{200F}\x{202A}-\x{202E}\x{2066}-\x{2069}]'
	if LC_ALL=C.UTF-8 grep -nP "$unprintable" <<<"$text" >&2 ||
		! iconv -f UTF-8 -t UTF-8 <<<"$text" >/dev/null; then
		echo 'the text has bytes that are not printable' >&2
		return 1
	fi
}

holder_is() {
	local pid=${client_pid[$1]-$1} role=$2 form=$3 lock
	shift 3
	is_same "$(printf '[["%s"' "$role" && printf ',"%s"' "$form" "$@" && echo ']]')" \
		"$(jq -c "[.holders[] | select(.pid == $pid) | [.role, .locks_text] + .locks]" <<<"$answer")"
	# The text leaves out what every WAL connection has all its life.
	for lock in ${text:+"$@"}; do
		case $lock in
		SHARED | DMS) ;;
		*) text_has "^ +$pid .*\b$lock\b" ;;
		esac
	done
}

finding_is() {
	local id=$1 names
	names=${*:2}
	is_same "$id $(list_of "${names// /+}")" "$id $(jq -c --arg id "$id" '
		[.findings[] | select(.id == $id)] | if . == [] then null else map(.pids[]) | sort end' \
		<<<"$answer")"
}

no_finding() {
	answer_has --arg ids "$*" '[.findings[].id] - ($ids / " ") == [.findings[].id]'
}

# The files of a folder: their bytes, and everything that stat says about them. "before" gives them
# an old access time, so that a later read shows; what reads them here comes before or after that.
snapshot() {
	local folder=$1 when=$2 sums
	if [[ $when == before ]]; then
		sums=$(checksums "$folder")
		find "$folder" -type f -exec touch -a -d '3 days ago' {} +
		stat_all "$folder"
	else
		stat_all "$folder"
		sums=$(checksums "$folder")
	fi
	echo "$sums"
}

checksums() {
	find "$1" -type f -exec sha256sum {} + | sort
}

stat_all() {
	find "$1" -printf '%p %i %m %U %G %n %s %T@ %C@\n' | sort
	find "$1" -type f -printf '%p last read %A@\n' | sort
}

# The locks on the files of a folder, without the running number in front. The kernel may list one twice to who reads
# while others come and go.
locks_in() {
	local inodes
	inodes=$(find "$1" -printf '%i\n' | paste -sd '|')
	sed -E 's/^[0-9]+: //' /proc/locks | grep -E ":($inodes) " | sort -u || true
}
