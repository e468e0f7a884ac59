"""One-time passwords, verification tokens and flags: written once, read once, and gone at the millisecond they were promised."""

from redis_py import open_client, together
from use_case import equal, gone_at_deadline, ok, run, use_case


@use_case("B11 sliding sessions: setex, expire and logout seen by everyone")
def sliding(case):
    client, other = open_client(case), open_client(case)
    client.setex("session:abc", 60, "{}")
    equal(client.expire("session:abc", 3600), True)
    ok(other.ttl("session:abc") > 3000, "slid forward")
    equal([client.delete("session:abc"), other.get("session:abc"), other.expire("session:abc", 60)], [1, None, False])


@use_case("B13 an OTP is gone at its millisecond")
def otp(case):
    client = open_client(case)
    gone_at_deadline(150, lambda: client.set("otp:1", "482913", px=150), lambda: client.get("otp:1"))
    client.set("otp:2", "1")
    gone_at_deadline(120, lambda: client.pexpire("otp:2", 120), lambda: client.get("otp:2"))
    equal([client.exists("otp:1", "otp:2"), client.pttl("otp:1"), client.type("otp:2")], [0, -2, "none"])


@use_case("B13.once set with nx, xx and get")
def once(case):
    client = open_client(case)
    equal([client.set("verify:7", "first", ex=600, nx=True), client.set("verify:7", "second", nx=True)], [True, None])
    equal([client.set("verify:7", "third", nx=True, get=True), client.set("verify:8", "x", xx=True)], ["first", None])
    equal([client.setnx("verify:8", "y"), client.setnx("verify:8", "z")], [True, False])


@use_case("B13.getdel getdel hands a token out exactly once")
def getdel(case):
    client = open_client(case)
    client.set("token", "only one of you")
    got = together(10, lambda _: client.getdel("token"))
    equal([value for value in got if value is not None], ["only one of you"])


@use_case("B13.getex getex reads and moves the deadline, keepttl keeps it")
def getex(case):
    client = open_client(case)
    client.set("flag", "on", ex=10)
    equal(client.getex("flag", ex=500), "on")
    client.set("flag", "off", keepttl=True)
    ok(client.ttl("flag") > 490, "moved forward and kept")
    equal([client.getex("flag", persist=True), client.ttl("flag")], ["off", -1])
    equal([client.expire("flag", 100, gt=True), client.expire("flag", 100, nx=True), client.expire("flag", 50, gt=True), client.expire("flag", 50, lt=True)], [False, True, False, True])


@use_case("B18 who is online, and typing flags")
def online(case):
    client = open_client(case)
    client.set("user:123:online", "true", ex=60)
    equal([client.get("user:123:online"), client.expire("user:123:typing", 5)], ["true", False])
    gone_at_deadline(80, lambda: client.psetex("user:123:typing", 80, "1"), lambda: client.get("user:123:typing"))


run()
