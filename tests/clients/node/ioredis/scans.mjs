// Walking the keys: by pattern, by type, and while others write.
import { equal, ok, useCase } from "../lib/use_case.mjs";
import { open } from "../lib/ioredis.mjs";

async function fill(redis, prefix, count) {
  await redis.mset(...Array.from({ length: count }, (_, index) => [`${prefix}:${index}`, "v"]).flat());
}

async function walk(stream) {
  const keys = [];
  for await (const batch of stream) keys.push(...batch);
  return keys;
}

useCase("B7.scan scanStream finds every key of a pattern", async (t) => {
  const redis = open(t);
  await fill(redis, "tenant:org_42", 2500);
  await fill(redis, "tenant:org_43", 500);
  const keys = await walk(redis.scanStream({ match: "tenant:org_42:*", count: 100 }));
  equal(new Set(keys).size, 2500);
  ok(keys.every((key) => key.startsWith("tenant:org_42:")), "nothing else");
});

useCase("B7.type SCAN TYPE string", async (t) => {
  const redis = open(t, { db: 8 });
  await fill(redis, "typed", 300);
  equal(new Set(await walk(redis.scanStream({ type: "string", count: 50 }))).size, 300);
  equal(await walk(redis.scanStream({ type: "hash", count: 50 })), []);
});

useCase("B7.steady keys that stay are found, whatever comes and goes meanwhile", async (t) => {
  const [redis, busy] = [open(t, { db: 9 }), open(t, { db: 9 })];
  await fill(redis, "stays", 1000);
  const seen = new Set();
  let round = 0;
  for await (const batch of redis.scanStream({ count: 20 })) {
    for (const key of batch) seen.add(key);
    await fill(busy, `passing:${(round += 1)}`, 200);
    await busy.unlink(...Array.from({ length: 200 }, (_, index) => `passing:${round - 1}:${index}`));
  }
  equal([...seen].filter((key) => key.startsWith("stays:")).length, 1000);
});

useCase("B11.all mass invalidation by SCAN and UNLINK", async (t) => {
  const redis = open(t);
  await fill(redis, "session:user7", 700);
  for await (const batch of redis.scanStream({ match: "session:user7:*", count: 100 })) if (batch.length) await redis.unlink(batch);
  equal(await redis.keys("session:user7:*"), []);
});

useCase("B7.keys the commands around single keys", async (t) => {
  const redis = open(t, { db: 10 });
  equal([await redis.dbsize(), await redis.randomkey()], [0, null]);
  await redis.set("a", "1", "EX", 500);
  equal([await redis.rename("a", "b"), await redis.renamenx("b", "c"), await redis.copy("c", "d")], ["OK", 1, 1]);
  ok((await redis.ttl("d")) > 490, "rename and copy carry the lifetime");
  equal([await redis.touch("c", "d", "e"), await redis.type("c"), await redis.move("d", 11), await redis.dbsize()], [2, "string", 1, 1]);
  equal([await redis.object("ENCODING", "c"), await redis.randomkey()], ["int", "c"]);
  equal([await redis.flushdb(), await redis.dbsize()], ["OK", 0]);
});

useCase("A1.monitor MONITOR shows what another client sends", async (t) => {
  const redis = open(t);
  const monitor = await redis.monitor();
  t.later(() => monitor.disconnect());
  const seen = new Promise((resolve) => monitor.on("monitor", (time, args, source, db) => args[1] === 'quoted "key"' && resolve({ time, args, source, db })));
  await redis.set('quoted "key"', "tab\there");
  const { time, args, source, db } = await seen;
  equal([args[0].toLowerCase(), args[1], db], ["set", 'quoted "key"', "0"]);
  ok(/^\d{10}\.\d{6}$/.test(time) && /:\d+$/.test(source), `${time} ${source}`);
});
