"""What SQLite itself says: a newcomer without patience tries it."""

import ctypes
import os

SQLITE_OK, SQLITE_BUSY, SQLITE_PROTOCOL = 0, 5, 15
SQLITE_OPEN_READWRITE = 2
SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE = 1006

READ = "SELECT count(*) FROM orders"
WRITE = "BEGIN IMMEDIATE; ROLLBACK"
# In WAL mode an exclusive transaction lets others read. One that tolerates nobody is asked for by the locking mode.
MIGRATE = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; ROLLBACK"

library = ctypes.CDLL("libsqlite3.so.0")


class Trouble(Exception):
    """The oracle itself could not go on."""


def ask(path):
    """Whether fresh connections may read, write and migrate.

    None checkpoints when it closes, and the -wal and -shm that only they have made are taken away again. That they
    roll a hot journal back, or recover a WAL, is what a newcomer does, and part of the next state."""
    made = [path + end for end in ("-wal", "-shm") if not os.path.exists(path + end)]
    try:
        read, write = answers_of(path, READ, WRITE)
        (migrate,) = answers_of(path, MIGRATE)
        return {"read": read, "write": write, "migrate": migrate}
    finally:
        for file in made:
            if os.path.exists(file):
                os.unlink(file)


def answers_of(path, *statements):
    db = ctypes.c_void_p()
    if library.sqlite3_open_v2(path.encode(), ctypes.byref(db), SQLITE_OPEN_READWRITE, None) != SQLITE_OK:
        raise Trouble("the newcomer cannot open the database")
    try:
        library.sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, None)
        return [tries(db, sql) for sql in statements]
    finally:
        library.sqlite3_close(db)


def tries(db, sql):
    code = library.sqlite3_exec(db, sql.encode(), None, None, None)
    if code not in (SQLITE_OK, SQLITE_BUSY, SQLITE_PROTOCOL):
        raise Trouble(f"the newcomer's {sql}: SQLite error {code}")
    return code == SQLITE_OK
