// Hashes: sessions with fields of their own, counters side by side, shopping carts.
import { equal, eventually, everyByte, fails, goneAtDeadline, oneTo, ok, useCase } from "../lib/use_case.mjs";
import { open } from "../lib/ioredis.mjs";

// What HGETALL answers has no prototype in some versions, and an object literal has one.
const plain = (object) => ({ ...object });

useCase("B10 a session as a hash with one lifetime", async (t) => {
  const redis = open(t);
  equal(await redis.hset("session:abc", { lastLogin: 1_700_000_000_000, userAgent: "Mozilla/5.0 (X11)", ip: "10.0.0.1" }), 3, "new fields");
  equal(await redis.expire("session:abc", 86_400), 1);
  equal(await redis.hset("session:abc", "ip", "10.0.0.2", "lang", "de"), 1, "one of the two is new");
  ok((await redis.ttl("session:abc")) > 86_390, "a field more does not move the lifetime");
  equal(plain(await redis.hgetall("session:abc")), { lastLogin: "1700000000000", userAgent: "Mozilla/5.0 (X11)", ip: "10.0.0.2", lang: "de" });
  equal([await redis.hget("session:abc", "ip"), await redis.hget("session:abc", "no"), await redis.hget("none", "ip")], ["10.0.0.2", null, null]);
  equal(await redis.hmget("session:abc", "lang", "no", "lang"), ["de", null, "de"]);
  equal([await redis.hexists("session:abc", "lang"), await redis.hstrlen("session:abc", "lang"), await redis.hlen("session:abc")], [1, 2, 4]);
  equal([plain(await redis.hgetall("none")), await redis.hlen("none"), await redis.hkeys("none")], [{}, 0, []]);
  equal([await redis.del("session:abc"), await redis.exists("session:abc")], [1, 0]);
});

useCase("B10.fields each field with a lifetime of its own", async (t) => {
  const redis = open(t);
  await redis.hset("login:7", "otp", "123456", "csrf", "t0ken", "user", "ann");
  equal(await redis.call("HEXPIRE", "login:7", 300, "FIELDS", 2, "otp", "none"), [1, -2]);
  equal(await redis.call("HTTL", "login:7", "FIELDS", 3, "otp", "user", "none"), [300, -1, -2]);
  equal(await redis.call("HPERSIST", "login:7", "FIELDS", 2, "otp", "user"), [1, -1]);
  await goneAtDeadline(80, () => redis.call("HPEXPIRE", "login:7", 80, "FIELDS", 1, "csrf"), () => redis.hget("login:7", "csrf"));
  equal([await redis.hexists("login:7", "csrf"), plain(await redis.hgetall("login:7"))], [0, { otp: "123456", user: "ann" }]);
  // When the last field has run out, there is no hash left; Valkey notices a moment later.
  await redis.hset("short", "only", "1");
  await goneAtDeadline(30, () => redis.call("HPEXPIRE", "short", 30, "FIELDS", 1, "only"), () => redis.hget("short", "only"));
  await eventually("the hash is gone", async () => (await redis.exists("short")) === 0);
});

useCase("B10.bytes any byte in fields and values, and a thousand fields", async (t) => {
  const redis = open(t);
  equal(await redis.hset("bytes", everyByte, everyByte), 1);
  equal(await redis.hgetBuffer("bytes", everyByte), everyByte);
  equal([await redis.hset("bytes", "", ""), await redis.hget("bytes", ""), await redis.hlen("bytes")], [1, "", 2]);
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`field:${index}`, `value ${index} ${"x".repeat(index % 100)}`]));
  equal(await redis.hset("many", many), 1000);
  equal(plain(await redis.hgetall("many")), many);
  equal((await redis.hkeys("many")).sort(), Object.keys(many).sort());
  equal((await redis.hvals("many")).sort(), Object.values(many).sort());
  const walked = {};
  for await (const batch of redis.hscanStream("many", { match: "field:9*", count: 50 })) for (let at = 0; at < batch.length; at += 2) walked[batch[at]] = batch[at + 1];
  equal(walked, Object.fromEntries(Object.entries(many).filter(([field]) => field.startsWith("field:9"))));
});

