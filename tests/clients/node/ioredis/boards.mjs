// Sorted sets: leaderboards, sliding windows, low stock, scheduled jobs.
import { equal, everyByte, fails, ok, skip, useCase } from "../lib/use_case.mjs";
import { open, protocol } from "../lib/ioredis.mjs";

// Members with their scores are two strings in a row, also in RESP3, unless the client is told that apps may see the difference.
const scored = (...pairs) => pairs.flat().map(String);

useCase("B24 leaderboard of the day", async (t) => {
  const redis = open(t);
  const board = "leaderboard:daily";
  equal([await redis.zadd(board, 9500, "user:123"), await redis.zadd(board, 9600, "user:124", 9400.5, "user:125"), await redis.zadd(board, 9500, "user:123")], [1, 2, 0]);
  equal(await redis.zrange(board, 0, 9, "REV", "WITHSCORES"), scored(["user:124", 9600], ["user:123", 9500], ["user:125", 9400.5]));
  equal([await redis.zrevrank(board, "user:123"), await redis.zrank(board, "user:124"), await redis.zrevrank(board, "nobody")], [1, 2, null]);
  equal(await redis.zrange(board, 1 - 5, 1 + 5, "REV"), ["user:124", "user:123", "user:125"], "five above and below, of which there are less");
  equal([await redis.zscore(board, "user:125"), await redis.zscore(board, "nobody"), await redis.zcard(board)], ["9400.5", null, 3]);
  equal(await redis.zmscore(board, "user:123", "nobody"), ["9500", null]);
  equal([await redis.zincrby(board, 200.25, "user:125"), await redis.zrevrank(board, "user:125")], ["9600.75", 0]);
  equal(await redis.call("ZREVRANK", board, "user:125", "WITHSCORE"), [0, "9600.75"]);
  equal([await redis.zrem(board, "user:125", "nobody"), await redis.zrange(board, 0, -1), await redis.zrange("none", 0, -1)], [1, ["user:123", "user:124"], []]);
});

useCase("B24.numbers scores as numbers and pairs, for an app that asks for what RESP3 has", async (t) => {
  if (protocol === 2) skip("RESP2 has neither");
  const redis = open(t, { replyMapping: "resp3" });
  equal([await redis.zadd("numbers", 0.5, "a", 3.5, "b", "-inf", "c"), await redis.zincrby("numbers", 2, "a")], [3, 2.5]);
  equal(await redis.zrange("numbers", 0, -1, "WITHSCORES"), [["c", -Infinity], ["a", 2.5], ["b", 3.5]]);
  equal([await redis.zscore("numbers", "b"), await redis.zmscore("numbers", "b", "no"), await redis.zpopmax("numbers")], [3.5, [3.5, null], ["b", 3.5]]);
  equal(await redis.zpopmin("numbers", 2), [["c", -Infinity], ["a", 2.5]]);
  await redis.hset("hash", "f", "v");
  equal({ ...(await redis.hgetall("hash")) }, { f: "v" });
});

useCase("B24.ties equal scores stand in the order of their bytes", async (t) => {
  const redis = open(t);
  await redis.zadd("ties", 1, "b", 1, "a", 1, "B", 1, everyByte, 0, "z", "-inf", "first", "+inf", "last");
  equal((await redis.zrangeBuffer("ties", 0, -1)).map(String), ["first", "z", String(everyByte), "B", "a", "b", "last"]);
  equal(await redis.zrange("ties", 0, 1, "REV", "WITHSCORES"), ["last", "inf", "b", "1"]);
  await redis.zadd("names", ...["ada", "alan", "bob", "bea"].flatMap((name) => [0, name]));
  equal(await redis.zrange("names", "[a", "(b", "BYLEX"), ["ada", "alan"]);
  equal([await redis.zrange("names", "[bea", "+", "BYLEX"), await redis.zlexcount("names", "-", "(bob")], [["bea", "bob"], 3]);
  equal([await redis.zrangebylex("names", "[al", "+", "LIMIT", 1, 1), await redis.zrevrangebylex("names", "+", "-", "LIMIT", 0, 1)], [["bea"], ["bob"]]);
});

