"""Read-through caches: values with a lifetime, any bytes in keys and values, one huge value, thousands of keys in one call."""

import os
import time

import redis
from redis_py import open_client
from use_case import EVERY_BYTE, equal, fails, ok, run, use_case


@use_case("B1 read-through cache with ex and px")
def read_through(case):
    client = open_client(case)
    equal(client.get("project:1"), None)
    ok(client.set("project:1", '{"name": "Демо ✓"}', ex=3600), "set")
    equal(client.get("project:1"), '{"name": "Демо ✓"}')
    ok(3590 < client.ttl("project:1") <= 3600, "ttl")
    client.set("px", "1", px=90_000)
    ok(80_000 < client.pttl("px") <= 90_000, "pttl")
    soon = int(time.time()) + 100
    client.set("exat", "1", exat=soon)
    equal([client.expiretime("exat"), client.ttl("none"), client.persist("px"), client.ttl("px")], [soon, -2, True, -1])


@use_case("B3 setex, and its own words for a bad lifetime")
def setex(case):
    client = open_client(case)
    ok(client.setex("user:1", 3600, "{}"), "set")
    fails(redis.ResponseError, "invalid expire time in 'setex' command", client.setex, "user:1", 0, "v")
    fails(redis.ResponseError, "invalid expire time in 'set' command", client.set, "user:1", "v", ex=-1)
    equal(client.get("user:1"), "{}")


@use_case("B5 API answers under their URL")
def urls(case):
    client = open_client(case)
    key = "api:https://example.com/v1/search?q=a b&x=%20#é"
    client.set(key, "answer", ex=600)
    equal([client.get(key), client.exists(key, key, "none")], ["answer", 2])


@use_case("B6 invalidation on write: delete, unlink, and what each counts")
def invalidate(case):
    client = open_client(case)
    client.mset({"blob:1": "{}", "blob:2": "{}", "blob:3": "{}"})
    equal([client.delete("blob:1", "blob:none"), client.unlink("blob:2", "blob:3", "blob:3")], [1, 2])
    equal(client.mget("blob:1", "blob:2"), [None, None])


@use_case("B1.bytes any byte in keys and values")
def any_bytes(case):
    client = open_client(case, decode_responses=False)
    client.set(EVERY_BYTE, EVERY_BYTE)
    equal([client.get(EVERY_BYTE), client.strlen(EVERY_BYTE), client.getrange(EVERY_BYTE, 10, 13)], [EVERY_BYTE, 256, b"\n\x0b\x0c\r"])
    client.mset({b"": b"the empty key", b"empty value": b""})
    equal(client.mget(b"", b"empty value"), [b"the empty key", b""])
    # Every single byte as a key of its own.
    client.mset({b"byte:" + bytes([byte]): bytes([byte]) for byte in range(256)})
    equal(sorted(client.scan_iter(b"byte:?", count=1000)), [b"byte:" + bytes([byte]) for byte in range(256)])


@use_case("B1.big a value of five megabytes")
def big(case):
    client = open_client(case, decode_responses=False)
    value = os.urandom(5_000_000)
    client.set("big", value)
    ok(client.get("big") == value, "the same bytes come back")
    equal([client.append("big", b"tail"), client.getrange("big", -4, -1)], [5_000_004, b"tail"])


@use_case("B7.many ten thousand keys in one mset and one mget")
def many(case):
    client = open_client(case)
    pairs = {f"total_stock_value:org_{index}": str(index) for index in range(10_000)}
    ok(client.mset(pairs), "mset")
    equal(client.mget([*pairs, "missing"]), [*pairs.values(), None])
    equal([client.msetnx({"total_stock_value:org_1": "x", "fresh": "x"}), client.exists("fresh")], [False, 0])


@use_case("B8.slowlog settings and the slow log")
def slowlog(case):
    client = open_client(case)
    before = client.config_get("slowlog-log-slower-than")
    case.later(lambda: client.config_set("slowlog-log-slower-than", before["slowlog-log-slower-than"]))
    client.config_set("slowlog-log-slower-than", 0)
    client.slowlog_reset()
    client.set("slow", "query")
    entry = next(entry for entry in client.slowlog_get(10) if str(entry["command"]).endswith("SET slow query'") or entry["command"] == "SET slow query")
    ok(entry["duration"] >= 0 and entry["start_time"] > 1_700_000_000, str(entry))
    ok(client.slowlog_len() >= 1, "slowlog len")



run()
