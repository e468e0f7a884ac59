// Client-side caching: an app keeps what it has read, and is told when that is no longer so.
import { equal, eventually, fails, oneTo, ok, useCase } from "../lib/use_case.mjs";
import { open, version } from "../lib/ioredis.mjs";

/**
 * A second connection which hears what the first one has to forget. It speaks RESP2, whose only way this is; the library does not hand
 * on what RESP3 pushes, and makes one text of a list of keys.
 */
async function listener(t) {
  const redis = open(t, version === 6 ? { protocol: 2 } : {});
  const forgotten = [];
  redis.on("message", (channel, keys) => forgotten.push([channel, keys === "" ? null : keys.split(",")]));
  const id = await redis.client("ID");
  await redis.subscribe("__redis__:invalidate");
  return { id, forgotten };
}

useCase("B6.tracking what was read and then changed by others is told, once", async (t) => {
  const [redis, other] = [open(t), open(t)];
  const { id, forgotten } = await listener(t);
  equal(await redis.client("TRACKING", "ON", "REDIRECT", id), "OK");
  await other.mset("user:1", "ann", "user:2", "bob");
  equal([await redis.get("user:1"), await redis.get("user:2")], ["ann", "bob"]);
  await other.set("user:1", "eve");
  await other.set("user:1", "eve again");
  await other.set("user:3", "never read");
  await eventually("it is told", () => forgotten.length >= 1);
  equal(forgotten, [["__redis__:invalidate", ["user:1"]]]);
  // Read again, it is of interest again; that a key expires or goes is a change as well.
  equal(await redis.get("user:1"), "eve again");
  await other.pexpire("user:2", 1);
  await eventually("both are told", () => forgotten.some(([, [key]]) => key === "user:2"));
  await other.del("user:1");
  await eventually("it is told", () => forgotten.filter(([, [key]]) => key === "user:1").length === 2);
  equal(await redis.client("TRACKING", "OFF"), "OK");
});

useCase("B6.tracking.broadcast changes to all keys of a kind are told, whoever reads them", async (t) => {
  const [redis, other] = [open(t), open(t)];
  const { id, forgotten } = await listener(t);
  equal(await redis.client("TRACKING", "ON", "REDIRECT", id, "BCAST", "PREFIX", "price:", "PREFIX", "stock:", "NOLOOP"), "OK");
  await other.mset("price:1", 1, "stock:1", 1, "other:1", 1);
  // Its own changes it knows.
  await redis.set("price:2", 2);
  await other.set("price:3", 3);
  const told = () => forgotten.flatMap(([, keys]) => keys);
  await eventually("it is told", () => told().includes("price:3"));
  equal(told().sort(), ["price:1", "price:3", "stock:1"]);
  await fails(redis.client("TRACKING", "ON", "BCAST", "PREFIX", "price:1"), /^ERR Prefix 'price:1' overlaps with an existing prefix 'price:'|^ERR /);
});

useCase("B6.tracking.choice only what the app chooses, and everything when the data is emptied", async (t) => {
  const [redis, other] = [open(t), open(t)];
  const { id, forgotten } = await listener(t);
  await other.mset("yes", 1, "no", 1);
  equal(await redis.client("TRACKING", "ON", "REDIRECT", id, "OPTIN"), "OK");
  equal([await redis.get("no"), await redis.client("CACHING", "YES"), await redis.get("yes")], ["1", "OK", "1"]);
  await other.mset("yes", 2, "no", 2);
  await eventually("it is told", () => forgotten.length > 0);
  equal(forgotten, [["__redis__:invalidate", ["yes"]]]);
  await other.flushdb();
  await eventually("all is to be forgotten", () => forgotten.length === 2);
  equal(forgotten[1][1], null);
  const info = await redis.client("TRACKINGINFO");
  const text = JSON.stringify(info);
  ok(text.includes('"optin"') && text.includes(String(id)), text);
  equal(await redis.client("GETREDIR"), id);
});

useCase("B6.tracking.gone it is told that nobody hears it any more", async (t) => {
  const [redis, target] = [open(t), open(t)];
  const id = await target.client("ID");
  await redis.client("TRACKING", "ON", "REDIRECT", id);
  await redis.get("k");
  target.disconnect();
  await eventually("the connection is gone", async () => !(await redis.client("LIST")).includes(`id=${id} `));
  await redis.set("k", "changed");
  await eventually("its flags say so", async () => JSON.stringify(await redis.client("TRACKINGINFO")).includes("broken_redirect"));
  await fails(redis.client("TRACKING", "ON", "REDIRECT", id), /^ERR The client ID you want redirect to does not exist$/);
});

useCase("B6.tracking.many a cache kept that way is never wrong for long", async (t) => {
  const [redis, other] = [open(t), open(t)];
  const { id, forgotten } = await listener(t);
  await redis.client("TRACKING", "ON", "REDIRECT", id);
  const cache = new Map();
  let heard = 0;
  const read = async (key) => {
    for (; heard < forgotten.length; heard += 1) for (const gone of forgotten[heard][1]) cache.delete(gone);
    if (!cache.has(key)) cache.set(key, await redis.get(key));
    return cache.get(key);
  };
  for (const round of oneTo(20)) {
    await other.mset(...oneTo(50).flatMap((number) => [`k:${number}`, `${round}:${number}`]));
    if (round > 1) await eventually("all are told", () => forgotten.flatMap(([, keys]) => keys).length === 50 * (round - 1));
    for (const number of oneTo(50)) equal(await read(`k:${number}`), `${round}:${number}`);
  }
});
