#!/usr/bin/env python3
"""What a limit on memory costs, and what is left behind it, beside the Redis and the Valkey of this machine.

    cargo build --release
    python3 benches/compare/eviction.py            a few minutes
    python3 benches/compare/eviction.py --quick    a look

Each server is given the same limit, policy and requests, one after the other in each round, and a client that stores a key
whenever it does not find it. Keys are asked for as Zipf found words to be used; *polluted* is the same with as many requests for
keys that nobody asks for again. Printed are the share of requests of the first kind that found their key, how far what counts was
above the limit at the most, and the processor time of a write that evicts and of one that need not.
"""

import argparse
import bisect
import itertools
import random
import sys

from servers import Kind, Machine, encode, find_program

LIMIT = 32 << 20
VALUE = b"x" * 100
PIPELINE = 64
POLICIES = ["allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-ttl", "allkeys-random"]


def main():
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--russet")
    parser.add_argument("--requests", type=int)
    parser.add_argument("--ports")
    options = parser.parse_args()
    options.requests = options.requests or (300_000 if options.quick else 1_500_000)
    machine = Machine(options.ports)
    kinds = []
    for name, program, given in (
        ("Russet", "russet-server", options.russet),
        ("Valkey", "valkey-server", None),
        ("Redis", "redis-server", None),
    ):
        found = find_program(program, given)
        if found:
            kinds.append(Kind(name, found))
        else:
            print(f"{program} is not there and left out", file=sys.stderr)
    print("\n".join(machine.lines()))
    hit_ratios(machine, kinds, options.requests)
    costs(machine, kinds, 200_000 if options.quick else 1_000_000)


def hit_ratios(machine, kinds, requests):
    print(f"\nFound, of {requests} requests for {KEYS} keys; limit {LIMIT >> 20} MiB; most above the limit in percent\n")
    print("| load | policy | " + " | ".join(f"{kind.name} | above" for kind in kinds) + " |")
    print("|---|---|" + "---|---|" * len(kinds))
    for load, polluted in (("Zipf", False), ("polluted", True)):
        for policy in POLICIES[:2] if polluted else POLICIES:
            cells = []
            for kind in kinds:
                with kind.start(machine, ["--maxmemory", str(LIMIT), "--maxmemory-policy", policy]) as server:
                    found, above = ask_for_all(server, keys_of(requests, polluted), policy)
                    cells.append(f"{found:.4f} | {above:.2f}")
            print(f"| {load} | {policy} | " + " | ".join(cells) + " |", flush=True)


KEYS = 1_000_000


def keys_of(requests, polluted):
    """Pairs of a key and whether it counts; the same for all servers."""
    dice = random.Random(1)
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(KEYS)))
    for at in range(requests):
        rank = bisect.bisect_left(weights, dice.random() * weights[-1])
        # Neighbours in rank are none in name.
        yield b"key:%d" % (rank * 7919 % KEYS), True
        if polluted:
            yield b"scan:%d" % at, False


def ask_for_all(server, keys, policy):
    hits = counted = 0
    above, since = 0.0, 0
    volatile = policy.startswith("volatile")
    with server.connect() as client:
        replies = Replies(client)
        while batch := list(itertools.islice(keys, PIPELINE)):
            client.socket.sendall(b"".join(encode((b"GET", key)) for key, _ in batch))
            missing = []
            for key, counts in batch:
                found = replies.next() is not None
                counted += counts
                hits += found and counts
                if not found:
                    missing.append(key)
            if missing:
                life = (b"EX", b"100000") if volatile else ()
                client.socket.sendall(b"".join(encode((b"SET", key, VALUE, *life)) for key in missing))
                for _ in missing:
                    replies.next()
            since += 1
            if since % 200 == 0:
                above = max(above, above_limit(server))
    return hits / counted, above


def above_limit(server):
    info = server.info()
    counted = int(info["used_memory"]) - int(info["mem_not_counted_for_evict"])
    return max(0, counted - LIMIT) * 100 / LIMIT


class Replies:
    """Simple and bulk strings, read as they come."""

    def __init__(self, client):
        self.file = client.socket.makefile("rb", 1 << 18)

    def next(self):
        line = self.file.readline()
        if line[:1] == b"$":
            length = int(line[1:])
            return None if length < 0 else self.file.read(length + 2)
        if line[:1] == b"-":
            raise SystemExit(f"the server refused: {line!r}")
        return line


def costs(machine, kinds, writes):
    print(f"\nProcessor time of a write of 100 bytes, in microseconds: with room, evicting, and the difference\n")
    print("| policy | " + " | ".join(kind.name for kind in kinds) + " |")
    print("|---|" + "---|" * len(kinds))
    for policy in POLICIES:
        cells = []
        for kind in kinds:
            with_room = cpu_of_writes(machine, kind, writes, policy, 0)
            evicting = cpu_of_writes(machine, kind, writes, policy, LIMIT)
            cells.append(f"{with_room:.2f}, {evicting:.2f}, {evicting - with_room:.2f}")
        print(f"| {policy} | " + " | ".join(cells) + " |", flush=True)


def cpu_of_writes(machine, kind, writes, policy, limit):
    life = (b"EX", b"100000") if policy.startswith("volatile") else ()
    with kind.start(machine, ["--maxmemory", str(limit), "--maxmemory-policy", policy]) as server:
        with server.connect() as client:
            def send(first, count):
                for at in range(first, first + count, 1000):
                    requests = (encode((b"SET", b"key:%d" % key, VALUE, *life)) for key in range(at, at + 1000))
                    client.send_all([b"".join(requests)])
            # Until it is full.
            send(0, 300_000)
            before = server.cpu_us()
            send(300_000, writes)
            return (server.cpu_us() - before) / writes


if __name__ == "__main__":
    main()
