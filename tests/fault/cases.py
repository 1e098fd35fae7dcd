"""The operations that change something, each with what must be true whenever it is cut off.

A case makes a folder (prepare), has a command that works in it, and says what is wrong with a state of the folder that
an interrupted command has left (check), and with one that an undisturbed second run has left (check_healed).
"""

import contextlib
import os
import re
import shutil
import sqlite3

import oracle
from operations import run

SOURCE = "data/bot.db"
# How dbrestore says, with a failure, that the database is the new one all the same.
SAYS_NEW = re.compile("has the content of the backup now|the new database is in place")
ROWS = {"old": (1, 60), "new": (20, 90)}


def fill(database, what):
    """A database of some ten pages; `what` is "old" or "new"."""
    first, last = ROWS[what]
    database.executescript(f"""
        BEGIN;
        PRAGMA user_version = {last};
        CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, problem TEXT, state TEXT);
        CREATE TABLE IF NOT EXISTS {what}_notes (id INTEGER PRIMARY KEY, note BLOB);
        CREATE INDEX IF NOT EXISTS orders_by_state ON orders (state, problem);
        DELETE FROM orders;
        WITH RECURSIVE number(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM number WHERE n < {last})
        INSERT INTO orders SELECT n, '{what} problem ' || hex(zeroblob(n)), '{what}' FROM number;
        INSERT INTO {what}_notes VALUES (1, zeroblob(9000)), (2, CAST('{what}' AS BLOB));
        COMMIT;""")


