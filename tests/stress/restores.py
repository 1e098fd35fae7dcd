"""One restore, killed or not, and what must be true after it. Used by kill_rounds and live_restore."""

import ctypes
import hashlib
import os
import shutil
import signal
import subprocess
import time

import bank


class Killer:
    """Runs commands, and kills some of them at a random moment of their life."""

    def __init__(self, chance):
        self.chance = chance
        self.lives = {}  # what is run -> how long that took, at most
        self.killed = 0
        self.offices = []  # their clerks are children of ours as well
        # What a killed tool leaves running becomes ours, so that its end can be waited for.
        bank.libc.prctl(bank.PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1))

    def run(self, what, command):
        """True if it was killed."""
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True, preexec_fn=bank.die_with_parent)
        killed = False
        try:
            first = what not in self.lives
            process.wait(4 * bank.PATIENCE if first else self.chance.uniform(0, 1.2 * self.lives[what]))
        except subprocess.TimeoutExpired:
            process.kill()
            killed = process.wait() == -signal.SIGKILL
        with process.stderr:
            complaint = process.stderr.read() if not killed else ""
        if not killed:
            if process.returncode != 0:
                raise bank.Bad(f"{' '.join(command)}: status {process.returncode}: {complaint}")
            self.lives[what] = max(time.monotonic() - began, 0.8 * self.lives.get(what, 0))
        self.killed += killed
        self.bury_orphans()
        return killed

    def bury_orphans(self):
        """What the tool had started ends soon after it."""
        ours = [pid for office in self.offices for pid in office.pids.values()]
        deadline = time.monotonic() + 10
        while True:
            with open("/proc/thread-self/children", encoding="ascii") as file:
                orphans = [int(pid) for pid in file.read().split() if int(pid) not in ours]
            if not orphans:
                return
            for pid in orphans:
                if os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() > deadline:
                    raise bank.Bad(f"process {pid}, started by a tool that was killed, lives on")


# --- under clerks ---------------------------------------------------------------------------------

class LiveBank:
    """A bank that is put back to an earlier day while its clerks go on writing."""

    def __init__(self, options, folder, kind, chance):
        self.options, self.folder = options, folder
        self.path = os.path.join(folder, "live.db")
        bank.open_books(self.path, kind)
        self.kind, self.number = kind, 0
        self.office = bank.Office(self.path, kind, chance.randrange(1 << 30))
        self.backup = bank.back_up(options, self.path, os.path.join(folder, "first.bak"))["backup"]

    def open(self):
        self.office.start()

    def round(self, killer=None):
        """Killed if there is a killer."""
        self.number += 1
        self.set_generation(f"day {self.number}")
        self.office.until_progress()
        before = {clerk: self.office.returns(clerk) for clerk in range(bank.CLERKS)}
        command = [bank.tool(self.options, "dbrestore"), "-q", "--live", "--wait=60", "--no-safety-copy",
                   self.backup, self.path]
        if killer:
            killed = killer.run(f"live {self.kind.mode}", command)
        else:
            killed = False
            status, _, complaint = bank.run(command)
            if status != 0:
                raise bank.Bad(f"{' '.join(command)}: status {status}: {complaint}")
        self.office.until_progress()
        self.check(before, killed)

    def check(self, before, killed):
        """The clerks pause, so that what they have said and what is in the books can be compared."""
        if not self.office.stop():
            raise bank.Bad("a clerk could not go on")
        books = bank.connect(self.path)
        progress, generation = bank.audit_connection(books)
        books.close()
        if generation not in (("first", f"day {self.number}") if killed else ("first",)):
            raise bank.Bad(f"generation '{generation}' on day {self.number}, killed: {killed}")
        for clerk, high in self.office.acknowledged().items():
            # Each clerk finds once that the books are of an earlier day. A second time: his commits were lost.
            returns = self.office.returns(clerk) - before[clerk]
            if returns > (generation == "first") or progress[clerk][1] != high:
                raise bank.Bad(f"clerk {clerk} had committed {high}, there is {progress[clerk]}; he found the books"
                               f" of an earlier day {returns} times; generation '{generation}'")
        self.office.start()

    def set_generation(self, name):
        books = bank.connect(self.path)
        books.execute("UPDATE generation SET name = ?", (name,))
        books.close()

    def close(self):
        self.office.kill()


# --- at rest --------------------------------------------------------------------------------------

def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(top):
    """The bytes of each file below a folder."""
    return {os.path.join(folder, name): digest(os.path.join(folder, name))
            for folder, _, names in os.walk(top) for name in names}


