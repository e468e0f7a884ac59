#!/usr/bin/env python3
"""Writes down what COMMAND INFO says of every command and subcommand of a live server.

    record.py PORT > tests/golden/command_info_redis.txt

One line for a command, and one indented line for each of its key specifications.
"""
import socket
import sys


class Server:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def ask(self, *words):
        frame = b"*%d\r\n" % len(words)
        for word in words:
            frame += b"$%d\r\n%s\r\n" % (len(word), word.encode())
        self.socket.sendall(frame)
        return self.read()

    def read(self):
        line = self.file.readline()[:-2].decode("latin1")
        mark, rest = line[0], line[1:]
        if mark in "+-":
            return rest
        if mark == ":":
            return int(rest)
        if mark == "$":
            length = int(rest)
            return None if length < 0 else self.file.read(length + 2)[:-2].decode("latin1")
        if mark == "*":
            return [self.read() for _ in range(max(int(rest), 0))]
        raise ValueError(line)


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))


def words(names):
    return ",".join(sorted(names)) or "-"


def place(spec, part):
    part = pairs(spec[part])
    inner = pairs(part["spec"])
    return ":".join([part["type"]] + [str(value) for value in inner.values()])


def rows(command):
    name, arity, flags, first, last, step, categories, tips, keys, subs = command[:10]
    yield (
        f"{name} arity={arity} flags={words(flags)} keys={first},{last},{step}"
        f" categories={words(categories)} tips={words(tips)}"
    )
    for spec in map(pairs, keys):
        begin, find = place(spec, "begin_search"), place(spec, "find_keys")
        yield f"  key flags={words(spec['flags'])} begin={begin} find={find}"
    for sub in sorted(subs):
        yield from rows(sub)


for command in sorted(Server(int(sys.argv[1])).ask("COMMAND")):
    print("\n".join(rows(command)))
