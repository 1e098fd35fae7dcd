"""dblockcheck's answer beside the truth, and beside what each client knows of itself."""

import json
import subprocess

from world import NONE, READ, WRITE


class Disagreement(Exception):
    """dblockcheck and the truth are not the same."""


def ask_dblockcheck(program, database):
    run = subprocess.run([program, "--json", "--sample=0", database], stdout=subprocess.PIPE)
    answer = json.loads(run.stdout)
    if "error" in answer:
        raise Disagreement(f"dblockcheck failed: {answer['error']['message']}")
    return answer


def is_so(expected, said, what):
    if expected != said:
        raise Disagreement(f"{what}: dblockcheck says {said}, and the truth is {expected}")


def compare(world, answer, truth):
    can, users = answer["can"], truth["users"]
    is_so(truth["read"], can["read"], "can.read")
    is_so(truth["write"], can["write"], "can.write")
    # Who has it open without a lock does not hinder SQLite, but would be left with another file or another schema.
    is_so(truth["migrate"], not any(holder["locks"] for holder in answer["holders"]), "nobody has a lock")
    is_so(not users, can["migrate"], "can.migrate")
    is_so("open" if truth["write"] and users else "free" if truth["write"] else "locked", answer["status"], "status")
    is_so(sorted(users), [holder["pid"] for holder in answer["holders"]], "holders")
    is_so(sorted(users), answer["blockers"]["migrate"], "blockers.migrate")
    is_so(not users, answer["certified"], "certified")
    for question in ("read", "write"):
        blockers = answer["blockers"][question]
        is_so(can[question], not blockers, f"nobody in blockers.{question}")
        is_so(set(), set(blockers) - users, f"strangers in blockers.{question}")
    holders = {holder["pid"]: holder for holder in answer["holders"]}
    for client in world.clients:
        if client.is_open:
            compare_client(client, holders[client.pid], answer)
        for child in client.children:
            is_so([], holders[child]["locks"], f"locks of the child {child}")


def compare_client(client, holder, answer):
    """What a connection knows of its transaction, beside its locks."""
    locks, state, name = set(holder["locks"]), client.transaction(), client.name
    wal = answer["journal_mode"] == "wal"
    # In WAL mode a lock on the main file stops no writer; a refused switch of the mode may leave RESERVED there.
    writes = bool(locks & ({"WRITE", "EXCLUSIVE"} if wal else {"RESERVED", "EXCLUSIVE"}))
    reads = bool(locks & ({f"READ{slot}" for slot in range(5)} if wal else {"SHARED"}))
    if client.stopped:
        is_so("stopped", holder["state"], f"state of {name}")
    if client.alone and not wal:
        is_so(True, "EXCLUSIVE" in locks, f"{name} is in an exclusive transaction")
    if client.written or state == WRITE:
        is_so(True, writes, f"{name} is in a write transaction")
        is_so(True, client.pid in answer["blockers"]["write"], f"{name} is in blockers.write")
    elif state == READ:
        is_so(True, reads or writes, f"{name} is in a read transaction: a lock to read")
    # Locks may be more than a transaction needs, but only for these two reasons.
    if client.exclusive_mode or client.kept:
        return
    if state in (NONE, READ):
        is_so(False, writes, f"{name} is not in a write transaction: a lock to write")
    if state == NONE:
        is_so(False, reads, f"{name} is in no transaction: a lock to read")
