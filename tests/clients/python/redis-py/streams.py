"""Streams: events in order, groups of workers that share them, and what a dead worker had in its hands."""

import threading

import redis
from redis_py import has, open_client, together
from use_case import EVERY_BYTE, equal, eventually, fails, run, skip, use_case


def entries(reply):
    """All entries of a reply, whose shape depends on the protocol."""
    if not reply:
        return []
    lists = reply.values() if isinstance(reply, dict) else [found for _, found in reply]
    # RESP3 puts the entries of one key into a list of their own.
    return [tuple(entry) for found in lists for entry in (found[0] if found and isinstance(found[0], list) and found[0] and not isinstance(found[0][0], str) else found)]


@use_case("B33 events are added, and a group reads and acknowledges them")
def events(case):
    client = open_client(case)
    equal(client.xgroup_create("events", "mailers", "0", mkstream=True), True)
    fails(redis.ResponseError, "BUSYGROUP Consumer Group name already exists", client.xgroup_create, "events", "mailers", "0")
    equal(entries(client.xreadgroup("mailers", "one", {"events": ">"}, count=10)), [])
    ids = [client.xadd("events", {"user": f"ann ✓ {number}", "kind": "login"}) for number in range(5)]
    equal(entries(client.xreadgroup("mailers", "one", {"events": ">"}, count=3)), [(id, {"user": f"ann ✓ {number}", "kind": "login"}) for number, id in enumerate(ids[:3])])
    equal([id for id, _ in entries(client.xreadgroup("mailers", "two", {"events": ">"}))], ids[3:])
    equal(client.xack("events", "mailers", *ids[:2], "1-1"), 2)
    summary = client.xpending("events", "mailers")
    equal([summary["pending"], summary["min"], summary["max"], [(each["name"], each["pending"]) for each in summary["consumers"]]], [3, ids[2], ids[4], [("one", 1), ("two", 2)]])
    equal([(each["message_id"], each["consumer"], each["times_delivered"]) for each in client.xpending_range("events", "mailers", "-", "+", 9, consumername="two")], [(id, "two", 1) for id in ids[3:]])
    equal([id for id, _ in entries(client.xreadgroup("mailers", "two", {"events": "0"}))], ids[3:])
    fails(redis.ResponseError, "NOGROUP", client.xreadgroup, "nobody", "one", {"events": ">"})


@use_case("B33.ranges ids of one's own, ranges, deleting and trimming")
def ranges(case):
    client = open_client(case)
    equal([client.xadd("log", {"n": number}, id=f"{number}-1") for number in range(1, 10)], [f"{number}-1" for number in range(1, 10)])
    equal([[id for id, _ in client.xrange("log", 3, "(5-1")], [id for id, _ in client.xrevrange("log", count=2)], client.xlen("log")], [["3-1", "4-1"], ["9-1", "8-1"], 9])
    equal([client.xdel("log", "5-1", "99-1"), client.xtrim("log", minid=3, approximate=False), client.xtrim("log", maxlen=4, approximate=False)], [1, 2, 2])
    equal([client.xadd("log", {"n": 10}, id="10-0", maxlen=2, approximate=False), client.xlen("log"), client.xadd("none", {"a": "b"}, nomkstream=True)], ["10-0", 2, None])
    fails(redis.ResponseError, "equal or smaller than the target stream top item", client.xadd, "log", {"n": 1}, id="10-0")
    binary = open_client(case, decode_responses=False)
    binary.xadd("bytes", {EVERY_BYTE: EVERY_BYTE}, id="1-1")
    equal([tuple(entry) for entry in binary.xrange("bytes")], [(b"1-1", {EVERY_BYTE: EVERY_BYTE})])
    info = client.xinfo_stream("log")
    equal([info["length"], info["last-generated-id"], info["entries-added"], info["groups"]], [2, "10-0", 10, 0])


@use_case("B33.follow whoever waits at the end hears everything that comes, in order")
def follow(case):
    producer, reader = open_client(case), open_client(case)
    count, got = 1000, []

    def read():
        last = "$"
        while len(got) < count:
            got.extend(entries(reader.xread({"feed": last}, count=100, block=5000)))
            last = got[-1][0]

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    eventually("it waits", lambda: producer.info("clients")["blocked_clients"] == 1)
    with producer.pipeline(transaction=False) as pipe:
        for number in range(count):
            pipe.xadd("feed", {"n": number})
        ids = pipe.execute()
    thread.join(10)
    equal(got, [(id, {"n": str(number)}) for number, id in enumerate(ids)])
    equal(entries(reader.xread({"feed": "$"}, block=20)), [])


@use_case("B33.workers three workers share a thousand jobs, one of them dies: each job is done")
def workers(case):
    app, jobs, done, lock = open_client(case), 1000, [], threading.Lock()
    app.xgroup_create("jobs", "workers", "$", mkstream=True)
    with app.pipeline(transaction=False) as pipe:
        for number in range(jobs):
            pipe.xadd("jobs", {"n": number})
        pipe.execute()

    def work(number):
        client, taken = open_client(case), 0
        while got := entries(client.xreadgroup("workers", f"worker-{number}", {"jobs": ">"}, count=7, block=50)):
            taken += 1
            if number == 2 and taken == 4:
                # It dies with these in its hands.
                return client.close()
            with lock:
                done.extend(int(job["n"]) for _, job in got)
            equal(client.xack("jobs", "workers", *[id for id, _ in got]), len(got))

    together(3, work)
    summary = app.xpending("jobs", "workers")
    equal([summary["pending"] + len(done), [each["name"] for each in summary["consumers"]]], [jobs, ["worker-2"]])
    cursor = "0-0"
    while True:
        cursor, claimed, _ = app.xautoclaim("jobs", "workers", "worker-0", 0, cursor, count=3)
        for id, job in claimed:
            done.append(int(job["n"]))
            equal(app.xack("jobs", "workers", id), 1)
        if cursor == "0-0":
            break
    equal(sorted(done), list(range(jobs)))
    group = app.xinfo_groups("jobs")[0]
    equal([group["name"], group["consumers"], group["pending"], group["entries-read"], group["lag"]], ["workers", 3, 0, jobs, 0])
    equal([sorted(each["name"] for each in app.xinfo_consumers("jobs", "workers")), app.xgroup_delconsumer("jobs", "workers", "worker-2")], [["worker-0", "worker-1", "worker-2"], 0])


@use_case("B33.refs xdelex and xackdel know who else still needs an entry")
def refs(case):
    client = open_client(case)
    if not has(client, "xackdel"):
        skip("the server has no XACKDEL")
    for group in ("a", "b"):
        client.xgroup_create("shared", group, "0", mkstream=True)
    for number in range(1, 5):
        client.xadd("shared", {"n": number}, id=f"{number}-1")
    for group in ("a", "b"):
        client.xreadgroup(group, "c", {"shared": ">"})
    equal([client.xackdel("shared", "a", "1-1", "9-9", ref_policy="ACKED"), client.xackdel("shared", "b", "1-1", ref_policy="ACKED"), client.xlen("shared")], [[2, -1], [1], 3])
    equal([client.xackdel("shared", "a", "2-1", ref_policy="DELREF"), client.xpending("shared", "b")["pending"]], [[1], 2])
    equal([client.xdelex("shared", "3-1", ref_policy="ACKED"), client.xdelex("shared", "3-1", ref_policy="KEEPREF"), client.xlen("shared")], [[2], [1], 1])


run()
