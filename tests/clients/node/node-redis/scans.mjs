// Walking the keys: by pattern, by type, and the commands around single keys.
import { equal, ok, useCase } from "../lib/use_case.mjs";
import { open } from "../lib/node_redis.mjs";

async function fill(client, prefix, count) {
  await client.mSet(Array.from({ length: count }, (_, index) => [`${prefix}:${index}`, "v"]));
}

async function walk(client, options) {
  const keys = [];
  for await (const batch of client.scanIterator(options)) keys.push(...batch);
  return keys;
}

useCase("B7.scan scanIterator finds every key of a pattern", async (t) => {
  const client = await open(t);
  await fill(client, "tenant:org_42", 2500);
  await fill(client, "tenant:org_43", 500);
  const keys = await walk(client, { MATCH: "tenant:org_42:*", COUNT: 100 });
  equal(new Set(keys).size, 2500);
  ok(keys.every((key) => key.startsWith("tenant:org_42:")), "nothing else");
});

useCase("B7.type scanIterator TYPE string", async (t) => {
  const client = await open(t, { database: 8 });
  await fill(client, "typed", 300);
  equal(new Set(await walk(client, { TYPE: "string", COUNT: 50 })).size, 300);
  equal(await walk(client, { TYPE: "hash", COUNT: 50 }), []);
});

useCase("B11.all mass invalidation by SCAN and UNLINK", async (t) => {
  const client = await open(t);
  await fill(client, "session:user7", 700);
  for await (const batch of client.scanIterator({ MATCH: "session:user7:*", COUNT: 100 })) if (batch.length) await client.unlink(batch);
  equal(await client.keys("session:user7:*"), []);
});

useCase("B7.keys the commands around single keys", async (t) => {
  const client = await open(t, { database: 10 });
  equal([await client.dbSize(), await client.randomKey()], [0, null]);
  await client.set("a", "1", { EX: 500 });
  equal([await client.rename("a", "b"), await client.renameNX("b", "c"), await client.copy("c", "d")], ["OK", 1, 1]);
  ok((await client.ttl("d")) > 490, "rename and copy carry the lifetime");
  equal([await client.touch(["c", "d", "e"]), await client.type("c"), await client.move("d", 11), await client.dbSize()], [2, "string", 1, 1]);
  equal([await client.objectEncoding("c"), await client.randomKey(), await client.flushDb(), await client.dbSize()], ["int", "c", "OK", 0]);
});

useCase("A2.monitor MONITOR shows what another client sends", async (t) => {
  const [client, watcher] = [await open(t), await open(t)];
  const lines = [];
  await watcher.monitor((line) => lines.push(String(line)));
  await client.set('quoted "key"', "tab\there");
  for (let wait = 0; wait < 200 && !lines.some((line) => line.includes("quoted")); wait += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  const line = lines.find((candidate) => candidate.includes("quoted"));
  ok(/^\d{10}\.\d{6} \[0 [^\]]+:\d+\] "SET" "quoted \\"key\\"" "tab\\there"$/.test(line), line);
});
