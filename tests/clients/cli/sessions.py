"""Single commands, pipes, options, and an interactive session with its help and hints."""

import json
import re

from cli import Terminal, run_cli, says, start
from use_case import AUTH_PORT, EVERY_BYTE, HOST, PASSWORD, PORT, equal, eventually, ok, run, skip, use_case


@use_case("A7 the first commands of everybody")
def first(case):
    equal([says("ping"), says("PING"), says("SET", "greeting", "hello world"), says("GET", "greeting")], ["PONG", "PONG", "OK", "hello world"])
    equal([says("GET", "nothing"), says("INCR", "hits"), says("INCR", "hits")], ["", "1", "2"])
    equal([says("--no-raw", "GET", "greeting"), says("--no-raw", "GET", "nothing"), says("--no-raw", "INCR", "hits")], ['"hello world"', "(nil)", "(integer) 3"])
    equal(says("--no-raw", "MGET", "greeting", "nothing", "hits"), '1) "hello world"\n2) (nil)\n3) "3"')
    equal(says("SETEX", "session:token", "86400", "data"), "OK")
    equal(says("TTL", "session:token"), "86400")


@use_case("A7.error errors are printed, and -e makes them the exit code")
def errors(case):
    equal(says("NOSUCH", "bar"), "ERR unknown command 'NOSUCH', with args beginning with: 'bar' \n")
    equal(says("--no-raw", "GET"), "(error) ERR wrong number of arguments for 'get' command")
    equal([run_cli("NOSUCH").returncode, run_cli("-e", "NOSUCH").returncode, run_cli("-e", "PING").returncode], [0, 1, 0])


@use_case("A7.stdin commands from a pipe, and the last argument from a pipe")
def stdin(case):
    equal(says(stdin=b'SET a "with \\"quotes\\" and \\x00"\nSTRLEN a\nINCR n\n'), "OK\n19\n1")
    equal(says("-x", "SET", "bytes", stdin=EVERY_BYTE), "OK")
    equal(run_cli("--raw", "GET", "bytes").stdout, EVERY_BYTE + b"\n")
    equal(says("-r", "3", "-i", "0.05", "INCR", "repeated"), "1\n2\n3")
    equal(says("--csv", "MGET", "n", "none"), '"1",NULL')


@use_case("A7.select -n chooses a database, -u takes an URL")
def databases(case):
    says("-n", "2", "SET", "where", "two")
    equal([says("-n", "2", "GET", "where"), says("GET", "where"), says("-u", f"redis://{HOST}:{PORT}/2", "GET", "where")], ["two", "", "two"])


@use_case("A7.password -a, the environment and AUTH inside")
def password(case):
    if not AUTH_PORT:
        skip("no server with a password was given")
    equal(says("PING", port=AUTH_PORT), "NOAUTH Authentication required.\n")
    equal(says("-a", PASSWORD, "--no-auth-warning", "PING", port=AUTH_PORT), "PONG")
    equal(says("PING", port=AUTH_PORT, env={"REDISCLI_AUTH": PASSWORD}), "PONG")
    equal(says(stdin=f"AUTH {PASSWORD}\nPING\n".encode(), port=AUTH_PORT), "OK\nPONG")
    wrong = run_cli("-a", "wrong", "PING", port=AUTH_PORT)
    ok(b"AUTH failed: WRONGPASS" in wrong.stdout + wrong.stderr, repr(wrong))


@use_case("A7.resp3 -3 and -2, and maps as --json and as text")
def resp3(case):
    equal(says("-3", "--json", "CONFIG", "GET", "databases"), '{"databases":"16"}')
    equal(says("-3", "--no-raw", "CONFIG", "GET", "databases"), '1# "databases" => "16"')
    equal(says("-2", "--no-raw", "CONFIG", "GET", "databases"), '1) "databases"\n2) "16"')
    hello = json.loads(says("-3", "--json", "HELLO"))
    equal([hello["proto"], hello["mode"], hello["role"]], [3, "standalone", "master"])


