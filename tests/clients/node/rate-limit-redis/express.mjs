// express-rate-limit with its store in Redis, in a real express app: two processes of it count together.
import express from "express";
import { rateLimit } from "express-rate-limit";
import { Redis as Redis6 } from "ioredis6";
import { RedisStore } from "rate-limit-redis";
import { createClient } from "redis";
import { equal, eventually, oneTo, ok, server, useCase } from "../lib/use_case.mjs";

const libraries = {
  async ioredis(t) {
    const redis = new Redis6(server);
    t.later(() => redis.disconnect());
    return (command, ...args) => redis.call(command, ...args);
  },
  async "node-redis"(t) {
    const client = createClient({ socket: server });
    client.on("error", () => {});
    t.later(() => client.destroy());
    await client.connect();
    return (...args) => client.sendCommand(args);
  },
};

let count = 0;

/** Apps that share one store, each with a connection of its own; hands back their addresses and the stores. */
async function apps(t, connect, many, options) {
  const prefix = `rl${(count += 1)}:`;
  return Promise.all(oneTo(many).map(async () => {
    const app = express();
    const store = new RedisStore({ sendCommand: await connect(t), prefix });
    app.use(rateLimit({ windowMs: 60_000, standardHeaders: "draft-6", legacyHeaders: true, keyGenerator: (request) => request.headers["x-user"] ?? "anybody", validate: false, store, ...options }));
    app.get("/", (request, response) => response.status(request.headers["x-bad"] ? 400 : 200).send("hello"));
    const web = await new Promise((resolve) => {
      const listening = app.listen(0, "127.0.0.1", () => resolve(listening));
    });
    t.later(() => web.close());
    return { store, ask: (headers = {}) => fetch(`http://127.0.0.1:${web.address().port}/`, { headers: { connection: "close", ...headers } }) };
  }));
}

for (const [library, connect] of Object.entries(libraries)) {
  useCase(`B40.express so many requests, whichever app is asked, with ${library}`, async (t) => {
    const [one, two] = await apps(t, connect, 2, { limit: 7 });
    for (const number of oneTo(7)) {
      const response = await (number % 2 ? one : two).ask();
      equal([response.status, response.headers.get("ratelimit-limit"), response.headers.get("ratelimit-remaining"), response.headers.get("x-ratelimit-remaining")], [200, "7", String(7 - number), String(7 - number)]);
      ok(Number(response.headers.get("ratelimit-reset")) <= 60 && Number(response.headers.get("ratelimit-reset")) > 50, "the end of the window");
    }
    const refused = await two.ask();
    equal([refused.status, refused.headers.get("ratelimit-remaining"), (await one.ask({ "x-user": "bob" })).status], [429, "0", 200]);
    ok(Number(refused.headers.get("retry-after")) > 50, "says when to come again");
    await one.store.resetKey("anybody");
    equal([(await two.ask()).status, (await two.store.get("anybody")).totalHits], [200, 1]);
  });

  useCase(`B40.express.race three hundred requests at once to three apps, with ${library}`, async (t) => {
    const all = await apps(t, connect, 3, { limit: 100 });
    const statuses = [];
    for (let batch = 0; batch < 6; batch += 1) statuses.push(...(await Promise.all(oneTo(50).map(async (number) => (await all[number % 3].ask()).status))));
    equal([statuses.filter((status) => status === 200).length, statuses.filter((status) => status === 429).length], [100, 200]);
  });

  useCase(`B40.express.window a new window begins when the old one is over, with ${library}`, async (t) => {
    const [app] = await apps(t, connect, 1, { limit: 2, windowMs: 400 });
    const started = Date.now();
    equal([(await app.ask()).status, (await app.ask()).status, (await app.ask()).status], [200, 200, 429]);
    await eventually("it is over", async () => (await app.ask()).status === 200);
    ok(Date.now() - started >= 399, "not sooner");
    equal((await app.store.get("anybody")).totalHits, 1);
  });

  useCase(`B40.express.skip what failed does not count, with ${library}`, async (t) => {
    const [app] = await apps(t, connect, 1, { limit: 2, skipFailedRequests: true });
    for (const number of oneTo(4)) equal((await app.ask({ "x-bad": "1" })).status, 400, `try ${number}`);
    await eventually("all are given back", async () => ((await app.store.get("anybody"))?.totalHits ?? 0) === 0);
    equal([(await app.ask()).status, (await app.ask()).status, (await app.ask()).status], [200, 200, 429]);
  });
}
