// Bitmaps: daily active users, and packed counters.
import { equal, fails, useCase } from "../lib/use_case.mjs";
import { open } from "../lib/node_redis.mjs";

useCase("B35.days active users by day, both days, either day", async (t) => {
  const client = await open(t);
  const days = { "active:mon": [1, 7, 100_000], "active:tue": [7, 8, 99_999] };
  for (const [day, users] of Object.entries(days)) for (const user of users) equal(await client.setBit(day, user, 1), 0);
  equal([await client.getBit("active:mon", 7), await client.getBit("active:mon", 8)], [1, 0]);
  equal([await client.bitOp("AND", "both", ["active:mon", "active:tue"]), await client.bitOp("OR", "either", ["active:mon", "active:tue"])], [12_501, 12_501]);
  equal([await client.bitCount("both"), await client.bitCount("either"), await client.bitCount("either", { start: 0, end: 0 })], [1, 5, 2]);
  equal([await client.bitPos("both", 1), await client.bitPos("both", 0), await client.bitPos("none", 1)], [7, 0, -1]);
});

useCase("B35.field bitField: packed counters and what happens when they are full", async (t) => {
  const client = await open(t);
  const replies = await client.bitField("packed", [
    { operation: "SET", encoding: "u8", offset: 0, value: 255 },
    { operation: "INCRBY", encoding: "u8", offset: 0, increment: 10 },
    { operation: "OVERFLOW", behavior: "FAIL" },
    { operation: "INCRBY", encoding: "u2", offset: "#4", increment: 4 },
    { operation: "GET", encoding: "i8", offset: 0 },
  ]);
  equal(replies, [0, 9, null, 9]);
  equal(await client.bitFieldRo("packed", [{ encoding: "u8", offset: 0 }]), [9]);
  await fails(client.setBit("packed", 4_294_967_296, 1), /^ERR bit offset is not an integer or out of range$/);
});
