// The newest commands. Most servers do not know them yet, and those are skipped.
import { equal, fails, oneTo, ok, skip, useCase } from "../lib/use_case.mjs";
import { has, open } from "../lib/ioredis.mjs";

/** A client for a server that knows the command. */
async function knowing(t, command) {
  const redis = open(t);
  if (!(await has(redis, command))) skip(`the server has no ${command}`);
  return redis;
}

useCase("B16.increx a window of requests in one command, also when many ask at once", async (t) => {
  const redis = await knowing(t, "INCREX");
  const answers = [];
  for (let number = 0; number < 7; number += 1) answers.push(await redis.call("INCREX", "rate:ann", "UBOUND", 5, "EX", 60, "ENX"));
  equal(answers, [[1, 1], [2, 1], [3, 1], [4, 1], [5, 1], [5, 0], [5, 0]]);
  const clients = oneTo(10).map(() => open(t));
  const all = await Promise.all(clients.flatMap((client) => oneTo(20).map(() => client.call("INCREX", "rate:all", "UBOUND", 137))));
  equal([all.filter(([, by]) => by === 1).length, await redis.get("rate:all")], [137, "137"]);
  await fails(redis.call("INCREX", "rate:all", "EX", 0), /^ERR invalid expire time in 'increx' command$/);
});

useCase("B1.msetex several keys with one lifetime, all or none", async (t) => {
  const redis = await knowing(t, "MSETEX");
  equal([await redis.call("MSETEX", 2, "m:1", "a", "m:2", "b", "NX", "EX", 100), await redis.call("MSETEX", 2, "m:2", "x", "m:3", "c", "NX"), await redis.mget("m:1", "m:2", "m:3")], [1, 0, ["a", "b", null]]);
  ok((await redis.ttl("m:1")) > 90, "their lifetime");
});

useCase("B25.digest a value is changed only while it is what was read", async (t) => {
  const redis = await knowing(t, "DIGEST");
  await redis.set("doc", "first");
  const digest = await redis.call("DIGEST", "doc");
  ok(/^[0-9a-f]{16}$/.test(digest), digest);
  equal([await redis.set("doc", "second", "IFDEQ", digest), await redis.set("doc", "third", "IFDEQ", digest), await redis.get("doc"), await redis.call("DELEX", "doc", "IFEQ", "second")], ["OK", null, "second", 1]);
});

useCase("B30.movem several jobs at once from one list to another", async (t) => {
  const redis = await knowing(t, "LMOVEM");
  await redis.rpush("todo", "a", "b", "c", "d");
  equal([await redis.call("LMOVEM", "todo", "doing", "LEFT", "RIGHT", "COUNT", 2, "BULK"), await redis.lrange("doing", 0, -1), await redis.call("LMOVEM", "todo", "doing", "LEFT", "RIGHT", "EXACTLY", 9, "BULK"), await redis.llen("todo")], [["a", "b"], ["a", "b"], null, 2]);
});

useCase("B33.newest a worker gives back what it cannot do", async (t) => {
  const redis = await knowing(t, "XNACK");
  await redis.xgroup("CREATE", "new", "g", "0", "MKSTREAM");
  const id = await redis.xadd("new", "*", "n", "1");
  await redis.xreadgroup("GROUP", "g", "one", "STREAMS", "new", ">");
  equal(await redis.call("XNACK", "new", "g", "FAIL", "IDS", 1, id), 1);
  const [[, [[again]]]] = await redis.xreadgroup("GROUP", "g", "two", "CLAIM", 0, "STREAMS", "new", ">");
  equal(again, id);
});
