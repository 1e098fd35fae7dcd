"""What inject.so and record.so have logged, and running a command under them.

The log's layout is that of struct log and struct log_entry in intercept.h.
"""

import contextlib
import mmap
import os
import signal
import struct
import subprocess
from dataclasses import dataclass

HEADER_SIZE = 64
ENTRY = struct.Struct("=IIiiQqQQ")
LOG_SIZE = 32 << 20

# enum operation_traits
TAKES_SPACE, IS_INTERRUPTIBLE, IS_DIVISIBLE, IS_SYNC, MAKES_NAME, HAS_CREATED, WAS_HIT = (1 << bit for bit in range(7))

# More than any of the commands needs, also with sanitizers; after it, it hangs.
TIME_LIMIT = 30


@dataclass
class Operation:
    name: str
    traits: int
    pid: int
    error: int
    inode: int
    offset: int
    length: int
    path: str
    second: str
    data: bytes

    def describe(self, root):
        """One short line for the reader of a violation."""
        text = f"{self.pid} {self.name} {self.path.replace(root + '/', '')}"
        if self.second:
            text += f" -> {self.second.replace(root + '/', '')}"
        if self.traits & IS_DIVISIBLE:
            text += f" at {self.offset}, {self.length} bytes"
        return text


@dataclass
class Result:
    status: int  # as subprocess has it: negative after a signal; None when it had to be stopped because it hung
    output: str
    message: str  # its standard error
    operations: list


def read_log(path):
    found = []
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as log:
        end = HEADER_SIZE + struct.unpack_from("=Q", log)[0]
        at = HEADER_SIZE
        while at < end:
            size, traits, pid, error, inode, offset, length, data_length = ENTRY.unpack_from(log, at)
            if size == 0:  # killed while it was written: so was everything behind it
                break
            body = log[at + ENTRY.size:at + size]
            name, path, second, rest = body.split(b"\0", 3)
            found.append(Operation(name.decode(), traits, pid, error, inode, offset, length, os.fsdecode(path),
                                   os.fsdecode(second), rest[:data_length]))
            at += size
    return found


def fresh_log(path):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with open(path, "wb") as file:
        file.truncate(LOG_SIZE)


def run(command, *, root, log, preload=None, plan=None):
    """Runs the command in `root`, in a session of its own, and waits until all its processes have ended."""
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    if preload:
        fresh_log(log)
        environment |= {"LD_PRELOAD": preload, "FAULT_ROOT": root, "FAULT_LOG": log} | (plan or {})
    with subprocess.Popen(command, cwd=root, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, start_new_session=True) as process:
        try:
            # The pipes end when the last of its processes has, and with it all locks.
            output, message = process.communicate(timeout=TIME_LIMIT)
            status = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, message = process.communicate()
            status = None
    return Result(status, output.decode(errors="replace"), message.decode(errors="replace"),
                  read_log(log) if preload else [])
