#!/usr/bin/env bats
#
# botkill's options and answers: plans, questions, silence, the audit, and the statuses of trouble.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/botkill.bash
	machine_setup
	botkill_setup
}

teardown() {
	clients_teardown
	machine_teardown
}

# --- the plan -------------------------------------------------------------------------------------

@test "--dry-run says who would be stopped, how, and who would be left, and sends nothing" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	start_hold editor --read-only "$database"
	no_signal "$botkill" --dry-run --force --grace=0 "$database"
	exit_status_is 0
	text=$output
	text_has "^  stop +$(pid bot)  by SIGTERM: .*hold_lock"
	text_has "^  left +$(pid editor)  bystander: .*hold_lock"
	is_same '' "$stderr"

	no_signal "$botkill" --dry-run --json "$database"
	exit_status_is 0
	answer_is_whole
	answer=$output
	answer_has '[.plan[] | .pid, .how] == [$pid.bot, "SIGTERM"] and (has("stopped") | not) and
		(.released | not) and [.left[] | .pid, .reason] == [$pid.editor, "bystander"]'
	lives bot editor
}

@test "--dry-run succeeds also where somebody would be spared, or nobody has to be stopped" {
	make_database
	run botkill --dry-run "$database"
	exit_status_is 0
	start_hold bot "$database" posix:w:RESERVED
	run botkill --dry-run --protect=. "$database"
	exit_status_is 0
	lives bot
}

@test "--dry-run needs no right to signal anybody" {
	require_root
	make_shared_database
	run --separate-stderr botkill --dry-run --json "$database"
	exit_status_is 0
	answer=$output
	answer_has '[.plan[].pid] == [$pid.bot]'
}

# --- the question ---------------------------------------------------------------------------------

@test "--interactive without a terminal is a wrong command line, and nobody is hit" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	run --separate-stderr botkill --interactive "$database" </dev/null
	exit_status_is 2
	run --separate-stderr botkill --interactive "$database" < <(yes)
	exit_status_is 2
	run --separate-stderr botkill --interactive - </dev/null
	exit_status_is 2
	lives bot
}

# botkill --interactive with a terminal, on which ANSWER is typed when it has asked. What it shows is in
# $output.
interactively() {
	run python3 - "$1" "$botkill" --interactive "${quickly[@]}" "${@:2}" <<-'END'
		import os, pty, sys
		pid, terminal = pty.fork()
		if pid == 0:
		    os.execv(sys.argv[2], sys.argv[2:])
		shown = b""
		try:
		    while b"[y/N] " not in shown:
		        shown += os.read(terminal, 4096)
		    os.write(terminal, sys.argv[1].encode().decode("unicode_escape").encode())
		    while True:
		        shown += os.read(terminal, 4096)
		except OSError:
		    pass
		os.write(1, shown.replace(b"\r\n", b"\n"))
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	END
}

@test "--interactive shows the plan, asks once, and a yes is a yes" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	interactively 'yes\n' "$database"
	exit_status_is 0
	text=$output
	text_has "stop +$(pid bot)  by SIGTERM"
	text_has RELEASED
	is_same 1 "$(grep -c 'y/N' <<<"$output")"
	ended bot
}

@test "--interactive: anything but a yes is a no, and nobody is hit" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	local answer_typed
	for answer_typed in 'no\n' '\n' 'n\n' ' y\n' 'x\n' '\x04' '1\n'; do
		interactively "$answer_typed" "$database"
		exit_status_is 1 "$answer_typed"
		lives bot
	done
}

@test "--interactive: Ctrl+C at the question ends botkill, and nobody is hit" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	interactively '\x03' "$database"
	[ "$status" != 0 ]
	lives bot
}

@test "--interactive does not ask when nobody would be stopped" {
	make_database
	interactively 'no\n' "$database"
	exit_status_is 0
	[[ $output != *y/N* ]]
}

# --- what is said ---------------------------------------------------------------------------------

@test "-q is silent, and its status says it all" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	run --separate-stderr botkill -q "${quickly[@]}" "$database"
	exit_status_is 0
	is_same '' "$output$stderr"
	ended bot
	start_hold other "$database" posix:w:RESERVED
	run --separate-stderr botkill -q --protect=. "${quickly[@]}" "$database"
	exit_status_is 1
	is_same '' "$output$stderr"
}

