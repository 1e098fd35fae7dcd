#!/usr/bin/python3
"""The order bot of a small repair shop: the program that dblocktools' demo and tests look at.

It keeps clients, devices, orders and what happened to them in one SQLite file, data/bot.db, and
fills the file with the same few thousand rows wherever it is started first. A chat service is not
needed: orders come by the clock, or one per line on standard input.

As it is (--mode=well-behaved) every order is one short transaction, and the database is closed when
the bot ends. The other modes are two mistakes that real bots make and then keep making:

    forgotten-transaction   begins to write, waits for an answer that never comes, and never commits
    keep-snapshot           begins to read and never ends it, so that the WAL cannot be emptied

"ready PID" on standard output says that the wanted state has been reached, and "order NUMBER: ..."
that an order is in the database for good.
"""

import argparse
import contextlib
import os
import pathlib
import random
import signal
import sqlite3
import sys
import time

SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE clients (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL,
    phone TEXT NOT NULL UNIQUE
);
CREATE TABLE devices (
    id        INTEGER PRIMARY KEY,
    client_id INTEGER NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    model     TEXT NOT NULL,
    serial    TEXT NOT NULL UNIQUE
);
CREATE TABLE orders (
    id          INTEGER PRIMARY KEY,
    device_id   INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    problem     TEXT NOT NULL,
    status      TEXT NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
    accepted_at TEXT NOT NULL
);
CREATE TABLE order_events (
    id       INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    at       TEXT NOT NULL,
    status   TEXT NOT NULL
);
CREATE INDEX devices_of_client ON devices (client_id);
CREATE INDEX orders_of_device ON orders (device_id);
CREATE INDEX events_of_order ON order_events (order_id);
"""

NAMES = ("Anna", "Boris", "Chen", "Dmitri", "Elena", "Farid", "Grete", "Hana", "Igor", "Julia")
MODELS = ("Nokia 3310", "ThinkPad X230", "Galaxy S9", "iPhone 8", "Kindle 4", "EOS 350D")
PROBLEMS = ("broken screen", "does not charge", "no sound", "fell into water", "slow", "no signal")
STAGES = ("accepted", "diagnosed", "repaired", "collected")


@contextlib.contextmanager
def write_transaction(database):
    """Everything inside is written, or nothing. IMMEDIATE: wait for the lock now, not halfway."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")


def prepare_database(database, journal_mode):
    database.execute(f"PRAGMA journal_mode = {journal_mode}")
    database.execute("PRAGMA foreign_keys = ON")
    if schema_version(database) < SCHEMA_VERSION:
        create_shop(database)


def schema_version(database):
    return database.execute("PRAGMA user_version").fetchone()[0]


def create_shop(database, clients=600):
    """The same shop on every machine: all that looks like chance comes from one seed."""
    chance = random.Random(20261122)
    with write_transaction(database):
        if schema_version(database) >= SCHEMA_VERSION:
            return  # another bot was faster
        for statement in SCHEMA.split(";"):
            database.execute(statement)
        for number in range(clients):
            name = f"{chance.choice(NAMES)} {number + 1}"
            client = database.execute(
                "INSERT INTO clients (name, phone) VALUES (?, ?)",
                (name, f"+49 30 {100000 + number}"),
            ).lastrowid
            for _ in range(chance.randint(1, 2)):
                add_device_with_history(database, chance, client)
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def add_device_with_history(database, chance, client):
    device = database.execute(
        "INSERT INTO devices (client_id, model, serial) VALUES (?, ?, ?)",
        (client, chance.choice(MODELS), f"{chance.getrandbits(64):016X}"),
    ).lastrowid
    day = f"2026-{chance.randint(1, 10):02}-{chance.randint(1, 28):02}"
    order = accept_order(database, device, chance.choice(PROBLEMS), f"{day}T09:00:00Z",
                         price_cents=100 * chance.randint(10, 250))
    for hour, stage in enumerate(STAGES[1:chance.randint(1, len(STAGES))], start=10):
        advance_order(database, order, stage, f"{day}T{hour}:00:00Z")


def accept_order(database, device, problem, at, price_cents=0):
    order = database.execute(
        "INSERT INTO orders (device_id, problem, status, price_cents, accepted_at)"
        " VALUES (?, ?, '', ?, ?)", (device, problem, price_cents, at)
    ).lastrowid
    advance_order(database, order, STAGES[0], at)
    return order


