// Bitmaps: daily active users, feature flags by number, packed counters.
import { equal, fails, useCase } from "../lib/use_case.mjs";
import { open } from "../lib/ioredis.mjs";

useCase("B35.days active users by day, both days, either day", async (t) => {
  const redis = open(t);
  const days = { "active:mon": [1, 7, 100_000], "active:tue": [7, 8, 99_999] };
  for (const [day, users] of Object.entries(days)) for (const user of users) equal(await redis.setbit(day, user, 1), 0);
  equal([await redis.setbit("active:mon", 1, 0), await redis.setbit("active:mon", 1, 1)], [1, 0]);
  equal([await redis.getbit("active:mon", 7), await redis.getbit("active:mon", 8), await redis.getbit("active:mon", 4_000_000_000)], [1, 0, 0]);
  const lengths = [await redis.bitop("AND", "both", "active:mon", "active:tue"), await redis.bitop("OR", "either", "active:mon", "active:tue")];
  equal(lengths, [12_501, 12_501]);
  equal([await redis.bitcount("both"), await redis.bitcount("either")], [1, 5]);
  await redis.bitop("XOR", "one", "active:mon", "active:tue");
  await redis.bitop("NOT", "not", "both");
  equal([await redis.bitcount("one"), await redis.bitcount("not")], [4, 12_501 * 8 - 1]);
  equal(await redis.bitop("AND", "both", "no", "none"), 0);
  equal(await redis.exists("both"), 0, "an empty result is no key");
});

useCase("B35.count BITCOUNT and BITPOS by byte and by bit", async (t) => {
  const redis = open(t);
  await redis.set("bits", Buffer.from([0x00, 0xff, 0xf0, 0x00]));
  equal([await redis.bitcount("bits", 1, 2), await redis.bitcount("bits", -2, -1), await redis.bitcount("bits", 9, 18, "BIT")], [12, 4, 10]);
  equal([await redis.bitpos("bits", 1), await redis.bitpos("bits", 0, 1), await redis.bitpos("bits", 1, 2), await redis.bitpos("bits", 1, 3)], [8, 20, 16, -1]);
  equal(await redis.bitpos("bits", 0, 8, -1, "BIT"), 20);
  await redis.set("ones", Buffer.from([0xff, 0xff]));
  equal([await redis.bitpos("ones", 0), await redis.bitpos("ones", 0, 0, -1), await redis.bitpos("none", 1)], [16, -1, -1]);
});

useCase("B35.field BITFIELD: packed counters and what happens when they are full", async (t) => {
  const redis = open(t);
  equal(await redis.bitfield("packed", "SET", "u8", 0, 255, "GET", "u8", 0, "INCRBY", "u8", 0, 10), [0, 255, 9]);
  equal(await redis.bitfield("packed", "OVERFLOW", "SAT", "INCRBY", "u4", "#4", 100, "OVERFLOW", "FAIL", "INCRBY", "u4", "#4", 1), [15, null]);
  equal(await redis.bitfield("packed", "SET", "i5", 100, -3, "GET", "i5", 100), [0, -3]);
  equal(await redis.bitfield_ro("packed", "GET", "u8", 0, "GET", "i8", 0), [9, 9]);
  await fails(redis.bitfield("packed", "GET", "u64", 0), /^ERR Invalid bitfield type/);
});

useCase("B35.limits offsets out of range are refused", async (t) => {
  const redis = open(t);
  await fails(redis.setbit("far", 4_294_967_296, 1), /^ERR bit offset is not an integer or out of range$/);
  await fails(redis.setbit("far", -1, 1), /^ERR bit offset is not an integer or out of range$/);
  await fails(redis.setbit("far", 1, 2), /^ERR bit is not an integer or out of range$/);
  equal(await redis.exists("far"), 0);
});
