#!/usr/bin/env python3
"""Compares Russet with the Redis and the Valkey of this machine, and writes a report in Markdown.

    cargo build --release
    python3 benches/compare --quick > report.md       under two minutes: a look
    python3 benches/compare > report.md               about half an hour
    python3 benches/compare --only start,idle         some of the sections; --list names them

It needs Python and Linux, and redis-benchmark or valkey-benchmark for the throughput section; redis-server and
valkey-server are compared with where they are installed. Every server is started here on a free port, without
persistence, in a folder of its own, and is ended by its pid. Rounds are interleaved, each server first in turn; figures
are medians. Where Russet is behind the better of the others by more than a hundredth, the report says "loss".
"""

import argparse
import contextlib
import datetime
import shlex
import sys
import time

import fanout
import singles
import snapshot
import throughput
import workers
import workloads
from figures import SUBJECT, Table, short
from servers import Kind, Machine, find_program

SECTIONS = ["throughput", "fanout", "workers", "start", "idle", "connections", "memory", "load", "step", "snapshot"]


def main():
    options = arguments()
    machine = Machine(options.ports, not options.unpinned)
    kinds = find_kinds(options)
    report = Report(options, machine, kinds)
    for section in options.only:
        say(section)
        report.sections[section]()
    report.end()


def arguments():
    parser = argparse.ArgumentParser(
        prog="compare", formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__
    )
    parser.add_argument("--quick", action="store_true", help="less of everything, for a first look")
    parser.add_argument("--only", type=lambda text: text.split(","), default=SECTIONS, help="sections, with commas between")
    parser.add_argument("--list", action="store_true", help="name sections and workloads, and end")
    parser.add_argument("--russet", help="our program; target/release/russet-server unless said otherwise")
    parser.add_argument("--redis", help="redis-server")
    parser.add_argument("--valkey", help="valkey-server")
    parser.add_argument("--generator", help="redis-benchmark or valkey-benchmark")
    parser.add_argument("--russet-options", type=shlex.split, default=[], help='such as "--io-threads 2"')
    parser.add_argument("--peer-options", type=shlex.split, default=[], help="the same for the others")
    parser.add_argument("--workloads", type=lambda text: text.split(","), help="their names, with commas between")
    parser.add_argument("--pipeline", type=lambda text: [int(word) for word in text.split(",")], default=[1, 16, 64])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--keys", type=int, help="the key space of the throughput section")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of one round of one server")
    parser.add_argument("--ports", help="such as 7000-7099; any free one unless said otherwise")
    parser.add_argument("--unpinned", action="store_true", help="do not keep servers and load on cores of their own")
    options = parser.parse_args()
    names = [workload.name for workload in workloads.ALL]
    if options.list:
        sys.exit(f"sections: {', '.join(SECTIONS)}\nworkloads: {', '.join(names)}")
    options.workloads = options.workloads or (workloads.QUICK if options.quick else names)
    for given, known in ((options.only, SECTIONS), (options.workloads, names)):
        unknown = [word for word in given if word not in known]
        if unknown:
            parser.error(f"there is no {', '.join(unknown)}; --list names what there is")
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (0.12 if options.quick else 0.4)
    options.keys = options.keys or (100_000 if options.quick else 1_000_000)
    return options


def find_kinds(options):
    ours = find_program("russet-server", options.russet)
    if not ours:
        sys.exit("compare: russet-server is not built; cargo build --release, or --russet PROGRAM")
    kinds = [Kind(SUBJECT, ours, options.russet_options)]
    for name, program, given in (
        ("Valkey", "valkey-server", options.valkey),
        ("Redis", "redis-server", options.redis),
    ):
        found = find_program(program, given)
        if found:
            kinds.append(Kind(name, found, options.peer_options))
        else:
            say(f"{program} is not installed and left out")
    return kinds


def say(text):
    print(f"compare: {text}", file=sys.stderr, flush=True)


def write(text=""):
    print(text, flush=True)


