"""What is true of a folder: a state is path -> bytes, None for a folder, a str for a symbolic link.

What a database contains is found out by SQLite, in a scratch folder, once for each different set of bytes.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess

SIDECARS = ("-wal", "-journal")
WORK_FOLDER = re.compile(r"(^|/)\.db(backup|restore|migrate)\.[0-9a-f]{16}($|/)")
# What dbmigrate remembers beside the database.
STATE_FILE = re.compile(r"/\.dblocktools/(migrations|rehearsed)-[^/]*\.json$")


def read_state(root, below=""):
    state = {}
    for entry in os.scandir(os.path.join(root, below)):
        path = below + entry.name
        if entry.is_symlink():
            state[path] = os.readlink(entry.path)
        elif entry.is_dir():
            state[path] = None
            state |= read_state(root, path + "/")
        elif entry.is_file():  # no device, which marks what an overlay hides
            with open(entry.path, "rb") as file:
                state[path] = file.read()
    return state


def write_state(root, state, modes=None):
    """Makes the folder anew."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(root)
    os.mkdir(root, 0o700)
    for path, content in state.items():
        full = os.path.join(root, path)
        if content is None:
            os.mkdir(full, 0o700)
        elif isinstance(content, str):
            os.symlink(content, full)
        else:
            with open(full, "wb") as file:
                file.write(content)
            os.chmod(full, (modes or {}).get(path, 0o600))


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Contents:
    """Tells databases apart by what is in them."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.known = {}

    def of(self, main, wal=b"", journal=b""):
        """A checksum of what a bot finds that opens these files; or None, when it is no whole database."""
        key = tuple(map(sha256, (main, wal, journal)))
        if key not in self.known:
            self.known[key] = self._look(main, wal, journal)
        return self.known[key]

    def of_file(self, name, content):
        """The same of a file that may be compressed."""
        if not name.endswith(".zst"):
            return self.of(content)
        key = sha256(content)
        if key not in self.known:
            unpacked = subprocess.run(["zstd", "-dqc"], input=content, capture_output=True, check=False)
            self.known[key] = self.of(unpacked.stdout) if unpacked.returncode == 0 else None
        return self.known[key]

    def of_database(self, state, path):
        return self.of(state[path], *(state.get(path + suffix, b"") for suffix in SIDECARS))

    def _look(self, main, wal, journal):
        write_state(self.scratch, {"db": main} | {"db" + suffix: content for suffix, content
                                                  in zip(SIDECARS, (wal, journal)) if content})
        try:
            with contextlib.closing(sqlite3.connect(os.path.join(self.scratch, "db"))) as database:
                return self._sum(database)
        except sqlite3.DatabaseError:
            return None

    @staticmethod
    def _sum(database):
        if database.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            return None
        found = [database.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id")]
        schema = database.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2").fetchall()
        found += schema
        for kind, name, _ in schema:
            if kind == "table":
                found.append((name, database.execute(f'SELECT rowid, * FROM "{name}" ORDER BY rowid').fetchall()))
        return sha256(repr(found).encode())


def source_is_untouched(before, after, path):
    """Yields what is not as it was: the database, and what its next opener would take for a part of it."""
    for suffix in ("",) + SIDECARS:
        if after.get(path + suffix, b"") != before.get(path + suffix, b""):
            yield f"{path}{suffix} is not as it was"


def databases_in(state, folder):
    """The names in a folder that a user takes for databases."""
    for path, content in state.items():
        parent, name = os.path.split(path)
        if content is not None and parent == folder and not name.startswith(".") and not name.endswith((".json", ".sha256")):
            yield name


def sum_is_right(state, path):
    return state.get(path + ".sha256") == f"{sha256(state[path])}  {os.path.basename(path)}\n".encode()


def manifest_is_right(state, path):
    try:
        return json.loads(state.get(path + ".json", b""))["sha256"] == sha256(state[path])
    except (ValueError, TypeError, KeyError):
        return False


def published(state, folder, name, contents):
    """Yields what is wrong with a backup that has its name. Its content is left to the caller."""
    path = os.path.join(folder, name)
    if not isinstance(state[path], bytes):
        yield f"{path} is no file"
    elif contents.of_file(name, state[path]) is None:
        yield f"{path} is no whole database"
    else:
        if not sum_is_right(state, path):
            yield f"{path}.sha256 is missing or wrong"
        if not manifest_is_right(state, path):
            yield f"{path}.json is missing or wrong"


def leftovers(state):
    """What a run that was not disturbed does not leave: private folders, and what belongs to no backup."""
    for path in state:
        if WORK_FOLDER.search(path):
            yield f"{path} is left"
        base, suffix = os.path.splitext(path)
        if suffix in (".json", ".sha256") and base not in state and not STATE_FILE.search(path):
            yield f"{path} is left, without its backup"
