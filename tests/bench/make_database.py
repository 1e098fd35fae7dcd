#!/usr/bin/python3
"""make_database.py - make a database for the benchmark.

    make_database.py FILE BYTES [sparse]

It has a table "orders" with an index, is in WAL mode, and has about this many bytes, which compress to a half.

With "sparse" all but some 50 MB are free pages, and holes in the file. Rows are on both sides of the lock-byte page
(the one at 1 GiB that SQLite never uses, if BYTES is more than that) and in the last pages of the file, so a copy that
is wrong about large offsets loses some.
"""

import os
import sqlite3
import struct
import sys

PAGE = 4096
LOCK_PAGE = 0x40000000 // PAGE + 1
LEAVES = 1000  # that a trunk page of the free list names; 1016 would fit
ROW = 468  # bytes a row takes, with its entry in the index


def connect(path):
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA synchronous = OFF")
    return database


def add_rows(database, size):
    database.execute("BEGIN")
    database.execute("""
        WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)
        INSERT INTO orders(customer, problem) SELECT abs(random()) % 100000, hex(randomblob(200)) FROM number""",
                     (max(size // ROW, 1),))
    database.execute("COMMIT")


def create(path, size):
    database = connect(path)
    database.execute(f"PRAGMA page_size = {PAGE}")
    database.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER, problem TEXT)")
    add_rows(database, size)
    database.execute("CREATE INDEX customers ON orders(customer)")
    database.close()


def free_runs(first, last):
    """The free pages in runs of a trunk and its leaves: those around the lock-byte page first, then the last of all."""
    runs = [list(range(start, min(start + LEAVES + 1, last + 1))) for start in range(first, last + 1, LEAVES + 1)]
    runs = [[page for page in run if page != LOCK_PAGE] for run in runs]
    runs = [run for run in runs if run]
    around = [run for run in runs if run[0] - LEAVES < LOCK_PAGE < run[-1] + LEAVES]
    others = [run for run in runs if run not in around]
    return around + others[-1:] + others[:-1]


def grow(path, size):
    """Adds free pages up to the size, as a hole with the trunks of the free list in it."""
    with open(path, "r+b") as file:
        first = os.fstat(file.fileno()).st_size // PAGE + 1
        last = size // PAGE
        runs = free_runs(first, last)
        file.truncate(last * PAGE)
        for run, following in zip(runs, runs[1:] + [[0]]):
            file.seek((run[0] - 1) * PAGE)
            file.write(struct.pack(f">{len(run) + 1}I", following[0], len(run) - 1, *run[1:]))
        file.seek(28)
        file.write(struct.pack(">3I", last, runs[0][0], sum(map(len, runs))))


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    path, size = sys.argv[1], int(sys.argv[2])
    if len(sys.argv) == 3:
        create(path, size)
    else:
        create(path, 20_000_000)
        grow(path, size)
        database = connect(path)
        add_rows(database, 20_000_000)
        database.close()
    database = connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.close()


main()
