// Bull 4, the library before BullMQ, which waits with BRPOPLPUSH and hears of what happens over channels.
import { fork } from "node:child_process";
import Bull from "bull";
import { Redis } from "ioredis5";
import { equal, eventually, lagOf, oneTo, ok, onTime, server, sleep, useCase } from "../lib/use_case.mjs";

const complaints = [];
for (const way of ["log", "info", "warn", "error"]) console[way] = (...words) => complaints.push(words.join(" "));

let count = 0;
const sorted = (numbers) => [...numbers].sort((a, b) => a - b);

function queue(t, word, more = {}) {
  const name = more.name ?? `${word}-${(count += 1)}`;
  const q = new Bull(name, { redis: server, ...more });
  q.on("error", () => {});
  t.later(() => q.close(true));
  return q;
}

async function finished(q, wanted, patience = 15_000) {
  await eventually(`${wanted} jobs are done`, async () => {
    const { completed, failed } = await q.getJobCounts();
    return completed + failed === wanted;
  }, patience);
}

useCase("B29.add a job with its data, progress, log and result", async (t) => {
  const q = queue(t, "add");
  const listener = queue(t, "add", { name: q.name });
  const data = { to: "ann@example.com", body: "Привет ✓", parts: [1, 2.5, -3, 1e21, null, true], empty: { list: [], map: {} } };
  const job = await q.add("email", data, { jobId: "mail-1" });
  equal([(await q.add("email", { other: true }, { jobId: "mail-1" })).id, await q.count(), await job.getState()], ["mail-1", 1, "waiting"]);
  const progress = [];
  listener.on("global:progress", (id, value) => progress.push([id, value]));
  await listener.isReady();
  const seen = [];
  q.process("email", async (taken) => {
    seen.push(taken.data);
    await taken.progress(50);
    await taken.log("one");
    await taken.log("two");
    return { accepted: ["ann"], nothing: [] };
  });
  equal(await job.finished(), { accepted: ["ann"], nothing: [] });
  equal(seen, [data]);
  const done = await q.getJob("mail-1");
  equal([await done.getState(), done.returnvalue, done.progress(), (await q.getJobLogs("mail-1")).logs], ["completed", { accepted: ["ann"], nothing: [] }, 50, ["one", "two"]]);
  await eventually("its progress was heard elsewhere", () => progress.length === 1);
  equal(progress, [["mail-1", 50]]);
  equal([await q.getJob("no such job"), await done.remove(), await q.getJob("mail-1")], [null, undefined, null]);
});

useCase("B29.order first in, first out, and the other way round with lifo", async (t) => {
  for (const lifo of [false, true]) {
    const q = queue(t, "order");
    await q.addBulk(oneTo(300).map((number) => ({ data: number, opts: { lifo } })));
    equal(await q.getWaitingCount(), 300);
    const done = [];
    q.process(async (job) => done.push(job.data));
    await finished(q, 300);
    equal(done, lifo ? oneTo(300).reverse() : oneTo(300));
  }
});

useCase(
  "B29.many three thousand jobs, four workers with ten hands each: every job exactly once",
  async (t) => {
    const JOBS = 3000;
    const q = queue(t, "many");
    const done = [];
    for (let number = 0; number < 4; number += 1) {
      queue(t, "many", { name: q.name }).process(10, async ({ data }) => {
        done.push(data.number);
        if (data.number % 7 === 0) await sleep(1);
      });
    }
    for (let from = 0; from < JOBS; from += 250) {
      const numbers = Array.from({ length: 250 }, (_, index) => from + index + 1);
      if ((from / 250) % 2) await q.addBulk(numbers.map((number) => ({ data: { number } })));
      else await Promise.all(numbers.map((number) => q.add({ number })));
    }
    await finished(q, JOBS, 30_000);
    equal(sorted(done), oneTo(JOBS), "each once");
    equal(await q.getJobCounts(), { waiting: 0, active: 0, completed: JOBS, failed: 0, delayed: 0, paused: 0 });
  },
  60_000,
);

useCase("B29.wake a waiting worker begins a job as soon as it comes", async (t) => {
  const q = queue(t, "wake");
  const begun = new Map();
  q.process(async (job) => begun.set(job.data, Date.now()));
  await q.isReady();
  const lag = lagOf(t);
  for (const number of oneTo(20)) {
    await sleep(10);
    const sent = Date.now();
    await q.add(number);
    await eventually("it has begun", () => begun.has(number));
    onTime(sent, begun.get(number), lag, `job ${number}`);
  }
});

