# shellcheck shell=bash
# The real dbmate, for tests that compare with it. Needs clients.bash and migrate.bash.
#
#	require_dbmate		find it, or fetch it with npm once for this build tree, or skip the test and say why
#	dbmate ARGUMENT...	run it on $database and the SQL files in $migrations

# Beside the helpers of this build tree, so that "make clean" is rid of it.
dbmate_cache=${helpers%/tests/helpers}/dbmate

require_dbmate() {
	dbmate=$(type -P dbmate) && return
	dbmate=$(find_dbmate) && return
	require_command npm
	# One that has failed is not tried again by each test.
	[[ -e $BATS_FILE_TMPDIR/npm ]] || fetch_dbmate || true
	dbmate=$(find_dbmate) ||
		skip "npm cannot fetch dbmate: $(grep -m 1 error "$BATS_FILE_TMPDIR/npm" || echo 'it took too long')"
}

# The package is a script that starts the binary of another package, one for each platform.
find_dbmate() {
	find "$dbmate_cache/node_modules/@dbmate" -path '*/bin/dbmate' -type f -perm -u+x -print -quit 2>/dev/null | grep .
}

# Files that run at once wait for the first one.
fetch_dbmate() {
	mkdir -p "$dbmate_cache"
	flock "$dbmate_cache" bash -c '
		[[ ! -d $1/node_modules/@dbmate ]] || exit 0
		timeout 60 npm install --prefix "$1" --no-audit --no-fund --fetch-retries=0 dbmate@2
	' - "$dbmate_cache" >"$BATS_FILE_TMPDIR/npm" 2>&1 </dev/null 3>&- 4>&-
}

dbmate() {
	timeout 30 "$dbmate" --url "sqlite:$database" -d "$migrations" --no-dump-schema "$@" 3>&- 4>&-
}