useCase("B22.hash counters side by side", async (t) => {
  const redis = open(t);
  equal(await redis.multi().hincrby("video:stats:9", "totalViews", 1).hincrby("video:stats:9", "viewsToday", 1).exec(), [[null, 1], [null, 1]]);
  equal(plain(await redis.hgetall("video:stats:9")), { totalViews: "1", viewsToday: "1" });
  equal([await redis.hset("user:1", "name", "Alex"), await redis.hset("user:1", "followers", 123), await redis.hincrby("user:1", "followers", 1)], [1, 1, 124]);
  equal([await redis.hincrbyfloat("price", "eur", "10.5"), await redis.hincrbyfloat("price", "eur", "0.1"), await redis.hincrby("price", "items", -3)], ["10.5", "10.6", -3]);
  await redis.hset("full", "n", "9223372036854775807", "word", "hello");
  await fails(redis.hincrby("full", "n", 1), /^ERR increment or decrement would overflow$/);
  await fails(redis.hincrby("full", "word", 1), /^ERR hash value is not an integer$/);
  await fails(redis.hincrbyfloat("full", "word", 1), /^ERR hash value is not a float$/);
  equal(await redis.hmget("full", "n", "word"), ["9223372036854775807", "hello"], "unchanged by what was refused");
});

useCase("B22.hash.many twenty connections count in one hash and nothing is lost", async (t) => {
  const clients = Array.from({ length: 20 }, () => open(t));
  const replies = await Promise.all(clients.map((redis) => Promise.all(Array.from({ length: 100 }, () => redis.hincrby("likes", "post:1", 1)))));
  equal(replies.flat().sort((a, b) => a - b), oneTo(2000), "every number is given once");
  equal(await clients[0].hget("likes", "post:1"), "2000");
});

useCase("B27 a shopping cart for a week", async (t) => {
  const redis = open(t);
  equal([await redis.hset("cart:7", "sku-1", 2), await redis.expire("cart:7", 604_800)], [1, 1]);
  equal(plain(await redis.hgetall("cart:7")), { "sku-1": "2" });
  equal([await redis.hincrby("cart:7", "sku-1", 3), await redis.hincrby("cart:7", "sku-2", 1), await redis.hincrby("cart:7", "sku-1", -1)], [5, 1, 4]);
  equal([await redis.hsetnx("cart:7", "sku-1", 9), await redis.hsetnx("cart:7", "sku-3", 9)], [0, 1]);
  equal([await redis.hdel("cart:7", "sku-2", "sku-9"), await redis.hlen("cart:7"), plain(await redis.hgetall("cart:7"))], [1, 2, { "sku-1": "4", "sku-3": "9" }]);
  ok((await redis.ttl("cart:7")) > 604_790, "a week");
  ok(["sku-1", "sku-3"].includes(await redis.hrandfield("cart:7")), "HRANDFIELD");
  equal((await redis.hrandfield("cart:7", 5)).sort(), ["sku-1", "sku-3"]);
  equal((await redis.hrandfield("cart:7", -5)).length, 5, "with repetition");
  equal([await redis.hdel("cart:7", "sku-1", "sku-3"), await redis.exists("cart:7")], [2, 0], "an empty cart is no key");
});

useCase("B27.type a hash is no other type, and no other type is a hash", async (t) => {
  const redis = open(t);
  await redis.hset("cart:8", "sku-1", 1);
  await redis.set("text", "x");
  await fails(redis.incr("cart:8"), /^WRONGTYPE Operation against a key holding the wrong kind of value$/);
  await fails(redis.lpush("cart:8", "x"), /^WRONGTYPE /);
  await fails(redis.hset("text", "f", "v"), /^WRONGTYPE /);
  await fails(redis.call("HSET", "cart:8", "f"), /^ERR wrong number of arguments for 'hset' command$/);
  equal([await redis.type("cart:8"), await redis.object("ENCODING", "cart:8"), await redis.hget("cart:8", "sku-1")], ["hash", "listpack", "1"]);
  equal([await redis.copy("cart:8", "cart:9"), await redis.hincrby("cart:9", "sku-1", 1), await redis.hget("cart:8", "sku-1")], [1, 2, "1"], "a copy of its own");
  equal(await redis.set("cart:8", "now text"), "OK", "SET replaces any type");
});
