// Caches of apps that never speak to Redis themselves: keyv over @keyv/redis, and cache-manager over keyv.
import KeyvRedis, { createKeyv, Keyv } from "@keyv/redis";
import { createCache } from "cache-manager";
import { Redis } from "ioredis6";
import { equal, eventually, goneAtDeadline, ok, server, useCase } from "../lib/use_case.mjs";

const url = `redis://${server.host}:${server.port}`;

/** Looks at the same data from outside the app. */
function onlooker(t) {
  const redis = new Redis(server);
  t.later(() => redis.disconnect());
  return redis;
}

function store(t, options) {
  const keyv = createKeyv(url, options);
  keyv.on("error", () => {});
  t.later(() => keyv.disconnect());
  return keyv;
}

useCase("B2.keyv values of every kind, with and without a lifetime", async (t) => {
  const keyv = store(t, { namespace: "app" });
  const redis = onlooker(t);
  const value = { id: 1, name: "Демо ✓", tags: ["a"], nothing: null, when: "2026-01-01" };
  equal([await keyv.set("product:1", value), await keyv.get("product:1"), await keyv.get("none")], [true, value, undefined]);
  equal([await keyv.set("short", "x", 90_000), await keyv.has("short"), await keyv.has("none")], [true, true, false]);
  const [key] = await redis.keys("*short*");
  ok((await redis.pttl(key)) > 80_000, `the lifetime is the server's: ${key}`);
  equal([await keyv.delete("short"), await keyv.delete("short"), await redis.exists(key)], [true, false, 0]);
  await goneAtDeadline(80, () => keyv.set("soon", "x", 80), async () => (await keyv.get("soon")) ?? null);
});

useCase("B2.keyv.many many at once, and a namespace that is cleared alone", async (t) => {
  const [one, two] = [store(t, { namespace: "one" }), store(t, { namespace: "two" })];
  const entries = Array.from({ length: 500 }, (_, index) => ({ key: `key:${index}`, value: index, ttl: 60_000 }));
  await one.setMany(entries);
  await two.set("key:1", "other");
  equal(await one.getMany(["key:1", "none", "key:499"]), [1, undefined, 499]);
  equal(await one.hasMany(["key:1", "none"]), [true, false]);
  const walked = new Map();
  for await (const [key, value] of one.iterator()) walked.set(key, value);
  equal([walked.size, walked.get("key:7")], [500, 7]);
  equal(await one.deleteMany(["key:1", "key:2", "none"]), true);
  await one.clear();
  equal([await one.get("key:3"), await two.get("key:1")], [undefined, "other"], "the other namespace keeps its own");
});

useCase("B2.keyv.two two processes of an app share one cache", async (t) => {
  const [here, there] = [new Keyv({ store: new KeyvRedis(url), namespace: "shared" }), new Keyv({ store: new KeyvRedis(url), namespace: "shared" })];
  t.later(() => here.disconnect());
  t.later(() => there.disconnect());
  await here.set("flag", true);
  equal(await there.get("flag"), true);
  await there.delete("flag");
  equal(await here.get("flag"), undefined);
});

useCase("B2.cache-manager wrap computes once, keeps, refreshes and forgets", async (t) => {
  const cache = createCache({ stores: [store(t, { namespace: "cache" })], ttl: 60_000 });
  let computed = 0;
  const product = (id) => cache.wrap(`product:${id}`, async () => ({ id, computed: (computed += 1) }));
  equal([await product(1), await product(1), await product(2)], [{ id: 1, computed: 1 }, { id: 1, computed: 1 }, { id: 2, computed: 2 }]);
  // All who ask at the same moment wait for one computation.
  equal(new Set((await Promise.all(Array.from({ length: 20 }, () => product(3)))).map((value) => value.computed)), new Set([3]));
  equal([await cache.del("product:1"), await product(1)], [true, { id: 1, computed: 4 }]);
  await cache.mset([{ key: "a", value: 1 }, { key: "b", value: [2], ttl: 30_000 }]);
  equal([await cache.mget(["a", "none", "b"]), await cache.mdel(["a", "b"]), await cache.get("a")], [[1, undefined, [2]], true, undefined]);
  ok((await cache.ttl("product:2")) > Date.now() + 50_000, "the time at which it ends");
  const before = computed;
  await cache.set("stale", "old", 300);
  const stale = () => cache.wrap("stale", async () => `new ${(computed += 1)}`, 60_000, 59_000);
  equal(await stale(), "old", "what is about to end is handed out once more");
  await eventually("and computed anew meanwhile", async () => (await cache.get("stale")) === `new ${before + 1}`);
  equal([await cache.clear(), await cache.get("product:2")], [true, undefined]);
});

useCase("B2.cache-manager.tiers memory before Redis, and Redis for the other process", async (t) => {
  const shared = () => store(t, { namespace: "tiers" });
  const [here, there] = [createCache({ stores: [new Keyv(), shared()] }), createCache({ stores: [new Keyv(), shared()] })];
  const redis = onlooker(t);
  await here.set("user:1", { name: "Ada" }, 60_000);
  equal([await here.get("user:1"), await there.get("user:1")], [{ name: "Ada" }, { name: "Ada" }]);
  await redis.unlink(...(await redis.keys("*user:1")));
  equal([await here.get("user:1"), await createCache({ stores: [shared()] }).get("user:1")], [{ name: "Ada" }, undefined], "memory still has it");
});
