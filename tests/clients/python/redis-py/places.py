"""Drivers nearby, and unique visitors: GEO and HyperLogLog."""

import redis
from redis_py import open_client
from use_case import EVERY_BYTE, equal, fails, ok, run, use_case


def near(actual, wanted, by=1e-9):
    ok(abs(float(actual) - wanted) < by, f"{actual} is not {wanted}")


@use_case("B31 drivers within five kilometres, with distance and place")
def drivers(case):
    client = open_client(case)
    equal(client.geoadd("drivers", [-122.4194, 37.7749, "driver:1", -122.4094, 37.7849, "driver:2", -122.5, 38.5, "driver:3"]), 3)
    for found in (client.georadius("drivers", -122.415, 37.78, 5, unit="km", withdist=True, withcoord=True), client.geosearch("drivers", longitude=-122.415, latitude=37.78, radius=5, unit="km", withdist=True, withcoord=True)):
        equal(sorted((name, float(distance)) for name, distance, _ in found), [("driver:1", 0.6867), ("driver:2", 0.7342)])
        longitude, latitude = next(place for name, _, place in found if name == "driver:1")
        near(longitude, -122.41940170526505)
        near(latitude, 37.77490001056578)
    near(client.geodist("drivers", "driver:1", "driver:2", "km"), 1.4176)
    equal([client.geodist("drivers", "driver:1", "none"), client.geohash("drivers", "driver:1"), client.geopos("drivers", "none")], [None, ["9q8yyk8ytp0"], [None]])
    equal([client.geosearch("drivers", member="driver:1", width=10, height=10, unit="km", sort="DESC", count=1), client.geosearchstore("near", "drivers", longitude=-122.415, latitude=37.78, radius=5, unit="km", storedist=True), client.zcard("near")], [["driver:2"], 2, 2])
    fails(redis.ResponseError, "invalid longitude,latitude pair 181.000000,1.000000", client.geoadd, "drivers", [181, 1, "far"])


@use_case("B23 unique visitors of a day, and of a week")
def visitors(case):
    client = open_client(case)
    equal([client.pfadd("mon", "ann", "bob", "ann"), client.pfadd("mon", "ann"), client.pfadd("tue", "bob", "cid"), client.pfcount("mon"), client.pfcount("none")], [1, 0, 1, 2, 0])
    equal([client.pfcount("mon", "tue"), client.pfmerge("week", "mon", "tue"), client.pfcount("week"), client.pfadd("bytes", EVERY_BYTE)], [3, True, 3, 1])
    counts = [(10, 10), (100, 99), (1000, 994), (10_000, 9977), (100_000, 100_420)]
    start = 0
    for many, counted in counts:
        for at in range(start, many, 5000):
            client.pfadd("visitors", *[f"u{number}" for number in range(at, min(at + 5000, many))])
        start = many
        equal(client.pfcount("visitors"), counted, f"of {many}")
    client.set("text", "x")
    fails(redis.ResponseError, "not a valid HyperLogLog", client.pfadd, "text", "a")


run()
