// Hashes: sessions with fields of their own, counters side by side, shopping carts.
import { RESP_TYPES } from "redis";
import { equal, eventually, everyByte, fails, goneAtDeadline, oneTo, ok, useCase } from "../lib/use_case.mjs";
import { fleet, open } from "../lib/node_redis.mjs";

// The client answers with objects that have no prototype, and a literal has one.
const plain = (object) => ({ ...object });

useCase("B10 a session as a hash with one lifetime", async (t) => {
  const client = await open(t);
  const key = "session:abc";
  equal(await client.hSet(key, { lastLogin: 1_700_000_000_000, userAgent: "Mozilla/5.0 (X11)", ip: "10.0.0.1" }), 3, "new fields");
  equal([await client.expire(key, 86_400), await client.hSet(key, "ip", "10.0.0.2"), await client.hSet(key, [["lang", "de"], ["ip", "10.0.0.3"]])], [1, 0, 1]);
  ok((await client.ttl(key)) > 86_390, "a field more does not move the lifetime");
  equal(plain(await client.hGetAll(key)), { lastLogin: "1700000000000", userAgent: "Mozilla/5.0 (X11)", ip: "10.0.0.3", lang: "de" });
  equal([await client.hGet(key, "ip"), await client.hGet(key, "no"), await client.hGet("none", "ip"), await client.hmGet(key, ["lang", "no"])], ["10.0.0.3", null, null, ["de", null]]);
  equal([await client.hExists(key, "lang"), await client.hExists(key, "no"), await client.hStrLen(key, "lang"), await client.hLen(key)], [1, 0, 2, 4]);
  equal([plain(await client.hGetAll("none")), await client.hKeys("none"), await client.hVals("none")], [{}, [], []]);
  equal([await client.del(key), await client.exists(key)], [1, 0]);
});

useCase("B10.fields each field with a lifetime of its own", async (t) => {
  const client = await open(t);
  await client.hSet("login:7", { otp: "123456", csrf: "t0ken", user: "ann" });
  equal([await client.hExpire("login:7", ["otp", "none"], 300), await client.hTTL("login:7", ["otp", "user", "none"])], [[1, -2], [300, -1, -2]]);
  equal([await client.hExpire("login:7", "otp", 900, "LT"), await client.hPersist("login:7", ["otp", "user"])], [[0], [1, -1]]);
  await goneAtDeadline(80, () => client.hpExpire("login:7", "csrf", 80), () => client.hGet("login:7", "csrf"));
  equal(plain(await client.hGetAll("login:7")), { otp: "123456", user: "ann" });
  await client.hSet("short", "only", "1");
  await client.hpExpire("short", "only", 20);
  await eventually("no field, no hash", async () => (await client.exists("short")) === 0);
});

useCase("B10.setex HSETEX and HGETEX set fields with a lifetime and move it while reading", async (t) => {
  const client = await open(t);
  equal(await client.hSetEx("login:8", { otp: "1", csrf: "2" }, { expiration: { type: "EX", value: 300 } }), 1);
  equal(await client.hTTL("login:8", ["otp", "csrf"]), [300, 300]);
  equal([await client.hGetEx("login:8", ["otp", "no"], { expiration: "PERSIST" }), await client.hTTL("login:8", "otp")], [["1", null], [-1]]);
  equal(await client.hSetEx("login:8", { otp: "9", fresh: "9" }, { mode: "FNX" }), 0, "one of them is there already");
  equal([await client.hGetDel("login:8", ["otp", "no"]), await client.hGetDel("login:8", "csrf"), await client.exists("login:8")], [["1", null], ["2"], 0]);
});

useCase("B10.bytes any byte in fields and values, and a thousand fields", async (t) => {
  const client = await open(t);
  equal(await client.hSet("bytes", everyByte, everyByte), 1);
  equal(Buffer.from(await client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).hGet("bytes", everyByte)), everyByte);
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`field:${index}`, `value ${index} ${"x".repeat(index % 100)}`]));
  equal([await client.hSet("many", many), plain(await client.hGetAll("many"))], [1000, many]);
  const walked = {};
  for await (const batch of client.hScanIterator("many", { MATCH: "field:9*", COUNT: 50 })) for (const { field, value } of batch) walked[field] = value;
  equal(walked, Object.fromEntries(Object.entries(many).filter(([field]) => field.startsWith("field:9"))));
});

useCase("B22.hash counters side by side", async (t) => {
  const client = await open(t);
  equal(await client.multi().hIncrBy("video:stats:9", "totalViews", 1).hIncrBy("video:stats:9", "viewsToday", 1).exec(), [1, 1]);
  equal(plain(await client.hGetAll("video:stats:9")), { totalViews: "1", viewsToday: "1" });
  equal(plain((await client.multi().hGetAll("video:stats:9").hGetAll("none").exec())[0]), { totalViews: "1", viewsToday: "1" }, "in a transaction");
  equal([await client.hSet("user:1", "followers", 123), await client.hIncrBy("user:1", "followers", 1), await client.hIncrByFloat("user:1", "rating", 4.5)], [1, 124, "4.5"]);
  await client.hSet("full", { n: "9223372036854775807", word: "hello" });
  await fails(client.hIncrBy("full", "n", 1), /^ERR increment or decrement would overflow$/);
  await fails(client.hIncrBy("full", "word", 1), /^ERR hash value is not an integer$/);
});

useCase("B22.hash.many twenty connections count in one hash and nothing is lost", async (t) => {
  const replies = await fleet(t, 20, (client) => Promise.all(Array.from({ length: 100 }, () => client.hIncrBy("likes", "post:1", 1))));
  equal(replies.flat().sort((a, b) => a - b), oneTo(2000), "every number is given once");
});

useCase("B27 a shopping cart for a week", async (t) => {
  const client = await open(t);
  equal([await client.hSet("cart:7", "sku-1", 2), await client.expire("cart:7", 604_800)], [1, 1]);
  equal(plain(await client.hGetAll("cart:7")), { "sku-1": "2" });
  equal([await client.hIncrBy("cart:7", "sku-1", 3), await client.hIncrBy("cart:7", "sku-2", 1), await client.hSetNX("cart:7", "sku-1", "9"), await client.hSetNX("cart:7", "sku-3", "9")], [5, 1, 0, 1]);
  equal([await client.hDel("cart:7", ["sku-2", "sku-9"]), await client.hLen("cart:7")], [1, 2]);
  equal([(await client.hRandFieldCount("cart:7", 5)).sort(), (await client.hRandFieldCount("cart:7", -5)).length], [["sku-1", "sku-3"], 5]);
  equal((await client.hRandFieldCountWithValues("cart:7", 5)).map(plain).sort((a, b) => (a.field < b.field ? -1 : 1)), [{ field: "sku-1", value: "5" }, { field: "sku-3", value: "9" }]);
  ok((await client.ttl("cart:7")) > 604_790, "a week");
  equal([await client.hDel("cart:7", ["sku-1", "sku-3"]), await client.exists("cart:7")], [2, 0], "an empty cart is no key");
  await client.set("text", "x");
  await fails(client.hSet("text", "f", "v"), /^WRONGTYPE Operation against a key holding the wrong kind of value$/);
});
