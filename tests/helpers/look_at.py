#!/usr/bin/python3 -IS
"""Looks at a backup for the tests, and leaves it as it is.

    look_at.py FILE FOLDER

All that its manifest says is true, and it needs no other file. Prints where it is, unpacked into FOLDER if
it was compressed.
"""

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import urllib.parse

KEYS = """schema tool tool_version file source time size_bytes file_size_bytes page_size_bytes pages sha256
    database_sha256 compression user_version application_id revision journal_mode verified method
    read_lock_seconds mode uid gid"""


def is_true(good, text):
    if not good:
        sys.exit(text)


def connect(path):
    """As a file that nobody changes: SQLite makes no file beside it."""
    return sqlite3.connect(b"file:" + urllib.parse.quote(os.fsencode(path)).encode() + b"?immutable=1", uri=True)


def number(database, pragma):
    return database.execute(f"PRAGMA {pragma}").fetchone()[0]


def sum_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpacked(path, folder):
    if not path.endswith(".zst"):
        return path
    copy = os.path.join(folder, "unpacked")
    with open(copy, "wb") as file:
        subprocess.run(["zstd", "-dqc", path], stdout=file, check=True)
    return copy


def look_at_backup(path, folder):
    for name in (path, path + ".json", path + ".sha256"):
        stat = os.lstat(name)
        is_true((stat.st_mode, stat.st_nlink) == (0o100600, 1), f"{name}: mode {stat.st_mode:o}, {stat.st_nlink} links")
    copy = unpacked(path, folder)
    look_at_manifest(path, copy)
    look_at_copy(copy)
    return copy


def look_at_manifest(path, copy):
    with open(path + ".json", "rb") as file:
        text = file.read()
    is_true(text.count(b"\n") == 1 and text.endswith(b"\n"), f"{path}.json: is not one line")
    said = json.loads(text)
    missing = set(KEYS.split()) - set(said)
    is_true(not missing, f"{path}.json: lacks {missing}")
    size, name = os.path.getsize(copy), os.path.basename(path)
    for key, truth in (("schema", 1), ("tool", "dbbackup"), ("size_bytes", size), ("file_size_bytes", os.path.getsize(path)),
                       ("sha256", sum_of(path)), ("database_sha256", sum_of(copy)),
                       ("compression", "zstd" if path.endswith(".zst") else None)):
        is_true(said[key] == truth, f"{path}.json: {key} is {said[key]}, not {truth}")
    is_true(said["file"] == name or "file_hex" in said, f"{path}.json: file is {said['file']!r}")
    is_true(said["pages"] * said["page_size_bytes"] == size, f"{path}.json: {said['pages']} pages")
    is_true(said["journal_mode"] in ("wal", "rollback") and said["verified"] in ("quick", "full", "none")
            and said["method"] in ("reflink", "copy_file_range", "read_write", "api")
            and said["read_lock_seconds"] >= 0 and re.fullmatch("0[0-7]{3}", said["mode"])
            and isinstance(said["uid"], int) and isinstance(said["gid"], int) and said["source"].startswith("/")
            and re.fullmatch(r"\d{4}(-\d\d){2}T\d\d(:\d\d){2}\.\d{3}Z", said["time"]), f"{path}.json: {said}")
    database = connect(copy)
    is_true((said["user_version"], said["application_id"]) ==
            (number(database, "user_version"), number(database, "application_id")), f"{path}.json: versions")
    database.close()


def look_at_copy(path):
    for suffix in ("-wal", "-shm", "-journal"):
        is_true(not os.path.lexists(path + suffix), f"{path}{suffix}: is there")
    with open(path, "rb") as file:
        header = file.read(20)
    is_true(header[18:] in (b"\1\1", b""), f"{path}: journal mode {header[18:].hex()}")
    database = connect(path)
    try:
        is_true(database.execute("PRAGMA integrity_check").fetchall() == [("ok",)], f"{path}: is damaged")
    except sqlite3.DatabaseError as error:
        sys.exit(f"{path}: {error}")
    database.close()


print(look_at_backup(*sys.argv[1:]))
