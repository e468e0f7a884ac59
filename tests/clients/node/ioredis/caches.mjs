// Read-through caches: values with a lifetime, any bytes in keys and values, one huge value, thousands of keys in one call.
import { createHash, randomBytes } from "node:crypto";
import { equal, everyByte, fails, ok, useCase } from "../lib/use_case.mjs";
import { open, ReplyError } from "../lib/ioredis.mjs";

useCase("B1 read-through cache with EX", async (t) => {
  const redis = open(t);
  let queries = 0;
  const project = async (id) => {
    const cached = await redis.get(`project:${id}`);
    if (cached) return JSON.parse(cached);
    queries += 1;
    const row = { id, name: "Демо ✓", tags: ["a", "b"] };
    equal(await redis.set(`project:${id}`, JSON.stringify(row), "EX", 3600), "OK");
    return row;
  };
  equal(await project(1), await project(1));
  equal(queries, 1, "queries");
  const ttl = await redis.ttl("project:1");
  ok(ttl > 3590 && ttl <= 3600, `ttl ${ttl}`);
});

useCase("B1.px PX, EXAT, PXAT and the commands which read them back", async (t) => {
  const redis = open(t);
  const now = Date.now();
  await redis.set("px", "1", "PX", 90_000);
  const pttl = await redis.pttl("px");
  ok(pttl > 80_000 && pttl <= 90_000, `pttl ${pttl}`);
  await redis.set("exat", "1", "EXAT", Math.floor(now / 1000) + 100);
  equal(await redis.expiretime("exat"), Math.floor(now / 1000) + 100);
  await redis.set("pxat", "1", "PXAT", now + 100_000);
  equal(await redis.pexpiretime("pxat"), now + 100_000);
  await redis.set("past", "1", "PXAT", now - 1000);
  equal(await redis.exists("past"), 0, "a deadline in the past");
  equal([await redis.ttl("no such key"), await redis.ttl("px").then((seconds) => seconds > 0)], [-2, true]);
  equal([await redis.persist("px"), await redis.persist("px"), await redis.ttl("px")], [1, 0, -1]);
});

useCase("B3 SETEX, and its own words for a bad lifetime", async (t) => {
  const redis = open(t);
  equal(await redis.setex("user:1", 3600, '{"name":"Ada"}'), "OK");
  equal(await redis.psetex("user:2", 3600, "x"), "OK");
  const error = await fails(redis.setex("user:1", 0, "v"), /^ERR invalid expire time in 'setex' command$/);
  ok(error instanceof ReplyError, "a ReplyError");
  await fails(redis.setex("user:1", "soon", "v"), /^ERR value is not an integer or out of range$/);
  await fails(redis.set("user:1", "v", "EX", -5), /^ERR invalid expire time in 'set' command$/);
  await fails(redis.set("user:1", "v", "EX", 5, "PX", 5), /^ERR syntax error$/);
  equal(await redis.get("user:1"), '{"name":"Ada"}', "unchanged by what was refused");
});

useCase("B4 computations cached under an md5", async (t) => {
  const redis = open(t);
  const key = `calc:${createHash("md5").update(JSON.stringify({ a: 1, b: [2, 3] })).digest("hex")}`;
  await redis.set(key, 42, "EX", 3600);
  equal([await redis.get(key), await redis.exists(key, key, "calc:none")], ["42", 2]);
});

useCase("B5 API answers under their URL, with every character a URL has", async (t) => {
  const redis = open(t);
  const key = "api:https://example.com/v1/search?q=a b&x=%20{tag}*[z]\\#é";
  await redis.set(key, "answer", "EX", 600);
  equal(await redis.get(key), "answer");
  // Brackets and the star in the key must be escaped to be found by a pattern, as they are themselves patterns.
  equal(await redis.keys("api:https://example.com/v1/search[?]q=a b&x=%20{tag}\\*\\[z\\]\\\\#é"), [key]);
});

useCase("B6 invalidation on write: DEL, UNLINK, and what each counts", async (t) => {
  const redis = open(t);
  await redis.mset("blob:1", "{}", "blob:2", "{}", "blob:3", "{}");
  equal(await redis.del("blob:1", "blob:none"), 1);
  equal(await redis.unlink(["blob:2", "blob:3", "blob:3"]), 2);
  equal(await redis.mget("blob:1", "blob:2", "blob:3"), [null, null, null]);
});

useCase("B1.bytes any byte in keys and values", async (t) => {
  const redis = open(t);
  await redis.set(everyByte, everyByte);
  equal(await redis.getBuffer(everyByte), everyByte);
  equal([await redis.strlen(everyByte), await redis.exists(everyByte)], [256, 1]);
  equal(await redis.getrangeBuffer(everyByte, 10, 13), Buffer.from([10, 11, 12, 13]));
  await redis.set("", "the empty key");
  await redis.set("empty value", "");
  equal([await redis.get(""), await redis.get("empty value")], ["the empty key", ""]);
  const [, keys] = await redis.scanBuffer(0, "COUNT", 100_000, "MATCH", Buffer.concat([everyByte.subarray(0, 10), Buffer.from("*")]));
  equal(keys, [everyByte], "found by its first bytes");
});

useCase("B1.big a value of five megabytes", async (t) => {
  const redis = open(t);
  const big = randomBytes(5_000_000);
  await redis.set("big", big);
  const [back, length] = await Promise.all([redis.getBuffer("big"), redis.strlen("big")]);
  equal(length, big.length);
  ok(back.equals(big), "the same bytes come back");
  equal(await redis.append("big", "tail"), 5_000_004);
  equal(await redis.getrange("big", -4, -1), "tail");
});

useCase("B7.many ten thousand keys in one MSET and one MGET", async (t) => {
  const redis = open(t);
  const pairs = Array.from({ length: 10_000 }, (_, index) => [`total_stock_value:org_${index}`, String(index)]);
  equal(await redis.mset(new Map(pairs)), "OK");
  equal(await redis.mget([...pairs.map(([key]) => key), "missing"]), [...pairs.map(([, value]) => value), null]);
  equal(await redis.msetnx("total_stock_value:org_1", "x", "fresh", "x"), 0);
  equal(await redis.exists("fresh"), 0, "MSETNX sets all or nothing");
});

useCase("B8 a limit for memory is read back as it was set", async (t) => {
  const redis = open(t);
  const before = await redis.config("GET", "maxmemory");
  t.later(() => redis.config("SET", "maxmemory", before[1]));
  equal(await redis.config("SET", "maxmemory", "900mb"), "OK");
  equal(await redis.config("GET", "maxmemory"), ["maxmemory", String(900 * 1024 * 1024)]);
  await fails(redis.config("SET", "no-such-setting", "1"), /^ERR Unknown option or number of arguments for CONFIG SET/);
});
