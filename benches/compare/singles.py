"""What is one figure for each server: its start, its rest, its memory, how fast it is filled, its longest step."""

import multiprocessing
import os
import resource
import socket
import time

from figures import interleaved, median
from servers import Client, chunks_of, encode

WAIT_MS = 0.1


def start_to_pong(kinds, machine, times):
    """Milliseconds from starting the program to its first answer."""
    results = {kind.name: [] for kind in kinds}
    for order in interleaved(kinds, times):
        for kind in order:
            before = time.perf_counter()
            with kind.start(machine):
                results[kind.name].append((time.perf_counter() - before) * 1000)
    return {name: median(values) for name, values in results.items()}


def idle(kinds, machine, seconds):
    """Of a server that nobody asks anything: private memory, processor time, and how often a thread woke."""
    servers = [kind.start(machine) for kind in kinds]
    try:
        time.sleep(1)
        before = {server.name: (server.cpu_us(), server.switches()) for server in servers}
        time.sleep(seconds)
        private = {server.name: server.memory_kib("RssAnon") / 1024 for server in servers}
        cpu = {server.name: (server.cpu_us() - before[server.name][0]) / seconds for server in servers}
        switches = {server.name: (server.switches() - before[server.name][1]) / seconds for server in servers}
        return private, cpu, switches
    finally:
        for server in servers:
            server.stop()


def connections(kind, machine, counts):
    """KiB of resident memory for each of so many connections, which have sent a PING and are silent since."""
    with kind.start(machine, ["--maxclients", str(max(counts) + 100)]) as server:
        before, clients, results = server.memory_kib("VmRSS"), [], []
        try:
            for count in counts:
                while len(clients) < count:
                    client = Client(server.port)
                    client.ask("PING")
                    clients.append(client.socket)
                # Buffers of clients that are silent are given back after some seconds.
                time.sleep(4)
                results.append((server.memory_kib("VmRSS") - before) / count)
        finally:
            for client in clients:
                # Ended by a reset, they leave nothing behind that would hold a port.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()
        return results


def open_files_allowed(wanted):
    """As many as that, if the system lets us; says how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(soft, allowed)


def key(number):
    return "key:%012d" % number


def each(*words):
    """One request for each key; a word that is a function is given the key's number."""
    return lambda number: encode([word(number) if callable(word) else word for word in words])


def elements(prefix, count):
    return [f"{prefix}:{number:06d}" for number in range(count)]


def with_scores(names):
    return [word for number, name in enumerate(names) for word in (number * 7 % 23, name)]


def data_sets(scale):
    """A name, how many keys or elements, and the request that makes the one with a number."""
    fields = [word for name in elements("field", 5) for word in (name, "value")]
    # Fewer would say more of the allocator's first pages than of the values.
    large = max(scale // 10, 50_000)
    return [
        ("string of 3 bytes", scale, each("SET", key, "xxx")),
        ("string of 16 bytes", scale, each("SET", key, "x" * 16)),
        ("string of 64 bytes", scale, each("SET", key, "x" * 64)),
        ("string of 1 KiB", large, each("SET", key, "x" * 1024)),
        ("string of 3 bytes with a deadline", scale, each("SET", key, "xxx", "EX", lambda number: 86_400 + number % 10_000)),
        ("hash of 5 fields", large, each("HSET", key, *fields)),
        ("list of 20", large, each("RPUSH", key, *elements("element", 20))),
        ("set of 20 strings", large, each("SADD", key, *elements("element", 20))),
        ("set of 20 integers", large, each("SADD", key, *range(1000, 21_000, 1000))),
        ("sorted set of 20", large, each("ZADD", key, *with_scores(elements("element", 20)))),
        ("element of one list", scale, each("RPUSH", "one", key)),
        ("element of one set", scale, each("SADD", "one", key)),
        ("field of one hash", scale, each("HSET", "one", key, "value")),
        ("member of one sorted set", scale, each("ZADD", "one", lambda number: number * 7919 % 1_000_003, key)),
        ("entry of one stream, of two fields", scale, each("XADD", "one", lambda number: f"{number + 1}-0", "field1", key, "field2", "v2")),
    ]


def bytes_each(kind, machine, count, request):
    """Bytes of resident memory for each key or element, of a server that holds nothing else."""
    with kind.start(machine) as server:
        with server.connect() as client:
            # What the first requests touch is not counted.
            client.send_all([request(0), encode(("FLUSHALL",))])
            before = server.memory_kib("VmRSS")
            client.send_all(chunks_of(map(request, range(count))))
        time.sleep(0.5)
        return (server.memory_kib("VmRSS") - before) * 1024 / count


class Load:
    """SETs of 3 bytes to so many keys of 16, encoded beforehand."""

    def __init__(self, keys, chunk_bytes):
        line = b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$3\r\nxxx\r\n"
        per_chunk = max(1, chunk_bytes // len(line % 0))
        self.chunks = [
            b"".join(line % number for number in range(first, min(first + per_chunk, keys)))
            for first in range(0, keys, per_chunk)
        ]

    def send(self, server):
        """Seconds that it takes, and the server's processor seconds."""
        with server.connect() as client:
            start, before = time.perf_counter(), server.cpu_us()
            client.send_all(self.chunks)
            return time.perf_counter() - start, (server.cpu_us() - before) / 1e6


def load(kinds, machine, load, rounds):
    """Seconds until a fresh server holds it all, and of the server's processor time."""
    seconds, cpu = ({kind.name: [] for kind in kinds} for _ in range(2))
    for order in interleaved(kinds, rounds):
        for kind in order:
            with kind.start(machine) as server:
                taken, used = load.send(server)
            seconds[kind.name].append(taken)
            cpu[kind.name].append(used)
    return tuple({name: median(values) for name, values in figures.items()} for figures in (seconds, cpu))


def longest_ping(kind, machine, load):
    """Milliseconds of the slowest PING while another client loads, and what the server says of its own steps."""
    with kind.start(machine) as server:
        loader = multiprocessing.get_context("fork").Process(target=load_politely, args=(server.port, load), daemon=True)
        with server.connect() as client:
            ask = client.ask
            loader.start()
            slowest = 0.0
            while loader.is_alive():
                before = time.perf_counter()
                ask("PING")
                slowest = max(slowest, time.perf_counter() - before)
                time.sleep(WAIT_MS / 1000)
        loader.join()
        if loader.exitcode != 0:
            raise SystemExit(f"compare: {kind.name} could not be loaded")
        own = server.info().get("engine_step_usec_max")
        return slowest * 1000, own and int(own) / 1000


def load_politely(port, load):
    # The one who measures must not wait for the processor because of the one who loads.
    os.nice(19)
    with Client(port) as client:
        client.send_all(load.chunks)
