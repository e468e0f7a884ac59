// Streams: events in order, groups of workers that share them, and what a dead worker had in its hands.
import { equal, eventually, everyByte, fails, oneTo, ok, skip, useCase } from "../lib/use_case.mjs";
import { has, open } from "../lib/node_redis.mjs";

const plain = (object) => ({ ...object });
const entries = (reply) => (reply ?? []).flatMap(({ messages }) => messages.map(({ id, message }) => [id, plain(message)]));

useCase("B33 events are added, and a group reads and acknowledges them", async (t) => {
  const client = await open(t);
  equal(await client.xGroupCreate("events", "mailers", "0", { MKSTREAM: true }), "OK");
  await fails(client.xGroupCreate("events", "mailers", "0", { MKSTREAM: true }), /^BUSYGROUP Consumer Group name already exists$/);
  const read = (who, id, more) => client.xReadGroup("mailers", who, { key: "events", id }, more);
  equal(await read("one", ">", { COUNT: 10 }), null, "nothing yet");
  const ids = [];
  for (const number of oneTo(5)) ids.push(await client.xAdd("events", "*", { user: `ann ✓ ${number}`, kind: "login" }));
  equal(entries(await read("one", ">", { COUNT: 3 })), ids.slice(0, 3).map((id, index) => [id, { user: `ann ✓ ${index + 1}`, kind: "login" }]));
  equal(entries(await read("two", ">")).map(([id]) => id), ids.slice(3));
  // One acknowledgement at a time, none of them waited for.
  equal(await Promise.all(ids.slice(0, 2).map((id) => client.xAck("events", "mailers", id))), [1, 1]);
  const { pending, firstId, lastId, consumers } = await client.xPending("events", "mailers");
  equal([pending, firstId, lastId, consumers.map(plain)], [3, ids[2], ids[4], [{ name: "one", deliveriesCounter: 1 }, { name: "two", deliveriesCounter: 2 }]]);
  equal((await client.xPendingRange("events", "mailers", "-", "+", 10, { consumer: "two" })).map(({ id, consumer, deliveriesCounter }) => [id, consumer, deliveriesCounter]), ids.slice(3).map((id) => [id, "two", 1]));
  equal(entries(await read("two", "0")).map(([id]) => id), ids.slice(3));
  await fails(client.xReadGroup("nobody", "one", { key: "events", id: ">" }), /^NOGROUP /);
});

useCase("B33.ranges ids of one's own, ranges, deleting and trimming", async (t) => {
  const client = await open(t);
  for (const number of oneTo(9)) equal(await client.xAdd("log", `${number}-1`, { n: String(number) }), `${number}-1`);
  const idsOf = (list) => list.map(({ id }) => id);
  equal([idsOf(await client.xRange("log", "3", "(5-1")), idsOf(await client.xRevRange("log", "+", "-", { COUNT: 2 })), await client.xLen("log")], [["3-1", "4-1"], ["9-1", "8-1"], 9]);
  equal([await client.xDel("log", ["5-1", "99-1"]), await client.xTrim("log", "MINID", "3"), await client.xTrim("log", "MAXLEN", 4), idsOf(await client.xRange("log", "-", "+"))], [1, 2, 2, ["6-1", "7-1", "8-1", "9-1"]]);
  equal([await client.xAdd("log", "10-0", { n: "x" }, { TRIM: { strategy: "MAXLEN", strategyModifier: "=", threshold: 2 } }), await client.xLen("log")], ["10-0", 2]);
  equal((await client.xRange("log", "10-0", "10-0")).map(({ message }) => plain(message)), [{ n: "x" }]);
  await client.xAdd("bytes", "1-1", { f: everyByte });
  const [{ message }] = await client.withTypeMapping({ 36: Buffer }).xRange("bytes", "-", "+");
  ok(Object.values(plain(message))[0].equals(everyByte), "every byte");
  const info = await client.xInfoStream("log");
  equal([info.length, info["last-generated-id"], info["entries-added"], info.groups], [2, "10-0", 10, 0]);
});

