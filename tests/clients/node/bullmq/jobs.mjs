// What a job goes through in BullMQ: added, waited for, in order or by priority, at its time, again and again, and all of them exactly
// once however many workers there are.
import { equal, eventually, fails, lagOf, oneTo, ok, onTime, sleep, useCase } from "../lib/use_case.mjs";
import { Job, complaints, name, open, queue, queueEvents, UnrecoverableError, worker } from "../lib/bullmq.mjs";

const sorted = (numbers) => [...numbers].sort((a, b) => a - b);

/** Waits until the queue has done so many jobs, failed ones among them. */
async function finished(q, count, patience = 15_000) {
  await eventually(`${count} jobs are done`, async () => (await q.getJobCountByTypes("completed", "failed")) === count, patience);
}

/** How many jobs are in these states; version 5 counts the paused ones unasked with the waiting ones. */
async function counts(q, ...states) {
  const all = await q.getJobCounts(...states);
  return Object.fromEntries(states.map((state) => [state, all[state]]));
}

useCase("B29.add a job with its data, progress, log and result", async (t) => {
  const q = await queue(t, name("add"));
  const events = await queueEvents(t, q.name);
  const data = { to: "ann@example.com", body: "Привет ✓", parts: [1, 2.5, -3, 1e21, null, true], empty: { list: [], map: {} }, big: 9_007_199_254_740_991 };
  const job = await q.add("email", data, { jobId: "mail-1" });
  equal([job.id, await job.getState(), await q.count()], ["mail-1", "waiting", 1]);
  // The second one of that name is the first one.
  equal((await q.add("email", { other: true }, { jobId: "mail-1" })).id, "mail-1");
  equal(await q.count(), 1);
  const seen = [];
  await worker(t, q.name, async (taken) => {
    seen.push(taken.name, taken.data);
    await taken.updateProgress(50);
    await taken.updateProgress({ percent: 100, step: "sent" });
    await taken.log("one");
    await taken.log("two");
    await taken.updateData({ ...taken.data, sent: true });
    return { accepted: ["ann"], nothing: [] };
  });
  equal(await job.waitUntilFinished(events), { accepted: ["ann"], nothing: [] });
  equal(seen, ["email", data]);
  const done = await q.getJob("mail-1");
  equal([await done.getState(), done.returnvalue, done.progress, done.attemptsMade, done.data], ["completed", { accepted: ["ann"], nothing: [] }, { percent: 100, step: "sent" }, 1, { ...data, sent: true }]);
  equal(await q.getJobLogs("mail-1"), { logs: ["one", "two"], count: 2 });
  ok(done.timestamp <= done.processedOn && done.processedOn <= done.finishedOn, "its times are in order");
  equal(await counts(q, "waiting", "active", "completed", "failed", "delayed", "prioritized"), { waiting: 0, active: 0, completed: 1, failed: 0, delayed: 0, prioritized: 0 });
  equal([await q.getJob("no such job"), await q.getJobState("no such job")], [undefined, "unknown"]);
  equal([await done.remove(), await q.getJob("mail-1")], [undefined, undefined]);
});

useCase("B29.order first in, first out, and the other way round with lifo", async (t) => {
  for (const lifo of [false, true]) {
    const q = await queue(t, name("order"));
    await q.addBulk(oneTo(300).map((number) => ({ name: "n", data: number, opts: { lifo } })));
    equal(await q.getWaitingCount(), 300);
    const done = [];
    await worker(t, q.name, async (job) => done.push(job.data));
    await finished(q, 300);
    equal(done, lifo ? oneTo(300).reverse() : oneTo(300));
    equal(sorted((await q.getCompleted()).map((job) => job.data)), oneTo(300));
  }
});

