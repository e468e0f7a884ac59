// Scripts and functions as node-redis has them: eval, scripts and functions declared with the client, and libraries.
import { randomUUID } from "node:crypto";
import { createClient, defineScript } from "redis";
import { equal, everyByte, fails, oneTo, ok, useCase } from "../lib/use_case.mjs";
import { connect, open, options, RESP } from "../lib/node_redis.mjs";

const RELEASE = `if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) else return 0 end`;

useCase("B25.script releasing a lock by the well-known script", async (t) => {
  const [mine, theirs] = [await open(t), await open(t)];
  const [me, them] = [randomUUID(), randomUUID()];
  const release = (client, token) => client.eval(RELEASE, { keys: ["invoice:1"], arguments: [token] });
  equal([await mine.set("invoice:1", me, { NX: true, PX: 5000 }), await theirs.set("invoice:1", them, { NX: true, PX: 5000 })], ["OK", null]);
  equal([await release(theirs, them), await release(mine, me), await release(mine, me)], [0, 1, 0]);
});

useCase("B25.script.sha a script by its digest, forgotten and told again", async (t) => {
  const client = await open(t);
  const sha = await client.scriptLoad(RELEASE);
  equal([await client.scriptExists([sha, "0".repeat(40)]), await client.evalSha(sha, { keys: ["k"], arguments: ["v"] })], [[1, 0], 0]);
  await client.scriptFlush();
  await fails(client.evalSha(sha, { keys: ["k"], arguments: ["v"] }), /^NOSCRIPT No matching script\.( Please use EVAL\.)?$/);
});

useCase("B25.script.own a command of the app's own, over and over and in transactions", async (t) => {
  const scripts = {
    take: defineScript({
      SCRIPT: `local left = tonumber(redis.call("get", KEYS[1]) or 137); if left < tonumber(ARGV[1]) then return -1 end; redis.call("set", KEYS[1], left - ARGV[1]); return left - ARGV[1]`,
      NUMBER_OF_KEYS: 1,
      parseCommand(parser, key, count) {
        parser.pushKey(key);
        parser.push(String(count));
      },
      transformReply: (reply) => Number(reply),
    }),
  };
  const own = () => connect(t, createClient(options({ scripts })));
  const client = await own();
  equal([await client.take("stock", 100), await client.take("stock", 30), await client.take("stock", 30)], [37, 7, -1]);
  await client.scriptFlush();
  equal([await client.take("stock", 3), await client.multi().take("stock", 1).get("stock").exec()], [4, [3, "3"]]);
  const clients = await Promise.all(oneTo(10).map(own));
  const answers = await Promise.all(clients.flatMap((each) => oneTo(20).map(() => each.take("seats", 1))));
  equal([answers.filter((left) => left >= 0).sort((a, b) => a - b), answers.filter((left) => left < 0).length], [Array.from({ length: 137 }, (_, left) => left), 63]);
});

useCase("B25.script.values values there and back, and errors", async (t) => {
  const client = await open(t);
  equal(await client.eval("return {1, 2.9, 'text', true, false, {ok = 'fine'}, {'a', {'b'}}, nil, 'never'}"), [1, 2, "text", 1, null, "fine", ["a", ["b"]]]);
  equal(await client.eval("return {#ARGV[1], #KEYS[1]}", { keys: [everyByte], arguments: [everyByte] }), [256, 256]);
  equal({ ...(await client.eval("redis.setresp(3); redis.call('hset', 'map', 'f', 'v'); return redis.call('hgetall', 'map')")) }, RESP === 2 ? { 0: "f", 1: "v" } : { f: "v" });
  equal([await client.evalRo("return redis.call('get', KEYS[1])", { keys: ["none"] }), await client.eval("return cjson.encode({a = {1, 2}})")], [null, '{"a":[1,2]}']);
  await client.rPush("list", "x");
  await fails(client.eval("return redis.call('incr', KEYS[1])", { keys: ["list"] }), /^WRONGTYPE .* script: ([0-9a-f]{40}, )?on @user_script:1\.$/);
  await fails(client.eval("return redis.error_reply('MY own words')"), /^MY own words$/);
  await fails(client.evalRo("return redis.call('set', 'a', 1)"), /^ERR Write commands are not allowed from read-only scripts/);
});

useCase("B25.functions a library is loaded, called, replaced and taken away", async (t) => {
  const client = await open(t);
  const library = (version) => `#!lua name=shop\nredis.register_function("take", function(keys, args) return redis.call("DECRBY", keys[1], args[1]) end)\nredis.register_function{function_name = "version", callback = function() return ${version} end, flags = {"no-writes"}}`;
  await client.functionFlush();
  equal(await client.functionLoad(library(1)), "shop");
  await fails(client.functionLoad(library(1)), /^ERR Library 'shop' already exists$/);
  equal([await client.fCall("take", { keys: ["goods"], arguments: ["3"] }), await client.fCallRo("version", { keys: [], arguments: [] })], [-3, 1]);
  await client.functionLoad(library(2), { REPLACE: true });
  const [{ library_name: name, engine, functions }] = await client.functionList();
  equal([name, engine, functions.map((each) => each.name).sort()], ["shop", "LUA", ["take", "version"]]);
  const dump = await client.withTypeMapping({ 36: Buffer }).functionDump();
  ok(Buffer.isBuffer(dump), "a dump");
  equal([await client.functionFlush(), await client.functionRestore(dump), await client.fCall("version", { keys: [], arguments: [] })], ["OK", "OK", 2]);
  const stats = await client.functionStats();
  equal(stats.running_script, null);
  equal(await client.functionDelete("shop"), "OK");
  await fails(client.fCall("version", { keys: [], arguments: [] }), /^ERR Function not found$/);
});
