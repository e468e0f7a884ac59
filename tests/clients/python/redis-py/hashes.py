"""Hashes: sessions with fields of their own, counters side by side, shopping carts."""

import redis
from redis_py import has, open_client, together
from use_case import EVERY_BYTE, equal, eventually, fails, gone_at_deadline, ok, run, skip, use_case


@use_case("B10 a session as a hash with one lifetime")
def session(case):
    client, key = open_client(case), "session:abc"
    equal(client.hset(key, mapping={"lastLogin": 1_700_000_000_000, "userAgent": "Mozilla/5.0 (X11)", "ip": "10.0.0.1"}), 3, "new fields")
    equal([client.expire(key, 86_400), client.hset(key, "ip", "10.0.0.2"), client.hset(key, items=["lang", "de", "ip", "10.0.0.3"])], [True, 0, 1])
    ok(client.ttl(key) > 86_390, "a field more does not move the lifetime")
    equal(client.hgetall(key), {"lastLogin": "1700000000000", "userAgent": "Mozilla/5.0 (X11)", "ip": "10.0.0.3", "lang": "de"})
    equal([client.hget(key, "ip"), client.hget(key, "no"), client.hget("none", "ip"), client.hmget(key, "lang", "no")], ["10.0.0.3", None, None, ["de", None]])
    equal([client.hexists(key, "lang"), client.hexists(key, "no"), client.hstrlen(key, "lang"), client.hlen(key)], [True, False, 2, 4])
    equal([client.hgetall("none"), client.hkeys("none"), client.hvals("none"), client.hlen("none")], [{}, [], [], 0])
    equal([client.delete(key), client.exists(key)], [1, 0])


@use_case("B10.fields each field with a lifetime of its own")
def fields(case):
    client = open_client(case)
    client.hset("login:7", mapping={"otp": "123456", "csrf": "t0ken", "user": "ann"})
    equal([client.hexpire("login:7", 300, "otp", "none"), client.httl("login:7", "otp", "user", "none")], [[1, -2], [300, -1, -2]])
    equal([client.hexpire("login:7", 900, "otp", lt=True), client.hpersist("login:7", "otp", "user")], [[0], [1, -1]])
    gone_at_deadline(80, lambda: client.hpexpire("login:7", 80, "csrf"), lambda: client.hget("login:7", "csrf"))
    equal(client.hgetall("login:7"), {"otp": "123456", "user": "ann"})
    client.hset("short", "only", "1")
    client.hpexpire("short", 20, "only")
    eventually("no field, no hash", lambda: not client.exists("short"))


@use_case("B10.setex hsetex, hgetex and hgetdel")
def setex(case):
    client = open_client(case)
    if not has(client, "hgetdel"):
        skip("the server has no HGETDEL")
    equal([client.hsetex("login:8", mapping={"otp": "1", "csrf": "2"}, ex=300), client.httl("login:8", "otp", "csrf")], [1, [300, 300]])
    equal([client.hgetex("login:8", "otp", "no", persist=True), client.httl("login:8", "otp")], [["1", None], [-1]])
    equal([client.hgetdel("login:8", "otp", "no"), client.hgetdel("login:8", "csrf"), client.exists("login:8")], [["1", None], ["2"], 0])


@use_case("B10.bytes any byte in fields and values, and a thousand fields")
def any_bytes(case):
    client = open_client(case, decode_responses=False)
    equal([client.hset("bytes", EVERY_BYTE, EVERY_BYTE), client.hget("bytes", EVERY_BYTE), client.hset("bytes", b"", b""), client.hget("bytes", b"")], [1, EVERY_BYTE, 1, b""])
    many = {b"field:%d" % number: b"value %d " % number + b"x" * (number % 100) for number in range(1000)}
    equal([client.hset("many", mapping=many), client.hgetall("many") == many], [1000, True])
    equal([sorted(client.hkeys("many")), sorted(client.hvals("many"))], [sorted(many), sorted(many.values())])
    equal(dict(client.hscan_iter("many", match="field:9*", count=50)), {field: value for field, value in many.items() if field.startswith(b"field:9")})


@use_case("B22.hash counters side by side, twenty connections at once")
def counters(case):
    client = open_client(case)
    with client.pipeline() as pipe:
        equal(pipe.hincrby("video:9", "totalViews", 1).hincrby("video:9", "viewsToday", 1).hgetall("video:9").execute(), [1, 1, {"totalViews": "1", "viewsToday": "1"}])
    replies = together(20, lambda number: [client.hincrby("likes", "post:1", 1) for _ in range(50)])
    equal(sorted(sum(replies, [])), list(range(1, 1001)), "every number is given once")
    equal([client.hincrbyfloat("price", "eur", 10.5), client.hincrbyfloat("price", "eur", 0.1)], [10.5, 10.6])
    client.hset("full", mapping={"n": "9223372036854775807", "word": "hello"})
    fails(redis.ResponseError, "increment or decrement would overflow", client.hincrby, "full", "n", 1)
    fails(redis.ResponseError, "hash value is not an integer", client.hincrby, "full", "word", 1)
    fails(redis.ResponseError, "hash value is not a float", client.hincrbyfloat, "full", "word", 1)


@use_case("B27 a shopping cart for a week")
def cart(case):
    client = open_client(case)
    equal([client.hset("cart:7", "sku-1", 2), client.expire("cart:7", 604_800), client.hgetall("cart:7")], [1, True, {"sku-1": "2"}])
    equal([client.hincrby("cart:7", "sku-1", 3), client.hincrby("cart:7", "sku-2"), client.hsetnx("cart:7", "sku-1", 9), client.hsetnx("cart:7", "sku-3", 9)], [5, 1, 0, 1])
    equal([client.hdel("cart:7", "sku-2", "sku-9"), client.hlen("cart:7"), sorted(client.hrandfield("cart:7", 5)), len(client.hrandfield("cart:7", -5))], [1, 2, ["sku-1", "sku-3"], 5])
    ok(client.ttl("cart:7") > 604_790, "a week")
    equal([client.hdel("cart:7", "sku-1", "sku-3"), client.exists("cart:7")], [2, 0], "an empty cart is no key")
    client.set("text", "x")
    fails(redis.ResponseError, "WRONGTYPE Operation against a key holding the wrong kind of value", client.hset, "text", "f", "v")


run()
