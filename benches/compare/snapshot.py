"""What a snapshot costs while the server is being written to: plain keys, one large sorted set, one long string.

For each kind of data and for BGSAVE and BGREWRITEAOF: requests per second and the 99th percentile without and with a
snapshot under way, memory at its highest (of the process and its children, shared pages counted once) over what it
was before, seconds until the snapshot is there, the longest PING of a client beside, and the engine's longest step,
where the server tells it.

Whoever watches takes a good part of a small machine: a client that pings, questions about the snapshot, the kernel adding
up pages. So they watch the same with and without a snapshot, in turns, and the figures are medians of the turns. While a
load is to run beside a snapshot, one is begun each second, unless the last one takes longer. The server is pinned nowhere,
or what is left to a thread or a process of its own would have to share one core with the rest of it.
"""

import collections
import csv
import io
import os
import statistics
import subprocess
import threading
import time

from figures import loss, markdown, short
from servers import Client, chunks_of, encode

LOAD_S = 4.0
PATIENCE_S = 300
ROUNDS = 3
# How often it is asked whether the snapshot is there, and how much memory there is.
LOOK_S = 0.05
# How often a snapshot is begun.
EVERY_S = 1.0

# Requests per second and p99 are those of writers; `kept` and `slower` are with a snapshot over without one.
Figures = collections.namedtuple("Figures", "alone kept p99_alone p99 slower peak extra seconds ping step")
# Where we may be behind: what it is called, and is less of it better?
COMPARED = [
    ("requests per second with a snapshot over without one", lambda it: it.kept, False),
    ("p99 with a snapshot", lambda it: it.p99, True),
    # What is added is a share of what each took before, which is not the same for all, and may be less than nothing.
    ("memory at its highest", lambda it: it.peak, True),
    ("seconds", lambda it: it.seconds, True),
    ("the longest PING", lambda it: it.ping, True),
]


class Data:
    def __init__(self, name, fill, line, space):
        self.name, self.fill, self.line, self.space = name, fill, line, space


def plain(keys):
    def fill():
        return (encode(("SET", f"key:{number:012}", "x" * 64)) for number in range(keys))

    return Data(f"{keys:,} strings of 64 bytes", fill, ["SET", "key:__rand_int__", "x" * 64], keys)


def sorted_set(members):
    def fill():
        for first in range(0, members, 100):
            words = ["ZADD", "board"]
            for number in range(first, first + 100):
                words += [number, f"member:{number:012}"]
            yield encode(words)

    line = ["ZADD", "board", "__rand_int__", "member:__rand_int__"]
    return Data(f"a sorted set of {members:,}", fill, line, members)


def long_string(size):
    def fill():
        part = b"x" * (8 << 20)
        for at in range(0, size, len(part)):
            yield encode(("SETRANGE", "text", at, part))

    # The generator's numbers begin with zeros, which SETRANGE does not take.
    script = "return redis.call('SETRANGE', KEYS[1], tonumber(ARGV[1]), 'y')"
    return Data(f"a string of {size >> 20} MiB", fill, ["EVAL", script, 1, "text", "__rand_int__"], size)


def kinds_of_data(quick):
    if quick:
        return [plain(500_000), sorted_set(200_000), long_string(64 << 20)]
    return [plain(5_000_000), sorted_set(1_000_000), long_string(512 << 20)]


def measure(kinds, machine, generator, quick, say):
    rounds, rows = 1 if quick else ROUNDS, []
    with machine.unpinned():
        for data in kinds_of_data(quick):
            for command in ("BGSAVE", "BGREWRITEAOF"):
                for kind in kinds:
                    say(f"snapshot: {kind.name}, {command}, {data.name}")
                    rows.append((data.name, command, kind.name, one(kind, machine, generator, data, command, rounds)))
    return rows


