// Scripts: releasing a lock, own commands, what goes back and forth between Lua and the client, and what must not be possible.
import { createHash, randomUUID } from "node:crypto";
import { equal, everyByte, fails, oneTo, ok, skip, useCase } from "../lib/use_case.mjs";
import { open, protocol, ReplyError } from "../lib/ioredis.mjs";

const RELEASE = `if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) else return 0 end`;
// Takes some of what is left, or nothing when that is not enough.
const TAKE = `local left = tonumber(redis.call("get", KEYS[1]) or ARGV[1]); if left < tonumber(ARGV[2]) then return -1 end; redis.call("set", KEYS[1], left - ARGV[2]); return left - ARGV[2]`;
const digest = (script) => createHash("sha1").update(script).digest("hex");

useCase("B25.script releasing a lock by the well-known script", async (t) => {
  const [mine, theirs] = [open(t), open(t)];
  const [me, them] = [randomUUID(), randomUUID()];
  equal([await mine.set("invoice:1", me, "PX", 5000, "NX"), await theirs.set("invoice:1", them, "PX", 5000, "NX")], ["OK", null]);
  equal([await theirs.eval(RELEASE, 1, "invoice:1", them), await mine.eval(RELEASE, 1, "invoice:1", me), await mine.eval(RELEASE, 1, "invoice:1", me)], [0, 1, 0]);
});

useCase("B25.script.sha a script by its digest, forgotten and told again", async (t) => {
  const redis = open(t);
  await redis.script("FLUSH");
  await fails(redis.evalsha(digest(RELEASE), 1, "k", "v"), /^NOSCRIPT No matching script\.( Please use EVAL\.)?$/);
  equal([await redis.script("EXISTS", digest(RELEASE), "0".repeat(40)), await redis.script("LOAD", RELEASE), await redis.script("EXISTS", digest(RELEASE))], [[0, 0], digest(RELEASE), [1]]);
  equal([await redis.evalsha(digest(RELEASE), 1, "k", "v"), await redis.evalsha(digest(RELEASE).toUpperCase(), 1, "k", "v")], [0, 0]);
  await fails(redis.script("LOAD", "return ("), /^ERR Error compiling script/);
});

useCase("B25.script.own a command of the app's own, over and over and in pipelines and transactions", async (t) => {
  const redis = open(t);
  redis.defineCommand("take", { numberOfKeys: 1, lua: TAKE });
  equal([await redis.take("stock", 10, 3), await redis.take("stock", 10, 3), await redis.take("stock", 10, 5)], [7, 4, -1]);
  equal(await redis.pipeline().take("stock", 10, 1).get("stock").take("stock", 10, 1).exec(), [[null, 3], [null, "3"], [null, 2]]);
  equal(await redis.multi().take("stock", 10, 1).incr("stock").exec(), [[null, 1], [null, 2]]);
  await redis.script("FLUSH");
  equal(await redis.take("stock", 10, 2), 0, "told again by itself");
  // Twenty clients, and never one too many.
  const clients = oneTo(20).map(() => open(t));
  for (const client of clients) client.defineCommand("take", { numberOfKeys: 1, lua: TAKE });
  const answers = await Promise.all(clients.flatMap((client) => oneTo(10).map(() => client.take("seats", 137, 1))));
  equal([answers.filter((left) => left >= 0).sort((a, b) => a - b), answers.filter((left) => left === -1).length], [Array.from({ length: 137 }, (_, left) => left), 63]);
});

