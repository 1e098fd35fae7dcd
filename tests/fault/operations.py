"""What inject.so and record.so have logged, and running a command under them.

The log's layout is that of struct log and struct log_entry in intercept.h.
"""

import contextlib
import mmap
import os
import select
import signal
import struct
import subprocess
import threading
from dataclasses import dataclass

HEADER_SIZE = 64
ENTRY = struct.Struct("=IIiiQqQQ")
LOG_SIZE = 32 << 20

# enum operation_traits
TAKES_SPACE, IS_INTERRUPTIBLE, IS_DIVISIBLE, IS_SYNC, MAKES_NAME, HAS_CREATED, WAS_HIT = (1 << bit for bit in range(7))

# More than any of the commands needs, also with sanitizers; after it, it hangs.
TIME_LIMIT = 30
# Seconds until what the tool has run has ended as well.
GUEST_LIMIT = 10


# Below the root, what a mount covers (COVERED in intercept.h).
COVERED = "/.covered/"


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
    left_guest: bool = False  # a program that it ran was still there after it


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


class Guest:
    """A program that a tool runs in a session of its own, where the tool's end is not the end of it by itself.

    It loads the shim itself (GUEST of migrations.py): it asks for the tool to be killed through `stop`, and keeps
    `alive` open as long as one of its processes is there.
    """

    def __init__(self, log, preload):
        self.stop_path, self.alive_path = log + ".stop", log + ".alive"
        self.environment = {"FAULT_GUEST_SHIM": preload, "FAULT_GUEST_STOP": self.stop_path,
                            "FAULT_GUEST_ALIVE": self.alive_path}
        for path in (self.stop_path, self.alive_path):
            if not os.path.exists(path):
                os.mkfifo(path)

    @contextlib.contextmanager
    def watched(self, process):
        stop = os.open(self.stop_path, os.O_RDWR | os.O_CLOEXEC)

        def serve():
            if os.read(stop, 1) == b"k" and process.returncode is None:  # else its number may be somebody else's
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            os.write(stop, b"q")
            thread.join()
            os.close(stop)

    @contextlib.contextmanager
    def awaited(self):
        """Yields a function that waits until nobody of it is there, and returns whether that came to be."""
        alive = os.open(self.alive_path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        poll = select.poll()
        poll.register(alive, 0)

        def has_ended():
            try:
                if os.read(alive, 1) == b"":
                    return True
            except BlockingIOError:
                pass
            return bool(poll.poll(GUEST_LIMIT * 1000))

        try:
            yield has_ended
        finally:
            os.close(alive)


def run(command, *, root, log, preload=None, plan=None):
    """Runs the command in `root`, in a session of its own, and waits until all its processes have ended."""
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    if not preload:
        return run_watched(command, root, environment, None)
    guest = Guest(log, preload)
    fresh_log(log)
    environment |= {"LD_PRELOAD": preload, "FAULT_ROOT": root, "FAULT_LOG": log} | guest.environment | (plan or {})
    with guest.awaited() as has_ended:
        result = run_watched(command, root, environment, guest)
        result.left_guest = not has_ended()
    result.operations = read_log(log)
    return result


def run_watched(command, root, environment, guest):
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(
            command, cwd=root, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True))
        if guest:
            stack.enter_context(guest.watched(process))
        try:
            # The pipes end when the last of its processes has, and with it all locks.
            output, message = process.communicate(timeout=TIME_LIMIT)
            status = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, message = process.communicate()
            status = None
    return Result(status, output.decode(errors="replace"), message.decode(errors="replace"), [])
