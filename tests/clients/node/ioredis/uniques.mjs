// HyperLogLog: how many different visitors there were, without keeping who they were.
import { equal, everyByte, fails, oneTo, ok, useCase } from "../lib/use_case.mjs";
import { open } from "../lib/ioredis.mjs";

const users = (from, to) => Array.from({ length: to - from }, (_, index) => `u${from + index}`);

async function add(redis, key, from, to) {
  for (let at = from; at < to; at += 5000) await redis.pfadd(key, ...users(at, Math.min(at + 5000, to)));
}

useCase("B23 unique visitors of a day, and of a week", async (t) => {
  const redis = open(t);
  equal([await redis.pfadd("mon", "ann", "bob", "ann"), await redis.pfadd("mon", "ann"), await redis.pfadd("tue", "bob", "cid"), await redis.pfcount("mon"), await redis.pfcount("none")], [1, 0, 1, 2, 0]);
  equal([await redis.pfcount("mon", "tue", "none"), await redis.pfmerge("week", "mon", "tue", "none"), await redis.pfcount("week"), await redis.pfcount("mon")], [3, "OK", 3, 2]);
  equal([await redis.pfadd("empty"), await redis.pfadd("empty"), await redis.exists("empty"), await redis.pfcount("empty"), await redis.type("empty")], [1, 0, 1, 0, "string"]);
  equal([await redis.pfadd("bytes", everyByte, Buffer.alloc(0)), await redis.pfcount("bytes")], [1, 2]);
});

useCase("B23.counts the same numbers as everywhere, for few and for many", async (t) => {
  const redis = open(t);
  // What Redis and Valkey count for these very names.
  const counts = [[10, 10], [100, 99], [1000, 994], [10_000, 9977], [100_000, 100_420]];
  let from = 0;
  for (const [many, counted] of counts) {
    await add(redis, "visitors", from, many);
    from = many;
    equal(await redis.pfcount("visitors"), counted, `of ${many}`);
  }
  equal(await redis.strlen("visitors"), 12_304);
});

useCase("B23.merge parts counted apart and together", async (t) => {
  const redis = open(t);
  await Promise.all(oneTo(10).map((part) => add(redis, `part:${part}`, (part - 1) * 900, (part - 1) * 900 + 1000)));
  await add(redis, "whole", 0, 9100);
  const parts = oneTo(10).map((part) => `part:${part}`);
  const whole = await redis.pfcount("whole");
  ok(Math.abs(whole - 9100) < 9100 * 0.03, `${whole} of 9100`);
  equal([await redis.pfcount(...parts), await redis.pfmerge("merged", ...parts), await redis.pfcount("merged")], [whole, "OK", whole]);
  equal((await redis.getBuffer("merged")).subarray(0, 4).toString(), "HYLL");
  // A copy by its bytes counts the same.
  await redis.set("copy", await redis.getBuffer("part:3"));
  equal(await redis.pfcount("copy"), await redis.pfcount("part:3"));
});

useCase("B23.wrong what is no HyperLogLog is refused", async (t) => {
  const redis = open(t);
  await redis.set("text", "hello");
  await redis.rpush("list", "x");
  for (const ask of [() => redis.pfadd("text", "a"), () => redis.pfcount("text"), () => redis.pfmerge("text", "none")]) await fails(ask(), /^WRONGTYPE Key is not a valid HyperLogLog string value\.$/);
  await fails(redis.pfadd("list", "a"), /^WRONGTYPE Operation against a key/);
});
