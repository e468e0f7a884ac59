// Streams: events in order, groups of workers that share them, and what a dead worker had in its hands.
import { equal, eventually, everyByte, fails, oneTo, ok, skip, useCase } from "../lib/use_case.mjs";
import { has, open } from "../lib/ioredis.mjs";

// Replies with names in them are pairs in a row, whichever protocol is spoken.
const named = (flat) => Object.fromEntries(flat.flatMap((value, index) => (index % 2 ? [] : [[value, flat[index + 1]]])));

useCase("B33 events are added, and a group reads and acknowledges them", async (t) => {
  const redis = open(t);
  const key = "events";
  equal(await redis.xgroup("CREATE", key, "mailers", "0", "MKSTREAM"), "OK");
  await fails(redis.xgroup("CREATE", key, "mailers", "0", "MKSTREAM"), /^BUSYGROUP Consumer Group name already exists$/);
  await fails(redis.xgroup("CREATE", "none", "mailers", "0"), /^ERR The XGROUP subcommand requires the key to exist/);
  equal(await redis.xreadgroup("GROUP", "mailers", "one", "COUNT", 10, "STREAMS", key, ">"), null, "nothing yet");
  const ids = [];
  for (const number of oneTo(5)) ids.push(await redis.xadd(key, "*", "user", `ann ✓ ${number}`, "kind", "login"));
  ok(ids.every((id) => /^\d{13}-\d+$/.test(id)), "ids are times");
  equal(ids.toSorted(), ids, "ids grow");
  const [[stream, first]] = await redis.xreadgroup("GROUP", "mailers", "one", "COUNT", 3, "STREAMS", key, ">");
  equal([stream, first.map(([id]) => id), first[0][1]], [key, ids.slice(0, 3), ["user", "ann ✓ 1", "kind", "login"]]);
  const [[, second]] = await redis.xreadgroup("GROUP", "mailers", "two", "COUNT", 9, "STREAMS", key, ">");
  equal(second.map(([id]) => id), ids.slice(3));
  equal([await redis.xack(key, "mailers", ids[0], ids[1], ids[1], "1-1"), await redis.xack(key, "no group", ids[2])], [2, 0]);
  equal(await redis.xpending(key, "mailers"), [3, ids[2], ids[4], [["one", "1"], ["two", "2"]]]);
  const pending = await redis.xpending(key, "mailers", "-", "+", 10, "two");
  equal(pending.map(([id, who, , times]) => [id, who, times]), ids.slice(3).map((id) => [id, "two", 1]));
  // What is not acknowledged can be read again by its owner.
  const [[, again]] = await redis.xreadgroup("GROUP", "mailers", "two", "STREAMS", key, "0");
  equal(again.map(([id]) => id), ids.slice(3));
  await fails(redis.xreadgroup("GROUP", "nobody", "one", "STREAMS", key, ">"), /^NOGROUP No such key 'events' or consumer group 'nobody' in XREADGROUP with GROUP option$/);
});

useCase("B33.ranges ids of one's own, ranges, deleting and trimming", async (t) => {
  const redis = open(t);
  const key = "log";
  for (const number of oneTo(9)) equal(await redis.xadd(key, `${number}-1`, "n", number), `${number}-1`);
  equal([await redis.xadd(key, "9-*", "n", "9b"), await redis.xlen(key)], ["9-2", 10]);
  await fails(redis.xadd(key, "9-2", "n", "x"), /^ERR The ID specified in XADD is equal or smaller than the target stream top item$/);
  await fails(redis.xadd(key, "0-0", "n", "x"), /^ERR The ID specified in XADD must be greater than 0-0$/);
  const idsOf = (entries) => entries.map(([id]) => id);
  equal(idsOf(await redis.xrange(key, 3, "(5-1")), ["3-1", "4-1"]);
  equal([idsOf(await redis.xrange(key, "-", "+", "COUNT", 2)), idsOf(await redis.xrevrange(key, "+", "(8", "COUNT", 2)), idsOf(await redis.xrange(key, 9, 9))], [["1-1", "2-1"], ["9-2", "9-1"], ["9-1", "9-2"]]);
  equal([await redis.xdel(key, "5-1", "5-1", "99-1"), await redis.xtrim(key, "MINID", 3), await redis.xtrim(key, "MAXLEN", "=", 4), idsOf(await redis.xrange(key, "-", "+"))], [1, 2, 3, ["7-1", "8-1", "9-1", "9-2"]]);
  equal([await redis.xadd(key, "NOMKSTREAM", "MAXLEN", 2, "10-0", "n", "10"), await redis.xlen(key), await redis.xadd("none", "NOMKSTREAM", "*", "a", "b"), await redis.exists("none")], ["10-0", 2, null, 0]);
  await redis.xadd("bytes", "1-1", everyByte, everyByte);
  equal(await redis.xrangeBuffer("bytes", "-", "+"), [[Buffer.from("1-1"), [everyByte, everyByte]]]);
  const info = named(await redis.xinfo("STREAM", key));
  equal([info.length, info["last-generated-id"], info["entries-added"], info["max-deleted-entry-id"], info["first-entry"], info.groups], [2, "10-0", 11, "5-1", ["9-2", ["n", "9b"]], 0]);
  equal([await redis.type(key), await redis.object("ENCODING", key)], ["stream", "stream"]);
  await fails(redis.xadd(key, "*", "odd"), /^ERR wrong number of arguments for 'xadd' command$/);
});