class Report:
    def __init__(self, options, machine, kinds):
        self.options, self.machine, self.kinds = options, machine, kinds
        self.quick = options.quick
        self.names = [kind.name for kind in kinds]
        self.losses = []
        self.began = time.monotonic()
        self.sections = {name: getattr(self, name) for name in SECTIONS}
        write("# " + ", ".join(f"{kind.name} {kind.version()}" for kind in kinds))
        write()
        write(f"- {datetime.date.today().isoformat()}; `python3 {' '.join(map(shlex.quote, sys.argv))}`")
        for line in machine.lines():
            write(f"- {line}")
        for kind in kinds:
            write(f"- {kind.name}: `{shlex.join([kind.program, *kind.options])}`")

    def throughput(self):
        options = self.options
        program = find_program("redis-benchmark", options.generator) or find_program("valkey-benchmark", None)
        if not program:
            say("neither redis-benchmark nor valkey-benchmark is installed; no throughput is measured")
            return
        generator = throughput.Generator(program, options.clients, options.keys)
        chosen = [workload for workload in workloads.ALL if workload.name in options.workloads]
        with self.all_started() as servers:
            measured = list(
                throughput.measure(servers, generator, chosen, options.pipeline, options.rounds, options.seconds, say)
            )
        text, losses = throughput.report(measured, self.names)
        self.losses += losses
        self.head("Throughput")
        write(
            f"`{program}`, {options.clients} clients, values of 3 bytes, {options.keys:,} keys, {options.rounds} rounds of "
            f"about {options.seconds:g} s; latencies are those of a whole pipeline of P requests."
        )
        write(text)

    def fanout(self):
        subscribers, rounds = 100, self.options.rounds
        table = self.table()
        with self.all_started() as servers:
            for depth in (1, 16):
                messages = (500 if self.quick else 3000) * (1 if depth == 1 else 4)
                figures = fanout.measure(servers, subscribers, depth, messages, rounds)
                table.add(f"P={depth}, processor time per delivery", figures, "µs")
        self.show(f"Publish to {subscribers} subscribers", table)

    def workers(self):
        table = self.table()
        with self.all_started() as servers:
            for depth in (1, 16, 64):
                entries = (2_000 if self.quick else 20_000) * (1 if depth == 1 else 4)
                figures = workers.measure(servers, depth, entries, self.options.rounds)
                table.add(f"P={depth}, processor time per entry taken and acknowledged", figures, "µs")
        self.show(f"{workers.WORKERS} workers of one group at a stream: XREADGROUP and XACK", table)

    def start(self):
        table, times = self.table(), 7 if self.quick else 20
        table.add(f"median of {times}", singles.start_to_pong(self.kinds, self.machine, times), "ms")
        self.show("From the start to the first PONG", table)

    def idle(self):
        seconds = 3 if self.quick else 10
        private, cpu, switches = singles.idle(self.kinds, self.machine, seconds)
        table = self.table()
        table.add("private memory (RssAnon)", private, "MiB")
        table.add("processor time per second", cpu, "µs")
        table.add("context switches per second", switches)
        self.show(f"Idle for {seconds} s", table)

    def connections(self):
        wanted = [1000] if self.quick else [1000, 10_000]
        allowed = singles.open_files_allowed(max(wanted) + 200) - 200
        counts = [count for count in wanted if count <= allowed]
        if counts != wanted:
            say(f"only {allowed} connections are allowed here; see ulimit -n")
        if not counts:
            return
        figures = {kind.name: singles.connections(kind, self.machine, counts) for kind in self.kinds}
        table = self.table()
        for at, count in enumerate(counts):
            table.add(f"each of {count:,}", {name: values[at] for name, values in figures.items()}, "KiB")
        self.show("Idle connections, resident memory", table)

    def memory(self):
        table = self.table()
        sets = singles.data_sets(200_000 if self.quick else 1_000_000)
        for name, count, request in sets[::5] if self.quick else sets:
            say(f"memory: {name}")
            figures = {kind.name: singles.bytes_each(kind, self.machine, count, request) for kind in self.kinds}
            table.add(f"{name}, {count:,}", figures, "bytes")
        self.show("Resident memory per key or element, keys of 16 bytes", table)

    def load(self):
        keys = 500_000 if self.quick else 5_000_000
        seconds, cpu = singles.load(self.kinds, self.machine, singles.Load(keys, 60_000), 3)
        table = self.table()
        table.add(f"{keys:,} SETs by one client, median of 3", seconds, "s")
        table.add("processor time of the server", cpu, "s")
        self.show("Filling an empty server", table)

    def snapshot(self):
        program = find_program("redis-benchmark", self.options.generator) or find_program("valkey-benchmark", None)
        if not program:
            say("neither redis-benchmark nor valkey-benchmark is installed; no snapshot is measured")
            return
        write("\n## Snapshots while the server is written to\n")
        text, losses = snapshot.report(snapshot.measure(self.kinds, self.machine, program, self.quick, say))
        self.losses += losses
        write(text)

    def step(self):
        keys = 1_000_000 if self.quick else 10_000_000
        # Small pieces, or a PING would mostly wait for the requests before it.
        load = singles.Load(keys, 5000)
        pings, own = {}, {}
        for kind in self.kinds:
            pings[kind.name], own[kind.name] = singles.longest_ping(kind, self.machine, load)
        table = self.table()
        table.add("slowest PING", pings, "ms")
        if own[SUBJECT] is not None:
            table.add("longest step by the server's own count", own, "ms")
        self.show(f"The longest step while {keys:,} keys are loaded", table)
        write()
        write(
            "A PING is late as well when the machine gave the processor to somebody else. On a machine that is not quiet "
            "only a difference that comes again and again says something; the server's own count is the better judge, and "
            "the others have none."
        )

    @contextlib.contextmanager
    def all_started(self):
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(kind.start(self.machine)) for kind in self.kinds]

    def table(self):
        return Table(self.names)

    def head(self, title):
        write(f"\n## {title}\n")

    def show(self, title, table):
        self.head(title)
        write(table.markdown())
        self.losses += [f"{title}: {loss}" for loss in table.losses]

    def end(self):
        self.head("Losses")
        write("\n".join(f"- {loss}" for loss in self.losses) or "None of more than a hundredth.")
        write(f"\nMeasured in {short(time.monotonic() - self.began)} s.")


if __name__ == "__main__":
    main()
