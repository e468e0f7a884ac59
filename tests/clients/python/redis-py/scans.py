"""Walking the keys: by pattern, by type, and the commands around single keys."""

import threading

from redis_py import open_client
from use_case import equal, eventually, ok, run, use_case


def fill(client, prefix, count):
    client.mset({f"{prefix}:{index}": "v" for index in range(count)})


@use_case("B7.scan scan_iter finds every key of a pattern")
def scan(case):
    client = open_client(case)
    fill(client, "tenant:org_42", 2500)
    fill(client, "tenant:org_43", 500)
    keys = list(client.scan_iter("tenant:org_42:*", count=100))
    equal(len(set(keys)), 2500)
    ok(all(key.startswith("tenant:org_42:") for key in keys), "nothing else")


@use_case("B7.type scan_iter with a type")
def by_type(case):
    client = open_client(case, db=8)
    fill(client, "typed", 300)
    equal(len(set(client.scan_iter(_type="STRING"))), 300)
    equal(list(client.scan_iter(_type="hash")), [])


@use_case("B11.all mass invalidation by SCAN and UNLINK")
def invalidate(case):
    client = open_client(case)
    fill(client, "session:user7", 700)
    equal(sum(client.unlink(key) for key in client.scan_iter("session:user7:*")), 700)
    equal(client.keys("session:user7:*"), [])


@use_case("B7.keys the commands around single keys")
def keys(case):
    client = open_client(case, db=10)
    equal([client.dbsize(), client.randomkey()], [0, None])
    client.set("a", "1", ex=500)
    equal([client.rename("a", "b"), client.renamenx("b", "c"), client.copy("c", "d")], [True, True, True])
    ok(client.ttl("d") > 490, "rename and copy carry the lifetime")
    equal([client.touch("c", "d", "e"), client.type("c"), client.move("d", 11), client.dbsize()], [2, "string", True, 1])
    equal([client.object("encoding", "c"), client.randomkey(), client.flushdb(), client.dbsize()], ["int", "c", True, 0])


@use_case("A1.monitor MONITOR shows what another client sends")
def monitor(case):
    client = open_client(case)
    seen, started = [], threading.Event()

    def listen():
        with client.monitor() as watching:
            started.set()
            for entry in watching.listen():
                seen.append(entry)
                if entry["command"] == "GET watched":
                    return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    ok(started.wait(5), "MONITOR began")
    client.get("watched")
    entry = eventually("the command is seen", lambda: next((entry for entry in seen if entry["command"] == "GET watched"), None))
    equal([entry["db"], entry["client_type"]], [0, "tcp"])


run()
