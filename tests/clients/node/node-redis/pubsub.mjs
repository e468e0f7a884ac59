// Publish and subscribe: notifications, chat rooms, events about keys; what is delivered to whom, in which order, and when not at all.
import { createConnection } from "node:net";
import { equal, eventually, everyByte, fails, ok, server, useCase } from "../lib/use_case.mjs";
import { fleet, open, RESP } from "../lib/node_redis.mjs";

useCase("B19 subscribe to notifications and publish from another connection", async (t) => {
  const app = await open(t);
  const subscriber = await open(t);
  const heard = [];
  const listen = (message, channel) => heard.push([channel, message]);
  await subscriber.subscribe("notifications", listen);
  await subscriber.subscribe(["orders", "alerts"], listen);
  equal([await app.publish("notifications", "hello"), await app.publish("orders", "привет"), await app.publish("notification", "no"), await app.publish("alerts", "")], [1, 1, 0, 1]);
  await eventually("three messages", () => heard.length === 3);
  equal(heard, [["notifications", "hello"], ["orders", "привет"], ["alerts", ""]]);
  await subscriber.unsubscribe("notifications");
  equal([await app.publish("notifications", "x"), await app.publish("orders", "x")], [0, 1]);
  await subscriber.unsubscribe();
  // After having listened in RESP2 the client keeps handing out bytes where it had handed out strings.
  equal([await app.publish("orders", "x"), String(await subscriber.set("again", "usual")), String(await subscriber.get("again"))], [0, "OK", "usual"]);
});

useCase("B19.bytes any byte in a message, and a message of a megabyte", async (t) => {
  const [app, subscriber] = [await open(t), await open(t)];
  const heard = [];
  await subscriber.subscribe(["bytes", "big"], (message) => heard.push(message), true);
  const big = Buffer.alloc(1_000_000, everyByte);
  equal([await app.publish("bytes", everyByte), await app.publish("big", big)], [1, 1]);
  await eventually("both", () => heard.length === 2);
  ok(heard[0].equals(everyByte) && heard[1].equals(big), "the same bytes");
});

useCase("B19.patterns a pattern hears what fits it, and hears it besides the channel itself", async (t) => {
  const [app, subscriber] = [await open(t), await open(t)];
  const heard = [];
  await subscriber.pSubscribe(["chat:room:*", "h[ae]llo?"], (message, channel) => heard.push(["pattern", channel, message]));
  await subscriber.subscribe("chat:room:45", (message, channel) => heard.push(["channel", channel, message]));
  equal([await app.publish("chat:room:45", "both"), await app.publish("chat:room:", "empty"), await app.publish("chat:rooms", "no"), await app.publish("hallo!", "1")], [2, 1, 0, 1]);
  await eventually("all four", () => heard.length === 4);
  equal(heard, [["channel", "chat:room:45", "both"], ["pattern", "chat:room:45", "both"], ["pattern", "chat:room:", "empty"], ["pattern", "hallo!", "1"]]);
  equal([await app.pubSubChannels(), await app.pubSubChannels("none*"), { ...(await app.pubSubNumSub(["chat:room:45", "x"])) }, await app.pubSubNumPat()], [["chat:room:45"], [], { "chat:room:45": 1, x: 0 }, 2]);
  await subscriber.pUnsubscribe();
  equal([await app.publish("chat:room:45", "one"), await app.pubSubNumPat()], [1, 0]);
  await subscriber.unsubscribe();
});

