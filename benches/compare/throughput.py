"""Requests per second, latencies and the server's processor time per request, by redis-benchmark or valkey-benchmark.

Where the load generator is the bottleneck, which with one request at a time it mostly is, requests per second say
nothing about the server: such rows are marked G, and only processor time tells the servers apart.
"""

import csv
import io
import os
import subprocess
import time

from figures import SUBJECT, geometric_mean, interleaved, loss, markdown, median, ratio, short

# A generator that was busy for this part of the time was the bottleneck, unless the server was busy as well.
BUSY = 0.93
ROUND_PATIENCE_S = 60


class Generator:
    def __init__(self, program, clients, keys):
        self.program, self.clients, self.keys = program, clients, keys

    def run(self, server, line, requests, depth):
        """One run; None if it came to nothing."""
        command = [self.program, "-p", server.port, "-c", self.clients, "-P", depth, "-n", requests, "-r", self.keys]
        before = server.cpu_us()
        process = subprocess.Popen(
            [*map(str, command), "--csv", *line], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            output, _ = process.communicate(timeout=ROUND_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return None
        used = server.cpu_us() - before
        figures = parse(output)
        if figures is None:
            return None
        seconds = requests / figures["rps"]
        figures["cpu"] = used / requests
        figures["server_busy"] = used / 1e6 / seconds
        return figures


def parse(output):
    """Reads what the generator writes with --csv: a line of names, and one of values."""
    lines = [line for line in output.splitlines() if line.startswith('"')]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines))))
    try:
        row = rows[-1]
        figures = {"rps": float(row["rps"]), "p50": float(row["p50_latency_ms"]), "p99": float(row["p99_latency_ms"])}
    except (IndexError, KeyError, TypeError, ValueError):
        return None
    return figures if figures["rps"] > 0 else None


class Rounds:
    """All rounds of one workload at one depth of the pipeline."""

    def __init__(self, workload, depth, results):
        self.workload, self.depth, self.results = workload, depth, results

    def median(self, what):
        return {name: median([run and run[what] for run in runs]) for name, runs in self.results.items()}

    def ratio(self, what, peer):
        values = lambda name: [run and run[what] for run in self.results[name]]
        if SUBJECT not in self.results or peer not in self.results:
            return None
        return ratio(values(SUBJECT), values(peer))

    def generator_bound(self):
        """Is at least one of the servers faster than the generator?"""
        generator, server = self.median("generator_busy"), self.median("server_busy")
        return any(
            generator[name] is not None and generator[name] >= BUSY and server[name] < BUSY for name in self.results
        )


def measure(servers, generator, workloads, depths, rounds, seconds, say):
    """Yields `Rounds`. The same number of requests goes to every server in every round."""
    for workload in workloads:
        able = [server for server in servers if workload.prepare(server, generator.keys)]
        for depth in depths:
            if not able:
                continue
            say(f"{workload.name}, P={depth}")
            requests = calibrate(able, generator, workload, depth, seconds)
            results = {server.name: [] for server in able}
            for order in interleaved(able, rounds):
                for server in order:
                    workload.prepare_round(server, requests)
                    results[server.name].append(timed(generator, server, workload.line, requests, depth))
            yield Rounds(workload, depth, results)


def timed(generator, server, line, requests, depth):
    before, busy, began = os.times(), machine_busy(), time.monotonic()
    run = generator.run(server, line, requests, depth)
    after, seconds = os.times(), time.monotonic() - began
    if run:
        used = after.children_user + after.children_system - before.children_user - before.children_system
        run["generator_busy"] = used / (requests / run["rps"])
        others = machine_busy() - busy - used - run["cpu"] * requests / 1e6
        run["others"] = max(0.0, others / seconds)
    return run


def machine_busy():
    """Seconds of processor time that anybody used since the machine was started, other machines on its processors included."""
    with open("/proc/stat") as file:
        user, nice, system, _idle, _waits, interrupts, soft, stolen = map(int, file.readline().split()[1:9])
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")


def calibrate(servers, generator, workload, depth, seconds):
    """How many requests take so many seconds; it warms the servers up as well."""
    speeds = []
    for server in servers:
        requests = 2000 * min(depth, 16)
        speed = None
        for _ in range(3):
            workload.prepare_round(server, requests)
            run = generator.run(server, workload.line, requests, depth)
            if not run:
                break
            speed = run["rps"]
            if requests / speed > seconds / 4:
                break
            requests = int(max(speed * seconds / 2, requests))
        speeds.append(speed)
    return max(1000, int((median(speeds) or 10_000) * seconds))


def report(all_rounds, names):
    """Markdown, and the losses in words."""
    losses, rows = [], []
    for rounds in all_rounds:
        cpu, rps = rounds.median("cpu"), rounds.median("rps")
        cells = [
            " / ".join(short(rounds.median(what).get(name)) for name in names) for what in ("cpu", "rps", "p50", "p99")
        ]
        bound = rounds.generator_bound()
        marks = []
        for what, figures, less in (("processor time", cpu, True), ("requests per second", rps, False)):
            if not less and bound:
                continue
            behind = loss(figures, less)
            if behind is not None:
                marks.append(f"**loss**, {behind:.0%} in {what}")
                losses.append(f"{rounds.workload.name}, P={rounds.depth}: {behind:.0%} behind in {what}")
        rows.append([rounds.workload.name, str(rounds.depth), *cells, ", ".join((["G"] if bound else []) + marks)])
    each = " / ".join(names)
    head = ["workload", "P", "processor µs per request", "requests per second", "p50 ms", "p99 ms", ""]
    text = [f"Each cell: {each}. G: the load generator was the bottleneck.", *noise(all_rounds), "", markdown(head, rows), ""]
    return "\n".join(text + means(all_rounds, [name for name in names if name != SUBJECT])), losses


def noise(all_rounds):
    """How busy the machine was with other things."""
    others = [value for rounds in all_rounds for value in rounds.median("others").values() if value is not None]
    if not others:
        return []
    return [
        f"Meanwhile everything else on this machine took {median(others):.0%} of a core (median), at most {max(others):.0%}: "
        "the more, the less requests per second and latencies say; processor time suffers least."
    ]


def means(all_rounds, peers):
    lines = []
    for peer in peers:
        for depth in sorted({rounds.depth for rounds in all_rounds}):
            own = [rounds for rounds in all_rounds if rounds.depth == depth]
            cpu = geometric_mean([rounds.ratio("cpu", peer) for rounds in own])
            free = [rounds for rounds in own if not rounds.generator_bound()]
            rps = geometric_mean([rounds.ratio("rps", peer) for rounds in free])
            if cpu:
                lines.append(
                    f"- {SUBJECT} to {peer}, P={depth}, geometric means: processor time per request {cpu:.2f}"
                    + (f", requests per second {rps:.2f} ({len(free)} rows without G)" if rps else "")
                )
    return lines