useCase("B33.follow whoever waits at the end hears everything that comes, in order", async (t) => {
  const [producer, ...readers] = oneTo(4).map(() => open(t));
  const COUNT = 2000;
  const follow = async (redis) => {
    const [got, from] = [[], { id: "$" }];
    let reply = redis.xread("BLOCK", 0, "STREAMS", "feed", from.id);
    return {
      done: (async () => {
        while (got.length < COUNT) {
          const [[, entries]] = await reply;
          for (const [id, [, value]] of entries) got.push([id, Number(value)]);
          if (got.length < COUNT) reply = redis.xread("COUNT", 100, "BLOCK", 5000, "STREAMS", "feed", got.at(-1)[0]);
        }
        return got;
      })(),
    };
  };
  const following = await Promise.all(readers.map(follow));
  await eventually("all wait", async () => (await producer.info("clients")).includes("blocked_clients:3\r\n"));
  const adding = [];
  for (const number of oneTo(COUNT)) {
    adding.push(producer.xadd("feed", "MAXLEN", "~", 10_000, "*", "n", number));
    if (number % 200 === 0) await new Promise(setImmediate);
  }
  const ids = await Promise.all(adding);
  for (const { done } of following) equal(await done, ids.map((id, index) => [id, index + 1]));
  equal([await producer.xread("BLOCK", 30, "STREAMS", "feed", "$"), await producer.xread("COUNT", 1, "STREAMS", "feed", "$")], [null, null]);
});

useCase("B33.workers four workers share two thousand jobs, one of them dies: each job is done", async (t) => {
  const app = open(t);
  const JOBS = 2000;
  await app.xgroup("CREATE", "jobs", "workers", "$", "MKSTREAM");
  const done = new Map();
  let ended = false;
  const work = async (redis, name, dies) => {
    for (let taken = 0; !ended; taken += 1) {
      const reply = await redis.xreadgroup("GROUP", "workers", name, "COUNT", 7, "BLOCK", 50, "STREAMS", "jobs", ">");
      if (!reply) continue;
      // This one takes what it gets with it.
      if (dies && taken === 3) return redis.disconnect();
      const [[, entries]] = reply;
      for (const [, [, job]] of entries) done.set(Number(job), (done.get(Number(job)) ?? 0) + 1);
      equal(await redis.xack("jobs", "workers", ...entries.map(([id]) => id)), entries.length);
    }
  };
  const workers = oneTo(4).map((number) => work(open(t), `worker-${number}`, number === 4));
  for (let from = 0; from < JOBS; from += 200) await app.pipeline(Array.from({ length: 200 }, (_, index) => ["xadd", "jobs", "*", "n", String(from + index)])).exec();
  let many;
  await eventually("all but the dead one's are done", async () => {
    const [left, , , [[who, its] = []]] = await app.xpending("jobs", "workers").then((reply) => [...reply.slice(0, 3), reply[3] ?? []]);
    many = Number(its);
    return who === "worker-4" && left === many && done.size + many === JOBS;
  }, 8000);
  // What it had is claimed by another one, a part at a time.
  let cursor = "0-0";
  let claimed = 0;
  do {
    const [next, entries] = await app.xautoclaim("jobs", "workers", "worker-1", 0, cursor, "COUNT", 3);
    cursor = next;
    for (const [id, [, job]] of entries) {
      done.set(Number(job), (done.get(Number(job)) ?? 0) + 1);
      claimed += await app.xack("jobs", "workers", id);
    }
  } while (cursor !== "0-0");
  ended = true;
  await Promise.all(workers);
  equal([claimed, (await app.xpending("jobs", "workers"))[0], done.size, [...done.values()].every((times) => times === 1)], [many, 0, JOBS, true]);
  const [group] = (await app.xinfo("GROUPS", "jobs")).map(named);
  equal([group.name, group.consumers, group.pending, group["entries-read"], group.lag], ["workers", 4, 0, JOBS, 0]);
  equal([await app.xgroup("DELCONSUMER", "jobs", "workers", "worker-4"), (await app.xinfo("CONSUMERS", "jobs", "workers")).length, await app.xgroup("DESTROY", "jobs", "workers")], [0, 3, 1]);
});

