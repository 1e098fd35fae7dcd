"""dbmigrate's cases: whatever is cut off, the database is exactly the old one or exactly the new one.

What it has to become is found out without dbmigrate: by the same SQL in one transaction, by plain Alembic, by the same
program on a database that nobody else has.
"""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess

import oracle
from cases import SOURCE, Case, file_bytes, make_database

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BOT = os.path.join(REPOSITORY, "tests/sample_bot")
BACKUPS = "data/backups"
# How dbmigrate says, with a failure, that the database is the new one all the same.
SAYS_NEW = re.compile("all the same the migration is in the database now|the migration is done, but")
# How it says that it does not know, and it must not be used.
IS_UNKNOWN = 7

# Loads the shim into what dbmigrate runs, which gets no LD_PRELOAD from it; see Guest in operations.py.
GUEST = """#!/bin/sh
if [ "$FAULT_GUEST_SHIM" ]; then
	exec 9>"$FAULT_GUEST_ALIVE"
	export FAULT_STOP="$FAULT_GUEST_STOP" LD_PRELOAD="$FAULT_GUEST_SHIM"
fi
PYTHONHASHSEED=0 exec "$@"
"""

VERSIONS_TABLE = 'CREATE TABLE IF NOT EXISTS "schema_migrations" (version varchar(128) primary key)'

SQL = {
    "20260101000000_price.sql": """
        ALTER TABLE orders ADD COLUMN price_cents INTEGER NOT NULL DEFAULT 0;
        UPDATE orders SET price_cents = id * 100;
        CREATE TABLE payments (id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders (id), cents INTEGER);
        INSERT INTO payments (order_id, cents) SELECT id, price_cents FROM orders WHERE id % 3 = 0;""",
    "20260202000000_state_is_needed.sql": """
        CREATE TABLE new_orders (id INTEGER PRIMARY KEY, problem TEXT, state TEXT NOT NULL, price_cents INTEGER);
        INSERT INTO new_orders SELECT id, problem, coalesce(state, 'new'), price_cents FROM orders;
        DROP TABLE orders;
        ALTER TABLE new_orders RENAME TO orders;
        CREATE INDEX orders_by_state ON orders (state, problem);""",
}

# Each statement is a transaction of its own.
SQL_ALONE = SQL | {"20260303000000_alone.sql": """
        CREATE TABLE parts (id INTEGER PRIMARY KEY, name TEXT);
        INSERT INTO parts (name) SELECT problem FROM orders;
        VACUUM;
        UPDATE orders SET state = 'seen';"""}
ALONE = "20260303000000_alone.sql"

# As a bot's author writes it: every statement commits.
SCRIPT = """
import sqlite3
database = sqlite3.connect("data/bot.db", isolation_level=None)
if database.execute("PRAGMA user_version").fetchone() != (777,):
    database.execute("ALTER TABLE orders ADD COLUMN price_cents INTEGER")
    database.execute("UPDATE orders SET price_cents = id * 100")
    database.execute("CREATE TABLE payments (id INTEGER PRIMARY KEY, order_id INTEGER, cents INTEGER)")
    for number, cents in database.execute("SELECT id, price_cents FROM orders WHERE id % 20 = 0").fetchall():
        database.execute("INSERT INTO payments (order_id, cents) VALUES (?, ?)", (number, cents))
    database.execute("DROP INDEX orders_by_state")
    database.execute("PRAGMA user_version = 777")
database.close()
"""


