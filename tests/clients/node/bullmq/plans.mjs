// What goes beyond one job in BullMQ: jobs which make others, jobs that come again by plan, and who listens to them all.
import { equal, eventually, lagOf, oneTo, ok, onTime, useCase } from "../lib/use_case.mjs";
import { complaints, eventsProducer, flows, name, open, queue, queueEvents, worker } from "../lib/bullmq.mjs";

useCase("B29.flow parents begin when all their children are done, and have their results", async (t) => {
  const [house, walls] = [await queue(t, name("house")), await queue(t, name("walls"))];
  const producer = await flows(t);
  const order = [];
  await worker(t, walls.name, async (job) => {
    order.push(job.name);
    const bricks = Object.values(await job.getChildrenValues()).reduce((sum, { bricks }) => sum + bricks, 0);
    return { bricks: bricks + job.data.bricks };
  }, { concurrency: 5 });
  const walled = (side) => ({
    name: side,
    queueName: walls.name,
    data: { bricks: 100 },
    children: oneTo(3).map((number) => ({ name: `${side} ${number}`, queueName: walls.name, data: { bricks: number } })),
  });
  const tree = await producer.add({ name: "house", queueName: house.name, data: {}, children: ["north", "south"].map(walled) });
  equal([await tree.job.getState(), tree.children.length, tree.children[0].children.length], ["waiting-children", 2, 3]);
  const seen = await producer.getFlow({ id: tree.job.id, queueName: house.name });
  equal([seen.job.name, seen.children.map(({ job }) => job.name).sort()], ["house", ["north", "south"]]);
  const events = await queueEvents(t, house.name);
  await worker(t, house.name, async (job) => {
    order.push(job.name);
    const values = await job.getChildrenValues();
    return { walls: Object.keys(values).length, bricks: Object.values(values).map(({ bricks }) => bricks) };
  });
  equal(await tree.job.waitUntilFinished(events), { walls: 2, bricks: [106, 106] });
  equal(order.length, 9);
  equal(order.at(-1), "house");
  for (const side of ["north", "south"]) ok(oneTo(3).every((number) => order.indexOf(`${side} ${number}`) < order.indexOf(side)), `${side} after its parts`);
  equal(await tree.job.getDependenciesCount(), { processed: 2, unprocessed: 0, ignored: 0, failed: 0 });
});

useCase("B29.flow.failed a child that fails takes its parent with it, is ignored, or is let go", async (t) => {
  const [parents, children] = [await queue(t, name("parents")), await queue(t, name("children"))];
  const producer = await flows(t);
  await worker(t, children.name, async (job) => {
    if (job.name === "bad") throw new Error("broken");
    return "good";
  });
  await worker(t, parents.name, async (job) => Object.values(await job.getChildrenValues()));
  const family = (opts) => ({ name: "parent", queueName: parents.name, children: [{ name: "bad", queueName: children.name, opts }, { name: "good", queueName: children.name }] });
  const [doomed, careless, lonely] = await producer.addBulk([family({ failParentOnFailure: true }), family({ ignoreDependencyOnFailure: true }), family({ removeDependencyOnFailure: true })]);
  await eventually("all have ended", async () => (await parents.getJobCountByTypes("completed", "failed")) === 3);
  equal([await doomed.job.getState(), await careless.job.getState(), await lonely.job.getState()], ["failed", "completed", "completed"]);
  ok(/^child .* failed$/.test((await parents.getJob(doomed.job.id)).failedReason), "says which child");
  equal(Object.values(await careless.job.getIgnoredChildrenFailures()), ["broken"]);
  equal((await parents.getJob(careless.job.id)).returnvalue, ["good"]);
  // Removing a parent removes what it waits for.
  const unborn = await producer.add({ name: "parent", queueName: name("nobody"), children: oneTo(4).map(() => ({ name: "n", queueName: "waiting-children" })) });
  const waiting = await queue(t, "waiting-children");
  equal(await waiting.count(), 4);
  await unborn.job.remove();
  equal(await waiting.count(), 0);
});

useCase("B29.flow.many a hundred families at once, each parent once", async (t) => {
  const [parents, children] = [await queue(t, name("parents")), await queue(t, name("children"))];
  const producer = await flows(t);
  for (let number = 0; number < 2; number += 1) await worker(t, children.name, async (job) => job.data, { concurrency: 10 });
  const sums = [];
  await worker(t, parents.name, async (job) => sums.push([job.data, Object.values(await job.getChildrenValues()).sort((a, b) => a - b)]), { concurrency: 10 });
  const families = oneTo(100);
  await Promise.all(families.map((family) => producer.add({ name: "parent", queueName: parents.name, data: family, children: oneTo(5).map((number) => ({ name: "n", queueName: children.name, data: family * 10 + number })) })));
  await eventually("all parents are done", async () => (await parents.getCompletedCount()) === 100, 10_000);
  equal(sums.sort(([a], [b]) => a - b), families.map((family) => [family, oneTo(5).map((number) => family * 10 + number)]));
});

