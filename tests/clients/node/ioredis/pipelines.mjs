// Many commands in one write: pipelines, autopipelining, and transactions, with errors that stay in their place.
import { equal, fails, ok, useCase } from "../lib/use_case.mjs";
import { open, ReplyError } from "../lib/ioredis.mjs";

useCase("B42 a pipeline of a thousand SETs, then a thousand GETs", async (t) => {
  const redis = open(t);
  const writes = redis.pipeline();
  const reads = redis.pipeline();
  for (let index = 0; index < 1000; index += 1) {
    writes.set(`key:${index}`, `value:${index}`, "EX", 60);
    reads.get(`key:${index}`);
  }
  equal(await writes.exec(), Array(1000).fill([null, "OK"]));
  equal(await reads.exec(), Array.from({ length: 1000 }, (_, index) => [null, `value:${index}`]));
});

useCase("B42.error an error in the middle stays in the middle", async (t) => {
  const redis = open(t);
  const replies = await redis.pipeline().set("a", "text").incr("a").call("NOSUCH").append("a", "!").get("a").exec();
  equal(replies.map(([error, reply]) => error?.message.split(" ")[0] ?? reply), ["OK", "ERR", "ERR", 5, "text!"]);
  ok(replies[1][0] instanceof ReplyError, "a ReplyError in its place");
});

useCase("B42.unread fifty thousand commands are written before one reply is read", async (t) => {
  const redis = open(t);
  await redis.set("counter", 0);
  // Replies of a kilobyte each fill the socket buffers while we are still writing: a server that stops reading would deadlock us.
  await redis.set("filler", "x".repeat(1000));
  const promises = [];
  for (let index = 0; index < 25_000; index += 1) promises.push(redis.incr("counter"), redis.get("filler"));
  const replies = await Promise.all(promises);
  equal(replies.filter((_, index) => index % 2 === 0), Array.from({ length: 25_000 }, (_, index) => index + 1));
  ok(replies.every((reply, index) => index % 2 === 0 || reply.length === 1000), "every filler whole");
});

useCase("B42.auto autopipelining gives each caller its own answer", async (t) => {
  const redis = open(t, { enableAutoPipelining: true });
  await redis.mset(...Array.from({ length: 500 }, (_, index) => [`auto:${index}`, index]).flat());
  const replies = await Promise.all(Array.from({ length: 500 }, (_, index) => redis.get(`auto:${index}`)));
  equal(replies, Array.from({ length: 500 }, (_, index) => String(index)));
  const settled = await Promise.allSettled([redis.get("auto:1"), redis.incr("auto:1"), redis.incr("auto:word"), redis.getset("auto:word", "x"), redis.incr("auto:word")]);
  equal(settled.map(({ status }) => status), ["fulfilled", "fulfilled", "fulfilled", "fulfilled", "rejected"]);
});

useCase("B42.multi MULTI, EXEC and DISCARD", async (t) => {
  const redis = open(t);
  equal(await redis.multi().set("a", 1).incr("a").get("a").exec(), [[null, "OK"], [null, 2], [null, "2"]]);
  // An error at run time leaves the other commands done; an error while queueing drops the whole transaction.
  const mixed = await redis.multi().set("w", "word").incr("w").set("after", "yes").exec();
  equal(mixed.map(([error, reply]) => error?.message ?? reply), ["OK", "ERR value is not an integer or out of range", "OK"]);
  const error = await fails(redis.multi().set("never", 1).call("NOSUCH").exec(), /^EXECABORT Transaction discarded because of previous errors/);
  ok(error.previousErrors?.[0]?.message.startsWith("ERR unknown command"), "the cause is kept");
  equal(await redis.exists("never"), 0);
  await redis.multi({ pipeline: false });
  equal(await redis.set("queued", 1), "QUEUED");
  equal(await redis.discard(), "OK");
  equal(await redis.exists("queued"), 0);
  await fails(redis.call("EXEC"), /^ERR EXEC without MULTI$/);
});

useCase("B42.watch a conflict makes EXEC answer null", async (t) => {
  const [redis, other] = [open(t), open(t)];
  await redis.set("balance", 10);
  await redis.watch("balance");
  await other.decr("balance");
  equal(await redis.multi().set("balance", 100).exec(), null);
  equal(await redis.get("balance"), "9");
  await redis.watch("balance");
  await redis.unwatch();
  await other.decr("balance");
  equal(await redis.multi().get("balance").exec(), [[null, "8"]]);
  // Twenty clients add one each by reading and writing back: only WATCH makes that come out right.
  const adders = Array.from({ length: 20 }, () => open(t));
  await Promise.all(
    adders.map(async (adder) => {
      for (;;) {
        await adder.watch("balance");
        const balance = Number(await adder.get("balance"));
        if (await adder.multi().set("balance", balance + 1).exec()) return;
      }
    }),
  );
  equal(await redis.get("balance"), "28");
});

useCase("B42.apart transactions of two clients are never mixed", async (t) => {
  const writers = Array.from({ length: 10 }, () => open(t));
  const reader = open(t);
  let done = false;
  const writing = Promise.all(
    writers.map(async (redis, number) => {
      for (let round = 0; round < 50; round += 1) await redis.multi().set("left", number).set("middle", round).set("right", number).exec();
    }),
  ).then(() => (done = true));
  while (!done) {
    const [left, , right] = await reader.mget("left", "middle", "right");
    equal(left, right, "left and right are written together");
  }
  await writing;
});
