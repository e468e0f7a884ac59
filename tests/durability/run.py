#!/usr/bin/env python3
"""Finds out whether data outlives what happens to the server that keeps it.

    run.py --server-cmd "CMD --port {port} --dir {dir}" [--rounds N] [--modes always,everysec,no,rdb] [--only kills,…]
"""

import argparse
import multiprocessing
import random
import signal
import sys
import time
import traceback

import faults
import kills
import starts
import trace
from server import Failed, Place, free_port, root

PARTS = {"kills": kills, "trace": trace, "faults": faults, "starts": starts}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server-cmd", required=True)
    parser.add_argument("--port", type=int, help="one that is free, unless it is said")
    parser.add_argument("--rounds", type=int, default=12, help="how often a server is killed, over all modes")
    parser.add_argument("--modes", default="always,everysec,no,rdb")
    parser.add_argument("--only", help="parts, of " + ", ".join(PARTS))
    parser.add_argument("--all", action="store_true", help="every place at which a log can be cut")
    parser.add_argument("--seed", help="what is chosen at random; times are not")
    parser.add_argument("--keep", action="store_true", help="folders and logs of servers are kept")
    args = parser.parse_args()
    # Ended from outside we must still stop what we started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = args.seed or str(random.randrange(10**6))
    print("durability: seed %s" % seed, flush=True)
    parts = args.only.split(",") if args.only else list(PARTS)
    # Each waits most of its time.
    running = [multiprocessing.Process(target=run, args=(part, args, seed, number)) for number, part in enumerate(parts)]
    for it in running:
        it.start()
    for it in running:
        it.join()
    sys.exit(int(any(it.exitcode for it in running)))


def run(part, args, seed, number):
    """One part, in a process of its own; what it has to say comes at once."""
    folder, began, lines = root(), time.monotonic(), []
    place = Place(args.server_cmd, args.port + number if args.port else free_port(), folder.name)
    place.is_thorough = args.all
    outcome = "FAILED"
    try:
        for line in kills.run(place, args.rounds, args.modes.split(","), seed) if part == "kills" else PARTS[part].run(place):
            lines.append("  " + line)
        outcome = "passed"
    except Failed as why:
        lines.append(str(why))
    except Exception:
        lines.append(traceback.format_exc())
    finally:
        place.stop_all()
    if args.keep and outcome == "FAILED":
        folder._finalizer.detach()
        lines.append("the folders are in %s" % folder.name)
    print("\n".join(["durability: %s %s in %.1f s" % (part, outcome, time.monotonic() - began), *lines]), flush=True)
    sys.exit(int(outcome == "FAILED"))


if __name__ == "__main__":
    main()