useCase("B33.claim a job that fails again and again, claimed and given up", async (t) => {
  const redis = open(t);
  await redis.xgroup("CREATE", "hard", "g", "0", "MKSTREAM");
  const id = await redis.xadd("hard", "*", "job", "x");
  await redis.xreadgroup("GROUP", "g", "one", "STREAMS", "hard", ">");
  equal(await redis.xclaim("hard", "g", "two", 60_000, id), [], "not idle for so long");
  equal([await redis.xclaim("hard", "g", "two", 0, id, "JUSTID"), (await redis.xclaim("hard", "g", "three", 0, id))[0][0], (await redis.xpending("hard", "g", "-", "+", 1))[0][3]], [[id], id, 2]);
  await redis.xclaim("hard", "g", "four", 0, id, "IDLE", 5000, "RETRYCOUNT", 9);
  const [[, who, idle, times]] = await redis.xpending("hard", "g", "IDLE", 4000, "-", "+", 1);
  equal([who, idle >= 5000, times], ["four", true, 9]);
  // A deleted entry is nobody's to claim; those who ask are told.
  await redis.xdel("hard", id);
  equal(await redis.xautoclaim("hard", "g", "five", 0, "0"), ["0-0", [], [id]]);
  equal((await redis.xpending("hard", "g"))[0], 0);
});

useCase("B33.waiting whoever waits in a group is served in turn, and told when there is nothing to wait for", async (t) => {
  const app = open(t);
  await app.xgroup("CREATE", "turns", "g", "$", "MKSTREAM");
  const served = [];
  for (const number of oneTo(5)) {
    open(t).xreadgroup("GROUP", "g", `c${number}`, "COUNT", 1, "BLOCK", 0, "STREAMS", "turns", ">").then(([[, [[, [, job]]]]]) => served.push([number, job]));
    await eventually("it waits", async () => (await app.info("clients")).includes(`blocked_clients:${number}\r\n`));
  }
  for (const number of oneTo(5)) await app.xadd("turns", "*", "job", `job ${number}`);
  await eventually("all are served", () => served.length === 5);
  equal(served.toSorted(), oneTo(5).map((number) => [number, `job ${number}`]));
  const hopeless = fails(open(t).xreadgroup("GROUP", "g", "c", "BLOCK", 0, "STREAMS", "turns", ">"), /^NOGROUP /);
  await eventually("it waits", async () => (await app.info("clients")).includes("blocked_clients:1\r\n"));
  equal(await app.xgroup("DESTROY", "turns", "g"), 1);
  await hopeless;
});

useCase("B33.refs XDELEX and XACKDEL know who else still needs an entry", async (t) => {
  const redis = open(t);
  if (!(await has(redis, "xackdel"))) skip("the server has no XACKDEL");
  for (const group of ["a", "b"]) await redis.xgroup("CREATE", "shared", group, "0", "MKSTREAM");
  const ids = await Promise.all(oneTo(4).map((number) => redis.xadd("shared", `${number}-1`, "n", number)));
  for (const group of ["a", "b"]) await redis.xreadgroup("GROUP", group, "c", "STREAMS", "shared", ">");
  equal(await redis.call("XACKDEL", "shared", "a", "ACKED", "IDS", 2, ids[0], "9-9"), [2, -1], "acknowledged, yet not by all");
  equal([await redis.xlen("shared"), await redis.call("XACKDEL", "shared", "b", "ACKED", "IDS", 1, ids[0]), await redis.xlen("shared")], [4, [1], 3]);
  equal([await redis.call("XACKDEL", "shared", "a", "DELREF", "IDS", 1, ids[1]), (await redis.xpending("shared", "b"))[0]], [[1], 2]);
  equal([await redis.call("XDELEX", "shared", "ACKED", "IDS", 1, ids[2]), await redis.call("XDELEX", "shared", "KEEPREF", "IDS", 1, ids[2]), await redis.xlen("shared")], [[2], [1], 1]);
});