useCase(
  "B29.many five thousand jobs, five workers with twenty hands each: every job exactly once",
  async (t) => {
    const JOBS = 5000;
    const q = await queue(t, name("many"));
    const events = await queueEvents(t, q.name);
    const told = [];
    events.on("completed", ({ jobId, returnvalue }) => told.push([jobId, returnvalue]));
    const done = [];
    for (let number = 0; number < 5; number += 1) {
      await worker(t, q.name, async (job) => {
        done.push(job.data.number);
        if (job.data.number % 7 === 0) await sleep(1);
        return String(job.data.number * 2);
      }, { concurrency: 20 });
    }
    const ids = [];
    for (let from = 0; from < JOBS; from += 250) {
      // Half of them come one by one, and half of them together.
      const numbers = Array.from({ length: 250 }, (_, index) => from + index + 1);
      if ((from / 250) % 2) ids.push(...(await q.addBulk(numbers.map((number) => ({ name: "n", data: { number } })))).map(({ id }) => id));
      else ids.push(...(await Promise.all(numbers.map((number) => q.add("n", { number })))).map(({ id }) => id));
    }
    await finished(q, JOBS, 30_000);
    equal(sorted(done), oneTo(JOBS), "each once");
    equal(sorted(ids.map(Number)), oneTo(JOBS), "ids");
    await eventually("the last event has come", () => told.length === JOBS, 10_000);
    equal(sorted(told.map(([id]) => Number(id))), oneTo(JOBS), "events");
    equal(await q.getJobCounts(), { ...Object.fromEntries(Object.keys(await q.getJobCounts()).map((state) => [state, 0])), completed: JOBS });
  },
  60_000,
);

useCase("B29.wake a waiting worker begins a job as soon as it comes", async (t) => {
  const q = await queue(t, name("wake"));
  const begun = new Map();
  await worker(t, q.name, async (job) => begun.set(job.data, Date.now()));
  const lag = lagOf(t);
  for (const number of oneTo(20)) {
    await sleep(10);
    const sent = Date.now();
    await q.add("n", number);
    await eventually("it has begun", () => begun.has(number));
    onTime(sent, begun.get(number), lag, `job ${number}`);
  }
});

useCase("B29.delayed each delayed job at its time, and in the order of the times", async (t) => {
  const q = await queue(t, name("delayed"));
  const begun = [];
  await worker(t, q.name, async (job) => begun.push({ number: job.data, at: Date.now(), due: job.timestamp + job.opts.delay }));
  const lag = lagOf(t);
  const delays = oneTo(16).map((number) => 500 + ((number * 7) % 16) * 50);
  await Promise.all(delays.map((delay) => q.add("n", delay, { delay })));
  equal(await q.getDelayedCount(), 16);
  await finished(q, 16);
  equal(begun.map(({ number }) => number), sorted(delays));
  for (const { number, at, due } of begun) onTime(due, at, lag, `the job after ${number} ms`);
  // One is put off, one is taken now, and one never comes.
  const [later, now, never] = await Promise.all([q.add("n", 1, { delay: 30_000 }), q.add("n", 2, { delay: 60_000 }), q.add("n", 3, { delay: 1500 })]);
  await now.promote();
  await never.remove();
  const due = Date.now() + 300;
  await later.changeDelay(300);
  equal(await q.getJob(never.id), undefined);
  await finished(q, 18);
  equal(begun.slice(16).map(({ number }) => number), [2, 1]);
  ok(begun[17].at >= due - 1, "put off");
  equal(await q.getDelayedCount(), 0);
});

useCase("B29.priority the most urgent first, and in turn among equals", async (t) => {
  const q = await queue(t, name("priority"));
  const priorities = oneTo(120).map((number) => [0, 10, 1, 2_097_151, 5][number % 5]);
  const jobs = await q.addBulk(priorities.map((priority, index) => ({ name: "n", data: index, opts: { priority } })));
  equal(await q.getCountsPerPriority([0, 1, 5, 10, 11]), { 0: 24, 1: 24, 5: 24, 10: 24, 11: 0 });
  equal([await q.getPrioritizedCount(), await q.getWaitingCount()], [96, 24]);
  // One of the last ones becomes urgent, and one jumps the queue of its equals.
  const wanted = priorities.map((priority, index) => ({ priority, index })).sort((a, b) => a.priority - b.priority || a.index - b.index).map(({ index }) => index);
  const slow = priorities.findLastIndex((priority) => priority === 2_097_151);
  await jobs[slow].changePriority({ priority: 1, lifo: true });
  const urgent = wanted.findIndex((index) => priorities[index] === 1);
  wanted.splice(wanted.indexOf(slow), 1);
  wanted.splice(urgent, 0, slow);
  const done = [];
  await worker(t, q.name, async (job) => done.push(job.data));
  await finished(q, 120);
  equal(done, wanted);
});

