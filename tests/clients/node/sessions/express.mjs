// Sessions of a real web app: express and express-session behind HTTP on the loopback, their store being connect-redis. Version 9
// takes a node-redis client and is a named export; version 7, which many apps still run, is the default import and takes ioredis.
import express from "express";
import session from "express-session";
import { ownServer } from "../lib/server.mjs";
import { client as asked, equal, ok, server, useCase } from "../lib/use_case.mjs";

const seven = asked === "connect-redis7";
const { RedisStore } = seven ? { RedisStore: (await import("connect-redis7")).default } : await import("connect-redis");
const { Redis } = await import("ioredis6");
const { createClient } = await import("redis");

/** A client of the library this store belongs to. */
async function connected(t, at = server) {
  if (seven) {
    const redis = new Redis(at);
    redis.on("error", () => {});
    t.later(() => redis.disconnect());
    return redis;
  }
  const client = createClient({ socket: at });
  client.on("error", () => {});
  t.later(() => client.destroy());
  await client.connect();
  return client;
}

/** Looks at the same data from outside the app. */
function onlooker(t) {
  const redis = new Redis(server);
  t.later(() => redis.disconnect());
  return redis;
}

async function app(t, { store, cookie = { maxAge: 86_400_000 }, rolling = false }) {
  const web = express();
  web.use(express.json());
  web.use(session({ store, secret: "not a secret", resave: false, saveUninitialized: false, rolling, cookie }));
  web.post("/login", (request, response, next) => {
    // A new id on login is what stops session fixation; the old session must be gone from the store.
    request.session.regenerate((error) => {
      if (error) return next(error);
      request.session.user = request.body.user;
      response.json({ sid: request.session.id });
    });
  });
  web.get("/me", (request, response) => {
    if (!request.session.user) return response.status(401).end();
    request.session.visits = (request.session.visits ?? 0) + 1;
    response.json({ user: request.session.user, visits: request.session.visits });
  });
  web.get("/glance", (request, response) => response.json({ user: request.session.user ?? null }));
  web.post("/logout", (request, response, next) => request.session.destroy((error) => (error ? next(error) : response.json({}))));
  const listener = await new Promise((resolve) => {
    const started = web.listen(0, "127.0.0.1", () => resolve(started));
  });
  t.later(() => listener.closeAllConnections());
  t.later(() => listener.close());
  return `http://127.0.0.1:${listener.address().port}`;
}

/** A browser, as far as sessions care: it sends back the cookie it was given. */
function browser() {
  let cookie;
  return async (method, url, body) => {
    const headers = { "content-type": "application/json", ...(cookie && { cookie }) };
    const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
    const given = response.headers.getSetCookie()[0];
    if (given) cookie = given.split(";", 1)[0];
    const text = await response.text();
    return { status: response.status, ...(text ? JSON.parse(text) : {}) };
  };
}

useCase("B9 log in, be known, log out", async (t) => {
  const redis = onlooker(t);
  const url = await app(t, { store: new RedisStore({ client: await connected(t) }) });
  const visit = browser();
  equal((await visit("GET", `${url}/me`)).status, 401);
  const { sid } = await visit("POST", `${url}/login`, { user: "Zoë 🦊" });
  equal(await visit("GET", `${url}/me`), { status: 200, user: "Zoë 🦊", visits: 1 });
  equal(await visit("GET", `${url}/me`), { status: 200, user: "Zoë 🦊", visits: 2 });
  const stored = JSON.parse(await redis.get(`sess:${sid}`));
  equal([stored.user, stored.visits], ["Zoë 🦊", 2]);
  // The library reckons it anew out of a deadline, which takes a millisecond now and then.
  ok(Math.abs(stored.cookie.originalMaxAge - 86_400_000) <= 5, `originalMaxAge ${stored.cookie.originalMaxAge}`);
  const ttl = await redis.ttl(`sess:${sid}`);
  ok(ttl > 86_390 && ttl <= 86_400, `a maxAge of a day in ms is EX 86400, got ${ttl}`);
  equal((await visit("POST", `${url}/logout`)).status, 200);
  equal([await redis.exists(`sess:${sid}`), (await visit("GET", `${url}/me`)).status], [0, 401]);
});

useCase("B9.touch a visit which changes nothing moves the deadline by EXPIRE", async (t) => {
  const redis = onlooker(t);
  const url = await app(t, { store: new RedisStore({ client: await connected(t) }) });
  const visit = browser();
  const { sid } = await visit("POST", `${url}/login`, { user: "ann" });
  await redis.expire(`sess:${sid}`, 100);
  equal(await visit("GET", `${url}/glance`), { status: 200, user: "ann" });
  ok((await redis.ttl(`sess:${sid}`)) > 86_000, "moved to a day again");
});

