#!/usr/bin/env python3
"""Records what COMMAND INFO of a running Redis says, one line for each command.

    tests/golden/command_info.py PORT > tests/golden/command_info.txt

A line holds name, arity, flags, first key, last key, step, categories, tips and key specs, with
words in alphabetical order where the order means nothing; `-` stands for none.
"""
import socket
import sys


def read(file):
    line = file.readline()[:-2].decode()
    kind, rest = line[0], line[1:]
    if kind == ":":
        return int(rest)
    if kind == "$":
        return None if rest == "-1" else file.read(int(rest) + 2)[:-2].decode()
    if kind == "*":
        return [read(file) for _ in range(int(rest))]
    return rest


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))


def search(flat):
    found = pairs(flat)
    return ":".join([found["type"], *(str(value) for value in pairs(found["spec"]).values())])


def key_spec(flat):
    spec = pairs(flat)
    flags = "+".join(sorted(spec["flags"]))
    return "/".join([flags, search(spec["begin_search"]), search(spec["find_keys"])])


def words(list_, order=sorted):
    return ",".join(order(list_)) or "-"


def lines(commands):
    for name, arity, flags, first, last, step, categories, tips, keys, subs in commands:
        if name.startswith("v") and "@vectorset" in categories:
            continue
        specs = words([key_spec(key) for key in keys], list)
        yield f"{name} {arity} {words(flags)} {first} {last} {step} {words(categories)} {words(tips)} {specs}"
        yield from lines(subs)


def main():
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as server:
        server.sendall(b"COMMAND\r\n")
        print("\n".join(sorted(lines(read(server.makefile("rb"))))))


main()
