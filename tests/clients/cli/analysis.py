"""What redis-cli finds out about a server by itself: its largest keys, all its keys, how fast it answers."""

import re

from cli import Terminal, says
from use_case import CLIENT, equal, eventually, ok, run, skip, use_case

COLLECTIONS = {
    "list": ("RPUSH", "list:big", ["a", "b", "c"], "items"),
    "hash": ("HSET", "hash:big", ["f", "1", "g", "2", "h", "3"], "fields"),
    "set": ("SADD", "set:big", ["a", "b", "c"], "members"),
    "zset": ("ZADD", "zset:big", ["1", "a", "2", "b", "3", "c"], "members"),
}


def fill():
    """A hundred strings and three elements of every other type that the server has; says which types these are."""
    says("FLUSHALL")
    for number in range(1, 101):
        says("SET", f"string:{number:03}", "x" * number)
    return [name for name, (command, key, elements, _) in COLLECTIONS.items() if says(command, key, *elements) == "3"]


@use_case("A7.scan --scan lists all keys, or those of a pattern or type")
def scan(case):
    types = fill()
    equal(len(set(says("--scan").split())), 100 + len(types))
    equal(sorted(says("--scan", "--pattern", "string:09?").split()), [f"string:{n:03}" for n in range(90, 100)])
    equal(sorted(says("--scan", "--pattern", "*:big", "--count", "7").split()), sorted(f"{name}:big" for name in types))


@use_case("A7.bigkeys --bigkeys finds the longest key of each type")
def big_keys(case):
    types = fill()
    text = says("--bigkeys")
    ok(f"Sampled {100 + len(types)} keys in the keyspace!" in text, text)
    ok(re.search(r"""Biggest string found ['"]*string:100['"]* has 100 bytes""", text), text)
    ok(re.search(r"100 strings with 5050 bytes \(\d+\.\d+% of keys, avg size 50\.50\)", text), text)
    for name in types:
        unit = COLLECTIONS[name][3]
        ok(re.search(rf"""Biggest {name:>6} found ['"]*{name}:big['"]* has 3 {unit}""", text), text)
        ok(re.search(rf"1 {name}s with 3 {unit} ", text), text)


@use_case("A7.memkeys --memkeys finds the key of each type that takes most memory")
def memory_keys(case):
    types = fill()
    text = says("--memkeys")
    # Several strings may take the same, as the allocator rounds.
    found = re.search(r"""Biggest string found ['"]*(string:\d+)['"]* has (\d+) bytes""", text)
    ok(found, text)
    equal([says("MEMORY", "USAGE", key) for key in (found.group(1), "string:100")], [found.group(2)] * 2)
    for name in types:
        taken = int(says("MEMORY", "USAGE", f"{name}:big"))
        ok(re.search(rf"""Biggest {name:>6} found ['"]*{name}:big['"]* has {taken} bytes""", text), text)


@use_case("A7.keystats --keystats shows sizes, lengths and their distribution")
def key_statistics(case):
    if CLIENT != "redis-cli":
        skip("only redis-cli has it")
    types = fill()
    text = says("--keystats", "--top", "3")
    ok(f"Keys sampled: {100 + len(types)}\n" in text, text)
    ok(re.search(r"Top 3 key sizes", text), text)
    ok(re.search(r'string +string:100 has 100B', text), text)
    ok(re.search(r"string +100 +\d+\.\d+% +\S+ +\S+ +4\.93K +5[01]B", text), text)
    for name in types:
        ok(re.search(rf"{name} +{name}:big has 3 ", text), text)


@use_case("A7.stat --stat shows a line of figures again and again")
def statistics(case):
    fill()
    # Into a pipe it would write whole blocks only.
    person = Terminal(case, "--stat", "-i", "0.1")
    person.expect(r"keys +mem +clients +blocked +requests +connections")
    for _ in range(2):
        person.expect(r"10\d +[\d.]+[BKMG] +\d+ +\d+ +\d+ \(\+\d+\) +\d+")


@use_case("A7.latency --latency, its history and its distribution")
def latency(case):
    # Without a terminal it measures for a moment and prints the least, the greatest, the average and how many there were.
    least, greatest, average, count = says("-i", "0.3", "--latency").split()
    ok(int(least) <= float(average) <= int(greatest) and int(count) > 5, f"{least} {greatest} {average} {count}")
    person = Terminal(case, "--latency")
    person.expect(r"min: \d+, max: \d+, avg: \d+\.\d+ \(\d+ samples\)")
    person = Terminal(case, "-i", "0.2", "--latency-history")
    person.expect(r"min: \d+, max: \d+, avg: \d+\.\d+ \(\d+ samples\) -- 0\.2\d seconds range")
    person = Terminal(case, "-i", "0.2", "--latency-dist")
    person.expect(r"milliseconds.*From 0 to 100%:")


@use_case("A7.monitors LATENCY, MEMORY and SLOWLOG as people ask for them")
def monitors(case):
    says("CONFIG", "SET", "latency-monitor-threshold", "20")
    says("DEBUG", "SLEEP", "0.03") if "OK" == says("DEBUG", "SLEEP", "0") else skip("DEBUG is not allowed")
    eventually("the event is remembered", lambda: says("LATENCY", "LATEST").startswith("command\n"))
    ok(says("LATENCY", "GRAPH", "command").startswith("command - high "), "LATENCY GRAPH")
    ok("command: " in says("LATENCY", "DOCTOR"), "LATENCY DOCTOR")
    ok(says("LATENCY", "HISTOGRAM", "debug").startswith("debug\ncalls\n"), "LATENCY HISTOGRAM")
    equal(says("LATENCY", "RESET"), "1")
    says("CONFIG", "SET", "latency-monitor-threshold", "0")
    ok(says("MEMORY", "DOCTOR"), "MEMORY DOCTOR")
    ok("jemalloc" in says("MEMORY", "MALLOC-STATS"), "MEMORY MALLOC-STATS")


run()