useCase("B25.script.values every kind of value, there and back", async (t) => {
  const redis = open(t);
  equal(await redis.eval("return {1, 2.9, -1.5, 'text', true, false, {ok = 'fine'}, {'a', {'b'}}, nil, 'never'}", 0), [1, 2, -1, "text", 1, null, "fine", ["a", ["b"]]]);
  equal([await redis.eval("return nil", 0), await redis.eval("return ''", 0), await redis.eval("return {}", 0), await redis.eval("return 4503599627370497", 0)], [null, "", [], 4_503_599_627_370_497]);
  equal(await redis.evalBuffer("return {KEYS[1], ARGV[1], #ARGV[1]}", 1, everyByte, everyByte), [everyByte, everyByte, 256]);
  equal(await redis.eval("return {#KEYS, #ARGV, redis.call('hset', KEYS[1], 'f', 1.5), redis.call('hget', KEYS[1], 'f'), redis.call('get', 'none') == false, type(redis.call('set', 'a', 1)), redis.call('set', 'a', 1).ok}", 2, "h", "k2", "x"), [2, 1, 1, "1.5", 1, "table", "OK"]);
  equal(await redis.eval("redis.setresp(3); redis.call('hset', 'map', 'f', 'v'); local map = redis.call('hgetall', 'map'); return {map.map.f, type(redis.call('zadd', 'z', 'incr', 1.5, 'm').double)}", 0), ["v", "number"]);
  const shape = await redis.eval("redis.setresp(3); return redis.call('hgetall', 'map')", 0);
  equal(JSON.stringify(shape), protocol === 3 && !Array.isArray(shape) ? '{"f":"v"}' : '["f","v"]');
  equal(await redis.eval("return {redis.sha1hex(''), tostring(redis.LOG_WARNING), redis.REDIS_VERSION ~= nil}", 0), [digest(""), "3", 1]);
});