@test "each action is said before and after, on standard error" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	run --separate-stderr botkill "${quickly[@]}" "$database"
	exit_status_is 0
	is_same 2 "${#stderr_lines[@]}"
	[[ ${stderr_lines[0]} == "botkill: $(pid bot): sending SIGTERM: "*hold_lock* ]]
	[[ ${stderr_lines[1]} =~ ^"botkill: $(pid bot): ended after "[0-9.]+' s'$ ]]
	text=$output
	text_has "^  stopped +$(pid bot)  by SIGTERM after 0[.][0-9]+ s: .*hold_lock"
	text_has 'RELEASED'
	text_has 'start it again with'
	text_is_printable
}

@test "text for people names who is left, and why" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	run --separate-stderr botkill --protect=. "${quickly[@]}" "$database"
	exit_status_is 1
	text=$output
	text_has 'STILL HELD'
	text_has "^  left +$(pid bot)  protected: "
}

@test "an answer that cannot be written is trouble" {
	make_database
	local option
	for option in --json --dry-run --color=auto; do
		start_hold bot "$database" posix:w:RESERVED
		status=0
		"$botkill" --settle=0 "$option" "$database" >/dev/full 2>"$BATS_TEST_TMPDIR/said" || status=$?
		exit_status_is 3 "$option"
		grep -q '^botkill: cannot write' "$BATS_TEST_TMPDIR/said"
		if [[ $option == --dry-run ]]; then
			crash bot
		else
			ended bot
			forget bot
		fi
	done
}

@test "--syslog logs each action there as well" {
	require_root
	unshare -m true 2>/dev/null || skip 'needs a mount namespace of its own'
	make_database
	start_hold bot "$database" posix:w:RESERVED
	# A /dev/log that this test listens on, where nobody else sees it.
	run --separate-stderr unshare -m --propagation private python3 - "$BATS_TEST_TMPDIR" \
		"$botkill" --syslog -q --settle=0 "$database" <<-'END'
		import os, socket, subprocess, sys
		folder, *command = sys.argv[1:]
		listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		listener.settimeout(5)
		listener.bind(folder + "/log")
		os.mkdir(folder + "/dev")
		for device in ("null", "zero", "full"):
		    os.mknod(f"{folder}/dev/{device}", 0o666 | 0o020000, os.stat("/dev/" + device).st_rdev)
		os.rename(folder + "/log", folder + "/dev/log")
		subprocess.run(["mount", "--bind", folder + "/dev", "/dev"], check=True)
		ended = subprocess.run(command).returncode
		print(listener.recv(4096).decode())
		print(listener.recv(4096).decode())
		sys.exit(ended)
	END
	exit_status_is 0
	is_same '' "$stderr"
	[[ ${lines[0]} =~ 'botkill['[0-9]+']: '"$(pid bot): sending SIGTERM: " ]]
	[[ ${lines[1]} =~ 'botkill['[0-9]+']: '"$(pid bot): ended after " ]]
	ended bot
}

# --- trouble --------------------------------------------------------------------------------------

# A database that everybody may read and write, held by root, and botkill as somebody else.
make_shared_database() {
	make_database
	open_to_everybody
	chmod 777 "$folder"
	chmod 666 "$database"
	botkill=$(copy_for_everybody "$botkill")
	as=("${nobody[@]}")
	start_hold bot "$database" posix:w:RESERVED
}

@test "a holder that may not be signalled is trouble: it and the capability are named" {
	require_root
	make_shared_database
	kill_holders 3
	left no-permission bot
	answer_has '.stopped == [] and (.released | not) and .error.status == 3'
	[[ $stderr == *"$(pid bot)"*CAP_KILL* ]]
	answer_has --arg who "$(pid bot)" '.error.message | contains($who) and contains("CAP_KILL")'
	lives bot
}

@test "who may be signalled is stopped, though another one may not" {
	require_root
	make_shared_database
	start own "${nobody[@]}" "$(copy_for_everybody "$helpers/hold_lock")" "$database" posix:r:SHARED
	kill_holders 3
	stopped SIGTERM own
	left no-permission bot
	lives bot
}

@test "who cannot look at everybody cannot tell whether it is released, from a pipe or not" {
	require_root
	make_shared_database
	crash bot
	local program
	program=$(copy_for_everybody "$helpers/hold_lock")
	start own "${nobody[@]}" "$program" "$database" posix:r:SHARED
	kill_holders 4
	stopped SIGTERM own
	answer_has '.released | not'

	start own "${nobody[@]}" "$program" "$database" posix:r:SHARED
	survey_as_other
	kill_from_input 4
	stopped SIGTERM own
	answer_has '.released | not'
}

