// Two Socket.IO servers behind one Redis and a browser at each of them, with any of the adapters and client libraries.
import { createServer } from "node:http";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis6";
import { createClient } from "redis";
import { Server } from "socket.io";
import { io as connect } from "socket.io-client";
import { eventually, server } from "./use_case.mjs";

export const libraries = {
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

async function connections(redis, ...which) {
  const lines = (await redis.client("LIST", ...which)).trim().split("\n");
  return lines.filter(Boolean).map((line) => Object.fromEntries(line.split(" ").map((field) => field.split("="))));
}

/** The connections that listen, as CLIENT LIST has them. */
const listeners = (redis) => connections(redis, "TYPE", "pubsub");

// A reader of a stream goes on for as long as its last call waits, so these calls are short: the next use case counts those who read.
export const adapters = {
  classic: {
    create: (pub, sub) => createAdapter(pub, sub, { requestsTimeout: 3000 }),
    // One pattern for messages and three channels for requests, on each server.
    ready: async (redis) => (await listeners(redis)).filter(({ sub, psub }) => sub === "3" && psub === "1").length === 2,
    joined: async () => true,
    listeners,
    connections: 2,
  },
  sharded: {
    create: (pub, sub) => createShardedAdapter(pub, sub),
    ready: async (redis) => (await redis.pubsub("SHARDNUMSUB", "socket.io#/#"))[1] === 2,
    // A room with a browser in it is a channel of its own.
    joined: async (redis, room, servers) => (await redis.pubsub("SHARDNUMSUB", `socket.io#/#${room}#`))[1] === servers,
    listeners,
    connections: 2,
  },
  streams: {
    create: (pub, sub, options) => createStreamsAdapter(pub, { blockTimeInMs: 1000, ...options }),
    ready: async (redis) => (await readers(redis)).length === 2,
    // Until it has read its first entry a server reads from the end of the stream, and what comes between two of its calls passes it by.
    warm: async (servers, browsers) => {
      const heard = new Set();
      browsers.forEach((socket, number) => socket.on("warm", (name) => heard.add(`${number} ${name}`)));
      await eventually("everybody hears everybody", () => {
        for (const { io, name } of servers) io.emit("warm", name);
        return heard.size === 4;
      });
      for (const socket of browsers) socket.off("warm");
    },
    joined: async () => true,
    listeners: async (redis) => [...(await readers(redis)), ...(await listeners(redis))],
    connections: 4,
  },
};

/** The connections that wait for something new in a stream. */
async function readers(redis) {
  return (await connections(redis)).filter(({ cmd, flags }) => cmd === "xread" && flags.includes("b"));
}

/** Two servers and one browser at each of them, in the room "both"; and a look at the data from outside. */
export async function twoServers(t, adapter, library, options = {}) {
  const redis = new Redis(server);
  t.later(() => redis.disconnect());
  const servers = [];
  for (const name of ["one", "two"]) {
    const [pub, sub] = [await libraries[library](t), await libraries[library](t)];
    const web = createServer();
    const io = new Server(web, { adapter: adapter.create(pub, sub), ...options });
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
  await adapter.warm?.(servers, browsers);
  return { redis, servers, browsers };
}

export async function browser(t, port) {
  const socket = connect(`http://127.0.0.1:${port}`, { transports: ["websocket"], forceNew: true });
  t.later(() => socket.disconnect());
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
  return socket;
}