useCase("B33.follow whoever waits at the end hears everything that comes, in order", async (t) => {
  const [producer, reader, app] = [await open(t), await open(t), await open(t)];
  const COUNT = 2000;
  const got = [];
  const reading = (async () => {
    for (let id = "$"; got.length < COUNT; id = got.at(-1)[0]) got.push(...entries(await reader.xRead({ key: "feed", id }, { BLOCK: 0, COUNT: 100 })));
  })();
  await eventually("it waits", async () => (await app.info("clients")).includes("blocked_clients:1\r\n"));
  const ids = await Promise.all(oneTo(COUNT).map((number) => producer.xAdd("feed", "*", { n: String(number) })));
  await reading;
  equal(got, ids.map((id, index) => [id, { n: String(index + 1) }]));
  equal(await reader.xRead({ key: "feed", id: "$" }, { BLOCK: 20 }), null);
});

useCase("B33.workers three workers share a thousand jobs, one of them dies: each job is done", async (t) => {
  const app = await open(t);
  const JOBS = 1000;
  await app.xGroupCreate("jobs", "workers", "$", { MKSTREAM: true });
  const done = [];
  let ended = false;
  const work = async (client, name, dies) => {
    for (let taken = 0; !ended; taken += 1) {
      const got = entries(await client.xReadGroup("workers", name, { key: "jobs", id: ">" }, { COUNT: 7, BLOCK: 50 }));
      if (dies && taken === 3) return client.destroy();
      if (got.length === 0) continue;
      done.push(...got.map(([, { n }]) => Number(n)));
      equal(await client.xAck("jobs", "workers", got.map(([id]) => id)), got.length);
    }
  };
  const workers = await Promise.all([1, 2, 3].map(async (number) => ({ work: work(await open(t), `worker-${number}`, number === 3) })));
  await Promise.all(oneTo(JOBS).map((number) => app.xAdd("jobs", "*", { n: String(number) })));
  await eventually("all but the dead one's are done", async () => {
    const { pending, consumers } = await app.xPending("jobs", "workers");
    return done.length + pending === JOBS && consumers?.length === 1 && consumers[0].name === "worker-3";
  }, 8000);
  let from = "0-0";
  do {
    const { nextId, messages } = await app.xAutoClaim("jobs", "workers", "worker-1", 0, from, { COUNT: 3 });
    from = nextId;
    for (const { id, message } of messages) {
      done.push(Number(message.n));
      equal(await app.xAck("jobs", "workers", id), 1);
    }
  } while (from !== "0-0");
  ended = true;
  await Promise.all(workers.map((worker) => worker.work));
  equal(done.sort((a, b) => a - b), oneTo(JOBS));
  const [group] = await app.xInfoGroups("jobs");
  equal([group.name, group.consumers, group.pending, group["entries-read"], group.lag], ["workers", 3, 0, JOBS, 0]);
  equal([(await app.xInfoConsumers("jobs", "workers")).map(({ name }) => name).sort(), await app.xGroupDelConsumer("jobs", "workers", "worker-3")], [["worker-1", "worker-2", "worker-3"], 0]);
});

useCase("B33.refs XDELEX and XACKDEL know who else still needs an entry", async (t) => {
  const client = await open(t);
  if (!(await has(client, "xackdel"))) skip("the server has no XACKDEL");
  for (const group of ["a", "b"]) await client.xGroupCreate("shared", group, "0", { MKSTREAM: true });
  for (const number of oneTo(4)) await client.xAdd("shared", `${number}-1`, { n: String(number) });
  for (const group of ["a", "b"]) await client.xReadGroup(group, "c", { key: "shared", id: ">" });
  equal([await client.xAckDel("shared", "a", ["1-1", "9-9"], "ACKED"), await client.xAckDel("shared", "b", "1-1", "ACKED"), await client.xLen("shared")], [[2, -1], [1], 3]);
  equal([await client.xAckDel("shared", "a", "2-1", "DELREF"), (await client.xPending("shared", "b")).pending], [[1], 2]);
  equal([await client.xDelEx("shared", "3-1", "ACKED"), await client.xDelEx("shared", "3-1", "KEEPREF"), await client.xLen("shared")], [[2], [1], 1]);
});

useCase("B33.nack a worker gives back what it cannot do", async (t) => {
  const client = await open(t);
  if (!(await has(client, "xnack"))) skip("the server has no XNACK");
  await client.xGroupCreate("nack", "g", "0", { MKSTREAM: true });
  const id = await client.xAdd("nack", "*", { n: "1" });
  await client.xReadGroup("g", "one", { key: "nack", id: ">" });
  equal(await client.xNack("nack", "g", "FAIL", id), 1);
  const claimed = await client.xAutoClaim("nack", "g", "two", 0, "0-0");
  equal(claimed.messages.map((entry) => entry.id), [id]);
});
