// Bee-Queue, whose client is node-redis 3 with RESP2, as many apps still have it.
import { fork } from "node:child_process";
import Queue from "bee-queue";
import { Redis } from "ioredis5";
import { equal, eventually, fails, lagOf, oneTo, ok, onTime, server, sleep, useCase } from "../lib/use_case.mjs";

const complaints = [];
for (const way of ["log", "info", "warn", "error"]) console[way] = (...words) => complaints.push(words.join(" "));

let count = 0;
const sorted = (numbers) => [...numbers].sort((a, b) => a - b);

async function queue(t, word, more = {}) {
  const q = new Queue(more.name ?? `${word}-${(count += 1)}`, { redis: server, delayedDebounce: 1, stallInterval: 500, ...more });
  q.on("error", () => {});
  t.later(() => q.close(1));
  await q.ready();
  return q;
}

async function finished(q, wanted, patience = 15_000) {
  await eventually(`${wanted} jobs are done`, async () => {
    const { succeeded, failed } = await q.checkHealth();
    return succeeded + failed === wanted;
  }, patience);
}

const ended = (job) => new Promise((resolve, reject) => job.once("succeeded", resolve).once("failed", reject));

useCase("B29.add a job with its data, progress and result", async (t) => {
  const q = await queue(t, "add");
  const worker = await queue(t, "add", { name: q.name });
  const data = { to: "ann@example.com", body: "Привет ✓", parts: [1, 2.5, -3, 1e21, null, true], empty: { list: [], map: {} } };
  const job = await q.createJob(data).setId("mail-1").save();
  // The second one of that name is the first one, and tells so by having no id.
  equal([job.id, (await q.createJob({ other: true }).setId("mail-1").save()).id, (await q.checkHealth()).waiting], ["mail-1", null, 1]);
  const [progress, seen, result] = [[], [], ended(job)];
  job.on("progress", (value) => progress.push(value));
  worker.process(async (taken) => {
    seen.push(taken.data);
    taken.reportProgress({ percent: 50 });
    await sleep(5);
    return { accepted: ["ann"], nothing: [] };
  });
  equal(await result, { accepted: ["ann"], nothing: [] });
  equal([seen, progress], [[data], [{ percent: 50 }]]);
  equal([(await q.getJob("mail-1")).status, (await q.getJobs("succeeded", { size: 10 })).map(({ id }) => id)], ["succeeded", ["mail-1"]]);
  await q.removeJob("mail-1");
  equal(await q.getJob("mail-1"), null);
});

useCase("B29.order first in, first out", async (t) => {
  const q = await queue(t, "order");
  await q.saveAll(oneTo(300).map((number) => q.createJob(number)));
  equal((await q.checkHealth()).waiting, 300);
  const done = [];
  q.process(async (job) => done.push(job.data));
  await finished(q, 300);
  equal(done, oneTo(300));
});

useCase(
  "B29.many three thousand jobs, four workers with ten hands each: every job exactly once",
  async (t) => {
    const JOBS = 3000;
    const q = await queue(t, "many");
    const [done, told] = [[], []];
    q.on("job succeeded", (id) => told.push(Number(id)));
    for (let number = 0; number < 4; number += 1) {
      (await queue(t, "many", { name: q.name })).process(10, async ({ data }) => {
        done.push(data);
        if (data % 7 === 0) await sleep(1);
      });
    }
    for (let from = 0; from < JOBS; from += 250) {
      const jobs = Array.from({ length: 250 }, (_, index) => q.createJob(from + index + 1));
      if ((from / 250) % 2) equal((await q.saveAll(jobs)).size, 0, "errors");
      else await Promise.all(jobs.map((job) => job.save()));
    }
    await finished(q, JOBS, 30_000);
    equal(sorted(done), oneTo(JOBS), "each once");
    await eventually("all have been told", () => told.length === JOBS);
    equal(sorted(told), oneTo(JOBS), "events");
    const { waiting, active, succeeded, failed, delayed } = await q.checkHealth();
    equal([waiting, active, succeeded, failed, delayed], [0, 0, JOBS, 0, 0]);
  },
  60_000,
);

