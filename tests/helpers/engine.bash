# shellcheck shell=bash
# Engines: a docker daemon of a test file's own, containers made of what this machine has, podman with
# stores of its own, and a systemd that runs in a container. Needs clients.bash and machine.bash.
#
#	setup_file() { load ../helpers/engine.bash; start_docker; }
#	teardown_file() { stop_docker; }
#	setup() { ...; engine_setup; }
#	teardown() { engine_teardown; }
#
#	run_container NAME [OPTION]... -- COMMAND...	start a container; it sees the folder of the test
#					as /shop, and the sample bot and the helpers where they are
#	await_container NAME		wait until it says "ready PID"
#	run_systemd NAME		start a container that runs systemd
#	container_is NAME FILTER	a jq expression about what the engine says of the container
#	main_pid NAME			its PID 1, as this machine numbers it
#	botkill OPTION...		run it with --json; the answer is in $answer (see answer_has)
#
# Nothing here asks for, or touches, a daemon or a container that was there before: the daemon has its
# own socket and folders, and podman its own mount namespace, where its stores are empty at first.

botkill=${DBLOCKTOOLS_BIN:-$repository/build}/botkill

# --- docker ---------------------------------------------------------------------------------------------------------

# For setup_file(): leaves $engine_folder, and DOCKER_HOST in the environment.
start_docker() {
	[[ $EUID == 0 ]] || skip 'needs root, to start a docker daemon'
	command -v dockerd docker >/dev/null || skip 'needs docker.io'
	# The path of a socket is short.
	engine_folder=$(mktemp -d /tmp/engine.XXXXXX)
	export engine_folder DOCKER_HOST=unix://$engine_folder/socket
	export DOCKER_CONFIG=$engine_folder/config
	dockerd --iptables=false --ip6tables=false --bridge=none --data-root "$engine_folder/data" \
		--exec-root "$engine_folder/exec" -H "$DOCKER_HOST" -p "$engine_folder/pid" \
		>"$engine_folder/log" 2>&1 3>&- 4>&- &
	export dockerd_pid=$!
	disown
	if ! until_true docker_is_up; then
		tail -n 20 "$engine_folder/log" >&2
		stop_docker
		skip 'no docker daemon can be started here'
	fi
	make_root "$engine_folder/root"
	tar -c -C "$engine_folder/root" . | docker import - bot >/dev/null
}

docker_is_up() {
	docker version >/dev/null 2>&1
}

# A file system with nothing but the folders, and the links that lead to /usr, which is mounted there.
make_root() {
	local link
	mkdir -p "$1"/{dev,etc,proc,root,run,shop,sys,tmp,usr,var}
	for link in bin sbin lib lib32 lib64 libx32; do
		if [[ -L /$link ]]; then
			cp -P "/$link" "$1"
		fi
	done
	cp /etc/passwd /etc/group /etc/ld.so.cache "$1/etc"
}

