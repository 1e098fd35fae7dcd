# shellcheck shell=bash
# What tests of --trace and --watch need of the kernel's tracing. Needs clients.bash and machine.bash.
#
#	require_tracing			skip where the kernel's events cannot be had; $tracefs is where we see them
#	instance_of PID			whether the dblockcheck of that PID has its private instance
#	instances			the instances of all dblockchecks, one a line
#	no_new_instance			nobody who has ended left an instance that was not there before the test
#	begin_trace OPTION...		start dblockcheck beside the test, as $job; it listens to $database
#	take_answer			wait for its end; $answer is what it said in "$folder/answer"
#	start_waiter NAME [STATEMENT]	a client that tries to get a write transaction until it has one

require_tracing() {
	require_root
	[[ $(readlink /proc/self/ns/pid) == 'pid:[4026531836]' ]] || skip 'needs the initial PID namespace'
	tracefs=$BATS_TEST_TMPDIR/tracefs
	mount_for_test -t tracefs none "$tracefs"
	[[ -d $tracefs/events/filelock/fcntl_setlk ]] || skip 'needs the filelock events of the kernel'
	instances_before=$(instances | sort)
}

instances() {
	find "$tracefs/instances" -mindepth 1 -maxdepth 1 -name 'dblockcheck-*' -printf '%f\n'
}

no_new_instance() {
	local name pid
	for name in $(comm -13 <(echo "$instances_before") <(instances | sort)); do
		pid=${name#dblockcheck-}
		pid=${pid%%-*}
		[[ -e /proc/$pid || ! -e $tracefs/instances/$name ]] || return 1
	done
}

instance_of() {
	instances | grep -q "^dblockcheck-$1-"
}

# Its instance is there, and it listens.
listens() {
	local name
	name=$(instances | grep "^dblockcheck-$1-") &&
		[[ $(cat "$tracefs/instances/$name/events/filelock/locks_remove_posix/enable") == 1 ]]
}

begin_trace() {
	"$dblockcheck" "$@" "$database" 3>&- 4>&- &
	job=$!
	until_true listens "$job"
}

take_answer() {
	wait "$job" || true
	answer=$(cat "$folder/answer")
}

start_waiter() {
	start_sql "$1" "$database"
	ask "$1" sql 'PRAGMA busy_timeout = 60000'
	tell "$1" sql "${2-BEGIN IMMEDIATE}"
}
