#!/usr/bin/python3 -IS
"""Judges an answer of dbbackup --json or dbrestore --json, on standard input: one line, every key.

    judge.py dbbackup|dbrestore

Prints the path of the backup that it speaks of, if any. What is wrong goes to standard error.
"""

import json
import sys

KEYS = {
    "dbbackup": "schema tool time database backup deleted dry_run",
    "dbrestore": "schema tool time database backup safety_copy kept_aside method seconds dry_run",
}
# What is known when a backup has been made.
MADE = """size_bytes file_size_bytes pages page_size_bytes sha256 user_version application_id revision
    verified method read_lock_seconds seconds"""
CHANGES = "size_bytes pages revision tables"


def is_true(good, text):
    if not good:
        sys.exit(f"{text}: {said}")


def has(thing, keys):
    missing = set(keys.split()) - set(thing)
    is_true(not missing, f"lacks {missing}")


def judge_backup(answer):
    is_true(isinstance(answer["deleted"], list), "deleted")
    if not answer["dry_run"]:
        has(answer, MADE)
        is_true(answer["verified"] in ("quick", "full", "none"), "verified")
        is_true(answer["method"] in ("reflink", "copy_file_range", "read_write", "api"), "method")
        is_true(0 <= answer["read_lock_seconds"] <= answer["seconds"], "seconds")
        is_true(len(answer["sha256"]) == 64, "sha256")


def judge_restore(answer):
    is_true(isinstance(answer["kept_aside"], list), "kept_aside")
    is_true(answer["method"] in ("transaction", "rename"), "method")
    is_true(answer["safety_copy"] is None or answer["safety_copy"].startswith("/"), "safety_copy")
    is_true(answer["seconds"] >= 0, "seconds")
    is_true(answer["dry_run"] == ("changes" in answer), "changes")
    if answer["dry_run"]:
        has(answer["changes"], CHANGES)
        for key in ("size_bytes", "pages", "revision"):
            has(answer["changes"][key], "before after")
        for table in answer["changes"]["tables"]:
            has(table, "name rows_before rows_after")


tool = sys.argv[1]
said = sys.stdin.read().rstrip("\n")
is_true("\n" not in said, "not one line")
try:
    found = json.loads(said)
except ValueError:
    sys.exit(f"no JSON: {said}")
is_true((found["schema"], found["tool"]) == (1, tool), "schema or tool")
if "error" in found:
    is_true(found["error"]["status"] > 0 and found["error"]["message"], "error")
else:
    has(found, KEYS[tool])
    is_true(found["time"].endswith("Z") and found["time"][10] == "T", "time")
    is_true(found["database"].startswith("/") and found["backup"].startswith("/"), "not an absolute path")
    is_true(isinstance(found["dry_run"], bool), "dry_run")
    {"dbbackup": judge_backup, "dbrestore": judge_restore}[tool](found)
print(found.get("backup", ""))
