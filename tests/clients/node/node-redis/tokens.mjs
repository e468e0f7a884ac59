// One-time passwords, verification tokens and flags: written once, read once, and gone at the millisecond they were promised.
import { equal, goneAtDeadline, ok, useCase } from "../lib/use_case.mjs";
import { open } from "../lib/node_redis.mjs";

useCase("B11 sliding sessions: setEx, expire and logout seen by everyone", async (t) => {
  const [client, other] = [await open(t), await open(t)];
  await client.setEx("session:abc", 60, '{"userId":"123"}');
  equal(await client.expire("session:abc", 3600), 1);
  ok((await other.ttl("session:abc")) > 3000, "slid forward");
  equal([await client.del("session:abc"), await other.get("session:abc"), await other.expire("session:abc", 60)], [1, null, 0]);
});

useCase("B13 an OTP is gone at its millisecond", async (t) => {
  const client = await open(t);
  await goneAtDeadline(150, () => client.set("otp:1", "482913", { PX: 150 }), () => client.get("otp:1"));
  await client.set("otp:2", "1");
  await goneAtDeadline(120, () => client.pExpire("otp:2", 120), () => client.get("otp:2"));
  equal([await client.exists(["otp:1", "otp:2"]), await client.pTTL("otp:1"), await client.type("otp:2")], [0, -2, "none"]);
});

useCase("B13.once SET with NX, XX and GET", async (t) => {
  const client = await open(t);
  equal(await client.set("verify:7", "first", { EX: 600, NX: true }), "OK");
  equal(await client.set("verify:7", "second", { EX: 600, NX: true }), null);
  equal(await client.set("verify:7", "third", { condition: "NX", GET: true }), "first");
  equal([await client.set("verify:8", "x", { XX: true }), await client.setNX("verify:8", "y"), await client.setNX("verify:8", "z")], [null, 1, 0]);
});

useCase("B13.getdel getDel hands a token out exactly once", async (t) => {
  const clients = await Promise.all(Array.from({ length: 10 }, () => open(t)));
  await clients[0].set("token", "only one of you");
  const got = await Promise.all(clients.map((client) => client.getDel("token")));
  equal(got.filter((value) => value !== null), ["only one of you"]);
});

useCase("B13.getex getEx reads and moves the deadline", async (t) => {
  const client = await open(t);
  await client.set("flag", "on", { EX: 10 });
  equal(await client.getEx("flag", { type: "EX", value: 500 }), "on");
  ok((await client.ttl("flag")) > 490, "moved forward");
  equal([await client.getEx("flag", { type: "PERSIST" }), await client.ttl("flag")], ["on", -1]);
});

useCase("B13.keepttl KEEPTTL keeps the deadline, a plain SET drops it", async (t) => {
  const client = await open(t);
  await client.set("k", "1", { EX: 500 });
  await client.set("k", "2", { expiration: "KEEPTTL" });
  ok((await client.ttl("k")) > 490, "kept");
  equal([await client.set("k", "3", { GET: true }), await client.ttl("k")], ["2", -1]);
});

useCase("B18 who is online, and typing flags", async (t) => {
  const client = await open(t);
  await client.set("user:123:online", "true", { EX: 60 });
  equal([await client.get("user:123:online"), await client.expire("user:123:typing", 5)], ["true", 0]);
  await goneAtDeadline(80, () => client.pSetEx("user:123:typing", 80, "1"), () => client.get("user:123:typing"));
});