useCase("B29.delayed each delayed job at its time, and in the order of the times", async (t) => {
  const q = await queue(t, "delayed", { activateDelayedJobs: true });
  const begun = [];
  q.process(async (job) => begun.push({ number: job.data, at: Date.now(), due: job.options.delay }));
  const lag = lagOf(t);
  const now = Date.now();
  const delays = oneTo(12).map((number) => 500 + ((number * 7) % 12) * 60);
  await Promise.all(delays.map((delay) => q.createJob(delay).delayUntil(now + delay).save()));
  equal((await q.checkHealth()).delayed, 12);
  await finished(q, 12);
  equal(begun.map(({ number }) => number), sorted(delays));
  for (const { number, at, due } of begun) onTime(due, at, lag, `the job after ${number} ms`);
});

useCase("B29.retry again after the pause that was agreed, until it gives up", async (t) => {
  const q = await queue(t, "retry", { activateDelayedJobs: true });
  const tries = {};
  q.process(5, async ({ data }) => {
    (tries[data] ??= []).push(Date.now());
    if (tries[data].length < 4) throw new Error(`no ${tries[data].length}`);
    return "at last";
  });
  const jobs = [q.createJob("fixed").retries(3).backoff("fixed", 80), q.createJob("exponential").retries(3).backoff("exponential", 50), q.createJob("at once").retries(3), q.createJob("few").retries(1)];
  const ends = jobs.map((job) => ended(job));
  const gaveUp = fails(ends[3], /^no 2$/);
  for (const job of jobs) await job.save();
  equal(await Promise.all(ends.slice(0, 3)), ["at last", "at last", "at last"]);
  await gaveUp;
  const pauses = (kind) => tries[kind].slice(1).map((at, index) => at - tries[kind][index]);
  ok(pauses("fixed").every((pause) => pause >= 79), `fixed: ${pauses("fixed")}`);
  pauses("exponential").forEach((pause, index) => ok(pause >= 50 * 2 ** index - 1, `exponential ${index}: ${pause}`));
  equal([(await q.getJobs("failed", { size: 9 })).map(({ data }) => data), (await q.getJob(jobs[3].id)).status], [["few"], "failed"]);
});

useCase("B29.timeout a job which takes too long fails", async (t) => {
  const q = await queue(t, "timeout");
  q.process(() => new Promise(() => {}));
  const job = q.createJob("x").timeout(50);
  const end = fails(ended(job), /timed out/);
  await job.save();
  await end;
  equal((await q.checkHealth()).failed, 1);
});

useCase("B29.stalled a job whose worker was killed is done by another one, once", async (t) => {
  const q = await queue(t, "stalled", { stallInterval: 200 });
  const job = await q.createJob("precious").save();
  const end = ended(job);
  const victim = fork(new URL("../lib/bee_victim.mjs", import.meta.url), [q.name], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  t.later(() => victim.kill("SIGKILL"));
  await new Promise((resolve, reject) => victim.once("message", resolve).once("exit", reject));
  victim.kill("SIGKILL");
  equal((await q.checkHealth()).active, 1);
  const [done, stalled] = [[], []];
  q.on("stalled", (id) => stalled.push(id));
  q.process(async (taken) => done.push(taken.data));
  q.checkStalledJobs(100);
  await end;
  equal([done, stalled], [["precious"], [job.id]]);
});

useCase("B29.clean a destroyed queue leaves nothing behind", async (t) => {
  const q = await queue(t, "clean", { removeOnSuccess: true });
  const redis = new Redis(server);
  t.later(() => redis.disconnect());
  await q.saveAll(oneTo(100).map((number) => q.createJob(number)));
  equal((await redis.hlen(`bq:${q.name}:jobs`)), 100);
  const worker = await queue(t, "clean", { name: q.name, removeOnSuccess: true });
  worker.process(async () => {});
  await eventually("those who are done are gone", async () => (await redis.hlen(`bq:${q.name}:jobs`)) === 0);
  await worker.close(100);
  await q.createJob(1).save();
  await q.destroy();
  equal(await redis.keys(`bq:${q.name}:*`), []);
});

useCase("B29.quiet no complaint was heard", async () => {
  equal(complaints, []);
});
