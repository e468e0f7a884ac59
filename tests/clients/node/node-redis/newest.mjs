// The newest commands as node-redis has them typed. Most servers do not know them yet, and those are skipped.
import { equal, eventually, oneTo, ok, skip, useCase } from "../lib/use_case.mjs";
import { fleet, has, open } from "../lib/node_redis.mjs";

/** A client for a server that knows the command. */
async function knowing(t, command) {
  const client = await open(t);
  if (!(await has(client, command))) skip(`the server has no ${command}`);
  return client;
}

useCase("B16.increx a window of requests in one command, also when many ask at once", async (t) => {
  const client = await knowing(t, "INCREX");
  const hit = (each, key) => each.increx(key, { upperBound: 5, expiration: { type: "EX", value: 60, ENX: true } });
  const answers = [];
  for (let number = 0; number < 7; number += 1) answers.push(await hit(client, "rate:ann"));
  equal(answers, [[1, 1], [2, 1], [3, 1], [4, 1], [5, 1], [5, 0], [5, 0]]);
  ok((await client.ttl("rate:ann")) > 50, "the window ends");
  const all = (await fleet(t, 10, (each) => Promise.all(oneTo(20).map(() => each.increx("rate:all", { upperBound: 137 }))))).flat();
  equal([all.filter(([, by]) => by === 1).length, await client.get("rate:all")], [137, "137"]);
  equal([await client.increx("rate:all", { by: 10, upperBound: 140, saturate: true }), await client.increx("rate:all", { by: -500, lowerBound: 0, saturate: true })], [[140, 3], [0, -140]]);
});

useCase("B1.msetex several keys with one lifetime, all or none", async (t) => {
  const client = await knowing(t, "MSETEX");
  equal(await client.mSetEx({ "m:1": "a", "m:2": "b" }, { expiration: { type: "EX", value: 100 }, mode: "NX" }), 1);
  equal([await client.mSetEx({ "m:2": "x", "m:3": "c" }, { mode: "NX" }), await client.mGet(["m:1", "m:2", "m:3"])], [0, ["a", "b", null]]);
  ok((await client.ttl("m:1")) > 90 && (await client.ttl("m:2")) > 90, "their lifetime");
});

useCase("B25.digest a value is changed only while it is what was read", async (t) => {
  const client = await knowing(t, "DIGEST");
  await client.set("doc", "first");
  const digest = await client.digest("doc");
  ok(/^[0-9a-f]{16}$/.test(digest), digest);
  equal([await client.set("doc", "second", { condition: "IFDEQ", matchValue: digest }), await client.set("doc", "third", { condition: "IFDEQ", matchValue: digest }), await client.get("doc"), await client.digest("none")], ["OK", null, "second", null]);
  equal([await client.delEx("doc", { condition: "IFDEQ", matchValue: digest }), await client.delEx("doc", { condition: "IFEQ", matchValue: "second" })], [0, 1]);
});

useCase("B30.movem several jobs at once from one list to another, also for those who wait", async (t) => {
  const client = await knowing(t, "LMOVEM");
  await client.rPush("todo", ["a", "b", "c", "d", "e"]);
  equal([await client.lMoveM("todo", "doing", "LEFT", "RIGHT", { COUNT: 2, ORDER: "BULK" }), await client.lRange("doing", 0, -1)], [["a", "b"], ["a", "b"]]);
  equal([await client.lMoveM("todo", "doing", "LEFT", "RIGHT", { EXACTLY: 9, ORDER: "BULK" }), await client.lLen("todo")], [null, 3]);
  const waiting = (await open(t)).blMoveM("later", "doing", "LEFT", "RIGHT", 0, { EXACTLY: 2, ORDER: "OBO" });
  await eventually("it waits", async () => (await client.info("clients")).includes("blocked_clients:1\r\n"));
  await client.rPush("later", ["x"]);
  await client.rPush("later", ["y", "z"]);
  equal([await waiting, await client.lRange("later", 0, -1)], [["x", "y"], ["z"]]);
});

useCase("B37.card how many there are in all, without naming them", async (t) => {
  const client = await knowing(t, "SUNIONCARD");
  await client.sAdd("s:a", ["1", "2", "3"]);
  await client.sAdd("s:b", ["3", "4"]);
  equal([await client.sUnionCard(["s:a", "s:b"]), await client.sUnionCard(["s:a", "s:b"], { LIMIT: 2 }), await client.sDiffCard(["s:a", "s:b"])], [4, 2, 2]);
});

useCase("B10.import many hashes of one shape", async (t) => {
  const client = await knowing(t, "HIMPORT");
  equal(await client.hImportPrepare("user", ["name", "mail"]), "OK");
  equal([await client.hImportSet("user:1", "user", ["ann", "a@x"]), await client.hImportSet("user:2", "user", ["bob", "b@x"])], ["OK", "OK"]);
  equal([{ ...(await client.hGetAll("user:2")) }, await client.hImportDiscard("user")], [{ name: "bob", mail: "b@x" }, 1]);
});

useCase("B33.newest reading a part, claiming what others left, and ids that are not given twice", async (t) => {
  const client = await knowing(t, "XNACK");
  await client.xGroupCreate("new", "g", "0", { MKSTREAM: true });
  const ids = [];
  for (const number of oneTo(6)) ids.push(await client.xAdd("new", "*", { n: String(number) }));
  const idsOf = (reply) => (reply ?? []).flatMap(({ messages }) => messages.map(({ id }) => id));
  equal(idsOf(await client.xRead({ key: "new", id: "0" }, { MAXCOUNT: 2 })), ids.slice(0, 2));
  equal(idsOf(await client.xReadGroup("g", "one", { key: "new", id: ">" }, { COUNT: 2 })), ids.slice(0, 2));
  // Another one gets first what was left lying, and then what is new.
  await eventually("they have lain for a moment", async () => (await client.xPendingRange("new", "g", "-", "+", 9, { IDLE: 10 })).length === 2);
  equal(idsOf(await client.xReadGroup("g", "two", { key: "new", id: ">" }, { COUNT: 3, CLAIM: 10 })), ids.slice(0, 3));
  equal(await client.xNack("new", "g", "FAIL", ids.slice(0, 2)), 2);
  equal(idsOf(await client.xReadGroup("g", "three", { key: "new", id: ">" }, { COUNT: 2, CLAIM: 0 })), ids.slice(0, 2));
});
