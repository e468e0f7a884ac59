// Publish and subscribe: notifications, chat rooms, events about keys; what is delivered to whom, in which order, and when not at all.
import { equal, eventually, everyByte, fails, ok, useCase } from "../lib/use_case.mjs";
import { fieldsOf, open, protocol } from "../lib/ioredis.mjs";

/** A client that only listens, with everything it has heard so far. */
function listener(t, more) {
  const redis = open(t, more);
  const heard = [];
  redis.on("message", (channel, message) => heard.push([channel, message]));
  redis.on("pmessage", (pattern, channel, message) => heard.push([pattern, channel, message]));
  redis.on("smessage", (channel, message) => heard.push([channel, message]));
  return { redis, heard };
}

useCase("B19 subscribe to notifications and publish from another connection", async (t) => {
  const app = open(t);
  const { redis, heard } = listener(t);
  equal([await redis.subscribe("notifications"), await redis.subscribe("orders", "notifications", "alerts")], [1, 3], "channels so far");
  equal([await app.publish("notifications", "hello"), await app.publish("orders", "привет"), await app.publish("notification", "no")], [1, 1, 0]);
  equal(await app.publish("notifications", ""), 1);
  await eventually("three messages", () => heard.length === 3);
  equal(heard, [["notifications", "hello"], ["orders", "привет"], ["notifications", ""]]);
  equal([await redis.unsubscribe("notifications"), await app.publish("notifications", "x"), await redis.unsubscribe(), await app.publish("orders", "x")], [2, 0, 0, 0]);
  equal([await redis.set("again", "usual"), await redis.get("again"), heard.length], ["OK", "usual", 3], "an ordinary connection again");
});

useCase("B19.bytes any byte in a channel and in a message, and a message of a megabyte", async (t) => {
  const app = open(t);
  const redis = open(t);
  const heard = [];
  redis.on("messageBuffer", (channel, message) => heard.push([channel, message]));
  await redis.subscribe(everyByte, "big");
  const big = Buffer.alloc(1_000_000, everyByte);
  equal([await app.publish(everyByte, everyByte), await app.publish("big", big)], [1, 1]);
  await eventually("both", () => heard.length === 2);
  ok(heard[0][0].equals(everyByte) && heard[0][1].equals(everyByte) && heard[1][1].equals(big), "the same bytes");
});

useCase("B19.patterns a pattern hears what fits it, and hears it besides the channel itself", async (t) => {
  const app = open(t);
  const { redis, heard } = listener(t);
  equal([await redis.psubscribe("chat:room:*", "h[ae]llo?", "news.\\*"), await redis.subscribe("chat:room:45")], [3, 4]);
  equal([await app.publish("chat:room:45", "both"), await app.publish("chat:room:", "empty"), await app.publish("chat:rooms", "no")], [2, 1, 0]);
  equal([await app.publish("hallo!", "1"), await app.publish("hillo!", "no"), await app.publish("hello", "no"), await app.publish("news.*", "2"), await app.publish("news.x", "no")], [1, 0, 0, 1, 0]);
  await eventually("all five", () => heard.length === 5);
  equal(heard, [["chat:room:45", "both"], ["chat:room:*", "chat:room:45", "both"], ["chat:room:*", "chat:room:", "empty"], ["h[ae]llo?", "hallo!", "1"], ["news.\\*", "news.*", "2"]]);
  equal([await app.pubsub("CHANNELS"), await app.pubsub("CHANNELS", "none*"), await app.pubsub("NUMSUB", "chat:room:45", "x"), await app.pubsub("NUMPAT")], [["chat:room:45"], [], ["chat:room:45", 1, "x", 0], 3]);
  equal([await redis.punsubscribe("chat:room:*"), await app.publish("chat:room:45", "one")], [3, 1]);
  equal([await redis.punsubscribe("h[ae]llo?", "news.\\*"), await redis.unsubscribe("chat:room:45"), await app.pubsub("NUMPAT")], [1, 0, 0]);
});

useCase("B19.reconnect after its connection was lost a subscriber hears its channels and patterns again", async (t) => {
  const app = open(t);
  const { redis, heard } = listener(t, { retryStrategy: () => 20, connectionName: "subscriber" });
  await redis.subscribe("jobs", "alerts");
  await redis.psubscribe("chat:*");
  await redis.ssubscribe("shard");
  for (const how of ["TYPE", "ID"]) {
    const before = await idOf(app, "subscriber");
    equal(await app.client("KILL", how, how === "ID" ? before : "pubsub"), 1);
    await eventually("a new connection has it all", async () => {
      const line = (await app.client("LIST")).split("\n").map(fieldsOf).find(({ name }) => name === "subscriber");
      return line && line.id !== before && line.sub === "2" && line.psub === "1" && line.ssub === "1";
    });
  }
  equal([await app.publish("jobs", "1"), await app.publish("chat:1", "2"), await app.spublish("shard", "3"), await app.publish("alerts", "4")], [1, 1, 1, 1]);
  await eventually("all four", () => heard.length === 4);
  equal(heard, [["jobs", "1"], ["chat:*", "chat:1", "2"], ["shard", "3"], ["alerts", "4"]]);
});

