// Counters and fixed windows: page views, and limits which must hold no matter how many connections count at once.
import { equal, fails, oneTo, ok, useCase } from "../lib/use_case.mjs";
import { open } from "../lib/ioredis.mjs";

const byNumber = (a, b) => a - b;

useCase("B14 fixed window by INCR and EXPIRE on the first hit", async (t) => {
  const redis = open(t);
  const allowed = async (user) => {
    const hits = await redis.incr(`limit:${user}`);
    if (hits === 1) await redis.expire(`limit:${user}`, 60);
    return hits <= 100;
  };
  const answers = [];
  for (let hit = 0; hit < 105; hit += 1) answers.push(await allowed("ann"));
  equal(answers.filter(Boolean).length, 100);
  ok((await redis.ttl("limit:ann")) > 50, "the window was not moved by later hits");
});

useCase("B15 a limit by the minute, counted from twenty connections: nothing is lost", async (t) => {
  const clients = Array.from({ length: 20 }, () => open(t));
  const key = `rate:bob:${Math.floor(Date.now() / 60_000)}`;
  const replies = await Promise.all(
    clients.map(async (redis) => {
      const mine = [];
      for (let hit = 0; hit < 500; hit += 1) mine.push(await redis.incr(key));
      return mine;
    }),
  );
  for (const mine of replies) equal(mine, [...mine].sort(byNumber), "each connection sees it grow");
  equal(replies.flat().sort(byNumber), oneTo(10_000), "every number is given once");
  equal(await clients[0].expire(key, 60), 1);
});

useCase("B16 login attempts by MULTI, INCR, EXPIRE NX, EXEC", async (t) => {
  const redis = open(t);
  const attempt = () => redis.multi().incr("login:ann").expire("login:ann", 300, "NX").exec();
  equal(await attempt(), [[null, 1], [null, 1]]);
  equal(await attempt(), [[null, 2], [null, 0]]);
  const many = await Promise.all(Array.from({ length: 50 }, attempt));
  equal(many.at(-1), [[null, 52], [null, 0]]);
});

useCase("B22 counters of every kind, and their limits", async (t) => {
  const redis = open(t);
  equal([await redis.incr("views"), await redis.incrby("views", 10), await redis.decr("views"), await redis.decrby("views", 5)], [1, 11, 10, 5]);
  equal(await redis.incrbyfloat("price", "10.5"), "10.5");
  equal(await redis.incrbyfloat("price", "0.1"), "10.6");
  equal(await redis.incrbyfloat("price", "-5e1"), "-39.4");
  await redis.set("full", "9223372036854775807");
  await fails(redis.incr("full"), /^ERR increment or decrement would overflow$/);
  equal(await redis.get("full"), "9223372036854775807");
  await redis.set("word", "hello");
  await fails(redis.incr("word"), /^ERR value is not an integer or out of range$/);
  await fails(redis.incrbyfloat("word", 1), /^ERR value is not a valid float$/);
});
