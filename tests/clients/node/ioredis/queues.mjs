// Lists: job queues with waiting workers, queues that survive a worker's death, stacks, timelines.
import { client as asked, equal, eventually, everyByte, fails, lagOf, ok, useCase } from "../lib/use_case.mjs";
import { fieldsOf, open } from "../lib/ioredis.mjs";

const jobsTo = (count) => Array.from({ length: count }, (_, index) => `job:${index}`);

/** Resolves when as many connections as that wait in a blocking command. */
async function waiting(redis, count) {
  await eventually(`${count} clients wait`, async () => (await redis.info("clients")).includes(`blocked_clients:${count}\r\n`));
}

useCase("B28 LPUSH here, BRPOP there, first in and first out", async (t) => {
  const [worker, app] = [open(t), open(t)];
  equal([await app.lpush("queue:emails", '{"to":"a"}'), await worker.brpop("queue:emails", 0)], [1, ["queue:emails", '{"to":"a"}']]);
  const done = [];
  const work = (async () => {
    while (done.length < 50) done.push((await worker.brpop("queue:emails", 0))[1]);
  })();
  for (const job of jobsTo(50)) await app.lpush("queue:emails", job);
  await work;
  equal(done, jobsTo(50));
  equal([await app.exists("queue:emails"), await app.llen("queue:emails")], [0, 0]);
});

useCase("B28.timeout a pause without jobs ends in null, neither too early nor never", async (t) => {
  const [redis, lag] = [open(t), lagOf(t)];
  for (const [seconds, ask] of [[0.1, () => redis.brpop("none", 0.1)], [0.05, () => redis.blpop("none", "nothing", "0.05")], [0.05, () => redis.blmove("none", "other", "LEFT", "RIGHT", 0.05)], [0.05, () => redis.call("BZPOPMIN", "none", "0.05")], [0.05, () => redis.call("BLMPOP", 0.05, 2, "none", "nothing", "LEFT")]]) {
    const [asked, date] = [performance.now(), Date.now()];
    equal(await ask(), null);
    const waited = performance.now() - asked;
    // The server looks at its clock in steps, and so does Redis: it may be late, but not early.
    ok(waited > seconds * 1000 - 2 && waited - lag.between(date, Date.now()) < 2000, `waited ${waited} ms instead of ${seconds} s`);
  }
  await fails(redis.brpop("none", -1), /^ERR timeout is negative$/);
  await fails(redis.brpop("none", "soon"), /^ERR timeout is not a float or out of range$/);
});

useCase("B28.turns twenty waiting workers are served in the order in which they came", async (t) => {
  const app = open(t);
  const served = [];
  for (let worker = 0; worker < 20; worker += 1) {
    open(t).blpop("turns", 0).then(([, job]) => served.push([worker, job]));
    await waiting(app, worker + 1);
  }
  for (const job of jobsTo(20)) await app.rpush("turns", job);
  await eventually("all are served", () => served.length === 20);
  equal(served.sort(([a], [b]) => a - b), jobsTo(20).map((job, worker) => [worker, job]));
});

useCase("B28.many one push serves many workers, and keeps what nobody waits for", async (t) => {
  const app = open(t);
  const workers = Array.from({ length: 5 }, () => open(t).brpop("burst", 0));
  await waiting(app, 5);
  equal(await app.lpush("burst", ...jobsTo(8)), 8, "the length counts those who are served a moment later");
  equal((await Promise.all(workers)).map(([, job]) => job).sort(), jobsTo(5));
  equal(await app.lrange("burst", 0, -1), ["job:7", "job:6", "job:5"]);
});

useCase("B28.priority the first key that has something wins", async (t) => {
  const [worker, app] = [open(t), open(t)];
  await app.rpush("low", "l1", "l2");
  await app.rpush("high", "h1");
  equal([await worker.blpop("high", "low", 1), await worker.blpop("high", "low", 1)], [["high", "h1"], ["low", "l1"]]);
  equal([await worker.lmpop(2, "high", "low", "LEFT", "COUNT", 5), await worker.lmpop(1, "low", "LEFT")], [["low", ["l2"]], null]);
  const next = worker.blmpop(0, 2, "high", "low", "RIGHT", "COUNT", 2);
  await waiting(app, 1);
  await app.rpush("high", "h2", "h3", "h4");
  equal([await next, await app.lrange("high", 0, -1)], [["high", ["h4", "h3"]], ["h2"]]);
  const first = worker.bzpopmin("jobs", 0);
  await waiting(app, 1);
  await app.zadd("jobs", 2, "later", 1, "sooner");
  equal([await first, await worker.bzpopmax("jobs", 1), await app.exists("jobs")], [["jobs", "sooner", "1"], ["jobs", "later", "2"], 0]);
});

