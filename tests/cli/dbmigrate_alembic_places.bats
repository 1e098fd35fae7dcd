#!/usr/bin/env bats
#
# dbmigrate with Alembic projects wherever they are, and whoever owns them: no change to their configuration.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	require_module alembic
	migrate_setup
	umask 022
}

teardown() {
	migrate_teardown
}

# --- how projects find their database -------------------------------------------------------------

@test "an env.py that computes its URL needs no change" {
	make_alembic 2
	make_small "$database"
	sed -i '/^sqlalchemy.url/d' "$project/alembic.ini"
	env_py <<-'END'
		import pathlib
		from alembic import context
		from sqlalchemy import create_engine
		root = pathlib.Path(__file__).resolve().parents[1]
		with create_engine("sqlite:///" + str(root.joinpath("data", "bot" + ".db"))).connect() as connection:
		    context.configure(connection=connection, render_as_batch=True)
		    with context.begin_transaction():
		        context.run_migrations()
	END
	is_overlay_here || skip 'needs namespaces'
	migrate 0 up "$database"
	answer_has '.sandbox == "overlay"'
	alembic_is_at r2
}

is_overlay_here() { unshare -m true 2>/dev/null || unshare -Urm true 2>/dev/null; }

@test "a URL with sqlite+aiosqlite is one like others" {
	require_module aiosqlite
	make_alembic 2
	make_small "$database"
	sed -i 's/^sqlalchemy.url.*/sqlalchemy.url = sqlite+aiosqlite:\/\/\/data\/bot.db/' "$project/alembic.ini"
	env_py <<-'END'
		import asyncio
		from alembic import context
		from sqlalchemy import pool
		from sqlalchemy.ext.asyncio import create_async_engine
		def run(connection):
		    context.configure(connection=connection, render_as_batch=True)
		    with context.begin_transaction():
		        context.run_migrations()
		async def main():
		    engine = create_async_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
		    async with engine.connect() as connection:
		        await connection.run_sync(run)
		        await connection.commit()
		    await engine.dispose()
		asyncio.run(main())
	END
	migrate 0 up "$database"
	alembic_is_at r2
	migrate 0 down "$database"
	alembic_is_at r1
}

@test "a path with blanks, quotes and umlauts" {
	make_alembic 2
	make_small "$database"
	local odd="$BATS_TEST_TMPDIR/Büro 100 'a,b:c'"
	mv "$project" "$odd"
	project=$odd folder=$odd/data database=$odd/data/bot.db
	migrate 0 up "$database"
	alembic_is_at r2
	refuses_to 3 up "$database" nothing
}

@test "the project's folder is the database's folder, and a neighbour of the database is what it was" {
	make_alembic 2
	database=$project/bot.db folder=$project
	make_small "$database" wal
	echo neighbour >"$project/neighbour.txt"
	sed -i 's/data.bot.db/bot.db/' "$project/alembic.ini"
	revision r3 r2 'assert open("neighbour.txt").read() == "neighbour\n"'
	cd "$project"
	migrate 0 up bot.db
	alembic_is_at r3
	is_same neighbour "$(cat neighbour.txt)"
}

@test "a database that is reached through a symbolic link, by the user or by the project" {
	make_alembic 3
	mkdir "$BATS_TEST_TMPDIR/volume"
	make_small "$BATS_TEST_TMPDIR/volume/real.db"
	ln -s ../../volume/real.db "$database"
	cd "$project"
	migrate 0 up "$database" +1
	alembic_is_at r1
	rm -r "$folder"
	ln -s ../volume "$folder"
	mv "$folder/real.db" "$database"
	migrate 0 up "$database" +1
	[ -L "$folder" ] && [ -f "$database" ] && [ ! -L "$database" ]
	migrate 0 up "$BATS_TEST_TMPDIR/volume/bot.db"
	alembic_is_at r3
}

@test "a read-only project" {
	require_root
	make_alembic 2
	mkdir "$BATS_TEST_TMPDIR/volume"
	make_small "$BATS_TEST_TMPDIR/volume/bot.db"
	rmdir "$folder"
	ln -s ../volume "$folder"
	mount_for_test --bind "$project" "$project"
	mount -o remount,bind,ro "$project"
	cd "$project"
	migrate 0 up "$database"
	alembic_is_at r2
}

# --- the machine ----------------------------------------------------------------------------------

@test "no room for the copy is said before anything is run" {
	require_root
	unshare -m true 2>/dev/null || skip 'needs a mount namespace of its own'
	mount_for_test -t tmpfs -o size=1m tmpfs "$project"
	mkdir -p "$folder"
	make_alembic 1
	make_small "$database"
	sql "CREATE TABLE large AS SELECT zeroblob(600000) AS x"
	revision r2 r1 "open('$BATS_TEST_TMPDIR/ran', 'w')"
	mkdir "$BATS_TEST_TMPDIR/tmp"
	as=(unshare --mount --propagation private -- /bin/sh -c
		'mount -t tmpfs -o size=64k tmpfs "$TMPDIR" && mount -t tmpfs -o size=64k tmpfs /var/tmp && exec "$@"' sh)
	TMPDIR=$BATS_TEST_TMPDIR/tmp refuses_to 3 up --no-backup "$database"
	error_says 'room|space'
	[ ! -e "$BATS_TEST_TMPDIR/ran" ]
}

@test "Alembic runs as the owner of the database, and what he owns stays his" {
	require_root
	open_to_everybody
	make_alembic 1
	make_small "$database" wal
	revision r2 r1 'op.execute(f"CREATE TABLE who AS SELECT {os.getuid()} AS uid, {os.getgid()} AS gid, {len(os.getgroups())} AS n")'
	chown -R 65534:65534 "$project"
	local before
	before=$(identity)
	migrate 0 up "$database"
	is_same '65534|65534' "$(sqlite3 "$database" 'SELECT uid, gid FROM who')"
	is_same "$before" "$(identity)"
}

@test "a normal user migrates his own database in a user namespace" {
	require_root
	"${nobody[@]}" unshare -Urm true 2>/dev/null || skip 'needs user namespaces'
	open_to_everybody
	make_alembic 2
	make_small "$database"
	chown -R 65534:65534 "$project"
	dbmigrate=$(copy_for_everybody "$dbmigrate")
	as=("${nobody[@]}")
	migrate 0 up "$database"
	answer_has '.sandbox == "overlay" or .sandbox == "url"'
	is_same r2 "$(sqlite3 "$database" 'SELECT version_num FROM alembic_version')"
	revision r3 r2 $'op.execute("CREATE TABLE half (x)")\nraise RuntimeError("no")'
	refuses_to 3 up "$database"
}

@test "other databases of the folder are what they were, whatever the migration does to them" {
	is_overlay_here || skip 'needs namespaces'
	make_alembic 1
	make_small "$database"
	make_small "$folder/other.db" wal
	revision r2 r1 $'other = sqlite3.connect("data/other.db")\nother.execute("DELETE FROM orders")\nother.commit()'
	bystander=$(bytes_of "$folder/other.db")
	run --separate-stderr dbmigrate --json up "$database"
	[[ $status == 0 || $status == 3 ]]
	is_same "$bystander" "$(bytes_of "$folder/other.db")"
}