useCase("B9.shared two servers behind a balancer share the sessions", async (t) => {
  const [one, two] = [await app(t, { store: new RedisStore({ client: await connected(t) }) }), await app(t, { store: new RedisStore({ client: await connected(t) }) })];
  const visit = browser();
  await visit("POST", `${one}/login`, { user: "bob" });
  for (const [index, url] of [two, one, two].entries()) equal(await visit("GET", `${url}/me`), { status: 200, user: "bob", visits: index + 1 });
  await visit("POST", `${two}/logout`);
  equal((await visit("GET", `${one}/me`)).status, 401, "logged out everywhere at once");
});

useCase("B9.fixation a new id on login, and a forged cookie is nobody", async (t) => {
  const redis = onlooker(t);
  const url = await app(t, { store: new RedisStore({ client: await connected(t) }) });
  const visit = browser();
  const first = await visit("POST", `${url}/login`, { user: "ann" });
  const second = await visit("POST", `${url}/login`, { user: "ann" });
  ok(first.sid !== second.sid, "a new id");
  equal(await redis.exists(`sess:${first.sid}`), 0, "the old session is deleted");
  const forged = await fetch(`${url}/me`, { headers: { cookie: `connect.sid=s%3A${second.sid}.AAAA` } });
  equal(forged.status, 401);
});

useCase("B9.lapse a session ends by itself when its time is over", async (t) => {
  const url = await app(t, { store: new RedisStore({ client: await connected(t), prefix: "short:" }), cookie: { maxAge: 1000 } });
  const redis = onlooker(t);
  const visit = browser();
  const { sid } = await visit("POST", `${url}/login`, { user: "ann" });
  const left = await redis.pttl(`short:${sid}`);
  ok(left > 0 && left <= 1000, `pttl ${left}`);
  await new Promise((resolve) => setTimeout(resolve, left + 20));
  equal([await redis.get(`short:${sid}`), (await visit("GET", `${url}/me`)).status], [null, 401]);
});

useCase("B9.crowd fifty people at once, each their own session", async (t) => {
  const url = await app(t, { store: new RedisStore({ client: await connected(t) }) });
  const people = Array.from({ length: 50 }, (_, index) => ({ name: `user-${index}`, visit: browser() }));
  await Promise.all(people.map(({ name, visit }) => visit("POST", `${url}/login`, { user: name })));
  const seen = await Promise.all(people.map(({ visit }) => visit("GET", `${url}/me`)));
  equal(seen.map(({ user }) => user), people.map(({ name }) => name));
});

useCase("B9.store all, ids, length and clear, which walk the keys by SCAN", async (t) => {
  const redis = onlooker(t);
  const store = new RedisStore({ client: await connected(t), prefix: "walk:" });
  const call = (name, ...args) => new Promise((resolve, reject) => store[name](...args, (error, value) => (error ? reject(error) : resolve(value))));
  await Promise.all(Array.from({ length: 250 }, (_, index) => call("set", `s${index}`, { cookie: {}, number: index })));
  await redis.set("walk", "not a session");
  equal(await call("length"), 250);
  equal((await call("ids")).sort(), Array.from({ length: 250 }, (_, index) => `s${index}`).sort());
  equal((await call("all")).map(({ id, number }) => id === `s${number}`), Array(250).fill(true));
  equal((await call("get", "s7")).number, 7);
  await call("destroy", "s7");
  ok(!(await call("get", "s7")), "destroyed");
  await call("clear");
  equal([await call("length"), await redis.get("walk")], [0, "not a session"]);
});

useCase("B9.outage the app goes on with its sessions after it lost the connection", async (t) => {
  const redis = onlooker(t);
  const client = await connected(t);
  const url = await app(t, { store: new RedisStore({ client }) });
  const visit = browser();
  await visit("POST", `${url}/login`, { user: "ann" });
  const id = seven ? await client.client("ID") : await client.clientId();
  const back = new Promise((resolve) => client.once("ready", resolve));
  equal(await redis.client("KILL", "ID", id), 1);
  await back;
  equal(await visit("GET", `${url}/me`), { status: 200, user: "ann", visits: 1 });
});

useCase("B9.restart whoever is logged in stays so when the server is restarted, or killed", async (t) => {
  // What was answered outlives a kill at any moment only so; everysec may lose a second while the disk is busy.
  const own = await ownServer(t, "--appendonly", "yes", "--appendfsync", "always");
  const client = await connected(t, own.at);
  const url = await app(t, { store: new RedisStore({ client }) });
  const people = Array.from({ length: 20 }, browser);
  await Promise.all(people.map((visit, number) => visit("POST", `${url}/login`, { user: `user ${number}` })));
  for (const [visits, signal] of ["SIGTERM", "SIGKILL"].entries()) {
    for (const [number, visit] of people.entries()) equal(await visit("GET", `${url}/me`), { status: 200, user: `user ${number}`, visits: 2 * visits + 1 });
    const back = new Promise((resolve) => client.once("ready", resolve));
    await own.restart(signal);
    await back;
    for (const [number, visit] of people.entries()) equal(await visit("GET", `${url}/me`), { status: 200, user: `user ${number}`, visits: 2 * visits + 2 });
  }
});