useCase("B24.rules NX, XX, GT, LT, CH and INCR, and scores that are none", async (t) => {
  const redis = open(t);
  await redis.zadd("best", 50, "ann");
  equal([await redis.zadd("best", "NX", 90, "ann"), await redis.zadd("best", "XX", 90, "bob"), await redis.zadd("best", "GT", "CH", 40, "ann", 40, "bob"), await redis.zadd("best", "GT", "CH", 60, "ann")], [0, 0, 1, 1]);
  equal([await redis.zadd("best", "LT", "CH", 70, "ann"), await redis.zadd("best", "INCR", 5, "ann"), await redis.zadd("best", "NX", "INCR", 5, "ann")], [0, "65", null]);
  await fails(redis.zadd("best", "many", "ann"), /^ERR value is not a valid float$/);
  await fails(redis.zadd("best", "GT", "LT", 1, "ann"), /^ERR GT, LT, and\/or NX options at the same time are not compatible$/);
  await fails(redis.zadd("best", "NX", "XX", 1, "ann"), /^ERR XX and NX options at the same time are not compatible$/);
  await fails(redis.zrange("best", "a", "b"), /^ERR value is not an integer or out of range$/);
  await fails(redis.zrange("best", "a", "b", "BYSCORE"), /^ERR min or max is not a float$/);
  await redis.zadd("best", "+inf", "max");
  await fails(redis.zincrby("best", "-inf", "max"), /^ERR resulting score is not a number \(NaN\)$/);
  equal(await redis.zrange("best", 0, -1), ["bob", "ann", "max"]);
});

useCase("B24.many twenty thousand players, each rank as sorting says", async (t) => {
  const redis = open(t);
  // A fixed rule that spreads the scores and has many ties.
  const players = Array.from({ length: 20_000 }, (_, index) => ({ name: `player:${index}`, points: (index * 7919) % 5000 }));
  const fill = redis.pipeline();
  for (let from = 0; from < players.length; from += 100) fill.zadd("players", ...players.slice(from, from + 100).flatMap(({ name, points }) => [points, name]));
  equal(await fill.exec(), Array(200).fill([null, 100]));
  players.sort((a, b) => a.points - b.points || (a.name < b.name ? -1 : 1));
  const asked = Array.from({ length: 200 }, (_, index) => (index * 97) % 20_000);
  equal(await Promise.all(asked.map((rank) => redis.zrank("players", players[rank].name))), asked);
  equal(await redis.zrevrange("players", 0, 9), players.slice(-10).reverse().map(({ name }) => name));
  equal(await redis.zrange("players", 12_345, 12_355), players.slice(12_345, 12_356).map(({ name }) => name));
  const middle = players.filter(({ points }) => points > 2500 && points <= 2510);
  equal([await redis.zcount("players", "(2500", 2510), await redis.zrangebyscore("players", "(2500", 2510)], [middle.length, middle.map(({ name }) => name)]);
  equal(await redis.zrevrangebyscore("players", 2510, "(2500", "LIMIT", 3, 4), middle.toReversed().slice(3, 7).map(({ name }) => name));
  equal([await redis.zremrangebyrank("players", 0, -101), await redis.zrange("players", 0, -1)], [19_900, players.slice(-100).map(({ name }) => name)]);
  const walked = new Set();
  for await (const batch of redis.zscanStream("players", { count: 20 })) for (let at = 0; at < batch.length; at += 2) walked.add(batch[at]);
  equal(walked.size, 100);
});

useCase("B24.week seven days make a week, and the best of both groups", async (t) => {
  const redis = open(t);
  await redis.zadd("mon", 10, "ann", 5, "bob");
  await redis.zadd("tue", 1, "ann", 9, "cid");
  equal([await redis.zunionstore("week", 2, "mon", "tue"), await redis.zrange("week", 0, -1, "WITHSCORES")], [3, scored(["bob", 5], ["cid", 9], ["ann", 11])]);
  equal([await redis.zinterstore("both", 2, "mon", "tue", "WEIGHTS", 2, 1, "AGGREGATE", "MAX"), await redis.zrange("both", 0, -1, "WITHSCORES")], [1, scored(["ann", 20])]);
  equal(await redis.zunion(2, "mon", "tue", "AGGREGATE", "MIN", "WITHSCORES"), scored(["ann", 1], ["bob", 5], ["cid", 9]));
  equal([await redis.zdiff(2, "mon", "tue"), await redis.zinter(2, "mon", "tue"), await redis.zintercard(2, "mon", "tue")], [["bob"], ["ann"], 1]);
  equal([await redis.zrangestore("top", "week", 0, 1, "REV"), await redis.zrange("top", 0, -1)], [2, ["cid", "ann"]]);
  await redis.sadd("members", "ann", "cid");
  equal(await redis.zinter(2, "week", "members", "WITHSCORES"), scored(["cid", 10], ["ann", 12]), "a set counts one for each member");
  equal([await redis.zpopmax("week"), await redis.zpopmin("week")], [["ann", "11"], ["bob", "5"]]);
  equal([await redis.zpopmin("week", 5), await redis.exists("week"), await redis.zpopmin("week")], [scored(["cid", 9]), 0, []]);
});

