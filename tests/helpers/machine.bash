# shellcheck shell=bash
# What a test borrows from the machine: root, another user, mounts, control groups; and how it gives
# them back. A test that cannot have them is skipped and says why. Needs clients.bash.
#
#	setup() { machine_setup; }
#	teardown() { clients_teardown; machine_teardown; }

machine_setup() {
	mounted=()
	made_cgroups=()
}

machine_teardown() {
	local index
	for ((index = ${#mounted[@]} - 1; index >= 0; index--)); do
		umount "${mounted[index]}" || umount --lazy "${mounted[index]}"
	done
	for ((index = ${#made_cgroups[@]} - 1; index >= 0; index--)); do
		rmdir "${made_cgroups[index]}"
	done
}

require_root() {
	((EUID == 0)) || skip 'needs root'
}

require_command() {
	command -v "$1" >/dev/null || skip "needs $1"
}

# Runs a command as a user who owns nothing here.
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups --)

# Lets every user through to the folder of this test, which bats makes for its own user only.
open_to_everybody() {
	local path=$BATS_TEST_TMPDIR
	while [[ -O $path && $path == "$BATS_RUN_TMPDIR"* ]]; do
		chmod a+x "$path"
		path=${path%/*}
	done
}

# A copy of a program where every user can run it.
copy_for_everybody() {
	install -Dm 755 -t "$BATS_TEST_TMPDIR/bin" "$1"
	echo "$BATS_TEST_TMPDIR/bin/${1##*/}"
}

# mount(8) that is undone after the test; the mount point is the last argument and is made here.
mount_for_test() {
	local point=${*: -1}
	mkdir -p "$point"
	local trouble
	trouble=$(mount "$@" 2>&1) || skip "cannot mount: $trouble"
	mounted+=("$point")
}

# A file with a fresh file system: make_image SIZE mkfs.TYPE [OPTION]...; its path is in $image.
make_image() {
	require_command "$2"
	image=$BATS_TEST_TMPDIR/image
	truncate -s "$1" "$image"
	"${@:2}" "$image" >/dev/null
}

# Makes the control group $cgroup, where systemd or docker would put it.
make_cgroup() {
	local root path='' part
	for root in /sys/fs/cgroup/systemd /sys/fs/cgroup; do
		[[ -w $root/cgroup.procs ]] && break
	done
	cgroup=$root/$1
	for part in ${1//\// }; do
		path+=/$part
		[[ -d $root$path ]] && continue
		mkdir "$root$path" || skip 'no control group can be made here'
		made_cgroups+=("$root$path")
	done
}