useCase("B29.delayed each delayed job at its time, and in the order of the times", async (t) => {
  const q = queue(t, "delayed");
  const begun = [];
  q.process(async (job) => begun.push({ number: job.data, at: Date.now(), due: job.timestamp + job.opts.delay }));
  await q.isReady();
  const lag = lagOf(t);
  const delays = oneTo(12).map((number) => 500 + ((number * 7) % 12) * 60);
  await Promise.all(delays.map((delay) => q.add(delay, { delay })));
  equal(await q.getDelayedCount(), 12);
  await finished(q, 12);
  equal(begun.map(({ number }) => number), sorted(delays));
  for (const { number, at, due } of begun) onTime(due, at, lag, `the job after ${number} ms`);
  const job = await q.add(1, { delay: 60_000 });
  await job.promote();
  await finished(q, 13);
});

useCase("B29.priority the most urgent first, and in turn among equals", async (t) => {
  const q = queue(t, "priority");
  const priorities = oneTo(100).map((number) => [1, 10, 3, 2, 5][number % 5]);
  for (const [index, priority] of priorities.entries()) await q.add({ index }, { priority });
  const wanted = priorities.map((priority, index) => ({ priority, index })).sort((a, b) => a.priority - b.priority || a.index - b.index);
  const done = [];
  q.process(async (job) => done.push(job.data.index));
  await finished(q, 100);
  equal(done, wanted.map(({ index }) => index));
});

useCase("B29.retry again after the pause that was agreed, until it gives up", async (t) => {
  const q = queue(t, "retry");
  const tries = {};
  const work = async (job) => {
    (tries[job.name] ??= []).push(Date.now());
    if (tries[job.name].length < 4) throw new Error(`no ${tries[job.name].length}`);
    return "at last";
  };
  for (const kind of ["exponential", "fixed", "few"]) q.process(kind, work);
  await q.isReady();
  const few = await q.add("few", 0, { attempts: 2 });
  await q.add("fixed", 0, { attempts: 4, backoff: 80 });
  await q.add("exponential", 0, { attempts: 4, backoff: { type: "exponential", delay: 50 } });
  await finished(q, 3);
  const pauses = (kind) => tries[kind].slice(1).map((at, index) => at - tries[kind][index]);
  ok(pauses("fixed").every((pause) => pause >= 79), `fixed: ${pauses("fixed")}`);
  // It begins with one pause, then three, then seven of them.
  pauses("exponential").forEach((pause, index) => ok(pause >= [50, 150, 350][index] - 1, `exponential ${index}: ${pause}`));
  const gaveUp = await q.getJob(few.id);
  equal([gaveUp.failedReason, gaveUp.attemptsMade, gaveUp.stacktrace.length, (await q.getFailed()).map(({ id }) => id)], ["no 2", 2, 2, [few.id]]);
  await gaveUp.retry();
  await eventually("a third time", async () => tries.few.length === 3 && (await gaveUp.isFailed()));
});

useCase("B29.limiter no more jobs than agreed in each span of time", async (t) => {
  const q = queue(t, "limiter", { limiter: { max: 5, duration: 250 } });
  const begun = [];
  let first = Infinity;
  q.process(3, async (job) => {
    first = Math.min(first, job.processedOn);
    begun.push(Date.now());
  });
  await q.addBulk(oneTo(20).map((data) => ({ data })));
  await finished(q, 20, 8000);
  for (const span of [1, 2, 3]) ok(begun[5 * span] - first >= 250 * span - 1, `span ${span} began after ${begun[5 * span] - first} ms`);
});

useCase("B29.pause nothing begins while the queue is paused, and nothing is lost", async (t) => {
  const q = queue(t, "pause");
  const done = [];
  q.process(async (job) => done.push(job.data));
  await q.isReady();
  await q.pause();
  await q.addBulk(oneTo(50).map((data) => ({ data })));
  await sleep(100);
  equal([await q.isPaused(), (await q.getJobCounts()).paused, done], [true, 50, []]);
  await q.resume();
  await finished(q, 50);
  equal(done, oneTo(50));
});

useCase("B29.repeat a job that comes by plan, and stops when the plan is taken away", async (t) => {
  const q = queue(t, "repeat");
  const begun = [];
  q.process("tick", async (job) => begun.push({ at: Date.now(), due: Number(String(job.id).split(":").at(-1)) }));
  q.process("cron", async () => {});
  await q.isReady();
  const lag = lagOf(t);
  await q.add("tick", {}, { repeat: { every: 200, limit: 4 } });
  await q.add("cron", {}, { repeat: { cron: "0 0 1 1 *", tz: "Europe/Vienna" } });
  equal((await q.getRepeatableJobs()).map(({ name }) => name).sort(), ["cron", "tick"]);
  await eventually("four times", () => begun.length === 4);
  for (const { at, due } of begun) onTime(due, at, lag, "a beat");
  // A beat is left out when the machine is so busy that its time has gone by.
  begun.slice(1).forEach(({ due }, index) => equal([due > begun[index].due, (due - begun[index].due) % 200], [true, 0], "whole beats"));
  await q.removeRepeatable("cron", { cron: "0 0 1 1 *", tz: "Europe/Vienna" });
  equal([(await q.getRepeatableJobs()).map(({ name }) => name), await q.getDelayedCount()], [["tick"], 0]);
});

