// What other servers that call themselves compatible got wrong, and their users met: a script in a transaction that hung, a reply that
// waited for the next one, a stream that was empty, a HyperLogLog that was only a string.
import { equal, eventually, fails, oneTo, ok, useCase } from "../lib/use_case.mjs";
import { open } from "../lib/ioredis.mjs";

useCase("B29.traps.scripts scripts within transactions and pipelines, and bits beyond 32", async (t) => {
  const redis = open(t);
  equal(await redis.multi().set("a", 1).eval("return redis.call('incr', KEYS[1])", 1, "a").script("LOAD", "return 1").incr("a").exec(), [[null, "OK"], [null, 2], [null, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"], [null, 3]]);
  const replies = await redis.pipeline(oneTo(200).map((number) => (number % 2 ? ["eval", "return tonumber(ARGV[1])", 0, String(number)] : ["echo", String(number)]))).exec();
  equal(replies.map(([, reply]) => Number(reply)), oneTo(200));
  equal(await redis.eval("return {bit.tohex(65535, -2147483648), bit.tohex(-1), tostring(bit.tobit(2^53)), cjson.encode({[1] = 1, [2] = 2}), tostring(table.getn({1, 2})), 10 / 4, tostring(1e100)}", 0), ["0000FFFF", "ffffffff", "0", "[1,2]", "2", 2, "1e+100"]);
  equal(JSON.parse(await redis.eval("return cjson.encode({foo = 'bar'})", 0)), { foo: "bar" });
  // Whatever is said in an error stays one line.
  await fails(redis.eval("return redis.error_reply('two\\r\\n+lines')", 0), /^(ERR )?two\s+\+lines$/);
  equal(await redis.ping(), "PONG");
});

useCase("B29.traps.flush a reply does not wait until the command after it ends its wait", async (t) => {
  const [redis, app] = [open(t), open(t)];
  const got = [];
  const replies = [redis.ping(), redis.brpop("trap:list", 5), redis.ping()].map((reply, index) => reply.then((value) => got.push([index, value])));
  await eventually("the first one has come", () => got.length === 1);
  await app.eval("redis.call('lpush', KEYS[1], 'x')", 1, "trap:list");
  await Promise.all(replies);
  equal(got, [[0, "PONG"], [1, ["trap:list", "x"]], [2, "PONG"]]);
});

useCase("B29.traps.loop eight jobs by a loop of BRPOPLPUSH, none stranded", async (t) => {
  const [worker, app] = [open(t), open(t)];
  const done = [];
  const work = (async () => {
    while (done.length < 80) {
      const job = await worker.brpoplpush("trap:wait", "trap:active", 5);
      done.push(Number(job));
      await worker.multi().lrem("trap:active", 1, job).eval("redis.call('hset', KEYS[1], ARGV[1], 1); return redis.call('hlen', KEYS[1])", 1, "trap:done", job).exec();
    }
  })();
  for (let from = 0; from < 80; from += 8) await Promise.all(oneTo(8).map((number) => app.lpush("trap:wait", from + number)));
  await work;
  equal([done.toSorted((a, b) => a - b), await app.hlen("trap:done"), await app.exists("trap:wait", "trap:active")], [oneTo(80), 80, 0]);
});

useCase("B33.traps an emptied stream waits, a vanished one says so, and MAXLEN ~ stays near", async (t) => {
  const [redis, app] = [open(t), open(t)];
  const id = await app.xadd("trap:stream", "*", "n", 1);
  await app.xdel("trap:stream", id);
  equal([await app.xlen("trap:stream"), await app.exists("trap:stream"), await redis.xread("BLOCK", 20, "STREAMS", "trap:stream", "0")], [0, 1, null]);
  const next = redis.xread("BLOCK", 5000, "STREAMS", "trap:stream", "$");
  await eventually("it waits", async () => (await app.info("clients")).includes("blocked_clients:1\r\n"));
  await app.xadd("trap:stream", "*", "n", 2);
  equal((await next)[0][1][0][1], ["n", "2"]);
  equal((await app.xread("STREAMS", "trap:stream", "+"))[0][1][0][1], ["n", "2"], "the last one");
  await app.xgroup("CREATE", "trap:stream", "g", "$");
  for (const change of [() => app.del("trap:stream"), () => app.multi().del("trap:stream").set("trap:stream", "text").exec()]) {
    const hopeless = fails(redis.xreadgroup("GROUP", "g", "c", "BLOCK", 0, "STREAMS", "trap:stream", ">"), /^(NOGROUP|UNBLOCKED|WRONGTYPE) /);
    await eventually("it waits", async () => (await app.info("clients")).includes("blocked_clients:1\r\n"));
    await change();
    await hopeless;
    await app.del("trap:stream");
    await app.xgroup("CREATE", "trap:stream", "g", "$", "MKSTREAM");
  }
  for (let from = 0; from < 1000; from += 100) await app.pipeline(oneTo(100).map((number) => ["xadd", "trap:short", "MAXLEN", "~", "10", "*", "n", String(from + number)])).exec();
  const length = await app.xlen("trap:short");
  ok(length >= 10 && length <= 110, `${length} entries`);
});

useCase("B23.traps a HyperLogLog is a string, and whatever is done to it, nothing breaks", async (t) => {
  const redis = open(t);
  await redis.pfadd("trap:hll", ...oneTo(1000));
  const bytes = await redis.getBuffer("trap:hll");
  await redis.append("trap:hll", "junk");
  // Some counts are refused and some are wrong; the server answers each of them.
  for (const at of [4, 16, 17, bytes.length - 1]) {
    await redis.setrange("trap:hll", at, Buffer.from([0xff, 0x7f, 0xff]));
    await redis.pfcount("trap:hll").catch((error) => ok(/^(INVALIDOBJ|WRONGTYPE) /.test(error.message), error.message));
    await redis.pfmerge("trap:other", "trap:hll").catch((error) => ok(/^(INVALIDOBJ|WRONGTYPE) /.test(error.message), error.message));
  }
  await redis.set("trap:hll", bytes);
  equal(await redis.pfcount("trap:hll"), await redis.pfcount("trap:hll"));
  ok(Math.abs((await redis.pfcount("trap:hll")) - 1000) < 30, "counts again");
});
