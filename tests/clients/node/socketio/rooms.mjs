// Socket.IO on two servers behind one Redis: what one of them emits reaches the browsers at the other one. Both adapters of
// @socket.io/redis-adapter, the classic one and the one of shard channels, each with both client libraries an app may give it.
import { createServer } from "node:http";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis6";
import { createClient } from "redis";
import { Server } from "socket.io";
import { io as connect } from "socket.io-client";
import { equal, eventually, everyByte, ok, server, useCase } from "../lib/use_case.mjs";

const MESSAGES = 1000;

const libraries = {
  async ioredis(t) {
    const redis = new Redis({ ...server, retryStrategy: () => 20 });
    redis.on("error", () => {});
    t.later(() => redis.disconnect());
    return redis;
  },
  async "node-redis"(t) {
    const client = createClient({ socket: { ...server, reconnectStrategy: () => 20 } });
    client.on("error", () => {});
    // Closed and not destroyed: the adapter does not listen to what becomes of its last commands.
    t.later(() => client.close());
    await client.connect();
    return client;
  },
};

/** The connections that listen, as CLIENT LIST has them. */
async function listeners(redis) {
  const lines = (await redis.client("LIST", "TYPE", "pubsub")).trim().split("\n");
  return lines.filter(Boolean).map((line) => Object.fromEntries(line.split(" ").map((field) => field.split("="))));
}

const adapters = {
  classic: {
    create: (pub, sub) => createAdapter(pub, sub, { requestsTimeout: 3000 }),
    // One pattern for messages and three channels for requests, on each server.
    ready: async (redis) => (await listeners(redis)).filter(({ sub, psub }) => sub === "3" && psub === "1").length === 2,
    joined: async () => true,
  },
  sharded: {
    create: (pub, sub) => createShardedAdapter(pub, sub),
    ready: async (redis) => (await redis.pubsub("SHARDNUMSUB", "socket.io#/#"))[1] === 2,
    // A room with a browser in it is a channel of its own.
    joined: async (redis, room, servers) => (await redis.pubsub("SHARDNUMSUB", `socket.io#/#${room}#`))[1] === servers,
  },
};

/** Two servers and one browser at each of them, in the room "both"; and a look at the data from outside. */
async function twoServers(t, adapter, library) {
  const redis = new Redis(server);
  t.later(() => redis.disconnect());
  const servers = [];
  for (const name of ["one", "two"]) {
    const [pub, sub] = [await libraries[library](t), await libraries[library](t)];
    const web = createServer();
    const io = new Server(web, { adapter: adapter.create(pub, sub) });
    t.later(() => io.close());
    io.on("connection", (socket) => {
      socket.join("both");
      socket.on("say", (text) => io.to("both").emit("said", name, text));
    });
    await new Promise((resolve) => web.listen(0, "127.0.0.1", resolve));
    servers.push({ name, io, port: web.address().port });
  }
  await eventually("both servers listen", () => adapter.ready(redis));
  const browsers = [];
  for (const { port } of servers) browsers.push(await browser(t, port));
  await eventually("both rooms are heard", () => adapter.joined(redis, "both", 2));
  return { redis, servers, browsers };
}

async function browser(t, port) {
  const socket = connect(`http://127.0.0.1:${port}`, { transports: ["websocket"], forceNew: true });
  t.later(() => socket.disconnect());
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
  return socket;
}

for (const [kind, adapter] of Object.entries(adapters)) {
  for (const library of Object.keys(libraries)) {
    useCase(`B21.${kind} a thousand messages each way with ${library}, none lost, in order`, async (t) => {
      const { servers, browsers } = await twoServers(t, adapter, library);
      const heard = browsers.map((socket) => {
        const mine = { one: [], two: [] };
        socket.on("said", (from, text) => mine[from].push(text));
        return mine;
      });
      for (let number = 0; number < MESSAGES; number += 1) {
        // Half of them come from the servers themselves, and half from the browsers.
        if (number % 2) for (const { io, name } of servers) io.to("both").emit("said", name, number);
        else for (const socket of browsers) socket.emit("say", number);
        if (number % 100 === 99) await new Promise(setImmediate);
      }
      await eventually("everything has come", () => heard.every(({ one, two }) => one.length === MESSAGES && two.length === MESSAGES), 8000);
      const parity = (numbers, rest) => numbers.filter((number) => number % 2 === rest);
      const all = Array.from({ length: MESSAGES }, (_, number) => number);
      for (const mine of heard) {
        for (const numbers of [mine.one, mine.two]) {
          equal([...numbers].sort((a, b) => a - b), all, "each once");
          for (const rest of [0, 1]) equal(parity(numbers, rest), parity(all, rest), "in order");
        }
      }
    });

    useCase(`B21.${kind}.rooms rooms, bytes, answers and requests between servers with ${library}`, async (t) => {
      const { redis, servers, browsers } = await twoServers(t, adapter, library);
      const [{ io: one }, { io: two }] = servers;
      const [left, right] = browsers;
      const got = [];
      for (const socket of browsers) {
        socket.on("bytes", (bytes) => got.push(Buffer.from(bytes)));
        socket.on("ask", (question, answer) => answer(`${question}, ${socket === left ? "left" : "right"}`));
      }
      one.emit("bytes", everyByte);
      await eventually("both have the bytes", () => got.length === 2);
      ok(got.every((bytes) => bytes.equals(everyByte)), "the same bytes");
      // A question to everybody, whose answers come back through the other server.
      equal((await two.timeout(3000).emitWithAck("ask", "who")).sort(), ["who, left", "who, right"]);
      // One server looks at, moves and cuts the sockets of the other one.
      equal((await one.fetchSockets()).map(({ id }) => id).sort(), [left.id, right.id].sort());
      two.in(left.id).socketsJoin("left only");
      await eventually("it has joined", async () => (await two.in("left only").fetchSockets()).length === 1);
      await eventually("the room is heard", () => adapter.joined(redis, "left only", 1));
      const alone = new Promise((resolve) => left.once("alone", resolve));
      right.once("alone", () => got.push("wrong"));
      two.to("left only").emit("alone", "hello");
      equal([await alone, got.length], ["hello", 2]);
      one.on("rebuild", (what, answer) => answer(`${what} done`));
      equal(await two.serverSideEmitWithAck("rebuild", "cache"), ["cache done"]);
      const cut = new Promise((resolve) => left.once("disconnect", resolve));
      two.in("left only").disconnectSockets();
      equal(await cut, "io server disconnect");
    });

    useCase(`B21.${kind}.lost after the servers lost their connections to Redis with ${library} they hear each other again`, async (t) => {
      const { redis, servers, browsers } = await twoServers(t, adapter, library);
      const ids = (await listeners(redis)).map(({ id }) => id);
      equal(ids.length, 2, "subscribers");
      for (const id of ids) equal(await redis.client("KILL", "ID", id), 1);
      await eventually("new connections listen", async () => {
        const back = (await listeners(redis)).filter(({ id }) => !ids.includes(id));
        return back.length === 2 && (await adapter.ready(redis)) && (await adapter.joined(redis, "both", 2));
      });
      const heard = Promise.all(browsers.map((socket) => new Promise((resolve) => socket.once("said", (from, text) => resolve([from, text])))));
      servers[1].io.to("both").emit("said", "two", "again");
      equal(await heard, [["two", "again"], ["two", "again"]]);
    });
  }
}
