# shellcheck shell=bash
# What the tests of dbbackup and dbrestore say about them. Needs clients.bash, machine.bash and
# dblockcheck.bash.
#
#	exits_with STATUS COMMAND...	run a command and check its exit status
#	says_trouble STATUS COMMAND...	the same, and: one line on stderr, nothing on stdout
#	back_up STATUS ARGUMENT...	run dbbackup --json; the answer is in $answer, the backup in $backup
#	restore STATUS ARGUMENT...	run dbrestore --json; the answer is in $answer
#	good_backup FILE		FILE is a whole backup, all its manifest says is true; $copy is it, unpacked
#	make_file_backup		back $database up; the backup is in $backup
#	content FILE			a checksum of what SQLite finds in it; the file and its sidecars stay as they are
#	files_of FOLDER			each file: its bytes and all that stat says, but not the bytes of a -shm
#	nothing_left FOLDER		no private folder of a run is left in it
#	manifest FILTER [ARGUMENT...]	change the manifest of $backup with jq
#	flip_bit FILE [OFFSET]		change one bit of it
#	make_tables PRAGMA...		make $database after these pragmas, with more than a page of everything
#
# The database in question is $database in $folder; $backups is the folder for its backups.

dbbackup=${DBLOCKTOOLS_BIN:-$repository/build}/dbbackup
dbrestore=${DBLOCKTOOLS_BIN:-$repository/build}/dbrestore
look_at=$repository/tests/helpers/look_at.py
judge=$repository/tests/helpers/judge.py

backup_setup() {
	machine_setup
	dblockcheck_setup
	backups=$folder/backups
}

backup_teardown() {
	clients_teardown
	machine_teardown
}

# A tool that hangs fails its test, and soon.
dbbackup() {
	"${as[@]}" timeout --foreground -k 5 90 "$dbbackup" "$@"
}

dbrestore() {
	"${as[@]}" timeout --foreground -k 5 90 "$dbrestore" "$@"
}

exits_with() {
	run --separate-stderr "${@:2}"
	exit_status_is "$1" "${*:2}"
}

says_trouble() {
	exits_with "$@"
	is_same '' "$output"
	one_line_of_trouble
}

one_line_of_trouble() {
	# shellcheck disable=SC2154 # run --separate-stderr sets it
	is_same 1 "${#stderr_lines[@]}"
	stderr_is_printable
	[[ $stderr == db*": "* ]]
}

stderr_is_printable() {
	is_same '' "$(grep -aP '[^\P{Cc}\t]|[\x{202A}-\x{202E}\x{2066}-\x{2069}]' <<<"$stderr")"
}

back_up() {
	exits_with "$1" dbbackup --json "${@:2}"
	judge_backup_answer
}

# Of dbbackup's answer in $output.
judge_backup_answer() {
	answer=$output
	backup=$("$judge" dbbackup <<<"$answer" && echo x)
	backup=${backup%$'\n'x}
}

restore() {
	exits_with "$1" dbrestore --json "${@:2}"
	judge_restore_answer
}

judge_restore_answer() {
	answer=$output
	"$judge" dbrestore <<<"$answer" >/dev/null
}

make_file_backup() {
	back_up 0 "$database" "$backups/"
}

# Everything that a backup promises.
good_backup() {
	local unpacked
	(cd "${1%/*}" && sha256sum --status --strict -c -- "${1##*/}.sha256")
	unpacked=$(mktemp -d -p "$BATS_TEST_TMPDIR")
	copy=$("$look_at" "$1" "$unpacked" && echo x)
	copy=${copy%$'\n'x}
}

sha256_of() {
	sha256sum <"$1" | cut -d ' ' -f 1
}

# It is whole without sidecars, and makes none when it is opened and written.
is_self_contained() {
	is_same ok "$(sqlite3 -batch "$1" 'PRAGMA integrity_check')"
	is_same delete "$(sqlite3 -batch "$1" 'PRAGMA journal_mode')"
	[ ! -e "$1-wal" ] && [ ! -e "$1-shm" ] && [ ! -e "$1-journal" ]
}

content() {
	local plain suffix
	plain=$(mktemp -d -p "$BATS_TEST_TMPDIR")
	for suffix in '' -wal -journal; do
		[[ ! -f $1$suffix ]] || cp -- "$1$suffix" "$plain/db$suffix"
	done
	sqlite3 -batch "$plain/db" 'PRAGMA integrity_check; PRAGMA user_version; PRAGMA application_id; PRAGMA encoding' \
		'.sha3sum --schema' 2>&1
	rm -r "$plain"
}

files_of() {
	find "$1" \( -path "$1/backups" -o -path "$1/.dblocktools" \) -prune -o -path "$1" -o \
		\( -name '*-shm' -printf '%P %y %i %m %U %G %n\n' -o \
		-type d -printf '%P %y %i %m %U %G\n' -o -printf '%P %y %i %m %U %G %n %s %T@ %l\n' \) \
		-type f ! -name '*-shm' -exec sha256sum {} + | sort
}

nothing_left() {
	is_same '' "$(find "$1" -name '.dbbackup.*' -o -name '.dbrestore.*' -o -name '*.partial' -o -name '*.tmp')"
}