useCase("B29.repeat a job that comes every so often, so many times", async (t) => {
  const q = await queue(t, name("repeat"));
  const begun = [];
  await worker(t, q.name, async (job) => begun.push({ data: job.data, at: Date.now(), id: job.id }));
  const lag = lagOf(t);
  const first = await q.upsertJobScheduler("tick", { every: 150, limit: 5 }, { name: "tick", data: { n: 1 }, opts: { attempts: 2 } });
  ok(first.id.startsWith("repeat:tick:"), first.id);
  await eventually("five times", () => begun.length === 5);
  // The beats lie at whole multiples of the span, and so do the ids of their jobs. One is left out when the machine is so busy that
  // its time has gone by.
  begun.slice(1).forEach(({ at, id }, index) => {
    const due = Number(id.split(":").at(-1));
    const span = due - Number(begun[index].id.split(":").at(-1));
    equal([span > 0, span % 150], [true, 0], "from beat to beat");
    onTime(due, at, lag, `beat ${index + 1}`);
  });
  ok(begun.every(({ data }) => data.n === 1), "the data of the template");
  await eventually("it is over", async () => (await q.getDelayedCount()) === 0);
});

useCase("B29.repeat.cron by the clock, changed and ended while it runs", async (t) => {
  const q = await queue(t, name("cron"));
  const begun = [];
  await worker(t, q.name, async (job) => begun.push({ data: job.data, at: Date.now(), due: Number(job.id.split(":").at(-1)) }));
  const lag = lagOf(t);
  await q.upsertJobScheduler("second", { pattern: "* * * * * *" }, { data: "old" });
  await q.upsertJobScheduler("second", { pattern: "* * * * * *" }, { data: "new" });
  await q.upsertJobScheduler("yearly", { pattern: "0 0 1 1 *", tz: "Europe/Vienna" }, { data: "year" });
  equal([await q.getJobSchedulersCount(), (await q.getJobSchedulers()).map(({ key }) => key).sort()], [2, ["second", "yearly"]]);
  const { pattern, next } = await q.getJobScheduler("second");
  equal([pattern, next % 1000], ["* * * * * *", 0]);
  await eventually("two seconds have come", () => begun.length === 2);
  for (const { at, due } of begun) onTime(due, at, lag, "a second");
  equal([begun[1].due - begun[0].due, begun[0].due % 1000, begun[1].data], [1000, 0, "new"]);
  equal([await q.removeJobScheduler("second"), await q.removeJobScheduler("second"), await q.removeJobScheduler("yearly"), await q.getJobSchedulersCount(), await q.getDelayedCount()], [true, false, true, 0, 0]);
});

useCase("B29.events everything that happens to a job, in order, and again from the beginning", async (t) => {
  const q = await queue(t, name("events"));
  const happenings = ["added", "waiting", "active", "progress", "completed", "failed", "drained", "paused", "resumed", "delayed", "removed"];
  const heard = [];
  const events = await queueEvents(t, q.name);
  // That the queue has been drained is told without anything about a job.
  const hear = (list, happening) => (...args) => list.push([happening, args.length > 1 ? args[0].jobId : undefined, args.at(-1)]);
  for (const happening of happenings) events.on(happening, hear(heard, happening));
  await worker(t, q.name, async (job) => {
    await job.updateProgress(7);
    if (job.name === "bad") throw new Error("no");
    return "yes";
  });
  await q.add("good", 1, { jobId: "g" });
  await eventually("the first one is done", () => heard.some(([happening]) => happening === "drained"));
  await q.pause();
  await q.add("bad", 2, { jobId: "b" });
  await q.resume();
  await eventually("the second one has failed", () => heard.some(([happening]) => happening === "failed"));
  const of = (job) => heard.filter(([, id]) => id === job).map(([happening]) => happening);
  equal(of("g"), ["added", "waiting", "active", "progress", "completed"]);
  equal(of("b"), ["added", "waiting", "active", "progress", "failed"]);
  ok(["paused", "resumed"].every((word) => heard.some(([happening]) => happening === word)), "pauses are told");
  const ids = heard.map(([, , id]) => id);
  const number = (id) => { const [time, turn] = id.split("-"); return Number(time) * 10_000 + Number(turn); };
  equal(ids, ids.toSorted((a, b) => number(a) - number(b)), "the ids grow");
  // Who comes late and asks for all of it hears it all.
  const again = [];
  const late = await queueEvents(t, q.name, { lastEventId: "0-0", autorun: false });
  for (const happening of happenings) late.on(happening, hear(again, happening));
  late.run().catch(() => {});
  await eventually("all is heard again", () => again.length >= heard.length);
  equal(again.slice(0, heard.length), heard);
  await q.trimEvents(0);
  equal(await open(t).xlen(`bull:${q.name}:events`), 0);
});

useCase("B29.events.own an event of the app's own reaches every listener", async (t) => {
  const q = await queue(t, name("own"));
  const listeners = [await queueEvents(t, q.name), await queueEvents(t, q.name)];
  const heard = Promise.all(listeners.map((each) => new Promise((resolve) => each.once("price", ({ coin, value }) => resolve([coin, value])))));
  const producer = await eventsProducer(t, q.name);
  await producer.publishEvent({ eventName: "price", coin: "ann ✓", value: "1.5" });
  equal(await heard, [["ann ✓", "1.5"], ["ann ✓", "1.5"]]);
});

useCase("B29.quiet.plans no complaint about the server's version or policy was heard", async () => {
  equal(complaints, []);
});
