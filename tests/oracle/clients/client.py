#!/usr/bin/python3
"""A client of the oracle: Python's sqlite3. See ../run for the protocol that all clients speak."""

import ctypes
import os
import signal
import sqlite3
import sys

library = ctypes.CDLL("libsqlite3.so.0")
library.sqlite3_txn_state.argtypes = [ctypes.c_void_p, ctypes.c_char_p]


class Client:
    db = cursor_ = None
    schema = b"main"

    def state(self):
        """sqlite3_txn_state(), which Python does not offer; its object begins with the sqlite3 *."""
        if not self.db:
            return 0
        return library.sqlite3_txn_state(
            ctypes.c_void_p.from_address(id(self.db) + object.__basicsize__).value, self.schema
        )

    def open(self, path):
        self.schema = b"main"
        self.db = sqlite3.connect(path, timeout=0, isolation_level=None)

    def attach(self, path):
        self.open(":memory:")
        self.db.execute("ATTACH ? AS shop", (path,))
        self.schema = b"shop"

    def sql(self, statement):
        return len(self.db.execute(statement).fetchall())

    def cursor(self, select):
        self.cursor_ = self.db.execute(select)
        self.cursor_.fetchone()

    def finish(self):
        if self.cursor_:
            self.cursor_.close()
        self.cursor_ = None

    def close(self):
        self.finish()
        if self.db:
            self.db.close()
        self.db = None

    def fork(self):
        child = os.fork()
        if child == 0:
            os.read(int(sys.argv[1]), 1)
            os._exit(0)  # nothing of the parent's is closed or flushed
        return child


client = Client()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ok 0", sqlite3.sqlite_version, flush=True)
for line in sys.stdin:
    command, _, argument = line.rstrip("\n").partition(" ")
    try:
        action = getattr(client, command)
        result = action(argument) if argument else action()
        said = "ok", result if result is not None else ""
    except sqlite3.Error as error:
        if command in ("open", "attach"):
            client.close()
        said = "error", error
    print(said[0], client.state(), said[1], flush=True)
