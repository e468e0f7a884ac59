// Client-side caching as node-redis has it: the client keeps what it has read, and forgets what the server says has changed.
import { BasicClientSideCache, createClientPool } from "redis";
import { equal, eventually, oneTo, ok, skip, useCase } from "../lib/use_case.mjs";
import { open, options, RESP } from "../lib/node_redis.mjs";

useCase("B6.tracking a cache in the client, right again as soon as others write", async (t) => {
  if (RESP === 2) skip("the cache of this client is for RESP3");
  const cache = new BasicClientSideCache({ maxEntries: 1000 });
  const [client, other] = [await open(t, { clientSideCache: cache }), await open(t)];
  await other.set("user:1", "ann");
  await other.hSet("user:2", { name: "bob" });
  equal([await client.get("user:1"), await client.get("user:1"), { ...(await client.hGetAll("user:2")) }, { ...(await client.hGetAll("user:2")) }], ["ann", "ann", { name: "bob" }, { name: "bob" }]);
  equal([cache.stats().hitCount, cache.stats().missCount], [2, 2], "the second time nobody was asked");
  await other.set("user:1", "eve");
  await eventually("it is forgotten", async () => (await client.get("user:1")) === "eve");
  await other.hIncrBy("user:2", "visits", 1);
  await eventually("this, too", async () => (await client.hGet("user:2", "visits")) === "1");
  await other.flushAll();
  await eventually("all is forgotten", async () => (await client.get("user:1")) === null);
  // What expires is forgotten as well.
  await other.set("short", "x", { PX: 60 });
  equal(await client.get("short"), "x");
  await eventually("its time is over", async () => (await client.get("short")) === null);
});

useCase("B6.tracking.many whatever is written, what is read is soon the same", async (t) => {
  if (RESP === 2) skip("the cache of this client is for RESP3");
  const cache = new BasicClientSideCache({ maxEntries: 1000 });
  const [client, other] = [await open(t, { clientSideCache: cache }), await open(t)];
  for (const round of oneTo(10)) {
    await other.mSet(Object.fromEntries(oneTo(50).map((number) => [`k:${number}`, `${round}:${number}`])));
    for (const number of oneTo(50)) await eventually(`k:${number}`, async () => (await client.get(`k:${number}`)) === `${round}:${number}`);
    for (const number of oneTo(50)) equal(await client.get(`k:${number}`), `${round}:${number}`);
  }
  ok(cache.stats().hitCount >= 500, `${cache.stats().hitCount} reads asked nobody`);
});

useCase("B6.tracking.pool a cache shared by a pool of connections", async (t) => {
  if (RESP === 2) skip("the cache of this client is for RESP3");
  const pool = createClientPool(options(), { minimum: 3, maximum: 3, clientSideCache: { maxEntries: 100 } });
  t.later(() => pool.destroy());
  await pool.connect();
  const other = await open(t);
  await other.set("k", "one");
  equal(await Promise.all(oneTo(20).map(() => pool.get("k"))), Array(20).fill("one"));
  await other.set("k", "two");
  await eventually("all of them know", async () => (await Promise.all(oneTo(20).map(() => pool.get("k")))).every((value) => value === "two"));
});
