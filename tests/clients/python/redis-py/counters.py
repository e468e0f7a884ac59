"""Counters and fixed windows: page views, and limits which must hold no matter how many connections count at once."""

import redis
from redis_py import open_client, together
from use_case import equal, fails, ok, run, use_case


@use_case("B14 fixed window by incr and expire on the first hit")
def window(case):
    client = open_client(case)
    allowed = 0
    for _ in range(105):
        hits = client.incr("limit:ann")
        if hits == 1:
            client.expire("limit:ann", 60)
        allowed += hits <= 100
    equal(allowed, 100)
    ok(client.ttl("limit:ann") > 50, "the window was not moved by later hits")


@use_case("B15 twenty connections count at once: nothing is lost")
def concurrent(case):
    client = open_client(case)
    replies = together(20, lambda _: [client.incr("rate:bob") for _ in range(500)])
    for mine in replies:
        equal(mine, sorted(mine), "each connection sees it grow")
    equal(sorted(number for mine in replies for number in mine), list(range(1, 10_001)), "every number is given once")


@use_case("B16 login attempts by a transaction of incr and expire nx")
def attempts(case):
    client = open_client(case)

    def attempt():
        return client.pipeline().incr("login:ann").expire("login:ann", 300, nx=True).execute()

    equal([attempt(), attempt()], [[1, True], [2, False]])


@use_case("B22 counters of every kind, and their limits")
def kinds(case):
    client = open_client(case)
    equal([client.incr("views"), client.incrby("views", 10), client.decr("views"), client.decrby("views", 5)], [1, 11, 10, 5])
    equal([client.incrbyfloat("price", 10.5), client.incrbyfloat("price", 0.1)], [10.5, 10.6])
    client.set("full", "9223372036854775807")
    fails(redis.ResponseError, "increment or decrement would overflow", client.incr, "full")
    client.set("word", "hello")
    fails(redis.ResponseError, "value is not an integer or out of range", client.incr, "word")


run()
