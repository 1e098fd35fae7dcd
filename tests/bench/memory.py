#!/usr/bin/python3
"""memory.py - run a command and print how much memory it and all of its children had at most.

    memory.py COMMAND [ARGUMENT...]

The command has /dev/null as its standard input, output and error. Looks each millisecond or so, and prints one line:

    PRIVATE SHARE LARGEST STATUS

PRIVATE is the peak of the sum of RssAnon + RssShmem over all processes, in KiB: what fork has not copied yet, and
memory that they share on purpose, count for each, so it is never less than the truth. SHARE is the same with each
shared page divided by its users (Pss_Anon + Pss_Shmem), from fewer looks because the kernel has to walk over the
pages. LARGEST is the peak of the resident set of the largest process as the kernel has kept it (VmHWM), with the
pages of programs and libraries, which belong to the page cache. STATUS is the exit status, 128+N after a signal.
"""

import os
import signal
import subprocess
import sys
import time


def family(pid):
    """The process and all its descendants."""
    found = [pid]
    for member in found:
        try:
            for task in os.listdir(f"/proc/{member}/task"):
                with open(f"/proc/{member}/task/{task}/children", encoding="ascii") as children:
                    found += map(int, children.read().split())
        except OSError:
            pass  # it has ended
    return found


def fields(path, names):
    """These fields of a file of /proc that has "NAME: KIB kB" lines; none if the process has ended."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return [int(line.split()[1]) for line in file if line.split(":")[0] in names]
    except OSError:
        return []


def watch(pid):
    private = share = largest = looks = 0
    # Look whether it has ended, but leave its exit status for later.
    while not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        members = family(pid)
        private = max(private, sum(sum(fields(f"/proc/{member}/status", ("RssAnon", "RssShmem")))
                                   for member in members))
        for member in members:
            largest = max([largest] + fields(f"/proc/{member}/status", ("VmHWM",)))
        if looks % 10 == 0:
            share = max(share, sum(sum(fields(f"/proc/{member}/smaps_rollup", ("Pss_Anon", "Pss_Shmem")))
                                   for member in members))
        looks += 1
        time.sleep(0.001)
    return private, share, largest


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: child.send_signal(number))
    private, share, largest = watch(child.pid)
    status = child.wait()
    print(private, share, largest, status if status >= 0 else 128 - status)


main()