def write(path, text, mode=0o600):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def as_of_a_crash(path, change):
    """Changes a database in WAL mode, and leaves it as a crash does: the change is in the -wal only."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA wal_autocheckpoint = 0")
        database.execute(change)
        kept = {path + suffix: file_bytes(path + suffix) for suffix in ("", "-wal")}
    for file, content in kept.items():  # as they were before the close
        with open(file, "wb") as out:
            out.write(content)


class Migrate(Case):
    """dbmigrate up."""

    family = "migrate"

    def __init__(self, name, mode, options=(), program=()):
        super().__init__(name, options)
        self.mode, self.program = mode, list(program)

    def command(self):
        return [os.path.join(self.tools, "dbmigrate"), *self.options, "up", SOURCE,
                *(["--", *self.program] if self.program else [])]

    def prepare(self):
        os.mkdir(self.path("data"), 0o700)
        self.prepare_project()
        make_database(self.path(SOURCE), self.mode, "old")

    def prepare_project(self):
        """The files of the migration."""

    def migrate_plainly(self):
        """Migrates the database in the folder without dbmigrate."""
        raise NotImplementedError

    def settle(self):
        self.old = self.contents.of_database(self.before, SOURCE)
        self.migrate_plainly()
        self.new = self.contents.of_database(oracle.read_state(self.root), SOURCE)
        self.restore()
        if None in (self.old, self.new) or self.old == self.new:
            raise SystemExit(f"{self.name}: the databases are not what they should be")

    def check(self, state, status, message=""):
        found = self.contents.of_database(state, SOURCE) if SOURCE in state else None
        if found not in (self.old, self.new):
            yield f"{SOURCE} is " + ("between the old and the new one" if found else "no whole database")
        if status == 0 and found != self.new:
            yield "it said 0, and the database is not the new one"
        if status in (1, 3, 5) and found != self.old and not SAYS_NEW.search(message):
            yield f"it said {status}, and the database is not the old one"
        if status in (1, 3, 5) and found == self.old and SAYS_NEW.search(message):
            yield f"it said {status} and that the database is the new one, and it is the old one"
        if status not in (None, 0, 1, 3, 5, IS_UNKNOWN):
            yield f"it said {status}"
        yield from self.check_backups(state, is_needed=found != self.old)
        for path, content in state.items():
            if oracle.STATE_FILE.search("/" + path) and not is_json(content):
                yield f"{path} is not whole"
        for path, content in self.before.items():
            if not path.startswith("data/") and state.get(path) != content:
                yield f"{path} is not as it was"

    def check_backups(self, state, is_needed):
        names = [name for name in oracle.databases_in(state, BACKUPS) if not name.endswith(".migrate.log")]
        for name in names:
            yield from oracle.published(state, BACKUPS, name, self.contents)
        if is_needed and not any(self.contents.of_file(name, state[f"{BACKUPS}/{name}"]) == self.old
                                 for name in names):
            yield "there is no backup with the content of the old database"

    def check_healed(self, state, result):
        if result.status != 0:
            yield f"a second run has the status {result.status}: {result.message.strip()}"
        yield from self.check(state, result.status, result.message)
        yield from oracle.leftovers(state)


def is_json(content):
    try:
        return bool(json.loads(content))
    except ValueError:
        return False


class Sql(Migrate):
    """The sql engine: in one transaction, or (with one that says transaction:false) through a copy."""

    kill_points = 50
    random_states = (6, 300)

    def __init__(self, name, mode, files):
        super().__init__(name, mode, ["--migrations=db/migrations"])
        self.files = files

    def prepare_project(self):
        os.makedirs(self.path("db/migrations"), 0o700)
        for name, text in self.files.items():
            write(self.path("db/migrations/" + name),
                  f"-- migrate:up{' transaction:false' if name == ALONE else ''}\n{text}\n-- migrate:down\n")

    def migrate_plainly(self):
        with contextlib.closing(sqlite3.connect(self.path(SOURCE), isolation_level=None)) as database:
            database.execute(VERSIONS_TABLE)
            for name, text in sorted(self.files.items()):
                database.executescript(text)
                database.execute("INSERT INTO schema_migrations VALUES (?)", (name.split("_")[0],))


class SqlThroughCopy(Sql):
    """A copy is many points."""

    kill_points = 50
    random_states = (0, 60)
    healed = 60, 100


class Guest(Migrate):
    """Those that run a program."""

    kill_points = 25
    other_points = 10, None
    random_states = (0, 60)
    healed = 60, 100

    def prepare_project(self):
        write(self.path("guest"), GUEST, 0o700)

    def plainly(self, *command):
        subprocess.run(command, cwd=self.root, check=True, capture_output=True)


class Alembic(Guest):
    """The sample bot's project, from its first revision to its last, with the wrapper in place of the executable.

    It takes a second and more to start, and a run starts it twice.
    """

    kill_points = 5
    other_points = 2, 150
    healed = 800, 1500

    def __init__(self, name, mode):
        super().__init__(name, mode, ["--alembic-command=./alembic"])

    def prepare(self):
        os.mkdir(self.path("data"), 0o700)
        self.prepare_project()
        self.plainly(self.path("alembic"), "upgrade", "+1")
        with contextlib.closing(sqlite3.connect(self.path(SOURCE), isolation_level=None)) as database:
            database.execute(f"PRAGMA journal_mode = {self.mode}")
            database.executescript(ROWS)
        if self.mode == "wal":
            as_of_a_crash(self.path(SOURCE), "UPDATE orders SET problem = 'only in the -wal' WHERE id = 1")

    def prepare_project(self):
        super().prepare_project()
        copy_project(self.root)
        write(self.path("alembic"), '#!/bin/sh\nexec ./guest /usr/bin/python3 -B -m alembic "$@"\n', 0o700)

    def migrate_plainly(self):
        self.plainly(self.path("alembic"), "upgrade", "head")


# What is in the sample bot's tables; written so that it holds for each of its revisions.
ROWS = """
    BEGIN;
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 40)
    INSERT INTO clients (id, name, phone) SELECT n, 'client ' || n, '+49 ' || n FROM number;
    INSERT INTO devices (id, client_id, model, serial)
        SELECT id, id, CASE id % 3 WHEN 0 THEN 'Nokia 3310' WHEN 1 THEN 'Kindle 4' ELSE 'other' END, 'serial ' || id
        FROM clients;
    INSERT INTO orders (id, device_id, problem, status, price_cents, accepted_at)
        SELECT id, id, hex(zeroblob(id)), 'accepted', id * 100, '2026-01-01T00:00:00Z' FROM devices;
    INSERT INTO order_events (order_id, at, status) SELECT id, accepted_at, status FROM orders;
    COMMIT;"""


def copy_project(folder):
    shutil.copy(os.path.join(BOT, "alembic.ini"), folder)
    shutil.copytree(os.path.join(BOT, "migrations"), os.path.join(folder, "migrations"),
                    ignore=shutil.ignore_patterns("__pycache__", "failing"))


class Program(Guest):
    """A script of which each statement commits."""

    def __init__(self, name, mode):
        super().__init__(name, mode, program=["./guest", "/usr/bin/python3", "-IS", "migrate.py"])

    def prepare_project(self):
        super().prepare_project()
        write(self.path("migrate.py"), SCRIPT)

    def migrate_plainly(self):
        self.plainly("/usr/bin/python3", "-IS", "migrate.py")


MIGRATIONS = [
    case for mode in ("wal", "delete") for case in (
        Sql(f"migrate-sql-{mode}", mode, SQL),
        SqlThroughCopy(f"migrate-sql-alone-{mode}", mode, SQL_ALONE),
        Alembic(f"migrate-alembic-{mode}", mode),
        Program(f"migrate-command-{mode}", mode),
    )
]