async function idOf(redis, wanted) {
  return (await redis.client("LIST")).split("\n").map(fieldsOf).find(({ name }) => name === wanted)?.id;
}

useCase("B19.mode what a subscriber may do besides", async (t) => {
  const app = open(t);
  const { redis, heard } = listener(t);
  await redis.subscribe("mode");
  if (protocol === 3) {
    // Messages come as pushes here, so that replies can be told from them.
    equal([await redis.set("mode", "any"), await redis.get("mode"), await redis.ping("x")], ["OK", "any", "x"]);
    equal(await redis.publish("mode", "to myself"), 1);
    await eventually("heard by itself", () => heard.length === 1);
  } else {
    await fails(redis.get("mode"), /subscriber mode/);
    equal(await redis.ping("x"), ["pong", "x"], "the reply of a subscriber");
  }
  equal(await app.publish("mode", "still"), 1);
  await eventually("still heard", () => heard.at(-1)?.[1] === "still");
});

useCase("B19.shard shard channels are a world of their own", async (t) => {
  const app = open(t);
  const { redis, heard } = listener(t);
  equal([await redis.ssubscribe("orders", "stock"), await redis.subscribe("orders")], [2, 1], "counted apart");
  equal([await app.spublish("orders", "by shard"), await app.publish("orders", "by all"), await app.spublish("none", "x"), await app.publish("stock", "x")], [1, 1, 0, 0]);
  await eventually("both", () => heard.length === 2);
  equal(heard, [["orders", "by shard"], ["orders", "by all"]]);
  equal([(await app.pubsub("SHARDCHANNELS")).sort(), await app.pubsub("SHARDCHANNELS", "st*"), await app.pubsub("SHARDNUMSUB", "orders", "x")], [["orders", "stock"], ["stock"], ["orders", 1, "x", 0]]);
  equal([await redis.sunsubscribe("orders"), await app.spublish("orders", "x")], [1, 0]);
});

useCase("B20 fire and forget: who was not there has missed it", async (t) => {
  const app = open(t);
  const { redis, heard } = listener(t);
  equal(await app.publish("chat:room123", '{"user":"charan"}'), 0, "nobody listens");
  await redis.subscribe("chat:room123");
  equal(await app.multi().publish("chat:room123", "in a transaction").set("k", "v").publish("nobody", "x").exec(), [[null, 1], [null, "OK"], [null, 0]]);
  await eventually("the second one", () => heard.length === 1);
  equal(heard, [["chat:room123", "in a transaction"]]);
  await app.multi({ pipeline: false });
  equal([await app.publish("chat:room123", "never"), await app.discard()], ["QUEUED", "OK"]);
  equal(await app.publish("chat:room123", "last"), 1);
  await eventually("the last one", () => heard.length === 2);
  equal(heard[1][1], "last", "what was discarded is not sent");
});

useCase("B20.order four publishers, five subscribers: everybody hears everything, each publisher in its order", async (t) => {
  const [publishers, each] = [4, 1500];
  const listeners = Array.from({ length: 5 }, () => listener(t));
  for (const { redis } of listeners) await redis.subscribe("news", "sport");
  await Promise.all(
    Array.from({ length: publishers }, async (_, number) => {
      const redis = open(t);
      const replies = await Promise.all(Array.from({ length: each }, (_, index) => redis.publish(index % 2 ? "news" : "sport", `${number}:${index}`)));
      equal(new Set(replies), new Set([5]), "receivers");
    }),
  );
  await eventually("everything has come", () => listeners.every(({ heard }) => heard.length === publishers * each));
  for (const { heard } of listeners) {
    for (let number = 0; number < publishers; number += 1) {
      const mine = heard.map(([, message]) => message.split(":").map(Number)).filter(([from]) => from === number);
      ok(mine.every(([, index], at) => index === at), `publisher ${number} in order`);
    }
    equal(heard, listeners[0].heard, "one order for all");
  }
});

useCase("B20.slow a subscriber that does not read is cut, the others hear everything", async (t) => {
  const app = open(t);
  const before = await app.config("GET", "client-output-buffer-limit");
  t.later(() => app.config("SET", ...before));
  equal(await app.config("SET", "client-output-buffer-limit", "pubsub 2mb 0 0"), "OK");
  const { redis: quick, heard } = listener(t);
  const slow = open(t, { retryStrategy: null, connectionName: "slow" });
  await quick.subscribe("flood");
  await slow.subscribe("flood");
  slow.stream.pause();
  const message = "x".repeat(10_000);
  let [sent, receivers] = [0, 2];
  // First the buffers of both sockets fill, and only then the server's own.
  while (receivers === 2 && sent < 5000) {
    receivers = (await Promise.all(Array.from({ length: 50 }, () => app.publish("flood", message)))).at(-1);
    sent += 50;
  }
  ok(receivers === 1 && sent > 200, `${receivers} receivers after ${sent} messages`);
  await eventually("it is not listed any more", async () => !(await app.client("LIST")).includes("name=slow"));
  equal([await app.publish("flood", "the end"), await app.pubsub("NUMSUB", "flood")], [1, ["flood", 1]]);
  await eventually("the quick one has it all", () => heard.length === sent + 1);
  ok(heard.slice(0, -1).every(([, text]) => text === message), "each whole");
});

