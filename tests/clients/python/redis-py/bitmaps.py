"""Bitmaps: daily active users, and packed counters."""

import random

import redis
from redis_py import open_client
from use_case import equal, fails, run, use_case


@use_case("B35.days active users by day, both days, either day")
def days(case):
    client = open_client(case)
    for day, users in {"mon": [1, 7, 100_000], "tue": [7, 8, 99_999]}.items():
        for user in users:
            equal(client.setbit(day, user, 1), 0)
    equal([client.getbit("mon", 7), client.getbit("mon", 8)], [1, 0])
    equal([client.bitop("AND", "both", "mon", "tue"), client.bitop("OR", "either", "mon", "tue")], [12_501, 12_501])
    equal([client.bitcount("both"), client.bitcount("either"), client.bitcount("either", 0, 0), client.bitpos("both", 1)], [1, 5, 2, 7])


@use_case("B35.model random bits agree with a set of numbers")
def model(case):
    client = open_client(case, decode_responses=False)
    chance = random.Random(35)
    sets = [set(chance.sample(range(5000), 1200)) for _ in range(3)]
    pipe = client.pipeline(transaction=False)
    for number, members in enumerate(sets):
        for bit in members:
            pipe.setbit(f"set:{number}", bit, 1)
    pipe.execute()
    names = ["set:0", "set:1", "set:2"]
    for operation, result in {"AND": sets[0] & sets[1] & sets[2], "OR": sets[0] | sets[1] | sets[2], "XOR": sets[0] ^ sets[1] ^ sets[2]}.items():
        client.bitop(operation, "result", *names)
        raw = client.get("result")
        equal({bit for bit in range(8 * len(raw)) if raw[bit // 8] >> (7 - bit % 8) & 1}, result, operation)
        for _ in range(20):
            start, end = sorted(chance.sample(range(8 * len(raw)), 2))
            inside = [bit for bit in result if start <= bit <= end]
            equal(client.bitcount("result", start, end, "BIT"), len(inside), f"{operation} {start} {end}")
            equal(client.bitpos("result", 1, start, end, "BIT"), min(inside, default=-1), f"{operation} {start} {end}")


@use_case("B35.field bitfield: packed counters and what happens when they are full")
def field(case):
    client = open_client(case)
    equal(client.bitfield("packed").set("u8", 0, 255).incrby("u8", 0, 10).get("i8", 0).execute(), [0, 9, 9])
    equal(client.bitfield("packed", default_overflow="SAT").incrby("u4", "#4", 100).overflow("FAIL").incrby("u4", "#4", 1).execute(), [15, None])
    fails(redis.ResponseError, "bit offset is not an integer or out of range", client.setbit, "packed", 4_294_967_296, 1)


run()
