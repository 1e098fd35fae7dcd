"""A bank whose books must always balance, the clerks who write in it without a pause, and its auditor.

What the programs of this folder share. The books are an SQLite database:

    accounts(id, balance)       the sum of all balances never changes
    progress(clerk, low, high)  each clerk numbers his transactions; those up to low he has thrown away
    entries(clerk, number, ..)  exactly one for each number from low + 1 to high of each clerk
    ballast(id, bytes)          makes the file grow and shrink

A clerk is a process. When a transaction is committed he says so in memory that all share, so that
"acknowledged before" and "acknowledged after" are facts.
"""

import argparse
import contextlib
import ctypes
import hashlib
import json
import mmap
import os
import random
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

ACCOUNTS = 64
BALANCE = 1000
CLERKS = 4
PATIENCE = 60

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class Bad(Exception):
    """What must never be has been seen."""


def arguments(about, rounds, also=()):
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, metavar="BUILD", help="the folder of dbbackup and dbrestore")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"how many ({rounds})")
    parser.add_argument("--seed", type=int, default=1, help="of what is left to chance (1)")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where to work: the file system to test")
    parser.add_argument("--large", action="store_true", help="files up to 50 MB")
    for name, text, *rest in also:
        parser.add_argument(name, help=text, **(rest[0] if rest else {"action": "store_true"}))
    return parser.parse_args()


def command_line():
    return " ".join([sys.argv[0], *sys.argv[1:]])


@contextlib.contextmanager
def work_folder(options):
    """A folder to work in; what a failure needs to be understood stays."""
    path = tempfile.mkdtemp(prefix="stress.", dir=options.folder)
    try:
        yield path
    except Bad as bad:
        print(f"BAD: {bad}\nseed {options.seed}, files left in {path}; again: {command_line()}", file=sys.stderr)
        sys.exit(1)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    shutil.rmtree(path, ignore_errors=True)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


# --- the books ------------------------------------------------------------------------------------

class Kind:
    """What sort of database it is."""

    def __init__(self, chance, large):
        self.mode = chance.choice(("wal", "wal", "delete", "truncate", "persist"))
        self.page_size = chance.choice((512, 1024, 2048, 4096, 4096, 8192, 16384, 32768, 65536))
        self.auto_vacuum = chance.choice((0, 0, 1, 2))
        if large:
            self.size = int(100_000 * 500 ** (chance.random() ** 2))
        else:
            self.size = chance.choice((100_000, 200_000, 400_000, 1_000_000))

    def __str__(self):
        return f"{self.mode}, pages of {self.page_size}, auto_vacuum {self.auto_vacuum}, {self.size} bytes"


def connect(path, wait=PATIENCE):
    return sqlite3.connect(path, timeout=wait, isolation_level=None)


def open_books(path, kind):
    """Makes the database."""
    books = connect(path)
    books.execute(f"PRAGMA page_size = {kind.page_size}")
    books.execute(f"PRAGMA auto_vacuum = {kind.auto_vacuum}")
    books.execute("PRAGMA synchronous = OFF")
    books.execute(f"PRAGMA journal_mode = {kind.mode}")
    books.executescript(f"""
        BEGIN;
        CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
        CREATE TABLE progress (clerk INTEGER PRIMARY KEY, low INTEGER NOT NULL, high INTEGER NOT NULL);
        CREATE TABLE entries (clerk INTEGER, number INTEGER, text TEXT, PRIMARY KEY (clerk, number));
        CREATE INDEX texts ON entries (text);
        CREATE TABLE ballast (id INTEGER PRIMARY KEY, bytes BLOB);
        CREATE TABLE generation (name TEXT);
        INSERT INTO generation VALUES ('first');
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ACCOUNTS})
        INSERT INTO accounts SELECT i, {BALANCE} FROM n;
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {CLERKS} - 1)
        INSERT INTO progress SELECT i, 0, 0 FROM n;
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i * 5000 < {kind.size})
        INSERT INTO ballast SELECT i, randomblob(5000) FROM n;
        COMMIT""")
    books.close()


def audit(path, full=True):
    """The books balance; returns {clerk: (low, high)} and the generation. The file is not changed."""
    check_header(path)
    books = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    try:
        return audit_connection(books, full)
    except sqlite3.DatabaseError as error:
        raise Bad(f"{path}: {error}") from error
    finally:
        books.close()


def check_header(path):
    """A backup is for itself: no WAL, no sidecar."""
    with open(path, "rb") as file:
        header = file.read(100)
    if header[:16] != b"SQLite format 3\0" or header[18:20] != b"\1\1":
        raise Bad(f"{path}: the header is {header[:20].hex()}")
    for suffix in ("-wal", "-shm", "-journal"):
        if os.path.lexists(path + suffix):
            raise Bad(f"{path}{suffix} is there")


