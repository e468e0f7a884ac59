"""Client-side caching as redis-py has it: the client keeps what it has read, and forgets what the server says has changed."""

from redis.cache import CacheConfig
from redis_py import PROTOCOL, open_client
from use_case import equal, eventually, ok, run, skip, use_case


def caching(case):
    if PROTOCOL == 2:
        skip("the cache of this client is for RESP3")
    if open_client(case).info("server").get("server_name") == "valkey":
        skip("the client refuses to do this with a server whose HELLO says it is older than Redis 7.4, as Valkey's does")
    return open_client(case, cache_config=CacheConfig(max_size=1000))


@use_case("B6.tracking a cache in the client, right again as soon as others write")
def cached(case):
    client, other = caching(case), open_client(case)
    other.set("user:1", "ann")
    other.hset("user:2", mapping={"name": "bob"})
    equal([client.get("user:1"), client.get("user:1"), client.hgetall("user:2"), client.hgetall("user:2")], ["ann", "ann", {"name": "bob"}, {"name": "bob"}])
    equal(client.get_cache().size, 2)
    before = other.info("commandstats")["cmdstat_get"]["calls"]
    for _ in range(20):
        client.get("user:1")
    equal(other.info("commandstats")["cmdstat_get"]["calls"], before, "nobody was asked")
    other.set("user:1", "eve")
    eventually("it is forgotten", lambda: client.get("user:1") == "eve")
    other.hset("user:2", "visits", 1)
    eventually("this, too", lambda: client.hget("user:2", "visits") == "1")
    other.set("short", "x", px=60)
    equal(client.get("short"), "x")
    eventually("its time is over", lambda: client.get("short") is None)
    other.flushall()
    eventually("all is forgotten", lambda: client.get("user:1") is None)


@use_case("B6.tracking.many whatever is written, what is read is soon the same")
def many(case):
    client, other = caching(case), open_client(case)
    for turn in range(10):
        other.mset({f"k:{number}": f"{turn}:{number}" for number in range(50)})
        for number in range(50):
            eventually(f"k:{number}", lambda: client.get(f"k:{number}") == f"{turn}:{number}")
    ok(client.get_cache().size >= 50, "they are kept")


run()