useCase("B19.reconnect after its connection was lost a subscriber hears its channels and patterns again", async (t) => {
  const app = await open(t);
  const subscriber = await open(t, { name: "subscriber", socket: { reconnectStrategy: () => 20 } });
  const heard = [];
  const listen = (message, channel) => heard.push([channel, message]);
  await subscriber.subscribe(["jobs", "alerts"], listen);
  await subscriber.pSubscribe("chat:*", listen);
  await subscriber.sSubscribe("shard", listen);
  const find = async () => (await app.clientList()).find(({ name }) => name === "subscriber");
  for (let time = 0; time < 2; time += 1) {
    const { id } = await find();
    equal(await app.clientKill({ filter: "ID", id }), 1);
    await eventually("a new connection has it all", async () => {
      const line = await find();
      return line && line.id !== id && line.sub === 2 && line.psub === 1 && line.ssub === 1;
    });
  }
  equal([await app.publish("jobs", "1"), await app.publish("chat:1", "2"), await app.sPublish("shard", "3"), await app.publish("alerts", "4")], [1, 1, 1, 1]);
  await eventually("all four", () => heard.length === 4);
  equal(heard, [["jobs", "1"], ["chat:1", "2"], ["shard", "3"], ["alerts", "4"]]);
});

useCase("B19.mode what a subscriber may do besides", async (t) => {
  const [app, subscriber] = [await open(t), await open(t)];
  const heard = [];
  await subscriber.subscribe("mode", (message) => heard.push(message));
  if (RESP === 3) {
    equal([await subscriber.set("mode", "any"), await subscriber.get("mode"), await subscriber.publish("mode", "to myself")], ["OK", "any", 1]);
  } else {
    await fails(subscriber.get("mode"), /Can't execute 'get': only \(P\|S\)SUBSCRIBE \/ \(P\|S\)UNSUBSCRIBE \/ PING \/ QUIT \/ RESET are allowed in this context/);
  }
  // A RESP2 subscriber gets an array as the reply to PING, and the client hands out its first word.
  equal([await subscriber.ping(), await app.publish("mode", "still")], [RESP === 3 ? "PONG" : "pong", 1]);
  await eventually("still heard", () => heard.at(-1) === "still");
  equal(heard, RESP === 3 ? ["to myself", "still"] : ["still"]);
});

useCase("B19.shard shard channels are a world of their own", async (t) => {
  const [app, subscriber] = [await open(t), await open(t)];
  const heard = [];
  await subscriber.sSubscribe(["orders", "stock"], (message) => heard.push(message));
  await subscriber.subscribe("orders", (message) => heard.push(message));
  equal([await app.sPublish("orders", "by shard"), await app.publish("orders", "by all"), await app.sPublish("none", "x"), await app.publish("stock", "x")], [1, 1, 0, 0]);
  await eventually("both", () => heard.length === 2);
  equal([heard, (await app.pubSubShardChannels()).sort(), { ...(await app.pubSubShardNumSub(["orders", "x"])) }], [["by shard", "by all"], ["orders", "stock"], { orders: 1, x: 0 }]);
  await subscriber.sUnsubscribe("orders");
  equal(await app.sPublish("orders", "x"), 0);
});

useCase("B20 fire and forget: who was not there has missed it", async (t) => {
  const [app, subscriber] = [await open(t), await open(t)];
  const heard = [];
  equal(await app.publish("chat:room123", '{"user":"charan"}'), 0, "nobody listens");
  await subscriber.subscribe("chat:room123", (message) => heard.push(message));
  equal(await app.multi().publish("chat:room123", "in a transaction").set("k", "v").exec(), [1, "OK"]);
  await eventually("the second one", () => heard.length === 1);
  equal(heard, ["in a transaction"]);
});

useCase("B20.order four publishers, five subscribers: everybody hears everything, each publisher in its order", async (t) => {
  const [publishers, each] = [4, 1500];
  const all = await fleet(t, 5, async (client) => {
    const heard = [];
    await client.subscribe(["news", "sport"], (message) => heard.push(message));
    return heard;
  });
  await fleet(t, publishers, (client, number) => Promise.all(Array.from({ length: each }, (_, index) => client.publish(index % 2 ? "news" : "sport", `${number}:${index}`))));
  await eventually("everything has come", () => all.every((heard) => heard.length === publishers * each));
  for (const heard of all) {
    equal(heard, all[0], "one order for all");
    const next = Array(publishers).fill(0);
    for (const [number, index] of heard.map((message) => message.split(":").map(Number))) ok(next[number]++ === index, `publisher ${number} in order`);
  }
});

useCase("B20.slow a subscriber that does not read is cut, the others hear everything", async (t) => {
  const app = await open(t);
  const { "client-output-buffer-limit": before } = await app.configGet("client-output-buffer-limit");
  t.later(() => app.configSet("client-output-buffer-limit", before));
  equal(await app.configSet("client-output-buffer-limit", "pubsub 2mb 0 0"), "OK");
  const quick = await open(t);
  let heard = 0;
  const message = "x".repeat(10_000);
  await quick.subscribe("flood", (text) => (heard += text === message ? 1 : 0));
  // A bare socket, which says what it wants and then does not read.
  const slow = createConnection(server);
  t.later(() => slow.destroy());
  const cut = new Promise((resolve) => slow.once("close", resolve).once("error", () => {}));
  slow.write("SUBSCRIBE flood\r\n");
  await eventually("it is subscribed", async () => (await app.pubSubNumSub("flood")).flood === 2);
  slow.pause();
  let [sent, receivers] = [0, 2];
  while (receivers === 2 && sent < 5000) {
    receivers = (await Promise.all(Array.from({ length: 50 }, () => app.publish("flood", message)))).at(-1);
    sent += 50;
  }
  ok(receivers === 1 && sent > 200, `${receivers} receivers after ${sent} messages`);
  slow.resume();
  await cut;
  await eventually("the quick one has it all", () => heard === sent);
});

/** Turns events about keys on, until the use case ends. */
async function withEvents(t, client, flags) {
  const { "notify-keyspace-events": before } = await client.configGet("notify-keyspace-events");
  t.later(() => client.configSet("notify-keyspace-events", before));
  equal(await client.configSet("notify-keyspace-events", flags), "OK");
}

useCase("B6.events a cache that is told when its keys run out or are deleted", async (t) => {
  const [app, subscriber] = [await open(t), await open(t)];
  await withEvents(t, app, "Egx");
  const heard = [];
  await subscriber.pSubscribe("__keyevent@0__:*", (key, channel) => heard.push([channel.split(":")[1], key]));
  await app.pSetEx("product:1", 500, "{}");
  await app.mSet({ "product:2": "{}", "product:3": "{}" });
  equal([await app.del(["product:2", "none"]), await app.unlink("product:3")], [1, 1]);
  await eventually("its end is told", () => heard.some(([event]) => event === "expired"));
  equal(heard, [["expire", "product:1"], ["del", "product:2"], ["del", "product:3"], ["expired", "product:1"]]);
});

useCase("B6.events.keys everything that happens to one key, and nothing of others", async (t) => {
  const [app, subscriber] = [await open(t), await open(t)];
  await withEvents(t, app, "KA");
  const heard = [];
  await subscriber.pSubscribe("__keyspace@0__:cart:*", (event, channel) => heard.push([channel.slice("__keyspace@0__:".length), event]));
  await app.hSet("cart:1", "sku", "1");
  await app.zIncrBy("cart:2", 1, "x");
  await app.zPopMin("cart:2");
  await app.lPush("cart:3", "a");
  await app.lMove("cart:3", "cart:4", "LEFT", "RIGHT");
  await app.sAdd("cart:5", "x");
  await app.sUnionStore("cart:6", ["cart:5"]);
  await app.sPop("cart:5");
  await app.set("other", "x");
  await app.copy("cart:6", "cart:7");
  await eventually("the last one", () => heard.at(-1)?.[1] === "copy_to");
  equal(heard, [["cart:1", "hset"], ["cart:2", "zincr"], ["cart:2", "zpopmin"], ["cart:2", "del"], ["cart:3", "lpush"], ["cart:4", "rpush"], ["cart:3", "lpop"], ["cart:3", "del"], ["cart:5", "sadd"], ["cart:6", "sunionstore"], ["cart:5", "spop"], ["cart:5", "del"], ["cart:7", "copy_to"]]);
});
