#!/usr/bin/python3
"""A program that uses SQLite as a test tells it, one command a line on standard input.

It says "ready PID" when it starts and answers every command with one line, "ok [RESULT]" or
"error TEXT". It waits for no lock (busy_timeout is 0) and ends with its standard input.

    open PATH         connect; the new connection is the current one (several may be open)
    use NUMBER        make the NUMBERth connection (from 1) the current one
    sql STATEMENT     run a statement to its end; RESULT: its rows as JSON
    cursor SELECT     start a SELECT and leave it unfinished after its first row
    step              the next row of it
    finish            end it
    close             close the current connection
    raw PATH          open a file for reading without SQLite
    touch-lock PATH   open and close the database beside SQLite; POSIX drops all locks on it
    fork              a child that inherits everything and waits; RESULT: its PID
    lead              the same, which leads a session of its own
    daemon            the same with a session of its own, left by the process in between as daemons do
"""

import json
import os
import select
import sqlite3
import sys


class Client:
    def __init__(self):
        self.connections = []
        self.current = None
        self.cursors = {}
        self.files = []

    def open(self, path):
        self.current = sqlite3.connect(path, timeout=0, isolation_level=None)
        self.connections.append(self.current)

    def use(self, number):
        self.current = self.connections[int(number) - 1]

    def sql(self, statement):
        return json.dumps(self.current.execute(statement).fetchall())

    def cursor(self, select):
        cursor = self.current.execute(select)
        self.cursors[self.current] = cursor
        return json.dumps(cursor.fetchone())

    def step(self):
        return json.dumps(self.cursors[self.current].fetchone())

    def finish(self):
        self.cursors.pop(self.current).close()

    def close(self):
        if self.current in self.cursors:
            self.finish()
        self.current.close()

    def raw(self, path):
        self.files.append(open(path, "rb"))

    def touch_lock(self, path):
        os.close(os.open(path, os.O_RDONLY))

    def fork(self, before=lambda: None):
        child = os.fork()
        if child == 0:
            before()
            end_of_input = select.poll()
            end_of_input.register(sys.stdin, 0)
            end_of_input.poll()
            os._exit(0)
        return str(child)

    def lead(self):
        reader, writer = os.pipe()

        def start_session():
            os.setsid()
            os.write(writer, b"r")

        child = self.fork(start_session)
        os.read(reader, 1)
        return child

    def daemon(self):
        """Answers with the PID of what goes on."""
        reader, writer = os.pipe()
        between = os.fork()
        if between == 0:
            os.setsid()
            os.write(writer, self.fork().encode())
            os._exit(0)
        os.waitpid(between, 0)
        return os.read(reader, 32).decode()


def main():
    client = Client()
    print("ready", os.getpid(), flush=True)
    for line in sys.stdin:
        command, _, argument = line.rstrip("\n").partition(" ")
        action = getattr(client, command.replace("-", "_"))
        try:
            result = action(argument) if argument else action()
            print("ok", result or "", flush=True)
        except (sqlite3.Error, OSError) as error:
            print("error", error, flush=True)


if __name__ == "__main__":
    main()