useCase("B29.retry again after the pause that was agreed, until it gives up", async (t) => {
  const q = await queue(t, name("retry"));
  const events = await queueEvents(t, q.name);
  const failed = [];
  events.on("failed", ({ jobId, failedReason }) => failed.push([jobId, failedReason]));
  const tries = {};
  const w = await worker(t, q.name, async (job) => {
    (tries[job.name] ??= []).push(Date.now());
    if (job.name === "hopeless") throw new UnrecoverableError("never");
    if (tries[job.name].length < 4) throw new Error(`no ${tries[job.name].length}`);
    return "at last";
  }, { settings: { backoffStrategy: (attempt) => attempt * 60 }, concurrency: 10 });
  const ended = [];
  w.on("failed", (job) => ended.push([job.name, Date.now()]));
  const lag = lagOf(t);
  const pauses = { exponential: [50, 100, 200], fixed: [80, 80, 80], own: [60, 120, 180] };
  const jobs = {
    exponential: await q.add("exponential", 0, { attempts: 4, backoff: { type: "exponential", delay: 50 } }),
    fixed: await q.add("fixed", 0, { attempts: 4, backoff: 80 }),
    own: await q.add("own", 0, { attempts: 4, backoff: { type: "own" } }),
    few: await q.add("few", 0, { attempts: 2 }),
    hopeless: await q.add("hopeless", 0, { attempts: 9, backoff: 10 }),
  };
  await finished(q, 5);
  for (const [kind, wanted] of Object.entries(pauses)) {
    equal(tries[kind].length, 4, kind);
    const failures = ended.filter(([of]) => of === kind).map(([, at]) => at);
    // The pause begins somewhere between the try and the moment at which the failure was known here.
    wanted.forEach((pause, index) => {
      ok(tries[kind][index + 1] >= tries[kind][index] + pause - 1, `${kind} ${index}: too early`);
      onTime(tries[kind][index] + pause, Math.max(tries[kind][index] + pause, tries[kind][index + 1] - Math.max(0, failures[index] - tries[kind][index])), lag, `${kind} ${index}`);
    });
    equal(await jobs[kind].getState(), "completed");
  }
  equal([tries.few.length, tries.hopeless.length], [2, 1]);
  const gaveUp = await q.getJob(jobs.few.id);
  equal([gaveUp.failedReason, gaveUp.attemptsMade, gaveUp.stacktrace.length, (await q.getFailed()).map((job) => job.name).sort()], ["no 2", 2, 2, ["few", "hopeless"]]);
  await eventually("both have been told", () => failed.length === 2);
  equal(Object.fromEntries(failed), { [jobs.few.id]: "no 2", [jobs.hopeless.id]: "never" });
  // By hand they are tried again, one alone and then all.
  await gaveUp.retry();
  await eventually("a third time", async () => tries.few.length === 3 && (await gaveUp.isFailed()));
  await q.retryJobs({ state: "failed" });
  await eventually("a fourth time", async () => (await gaveUp.isCompleted()) && tries.hopeless.length === 2);
  await fails((await q.getJob(jobs.fixed.id)).retry("failed"), /not in the failed state/);
});

useCase("B29.limiter no more jobs than agreed in each span of time", async (t) => {
  const q = await queue(t, name("limiter"));
  const begun = [];
  let first = Infinity;
  const work = async (job) => {
    first = Math.min(first, job.processedOn);
    begun.push(Date.now());
  };
  for (let number = 0; number < 3; number += 1) await worker(t, q.name, work, { limiter: { max: 5, duration: 250 }, concurrency: 4 });
  await q.addBulk(oneTo(20).map((number) => ({ name: "n", data: number })));
  await eventually("the limit is reached", async () => (await q.getRateLimitTtl(5)) > 0);
  await finished(q, 20);
  // The first span begins when the server has let the first job go, which is after a worker asked for it.
  for (const span of [1, 2, 3]) ok(begun[5 * span] - first >= 250 * span - 1, `span ${span} began after ${begun[5 * span] - first} ms`);
  ok(begun[19] - first < 3000, `all took ${begun[19] - first} ms`);
});

