"""Sets: permissions, followers and boards, raffles."""

import redis
from redis_py import open_client, together
from use_case import EVERY_BYTE, equal, fails, ok, run, use_case

# What comes back as a set is a list in RESP3 in some versions of the client: the order means nothing either way.


@use_case("B7.sets permissions of a user")
def permissions(case):
    client, key = open_client(case), "user:123:permissions"
    equal([client.sadd(key, "read", "write", "read"), client.sadd(key, "admin"), client.sadd(key, "admin")], [2, 1, 0])
    equal([bool(client.sismember(key, "admin")), bool(client.sismember(key, "root")), client.smismember(key, "read", "root")], [True, False, [1, 0]])
    equal([sorted(client.smembers(key)), client.scard(key), list(client.smembers("none"))], [["admin", "read", "write"], 3, []])
    equal([client.srem(key, "admin", "root"), client.srem(key, "read", "write"), client.exists(key)], [1, 2, 0])
    client.set("text", "x")
    fails(redis.ResponseError, "WRONGTYPE", client.sadd, "text", "x")


@use_case("B7.sets.bytes any byte in a member, and ten thousand members")
def many(case):
    client = open_client(case, decode_responses=False)
    equal([client.sadd("bytes", EVERY_BYTE, b""), sorted(client.smembers("bytes"))], [2, [b"", EVERY_BYTE]])
    members = [b"member:%d" % number for number in range(10_000)]
    equal([client.sadd("many", *members), sorted(client.smembers("many")) == sorted(members)], [10_000, True])
    equal(sorted(set(client.sscan_iter("many", match="member:*7", count=200))), sorted(member for member in members if member.endswith(b"7")))


@use_case("B37 followers: common, together, and not yet followed")
def followers(case):
    client, ann, bob = open_client(case), "follows:ann", "follows:bob"
    client.pipeline().sadd(ann, "bob", "cid", "dan", "eve").sadd(bob, "cid", "dan", "fay").execute()
    equal([sorted(client.sinter(ann, bob)), sorted(client.sunion(ann, bob)), sorted(client.sdiff(ann, bob)), list(client.sinter(ann, "none"))], [["cid", "dan"], ["bob", "cid", "dan", "eve", "fay"], ["bob", "eve"], []])
    equal([client.sintercard(2, [ann, bob]), client.sintercard(2, [ann, bob], limit=1)], [2, 1])
    equal([client.sinterstore("common", ann, bob), client.sunionstore("all", ann, bob), client.sdiffstore("new", bob, ann), list(client.smembers("new"))], [2, 5, 1, ["fay"]])
    equal([client.sinterstore("common", ann, "none"), client.exists("common")], [0, 0], "an empty result is no key")
    equal([bool(client.smove(ann, bob, "eve")), bool(client.smove(ann, bob, "eve")), client.scard(ann)], [True, False, 3])


@use_case("B37.raffle ten threads draw from one pot: every ticket once")
def raffle(case):
    client = open_client(case)
    tickets = [f"ticket:{number}" for number in range(1000)]
    client.sadd("pot", *tickets)
    equal([len(set(client.srandmember("pot", 50))), len(client.srandmember("pot", -50)), client.scard("pot")], [50, 50, 1000])

    def draw(_):
        mine = []
        while (ticket := client.spop("pot")) is not None:
            mine += [ticket, *client.spop("pot", 2)]
        return mine

    equal(sorted(sum(together(10, draw), [])), sorted(tickets))
    equal([client.exists("pot"), client.spop("pot"), list(client.spop("pot", 3))], [0, None, []])


run()