class IdleBank:
    """A database that nobody has open, and backups of two days of it."""

    office = None

    def __init__(self, options, folder, kind, chance):
        self.options, self.kind, self.chance = options, kind, chance
        self.folder = os.path.join(folder, "idle")
        os.mkdir(self.folder)
        self.path = os.path.join(self.folder, "idle.db")
        bank.open_books(self.path, kind)
        self.backups = [bank.back_up(options, self.path, os.path.join(folder, "one.bak"))["backup"]]
        books = bank.connect(self.path)
        books.execute("DELETE FROM ballast WHERE id % 3")
        books.execute("INSERT INTO ballast (bytes) SELECT randomblob(9000) FROM accounts")
        books.execute("UPDATE generation SET name = 'second'")
        books.close()
        self.backups.append(bank.back_up(options, self.path, os.path.join(folder, "two.bak"))["backup"])
        self.contents = [bank.content(backup) for backup in self.backups]
        self.now = 1
        with open(os.path.join(self.folder, "foreign"), "wb") as file:
            file.write(os.urandom(1000))
        self.foreign = digest(os.path.join(self.folder, "foreign"))

    def open(self):
        pass

    def close(self):
        pass

    def round(self, killer):
        if self.chance.random() < 0.5:
            self.restore(killer)
        else:
            self.replace(killer, self.chance)

    def command(self, which):
        return [bank.tool(self.options, "dbrestore"), "-q", self.backups[which], self.path]

    def restore(self, killer):
        """In place."""
        other = 1 - self.now
        killed = killer.run(f"idle {self.kind.mode}", self.command(other))
        there = bank.content(self.path)
        if there not in (self.contents if killed else (self.contents[other],)):
            raise bank.Bad(f"{self.path} is neither the old nor the new database")
        self.must_heal(other)

    def must_heal(self, which):
        """Whatever the killed run has left, the next one does it."""
        status, _, complaint = bank.run(self.command(which))
        if status != 0 or bank.content(self.path) != self.contents[which]:
            raise bank.Bad(f"the next run: status {status}: {complaint}")
        self.now = which
        left = bank.private_folders(self.folder)
        if left or digest(os.path.join(self.folder, "foreign")) != self.foreign:
            raise bank.Bad(f"left, or a foreign file was touched: {left}")
        for name in os.listdir(os.path.join(self.folder, ".dblocktools")):
            path = os.path.join(self.folder, ".dblocktools", name)
            if name.endswith(".db"):
                bank.check_set(path)
                bank.audit(path, full=False)
                bank.remove_set(path)

    def replace(self, killer, chance):
        """By rename: what is there cannot be opened."""
        old = self.break_it(chance)
        killed = killer.run("rename", self.command(0))
        kept = set(digests(self.folder).values())
        for path, sum_of_file in old.items():
            if sum_of_file not in kept:
                raise bank.Bad(f"{path} is lost")
        beside = {path: digest(path) for path in (self.path + suffix for suffix in ("", "-wal", "-shm", "-journal"))
                  if os.path.lexists(path)}
        # Only if no byte of it is from before the file is the new one, and then it must be whole.
        if self.path in beside and beside[self.path] != old.get(self.path):
            stale = [path for path in beside if path in old and beside[path] == old[path]]
            if stale or bank.content(self.path) != self.contents[0]:
                raise bank.Bad(f"a new database beside {stale}")
        elif not killed:
            raise bank.Bad(f"{self.path} is not there, or as it was")
        self.must_heal(0)
        kept = set(digests(self.folder).values())
        if not set(old.values()) <= kept:
            raise bank.Bad("the next run has lost what was kept")
        for name in os.listdir(os.path.join(self.folder, ".dblocktools")):
            if name.startswith("aside-"):
                shutil.rmtree(os.path.join(self.folder, ".dblocktools", name))

    def break_it(self, chance):
        """Makes it unusable, with sidecars that must never be replayed; returns {path: sum} of what is there."""
        def noise(size):
            # A WAL's magic number, and no more of one.
            return bytes.fromhex("377f0682002de218") + chance.randbytes(size)
        for suffix in ("", "-wal", "-shm", "-journal"):
            if os.path.exists(self.path + suffix):
                os.unlink(self.path + suffix)
        if chance.random() < 0.7:
            with open(self.path, "wb") as file:
                file.write(b"broken" + chance.randbytes(20000))
        for suffix in ("-wal", "-journal"):
            if chance.random() < 0.7:
                with open(self.path + suffix, "wb") as file:
                    file.write(noise(30000))
        return {path: sum_of_file for path, sum_of_file in digests(self.folder).items()
                if path.startswith(self.path)}
