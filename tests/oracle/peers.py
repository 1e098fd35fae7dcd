"""lsof, fuser and lslocks, asked the same questions, and how often each was right."""

import os
import subprocess


def lines_of(*command):
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return run.stdout.splitlines()


def files_of(database):
    return [path for path in (database, database + "-wal", database + "-shm", database + "-journal") if os.path.exists(path)]


def ask_lsof(database):
    """Its users; a letter for a lock to write (w, W) or to read and write (u) says that a writer is refused."""
    found = lines_of("lsof", "-n", "-P", "-F", "pl", "--", *files_of(database))
    return {int(line[1:]) for line in found if line[0] == "p"}, any(line in ("lw", "lW", "lu") for line in found)


def ask_fuser(database):
    """Its users; it knows no locks, so a file that is in use is all that it can say."""
    users = {int(pid) for line in lines_of("fuser", *files_of(database)) for pid in line.split()}
    return users, bool(users)


def ask_lslocks(database):
    """Who has a lock; a lock to write says that a writer is refused."""
    inodes = {str(os.stat(path).st_ino) for path in files_of(database)}
    users, refused = set(), False
    for line in lines_of("lslocks", "-r", "-n", "-o", "PID,MODE,INODE"):
        pid, mode, inode = (line.split() + ["", ""])[:3]
        if inode in inodes:
            users.add(int(pid))
            refused = refused or mode.startswith("WRITE")
    return users, refused


PEERS = {"lsof": ask_lsof, "fuser": ask_fuser, "lslocks": ask_lslocks}


def ask_all(database):
    return {tool: ask(database) for tool, ask in PEERS.items()}


class Score:
    def __init__(self):
        self.right = {tool: [0, 0, 0] for tool in ("dblockcheck", *PEERS)}
        self.false_free = dict.fromkeys(self.right, 0)
        self.steps = 0

    def add(self, said, answer, truth):
        self.steps += 1
        said["dblockcheck"] = {holder["pid"] for holder in answer["holders"]}, not answer["can"]["write"]
        for tool, (users, refused) in said.items():
            right = (bool(users) == bool(truth["users"]), refused != truth["write"], users == truth["users"])
            self.right[tool] = [old + new for old, new in zip(self.right[tool], right)]
            self.false_free[tool] += not refused and not truth["write"]

    def show(self):
        print(f"| right in {self.steps} states | is it in use? | by exactly whom? | would a writer be refused? | \"not refused\", and it was |")
        print("|---|--:|--:|--:|--:|")
        for tool, (used, refused, users) in self.right.items():
            shares = " | ".join(f"{100 * one / self.steps:.1f} %" for one in (used, users, refused))
            print(f"| `{tool}` | {shares} | {self.false_free[tool]} times |")
