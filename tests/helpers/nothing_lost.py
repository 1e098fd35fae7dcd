#!/usr/bin/python3
"""Stops the sample bot while it takes orders as fast as it can, again and again: is any order lost?

    nothing_lost.py BOTKILL BOT FOLDER ROUNDS

An order counts once the bot has said on a pipe that it is in the database. The rounds take turns with
the journal mode (WAL, DELETE) and with how the bot ends: by Python's Ctrl+C, by its own handler, and
every second round not at all, so that botkill has to use --force. Prints one line: "0 lost of 1234
orders in 25 rounds, ...".
"""

import collections
import json
import os
import random
import sqlite3
import subprocess
import sys

BOTKILL, BOT, FOLDER, ROUNDS = sys.argv[1:]
DATABASE = os.path.join(FOLDER, "bot.db")

# How a bot deals with signals, and how it will be said to have ended.
ENDS = (("python", "SIGINT"), ("ignored", "SIGKILL"), ("asyncio", "SIGTERM"), ("ignored", "SIGKILL"))
JOURNAL_MODES = ("wal", "wal", "delete", "delete")

trouble = []


def check(good, text):
    if not good:
        trouble.append(text)
        print(text, file=sys.stderr)


def order_numbers(lines):
    return [int(line.split()[1].rstrip(":")) for line in lines
            if line.startswith("order ") and line.endswith("\n")]


def start_bot(number):
    mode = JOURNAL_MODES[number // len(ENDS) % len(JOURNAL_MODES)]
    signals, _ = ENDS[number % len(ENDS)]
    return subprocess.Popen(
        [BOT, f"--database={DATABASE}", f"--journal-mode={mode}", f"--signals={signals}", "--tick=0"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, encoding="utf-8")


def stop_bot(number, bot, seen):
    """Returns what it had acknowledged in the end."""
    _, how = ENDS[number % len(ENDS)]
    force = ["--force", "--grace=0.05"] if how == "SIGKILL" else []
    botkill = subprocess.Popen([BOTKILL, "--json", "--settle=0", *force, DATABASE],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    seen += bot.stdout.readlines()
    said, audit = botkill.communicate()
    bot.wait()
    answer = json.loads(said)
    check(botkill.returncode == 0 and answer["released"]
          and [(one["pid"], one["how"]) for one in answer["stopped"]] == [(bot.pid, how)],
          f"round {number}: status {botkill.returncode}, {said}{audit}")
    check_state(number, answer)
    return order_numbers(seen)


def check_state(number, answer):
    """What botkill says about the files that were left is so."""
    state = answer["database_state"]
    wal = read_if_there(DATABASE + "-wal")
    check(state["wal_bytes"] == len(wal), f"round {number}: {state}, but the WAL has {len(wal)} bytes")
    # SQLite takes a journal for hot by its first byte: before it is synced, that is 0.
    journal = read_if_there(DATABASE + "-journal")
    check(state["hot_journal"] == (journal[:1] not in (b"", b"\0")),
          f"round {number}: {state}, but the journal starts with {journal[:28].hex()}")


def read_if_there(path):
    if not os.path.exists(path):
        return b""
    with open(path, "rb") as file:
        return file.read()


def look_after(number, acknowledged):
    """Returns how many orders are lost."""
    database = sqlite3.connect(DATABASE)
    kept = {row[0] for row in database.execute("SELECT id FROM orders")}
    said = database.execute("PRAGMA integrity_check").fetchall()
    check(said == [("ok",)], f"round {number}: integrity_check: {said}")
    check(not database.execute("PRAGMA foreign_key_check").fetchall(), f"round {number}: half an order")
    database.close()
    return len(set(acknowledged) - kept)


def main():
    lost = orders = 0
    ends = collections.Counter()
    for number in range(int(ROUNDS)):
        bot = start_bot(number)
        seen = [bot.stdout.readline() for _ in range(1 + random.randint(1, 20))]
        acknowledged = stop_bot(number, bot, seen)
        check(acknowledged, f"round {number}: no order was taken")
        missing = look_after(number, acknowledged)
        check(missing == 0, f"round {number}: {missing} lost")
        lost += missing
        orders += len(acknowledged)
        ends[ENDS[number % len(ENDS)][1]] += 1
    print(f"{lost} lost of {orders} orders in {ROUNDS} rounds;",
          " ".join(f"{how}:{count}" for how, count in sorted(ends.items())))
    return 1 if trouble else 0


sys.exit(main())
