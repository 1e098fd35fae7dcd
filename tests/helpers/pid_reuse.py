#!/usr/bin/python3
"""Makes a foreign process get the PID of one that botkill is about to signal; nothing may reach it.

    pid_reuse.py TOOLS HELPERS FOLDER stale ROUNDS     it happens after dblockcheck --json | botkill - has read
    pid_reuse.py TOOLS HELPERS FOLDER paused ROUNDS    it happens inside of botkill, before each of its
                                                      system calls in turn

Runs as root and in a PID namespace of its own, whose next PID it chooses. Prints one line, the hits
first: "0 hits in 100 rounds, ...". Every third foreign process does not have the database open, every
third has, and every third has it locked, as its predecessor had.
"""

import collections
import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys

TOOLS, HELPERS, FOLDER, HOW, ROUNDS = sys.argv[1:]
DATABASE = os.path.join(FOLDER, "bot.db")
RESERVED_BYTE = 0x40000001
QUICKLY = ("--grace=0", "--settle=0", "--force", "--json")


def nothing():
    pass


def open_database():
    return os.open(DATABASE, os.O_RDWR)


def lock_database():
    fcntl.lockf(open_database(), fcntl.LOCK_EX, 1, RESERVED_BYTE)


def use_database():
    use_database.connection = sqlite3.connect(DATABASE, isolation_level=None)
    use_database.connection.execute("BEGIN IMMEDIATE")


FOREIGN = (nothing, open_database, lock_database)


def fork(action):
    """A child for which all signals wait, so that they show; it ends with this process, or by SIGKILL."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            action()
            os.write(writing, b"x")
            signal.sigwait([signal.SIGUSR1])
        finally:
            os._exit(1)
    os.close(writing)
    ready = os.read(reading, 1)
    os.close(reading)
    if not ready:
        sys.exit("a child could not be made ready")
    return child


def fork_as(pid, action):
    """A child with this PID, which is free."""
    for _ in range(1000):
        with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as last:
            last.write(str(pid - 1))
        child = fork(action)
        if child == pid:
            return
        end(child)
    sys.exit(f"PID {pid} cannot be had")


def end(child):
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def was_hit(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in status)
    return lines["State"][0] in "ZX" or int(lines["SigPnd"], 16) or int(lines["ShdPnd"], 16)


def start_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return int(stat.read().rpartition(")")[2].split()[19])


def replace(victim, action):
    """The PID of the victim is another process's now, which was started in another clock tick."""
    before = start_ticks(victim)
    end(victim)
    fork_as(victim, action)
    while start_ticks(victim) == before:
        end(victim)
        fork_as(victim, action)


def run(*command, text=None):
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          encoding="utf-8", check=False)


def outcome(text):
    """What botkill says has become of the victim."""
    answer = json.loads(text)
    return ",".join([left["reason"] for left in answer["left"]]
                    + [stopped["how"] for stopped in answer["stopped"]]) or "nobody"


def stale_round(number, _position):
    victim = fork(use_database)
    survey = run(f"{TOOLS}/dblockcheck", "--json", "--sample=0", DATABASE)
    holders = [holder["pid"] for holder in json.loads(survey.stdout)["holders"]]
    if holders != [victim]:
        sys.exit(f"dblockcheck sees {holders}, not {victim}")
    replace(victim, FOREIGN[number % len(FOREIGN)])
    ended = run(f"{TOOLS}/botkill", *QUICKLY, "-", text=survey.stdout)
    return victim, outcome(ended.stdout), 0


def paused_round(number, position):
    victim = fork(use_database)
    answer = os.path.join(FOLDER, "answer")
    botkill = subprocess.Popen(
        [f"{HELPERS}/pause_at", f"--output={answer}", "pidfd_open", str(position),
         f"{TOOLS}/botkill", *QUICKLY, DATABASE],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
    word, _, sent = botkill.stdout.readline().split()
    if word != "paused":
        sys.exit("botkill did not come to this system call")
    replace(victim, FOREIGN[number % len(FOREIGN)])
    botkill.communicate("go on\n")
    with open(answer, encoding="utf-8") as text:
        # SIGTERM and SIGKILL have been sent: from here on it looks only.
        return victim, outcome(text.read()), -1 if int(sent) >= 2 else position + 1


def check_that_hits_show():
    """So that 0 means something: an ordinary kill(2) is seen."""
    bystander = fork(nothing)
    unharmed = not was_hit(bystander)
    os.kill(bystander, signal.SIGTERM)
    if not (unharmed and was_hit(bystander)):
        sys.exit("a hit would not be seen")
    end(bystander)


def main():
    one_round = {"stale": stale_round, "paused": paused_round}[HOW]
    outcomes = collections.Counter()
    hits = position = sweeps = 0
    check_that_hits_show()
    for number in range(int(ROUNDS)):
        victim, said, position = one_round(number, position)
        if was_hit(victim):
            hits += 1
            print(f"round {number}: {victim} was hit: {said}", file=sys.stderr)
        outcomes[said] += 1
        end(victim)
        if position < 0:
            sweeps += 1
            position = 0
    print(f"{hits} hits in {ROUNDS} rounds, {sweeps} sweeps;",
          " ".join(f"{said}:{count}" for said, count in sorted(outcomes.items())))


main()
