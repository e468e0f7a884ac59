"""What a snapshot costs while the server is being written to: plain keys, one large sorted set, one long string.

For each kind of data and for BGSAVE and BGREWRITEAOF: requests per second and the 99th percentile without and with a
snapshot under way, memory at its highest (of the process and its children, shared pages counted once) over what it
was before, seconds until the snapshot is there, the longest PING of a client beside, and the engine's longest step,
where the server tells it.
"""

import csv
import io
import os
import subprocess
import threading
import time

from figures import markdown, short
from servers import Client, chunks_of, encode

LOAD_S = 3.0
PATIENCE_S = 300


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
    rows = []
    for data in kinds_of_data(quick):
        for command in ("BGSAVE", "BGREWRITEAOF"):
            for kind in kinds:
                say(f"snapshot: {kind.name}, {command}, {data.name}")
                rows.append([data.name, command, kind.name, *one(kind, machine, generator, data, command)])
    return rows


def one(kind, machine, generator, data, command):
    field = "rdb_bgsave_in_progress" if command == "BGSAVE" else "aof_rewrite_in_progress"
    extra = ["--appendonly", "yes"] if command == "BGREWRITEAOF" else []
    with kind.start(machine, extra) as server:
        with server.connect() as client:
            client.send_all(chunks_of(data.fill(), 1 << 20))
        alone = load(server, generator, data, LOAD_S)
        before = memory(server.pid)
        result, longest, over = {}, [0.0], threading.Event()
        work = lambda: result.update(load(server, generator, data, 2 * LOAD_S, alone["rps"]))
        loading = threading.Thread(target=work)
        pinging = threading.Thread(target=ping, args=(server.port, longest, over))
        loading.start()
        pinging.start()
        time.sleep(0.3)
        server.ask("CONFIG", "RESETSTAT")
        began = time.monotonic()
        server.ask(command)
        peak = before
        while server.info().get(field) != "0" and time.monotonic() < began + PATIENCE_S:
            peak = max(peak, memory(server.pid))
            time.sleep(0.02)
        took = time.monotonic() - began
        loading.join()
        over.set()
        pinging.join()
        step = server.info().get("engine_step_usec_max")
    share = 100 * (peak - before) / before
    return [
        short(alone["rps"]),
        f"{result['rps'] / alone['rps']:.2f}",
        short(alone["p99"]),
        short(result["p99"]),
        f"{share:.1f} %",
        short(took),
        short(longest[0]),
        short(int(step) / 1000) if step else "–",
    ]


HEADS = ["data", "command", "server", "rps alone", "with / alone", "p99 alone ms", "p99 with ms", "extra memory", "s",
         "longest PING ms", "longest step ms"]


def report(rows):
    return markdown(HEADS, rows)


def load(server, generator, data, seconds, rate=20_000):
    """Writes for about so long."""
    requests = max(1000, int(rate * seconds))
    line = [generator, "-p", server.port, "-c", 50, "-n", requests, "-r", data.space, "--csv", *data.line]
    output = subprocess.run([*map(str, line)], capture_output=True, text=True, timeout=PATIENCE_S).stdout
    row = list(csv.DictReader(io.StringIO("\n".join(line for line in output.splitlines() if line.startswith('"')))))[-1]
    return {"rps": float(row["rps"]), "p99": float(row["p99_latency_ms"])}


def ping(port, longest, over):
    with Client(port) as client:
        while not over.is_set():
            began = time.monotonic()
            client.ask("PING")
            longest[0] = max(longest[0], (time.monotonic() - began) * 1000)
            time.sleep(0.0005)


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