useCase("B17 sliding window of sixty seconds", async (t) => {
  const redis = open(t);
  const [key, start] = ["rate:123", 1_700_000_000_000];
  const allowed = async (now) => {
    await redis.zremrangebyscore(key, 0, now - 60_000);
    if ((await redis.zcard(key)) >= 5) return false;
    await redis.zadd(key, now, String(now));
    await redis.expire(key, 60);
    return true;
  };
  for (let hit = 0; hit < 5; hit += 1) equal(await allowed(start + hit), true, `hit ${hit}`);
  equal([await allowed(start + 5), await allowed(start + 59_999), await allowed(start + 60_000), await allowed(start + 60_000)], [false, false, true, false]);
  // Thirteen digits come back as they went, without an exponent.
  equal(await redis.zrange(key, 0, 0, "WITHSCORES"), scored(["1700000000001", 1_700_000_000_001]));
  equal(await redis.zrangebyscore(key, "(1700000000001", "1700000000003"), ["1700000000002", "1700000000003"]);
  ok((await redis.ttl(key)) > 50, "ttl");
});

useCase("B17.race one window, twenty connections: the limit holds", async (t) => {
  const clients = Array.from({ length: 20 }, () => open(t));
  const now = Date.now();
  const attempt = async (redis, hit) => {
    // First put in, then count: who finds himself beyond the limit takes his hit out again.
    const replies = await redis.multi().zremrangebyscore("rate:all", 0, now - 60_000).zadd("rate:all", now, hit).zcard("rate:all").exec();
    if (replies[2][1] <= 100) return true;
    await redis.zrem("rate:all", hit);
    return false;
  };
  const answers = await Promise.all(clients.flatMap((redis, number) => Array.from({ length: 10 }, (_, index) => attempt(redis, `${number}:${index}`))));
  equal([answers.filter(Boolean).length, await clients[0].zcard("rate:all")], [100, 100]);
});

useCase("B7.sets.stock low stock and top sellers of a tenant", async (t) => {
  const redis = open(t);
  await redis.zadd("stock:org_42", 3, "screws", 500, "nails", 0, "glue", 10, "tape");
  equal(await redis.zrangebyscore("stock:org_42", "-inf", 10), ["glue", "screws", "tape"]);
  equal(await redis.zrange("stock:org_42", "(10", "-inf", "BYSCORE", "REV", "LIMIT", 0, 1), ["screws"]);
  equal([await redis.zcount("stock:org_42", "-inf", "(10"), await redis.object("ENCODING", "stock:org_42"), await redis.type("stock:org_42")], [2, "listpack", "zset"]);
  await redis.lpush("list", "x");
  await fails(redis.zadd("list", 1, "x"), /^WRONGTYPE /);
});

useCase("B30.schedule jobs due by now, each taken by one of ten workers", async (t) => {
  const clients = Array.from({ length: 10 }, () => open(t));
  const now = 1_700_000_000_000;
  const jobs = Array.from({ length: 300 }, (_, index) => `job:${index}`);
  await clients[0].zadd("scheduled", ...jobs.flatMap((job, index) => [now - 150 + index, job]));
  const work = async (redis) => {
    const mine = [];
    for (;;) {
      const due = await redis.zrangebyscore("scheduled", "-inf", now, "LIMIT", 0, 20);
      if (due.length === 0) return mine;
      for (const job of due) if ((await redis.zrem("scheduled", job)) === 1) mine.push(job);
    }
  };
  equal((await Promise.all(clients.map(work))).flat().sort(), jobs.slice(0, 151).sort());
  equal(await clients[0].zcard("scheduled"), 149, "what is not due stays");
});