useCase("B28.multi a push in a transaction serves after it, a pop in a transaction does not wait", async (t) => {
  const [worker, app] = [open(t), open(t)];
  const popped = worker.blpop("tx", 0);
  await waiting(app, 1);
  // The waiting worker comes last: whoever pops inside the transaction was first.
  equal(await app.multi().rpush("tx", "a", "b").lpop("tx").rpush("tx", "c").exec(), [[null, 2], [null, "a"], [null, 2]]);
  equal([await popped, await app.lrange("tx", 0, -1)], [["tx", "b"], ["c"]]);
  equal(await app.multi().blpop("tx", 0).blpop("tx", 0).exec(), [[null, ["tx", "c"]], [null, null]]);
  // What was pushed and deleted in one transaction was never there for others.
  const patient = worker.blpop("tx", 0.2);
  await waiting(app, 1);
  await app.multi().rpush("tx", "gone").del("tx").exec();
  equal(await patient, null);
});

useCase("B28.killed a killed worker comes back and gets the next job", async (t) => {
  const worker = open(t, { retryStrategy: () => 20, maxRetriesPerRequest: null });
  const app = open(t);
  const id = await worker.client("ID");
  const job = worker.brpop("alive", 0);
  await waiting(app, 1);
  equal(await app.client("KILL", "ID", id), 1);
  // The client sends what was not answered again, on a new connection.
  await eventually("it waits again", async () => (await app.client("LIST")).split("\n").map(fieldsOf).some((line) => line.cmd === "brpop" && line.id !== String(id)));
  await app.lpush("alive", "once");
  equal([await job, await app.exists("alive")], [["alive", "once"], 0]);
});

useCase("B28.others a key that comes in another way serves, one of another type does not", async (t) => {
  const [worker, app] = [open(t), open(t)];
  const renamed = worker.blpop("target", 0);
  await waiting(app, 1);
  await app.sadd("target", "not a list");
  await app.zadd("target2", 1, "x");
  await app.del("target");
  await app.rpush("source", "by rename");
  await app.rename("source", "target");
  equal(await renamed, ["target", "by rename"]);
  const copied = worker.blpop("target", 0);
  await waiting(app, 1);
  await app.rpush("source", "by copy");
  await app.copy("source", "target");
  equal(await copied, ["target", "by copy"]);
  const moved = worker.blpop("target", 0);
  await waiting(app, 1);
  await app.lmove("source", "target", "LEFT", "LEFT");
  equal(await moved, ["target", "by copy"]);
  await app.sadd("target", "not a list");
  await fails(worker.blpop("target", 0), /^WRONGTYPE /);
});

useCase("B30 a reliable queue: a job is in one of two lists until it is done", async (t) => {
  const [first, second, app] = [open(t), open(t), open(t)];
  await app.lpush("jobs", ...jobsTo(3));
  equal([await first.blmove("jobs", "doing:1", "RIGHT", "LEFT", 0), await first.lrem("doing:1", 1, "job:0"), await app.llen("doing:1")], ["job:0", 1, 0]);
  equal([await first.lmove("jobs", "doing:1", "RIGHT", "LEFT"), await first.rpoplpush("jobs", "doing:1")], ["job:1", "job:2"]);
  // The worker dies with two jobs in its hands; they go back to where they were taken, the older one first.
  first.disconnect();
  while ((await app.lmove("doing:1", "jobs", "LEFT", "RIGHT")) !== null);
  equal(await app.lrange("jobs", 0, -1), ["job:2", "job:1"]);
  equal([await second.blmove("jobs", "doing:2", "RIGHT", "LEFT", 0), await second.brpoplpush("jobs", "doing:2", 0), await second.lmove("jobs", "doing:2", "LEFT", "LEFT")], ["job:1", "job:2", null]);
  equal([await app.lrange("doing:2", 0, -1), await app.exists("jobs", "doing:1")], [["job:2", "job:1"], 0]);
  // Round robin in one list.
  equal([await app.lmove("doing:2", "doing:2", "LEFT", "RIGHT"), await app.lrange("doing:2", 0, -1)], ["job:2", ["job:1", "job:2"]]);
});

useCase("B30.chain a job that moves through three stages while each of them waits", async (t) => {
  const app = open(t);
  const stages = ["one", "two", "three"].map((to, index) => open(t).blmove(index ? ["one", "two"][index - 1] : "start", to, "RIGHT", "LEFT", 0));
  await waiting(app, 3);
  await app.lpush("start", "job");
  equal(await Promise.all(stages), ["job", "job", "job"]);
  equal([await app.lrange("three", 0, -1), await app.exists("start", "one", "two")], [["job"], 0]);
});

useCase(
  "B30.worker a worker in a loop: every job exactly once and in order",
  async (t) => {
    // One of the versions shows it with many jobs; the others only that they can do it.
    const count = asked === "ioredis6" ? 30_000 : 10_000;
    const [worker, producer, app] = [open(t), open(t), open(t)];
    const done = [];
    const work = (async () => {
      const acknowledged = [];
      while (done.length < count) {
        const job = await worker.brpoplpush("work", "work:doing", 0);
        done.push(job);
        acknowledged.push(app.lrem("work:doing", 1, job));
      }
      return Promise.all(acknowledged);
    })();
    for (let from = 0; from < count; from += 100) await producer.lpush("work", ...Array.from({ length: 100 }, (_, index) => `job:${from + index}`));
    const acknowledged = await work;
    ok(done.every((job, index) => job === `job:${index}`), "in order, none lost, none twice");
    ok(acknowledged.every((removed) => removed === 1), "each was in the list of those in work");
    equal(await app.exists("work", "work:doing"), 0);
  },
  60_000,
);