# Only these are in the folder for backups.
backups_are() {
	is_same "$(printf '%s\n' "${@##*/}" | sort)" \
		"$(find "$backups" -mindepth 1 ! -name '*.json' ! -name '*.sha256' -printf '%f\n' | sort)"
	is_same "$(find "$backups" -mindepth 1 ! -name '*.json' ! -name '*.sha256' -printf '%f\n' | sort)" \
		"$(find "$backups" -name '*.json' -printf '%f\n' | sed 's/[.]json$//' | sort)"
}

manifest() {
	local new
	new=$(jq -c "${@:2}" "$1" "$backup.json")
	printf '%s\n' "$new" >"$backup.json"
}

# Makes the sums of $backup agree with its bytes again.
manifest_of_bytes() {
	manifest '.sha256 = $sum | .database_sha256 = $sum' --arg sum "$(sha256_of "$backup")"
	(cd "${backup%/*}" && sha256sum -- "${backup##*/}" >"${backup##*/}.sha256")
}

# A backup of another time, made of $backup: copy_backup STAMP [FILTER]...; its path is in $reply.
copy_backup() {
	local old=$backup stamp=$1 name=${backup##*/} time=${1:0:4}-${1:4:2}-${1:6:5}:${1:11:2}:${1:13}
	reply=${backup%/*}/${name%%-2*}-$stamp.${name#*Z.}
	cp -p -- "$old" "$reply"
	for name in json sha256; do
		cp -p -- "$old.$name" "$reply.$name"
	done
	sed -i "s/${old##*/}/${reply##*/}/" "$reply.json" "$reply.sha256"
	sed -i -E "s/\"time\":\"[^\"]*\"/\"time\":\"$time\"/" "$reply.json"
	if [[ ${2-} ]]; then
		backup=$reply
		manifest "$2"
		backup=$old
	fi
}

flip_bit() {
	local offset=${2:-$(($(stat -c %s "$1") / 2))} byte
	byte=$(od -An -tu1 -j"$offset" -N1 "$1")
	printf '%b' "\\x$(printf %02x $((byte ^ 16)))" | dd of="$1" bs=1 seek="$offset" conv=notrunc status=none
}

# Changes a row of $database and leaves it as it was otherwise.
change_database() {
	sqlite3 -batch "$database" "UPDATE orders SET problem = 'changed' WHERE id = 7; ${1-}" >/dev/null
}

make_tables() {
	{
		printf 'PRAGMA %s;\n' 'synchronous = OFF' "$@"
		cat <<-'END'
			CREATE TABLE orders (id INTEGER PRIMARY KEY, problem TEXT);
			CREATE TABLE lines (name TEXT, amount REAL, note BLOB, PRIMARY KEY (name, amount)) WITHOUT ROWID;
			CREATE INDEX problems ON orders (problem COLLATE NOCASE) WHERE id % 2;
			CREATE VIEW slow AS SELECT * FROM orders WHERE problem = 'slow';
			CREATE TRIGGER no_delete BEFORE DELETE ON lines BEGIN SELECT RAISE(ABORT, 'no'); END;
			CREATE VIRTUAL TABLE words USING fts5(body);
			INSERT INTO words VALUES ('über den Bäumen');
			WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 300)
			INSERT INTO orders SELECT n, hex(zeroblob(n)) || n FROM number;
			INSERT INTO lines SELECT problem, id / 3.0, CAST(problem AS BLOB) FROM orders;
			INSERT INTO lines VALUES ('large', 1.5, randomblob(200000));
		END
	} | sqlite3 -batch "$database" >/dev/null
}

# --- dbrestore ------------------------------------------------------------------------------------

# Makes $database and a backup of it, $backup, and changes the database; $old is its content then, and
# $new that of the backup.
make_backup_and_change() {
	make_database "${1:-delete}"
	backups=$BATS_TEST_TMPDIR/backups
	make_file_backup
	new=$(content "$database")
	change_database "DELETE FROM orders WHERE id > 50; CREATE TABLE later (x); INSERT INTO later VALUES (1)"
	old=$(content "$database")
	[[ $old != "$new" ]]
}

# The inode, mode, owner and attributes of the database, which a restore in place keeps.
identity() {
	stat -c '%i %a %u %g %h' "$database"
	getfattr -d --absolute-names -m - "$database" | LC_ALL=C sort
	getfacl -pn "$database"
}

# The database has the content of the backup, no sidecar of another time is beside it, and what
# was done can be undone.
is_restored() {
	is_same "$new" "$(content "$database")"
	is_same ok "$(sqlite3 -batch "$database" 'PRAGMA integrity_check')"
	is_same "$new" "$(content "$database")"
}

is_as_it_was() {
	is_same "$before" "$(files_of "$folder")"
	is_same "$kept" "$(files_kept)"
}

error_is() {
	[[ $answer == *'"error":{"status":'"$1,"* ]] || is_same "an error of status $1" "$answer"
}

remember() {
	before=$(files_of "$folder")
	kept=$(files_kept)
}

files_kept() {
	find "$folder/.dblocktools" -type f ! -name '*lock*' 2>/dev/null | sort
}

# Fails with this status, and nothing is changed: refuses STATUS ARGUMENT...
refuses() {
	remember
	restore "$1" --wait=0 "${@:2}"
	error_is "$1"
	one_line_of_trouble
	is_as_it_was
}
