"""What else is built into the tools: mass insertion, walks over the keys, latency and statistics."""

import re

from cli import Terminal, run_cli, says
from use_case import EVERY_BYTE, equal, ok, run, use_case


def fill(count, prefix="key"):
    lines = b"".join(b"SET %s:%d %d\r\n" % (prefix.encode(), number, number) for number in range(count))
    ok(b"errors: 0" in run_cli("--pipe", stdin=lines).stdout, "filled")


@use_case("B43.pipe --pipe with raw protocol and with inline commands, errors counted")
def pipe(case):
    def command(*args):
        return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(arg), arg) for arg in args)

    many = b"".join(command(b"SET", b"pipe:%d" % number, EVERY_BYTE) for number in range(20_000))
    done = run_cli("--pipe", stdin=many)
    ok(b"errors: 0, replies: 20000" in done.stdout and done.returncode == 0, repr(done))
    mixed = run_cli("--pipe", stdin=b"SET word hello\r\nINCR word\r\n" + command(b"APPEND", b"word", b"!") + b"NOSUCH\r\n")
    ok(b"errors: 2, replies: 4" in mixed.stdout, repr(mixed))
    equal(says("GET", "word"), "hello!")


@use_case("B43.scan --scan --pattern")
def scan(case):
    fill(1500, "scan:org_42")
    fill(100, "scan:org_43")
    equal(len(set(says("--scan", "--pattern", "scan:org_42:*").split("\n"))), 1500)
    equal(says("--scan", "--pattern", "scan:none:*"), "")


@use_case("B43.bigkeys --bigkeys over strings")
def bigkeys(case):
    says("-x", "SET", "the biggest", stdin=b"x" * 100_000)
    fill(200, "small")
    text = says("--bigkeys")
    ok(re.search(r'Biggest string found .*"the biggest".* has 100000 bytes', text), text[-1500:])
    ok(re.search(r"\d+ strings with \d+ bytes \(100\.00% of keys", text), text[-1500:])


@use_case("B43.latency --latency for a second")
def latency(case):
    low, high, average, samples = says("--latency", "-i", "1").split()[:4]
    ok(0 <= int(low) <= float(average) <= int(high) < 1000 and int(samples) >= 20, f"{low} {high} {average} {samples}")


@use_case("B43.stat --stat reads INFO once a second")
def stat(case):
    fill(10, "stat")
    # On a terminal, since the tool would keep its lines to itself in a pipe until there are thousands.
    screen = Terminal(case, "--stat", "-i", "0.1")
    screen.expect(r"------- data ------")
    # Keys, memory, clients, blocked, requests and how many more than before, connections.
    for _ in range(2):
        screen.expect(r"\n\d+ +[\d.]+[BKMG] +\d+ +\d+ +\d+ \(\+\d+\) +\d+ *\r")


@use_case("B43.memkeys --memkeys over strings, which asks MEMORY USAGE")
def memkeys(case):
    says("-x", "SET", "the biggest", stdin=b"x" * 100_000)
    text = says("--memkeys")
    found = re.search(r'Biggest string found .*"the biggest".* has (\d+) bytes', text)
    ok(found and 100_000 <= int(found.group(1)) < 200_000, text[-1500:])


@use_case("B43.health the health checks of compose files")
def health(case):
    done = run_cli("ping")
    equal([done.stdout, done.returncode], [b"PONG\n", 0])
    equal(says("--raw", "incr", "ping"), "1")


run()