useCase("B30.webhooks one delivery of a webhook is worked on, however often it comes", async (t) => {
  const [one, two] = [open(t), open(t)];
  const receive = async (redis, event) => ((await redis.set(`webhook:${event}`, "1", "EX", 86_400, "NX")) === "OK" ? redis.rpush("webhooks", event) : null);
  await Promise.all(["a", "b", "a", "c", "b", "a"].flatMap((event) => [receive(one, event), receive(two, event)]));
  equal((await one.lrange("webhooks", 0, -1)).sort(), ["a", "b", "c"]);
});

useCase("B36 timelines kept short: one post into a thousand lists", async (t) => {
  const redis = open(t);
  for (let post = 0; post < 12; post += 1) {
    const fan = redis.pipeline();
    for (let follower = 0; follower < 1000; follower += 1) fan.lpush(`timeline:${follower}`, `post:${post}`).ltrim(`timeline:${follower}`, 0, 9);
    const replies = await fan.exec();
    ok(replies.every(([error, reply], index) => error === null && reply === (index % 2 ? "OK" : Math.min(post, 10) + 1)), `post ${post}`);
  }
  const newest = Array.from({ length: 10 }, (_, index) => `post:${11 - index}`);
  for (const follower of [0, 500, 999]) equal(await redis.lrange(`timeline:${follower}`, 0, -1), newest);
  equal(await redis.lrange("timeline:7", 2, 4), ["post:9", "post:8", "post:7"], "a page");
  equal([await redis.ltrim("timeline:7", 20, 30), await redis.exists("timeline:7")], ["OK", 0], "nothing left");
});

useCase("B35.lists a stack, and reaching into the middle", async (t) => {
  const redis = open(t);
  equal([await redis.lpush("stack", "a", "b"), await redis.lpush("stack", everyByte), await redis.lpopBuffer("stack"), await redis.lpop("stack")], [2, 3, everyByte, "b"]);
  equal([await redis.lpushx("no", "x"), await redis.rpushx("no", "x"), await redis.rpushx("stack", "z"), await redis.exists("no")], [0, 0, 2, 0]);
  equal(await redis.rpush("long", ...jobsTo(5000)), 5000);
  equal([await redis.lindex("long", 2500), await redis.lindex("long", -1), await redis.lindex("long", 5000)], ["job:2500", "job:4999", null]);
  equal([await redis.lset("long", 2500, "changed"), await redis.lindex("long", 2500), await redis.lpos("long", "job:4000"), await redis.lpos("long", "job:2500")], ["OK", "changed", 4000, null]);
  equal([await redis.linsert("long", "BEFORE", "changed", "before"), await redis.linsert("long", "AFTER", "none", "x"), await redis.linsert("no", "AFTER", "none", "x")], [5001, -1, 0]);
  equal(await redis.lrange("long", 2499, 2502), ["job:2499", "before", "changed", "job:2501"]);
  equal([await redis.lpop("long", 3), await redis.rpop("long", 2), await redis.lpop("no", 3), await redis.llen("long")], [jobsTo(3), ["job:4999", "job:4998"], null, 4996]);
  await redis.rpush("colors", "red", "blue", "red", "green", "red");
  equal([await redis.lpos("colors", "red", "RANK", -1), await redis.lpos("colors", "red", "COUNT", 0), await redis.lrem("colors", -2, "red"), await redis.lrange("colors", 0, -1)], [4, [0, 2, 4], 2, ["red", "blue", "green"]]);
  await fails(redis.lset("no", 0, "x"), /^ERR no such key$/);
  await fails(redis.lset("colors", 9, "x"), /^ERR index out of range$/);
  await fails(redis.lpop("colors", -1), /^ERR value is out of range, must be positive$/);
  equal([await redis.type("colors"), await redis.object("ENCODING", "colors"), await redis.object("ENCODING", "long")], ["list", "listpack", "quicklist"]);
});

useCase("B28.unblock CLIENT UNBLOCK ends the wait of another connection", async (t) => {
  const [worker, app] = [open(t), open(t)];
  const id = await worker.client("ID");
  for (const [how, end] of [[[], (wait) => wait.then((reply) => equal(reply, null))], [["ERROR"], (wait) => fails(wait, /^UNBLOCKED client unblocked via CLIENT UNBLOCK$/)]]) {
    const wait = worker.blpop("never", 0);
    const ended = end(wait);
    await waiting(app, 1);
    equal(await app.client("UNBLOCK", id, ...how), 1);
    await ended;
  }
  equal([await app.client("UNBLOCK", id), await worker.ping()], [0, "PONG"]);
});