useCase("B29.stalled a job whose worker was killed is done by another one, once", async (t) => {
  const q = queue(t, "stalled");
  const job = await q.add({ what: "precious" });
  const victim = fork(new URL("../lib/bull_victim.mjs", import.meta.url), [q.name], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  t.later(() => victim.kill("SIGKILL"));
  await new Promise((resolve, reject) => victim.once("message", resolve).once("exit", reject));
  victim.kill("SIGKILL");
  equal(await q.getActiveCount(), 1);
  const other = queue(t, "stalled", { name: q.name, settings: { stalledInterval: 100, lockDuration: 300 } });
  const [done, stalled] = [[], []];
  other.on("stalled", ({ id }) => stalled.push(id));
  other.process(async (taken) => done.push(taken.data.what));
  await finished(q, 1);
  equal([done, stalled, await job.getState()], [["precious"], [job.id], "completed"]);
});

useCase("B29.events everybody hears what happens to a job", async (t) => {
  const q = queue(t, "events");
  const listeners = [queue(t, "events", { name: q.name }), queue(t, "events", { name: q.name })];
  const heard = listeners.map((listener) => {
    const mine = [];
    for (const happening of ["waiting", "active", "completed", "failed", "paused", "resumed", "drained"]) listener.on(`global:${happening}`, (...words) => mine.push([happening, ...words]));
    return mine;
  });
  await Promise.all(listeners.map((listener) => listener.isReady()));
  const redis = new Redis(server);
  t.later(() => redis.disconnect());
  await eventually("both listen", async () => (await redis.client("LIST", "TYPE", "pubsub")).split("\n").filter((line) => / (psub|sub)=[1-9]/.test(line)).length >= 2);
  q.process(async (job) => {
    if (job.data.bad) throw new Error("no");
    return { yes: true };
  });
  await q.add({}, { jobId: "g" });
  await q.add({ bad: true }, { jobId: "b" });
  await eventually("all is heard", () => heard.every((mine) => mine.some(([happening]) => happening === "failed") && mine.some(([happening]) => happening === "completed")));
  for (const mine of heard) {
    ok(mine.some(([happening, id, result]) => happening === "completed" && id === "g" && result === '{"yes":true}'), `the result: ${JSON.stringify(mine)}`);
    ok(mine.some(([happening, id, reason]) => happening === "failed" && id === "b" && reason === "no"), "the reason");
  }
});

useCase("B29.clean cleaning, emptying and obliterating leave nothing behind", async (t) => {
  const q = queue(t, "clean");
  const redis = new Redis(server);
  t.later(() => redis.disconnect());
  q.process(async (job) => {
    if (job.data % 2) throw new Error("odd");
  });
  await q.addBulk(oneTo(40).map((data) => ({ data })));
  await finished(q, 40);
  equal([(await q.clean(0, "completed", 5)).length, (await q.clean(60_000, "failed")).length, (await q.clean(0, "failed")).length], [5, 0, 20]);
  equal((await q.getJobCounts()).completed, 15);
  await q.pause();
  await q.addBulk(oneTo(100).map((data) => ({ data })));
  await q.empty();
  equal(await q.count(), 0);
  // Emptying has ended the pause. A worker that fetches a job while its queue is obliterated writes it anew.
  await q.pause(true);
  await q.addBulk(oneTo(100).map((data) => ({ data, opts: { delay: 60_000 } })));
  await q.addBulk(oneTo(400).map((data) => ({ data, opts: { priority: 1 + (data % 3) } })));
  await q.obliterate({ force: true });
  equal((await redis.keys(`bull:${q.name}:*`)).filter((key) => !key.endsWith(":id")), []);
});

useCase("B29.lost a worker which lost its connections comes back and ends what there is to do", async (t) => {
  const q = queue(t, "lost", { settings: { stalledInterval: 300, lockDuration: 1000, maxStalledCount: 10 } });
  const redis = new Redis(server);
  t.later(() => redis.disconnect());
  const done = new Set();
  q.process(3, async (job) => {
    await sleep(2);
    done.add(job.data);
  });
  await q.addBulk(oneTo(100).map((data) => ({ data, opts: { jobId: `job-${data}` } })));
  await eventually("some are done", () => done.size > 10);
  const own = await redis.client("ID");
  for (const line of (await redis.client("LIST")).trim().split("\n")) {
    const id = line.match(/^id=(\d+)/)[1];
    if (Number(id) !== Number(own)) await redis.client("KILL", "ID", id);
  }
  await finished(q, 100, 12_000);
  equal([sorted(done), await q.getFailedCount()], [oneTo(100), 0]);
}, 30_000);

useCase("B29.quiet no complaint was heard", async () => {
  equal(complaints, []);
});