useCase("B25.script.errors errors reach the app, or the script itself when it wants to know", async (t) => {
  const redis = open(t);
  await redis.rpush("list", "x");
  const error = await fails(redis.eval("return redis.call('incr', KEYS[1])", 1, "list"), /^WRONGTYPE Operation against a key holding the wrong kind of value script: ([0-9a-f]{40}, )?on @user_script:1\.$/);
  ok(error instanceof ReplyError, "a ReplyError");
  equal(await redis.eval("local reply = redis.pcall('incr', KEYS[1]); return {reply.err:sub(1, 9), redis.call('llen', KEYS[1])}", 1, "list"), ["WRONGTYPE", 1]);
  await fails(redis.eval("return redis.error_reply('MY own words')", 0), /^MY own words$/);
  await fails(redis.eval("return {err = 'ERR as a table'}", 0), /^ERR as a table$/);
  await fails(redis.eval("error('boom')", 0), /^ERR user_script:1: boom script: ([0-9a-f]{40}, )?on @user_script:1\.$/);
  await fails(redis.eval("return nothing", 0), /Script attempted to access nonexistent global variable 'nothing'/);
  await fails(redis.eval("x = 1", 0), /Attempt to modify a readonly table|attempted to create global variable/);
  await fails(redis.eval("return redis.call('no such command')", 0), /^ERR Unknown Redis command called from script|^ERR unknown command/i);
  await fails(redis.eval("return 1", "one"), /^ERR value is not an integer or out of range$/);
  await fails(redis.eval("return 1", 3, "a"), /^ERR Number of keys can't be greater than number of args$/);
  await fails(redis.eval("return 1", -1), /^ERR Number of keys can't be negative$/);
  await fails(redis.call("EVAL_RO", "return redis.call('set', 'a', 1)", 0), /^ERR Write commands are not allowed from read-only scripts/);
  // What it had done before it failed stays done.
  await fails(redis.eval("redis.call('set', 'half', 'done'); error('then')", 0), /then/);
  equal(await redis.get("half"), "done");
});

useCase("B25.script.libraries cjson, cmsgpack, bit and struct", async (t) => {
  const redis = open(t);
  const job = { id: 7, name: "Привет", tags: ["a", "b"], rate: 2.5, done: false };
  const more = JSON.parse(await redis.eval("local job = cjson.decode(ARGV[1]); job.attempts = (job.attempts or 0) + 1; return cjson.encode(job)", 0, JSON.stringify(job)));
  equal(more, { ...job, attempts: 1 });
  equal(await redis.eval("return {cjson.encode({1, 2, 3}), cjson.encode({a = 1}), cjson.encode(cjson.decode('[]')), cjson.encode({cjson.null}), cjson.encode(0.1), cjson.encode(1e15)}", 0), ["[1,2,3]", '{"a":1}', "{}", "[null]", "0.1", "1e+15"]);
  equal(await redis.eval("local t = cmsgpack.unpack(cmsgpack.pack({1, 'two', {three = 3.5}, true})); return {t[1], t[2], tostring(t[3].three), tostring(t[4]), #cmsgpack.pack(1, 'a')}", 0), [1, "two", "3.5", "true", 3]);
  equal(await redis.eval("return {bit.band(0xff, 0x0f), bit.bor(1, 2), bit.bxor(5, 1), bit.lshift(1, 4), bit.rshift(256, 4), bit.tohex(255, 4), bit.tobit(0xffffffff)}", 0), [15, 3, 4, 16, 16, "00ff", -1]);
  equal((await redis.evalBuffer("return {struct.pack('>I2', 258), struct.pack('<i4', -2), struct.unpack('>I2', struct.pack('>I2', 513))}", 0)).map((each) => (Buffer.isBuffer(each) ? [...each] : each)), [[1, 2], [254, 255, 255, 255], 513, 3]);
  equal(await redis.eval("local t = {}; for i = 1, 100 do t[i] = i end; table.sort(t, function(a, b) return a > b end); return {t[1], #t, table.concat({'a', 'b'}, '-'), string.format('%05.2f|%d|%s', 3.14159, 42, 'x'), math.floor(2.7), ('x'):rep(3), select('#', unpack(t))}", 0), [100, 100, "a-b", "03.14|42|x", 2, "xxx", 100]);
});

useCase("B25.script.whole a script is one step: nobody sees it half done, and what waits is served after it", async (t) => {
  const [redis, waiting, reader] = [open(t), open(t), open(t)];
  const move = "redis.call('decr', 'from'); for i = 1, 200 do redis.call('get', 'from') end; redis.call('incr', 'to'); return 1";
  await redis.mset("from", 1000, "to", 0);
  let looks = 0;
  const moving = Promise.all(oneTo(300).map(() => redis.eval(move, 0)));
  let running = true;
  moving.then(() => (running = false));
  while (running) {
    const [from, to] = await reader.mget("from", "to");
    equal(Number(from) + Number(to), 1000);
    looks += 1;
  }
  ok(looks > 0, "somebody looked");
  const popped = waiting.blpop("served", 5);
  await eventuallyBlocked(redis);
  equal(await redis.eval("redis.call('rpush', KEYS[1], 'a', 'b'); return redis.call('llen', KEYS[1])", 1, "served"), 2, "nobody is served while it runs");
  equal([await popped, await redis.lrange("served", 0, -1)], [["served", "a"], ["b"]]);
  equal(await redis.eval("return redis.call('blpop', KEYS[1], 0)", 1, "nothing"), null, "and it does not wait itself");
});

useCase("B25.script.undeclared a script may touch keys it was not told of", async (t) => {
  const redis = open(t);
  equal(await redis.eval("for i = 1, 10 do redis.call('set', 'made:' .. i, i) end; return redis.call('mget', 'made:1', 'made:10')", 0), ["1", "10"]);
  equal((await redis.eval("local found = redis.call('scan', 0, 'MATCH', 'made:*', 'COUNT', 1000); return #found[2]", 0)), 10);
});

useCase("B25.script.busy one that never ends is ended from outside", async (t) => {
  const [redis, other] = [open(t), open(t)];
  const [, limit] = await redis.config("GET", "busy-reply-threshold");
  if (limit === undefined) skip("the server has no such threshold");
  t.later(() => other.config("SET", "busy-reply-threshold", limit));
  await redis.config("SET", "busy-reply-threshold", 50);
  const ended = fails(redis.eval("while true do end", 0), /^ERR Error running script|^ERR user_script.*killed|^ERR.*[Ss]cript.*killed.*SCRIPT KILL/);
  let busy;
  for (let tries = 0; !busy && tries < 500; tries += 1) busy = await other.get("k").then(() => undefined, (error) => error.message);
  ok(/^BUSY /.test(busy), `it is busy: ${busy}`);
  equal(await other.script("KILL"), "OK");
  await ended;
  await fails(other.script("KILL"), /^NOTBUSY No scripts in execution right now\.$/);
  equal(await other.ping(), "PONG");
});

async function eventuallyBlocked(redis) {
  for (let tries = 0; tries < 1000; tries += 1) if ((await redis.info("clients")).includes("blocked_clients:1\r\n")) return;
  throw new Error("nobody waits");
}
