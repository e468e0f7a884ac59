// Lists: job queues with waiting workers, queues that survive a worker's death, stacks, timelines.
import { equal, eventually, fails, lagOf, ok, useCase } from "../lib/use_case.mjs";
import { fleet, open } from "../lib/node_redis.mjs";

const jobsTo = (count) => Array.from({ length: count }, (_, index) => `job:${index}`);

/** Resolves when as many connections as that wait in a blocking command. */
async function waiting(client, count) {
  await eventually(`${count} clients wait`, async () => (await client.info("clients")).includes(`blocked_clients:${count}\r\n`));
}

useCase("B28 lPush here, brPop there, first in and first out", async (t) => {
  const [worker, app] = [await open(t), await open(t)];
  equal([await app.lPush("queue:emails", '{"to":"a"}'), { ...(await worker.brPop("queue:emails", 0)) }], [1, { key: "queue:emails", element: '{"to":"a"}' }]);
  const done = [];
  const work = (async () => {
    while (done.length < 50) done.push((await worker.brPop("queue:emails", 0)).element);
  })();
  for (const job of jobsTo(50)) await app.lPush("queue:emails", job);
  await work;
  equal([done, await app.exists("queue:emails")], [jobsTo(50), 0]);
});

useCase("B28.timeout a pause without jobs ends in null", async (t) => {
  const [client, lag] = [await open(t), lagOf(t)];
  for (const ask of [() => client.brPop("none", 0.05), () => client.blPop(["none", "nothing"], 0.05), () => client.blMove("none", "other", "LEFT", "RIGHT", 0.05), () => client.bzPopMin("none", 0.05), () => client.blmPop(0.05, ["none", "nothing"], "LEFT"), () => client.bzmPop(0.05, "none", "MIN")]) {
    const [asked, date] = [performance.now(), Date.now()];
    equal(await ask(), null);
    const waited = performance.now() - asked;
    ok(waited > 48 && waited - lag.between(date, Date.now()) < 2000, `waited ${waited} ms instead of 50`);
  }
  await fails(client.brPop("none", -1), /^ERR timeout is negative$/);
});

useCase("B28.turns ten waiting workers are served in the order in which they came", async (t) => {
  const app = await open(t);
  const served = [];
  for (let worker = 0; worker < 10; worker += 1) {
    const client = await open(t);
    client.blPop("turns", 0).then(({ element }) => served.push([worker, element]), () => {});
    await waiting(app, worker + 1);
  }
  for (const job of jobsTo(10)) await app.rPush("turns", job);
  await eventually("all are served", () => served.length === 10);
  equal(served.sort(([a], [b]) => a - b), jobsTo(10).map((job, worker) => [worker, job]));
});

useCase("B28.fleet twenty workers, two thousand jobs from five producers: each job exactly once", async (t) => {
  const app = await open(t);
  const workers = fleet(t, 20, async (client) => {
    const mine = [];
    for (;;) {
      const { element } = await client.brPop("fleet", 0);
      if (element === "stop") return mine;
      mine.push(element);
    }
  });
  await fleet(t, 5, async (client, number) => {
    for (let job = 0; job < 400; job += 1) await client.lPush("fleet", `${number}:${job}`);
  });
  await app.lPush("fleet", Array(20).fill("stop"));
  const done = await workers;
  equal(done.flat().sort(), Array.from({ length: 2000 }, (_, index) => `${Math.floor(index / 400)}:${index % 400}`).sort());
  for (const mine of done) {
    for (let number = 0; number < 5; number += 1) {
      const jobs = mine.map((job) => job.split(":").map(Number)).filter(([from]) => from === number);
      ok(jobs.every(([, job], at) => at === 0 || job > jobs[at - 1][1]), "each worker sees each producer's jobs in order");
    }
  }
});

useCase("B28.priority the first key that has something wins", async (t) => {
  const [worker, app] = [await open(t), await open(t)];
  await app.rPush("low", ["l1", "l2"]);
  await app.rPush("high", "h1");
  equal([await worker.blPop(["high", "low"], 1), await worker.blPop(["high", "low"], 1)].map(({ key, element }) => [key, element]), [["high", "h1"], ["low", "l1"]]);
  equal([await worker.lmPop(["high", "low"], "LEFT", { COUNT: 5 }), await worker.lmPop("low", "LEFT")], [["low", ["l2"]], null]);
  const next = worker.blmPop(0, ["high", "low"], "RIGHT", { COUNT: 2 });
  await waiting(app, 1);
  await app.rPush("high", ["h2", "h3", "h4"]);
  equal(await next, ["high", ["h4", "h3"]]);
  const first = worker.bzPopMin("jobs", 0);
  await waiting(app, 1);
  await app.zAdd("jobs", [{ value: "later", score: 2 }, { value: "sooner", score: 1 }]);
  equal([{ ...(await first) }, { ...(await worker.bzPopMax("jobs", 1)) }, await app.exists("jobs")], [{ key: "jobs", value: "sooner", score: 1 }, { key: "jobs", value: "later", score: 2 }, 0]);
});

