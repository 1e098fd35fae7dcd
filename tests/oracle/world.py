"""The clients, and the random work that they are given."""

import os
import random
import select
import shutil
import signal
import sqlite3
import subprocess
import tempfile

from truth import Trouble

HERE = os.path.dirname(os.path.abspath(__file__))
MODES = ("delete", "truncate", "persist", "wal")
CHECKPOINTS = ("passive", "full", "restart", "truncate")
PATIENCE = 60
STEPS_OF_A_WORLD = 50
FORKERS = ("python", "perl")
DATABASE = "DATABASE"  # its path, in what is printed
NONE, READ, WRITE = 0, 1, 2  # sqlite3_txn_state()


class Client:
    """One process, and what it must know of itself."""

    def __init__(self, name, program, lifeline):
        self.name, self.program, self.lifeline = name, program, lifeline
        self.children = []
        self.start()

    def start(self):
        """A child that it forks lives for as long as somebody has the other end of the lifeline."""
        self.process = subprocess.Popen(
            [*self.program, str(self.lifeline)], pass_fds=[self.lifeline],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, stderr=subprocess.DEVNULL,
        )
        self.pid = self.process.pid
        self.stopped = False
        self.forget()
        self.hear()

    def forget(self):
        self.is_open = self.exclusive_mode = False
        self.began = self.saved = self.reads = False  # a BEGIN, a SAVEPOINT, a cursor of its own
        self.kept = False  # may have locks that belong to no transaction
        self.written = self.alone = False  # it has said BEGIN IMMEDIATE or EXCLUSIVE, and was not refused

    def hear(self):
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
                raise Trouble(f"{self.name} says nothing")
            part = os.read(self.process.stdout.fileno(), 4096)
            if not part:
                raise Trouble(f"{self.name} has ended")
            line += part
        word, state, *text = line.decode(errors="replace").rstrip("\n").split(" ", 2)
        self.state = int(state) if state != "?" else None
        return word == "ok", text[0] if text else ""

    def ask(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        good, text = self.hear()
        command, _, argument = line.partition(" ")
        if good and command in ("open", "attach"):
            self.is_open = True
        elif command == "close":
            self.forget()
        elif command in ("cursor", "finish"):
            self.reads = command == "cursor"
        elif "locking_mode" in argument:
            self.exclusive_mode = True  # also when what follows in the same statement is refused
        elif good:
            self.obeyed(argument)
        elif argument == "BEGIN EXCLUSIVE" or "journal_mode" in argument:
            # It keeps the locks that it had got before it was refused, PENDING say, for as long as a cursor is open.
            self.kept = True
        self.kept = self.kept and self.transaction() != NONE
        return good, text

    def obeyed(self, statement):
        if statement.startswith("BEGIN"):
            self.began, self.written, self.alone = True, statement != "BEGIN DEFERRED", statement == "BEGIN EXCLUSIVE"
        elif statement in ("COMMIT", "ROLLBACK"):
            self.began = self.saved = self.written = self.alone = False
        elif statement.startswith("SAVEPOINT"):
            self.saved = True

    def transaction(self):
        """sqlite3_txn_state(); None if its binding has none and what it was told leaves that open."""
        if self.state is None and not (self.began or self.saved or self.reads):
            return NONE
        return self.state

    def stop(self):
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)
        self.stopped = True

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)
        self.stopped = False

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def kill_child(self):
        """Waits until it has let go of its files; whoever is its parent now waits for it."""
        child = self.children.pop()
        handle = os.pidfd_open(child)
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [])
        os.close(handle)
        try:
            os.waitpid(child, 0)
        except ChildProcessError:
            pass  # its parent is alive, and has waited

    def end(self):
        if self.stopped:
            self.go_on()
        while self.children:
            self.kill_child()
        self.ask("close")


WORK = [  # weight, what a client with an open database is told
    (8, "sql BEGIN DEFERRED"),
    (8, "sql BEGIN IMMEDIATE"),
    (4, "sql BEGIN EXCLUSIVE"),
    (5, "sql SELECT count(*) FROM orders"),
    (10, "cursor SELECT problem FROM orders"),
    (8, "finish"),
    (10, "sql INSERT INTO orders(problem) VALUES('broken screen')"),
    # More than fits the cache: it spills, under EXCLUSIVE or into the WAL.
    (4, "sql INSERT INTO orders(problem) SELECT hex(randomblob(400)) FROM orders LIMIT 60"),
    (2, "sql DELETE FROM orders WHERE id % 3 = 0 AND id > 100"),
    (12, "sql COMMIT"),
    (7, "sql ROLLBACK"),
    (4, "sql SAVEPOINT inner_one"),
    (2, "sql ROLLBACK TO inner_one"),
    (3, "sql RELEASE inner_one"),
    (1, "sql PRAGMA locking_mode = EXCLUSIVE"),
] + [(1, f"sql PRAGMA wal_checkpoint({kind})") for kind in CHECKPOINTS]