stop_docker() {
	[[ ${engine_folder-} ]] || return 0
	local containers
	if docker version >/dev/null 2>&1; then
		containers=$(docker ps -aq)
		# shellcheck disable=SC2086 # a list of words
		[[ ! $containers ]] || docker rm -f $containers >/dev/null
	fi
	kill "$dockerd_pid" 2>/dev/null || true
	until_true has_ended "$dockerd_pid"
	rm -rf --one-file-system "$engine_folder"
	# The daemon leaves the group of its containers; it goes unless it is in use.
	rmdir /sys/fs/cgroup/*/docker 2>/dev/null || true
}

# --- containers -----------------------------------------------------------------------------------------------------

# docker, or podman in its own namespace: what the functions below call.
engine=(docker)

engine_setup() {
	made_containers=()
}

engine_teardown() {
	local name
	for name in "${made_containers[@]}"; do
		"${engine[@]}" unpause "$name" >/dev/null 2>&1 || true
		"${engine[@]}" rm -f "$name" >/dev/null 2>&1 || true
	done
}

# What every container needs: no network, and the programs of this machine.
common_options() {
	printf '%s\n' --network=none -v /usr:/usr:ro -v "$repository/tests:$repository/tests:ro" \
		-v "$(dirname "$botkill"):$(dirname "$botkill"):ro" -v "$folder:/shop"
}

# The image that containers are made of, or for podman the folder with the root.
image=(bot)

run_container() {
	local name=$1 options=() common
	shift
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	mapfile -t common < <(common_options)
	made_containers+=("$name")
	"${engine[@]}" run -d --name "$name" "${common[@]}" "${options[@]}" "${image[@]}" "${@:2}" >/dev/null
}

# How often the program in it has said that it is ready.
readies() {
	"${engine[@]}" logs "$1" 2>&1 | grep -c '^ready' || true
}

has_readies() {
	(($(readies "$1") >= $2))
}

await_container() {
	until_true has_readies "$1" "${2:-1}"
}

run_bot_in() {
	local name=$1
	run_container "$@" -- /usr/bin/python3 "$sample_bot" --database=/shop/bot.db --tick=0.05
	await_container "$name"
}

container_facts() {
	"${engine[@]}" container inspect "$1" | jq -c '.[0]'
}

container_is() {
	if ! container_facts "$1" | jq -e "$2" >/dev/null; then
		printf 'container %s: this is not so: %s\n' "$1" "$2" >&2
		container_facts "$1" | jq -c '.State, .RestartCount' >&2
		return 1
	fi
}

is_running() {
	[[ $(container_facts "$1" | jq .State.Running) == true ]]
}

main_pid() {
	container_facts "$1" | jq .State.Pid
}

# --- botkill --------------------------------------------------------------------------------------------------------

botkill() {
	run --separate-stderr "${as[@]}" "$botkill" --json --settle=0.3 "$@"
	answer=$output
}

# The only one stopped, and how; restart_hint and the rest are for answer_has.
stopped_by() {
	exit_status_is 0
	answer_has --arg how "$1" '.released and .left == [] and .reopened_by == [] and
		(.stopped | length == 1) and .stopped[0].how == $how'
}

# The database is well, and its last transaction is there.
database_is_well() {
	[[ $(sqlite3 -batch "$database" 'PRAGMA integrity_check') == ok ]]
}

# Puts a program (standard input) before all others of its name, for what is run with "${as[@]}" only.
put_program() {
	local programs=$BATS_TEST_TMPDIR/programs
	mkdir -p "$programs"
	cat >"$programs/$1"
	chmod 755 "$programs/$1"
	# shellcheck disable=SC2016 # for the shell in the namespace
	as=(unshare --mount --propagation private -- /bin/sh -c
		'mount --bind "$0" /usr/local/sbin && exec "$@"' "$programs")
}

# --- systemd --------------------------------------------------------------------------------------------------------

# Starts a container that runs systemd, with the units in $1 and nothing else. It has control groups of its own:
# were they the machine's, systemd would mount them anew, for everybody.
run_systemd() {
	local name=$1 units=$2
	shift 2
	mkdir -p "$units"
	printf '[Unit]\nDefaultDependencies=no\n' >"$units/test.target"
	# shellcheck disable=SC2016 # for the shell in the container
	run_container "$name" --cap-add=SYS_ADMIN --cap-add=SYS_PTRACE --security-opt=seccomp=unconfined \
		--cgroupns=private --stop-signal=SIGRTMIN+3 --tmpfs=/run --tmpfs=/run/lock --env=container=docker \
		-v "$units:/etc/systemd/system" "$@" -- /bin/sh -c '
			cgroups=/sys/fs/cgroup/systemd
			[ -d $cgroups ] || cgroups=/sys/fs/cgroup
			mount -o remount,rw,bind $cgroups && exec /lib/systemd/systemd --unit=test.target'
	until_true systemd_is_up "$name"
}

systemd_is_up() {
	[[ $(docker exec "$1" systemctl is-active test.target 2>/dev/null) == active ]]
}

# --- podman ---------------------------------------------------------------------------------------------------------

# For setup_file(): a mount namespace in which podman's stores are empty, kept by the process $podman_keeper.
# Commands run in there with "${in_podman[@]}".
start_podman() {
	[[ $EUID == 0 ]] || skip 'needs root, to give podman stores of its own'
	command -v podman >/dev/null || skip 'needs podman'
	engine_folder=$(mktemp -d /tmp/engine.XXXXXX)
	export engine_folder
	mkdir -p "$engine_folder"/{lib,containers,libpod} /var/lib/containers /run/containers /run/libpod
	mkfifo "$engine_folder/ready"
	# shellcheck disable=SC2016 # for the shell in the namespace
	unshare --mount --propagation private -- /bin/sh -c '
		mount --bind "$0/lib" /var/lib/containers && mount --bind "$0/containers" /run/containers &&
			mount --bind "$0/libpod" /run/libpod && echo mounted >"$0/ready" && exec sleep infinity
		echo failed >"$0/ready"' "$engine_folder" 3>&- 4>&- &
	export podman_keeper=$!
	disown
	if [[ $(timeout 20 cat "$engine_folder/ready") != mounted ]]; then
		stop_podman
		skip 'no mount namespace can be made here'
	fi
	make_root "$engine_folder/root"
}

stop_podman() {
	[[ ${engine_folder-} ]] || return 0
	if ! has_ended "$podman_keeper"; then
		podman_setup
		"${in_podman[@]}" podman rm -f -a -t 0 >/dev/null 2>&1 || true
		# What podman keeps mounted for its stores is mounted in that namespace only.
		kill "$podman_keeper" 2>/dev/null || true
		until_true has_ended "$podman_keeper"
	fi
	rm -rf --one-file-system "$engine_folder"
	rmdir /sys/fs/cgroup/*/libpod_parent/conmon /sys/fs/cgroup/*/libpod_parent 2>/dev/null || true
}

# For setup(), after engine_setup: the functions about containers speak of podman from here on.
podman_setup() {
	in_podman=(nsenter --mount --target "$podman_keeper" --)
	engine=("${in_podman[@]}" podman --cgroup-manager=cgroupfs)
	# The limits that podman sets by itself may be higher than ours.
	image=(--ulimit=nofile=1024:1024 --ulimit=nproc=4096:4096 --rootfs "$engine_folder/root")
	as=("${in_podman[@]}")
}
