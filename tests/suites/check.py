#!/usr/bin/env python3
"""Holds what the suites of Redis and Valkey say about Russet against the reasons we know.

  check.py [--write] SUITE/MODE=RESULTS.tsv ...

SUITE is redis or valkey, MODE is external (the suite talks to a server that runs already) or native
(the suite starts it). RESULTS.tsv has a line for each test: unit, status, name, where the status is
ok, err, skip (by the list of tests to skip), ignore (by a tag) or TIMEOUT. Give all modes that were
run: a test may pass in one and fail in the other.

A test that does not pass must stand in reasons.tsv (suite, unit, test, reason), and a test that
stands there must not pass: either makes the exit status 1. With --write the counts of the units that
were run go to counts.tsv, and docs/suites.md is made anew from both files; units that were not run
stay as they are there.
"""
import collections, pathlib, re, sys

HERE = pathlib.Path(__file__).parent
DOCUMENT = HERE.parent.parent / "docs/suites.md"
# The runner cuts the beginning off a refusal which it met outside of a test, and shows it as a name.
OUTSIDE = re.compile(r"^(Executing test client|ation is not supported|nstance has cluster|pen \"|t\" not known|bugger of scripts|n subcommand or wrong number)")
REST = "(the rest of the file)"


def table(path):
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


def skipped_by_us(suite):
    path = HERE / f"skip-{suite}.txt"
    return set(path.read_text().splitlines()) if path.exists() else set()


def read(argument):
    """The results of one run: what each test came to, and the counts of each unit."""
    name, path = argument.split("=", 1)
    suite, mode = name.split("/")
    ours, tests = skipped_by_us(suite), collections.defaultdict(set)
    counts = collections.defaultdict(collections.Counter)
    for unit, status, test in table(pathlib.Path(path)):
        if status == "TIMEOUT" or OUTSIDE.match(test):
            tests[suite, unit, REST].add("err")
            counts[suite, mode, unit]["aborted"] = 1
            continue
        counts[suite, mode, unit][status] += 1
        if status in ("ok", "err") or (status == "skip" and test in ours):
            tests[suite, unit, test].add("ok" if status == "ok" else "err")
    return tests, counts


def main(arguments):
    write = "--write" in arguments
    tests, counts = collections.defaultdict(set), {}
    for argument in arguments:
        if argument != "--write":
            more, numbers = read(argument)
            counts.update(numbers)
            for test, statuses in more.items():
                tests[test] |= statuses
    reasons = {(suite, unit, test): why for suite, unit, test, why in table(HERE / "reasons.tsv")}
    bad = [f"fails, and nobody says why: {' | '.join(test)}"
           for test, seen in sorted(tests.items()) if "err" in seen and test not in reasons]
    bad += [f"passes, so it needs no reason: {' | '.join(test)}"
            for test in sorted(reasons) if tests.get(test) == {"ok"}]
    if write:
        record(counts)
        DOCUMENT.write_text(document(reasons))
    print("\n".join(bad) or "Every test that does not pass has its reason.")
    return bool(bad)


COLUMNS = ("ok", "err", "skip", "ignore", "aborted")


def record(counts):
    rows = {tuple(row[:3]): row[3:] for row in table(HERE / "counts.tsv")}
    rows |= {key: [str(numbers[column]) for column in COLUMNS] for key, numbers in counts.items()}
    head = "# suite\tmode\tunit\tpassed\tfailed\tskipped by name\tleft out by tag\taborted\n"
    lines = ["\t".join([*key, *rows[key]]) + "\n" for key in sorted(rows)]
    (HERE / "counts.tsv").write_text(head + "".join(lines))


def document(reasons):
    parts = [HEAD, "## Counts\n\n"]
    rows = table(HERE / "counts.tsv")
    parts.append("| suite | mode | unit | passed | failed | skipped by name | left out by tag | |\n")
    parts.append("|---|---|---|--:|--:|--:|--:|---|\n")
    for row in rows:
        end = "ends early" if row[-1] != "0" else ""
        parts.append(f"| {' | '.join(row[:-1])} | {end} |\n")
    for suite, mode in sorted({(row[0], row[1]) for row in rows}):
        mine = [row for row in rows if row[:2] == [suite, mode]]
        sums = [str(sum(int(row[at]) for row in mine)) for at in range(3, 7)]
        parts.append(f"| **{suite}** | **{mode}** | all | {' | '.join(sums)} | |\n")
    parts.append("\n## Tests that do not pass\n")
    groups = collections.defaultdict(lambda: collections.defaultdict(list))
    for (suite, unit, test), why in reasons.items():
        groups[why][unit, test].append(suite)
    for why in sorted(groups):
        parts.append(f"\n### {why}\n\n| unit | test | suite |\n|---|---|---|\n")
        for (unit, test), suites in sorted(groups[why].items()):
            shown = test.replace("|", "\\|").replace("*", "\\*").replace("$", "\\$")
            parts.append(f"| {unit} | {shown} | {', '.join(sorted(suites))} |\n")
    return "".join(parts)


HEAD = """# The suites of Redis and Valkey

What the test suites of Redis 8.0.6 and Valkey 9.1.2 say about Russet. Made by
`tests/suites/check.py --write` from `tests/suites/counts.tsv` and `tests/suites/reasons.tsv`; do not
edit it by hand.

Both suites are run a unit at a time, in both of their modes. *External*: a fresh server for each
unit, to which the suite is pointed, in the folder of the suite:

```
russet-server --port PORT --save '' --enable-debug-command yes
./runtest --host 127.0.0.1 --port PORT --single UNIT --durable --clients 1 \\
    --skipfile skip-SUITE.txt --tags "-slow -needs:repl"
```

*Native*: the suite starts the server itself, with its own configuration files; the binary stands in
its `src` folder under the name of `redis-server` or `valkey-server`:

```
./runtest --single UNIT --durable --clients 1 --skipfile skip-SUITE.txt --tags "-slow -large-memory"
```

`unit/tls` is run natively with `--tls`. Both suites, but for the cluster and replication, were run once more
with `--tls`, and once with I/O threads (Valkey's with `--io-threads`, Redis' with `--config io-threads 2`). What
differs from the counts below:

- with `--tls` on a busy machine, Valkey's `unit/client-eviction`: *client evicted due to percentage of maxmemory* and
  the test behind it: it looks at what has arrived of a request before all of it has;
- with `--io-threads` on a busy machine, Valkey's `unit/client-eviction`: *evict clients in right order (large to
  small)*, for the same reason;
- with `--io-threads`, `unit/networking`: *prefetch works as expected when killing a client from the middle
  of prefetch commands batch*: it counts Valkey's own batches.

The tests in `tests/suites/skip-redis.txt` and `tests/suites/skip-valkey.txt` are known to fail, and
leave the connection, or the server, in a state that fails what comes after them: half of a
transaction, keys, expiry switched off. They are skipped by name so that the others can be judged,
and each has its reason below like those that fail.

Where a unit *ends early*, "(the rest of the file)" below says which statement ended it and what was
not run.

"""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
