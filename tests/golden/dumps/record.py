#!/usr/bin/env python3
"""Makes the dumps of this folder with real servers.

    record.py NAME=PATH…        for each server NAME.rdb, by the program at PATH

`old.rdb` and its like, of versions that no server here writes, are made by `forge.py`.
"""
import os
import socket
import subprocess
import sys
import tempfile
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
PORT = int(os.environ.get("PORT", "23950"))
# Keys live until the year 2100, and fields too.
LATER = 4102444800000


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def __call__(self, *words):
        out = b"*%d\r\n" % len(words)
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            out += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(out)
        return self.reply()

    def reply(self):
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            return RuntimeError(rest.decode())
        if kind == b"$" and int(rest) >= 0:
            return self.file.read(int(rest) + 2)[:-2]
        if kind in b"*%~":
            return [self.reply() for _ in range(int(rest))]
        return rest


def fill(do):
    # Strings: integers of each width, compressed, long, odd.
    for value in [0, 127, -128, 32767, -32768, 2147483647, -2147483648, 2147483648, "007", "", "plain"]:
        do("SET", f"string:{value}", value)
    do("SET", "string:compressed", b"abc" * 1000)
    do("SET", "string:long", bytes(i * 7 % 251 for i in range(20000)))
    do("SET", b"key\x00with\xffbytes", b"\x00\xff")
    do("SET", "mortal", "x", "PXAT", LATER)
    do("SET", "mortal:old", "x")
    do("PEXPIREAT", "mortal:old", LATER)
    # Lists.
    do("RPUSH", "list:small", 1, "two", -3, 70000, 2**40, "x" * 100)
    for i in range(600):
        do("RPUSH", "list:large", i, f"item number {i}")
    do("RPUSH", "list:plain", "small", b"y" * 20000, "small")
    # Sets.
    do("SADD", "set:16", 1, -2, 300)
    do("SADD", "set:32", 1, 70000)
    do("SADD", "set:64", 1, 2**40)
    do("SADD", "set:small", "a", "b", 3, "dd")
    for i in range(300):
        do("SADD", "set:large", f"member:{i}")
    # Sorted sets.
    do("ZADD", "zset:small", 1, "one", 2.5, "two and a half", -3, "minus", "inf", "much", "-inf", "little")
    for i in range(300):
        do("ZADD", "zset:large", i / 8 - 10, f"member:{i}")
    do("ZADD", "zset:large", "inf", "much", 0, "zero")
    # Hashes.
    do("HSET", "hash:small", "field", "value", "number", 12, 7, "seven", "empty", "")
    for i in range(300):
        do("HSET", "hash:large", f"field:{i}", f"value of {i}")
    do("HSET", "hash:long", "field", "z" * 200)
    # Fields with deadlines, where there are any.
    do("HSET", "hash:mortal", "a", 1, "b", 2, "c", 3)
    do("HPEXPIREAT", "hash:mortal", LATER, "FIELDS", 1, "b")
    do("HPEXPIREAT", "hash:mortal", LATER - 1000, "FIELDS", 1, "c")
    for i in range(300):
        do("HSET", "hash:mortal:large", f"field:{i}", i)
    do("HPEXPIREAT", "hash:mortal:large", LATER, "FIELDS", 2, "field:1", "field:2")
    # Streams.
    for i in range(1, 250):
        do("XADD", "stream", f"{1000 + i // 7}-{i}", "sensor", i % 3, "value", i * 1.5)
    do("XADD", "stream", "2000-0", "other", "fields", "of", "this", "and", "one")
    do("XDEL", "stream", "1001-8", "1001-9", "1010-75")
    do("XGROUP", "CREATE", "stream", "readers", "1002-0")
    do("XGROUP", "CREATE", "stream", "idle", "$")
    do("XREADGROUP", "GROUP", "readers", "ann", "COUNT", 5, "STREAMS", "stream", ">")
    do("XREADGROUP", "GROUP", "readers", "bob", "COUNT", 3, "STREAMS", "stream", ">")
    do("XGROUP", "CREATECONSUMER", "stream", "readers", "lazy")
    do("XACK", "stream", "readers", "1002-14")
    do("XADD", "stream:empty", "5-5", "a", "b")
    do("XDEL", "stream:empty", "5-5")
    # Newer commands of streams; servers without them say an error.
    do("XADD", "stream:idmp", "IDMP", "producer", "name", "*", "a", "b")
    do("XNACK", "stream", "readers", "FAIL", "IDS", 1, "1002-15")
    do("HIMPORT", "PREPARE", "shape", "first", "second")
    do("HIMPORT", "SET", "hash:template", "shape", 1, "two")
    do("FUNCTION", "LOAD", "#!lua name=golden\nredis.register_function('golden', function() return 1 end)")
    # Another database, and how keys were used.
    do("SELECT", 9)
    do("SET", "elsewhere", "9")
    do("CONFIG", "SET", "maxmemory", "1gb")
    do("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")


def record(name, program):
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--port", str(PORT), "--dir", folder, "--save", "", "--daemonize", "no", "--logfile", "log"]
        server = subprocess.Popen([program, *arguments])
        try:
            for _ in range(100):
                try:
                    do = Client(PORT)
                    break
                except OSError:
                    time.sleep(0.1)
            fill(do)
            assert do("SAVE") == b"OK"
            with open(os.path.join(folder, "dump.rdb"), "rb") as file:
                dump = file.read()
        finally:
            server.terminate()
            server.wait()
    with open(os.path.join(FOLDER, f"{name}.rdb"), "wb") as file:
        file.write(dump)
    print(name, dump[:9], len(dump))


for argument in sys.argv[1:]:
    record(*argument.split("=", 1))
