// Locks: SET NX PX with a token of one's own, and a release which never frees somebody else's lock. Without scripts this is done by
// WATCH and MULTI, or by one command where the server has it: DELEX (Redis 8.4) or DELIFEQ (Valkey 9).
import { randomUUID } from "node:crypto";
import { equal, eventually, goneAtDeadline, ok, skip, sleep, useCase } from "../lib/use_case.mjs";
import { has, open } from "../lib/ioredis.mjs";

async function release(redis, key, token) {
  await redis.watch(key);
  if ((await redis.get(key)) !== token) {
    await redis.unwatch();
    return 0;
  }
  const done = await redis.multi().del(key).exec();
  return done === null ? 0 : done[0][1];
}

useCase("B25 acquire and release by the owner alone", async (t) => {
  const [mine, theirs] = [open(t), open(t)];
  const [me, them] = [randomUUID(), randomUUID()];
  equal(await mine.set("invoice:generate:1", me, "PX", 5000, "NX"), "OK");
  // Apps write the options in either order.
  equal(await theirs.set("invoice:generate:1", them, "NX", "PX", 5000), null);
  equal(await release(theirs, "invoice:generate:1", them), 0);
  equal(await release(mine, "invoice:generate:1", me), 1);
  equal(await theirs.set("invoice:generate:1", them, "NX", "PX", 5000), "OK");
});

useCase("B25.race twenty workers, one lock: never two inside", async (t) => {
  const workers = Array.from({ length: 20 }, () => open(t));
  let [inside, most, turns] = [0, 0, 0];
  await Promise.all(
    workers.map(async (redis) => {
      const token = randomUUID();
      while ((await redis.set("cron", token, "PX", 10_000, "NX")) === null) await sleep(Math.random() * 5);
      inside += 1;
      most = Math.max(most, inside);
      await sleep(1);
      inside -= 1;
      equal(await release(redis, "cron", token), 1);
      turns += 1;
    }),
  );
  equal([most, turns], [1, 20]);
});

useCase("B25.lapse a lock that ran out is not released for its next owner", async (t) => {
  const [slow, next] = [open(t), open(t)];
  await goneAtDeadline(60, () => slow.set("job", "slow", "PX", 60, "NX"), () => next.get("job"));
  equal(await next.set("job", "next", "PX", 5000, "NX"), "OK");
  equal(await release(slow, "job", "slow"), 0);
  equal(await next.get("job"), "next");
  // The lock changes hands between the look and the delete: the transaction must notice.
  await next.watch("job");
  await slow.set("job", "stolen");
  equal(await next.multi().del("job").exec(), null);
  equal(await next.get("job"), "stolen");
});

useCase("B25.expired a watched key that ran out before EXEC fails the transaction", async (t) => {
  const [redis, other] = [open(t), open(t)];
  await redis.set("watched", "1", "PX", 300);
  await redis.watch("watched");
  equal(await redis.get("watched"), "1");
  await eventually("it ran out", async () => (await other.exists("watched")) === 0);
  equal(await redis.multi().set("after", "1").exec(), null);
  equal(await redis.exists("after"), 0);
});

useCase("B25.delex compare and delete in one command", async (t) => {
  const redis = open(t);
  const forms = [];
  if (await has(redis, "delex")) forms.push((key, token) => redis.call("DELEX", key, "IFEQ", token));
  if (await has(redis, "delifeq")) forms.push((key, token) => redis.call("DELIFEQ", key, token));
  if (forms.length === 0) skip("the server has neither DELEX nor DELIFEQ");
  for (const form of forms) {
    await redis.set("lock", "mine", "PX", 5000);
    equal([await form("lock", "theirs"), await form("lock", "mine"), await form("lock", "mine")], [0, 1, 0]);
    ok((await redis.get("lock")) === null, "deleted");
  }
});