def advance_order(database, order, status, at):
    database.execute("UPDATE orders SET status = ? WHERE id = ?", (status, order))
    database.execute(
        "INSERT INTO order_events (order_id, at, status) VALUES (?, ?, ?)", (order, at, status)
    )


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def say(text):
    print(text, flush=True)


def incoming_orders(options):
    """The problems that clients report: the lines of standard input, or one per tick."""
    if options.stdin:
        yield from (line.rstrip("\n") for line in sys.stdin)
        return
    chance = random.Random()
    while True:
        time.sleep(options.tick)
        yield chance.choice(PROBLEMS)


def serve(database, options):
    devices = database.execute("SELECT count(*) FROM devices").fetchone()[0]
    say(f"ready {os.getpid()}")
    for number, problem in enumerate(incoming_orders(options)):
        take_order(database, 1 + number % devices, problem)


def take_order(database, device, problem):
    with write_transaction(database):
        order = accept_order(database, device, problem, now())
    say(f"order {order}: {problem}")


def serve_asyncio(database, options):
    """As the libraries for chat services do it: a handler of SIGTERM ends the loop."""
    import asyncio  # here: it takes longer to load than all the rest

    async def serve_until_told():
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        say(f"ready {os.getpid()}")
        while not told.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(told.wait(), options.tick)
                break
            take_order(database, 1, random.choice(PROBLEMS))
        say("bye")

    asyncio.run(serve_until_told())


def forget_transaction(database, _options):
    database.execute("BEGIN IMMEDIATE")
    accept_order(database, 1, "waits for the client to confirm the price", now())
    say(f"ready {os.getpid()}")
    signal.pause()  # ... and the client never does. There is no COMMIT after this line.


def keep_snapshot(database, _options):
    database.execute("BEGIN")
    database.execute("SELECT count(*) FROM orders WHERE status = 'accepted'").fetchone()
    say(f"ready {os.getpid()}")
    signal.pause()  # The report was sent long ago, but its transaction is still open.


def lead(workers):
    """The master of workers: has the database open too, and ends them before it ends itself."""
    say(f"ready {os.getpid()} {' '.join(map(str, workers))}")
    try:
        signal.pause()
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGINT)
            os.waitpid(worker, 0)


def start_workers(count):
    """The PIDs of workers that are ready; in each of them, none."""
    reading, writing = os.pipe()
    workers = []
    for _ in range(count):
        workers.append(os.fork())
        if workers[-1] == 0:
            os.dup2(writing, sys.stdout.fileno())
            return []
    os.close(writing)
    with open(reading, encoding="utf-8") as lines:
        for _ in workers:
            lines.readline()
    return workers


MODES = {
    "well-behaved": serve,
    "forgotten-transaction": forget_transaction,
    "keep-snapshot": keep_snapshot,
}


def parse_options():
    parser = argparse.ArgumentParser(description="The order bot of a small repair shop.")
    parser.add_argument("--database", type=pathlib.Path, default=pathlib.Path("data/bot.db"),
                        metavar="FILE", help="where the orders are kept (default: %(default)s)")
    parser.add_argument("--journal-mode", choices=("wal", "delete"), default="wal",
                        help="write-ahead log, or rollback journal (default: %(default)s)")
    parser.add_argument("--mode", choices=MODES, default="well-behaved",
                        help="how to treat transactions (default: %(default)s)")
    parser.add_argument("--signals", choices=("python", "asyncio", "ignored"), default="python",
                        help="what handles signals: Python, which knows only Ctrl+C; a handler of"
                             " SIGTERM; or nothing does (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=0, metavar="COUNT",
                        help="be the master of so many processes that are such bots")
    parser.add_argument("--tick", type=float, default=1.0, metavar="SECONDS",
                        help="an order each so many seconds (default: %(default)s)")
    parser.add_argument("--stdin", action="store_true",
                        help="an order for each line of standard input instead, until it ends")
    parser.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS",
                        help="how long to wait for another program's lock (default: %(default)s)")
    return parser.parse_args()


def main():
    options = parse_options()
    serve_as = MODES[options.mode]
    if options.signals == "asyncio":
        serve_as = serve_asyncio
    if options.signals == "ignored":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    database = None
    try:
        workers = start_workers(options.workers)
        options.database.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(options.database, options.timeout, isolation_level=None)
        prepare_database(database, options.journal_mode)
        if workers:
            lead(workers)
        else:
            serve_as(database, options)
    except KeyboardInterrupt:
        say("bye")
    except sqlite3.Error as error:
        return f"bot.py: {options.database}: {error}"
    finally:
        if database:
            database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
