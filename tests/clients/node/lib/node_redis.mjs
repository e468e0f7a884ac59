// node-redis (the package `redis`), which speaks RESP3 unless told otherwise.
import { createClient } from "redis";
import { client as asked, server } from "./use_case.mjs";

export const RESP = asked.endsWith("-resp2") ? 2 : 3;

export function options({ socket, ...more } = {}) {
  return { socket: { ...server, ...socket }, RESP, ...more };
}

/** A connected client that is closed when the use case ends. */
export async function open(t, more = {}) {
  return connect(t, createClient(options(more)));
}

/** Connects a client made by hand. Without a listener an error event would end the process, as in every node app. */
export async function connect(t, client) {
  client.on("error", () => {});
  t.later(() => client.destroy());
  await client.connect();
  return client;
}

export async function has(client, command) {
  const [info] = await client.sendCommand(["COMMAND", "INFO", command]);
  return Array.isArray(info);
}

/** Runs `body` on `count` connections at once and hands back all their results. */
export async function fleet(t, count, body) {
  const clients = await Promise.all(Array.from({ length: count }, () => open(t)));
  return Promise.all(clients.map(body));
}