useCase("B29.pause nothing begins while the queue is paused, and nothing is lost", async (t) => {
  const q = await queue(t, name("pause"));
  const done = [];
  const w = await worker(t, q.name, async (job) => done.push(job.data));
  await q.pause();
  await q.addBulk(oneTo(50).map((number) => ({ name: "n", data: number })));
  equal([await q.isPaused(), (await q.getJobCountByTypes("paused", "waiting")), done], [true, 50, []]);
  await sleep(100);
  equal(done, []);
  await q.resume();
  await finished(q, 50);
  equal([await q.isPaused(), done], [false, oneTo(50)]);
  // A worker can also stop by itself.
  await w.pause();
  await q.add("n", 51);
  await sleep(100);
  equal([w.isPaused(), await q.count()], [true, 1]);
  w.resume();
  await finished(q, 51);
});

useCase("B29.stalled a job whose worker was killed is done by another one, once", async (t) => {
  const { fork } = await import("node:child_process");
  const q = await queue(t, name("stalled"));
  const events = await queueEvents(t, q.name);
  const stalled = [];
  events.on("stalled", ({ jobId }) => stalled.push(jobId));
  const job = await q.add("n", "precious");
  const victim = fork(new URL("../lib/bullmq_victim.mjs", import.meta.url), [q.name], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  t.later(() => victim.kill("SIGKILL"));
  await new Promise((resolve, reject) => victim.once("message", resolve).once("exit", reject));
  victim.kill("SIGKILL");
  equal([await job.getState(), await q.getActiveCount()], ["active", 1]);
  const done = [];
  await worker(t, q.name, async (taken) => done.push(taken.data), { stalledInterval: 150, lockDuration: 300 });
  await finished(q, 1);
  await eventually("the event has come", () => stalled.length === 1);
  equal([done, stalled, await job.getState(), (await q.getJob(job.id)).stalledCounter], [["precious"], [job.id], "completed", 1]);
});

useCase("B29.hung a job which stalls too often fails", async (t) => {
  const q = await queue(t, name("hung"));
  const job = await q.add("n", "x");
  // A worker which does not renew its lock, as if the process hung.
  const hung = await worker(t, q.name, () => new Promise(() => {}), { lockDuration: 100, skipLockRenewal: true, skipStalledCheck: true });
  await eventually("it is at work", async () => (await q.getActiveCount()) === 1);
  await hung.close(true);
  await worker(t, q.name, async () => {}, { stalledInterval: 60, lockDuration: 100, maxStalledCount: 0 });
  await eventually("it has failed", () => job.isFailed());
  equal((await q.getJob(job.id)).failedReason, "job stalled more than allowable limit");
});

useCase("B29.clean cleaning, draining and obliterating leave nothing behind", async (t) => {
  const q = await queue(t, name("clean"));
  const redis = open(t);
  const w = await worker(t, q.name, async (job) => {
    if (job.data % 2) throw new Error("odd");
  });
  await q.addBulk(oneTo(40).map((number) => ({ name: "n", data: number })));
  await finished(q, 40);
  equal([await q.getCompletedCount(), await q.getFailedCount()], [20, 20]);
  equal([(await q.clean(0, 5, "completed")).length, (await q.clean(60_000, 100, "completed")).length, (await q.clean(0, 100, "failed")).length], [5, 0, 20]);
  equal(await counts(q, "completed", "failed"), { completed: 15, failed: 0 });
  await w.pause();
  await q.addBulk(oneTo(10).map((number) => ({ name: "n", data: number, opts: { delay: number % 2 ? 60_000 : 0 } })));
  await q.drain();
  equal(await counts(q, "waiting", "delayed"), { waiting: 0, delayed: 5 });
  await q.drain(true);
  equal(await q.count(), 0);
  await w.close();
  await q.addBulk(oneTo(1200).map((number) => ({ name: "n", data: number, opts: { priority: number % 3, delay: number % 4 ? 0 : 60_000 } })));
  await q.obliterate();
  equal(await redis.keys(`bull:${q.name}:*`), []);
});

useCase("B29.keep finished jobs go as soon as nobody wants to keep them", async (t) => {
  const q = await queue(t, name("keep"), { defaultJobOptions: { removeOnComplete: 3, removeOnFail: { age: 3600, count: 2 } } });
  const redis = open(t);
  await worker(t, q.name, async (job) => {
    if (job.data > 20) throw new Error("too big");
  });
  await q.addBulk(oneTo(30).map((number) => ({ name: "n", data: number })));
  await eventually("all are done", async () => (await q.getJobCountByTypes("waiting", "active")) === 0);
  equal([sorted((await q.getCompleted()).map((job) => job.data)), sorted((await q.getFailed()).map((job) => job.data))], [[18, 19, 20], [29, 30]]);
  equal((await redis.keys(`bull:${q.name}:[0-9]*`)).filter((key) => /:\d+$/.test(key)).length, 5, "hashes of jobs");
});

useCase("B29.once the same thing asked for twice is done once", async (t) => {
  const q = await queue(t, name("once"));
  const [first, second] = [await q.add("n", 1, { deduplication: { id: "report" } }), await q.add("n", 2, { deduplication: { id: "report" } })];
  equal([second.id, await q.count(), await q.getDeduplicationJobId("report")], [first.id, 1, first.id]);
  const done = [];
  await worker(t, q.name, async (job) => done.push(job.data));
  await finished(q, 1);
  await q.add("n", 3, { deduplication: { id: "report" } });
  await finished(q, 2);
  // For some time, however soon the first one is done.
  const timed = { deduplication: { id: "timed", ttl: 300 } };
  const [a, b] = [await q.add("n", 4, timed), await q.add("n", 5, timed)];
  equal(a.id, b.id);
  await finished(q, 3);
  equal((await q.add("n", 6, timed)).id, a.id);
  await eventually("its time is over", async () => (await q.getDeduplicationJobId("timed")) === null);
  await q.add("n", 7, timed);
  await finished(q, 4);
  equal(done, [1, 3, 4, 7]);
});

useCase("B29.lost a worker which lost its connections comes back and ends what there is to do", async (t) => {
  const q = await queue(t, name("lost"));
  const redis = open(t);
  const done = new Set();
  await worker(t, q.name, async (job) => {
    await sleep(2);
    done.add(job.data);
  }, { concurrency: 3, stalledInterval: 200, lockDuration: 1000, maxStalledCount: 10 });
  await q.addBulk(oneTo(100).map((number) => ({ name: "n", data: number, opts: { jobId: `job-${number}` } })));
  await eventually("some are done", () => done.size > 10);
  const own = await redis.client("ID");
  for (const line of (await redis.client("LIST")).trim().split("\n")) {
    const id = line.match(/^id=(\d+)/)[1];
    if (Number(id) !== Number(own)) await redis.client("KILL", "ID", id);
  }
  await finished(q, 100, 10_000);
  equal(sorted(done), oneTo(100));
  equal(await q.getFailedCount(), 0);
}, 30_000);

useCase("B29.global one hand for the whole queue, however many workers there are", async (t) => {
  const q = await queue(t, name("global"));
  await q.setGlobalConcurrency(1);
  equal(await q.getGlobalConcurrency(), 1);
  let [busy, most] = [0, 0];
  for (let number = 0; number < 3; number += 1) {
    await worker(t, q.name, async () => {
      most = Math.max(most, (busy += 1));
      await sleep(3);
      busy -= 1;
    }, { concurrency: 5 });
  }
  await q.addBulk(oneTo(40).map((number) => ({ name: "n", data: number })));
  await finished(q, 40);
  equal(most, 1);
});

useCase("B29.who workers and listeners by name, counts over time", async (t) => {
  const q = await queue(t, name("who"));
  await worker(t, q.name, async () => {}, { name: "first", metrics: { maxDataPoints: 60 } });
  await worker(t, q.name, async () => {}, { metrics: { maxDataPoints: 60 } });
  await queueEvents(t, q.name);
  await eventually("both are seen", async () => (await q.getWorkersCount()) === 2);
  ok((await q.getWorkers()).some(({ rawname }) => rawname.endsWith(":w:first")), "the name of the first one");
  equal((await q.getQueueEvents()).length, 1);
  await q.addBulk(oneTo(10).map((number) => ({ name: "n", data: number })));
  await finished(q, 10);
  const { meta } = await q.getMetrics("completed");
  equal(Number(meta.count), 10);
  ok((await q.exportPrometheusMetrics()).includes(`bullmq_job_count{queue="${q.name}", state="completed"} 10`), "numbers for Prometheus");
  equal((await Job.fromId(q, "1")).data, 1);
});

useCase("B29.quiet no complaint about the server's version or policy was heard", async () => {
  equal(complaints, []);
});
