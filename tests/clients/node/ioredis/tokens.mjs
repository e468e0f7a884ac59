// One-time passwords, verification tokens and flags: written once, read once, and gone at the millisecond they were promised.
import { equal, fails, goneAtDeadline, ok, useCase } from "../lib/use_case.mjs";
import { open } from "../lib/ioredis.mjs";

useCase("B11 sliding sessions: SETEX, EXPIRE and logout seen by everyone", async (t) => {
  const [redis, other] = [open(t), open(t)];
  await redis.setex("session:abc", 60, '{"userId":"123"}');
  equal(await redis.expire("session:abc", 3600), 1);
  ok((await other.ttl("session:abc")) > 3000, "slid forward");
  equal(await redis.del("session:abc"), 1);
  equal([await other.get("session:abc"), await other.expire("session:abc", 60)], [null, 0]);
});

useCase("B13 an OTP is gone at its millisecond", async (t) => {
  const redis = open(t);
  await goneAtDeadline(150, () => redis.set("otp:1", "482913", "PX", 150), () => redis.get("otp:1"));
  await goneAtDeadline(120, () => redis.multi().set("otp:2", "1").pexpire("otp:2", 120).exec(), () => redis.get("otp:2"));
  equal([await redis.exists("otp:1", "otp:2"), await redis.pttl("otp:1"), await redis.type("otp:2")], [0, -2, "none"]);
});

useCase("B13.once SET NX: the first token wins, the loser learns it", async (t) => {
  const redis = open(t);
  equal(await redis.set("verify:7", "first", "EX", 600, "NX"), "OK");
  equal(await redis.set("verify:7", "second", "EX", 600, "NX"), null);
  equal(await redis.set("verify:7", "third", "NX", "GET"), "first");
  equal(await redis.get("verify:7"), "first");
  equal([await redis.set("verify:8", "x", "XX"), await redis.setnx("verify:8", "y"), await redis.setnx("verify:8", "z")], [null, 1, 0]);
});

useCase("B13.getdel GETDEL hands a token out exactly once", async (t) => {
  const clients = Array.from({ length: 10 }, () => open(t));
  await clients[0].set("token", "only one of you");
  const got = await Promise.all(clients.map((redis) => redis.getdel("token")));
  equal(got.filter((value) => value !== null), ["only one of you"]);
});

useCase("B13.getex GETEX reads and moves the deadline", async (t) => {
  const redis = open(t);
  await redis.set("flag", "on", "EX", 10);
  equal(await redis.getex("flag", "EX", 500), "on");
  ok((await redis.ttl("flag")) > 490, "moved forward");
  equal(await redis.getex("flag", "PERSIST"), "on");
  equal([await redis.ttl("flag"), await redis.getex("no flag", "EX", 5)], [-1, null]);
});

useCase("B13.keepttl KEEPTTL keeps the deadline, a plain SET drops it", async (t) => {
  const redis = open(t);
  await redis.set("k", "1", "EX", 500);
  await redis.set("k", "2", "KEEPTTL");
  ok((await redis.ttl("k")) > 490, "kept");
  equal(await redis.set("k", "3", "GET"), "2");
  equal(await redis.ttl("k"), -1, "dropped");
});

useCase("B13.conditions EXPIRE with NX, XX, GT and LT", async (t) => {
  const redis = open(t);
  await redis.set("k", "1");
  equal(await redis.expire("k", 100, "XX"), 0);
  equal(await redis.expire("k", 100, "GT"), 0, "no lifetime counts as forever");
  equal(await redis.expire("k", 100, "NX"), 1);
  equal([await redis.expire("k", 50, "GT"), await redis.expire("k", 200, "GT"), await redis.expire("k", 100, "LT")], [0, 1, 1]);
  await fails(redis.call("EXPIRE", "k", "1", "NX", "GT"), /^ERR NX and XX, GT or LT options at the same time are not compatible/);
  equal([await redis.expire("k", -1), await redis.exists("k")], [1, 0], "a negative lifetime deletes");
});

useCase("B18 who is online, and typing flags", async (t) => {
  const redis = open(t);
  await redis.set("user:123:online", "true", "EX", 60);
  equal([await redis.get("user:123:online"), await redis.expire("user:123:typing", 5)], ["true", 0]);
  await goneAtDeadline(80, () => redis.psetex("user:123:typing", 80, "1"), () => redis.get("user:123:typing"));
  equal(await redis.mget("user:123:online", "user:123:typing"), ["true", null]);
});
