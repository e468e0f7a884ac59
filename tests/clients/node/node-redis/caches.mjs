// Query caches: values with a lifetime, any bytes in keys and values, one huge value, thousands of keys in one call.
import { randomBytes } from "node:crypto";
import { RESP_TYPES } from "redis";
import { equal, everyByte, fails, ok, useCase } from "../lib/use_case.mjs";
import { open } from "../lib/node_redis.mjs";

const asBuffers = (client) => client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });

useCase("B2 query cache with versioned keys and EX", async (t) => {
  const client = await open(t);
  const key = "v1:query:products:category:123";
  equal([await client.get(key), await client.set(key, '[{"id":1}]', { EX: 3600 }), await client.get(key)], [null, "OK", '[{"id":1}]']);
  const ttl = await client.ttl(key);
  ok(ttl > 3590 && ttl <= 3600, `ttl ${ttl}`);
  equal(await client.set(key, "[]", { expiration: { type: "PX", value: 90_000 } }), "OK");
  ok((await client.pTTL(key)) <= 90_000, "PX");
  equal([await client.ttl("none"), await client.persist(key), await client.ttl(key)], [-2, 1, -1]);
});

useCase("B3 setEx, and its own words for a bad lifetime", async (t) => {
  const client = await open(t);
  equal([await client.setEx("user:1", 3600, "{}"), await client.pSetEx("user:2", 3600, "{}")], ["OK", "OK"]);
  await fails(client.setEx("user:1", 0, "v"), /^ERR invalid expire time in 'setex' command$/);
  await fails(client.set("user:1", "v", { EX: -1 }), /^ERR invalid expire time in 'set' command$/);
  equal(await client.get("user:1"), "{}");
});

useCase("B5 API answers under their URL", async (t) => {
  const client = await open(t);
  const key = "api:https://example.com/v1/search?q=a b&x=%20#é";
  await client.set(key, "answer", { EX: 600 });
  equal([await client.get(key), await client.exists([key, key, "none"])], ["answer", 2]);
});

useCase("B6 invalidation on write: del, unlink, and what each counts", async (t) => {
  const client = await open(t);
  await client.mSet({ "blob:1": "{}", "blob:2": "{}", "blob:3": "{}" });
  equal([await client.del(["blob:1", "blob:none"]), await client.unlink(["blob:2", "blob:3", "blob:3"])], [1, 2]);
  equal(await client.mGet(["blob:1", "blob:2", "blob:3"]), [null, null, null]);
});

useCase("B1.bytes any byte in keys and values", async (t) => {
  const client = await open(t);
  await client.set(everyByte, everyByte);
  equal(Buffer.from(await asBuffers(client).get(everyByte)), everyByte);
  equal([await client.strLen(everyByte), await client.exists(everyByte)], [256, 1]);
  await client.set("", "the empty key");
  await client.set("empty value", "");
  equal([await client.get(""), await client.get("empty value")], ["the empty key", ""]);
});

useCase("B1.big a value of five megabytes", async (t) => {
  const client = await open(t);
  const big = randomBytes(5_000_000);
  await client.set("big", big);
  ok(big.equals(await asBuffers(client).get("big")), "the same bytes come back");
  equal([await client.setRange("big", 5_000_000, "tail"), await client.getRange("big", -4, -1)], [5_000_004, "tail"]);
});

useCase("B7.many ten thousand keys in one mSet and one mGet", async (t) => {
  const client = await open(t);
  const pairs = Array.from({ length: 10_000 }, (_, index) => [`total_stock_value:org_${index}`, String(index)]);
  equal(await client.mSet(pairs), "OK");
  equal(await client.mGet([...pairs.map(([key]) => key), "missing"]), [...pairs.map(([, value]) => value), null]);
  equal([await client.mSetNX({ "total_stock_value:org_1": "x", fresh: "x" }), await client.exists("fresh")], [0, 0]);
});

useCase("B8 settings are read back as an object", async (t) => {
  const client = await open(t);
  const before = await client.configGet("maxmemory");
  t.later(() => client.configSet("maxmemory", before.maxmemory));
  equal(await client.configSet({ maxmemory: "900mb" }), "OK");
  equal({ ...(await client.configGet(["maxmemory", "databases"])) }, { maxmemory: String(900 * 1024 * 1024), databases: "16" });
});