useCase("B28.multi a push in a transaction serves after it, a pop in a transaction does not wait", async (t) => {
  const [worker, app] = [await open(t), await open(t)];
  const popped = worker.blPop("tx", 0);
  await waiting(app, 1);
  equal(await app.multi().rPush("tx", ["a", "b"]).lPop("tx").rPush("tx", "c").exec(), [2, "a", 2]);
  equal([(await popped).element, await app.lRange("tx", 0, -1)], ["b", ["c"]]);
  equal((await app.multi().blPop("tx", 0).blPop("tx", 0).exec()).map((reply) => reply && reply.element), ["c", null]);
});

useCase("B28.killed a worker whose connection is lost comes back and gets the next job", async (t) => {
  const [worker, app] = [await open(t, { socket: { reconnectStrategy: () => 20 } }), await open(t)];
  const job = async () => {
    for (;;) {
      // What was under way when the connection was lost is an error here, and the loop asks again.
      const popped = await worker.brPop("alive", 0).catch(() => null);
      if (popped) return popped.element;
    }
  };
  const waits = job();
  await waiting(app, 1);
  equal(await app.clientKill({ filter: "ID", id: await idOfBlocked(app) }), 1);
  await eventually("it waits again", async () => (await app.clientList()).filter(({ cmd }) => cmd === "brpop").length === 1 && (await app.info("clients")).includes("blocked_clients:1\r\n"));
  await app.lPush("alive", "once");
  equal([await waits, await app.exists("alive")], ["once", 0]);
});

async function idOfBlocked(client) {
  return (await client.clientList()).find(({ cmd }) => cmd === "brpop").id;
}

useCase("B30 a reliable queue: a job is in one of two lists until it is done", async (t) => {
  const [first, second, app] = [await open(t), await open(t), await open(t)];
  await app.lPush("jobs", jobsTo(3));
  equal([await first.blMove("jobs", "doing:1", "RIGHT", "LEFT", 0), await first.lRem("doing:1", 1, "job:0"), await app.lLen("doing:1")], ["job:0", 1, 0]);
  equal([await first.lMove("jobs", "doing:1", "RIGHT", "LEFT"), await first.rPopLPush("jobs", "doing:1")], ["job:1", "job:2"]);
  first.destroy();
  while ((await app.lMove("doing:1", "jobs", "LEFT", "RIGHT")) !== null);
  equal(await app.lRange("jobs", 0, -1), ["job:2", "job:1"]);
  equal([await second.blMove("jobs", "doing:2", "RIGHT", "LEFT", 0), await second.brPopLPush("jobs", "doing:2", 0), await second.lMove("jobs", "doing:2", "LEFT", "LEFT")], ["job:1", "job:2", null]);
  equal([await app.lRange("doing:2", 0, -1), await app.exists(["jobs", "doing:1"])], [["job:2", "job:1"], 0]);
});

useCase("B36 timelines kept short: one post into a thousand lists", async (t) => {
  const client = await open(t);
  for (let post = 0; post < 12; post += 1) {
    const fan = client.multi();
    for (let follower = 0; follower < 1000; follower += 1) fan.lPush(`timeline:${follower}`, `post:${post}`).lTrim(`timeline:${follower}`, 0, 9);
    const replies = await fan.execAsPipeline();
    ok(replies.every((reply, index) => reply === (index % 2 ? "OK" : Math.min(post, 10) + 1)), `post ${post}`);
  }
  const newest = Array.from({ length: 10 }, (_, index) => `post:${11 - index}`);
  for (const follower of [0, 999]) equal(await client.lRange(`timeline:${follower}`, 0, -1), newest);
});

useCase("B35.lists a stack, and reaching into the middle", async (t) => {
  const client = await open(t);
  equal([await client.lPush("stack", ["a", "b"]), await client.lPop("stack"), await client.lPushX("no", "x"), await client.rPushX("stack", "z")], [2, "b", 0, 2]);
  equal([await client.rPush("long", jobsTo(2000)), await client.lIndex("long", 1000), await client.lIndex("long", 2000), await client.lPos("long", "job:1500")], [2000, "job:1000", null, 1500]);
  equal([await client.lSet("long", 1000, "changed"), await client.lInsert("long", "BEFORE", "changed", "before"), await client.lRange("long", 999, 1001)], ["OK", 2001, ["job:999", "before", "changed"]]);
  equal([await client.lPopCount("long", 2), await client.rPopCount("long", 2), await client.lPopCount("no", 2), await client.lLen("long")], [jobsTo(2), ["job:1999", "job:1998"], null, 1997]);
  await client.rPush("colors", ["red", "blue", "red"]);
  equal([await client.lPosCount("colors", "red", 0), await client.lPos("colors", "red", { RANK: -1 }), await client.lRem("colors", -1, "red"), await client.lRange("colors", 0, -1)], [[0, 2], 2, 1, ["red", "blue"]]);
  await fails(client.lSet("no", 0, "x"), /^ERR no such key$/);
});