def audit_connection(books, full=True):
    said = books.execute("PRAGMA integrity_check" if full else "PRAGMA quick_check").fetchall()
    if said != [("ok",)]:
        raise Bad(f"integrity: {said[:3]}")
    total = books.execute("SELECT sum(balance), count(*) FROM accounts").fetchone()
    if total != (ACCOUNTS * BALANCE, ACCOUNTS):
        raise Bad(f"the books do not balance: {total}")
    progress = {}
    for clerk, low, high in books.execute("SELECT * FROM progress").fetchall():
        there = books.execute("SELECT count(*), min(number), max(number) FROM entries WHERE clerk = ?",
                              (clerk,)).fetchone()
        if there != ((high - low, low + 1, high) if high > low else (0, None, None)):
            raise Bad(f"clerk {clerk}: entries {there}, but his progress is {low} to {high}")
        progress[clerk] = (low, high)
    if len(progress) != CLERKS:
        raise Bad(f"{len(progress)} clerks")
    return progress, books.execute("SELECT name FROM generation").fetchone()[0]


def content(path):
    """What is in it, as text; with the sidecars that are beside it, which stay as they are."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as folder:
        for suffix in ("", "-wal", "-journal"):
            if os.path.exists(path + suffix):
                shutil.copyfile(path + suffix, os.path.join(folder, "db") + suffix)
        books = connect(os.path.join(folder, "db"))
        try:
            return hashlib.sha256("\n".join(books.iterdump()).encode()).hexdigest()
        finally:
            books.close()


# --- the clerks -----------------------------------------------------------------------------------

class Office:
    """The clerks of a database, at work from start to stop."""

    def __init__(self, path, kind, seed):
        self.path, self.kind, self.seed = path, kind, seed
        self.shared = mmap.mmap(-1, 4096)
        self.pids = {}

    # In the shared memory: a number for each clerk, two flags, and from 16 on another number for each.
    def _slot(self, index, value=None):
        if value is not None:
            self.shared[8 * index:8 * index + 8] = value.to_bytes(8, "little")
        return int.from_bytes(self.shared[8 * index:8 * index + 8], "little")

    def acknowledged(self):
        return {clerk: self._slot(clerk) for clerk in range(CLERKS)}

    def returns(self, clerk, more=0):
        """How often the clerk has found books of an earlier day, and gone on from there."""
        if more:
            self._slot(16 + clerk, self._slot(16 + clerk) + more)
        return self._slot(16 + clerk)

    def acknowledge(self, clerk, number, returned):
        self.returns(clerk, returned)
        self._slot(clerk, number)

    def damaged(self):
        return self._slot(CLERKS + 1) != 0

    def start(self):
        self._slot(CLERKS, 0)
        for clerk in range(CLERKS):
            self.start_clerk(clerk)

    def start_clerk(self, clerk):
        # A seed that is not the same again after a clerk was killed.
        self.seed += 1
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            die_with_parent()
            try:
                Clerk(self, clerk, random.Random(self.seed)).work()
                os._exit(0)
            except sqlite3.DatabaseError as error:
                print(f"clerk {clerk}: {error}", file=sys.stderr)
                if "malformed" in str(error) or "not a database" in str(error):
                    self._slot(CLERKS + 1, 1)
                os._exit(1)
            except BaseException as error:  # pylint: disable=broad-except
                print(f"clerk {clerk}: {error!r}", file=sys.stderr)
                os._exit(1)
        self.pids[clerk] = pid

    def kill_clerk(self, clerk):
        os.kill(self.pids[clerk], signal.SIGKILL)
        os.waitpid(self.pids.pop(clerk), 0)

    def stop(self):
        """Returns whether all clerks have ended well."""
        self._slot(CLERKS, 1)
        return all([os.waitpid(self.pids.pop(clerk), 0)[1] == 0 for clerk in list(self.pids)])

    def kill(self):
        for clerk in list(self.pids):
            self.kill_clerk(clerk)

    def stopping(self):
        return self._slot(CLERKS) != 0

    def until_progress(self):
        """Waits until each clerk has committed once more."""
        before, deadline = self.acknowledged(), time.monotonic() + PATIENCE
        while any(now <= before[clerk] for clerk, now in self.acknowledged().items()):
            if time.monotonic() > deadline or self.damaged():
                raise Bad("the clerks cannot go on")
            select.select((), (), (), 0.001)


class Clerk:
    def __init__(self, office, number, chance):
        self.office, self.number, self.chance = office, number, chance
        self.books = connect(office.path)
        self.books.execute("PRAGMA synchronous = OFF")
        self.books.execute(f"PRAGMA wal_autocheckpoint = {chance.choice((0, 20, 1000))}")
        if office.kind.mode != "wal":
            self.books.execute(f"PRAGMA journal_mode = {office.kind.mode}")

    def work(self):
        """Also numbers on from what is there when the books have been put back to an earlier state."""
        while not self.office.stopping():
            try:
                self.transfer()
                self.now_and_then()
                self.take_breath()
            except sqlite3.OperationalError as error:
                if not any(word in str(error) for word in ("locked", "busy", "schema has changed", "interrupted")):
                    raise
                if self.books.in_transaction:
                    self.books.execute("ROLLBACK")

    def take_breath(self):
        """SQLite's locks are not fair: without this the others would hardly ever get one."""
        longest = 0.001 if self.office.kind.mode == "wal" else 0.004
        select.select((), (), (), self.chance.uniform(0, longest))

    def transfer(self):
        chance, books = self.chance, self.books
        number = self.office.acknowledged()[self.number] + 1
        books.execute("BEGIN IMMEDIATE")
        low, high = books.execute("SELECT low, high FROM progress WHERE clerk = ?", (self.number,)).fetchone()
        returned = high < number - 1
        if high > number - 1:
            number = high + 1  # committed by a clerk of this number who was killed before he said so
        elif returned:
            # The books are those of an earlier day. His numbers go on, so that none is used twice.
            books.execute("DELETE FROM entries WHERE clerk = ?", (self.number,))
            low = number - 1
        amount = chance.randint(1, 50)
        books.execute("UPDATE accounts SET balance = balance - ? WHERE id = ?", (amount, chance.randint(1, ACCOUNTS)))
        if chance.random() < 0.3:
            self.grow_or_shrink()
        books.execute("UPDATE accounts SET balance = balance + ? WHERE id = ?", (amount, chance.randint(1, ACCOUNTS)))
        books.execute("INSERT INTO entries VALUES (?, ?, ?)", (self.number, number, "x" * chance.randint(0, 300)))
        if number - low > 200:
            books.execute("DELETE FROM entries WHERE clerk = ? AND number <= ?", (self.number, number - 100))
            low = number - 100
        books.execute("UPDATE progress SET low = ?, high = ? WHERE clerk = ?", (low, number, self.number))
        if chance.random() < 0.05:
            books.execute("ROLLBACK")
            return
        books.execute("COMMIT")
        self.office.acknowledge(self.number, number, returned)

    def grow_or_shrink(self):
        size, = self.books.execute("SELECT coalesce(sum(length(bytes)), 0) FROM ballast").fetchone()
        if size > self.office.kind.size:
            self.books.execute("DELETE FROM ballast WHERE id % 5 = ?", (self.chance.randrange(5),))
        else:
            for _ in range(self.chance.randint(1, 20)):
                self.books.execute("INSERT INTO ballast (bytes) VALUES (randomblob(?))",
                                   (self.chance.randint(1, 9000),))

    def now_and_then(self):
        dice = self.chance.random()
        if self.office.kind.mode == "wal" and dice < 0.03:
            how = self.chance.choice(("PASSIVE", "FULL", "RESTART", "TRUNCATE"))
            self.books.execute(f"PRAGMA wal_checkpoint({how})").fetchall()
        elif self.office.kind.auto_vacuum == 2 and dice < 0.06:
            self.books.execute("PRAGMA incremental_vacuum").fetchall()
        elif dice > (0.998 if self.office.kind.size < 2_000_000 else 0.9998):
            self.books.execute("VACUUM")


