// rate-limiter-flexible: points that are used up and come back, with both client libraries an app may give it.
import { createClient } from "redis";
import { Redis as Redis5 } from "ioredis5";
import { Redis as Redis6 } from "ioredis6";
import { BurstyRateLimiter, RateLimiterMemory, RateLimiterQueue, RateLimiterRedis, RateLimiterRes, RateLimiterUnion } from "rate-limiter-flexible";
import { equal, eventually, fails, oneTo, ok, server, useCase } from "../lib/use_case.mjs";

const ioredis = (Redis) => async (t) => {
  const redis = new Redis({ ...server, enableOfflineQueue: false });
  t.later(() => redis.disconnect());
  redis.on("error", () => {});
  await new Promise((resolve) => redis.once("ready", resolve));
  return { storeClient: redis };
};

const libraries = {
  "ioredis 5": ioredis(Redis5),
  "ioredis 6": ioredis(Redis6),
  async "node-redis"(t) {
    const client = createClient({ socket: server });
    client.on("error", () => {});
    t.later(() => client.destroy());
    await client.connect();
    return { storeClient: client, useRedisPackage: true };
  },
};

let count = 0;
const limiter = (store, more) => new RateLimiterRedis({ ...store, keyPrefix: `limit${(count += 1)}`, ...more });

/** Resolves to the result of a refusal. */
async function refused(promise) {
  try {
    await promise;
  } catch (result) {
    if (result instanceof RateLimiterRes) return result;
    throw result;
  }
  throw new Error("was let through");
}

for (const [library, connect] of Object.entries(libraries)) {
  useCase(`B40.points so many and no more, counted exactly, with ${library}`, async (t) => {
    const store = await connect(t);
    const limit = limiter(store, { points: 5, duration: 10 });
    for (const number of oneTo(5)) {
      const { consumedPoints, remainingPoints, isFirstInDuration, msBeforeNext } = await limit.consume("ann");
      equal([consumedPoints, remainingPoints, isFirstInDuration], [number, 5 - number, number === 1]);
      ok(msBeforeNext > 9000 && msBeforeNext <= 10_000, `comes back in ${msBeforeNext} ms`);
    }
    const { consumedPoints, remainingPoints } = await refused(limit.consume("ann"));
    equal([consumedPoints, remainingPoints, (await limit.consume("bob", 5)).remainingPoints], [6, 0, 0], "others have points of their own");
    equal([(await limit.get("ann")).consumedPoints, await limit.get("nobody"), await limit.delete("ann"), await limit.delete("ann")], [6, null, true, false]);
    equal((await limit.consume("ann", 3)).remainingPoints, 2);
    // They can be given and taken by others as well.
    equal([(await limit.penalty("ann", 2)).consumedPoints, (await limit.reward("ann", 4)).consumedPoints, (await limit.get("ann")).remainingPoints], [5, 1, 4]);
    equal([(await limit.set("ann", 4, 100)).consumedPoints, (await limit.get("ann")).remainingPoints], [4, 1]);
    ok((await limit.get("ann")).msBeforeNext > 90_000, "with another end");
    await fails(limit.consume("ann", 0.5), /decimal number/);
  });

  useCase(`B40.window the points are back when the time is over, with ${library}`, async (t) => {
    const limit = limiter(await connect(t), { points: 2, duration: 1 });
    const started = Date.now();
    await limit.consume("ann");
    await limit.consume("ann");
    const { msBeforeNext } = await refused(limit.consume("ann"));
    ok(msBeforeNext > 0 && msBeforeNext <= 1000, `in ${msBeforeNext} ms`);
    await eventually("they are back", async () => (await limit.get("ann")) === null);
    const passed = Date.now() - started;
    ok(passed >= 999, `after ${passed} ms`);
    equal((await limit.consume("ann")).consumedPoints, 1);
  });

  useCase(`B40.race a hundred clients at once: exactly those get through that may, with ${library}`, async (t) => {
    const stores = await Promise.all(oneTo(10).map(() => connect(t)));
    const limits = stores.map((store) => new RateLimiterRedis({ ...store, keyPrefix: `race ${library}`, points: 137, duration: 60 }));
    const answers = await Promise.allSettled(oneTo(1000).map((number) => limits[number % 10].consume("all")));
    equal(answers.filter(({ status }) => status === "fulfilled").length, 137);
    ok(answers.every(({ status, reason }) => status === "fulfilled" || reason instanceof RateLimiterRes), "the others were refused and did not fail");
    const counts = answers.map(({ value, reason }) => (value ?? reason).consumedPoints).sort((a, b) => a - b);
    equal(counts, oneTo(1000), "each number once");
  });

  useCase(`B40.block who asks too often waits longer, with ${library}`, async (t) => {
    const store = await connect(t);
    const limit = limiter(store, { points: 2, duration: 1, blockDuration: 30 });
    await limit.consume("ann", 2);
    const { msBeforeNext } = await refused(limit.consume("ann"));
    ok(msBeforeNext > 29_000 && msBeforeNext <= 30_000, `blocked for ${msBeforeNext} ms`);
    await limit.block("bob", 60);
    ok((await refused(limit.consume("bob"))).msBeforeNext > 59_000, "blocked by hand");
    // What is known to be blocked is not even asked about.
    const quick = limiter(store, { points: 2, duration: 5, inMemoryBlockOnConsumed: 3, inMemoryBlockDuration: 5 });
    for (const points of [2, 1]) await quick.consume("cid", points).catch(() => {});
    await refused(quick.consume("cid"));
    equal((await quick.get("cid")).consumedPoints, 3);
  });

  useCase(`B40.burst bursts, unions and a queue, with ${library}`, async (t) => {
    const store = await connect(t);
    const bursty = new BurstyRateLimiter(limiter(store, { points: 2, duration: 10 }), limiter(store, { points: 3, duration: 20 }));
    const through = (await Promise.allSettled(oneTo(10).map(() => bursty.consume("ann")))).filter(({ status }) => status === "fulfilled").length;
    equal(through, 5, "two, and three of the burst");
    const union = new RateLimiterUnion(limiter(store, { points: 1, duration: 10 }), limiter(store, { points: 3, duration: 60 }));
    await union.consume("ann");
    await union.consume("ann").then(() => { throw new Error("was let through"); }, (results) => equal(Object.values(results).map((each) => each.consumedPoints), [2]));
    const queue = new RateLimiterQueue(limiter(store, { points: 2, duration: 1 }), { maxQueueSize: 10 });
    const started = Date.now();
    await Promise.all(oneTo(4).map(() => queue.removeTokens(1)));
    ok(Date.now() - started > 800, "the third one waited");
  });
}

useCase("B40.insurance while the server does not answer, the memory of the process counts", async (t) => {
  const redis = new Redis6({ ...server, enableOfflineQueue: false, maxRetriesPerRequest: 0, retryStrategy: () => null });
  redis.on("error", () => {});
  t.later(() => redis.disconnect());
  await new Promise((resolve) => redis.once("ready", resolve));
  const limit = limiter({ storeClient: redis }, { points: 5, duration: 10, insuranceLimiter: new RateLimiterMemory({ points: 1, duration: 10 }) });
  equal((await limit.consume("ann", 4)).remainingPoints, 1);
  const other = new Redis5(server);
  t.later(() => other.disconnect());
  const gone = new Promise((resolve) => redis.once("end", resolve));
  equal(await other.client("KILL", "ID", await redis.client("ID")), 1);
  await gone;
  equal((await limit.consume("ann")).consumedPoints, 1, "counted anew");
  await refused(limit.consume("ann"));
});