def make_database(path, mode, what, crashed=True):
    """In WAL mode, with a part in the -wal only as a crash leaves it, or (crashed=False) all in the main file."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"PRAGMA journal_mode = {mode}")
        fill(database, what)
        if mode != "wal" or not crashed:
            return
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA wal_autocheckpoint = 0")
        database.execute("UPDATE orders SET state = 'late' WHERE id % 7 = 0")
        database.execute("INSERT INTO orders (problem) VALUES ('only in the -wal')")
        kept = {path + suffix: file_bytes(path + suffix) for suffix in ("", "-wal")}
    for file, content in kept.items():  # as they were before the close
        with open(file, "wb") as out:
            out.write(content)


def file_bytes(path):
    with open(path, "rb") as file:
        return file.read()


class Case:
    """What the folder was is in `before` (and `modes`), once make() has made it.

    check(state, status, message) yields what is wrong; the status is None when it was killed.
    """

    family = ""
    random_states = (6, 100)  # of a power loss after an operation; in the long form
    cuts_apart = (2, 1)  # after one of how many operations the power is lost; in the long form
    # How many points are tried in the modes that are tried at each one (None: all; always all in the long form), and in
    # the other modes (what --others says; in the long form; None: all). One in how many states of power losses is healed.
    kill_points = None
    other_points = -1, None
    healed = 30, 100
    good_status = 0  # of a run that nothing disturbs

    def __init__(self, name, options=()):
        self.name = name
        self.options = list(options)

    def make(self, tools, root, log, contents):
        self.tools, self.root, self.log, self.contents = tools, root, log, contents
        oracle.write_state(root, {})
        self.prepare()
        self.before = oracle.read_state(root)
        self.modes = {path: os.stat(os.path.join(root, path)).st_mode & 0o7777 for path in self.before}
        self.settle()

    def restore(self, state=None):
        oracle.write_state(self.root, self.before if state is None else state, self.modes)

    def path(self, name):
        return os.path.join(self.root, name)

    def run(self, **how):
        return run(self.command(), root=self.root, log=self.log, **how)

    def must(self, command):
        """For prepare(): a command that has to succeed."""
        result = run(command, root=self.root, log=self.log)
        if result.status != 0:
            raise SystemExit(f"{self.name}: {' '.join(command)}: {result.status}: {result.message}")

    def settle(self):
        """After prepare(): what the checks compare with."""


class Backup(Case):
    """dbbackup: a name in the folder is a whole backup, and the source is as it was."""

    family = "backup"
    random_states = (24, 900)
    cuts_apart = (1, 1)

    def __init__(self, name, mode, options=(), keep=None, leftovers=False, file=None, new_folder=False):
        super().__init__(name, options)
        self.mode, self.keep, self.leftovers, self.file, self.new_folder = mode, keep, leftovers, file, new_folder

    def backup(self, *options):
        return [os.path.join(self.tools, "dbbackup"), *options, self.path(SOURCE), self.path("out/")]

    def command(self):
        if self.file:
            return [os.path.join(self.tools, "dbbackup"), *self.options, self.path(SOURCE), self.path(self.file)]
        return self.backup(*self.options)

    def prepare(self):
        os.mkdir(self.path("data"), 0o700)
        if not self.new_folder:
            os.mkdir(self.path("out"), 0o700)
        if self.keep:
            make_database(self.path(SOURCE), "delete", "old")
            for _ in range(self.keep):
                self.must(self.backup())
            for name in os.listdir(self.path("data")):
                os.unlink(self.path("data/" + name))
        make_database(self.path(SOURCE), self.mode, "new")
        if self.leftovers:
            self.leave()

    def leave(self):
        """What two killed runs leave: one in the middle of its copy, one that has just named its sidecars."""
        self.must(self.backup())
        for name in oracle.databases_in(oracle.read_state(self.root), "out"):
            os.unlink(self.path(f"out/{name}"))
        for number, names in enumerate((("copy", "copy-journal"), ("copy", "manifest", "sum"))):
            folder = self.path(f"out/.dbbackup.{number:016x}")
            os.mkdir(folder, 0o700)
            for name in names:
                shutil.copy(self.path(SOURCE), os.path.join(folder, name))
                os.chmod(os.path.join(folder, name), 0o600)

    def settle(self):
        self.new = self.contents.of_database(self.before, SOURCE)
        self.old = sorted(oracle.databases_in(self.before, "out"))

    def fresh(self, state):
        return sorted(set(oracle.databases_in(state, "out")) - set(self.old))

    def check(self, state, status, _message=""):
        yield from oracle.source_is_untouched(self.before, state, SOURCE)
        fresh = self.fresh(state)
        for name in fresh:
            yield from oracle.published(state, "out", name, self.contents)
            if self.contents.of_file(name, state[f"out/{name}"]) != self.new:
                yield f"out/{name} has not the content of the database"
        if len(fresh) > 1:
            yield f"one run has made {fresh}"
        if status == 0 and not fresh:
            yield "it said 0, and there is no new backup"
        yield from self.check_old(state, bool(fresh))

    def check_old(self, state, is_published):
        """Those that retention is about to remove may have lost their sidecars already, once there is a new one."""
        for index, name in enumerate(self.old):
            path = f"out/{name}"
            is_going = self.keep and is_published and index < len(self.old) + 1 - self.keep
            if path not in state:
                if not is_going:
                    yield f"{path} is lost"
            elif state[path] != self.before[path]:
                yield f"{path} is not as it was"
            else:
                for suffix in (".json", ".sha256"):
                    if state.get(path + suffix, is_going and self.before[path + suffix]) != self.before[path + suffix]:
                        yield f"{path}{suffix} is not as it was"

    def check_healed(self, state, result):
        refused = self.file and self.file in state and result.status in (1, 3)
        if result.status != 0 and not refused:
            yield f"a second run has the status {result.status}: {result.message.strip()}"
        yield from oracle.source_is_untouched(self.before, state, SOURCE)
        yield from oracle.leftovers(state)
        names = sorted(oracle.databases_in(state, "out"))
        for name in names:
            yield from oracle.published(state, "out", name, self.contents)
        if not names or self.contents.of_file(names[-1], state[f"out/{names[-1]}"]) != self.new:
            yield "the newest backup has not the content of the database"
        if self.keep and len(names) != self.keep:
            yield f"{len(names)} backups are kept"


class Damaged(Backup):
    """dbbackup of a database that is damaged: there is never a backup of it."""

    good_status = 1

    def prepare(self):
        super().prepare()
        path = self.path(SOURCE)
        content = bytearray(file_bytes(path))
        content[-4096 * 2:-4096 * 2 + 8] = b"damaged!"  # the start of a page
        with open(path, "wb") as file:
            file.write(content)

    def check(self, state, status, _message=""):
        yield from oracle.source_is_untouched(self.before, state, SOURCE)
        for name in self.fresh(state):
            yield f"out/{name} is a backup of a damaged database"
        if status == 0:
            yield "it said 0"

    def check_healed(self, state, result):
        if result.status != self.good_status:
            yield f"a second run has the status {result.status}: {result.message.strip()}"
        yield from self.check(state, result.status)
        yield from oracle.leftovers(state)


class Restore(Case):
    """dbrestore: the database is exactly the old or exactly the new one, and the old one can be found."""

    kill_points = 50

    def __init__(self, name, mode, options=(), broken=None, crashed=True, backup_options=()):
        super().__init__(name, options)
        self.mode, self.broken, self.crashed, self.backup_options = mode, broken, crashed, backup_options
        self.family = "restore by rename" if broken else "restore by transaction"
        if broken:  # there is only one moment when much is pending
            self.random_states, self.cuts_apart = (60, 3500), (1, 1)

    def command(self):
        return [os.path.join(self.tools, "dbrestore"), *self.options, self.path(self.backup), self.path(SOURCE)]

    def prepare(self):
        os.mkdir(self.path("data"), 0o700)
        os.mkdir(self.path("backups"), 0o700)
        make_database(self.path(SOURCE), "delete", "new")
        self.must([os.path.join(self.tools, "dbbackup"), *self.backup_options, self.path(SOURCE),
                   self.path("backups")])
        self.backup, = (f"backups/{name}" for name in os.listdir(self.path("backups"))
                        if not name.endswith((".json", ".sha256")))
        os.unlink(self.path(SOURCE))
        if self.broken:
            self.prepare_broken()
        else:
            make_database(self.path(SOURCE), self.mode, "old", self.crashed)

    def prepare_broken(self):
        """Sidecars that would be replayed: valid frames, or a hot journal, of the database that the backup is of."""
        path = self.path(SOURCE)
        with open(self.path(self.backup), "rb") as file:
            content = file.read()
        with open(path, "wb") as file:
            file.write(content)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute(f"PRAGMA journal_mode = {self.mode}")
            if self.mode == "wal":
                database.execute("UPDATE orders SET state = 'stale'")
                sidecar = path + "-wal"
            else:
                database.execute("PRAGMA cache_size = 1")
                database.execute("BEGIN")
                database.execute("UPDATE orders SET problem = 'stale'")
                sidecar = path + "-journal"
            stale = file_bytes(sidecar)
        if self.broken != "damaged":  # which SQLite looks at, and would mend with its journal
            with open(sidecar, "wb") as file:
                file.write(stale)
        os.unlink(path)
        if self.broken != "missing":
            with open(path, "wb") as file:
                file.write({"zeroed": bytes(20480), "garbage": b"This is no database.\n" * 100,
                            "damaged": content[:100] + bytes(4000) + content[4100:]}[self.broken])

    def settle(self):
        self.new = self.contents.of_file(self.backup, self.before[self.backup])
        self.old = None if self.broken else self.contents.of_database(self.before, SOURCE)
        self.old_bytes = self.before.get(SOURCE)
        if self.new is None or self.new == self.old:
            raise SystemExit(f"{self.name}: the backup is not what it should be")

    def is_new(self, state):
        return SOURCE in state and self.contents.of_database(state, SOURCE) == self.new

    def is_old(self, state):
        if self.broken:
            return state.get(SOURCE) == self.old_bytes
        return SOURCE in state and self.contents.of_database(state, SOURCE) == self.old

    def check(self, state, status, message=""):
        new, old = self.is_new(state), self.is_old(state)
        if not new and not old:
            yield f"{SOURCE} is neither the old nor the new one"
        if status == 0 and not new:
            yield "it said 0, and the database is not the new one"
        if status in (1, 3, 5, 6) and not old and not SAYS_NEW.search(message):
            yield f"it said {status}, and the database is not the old one"
        if not old or new:
            yield from self.old_is_found(state)
        if self.broken:
            yield from self.no_stale_sidecar(state)
        for name in oracle.databases_in(state, "data/.dblocktools"):
            yield from oracle.published(state, "data/.dblocktools", name, self.contents)
        for path, content in self.before.items():
            if path.startswith("backups/") and state.get(path) != content:
                yield f"{path} is not as it was"

    def no_stale_sidecar(self, state):
        """The new main file has none of the old sidecars beside it, whether SQLite would replay it or not."""
        main = state.get(SOURCE)
        if main is None or main == self.old_bytes:
            return
        for suffix in oracle.SIDECARS:
            if state.get(SOURCE + suffix) and state[SOURCE + suffix] == self.before.get(SOURCE + suffix):
                yield f"the new database has the old {suffix} beside it"

    def old_is_found(self, state):
        files = {path: content for path, content in state.items()
                 if path.startswith("data/") and isinstance(content, bytes) and path != SOURCE
                 and not oracle.WORK_FOLDER.search(path)}
        if self.broken:
            for suffix in ("",) + oracle.SIDECARS:
                content = self.before.get(SOURCE + suffix)
                if content is not None and content not in files.values():
                    yield f"the old {SOURCE}{suffix} is lost"
        elif not any(self.contents.of_file(path, content) == self.old for path, content in files.items()
                     if path.endswith((".db", ".db.zst"))):
            yield "there is no safety copy with the content of the old database"

    def check_healed(self, state, result):
        if result.status != 0:
            yield f"a second run has the status {result.status}: {result.message.strip()}"
        yield from self.check(state, result.status, result.message)
        yield from oracle.leftovers(state)


CASES = [
    Backup("backup-wal", "wal"),
    Backup("backup-delete", "delete"),
    Backup("backup-file", "wal", file="out/copy.db"),
    Backup("backup-keep-last", "delete", ["--keep-last=3"], keep=3),
    Backup("backup-leftovers", "wal", leftovers=True),
    Backup("backup-compress", "delete", ["--compress"]),
    Damaged("backup-damaged", "delete"),
    Backup("backup-new-folder", "delete", new_folder=True),
    Backup("backup-api", "wal", ["--api"]),
    Backup("backup-api-delete", "delete", ["--api"]),
    Restore("transaction-wal", "wal"),
    Restore("transaction-wal-closed", "wal", crashed=False),
    Restore("transaction-delete", "delete"),
    Restore("transaction-compressed", "wal", crashed=False, backup_options=["--compress"]),
    Restore("rename-missing-wal", "wal", broken="missing"),
    Restore("rename-missing-journal", "delete", broken="missing"),
    Restore("rename-zeroed-wal", "wal", broken="zeroed"),
    Restore("rename-garbage-journal", "delete", broken="garbage"),
    Restore("rename-damaged", "delete", broken="damaged"),
]
