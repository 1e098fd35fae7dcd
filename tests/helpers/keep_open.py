#!/usr/bin/python3
"""Keeps an SQLite database open, and treats signals as it is told.

    keep_open.py DATABASE [NAME=ignore | NAME=end | NAME=slow]...

"end" closes the database and ends; "slow" does so half a second later, and then writes down how many
signals have come. "ready PID" on standard output: the database is open, and signals are taken care of.
"""

import os
import signal
import sqlite3
import sys
import time

received = []


def note(number, _frame):
    received.append(number)


def main():
    database = sqlite3.connect(sys.argv[1], isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE IF NOT EXISTS ends (signals INTEGER)")
    slow = False
    for treatment in sys.argv[2:]:
        name, how = treatment.split("=")
        signal.signal(signal.Signals["SIG" + name], signal.SIG_IGN if how == "ignore" else note)
        slow = slow or how == "slow"
    print(f"ready {os.getpid()}", flush=True)
    while not received:
        time.sleep(0.02)
    until = time.monotonic() + 0.5 * slow
    while time.monotonic() < until:
        time.sleep(0.02)
    database.execute("INSERT INTO ends VALUES (?)", (len(received),))
    database.close()


main()