@test "a lock of somebody who cannot be seen: it is still held, from a pipe or not" {
	require_root
	make_shared_database
	crash bot
	local program
	program=$(copy_for_everybody "$helpers/hold_lock")
	start hidden "$helpers/hold_lock" "$database" ofd:r:SHARED
	start own "${nobody[@]}" "$program" "$database" posix:r:SHARED
	kill_holders 1
	stopped SIGTERM own
	answer_has '.released | not'

	start own "${nobody[@]}" "$program" "$database" posix:r:SHARED
	survey_as_other
	kill_from_input 1
	stopped SIGTERM own
	answer_has '.released | not'
}

# What dblockcheck says, as the user that botkill will be.
survey_as_other() {
	input=$BATS_TEST_TMPDIR/input
	dblockcheck=$(copy_for_everybody "$dblockcheck")
	dblockcheck --json --sample=0 "$database" >"$input" || [ $? != 3 ]
}

kill_from_input() {
	local database=-
	kill_holders "$@"
}

@test "a database that may not be read is trouble" {
	require_root
	make_shared_database
	chmod 600 "$database"
	kill_holders 3
	lives bot
}

@test "a second botkill on the same database is busy, and does nothing" {
	make_database
	start_bot bot --database="$folder/shop.db" --signals=ignored --stdin
	database=$folder/shop.db
	launch first "$botkill" --json --grace=20 --settle=0 "$database"
	until_true grep -q 'sending SIGTERM' "$BATS_TEST_TMPDIR/clients/first.err"
	kill_holders 5 --force --grace=0
	answer_has '.error.status == 5'
	lives bot
	# Also by another name of it.
	ln -s shop.db "$folder/name.db"
	run botkill --signal=KILL --settle=0 "$folder/name.db"
	exit_status_is 5
	lives bot
	# A plan may be made at any time; and another database is another matter.
	run botkill --dry-run "$database"
	exit_status_is 0
	cp "$database" "$folder/other.db"
	run botkill --settle=0 "$folder/other.db"
	exit_status_is 0

	# The first one's right ends with it, however it ends.
	crash first
	kill_holders 0 --force --grace=0
	stopped SIGKILL bot
}

@test "botkill that is killed in the middle leaves nothing behind: the next one goes on" {
	require_root
	make_database
	start_hold bot "$database" posix:w:RESERVED
	launch first "$helpers/pause_at" pidfd_send_signal 0 "$botkill" --settle=0 "$database"
	hear first paused
	kill -KILL "${reply%% *}"
	kill_holders 0
	stopped SIGTERM bot
	is_same bot.db "$(ls "$folder")"
}

# --- the command line -----------------------------------------------------------------------------

@test "a wrong command line is refused, and nobody is hit" {
	make_database
	start_hold bot "$database" posix:w:RESERVED
	local wrong
	for wrong in '' "$database $database" "--signal=BOT $database" "--signal=0 $database" "--signal=-9 $database" \
		"--signal=65 $database" "--signal= $database" "--grace=-1 $database" "--grace=x $database" \
		"--grace=inf $database" "--settle=1e9 $database" "--settle= $database" "--no-such $database" \
		"--match=a --match=b $database" "--force=yes $database" "--signal $database"; do
		# shellcheck disable=SC2086
		run --separate-stderr botkill --settle=0 $wrong
		exit_status_is 2 "$wrong"
		[[ $stderr == 'botkill: '* ]]
	done
	lives bot
}

@test "--signal takes a name with and without SIG, and a number" {
	make_database
	local signal
	for signal in HUP SIGHUP 1; do
		start_hold bot "$database" posix:r:SHARED
		kill_holders 0 --signal="$signal"
		stopped SIGHUP bot
		[ "$(status_of bot)" = 129 ]
	done
}

@test "--signal that does not end it is no reason to say so" {
	make_database
	start_hold bot "$database" posix:r:SHARED
	kill_holders 1 --signal=WINCH --grace=0.2
	left still-alive bot
	lives bot
}

@test "a database whose name starts with a dash, or is -, is a database" {
	cd "$folder"
	database=./-
	make_database
	start_hold bot ./- posix:r:SHARED
	kill_holders 0
	stopped SIGTERM bot
	mv ./- ./--force
	start_hold bot ./--force posix:r:SHARED
	run --separate-stderr botkill --settle=0 -- --force
	exit_status_is 0
	ended bot
}