def one(kind, machine, generator, data, command, rounds):
    extra = ["--appendonly", "yes"] if command == "BGREWRITEAOF" else []
    with kind.start(machine, extra) as server, server.connect() as client:
        client.send_all(chunks_of(data.fill(), 1 << 20))
        rate = load(server, generator, data, 1.0)["rps"]
        client.ask("CONFIG", "RESETSTAT")
        before = memory(server.pid)
        turns = []
        for _ in range(rounds):
            alone = Turn(server, client, generator, data, rate, None)
            turns.append((alone, Turn(server, client, generator, data, rate, command)))
        step = server.info().get("engine_step_usec_max")
    median = lambda figure: statistics.median(figure(alone, beside) for alone, beside in turns)
    peak = max(beside.peak for _, beside in turns)
    return Figures(
        alone=median(lambda alone, _: alone.rps),
        kept=median(lambda alone, beside: beside.rps / alone.rps),
        p99_alone=median(lambda alone, _: alone.p99),
        p99=median(lambda _, beside: beside.p99),
        slower=median(lambda alone, beside: beside.p99 / alone.p99),
        peak=peak / 1024,
        extra=100 * (peak - before) / before,
        seconds=median(lambda _, beside: beside.snapshot_s),
        ping=max(beside.longest for _, beside in turns),
        step=int(step) / 1000 if step else None,
    )


class Turn:
    """A load and all who watch, beside snapshots or not."""

    def __init__(self, server, client, generator, data, rate, command):
        self.longest, self.peak, self.snapshot_s = 0.0, 0, None
        over = threading.Event()
        work = lambda: self.__dict__.update(load(server, generator, data, LOAD_S, rate))
        loading = threading.Thread(target=work)
        pinging = threading.Thread(target=self.ping, args=(server.port, over))
        loading.start()
        pinging.start()
        # The generator's processes have to start.
        time.sleep(0.1)
        while loading.is_alive():
            self.look_on(server, client, command, time.monotonic() + EVERY_S)
        over.set()
        loading.join()
        pinging.join()

    def look_on(self, server, client, command, until):
        """One snapshot from its beginning to its end, and some looks more."""
        field = b"aof_rewrite_in_progress:0" if command == "BGREWRITEAOF" else b"rdb_bgsave_in_progress:0"
        began = time.monotonic()
        if command:
            client.ask(command)
        while True:
            self.peak = max(self.peak, memory(server.pid))
            is_over, now = field in client.ask_bulk("INFO", "persistence"), time.monotonic()
            if command and is_over and self.snapshot_s is None:
                self.snapshot_s = now - began
            if is_over and now > until or now > began + PATIENCE_S:
                break
            time.sleep(LOOK_S)

    def ping(self, port, over):
        with Client(port) as client:
            while not over.is_set():
                began = time.monotonic()
                client.ask("PING")
                self.longest = max(self.longest, (time.monotonic() - began) * 1000)
                time.sleep(0.0005)


HEADS = ["data", "command", "server", "rps alone", "with / alone", "p99 alone ms", "p99 with ms", "with / alone",
         "memory MiB", "extra memory", "s", "longest PING ms", "longest step ms"]


def report(rows):
    """Markdown, and the losses in words."""
    together = {}
    for data, command, name, figures in rows:
        together.setdefault((data, command), {})[name] = figures
    losses = []
    for (data, command), each in together.items():
        for what, figure, less in COMPARED:
            behind = loss({name: figure(figures) for name, figures in each.items()}, less)
            if behind is not None:
                losses.append(f"{command} of {data}: {behind:.0%} behind in {what}")
    return markdown(HEADS, [[data, command, name, *cells(figures)] for data, command, name, figures in rows]), losses


def cells(it):
    return [
        short(it.alone),
        f"{it.kept:.2f}",
        short(it.p99_alone),
        short(it.p99),
        f"{it.slower:.2f}",
        short(it.peak),
        f"{it.extra:.1f} %",
        short(it.seconds),
        short(it.ping),
        short(it.step),
    ]


def load(server, generator, data, seconds, rate=50_000):
    """Writes for about so long."""
    requests = max(1000, int(rate * seconds))
    line = [generator, "-p", server.port, "-c", 50, "-n", requests, "-r", data.space, "--csv", *data.line]
    output = subprocess.run([*map(str, line)], capture_output=True, text=True, timeout=PATIENCE_S).stdout
    row = list(csv.DictReader(io.StringIO("\n".join(line for line in output.splitlines() if line.startswith('"')))))[-1]
    return {"rps": float(row["rps"]), "p99": float(row["p99_latency_ms"])}


def memory(pid):
    """KiB of a process and its children."""
    total, todo = 0, [pid]
    while todo:
        one = todo.pop()
        try:
            with open(f"/proc/{one}/smaps_rollup") as lines:
                total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            for thread in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{thread}/children") as children:
                    todo += map(int, children.read().split())
        except (OSError, StopIteration):
            pass
    return total
