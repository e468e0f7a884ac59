// Locks: SET NX PX with a token of one's own, and a release which never frees somebody else's lock. Without scripts this is done by
// WATCH and MULTI, or by one command where the server has it: DELEX (Redis 8.4) or DELIFEQ (Valkey 9).
import { randomUUID } from "node:crypto";
import { WatchError } from "redis";
import { equal, ok, skip, sleep, useCase } from "../lib/use_case.mjs";
import { fleet, has, open } from "../lib/node_redis.mjs";

async function release(client, key, token) {
  await client.watch(key);
  if ((await client.get(key)) !== token) {
    await client.unwatch();
    return 0;
  }
  try {
    const [deleted] = await client.multi().del(key).exec();
    return deleted;
  } catch (error) {
    // A null EXEC reaches the app as this error: the lock changed hands between the look and the delete.
    if (error instanceof WatchError) return 0;
    throw error;
  }
}

useCase("B25 acquire and release by the owner alone", async (t) => {
  const [mine, theirs] = [await open(t), await open(t)];
  const [me, them] = [randomUUID(), randomUUID()];
  equal(await mine.set("invoice:generate:1", me, { NX: true, PX: 5000 }), "OK");
  equal(await theirs.set("invoice:generate:1", them, { NX: true, PX: 5000 }), null);
  equal([await release(theirs, "invoice:generate:1", them), await release(mine, "invoice:generate:1", me)], [0, 1]);
  equal(await theirs.set("invoice:generate:1", them, { NX: true, PX: 5000 }), "OK");
});

useCase("B25.race twenty workers, one lock: never two inside", async (t) => {
  let [inside, most, turns] = [0, 0, 0];
  await fleet(t, 20, async (client) => {
    const token = randomUUID();
    while ((await client.set("cron", token, { NX: true, PX: 10_000 })) === null) await sleep(Math.random() * 5);
    inside += 1;
    most = Math.max(most, inside);
    await sleep(1);
    inside -= 1;
    equal(await release(client, "cron", token), 1);
    turns += 1;
  });
  equal([most, turns], [1, 20]);
});

useCase("B25.delex compare and delete in one command", async (t) => {
  const client = await open(t);
  const forms = [];
  if (await has(client, "delex")) forms.push((key, token) => client.delEx(key, { condition: "IFEQ", matchValue: token }));
  if (await has(client, "delifeq")) forms.push((key, token) => client.sendCommand(["DELIFEQ", key, token]));
  if (forms.length === 0) skip("the server has neither DELEX nor DELIFEQ");
  for (const form of forms) {
    await client.set("lock", "mine", { PX: 5000 });
    equal([await form("lock", "theirs"), await form("lock", "mine"), await form("lock", "mine")], [0, 1, 0]);
    ok((await client.get("lock")) === null, "deleted");
  }
});
