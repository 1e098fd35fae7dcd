# shellcheck shell=bash
# The sample bot's project under docker-compose. Needs clients.bash, machine.bash, dblockcheck.bash, backup.bash, migrate.bash
# and engine.bash.
#
#	setup_file() { load_helpers; start_compose; }
#	teardown_file() { load_helpers; stop_docker; }
#	setup() { load_helpers; migrate_setup; engine_setup; compose_setup; copy_project; }
#	teardown() { compose_teardown; migrate_teardown; }
#
#	copy_project [FOLDER]		make $project, a whole copy; it is the one that is spoken of from here on, with its $database
#	in_project COMMAND...		run it in there
#	compose NAME KIND ARGUMENT...	docker-compose for the project of that name; KIND is prod, dev or migrate
#	start_project NAME [KIND]	start its bot, and wait until it is ready (KIND: prod)
#	await_project NAME [COUNT]	wait until its bot has said COUNT times that it is ready (1)
#	bot_of NAME			the name of its bot's container
#	remember_containers NAME...	same_containers then says that nothing has happened to them
#	stamp [REVISION]		say that Alembic has brought $database to the first revision, which is what bot.py makes
#
#	migrate_up, migrate_run		how docker-compose is called for a migration, for "dbmigrate ... -- "; a command follows the second
#	waiting_revision		add a migration that stands still after half of it, until the test ends or says go_on_there
#	await_migration NAME		wait until a container of that project says that it stands there
#	migration_containers		those that run now, of every project that was used
#
# Each test has projects of its own: what they are named is given to teardown, which removes their containers.

start_compose() {
	command -v docker-compose >/dev/null || skip 'needs docker-compose'
	require_module alembic
	start_docker
	"$repository/tests/sample_bot/docker/make-image.sh" >/dev/null
}

compose_setup() {
	compose_names=()
	migrate_up=(docker-compose -p shop-migrate -f docker/docker-compose.migrate.yml
		up --no-color --no-log-prefix --force-recreate --exit-code-from migrate)
	migrate_run=(docker-compose -p shop-migrate -f docker/docker-compose.migrate.yml run --rm -T migrate)
	use_name shop-migrate
}

use_name() {
	[[ " ${compose_names[*]} " == *" $1 "* ]] || compose_names+=("$1")
}

containers_of() {
	docker ps -q "${@:2}" --filter "label=com.docker.compose.project=$1"
}

compose_teardown() {
	local name containers
	for name in "${compose_names[@]}"; do
		mapfile -t containers < <(containers_of "$name" -a)
		((${#containers[@]} == 0)) || docker rm -f "${containers[@]}" >/dev/null 2>&1 || true
	done
	engine_teardown
}

# A database that somebody made by trying the sample bot where it lies stays there.
copy_project() {
	project=${1:-$BATS_TEST_TMPDIR/project}
	folder=$project/data
	database=$folder/bot.db
	backups=$folder/backups
	mkdir -p "$project"
	tar -c -C "$repository/tests/sample_bot" --exclude './data/?*.db*' --exclude __pycache__ . | tar -x --no-same-owner -C "$project"
}

in_project() {
	(cd "$project" && "$@" 3>&- 4>&-)
}

compose() {
	local name=$1 kind=$2
	use_name "$name"
	in_project docker-compose -p "$name" -f "docker/docker-compose.$kind.yml" "${@:3}"
}

bot_of() {
	echo "${1}_bot_1"
}

start_project() {
	compose "$1" "${2:-prod}" up -d >/dev/null 2>&1
	await_project "$1"
}

await_project() {
	await_container "$(bot_of "$1")" "${2:-1}"
}

# Which container it is, since when it runs, and how often it had to be started again.
state_of() {
	container_facts "$(bot_of "$1")" | jq -c '[.Id, .State.Status, .State.Pid, .State.StartedAt, .RestartCount]'
}

remember_containers() {
	local name
	declare -gA containers_before=()
	for name; do
		containers_before[$name]=$(state_of "$name")
	done
}

same_containers() {
	local name
	for name in "${!containers_before[@]}"; do
		is_same "${containers_before[$name]}" "$(state_of "$name")"
	done
}

stamp() {
	at_alembic "${1:-a1c05f3e9d20}"
}

# --- migrations in a container --------------------------------------------------------------------

# It has begun to write, and waits for somebody who opens the pipe for writing.
waiting_revision() {
	mkfifo "$project/migrations/go_on"
	revision half e5a40d7c3b64 'op.execute("CREATE TABLE half (x)")
op.execute("INSERT INTO half VALUES (1)")
print("stands here", flush=True)
open("migrations/go_on").read()'
}

go_on_there() {
	: >"$project/migrations/go_on"
}

await_migration() {
	until_true stands_there "$1"
}

stands_there() {
	local container
	for container in $(containers_of "$1"); do
		! docker logs "$container" 2>&1 | grep -q '^stands here' || return 0
	done
	return 1
}

migration_containers() {
	containers_of shop-migrate
}
