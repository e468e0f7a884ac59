"""Many commands in one write, and transactions, with errors that stay in their place."""

import socket

import redis
from redis_py import open_client, together
from use_case import HOST, PORT, equal, fails, ok, run, use_case


@use_case("B42 a pipeline of a thousand, without a transaction")
def thousand(case):
    client = open_client(case)
    pipe = client.pipeline(transaction=False)
    for index in range(1000):
        pipe.set(f"key:{index}", f"value:{index}", ex=60)
    equal(pipe.execute(), [True] * 1000)
    for index in range(1000):
        pipe.get(f"key:{index}")
    equal(pipe.execute(), [f"value:{index}" for index in range(1000)])


@use_case("B42.error an error in the middle stays in the middle")
def error(case):
    client = open_client(case)
    for transaction in (False, True):
        pipe = client.pipeline(transaction=transaction)
        replies = pipe.set("a", "text").incr("a").append("a", "!").get("a").execute(raise_on_error=False)
        ok(isinstance(replies[1], redis.ResponseError), repr(replies[1]))
        equal([replies[0], *replies[2:]], [True, 5, "text!"])


@use_case("B42.unread megabytes of commands are written before one reply is read")
def unread(case):
    # A raw socket, since no client holds back its reading: replies of 20 MB wait in the server while we still write.
    with socket.create_connection((HOST, PORT), timeout=15) as raw:
        raw.sendall(b"*3\r\n$3\r\nSET\r\n$6\r\nfiller\r\n$10000\r\n" + b"x" * 10_000 + b"\r\n")
        raw.sendall(b"*2\r\n$3\r\nGET\r\n$6\r\nfiller\r\n" * 2000 + b"PING\r\n")
        wanted = b"+OK\r\n" + (b"$10000\r\n" + b"x" * 10_000 + b"\r\n") * 2000 + b"+PONG\r\n"
        got = bytearray()
        while len(got) < len(wanted):
            piece = raw.recv(1 << 20)
            ok(piece, f"closed after {len(got)} bytes")
            got += piece
        ok(got == wanted, "all replies whole and in order")


@use_case("B42.split commands cut at every byte, as a slow network may deliver them")
def split(case):
    command = b"*3\r\n$3\r\nSET\r\n$5\r\nsplit\r\n$4\r\na\r\nb\r\n*2\r\n$3\r\nGET\r\n$5\r\nsplit\r\nPING hello\r\n"
    wanted = b"+OK\r\n$4\r\na\r\nb\r\n$5\r\nhello\r\n"
    for cut in range(1, len(command)):
        with socket.create_connection((HOST, PORT), timeout=5) as raw:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.sendall(command[:cut])
            raw.sendall(command[cut:])
            got = b""
            while len(got) < len(wanted):
                piece = raw.recv(4096)
                ok(piece, f"closed at cut {cut} after {got!r}")
                got += piece
            equal(got, wanted, f"cut at {cut}")


@use_case("B42.multi a transaction is refused whole when a command of it is unknown")
def multi(case):
    client = open_client(case)
    equal(client.pipeline().set("a", 1).incr("a").get("a").execute(), [True, 2, "2"])
    pipe = client.pipeline().set("never", 1)
    pipe.execute_command("NOSUCH")
    fails(redis.ResponseError, "unknown command", pipe.execute)
    equal(client.exists("never"), 0)


@use_case("B42.watch a conflict makes EXEC answer null, which is the client's WatchError")
def watch(case):
    client = open_client(case)
    client.set("balance", 10)
    with client.pipeline() as pipe:
        pipe.watch("balance")
        client.decr("balance")
        pipe.multi()
        pipe.set("balance", 100)
        fails(redis.WatchError, "", pipe.execute)
    equal(client.get("balance"), "9")

    def add(pipe):
        balance = int(pipe.get("balance"))
        pipe.multi()
        pipe.set("balance", balance + 1)

    # Ten threads add one each by reading and writing back: only WATCH makes that come out right.
    together(10, lambda _: client.transaction(add, "balance"))
    equal(client.get("balance"), "19")


run()
