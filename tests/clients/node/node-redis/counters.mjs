// Counters and fixed windows: page views, and limits which must hold no matter how many connections count at once.
import { equal, fails, oneTo, ok, useCase } from "../lib/use_case.mjs";
import { fleet, open } from "../lib/node_redis.mjs";

const byNumber = (a, b) => a - b;

useCase("B14 fixed window by incr and expire on the first hit", async (t) => {
  const client = await open(t);
  const answers = [];
  for (let hit = 0; hit < 105; hit += 1) {
    const hits = await client.incr("limit:ann");
    if (hits === 1) await client.expire("limit:ann", 60);
    answers.push(hits <= 100);
  }
  equal(answers.filter(Boolean).length, 100);
  ok((await client.ttl("limit:ann")) > 50, "the window was not moved by later hits");
});

useCase("B15 a limit by the minute, counted from twenty connections: nothing is lost", async (t) => {
  const key = `rate:bob:${Math.floor(Date.now() / 60_000)}`;
  const replies = await fleet(t, 20, async (client) => {
    const mine = [];
    for (let hit = 0; hit < 500; hit += 1) mine.push(await client.incr(key));
    return mine;
  });
  for (const mine of replies) equal(mine, [...mine].sort(byNumber), "each connection sees it grow");
  equal(replies.flat().sort(byNumber), oneTo(10_000), "every number is given once");
});

useCase("B16 login attempts by multi().incr().expire(NX).exec()", async (t) => {
  const client = await open(t);
  const attempt = () => client.multi().incr("login:ann").expire("login:ann", 300, "NX").exec();
  equal([await attempt(), await attempt()], [[1, 1], [2, 0]]);
  equal((await Promise.all(Array.from({ length: 50 }, attempt))).at(-1), [52, 0]);
});

useCase("B22 counters of every kind, and their limits", async (t) => {
  const client = await open(t);
  equal([await client.incr("views"), await client.incrBy("views", 10), await client.decr("views"), await client.decrBy("views", 5)], [1, 11, 10, 5]);
  equal([await client.incrByFloat("price", 10.5), await client.incrByFloat("price", 0.1)], ["10.5", "10.6"]);
  await client.set("full", "9223372036854775807");
  await fails(client.incr("full"), /^ERR increment or decrement would overflow$/);
  await client.set("word", "hello");
  await fails(client.incr("word"), /^ERR value is not an integer or out of range$/);
});