class World:
    """A new database in one journal mode, and what was done to it."""

    def __init__(self, clients, folder, mode):
        self.mode, self.clients = mode, clients
        self.database = os.path.join(tempfile.mkdtemp(dir=folder), "bot.db")
        self.log = []
        self.make_database()

    def make_database(self):
        db = sqlite3.connect(self.database, isolation_level=None)
        db.execute("PRAGMA synchronous = OFF")
        db.execute(f"PRAGMA journal_mode = {self.mode}")
        db.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY, problem TEXT)")
        db.execute(
            """WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100)
            INSERT INTO orders SELECT n, hex(zeroblob(100)) FROM n"""
        )
        db.close()

    def do(self, client, action):
        self.log.append(f"{client.name} {action.replace(self.database, DATABASE)}")
        if action in ("stop", "go_on", "kill_child"):
            getattr(client, action)()
        elif action in ("kill", "everybody is killed", "everybody closes"):
            for one in self.clients if action.startswith("everybody") else [client]:
                self.let_go(one, closes=action.endswith("closes"))
        else:
            good, text = client.ask(action)
            self.log[-1] += f"  # {'ok' if good else text}"
            if good:
                self.after(client, action, text)

    def let_go(self, client, closes):
        """Leaves no child behind when it closes: that one has the database open too."""
        if closes:
            client.end()
        elif client.is_open or client.stopped:
            client.kill()
            client.start()

    def after(self, client, action, text):
        if action == "fork":
            client.children.append(int(text))
        elif action.split()[0] in ("open", "attach"):
            # May be refused, and then is another state.
            client.ask("sql PRAGMA cache_size = 5")
            client.ask("sql PRAGMA synchronous = OFF")
            if self.mode in ("truncate", "persist"):
                client.ask(f"sql PRAGMA journal_mode = {self.mode}")

    def users(self):
        """Who has the database open, a PID each: as the clients know it, and as their descriptors say."""
        known = {client.pid for client in self.clients if client.is_open}
        for client in self.clients:
            known.update(client.children)
        seen = {pid for pid in self.everybody() if self.has_open(pid)}
        if known != seen:
            raise Trouble(f"who has it open? known {known}, seen {seen}")
        return seen

    def everybody(self):
        for client in self.clients:
            yield client.pid
            yield from client.children

    def has_open(self, pid):
        fds = f"/proc/{pid}/fd"
        for fd in os.listdir(fds):
            try:
                if os.readlink(f"{fds}/{fd}").startswith(self.database):
                    return True
            except FileNotFoundError:
                pass
        return False

    def end(self):
        for client in self.clients:
            client.end()
        shutil.rmtree(os.path.dirname(self.database))


class RandomWork:
    """World number N of a seed: who is in it, and what they do for 50 steps."""

    def __init__(self, clients, folder, seed, number):
        self.dice = random.Random(f"{seed} {number}")
        some = self.dice.sample(clients, self.dice.randint(2, min(8, len(clients))))
        self.world = World(some, folder, MODES[number % len(MODES)])

    def __iter__(self):
        for _ in range(STEPS_OF_A_WORLD):
            client = self.dice.choice(self.world.clients)
            yield client, self.choose(client)

    def choose(self, client):
        if self.dice.random() < 0.02:
            return self.dice.choice(("everybody is killed", "everybody closes", "everybody closes"))
        share = self.dice.random()
        if client.stopped:
            return "kill" if share < 0.2 else "go_on"
        if client.children and share < 0.2:
            return "kill_child"
        if not client.is_open:
            return f"attach {self.world.database}" if share < 0.1 else f"open {self.world.database}"
        for weight, action in ((0.02, "kill"), (0.03, "stop"), (0.05, "close"), (0.03, "fork"), (0.04, "mode")):
            share -= weight
            if share < 0:
                break
        else:
            # A second draw makes useless requests rarer, and does not rule them out.
            work = self.draw()
            useless = ("COMMIT", "ROLLBACK", "RELEASE") if not client.began else ("BEGIN",)
            return self.draw() if work.startswith(tuple("sql " + word for word in useless)) else work
        if action == "mode":
            return f"sql PRAGMA journal_mode = {self.dice.choice(MODES)}"
        if action == "fork" and (client.children or not client.name.startswith(FORKERS)):
            return "sql COMMIT"
        return action

    def draw(self):
        return self.dice.choices([what for _, what in WORK], [weight for weight, _ in WORK])[0]


class Replay:
    """A file with the mode and then "CLIENT ACTION" lines, as they are printed with a disagreement."""

    def __init__(self, clients, folder, file):
        with open(file) as text:
            lines = [line.partition("#")[0].split(None, 1) for line in text]
        mode, *self.steps = [[word.strip() for word in line] for line in lines if line]
        self.by_name = {client.name: client for client in clients}
        names = {name for name, _ in self.steps}
        self.world = World([client for client in clients if client.name in names], folder, mode[1])

    def __iter__(self):
        for name, action in self.steps:
            yield self.by_name[name], action.replace(DATABASE, self.world.database)
