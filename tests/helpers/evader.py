#!/usr/bin/python3
"""A program that has a database open and is hard to get hold of, in one of these ways:

    evader.py fork PATH      on SIGTERM it leaves a child that goes on with what it inherited
    evader.py hop PATH       all the time: it goes on as its own child
    evader.py leave PATH     ends, or lets go of the database, when standard input says so:
                             "end", "close" (and "ok" is the answer)

"ready PID" says that it is in the wanted state. It ends with its standard input, with all its children.
"""

import os
import select
import signal
import sys


def input_ended(milliseconds):
    end_of_input = select.poll()
    end_of_input.register(sys.stdin, 0)
    return bool(end_of_input.poll(milliseconds))


def fork(_file):
    def go_on_as_child(_signal, _frame):
        if os.fork() > 0:
            os._exit(0)

    signal.signal(signal.SIGTERM, go_on_as_child)
    print("ready", os.getpid(), flush=True)
    while not input_ended(None):
        pass


def hop(_file):
    print("ready", os.getpid(), flush=True)
    while not input_ended(1):
        if os.fork() > 0:
            os._exit(0)


def leave(file):
    print("ready", os.getpid(), flush=True)
    for line in sys.stdin:
        if line == "end\n":
            break
        os.close(file)
        print("ok", flush=True)


def main():
    way, path = sys.argv[1:]
    {"fork": fork, "hop": hop, "leave": leave}[way](os.open(path, os.O_RDWR))


main()