useCase("B18.chat a chat room: history in a list, messages to all, who is typing", async (t) => {
  const app = open(t);
  const members = ["ann", "bob", "cid"].map((name) => ({ name, ...listener(t) }));
  for (const { redis, name } of members) {
    await redis.subscribe("room:45");
    equal(await app.sadd("room:45:members", name), 1);
  }
  for (const { name } of members) equal(await app.multi().rpush("room:45:history", `hi from ${name}`).ltrim("room:45:history", -100, -1).publish("room:45", `hi from ${name}`).exec().then((replies) => replies.at(-1)), [null, 3]);
  for (const { heard } of members) {
    await eventually("three messages", () => heard.length === 3);
    equal(heard.map(([, text]) => text), await app.lrange("room:45:history", 0, -1));
  }
  equal([await app.set("room:45:typing:ann", "1", "PX", 3000), await app.publish("room:45:typing", "ann")], ["OK", 0]);
});

/** Turns events about keys on, until the use case ends. */
async function withEvents(t, redis, flags) {
  const [, before] = await redis.config("GET", "notify-keyspace-events");
  t.later(() => redis.config("SET", "notify-keyspace-events", before));
  equal(await redis.config("SET", "notify-keyspace-events", flags), "OK");
}

useCase("B6.events a cache that is told when its keys run out or are deleted", async (t) => {
  const app = open(t);
  await withEvents(t, app, "Egx");
  const { redis, heard } = listener(t);
  await redis.subscribe("__keyevent@0__:expired", "__keyevent@0__:del", "__keyevent@0__:expire");
  await app.psetex("product:1", 500, "{}");
  await app.mset("product:2", "{}", "product:3", "{}");
  equal([await app.expire("product:3", 100), await app.del("product:2", "product:3", "none")], [1, 2]);
  // Nobody reads the first one: the server finds out by itself.
  await eventually("its end is told", () => heard.some(([channel]) => channel === "__keyevent@0__:expired"));
  equal(heard, [["__keyevent@0__:expire", "product:1"], ["__keyevent@0__:expire", "product:3"], ["__keyevent@0__:del", "product:2"], ["__keyevent@0__:del", "product:3"], ["__keyevent@0__:expired", "product:1"]]);
});

useCase("B6.events.keys everything that happens to one key, and nothing of others", async (t) => {
  const app = open(t);
  await withEvents(t, app, "KA");
  const { redis, heard } = listener(t);
  await redis.psubscribe("__keyspace@0__:cart:*");
  await app.hset("cart:1", "sku", 1);
  await app.hincrby("cart:1", "sku", 1);
  await app.hdel("cart:1", "sku");
  await app.rpush("cart:2", "a", "b");
  await app.lpop("cart:2");
  await app.rename("cart:2", "cart:3");
  await app.sadd("cart:4", "x");
  await app.zadd("cart:5", 1, "x");
  await app.set("other", "x");
  await app.set("cart:6", "x", "EX", 100);
  await app.persist("cart:6");
  await eventually("the last one", () => heard.at(-1)?.[2] === "persist");
  const told = heard.map(([, channel, event]) => [channel.slice("__keyspace@0__:".length), event]);
  equal(told, [["cart:1", "hset"], ["cart:1", "hincrby"], ["cart:1", "hdel"], ["cart:1", "del"], ["cart:2", "rpush"], ["cart:2", "lpop"], ["cart:2", "rename_from"], ["cart:3", "rename_to"], ["cart:4", "sadd"], ["cart:5", "zadd"], ["cart:6", "set"], ["cart:6", "expire"], ["cart:6", "persist"]]);
});

useCase("B6.events.off without the setting nothing is told, and each database tells its own", async (t) => {
  const app = open(t);
  const far = open(t, { db: 3 });
  await withEvents(t, app, "");
  const { redis, heard } = listener(t);
  await redis.psubscribe("__key*@*__:*");
  await app.set("silent", "x");
  equal([await app.config("SET", "notify-keyspace-events", "AKE"), await app.config("GET", "notify-keyspace-events")], ["OK", ["notify-keyspace-events", "AKE"]]);
  await far.set("loud", "x");
  await eventually("both forms", () => heard.length === 2);
  equal(heard, [["__key*@*__:*", "__keyspace@3__:loud", "set"], ["__key*@*__:*", "__keyevent@3__:set", "loud"]]);
  await fails(app.config("SET", "notify-keyspace-events", "Q"), /^ERR CONFIG SET failed/);
});