# --- the tools ------------------------------------------------------------------------------------

def tool(options, name):
    return os.path.join(os.path.abspath(options.bin), name)


def run(command):
    """Runs it to its end: (status, standard output, standard error)."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=4 * PATIENCE)
    return done.returncode, done.stdout, done.stderr.strip()


def back_up(options, *command):
    """A backup that must succeed; returns dbbackup's answer."""
    status, said, complaint = run([tool(options, "dbbackup"), "--json", *command])
    if status != 0:
        raise Bad(f"dbbackup {' '.join(command)}: status {status}: {said} {complaint}")
    return json.loads(said)


def check_set(path):
    """A file with its manifest and its sum, as far as they are there, agree."""
    with open(path, "rb") as file:
        sum_of_file = hashlib.file_digest(file, "sha256").hexdigest()
    if os.path.exists(path + ".json"):
        with open(path + ".json", encoding="utf-8") as file:
            try:
                manifest = json.load(file)
            except ValueError as error:
                raise Bad(f"{path}.json: {error}") from error
        if manifest["sha256"] != sum_of_file or manifest["file_size_bytes"] != os.path.getsize(path):
            raise Bad(f"{path}: is not what its manifest says")
    if os.path.exists(path + ".sha256"):
        with open(path + ".sha256", encoding="utf-8") as file:
            if file.read().split()[:1] != [sum_of_file]:
                raise Bad(f"{path}: is not what its .sha256 says")


def remove_set(path):
    for suffix in ("", ".json", ".sha256"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + suffix)


def private_folders(folder):
    """What a run has for itself and takes away at its end."""
    return [os.path.join(top, name) for top, names, _ in os.walk(folder) for name in names
            if name.startswith((".dbbackup.", ".dbrestore.", ".dblocktools."))]
