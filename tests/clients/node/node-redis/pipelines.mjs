// Many commands in one write: execAsPipeline, automatic pipelining, and transactions, with errors that stay in their place.
import { MultiErrorReply, SimpleError, WatchError } from "redis";
import { equal, fails, ok, oneTo, useCase } from "../lib/use_case.mjs";
import { fleet, open } from "../lib/node_redis.mjs";

useCase("B42 a thousand SETs by multi().execAsPipeline()", async (t) => {
  const client = await open(t);
  const [writes, reads] = [client.multi(), client.multi()];
  for (let index = 0; index < 1000; index += 1) {
    writes.set(`key:${index}`, `value:${index}`, { EX: 60 });
    reads.get(`key:${index}`);
  }
  equal(await writes.execAsPipeline(), Array(1000).fill("OK"));
  equal(await reads.execAsPipeline(), Array.from({ length: 1000 }, (_, index) => `value:${index}`));
});

useCase("B42.error an error in the middle stays in the middle", async (t) => {
  const client = await open(t);
  const settled = await Promise.allSettled([client.set("a", "text"), client.incr("a"), client.sendCommand(["NOSUCH"]), client.append("a", "!"), client.get("a")]);
  equal(settled.map(({ value, reason }) => reason?.message.split(" ")[0] ?? value), ["OK", "ERR", "ERR", 5, "text!"]);
  ok(settled[1].reason instanceof SimpleError, "a SimpleError in its place");
});

useCase("B42.unread fifty thousand commands are written before one reply is read", async (t) => {
  // The client's own patience with a command that it has not yet written is five seconds, which a busy machine may need.
  const client = await open(t, { commandOptions: { timeout: undefined } });
  await client.set("counter", 0);
  // Replies of a kilobyte each fill the socket buffers while we are still writing: a server that stops reading would deadlock us.
  await client.set("filler", "x".repeat(1000));
  const promises = [];
  for (let index = 0; index < 25_000; index += 1) promises.push(client.incr("counter"), client.get("filler"));
  const replies = await Promise.all(promises);
  equal(replies.filter((_, index) => index % 2 === 0), oneTo(25_000));
  ok(replies.every((reply, index) => index % 2 === 0 || reply.length === 1000), "every filler whole");
});

useCase("B42.auto calls made in one tick are sent together and answered one by one", async (t) => {
  const client = await open(t);
  await client.mSet(Array.from({ length: 500 }, (_, index) => [`auto:${index}`, String(index)]));
  equal(await Promise.all(Array.from({ length: 500 }, (_, index) => client.get(`auto:${index}`))), Array.from({ length: 500 }, (_, index) => String(index)));
});

useCase("B42.multi MULTI and EXEC, and errors inside", async (t) => {
  const client = await open(t);
  equal(await client.multi().set("a", "1").incr("a").get("a").exec(), ["OK", 2, "2"]);
  const error = await client.multi().set("w", "word").incr("w").set("after", "yes").exec().then(() => null, (reason) => reason);
  ok(error instanceof MultiErrorReply, `a MultiErrorReply, not ${error}`);
  equal([error.errorIndexes, error.replies[1].message, await client.get("after")], [[1], "ERR value is not an integer or out of range", "yes"]);
  await fails(client.multi().set("never", "1").addCommand(["NOSUCH"]).exec(), /unknown command|EXECABORT/);
  equal(await client.exists("never"), 0);
});

useCase("B42.watch a conflict makes EXEC answer null, which is the client's WatchError", async (t) => {
  const [client, other] = [await open(t), await open(t)];
  await client.set("balance", "10");
  await client.watch("balance");
  await other.decr("balance");
  const error = await client.multi().set("balance", "100").exec().then(() => null, (reason) => reason);
  ok(error instanceof WatchError, `a WatchError, not ${error}`);
  equal(await client.get("balance"), "9");
  // Twenty clients add one each by reading and writing back: only WATCH makes that come out right.
  await fleet(t, 20, async (adder) => {
    for (;;) {
      await adder.watch("balance");
      const balance = Number(await adder.get("balance"));
      try {
        await adder.multi().set("balance", String(balance + 1)).exec();
        return;
      } catch (reason) {
        if (!(reason instanceof WatchError)) throw reason;
      }
    }
  });
  equal(await client.get("balance"), "29");
});