@use_case("A7.info INFO and CLIENT LIST are printed as they are")
def info(case):
    text = run_cli("INFO", "server").stdout
    ok(text.startswith(b"# Server\r\nredis_version:"), repr(text[:60]))
    ok(f"tcp_port:{PORT}\r\n".encode() in text, "tcp_port")
    sections = re.findall(r"^# (\w+)", says("INFO").replace("\r", ""), re.M)
    for section in ["Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Keyspace"]:
        ok(section in sections, f"{section} in {sections}")
    ok(re.search(r"^id=\d+ addr=\S+ laddr=\S+ fd=-?\d+ name=", says("CLIENT", "LIST"), re.M), "CLIENT LIST")


@use_case("A7.docs COMMAND DOCS has what a client's help needs, for every command")
def docs(case):
    count = int(says("COMMAND", "COUNT"))
    everything = json.loads(says("-3", "--json", "COMMAND", "DOCS"))
    ok(len(everything) == count, f"{len(everything)} documented, {count} counted")
    for name, entry in everything.items():
        # Commands out of a module, which Redis 8 has built in, come without any words about them.
        if "module" in entry:
            continue
        ok(entry.get("summary") and entry.get("group"), f"{name} has a summary and a group")
    one = json.loads(says("-3", "--json", "COMMAND", "DOCS", "set"))["set"]
    equal([one["group"], one["since"], one["arguments"][0]["name"], one["arguments"][0]["type"]], ["string", "1.0.0", "key", "key"])


@use_case("A7.interactive a person at a terminal: prompt, hints, help, transaction, errors")
def interactive(case):
    person = Terminal(case)
    person.expect(rf"{re.escape(HOST)}:{PORT}> ")
    # The hint is drawn behind the cursor, out of the arguments in COMMAND DOCS.
    person.type("getrange ")
    person.expect(r"key start end")
    person.type("\x15set ")
    person.expect(r"key value")
    person.enter("\x15help getdel", r"GETDEL key.*summary: .*since: .*group: string")
    person.enter("set seen yes", r"\r\nOK")
    person.enter("get seen", r'\r\n"yes"')
    person.enter("nosuch thing", r"\(error\) ERR unknown command 'nosuch', with args beginning with: 'thing'")
    equal(person.enter("select 3", r"\r\nOK").group(1), f"{HOST}:{PORT}[3]", "prompt")
    equal(person.enter("multi", r"\r\nOK").group(1), f"{HOST}:{PORT}[3](TX)", "prompt")
    person.enter("incr n", r"\r\nQUEUED")
    person.enter("exec", r"\r\n1\) \(integer\) 1")
    person.enter("hello 3", r'"proto" => \(integer\) 3')
    equal(person.enter("reset", r"\r\nRESET").group(1), f"{HOST}:{PORT}", "prompt")


@use_case("A7.monitor MONITOR in the background")
def monitor(case):
    watcher = start(case, "MONITOR")
    equal(watcher.stdout.readline(), b"OK\n")
    says("SET", "watched", 'a "b"')
    seen = []
    while not seen or b"watched" not in seen[-1]:
        seen.append(watcher.stdout.readline())
        ok(seen[-1], "MONITOR ended")
    ok(re.fullmatch(rb'\d{10}\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "watched" "a \\"b\\""\n', seen[-1]), repr(seen[-1]))


@use_case("A7.killed a killed connection is made again by the next command")
def killed(case):
    person = Terminal(case)
    person.expect(r"> ")
    number = person.enter("client id", r"\(integer\) (\d+)").group(1)
    equal(says("CLIENT", "KILL", "ID", number), "1")
    eventually("the connection is gone", lambda: f"id={number} " not in says("CLIENT", "LIST"))
    # The first command finds the connection gone, the next one connects again.
    equal(person.enter("ping", r"Server closed the connection").group(1), "not connected")
    person.enter("ping", r"\r\nPONG")



run()
